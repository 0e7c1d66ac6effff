// The report page: draws what is in the #data element and asks for nothing else.
// A number on the page carries `data-path`, its place in the JSON, and `data-value`, the number itself.
"use strict";
(() => {
const data = JSON.parse(document.getElementById("data").textContent);
const state = {side: "report", entry: 0, fusion: 0, map: -1, whole: false, kernels: -1, sort: "share", down: true, fate: "other", query: ""};
let report = data.report;

// ---- Building blocks -------------------------------------------------------------------------------------------
function build(node, attributes, children) {
  for (const [key, value] of Object.entries(attributes || {})) {
    if (value === undefined || value === false) continue;
    if (key.startsWith("on")) node.addEventListener(key.slice(2), value);
    else node.setAttribute(key, value);
  }
  for (const child of children.flat(Infinity))
    if (child !== null && child !== undefined) node.append(child);
  return node;
}
const h = (tag, attributes, ...children) => build(document.createElement(tag), attributes, children);
const svg = (tag, attributes, ...children) =>
  build(document.createElementNS("http://www.w3.org/2000/svg", tag), attributes, children);
const find = (selector) => document.querySelector(selector);
const fill = (selector, ...children) => find(selector).replaceChildren(...children.flat(Infinity).filter((c) => c != null));

function inUnits(value, step, units) {
  let unit = 0;
  while (value >= step && unit + 1 < units.length) { value /= step; unit += 1; }
  return (unit === 0 ? Math.round(value) : value.toFixed(value < 10 ? 2 : 1)) + " " + units[unit];
}
const plain = (value) => String(value).replace(/\B(?=(\d{3})+(?!\d))/g, "\u202f");
const bytes = (value) => inUnits(value, 1024, ["B", "KiB", "MiB", "GiB", "TiB"]);
const time = (value) => inUnits(value, 1000, ["ns", "µs", "ms", "s"]);
const rate = (value) => value < 10 ? value.toPrecision(2) : plain(Math.round(value));
const work = (value) => inUnits(value, 1000, ["FLOP", "kFLOP", "MFLOP", "GFLOP", "TFLOP"]);

/// A number of the report, shown with `format`.
function number(path, format = plain, tag = "span") {
  const value = path.split("/").reduce((at, key) => (at === undefined ? at : at[key]), report);
  return value === undefined ? null : h(tag, {"data-path": path, "data-value": value}, format(value));
}
const lastPart = (path) => path.replace(/^.*\.(\*|\d+)\./, "");
const sum = (values) => values.reduce((all, value) => all + value, 0);
const text = (value) => (value !== null && typeof value === "object" ? JSON.stringify(value) : String(value));

const kinds = {"lm.linear": "linear", "lm.attention": "attention", "lm.norm": "norm", "lm.bias": "elementwise",
               "lm.activation": "elementwise", "lm.binary": "elementwise", "lm.block_max": "elementwise"};
const kindNames = {linear: "matrix product", attention: "attention", norm: "norm", elementwise: "elementwise",
                   memory: "gather, rope, cache, view"};
const kindOf = (op) => kinds[op] || "memory";
const mainOp = (launch) => launch.ops.find((op) => op.path === launch.path) || launch.ops[0] || {op: "", path: ""};

/// Toggle buttons of which one is pressed.
function choice(names, chosen, choose) {
  return names.map((name, index) =>
    h("button", {type: "button", "aria-pressed": String(index === chosen), onclick: () => choose(index)}, name));
}

// ---- Tips: on hover, focus and tap -----------------------------------------------------------------------------
const tip = document.getElementById("tip");
let tipOwner = null;
function showTip(owner, content) {
  hideTip();
  tipOwner = owner;
  owner.setAttribute("aria-expanded", "true");
  tip.replaceChildren(...content.flat(Infinity).filter((c) => c != null));
  tip.hidden = false;
  const box = owner.getBoundingClientRect(), own = tip.getBoundingClientRect();
  const left = Math.min(Math.max(12, box.left), innerWidth - own.width - 12);
  const below = box.bottom + 8 + own.height < innerHeight;
  tip.style.left = Math.max(12, left) + "px";
  tip.style.top = (below ? box.bottom + 8 : Math.max(8, box.top - own.height - 8)) + "px";
}
function hideTip() {
  if (tipOwner) tipOwner.removeAttribute("aria-expanded");
  tipOwner = null;
  tip.hidden = true;
}
function withTip(node, content) {
  const show = () => showTip(node, content());
  node.addEventListener("pointerenter", (event) => event.pointerType === "mouse" && show());
  node.addEventListener("pointerleave", (event) => event.pointerType === "mouse" && hideTip());
  node.addEventListener("focus", show);
  node.addEventListener("blur", hideTip);
  node.addEventListener("click", (event) => { event.stopPropagation(); show(); });
  return node;
}
document.addEventListener("click", hideTip);
document.addEventListener("keydown", (event) => event.key === "Escape" && hideTip());
document.addEventListener("scroll", hideTip, {passive: true});

// ---- Overview --------------------------------------------------------------------------------------------------
function drawHead() {
  const model = report.model, target = report.target;
  document.title = `Stoop report: ${model.name || "model"}`;
  find("#title").textContent = model.name || "model";
  find("#subtitle").textContent = [`${model.family || ""} ${model.dtype || ""}`.trim(), `${model.layers} layer${model.layers === 1 ? "" : "s"}`,
    `hidden ${plain(model.hidden)}`, `${model.heads} head${model.heads === 1 ? "" : "s"} on ${model.kv_heads} KV head${model.kv_heads === 1 ? "" : "s"}`, `vocabulary ${plain(model.vocab)}`,
    `context ${plain(model.max_positions)}`, `${target.name} ${target.levels.join(", ")}`].join(" · ");
  const names = {changes: "Changes", overview: "Overview", layers: "Launches", fusion: "Not fused", memory: "Memory",
                 kernels: "Kernels", ledger: "Ledger", provenance: "Provenance"};
  const links = Object.entries(names).filter(([id]) => id !== "changes" || data.diff)
    .map(([id, name]) => h("a", {href: "#" + id}, name));
  const sides = data.diff ? choice(["after", "before"], state.side === "report" ? 0 : 1, (index) => {
    Object.assign(state, {side: index ? "base" : "report", entry: 0, fusion: 0, map: -1, kernels: -1});
    report = data[state.side];
    draw();
  }) : [];
  fill("#nav", links, sides.length ? h("span", {class: "sides"}, sides) : null);
}

function drawOverview() {
  const decode = Math.max(0, report.entries.findIndex((entry) => entry.kind === "decode"));
  const at = `entries/${decode}/`, entry = report.entries[decode];
  const tile = (value, label) => value && h("div", {class: "tile"}, value, h("span", {}, label));
  const missed = sum(report.fusion.missed.filter((v) => entry && v.entry === entry.name).map((v) => v.count));
  const passed = sum(report.fusion.passed.filter((v) => entry && v.entry === entry.name).map((v) => v.count));
  const tiles = entry ? [
    tile(number(at + "launches", plain, "b"), `launches a token, ${entry.launches_per_layer} a layer`),
    tile(number(at + "roofline_ns", time, "b"), entry.roofline_ns ? `a token at best: ${rate(1e9 / entry.roofline_ns)} a second` : ""),
    tile(number(at + "bytes", bytes, "b"), "moved a token, full context"),
    tile(h("b", {}, `${passed} / ${passed + missed}`), "edges between ops fused in a step")] : [];
  const need = report.memory.need;
  fill("#overview .tiles", tiles, need ? tile(number("memory/need/bytes", bytes, "b"), "memory, weights and code included" + (need.threads > 1 ? `, ${need.threads} threads` : ""))
         : tile(number("memory/total_bytes", bytes, "b"), "memory of the arenas, weights included"),
       tile(number("memory/kv_bytes_per_token", bytes, "b"), "KV cache a token"));
  fill("#overview .warnings", report.warnings.map((warning) => h("div", {class: "warning"}, warning)),
       report.target.roofline ? h("p", {class: "soft"}, `Times are the least that ${report.target.roofline.machine} needs: ` +
         `${bytes(report.target.roofline.bytes_per_second)}/s, ${work(report.target.roofline.flops_per_second)}/s. Predicted, not measured.`) : null,
       (report.predictions || []).map((machine, index) => {
         const step = machine.steps.findIndex((each) => entry && each.entry === entry.name);
         const place = `predictions/${index}/steps/${step}/`;
         return step < 0 ? null : h("p", {class: "soft"}, `Predicted for ${machine.machine}: `,
           number(place + "predicted_ns", time), " a step, ", number(place + "predicted_tokens_per_second", rate),
           ` tokens/s (${machine.fits ? "" : "which has too little memory for it; "}${machine.source}).`);
       }));
}

// ---- Launches: layers drawn as their fused regions -------------------------------------------------------------
const anyLayer = (path) => path.replace(/(^|\.)\d+(?=\.|$)/, "$1*");
const liesInLayers = (path) => anyLayer(path).split(".").includes("*");

/// Layers that a path lies in, where `*` stands for `layers`; null if in none.
function layersOf(path, layers) {
  const [, own] = path.match(/(?:^|\.)(\d+)(?=\.|$)/) || [];
  return own !== undefined ? [Number(own), Number(own)] : liesInLayers(path) && layers ? layers : null;
}

/// A verdict's `layers` are the consumer's, or the producer's if the consumer lies in none.
function edgesOf(entry, op, group) {
  const own = layersOf(op.path, group.layers), edges = [];
  const isOp = (end, layers) => {
    const its = layersOf(end.path, layers);
    return end.op === op.op && anyLayer(end.path) === anyLayer(op.path) &&
      (!its || !own || (its[0] <= own[1] && own[0] <= its[1]));
  };
  for (const kind of ["passed", "missed"])
    for (const verdict of report.fusion[kind]) {
      if (verdict.entry !== entry.name) continue;
      const distance = verdict.layer_distance || 0;
      const back = liesInLayers(verdict.consumer.path) ? distance : 0;
      if (isOp(verdict.producer, verdict.layers && verdict.layers.map((layer) => layer - back)))
        edges.push({...verdict, kind, arrow: "→", other: verdict.consumer, step: distance});
      if (isOp(verdict.consumer, verdict.layers))
        edges.push({...verdict, kind, arrow: "←", other: verdict.producer, step: -distance});
    }
  return edges;
}

/// " of the next layer", where an edge leaves the layer.
const layerStep = (step) => !step ? "" : Math.abs(step) > 1 ? ` ${step > 0 ? "+" : ""}${step} layers`
  : ` of the ${step > 0 ? "next" : "previous"} layer`;

function drawOp(entry, group, launch, op) {
  const edges = edgesOf(entry, op, group);
  const isMissed = edges.some((edge) => edge.kind === "missed");
  const node = h("button", {type: "button", class: `op k-${kindOf(op.op)}${isMissed ? " missed" : ""}`,
                            "data-op": op.path}, lastPart(op.path));
  return withTip(node, () => [
    h("h4", {}, `${op.op} ${op.path}`),
    op.tensors && h("div", {class: "soft mono"}, op.tensors.join(", ")),
    h("ul", {}, edges.map((edge) => h("li", {class: edge.kind === "passed" ? "yes" : "no"},
      `${edge.arrow} ${lastPart(edge.other.path)}${layerStep(edge.step)}`, edge.bytes ? ` (${bytes(edge.bytes)} a step ${edge.kind === "passed" ? "saved" : "still moved"})` : "",
      edge.reason ? h("div", {}, edge.reason) : null,
      edge.remedy ? h("div", {class: "soft"}, "to fuse: " + edge.remedy) : null))),
    edges.length ? null : h("div", {class: "soft"}, "no candidate to fuse with")]);
}

function drawLaunches() {
  const entry = report.entries[state.entry];
  fill("#layers .controls", choice(report.entries.map((e) => e.name), state.entry, (index) => { state.entry = index; drawLaunches(); }));
  if (!entry) return;
  const kernels = Object.fromEntries(report.kernels.map((kernel) => [kernel.name, kernel]));
  fill("#layers .lead", "A step of ", number(`entries/${state.entry}/rows`), report.entries[state.entry].rows === 1 ? " token: " : " tokens: ", number(`entries/${state.entry}/launches`),
       " launches. A card is one launch, its ops run in it from top to bottom; hover or tap an op for its verdicts.");
  const groups = entry.groups.map((group) => {
    const [first, last] = group.layers || [];
    const name = !group.layers ? (group === entry.groups[0] ? "before the layers" : "behind the layers") : first === last ? `layer ${first}` : `layers ${first}–${last}`;
    return h("div", {class: "group"},
      h("div", {class: "name"}, name, group.count > 1 ? h("span", {class: "times"}, `× ${group.count}`) : null,
        h("span", {class: "soft"}, `${group.launches.length} launch${group.launches.length > 1 ? "es" : ""}`)),
      h("div", {class: "launches"}, group.launches.map((launch) => {
        const kernel = kernels[launch.kernel] || {};
        return h("div", {class: `launch k-${kindOf(mainOp(launch).op)}`},
          h("div", {class: "head"}, h("span", {}, launch.kernel), h("span", {}, kernel.roofline_ns === undefined ? bytes(kernel.bytes || 0) : time(kernel.roofline_ns))),
          h("div", {class: "ops", style: `--rows:${Math.min(6, launch.ops.length)}`}, launch.ops.map((op) => drawOp(entry, group, launch, op))));
      })));
  });
  fill("#layers .body", groups, h("div", {class: "legend"}, Object.entries(kindNames).map(([kind, name]) =>
    h("span", {}, h("i", {class: "k-" + kind}), name)), h("span", {}, h("i", {class: "dot"}), "an edge is not fused")));
}

/// "binary layers.*-1.residual → norm layers.*.norm": where ends lie in different layers, how far apart.
function edgeName({producer, consumer, layer_distance: distance = 0}) {
  const own = distance ? anyLayer(producer.path).replace("*", distance > 0 ? `*-${distance}` : `*+${-distance}`) : producer.path;
  const name = (op, path) => `${op.split(".").pop()} ${path}`;
  return `${name(producer.op, own)} → ${name(consumer.op, consumer.path)}`;
}

// ---- Missed fusions --------------------------------------------------------------------------------------------
function drawFusion() {
  const entry = report.entries[state.fusion];
  fill("#fusion .controls", choice(report.entries.map((e) => e.name), state.fusion, (index) => { state.fusion = index; drawFusion(); }));
  const merged = new Map(); // runs of layers that differ elsewhere are one row
  for (const verdict of report.fusion.missed) {
    if (!entry || verdict.entry !== entry.name) continue;
    const key = edgeName(verdict) + "|" + verdict.reason;
    const row = merged.get(key) || {verdict, moved: 0, count: 0};
    merged.set(key, {...row, moved: row.moved + verdict.bytes, count: row.count + verdict.count});
  }
  const rows = [...merged.values()].sort((a, b) => b.moved - a.moved);
  fill("#fusion .lead", rows.length ? "Pairs of ops that could share a launch and do not, and the bytes that still move between them in a step; most first." : "");
  fill("#fusion .body", rows.length ? rows.map(({verdict, moved, count}) => h("div", {class: "miss"},
    h("span", {}, h("code", {}, edgeName(verdict)), count > 1 ? h("span", {class: "soft"}, ` × ${count}`) : null),
    h("span", {class: "num"}, bytes(moved)), h("div", {class: "why"}, verdict.reason),
    verdict.remedy ? h("div", {class: "fix"}, "to fuse: " + verdict.remedy) : null))
    : report.fusion.passed.some((verdict) => verdict.pass)
      ? h("p", {class: "none"}, "Every candidate that was looked at is fused.")
      : h("p", {class: "soft"}, "This program carries no verdicts."));
}

// ---- Memory ----------------------------------------------------------------------------------------------------
/// Launches of an entry one by one, each with its layer.
function stepsOf(entry) {
  const steps = [];
  for (const group of entry ? entry.groups : [])
    for (let turn = 0; turn < group.count; ++turn)
      for (const launch of group.launches) steps.push({launch, layer: group.layers ? group.layers[0] + turn : -1});
  return steps;
}

/// The memory of a device is all that is needed there; its code stays with the host.
function isOnDevice() {
  return (report.memory.classes || []).some((row) => row.class === "stacks" && !row.bytes_per_thread);
}

function drawArenas() {
  const kind = {constant: "linear", persistent: "attention", transient: "elementwise", io: "norm"};
  const total = report.memory.total_bytes || 1;
  return h("div", {class: "bars"}, report.memory.arenas.map((arena, index) => [
    h("span", {}, arena.name, h("span", {class: "soft"}, " " + arena.lifetime)),
    h("div", {class: "bar k-" + (kind[arena.lifetime] || "memory")}, h("i", {style: `width:${100 * arena.bytes / total}%`})),
    h("span", {class: "num"}, number(`memory/arenas/${index}/bytes`), " B")]),
    [h("span", {}, "arenas"), h("span", {class: "soft"}, "together"), h("span", {class: "num"}, number("memory/total_bytes"), " B")],
    (report.memory.classes || []).map((row, index) => row.bytes_per_thread || (["workspace", "modules", "graphs", "code"].includes(row.class) && row.bytes) ? [
      h("span", {}, row.class), h("span", {class: "soft"}, row.bytes_per_thread ? "beside the arenas, each thread"
        : row.class === "code" ? "mapped from the file" : row.class === "workspace" ? "beside the arenas" : "of the driver, predicted"),
      h("span", {class: "num"}, number(`memory/classes/${index}/${row.bytes_per_thread ? "bytes_per_thread" : "bytes"}`), " B")] : null),
    report.memory.need ? [h("span", {}, "all"), h("span", {class: "soft"}, isOnDevice() ? "needed on the device, without the code"
      : `needed with ${report.memory.need.threads} thread${report.memory.need.threads === 1 ? "" : "s"}`),
      h("span", {class: "num"}, number("memory/need/bytes"), " B")] : null);
}

/// Launches that a map shows: of many layers the first four, unless all are asked for.
function shownSteps(steps) {
  const end = steps.findIndex((step) => step.layer === 4);
  return state.whole || end < 0 || steps.length <= 80 ? steps.length + 1 : end;
}

/// The bytes that each step keeps live, as a stepped line, up to step `end`.
function liveLine(map, steps, end, x, y) {
  const live = new Array(steps + 2).fill(0);
  for (const buffer of map.buffers)
    for (let step = buffer.first; step <= buffer.last; ++step) live[step + 1] += buffer.bytes;
  let path = "";
  live.slice(0, end + 1).forEach((value, index) => { path += `${index ? "L" : "M"}${x(index - 1)},${y(value)}L${x(index)},${y(value)}`; });
  return svg("path", {d: path, fill: "none", stroke: "var(--ink)", "stroke-width": 1.2, "stroke-opacity": .65});
}

function drawMap(map, path, width) {
  const entry = report.entries.find((e) => e.name === map.entry), steps = stepsOf(entry), count = steps.length;
  const height = Math.max(220, Math.min(380, width * .4)), left = 2, right = 2, top = 16, bottom = 22;
  const peak = Math.max(map.peak_bytes, 1);
  const end = shownSteps(steps); // the last step drawn; `count` is the host behind all
  const x = (step) => left + (Math.min(step, end) + 1) * (width - left - right) / (end + 1);
  const y = (at) => height - bottom - at * (height - top - bottom) / peak;
  const root = svg("svg", {class: "map", viewBox: `0 0 ${width} ${height}`, width, height, role: "img",
    "aria-label": `${map.arena} of ${map.entry}: buffers over launches, peak ${map.peak_bytes} bytes`});
  let shown = -1e9;
  steps.forEach((step, index) => {
    if (index >= end || step.layer < 0 || (index && steps[index - 1].layer === step.layer) || x(index) - shown < 34) return;
    shown = x(index);
    root.append(svg("line", {x1: x(index), x2: x(index), y1: top, y2: height - bottom}),
                svg("text", {x: x(index) + 2, y: height - 7}, step.layer === 0 ? "layer 0" : String(step.layer)));
    if (step.layer === 0) shown += 20;
  });
  map.buffers.forEach((buffer, index) => {
    if (buffer.first >= end) return;
    const step = steps[Math.max(0, buffer.first)];
    const kind = buffer.first < 0 || !step ? "memory" : kindOf(mainOp(step.launch).op);
    const rect = svg("rect", {class: `buffer k-${kind}`, x: x(buffer.first), y: y(buffer.offset + buffer.bytes),
      width: Math.max(1, x(buffer.last + 1) - x(buffer.first)), height: Math.max(1, y(buffer.offset) - y(buffer.offset + buffer.bytes)),
      "data-path": `${path}/buffers/${index}/bytes`, "data-value": buffer.bytes});
    const host = (at) => (at < 0 ? "before the step" : at >= count ? "after the step" : `launch ${at + 1}`);
    root.append(withTip(rect, () => [h("h4", {}, buffer.name || "buffer"),
      h("div", {}, `${plain(buffer.bytes)} bytes at ${plain(buffer.offset)}`),
      h("div", {class: "soft"}, buffer.first === buffer.last ? host(buffer.first) : `${host(buffer.first)} to ${host(buffer.last)}`)]));
  });
  root.append(liveLine(map, count, end, x, y),
    svg("line", {class: "peak", x1: left, x2: width - right, y1: y(peak), y2: y(peak)}),
    svg("text", {x: left + 4, y: 12}, `peak ${bytes(map.peak_bytes)}`));
  return root;
}

function drawMemory() {
  const maps = report.memory.maps;
  if (state.map < 0) // the activations of the first entry say most
    state.map = Math.max(0, maps.findIndex((m) => report.memory.arenas.some((a) => a.name === m.arena && a.lifetime === "transient")));
  const map = maps[state.map];
  fill("#memory .controls", choice(maps.map((m) => `${m.entry} ${m.arena}`), state.map, (index) => { state.map = index; drawMemory(); }));
  fill("#memory .body", drawArenas());
  if (!map) return;
  const at = `memory/maps/${state.map}`;
  fill("#memory .lead", "Peak ", number(at + "/peak_bytes"), " bytes, lower bound ", number(at + "/lower_bound_bytes"), ": ",
    number(at + "/fragmentation_bytes"), " bytes lost to packing. A box is a buffer: across its launches, as high as its bytes; the line is what is live.",
    map.solver ? ` Packed by ${map.solver}` + (map.solvers ? ` (${map.solvers.map((s) => `${s.solver} ${bytes(s.peak_bytes)}`).join(", ")}).` : ".") : "");
  const steps = stepsOf(report.entries.find((e) => e.name === map.entry));
  const room = h("div", {}), canZoom = state.whole || shownSteps(steps) < steps.length;
  if (canZoom)
    find("#memory .body").append(h("div", {class: "controls"}, choice(["first four layers", "whole step"], state.whole ? 1 : 0,
      (index) => { state.whole = index === 1; drawMemory(); })));
  find("#memory .body").append(room);
  room.append(drawMap(map, at, Math.max(280, Math.floor(room.clientWidth || 320))));
}

// ---- Kernels ---------------------------------------------------------------------------------------------------
function kernelRows() {
  const entry = state.kernels < 0 ? null : report.entries[state.kernels].name, roof = report.target.roofline;
  return report.kernels.map((kernel, index) => ({kernel, index, launches: entry ? kernel.entries[entry] || 0 : kernel.launches}))
    .filter((row) => row.launches).map((row) => ({...row, name: row.index, path: row.kernel.paths[0] || "",
      template: row.kernel.template, bytes: row.kernel.bytes, flops: row.kernel.flops, time: row.kernel.roofline_ns || 0,
      share: row.launches * (row.kernel.roofline_ns || 0), bound: row.kernel.bound || "",
      memory: roof ? row.launches * row.kernel.bytes / roof.bytes_per_second * 1e9 : 0,
      compute: roof ? row.launches * row.kernel.flops / roof.flops_per_second * 1e9 : 0}));
}

const kernelColumns = [["name", "kernel"], ["path", "runs"], ["template", "template, schedule"], ["launches", "launches", 1],
  ["bytes", "moves", 1], ["flops", "work", 1], ["time", "at best", 1], ["share", "of all launches"], ["bound", "bound"]];

const splitText = ({count, unit, most = count, row_blocks: rows = 1}) => plain(count) + (most > count ? ` to ${plain(most)}` : "") +
  ` ${most === 1 ? unit.replace(/^(\w+)s\b/, "$1") : unit}` + (rows > 1 ? ` in ${plain(rows)} blocks of rows` : "");

function kernelRow(row, most) {
  const {kernel, index} = row, at = `kernels/${index}/`;
  const tunables = Object.entries(kernel.tunables).map(([key, value]) => `${key}=${text(value)}`).join(" ");
  const bar = (value, kind) => h("div", {class: "bar k-" + kind}, h("i", {style: `width:${100 * value / (most || 1)}%`}));
  return h("tr", {}, h("td", {class: "mono"}, kernel.name),
    h("td", {}, h("span", {class: "mono"}, kernel.paths.join(", ")), h("div", {class: "soft"}, kernel.ops.map((op) => op.replace("lm.", "")).join(" + "))),
    h("td", {}, kernel.template, tunables ? h("span", {class: "mono soft"}, " " + tunables) : null,
      h("div", {class: "soft"}, kernel.schedule_source,
        kernel.schedule_evidence ? `, ${(100 * kernel.schedule_evidence.gain).toFixed(1)} %${kernel.schedule_evidence.launches ? " of a step" : ""} less` : "",
        kernel.split ? `; ${splitText(kernel.split)}` : "")),
    h("td", {class: "num", "data-label": "launches"}, plain(row.launches)),
    h("td", {class: "num", "data-label": "moves"}, number(at + "bytes", bytes)),
    h("td", {class: "num", "data-label": "work"}, number(at + "flops", work)),
    h("td", {class: "num", "data-label": "at best"}, number(at + "roofline_ns", time)),
    h("td", {class: "roof", title: `memory ${time(row.memory)}, compute ${time(row.compute)}`}, bar(row.memory, "elementwise"), bar(row.compute, "linear")),
    h("td", {}, h("tag", {}, row.bound)));
}

function drawKernels() {
  const names = ["all", ...report.entries.map((entry) => entry.name)];
  fill("#kernels .controls", choice(names, state.kernels + 1, (index) => { state.kernels = index - 1; drawKernels(); }));
  const rows = kernelRows(), most = Math.max(...rows.map((row) => Math.max(row.memory, row.compute)), 0);
  const order = (a, b) => (a < b ? -1 : a > b ? 1 : 0) * (state.down ? -1 : 1);
  rows.sort((a, b) => order(a[state.sort], b[state.sort]) || a.index - b.index);
  fill("#kernels .lead", `${rows.length} kernels. Two bars: what bandwidth and what arithmetic need for all launches of the kernel; the longer one is its roof.`);
  const head = kernelColumns.map(([key, name, isNumber]) =>
    h("th", {class: isNumber ? "num" : undefined, "aria-sort": state.sort === key ? (state.down ? "descending" : "ascending") : undefined},
      h("button", {type: "button", "data-sort": key, onclick: () => {
        state.down = state.sort === key ? !state.down : !["name", "path", "template", "bound"].includes(key);
        state.sort = key;
        drawKernels();
      }}, name)));
  fill("#kernels .body", h("table", {}, h("thead", {}, h("tr", {}, head)), h("tbody", {}, rows.map((row) => kernelRow(row, most)))));
}

// ---- Ledger and provenance -------------------------------------------------------------------------------------
const fates = {used: "used", defaulted: "defaulted", ignored_by_spec: "ignored"};

function ledgerRows() {
  const rows = [];
  for (const [section, entries] of Object.entries(report.ledger))
    for (const [fate, name] of Object.entries(fates))
      for (const entry of entries[fate] || [])
        rows.push({section, fate: name, key: entry.key || entry, note: entry.value || entry.reason || ""});
  return rows;
}

function drawLedgerTable() {
  const rows = ledgerRows().filter((row) => (state.query || state.fate === "all" || row.fate !== "used") &&
    (row.key + " " + row.note).toLowerCase().includes(state.query.toLowerCase()));
  fill("#ledger .body", h("table", {class: "ledger"}, h("thead", {}, h("tr", {}, ["", "key", "fate", "value or reason"].map((name) => h("th", {}, name)))),
    h("tbody", {}, rows.map((row) => h("tr", {}, h("td", {class: "soft"}, row.section), h("td", {class: "mono"}, row.key),
      h("td", {class: "fate-" + row.fate}, row.fate), h("td", {}, row.note))))));
}

function drawLedger() {
  const rows = ledgerRows(), count = (fate) => rows.filter((row) => row.fate === fate).length;
  fill("#ledger .lead", `Every flag, config key and tensor ended somewhere: ${count("used")} used, ${count("defaulted")} defaulted, ${count("ignored")} ignored for a reason.`);
  fill("#ledger .controls", choice(["not used as given", "all"], state.fate === "all" ? 1 : 0, (index) => { state.fate = index ? "all" : "other"; drawLedger(); }),
    h("input", {type: "search", placeholder: "find a key", "aria-label": "find a key", value: state.query,
                oninput: (event) => { state.query = event.target.value; drawLedgerTable(); }}));
  drawLedgerTable();
}

function drawProvenance() {
  const provenance = report.provenance || {}, rows = {config_sha256: report.model.config_sha256, ...provenance};
  const table = (entries) => h("table", {}, h("tbody", {}, entries.map(([key, value]) => h("tr", {}, h("td", {}, key), h("td", {class: "mono"}, text(value))))));
  fill("#provenance .body", h("div", {class: "scroll"}, table(Object.entries(rows).filter(([key, value]) => key !== "tensors" && value !== undefined))),
    h("h3", {}, "Options"), h("div", {class: "scroll"}, table(Object.entries(report.options).map(([key, value]) => ["--" + key, value]))),
    provenance.tensors ? h("details", {}, h("summary", {}, `${plain(provenance.tensors.length)} tensors and their hashes`),
      h("div", {class: "scroll"}, table(provenance.tensors.map((tensor) => [tensor.key, `${tensor.hash}  ${tensor.dtype} ${plain(tensor.elements)}`])))) : null);
}

// ---- Changes ---------------------------------------------------------------------------------------------------
/// "bytes moved: 1 → 2" of each field that differs.
const fieldChanges = (a, b) => [...new Set([...Object.keys(a), ...Object.keys(b)])].sort().map((name) =>
  h("div", {class: "mono"}, `${name}: ${[a, b].map((side) => name in side ? typeof side[name] === "number" ? plain(side[name]) : text(side[name]) : "not given").join(" → ")}`));

function drawChange({what, a, b, percent}) {
  if (typeof a === "number" && typeof b === "number") {
    const change = percent === undefined ? "" : ` (${percent > 0 ? "+" : ""}${percent} %)`;
    return h("div", {class: "change"}, h("span", {}, what + ": ", h("b", {}, `${plain(a)} → ${plain(b)}`),
      h("span", {class: b > a ? "up" : "down"}, change)));
  }
  if (a === null || b === null)
    return h("div", {class: "change"}, h("span", {class: a === null ? "b" : "a"}, h("code", {}, what),
      h("span", {class: "soft"}, ` only ${a === null ? "after" : "before"}: ${text((a ?? b).ops || (a ?? b))}`)));
  if (typeof a === "object" && !Array.isArray(a) && typeof b === "object" && !Array.isArray(b))
    return h("div", {class: "change"}, h("code", {}, what), fieldChanges(a, b));
  return h("div", {class: "change"}, h("code", {}, what), h("div", {class: "a mono"}, text(a)), h("div", {class: "b mono"}, text(b)));
}

function drawChanges() {
  if (!data.diff) return;
  find("#changes").hidden = false;
  const sections = [...new Set(data.diff.map((change) => change.section))];
  fill("#changes .lead", data.diff.length ? `${plain(data.diff.length)} difference${data.diff.length > 1 ? "s, most important first" : ""}.` : "The two are the same.");
  fill("#changes .body", sections.map((section, index) => {
    const changes = data.diff.filter((change) => change.section === section);
    return h("details", {open: index < 3 ? "" : undefined}, h("summary", {}, `${section} (${changes.length})`), changes.map(drawChange));
  }));
}

function draw() {
  for (const part of [drawHead, drawOverview, drawLaunches, drawFusion, drawMemory, drawKernels, drawLedger, drawProvenance]) part();
}
drawChanges();
draw();
let resizing = 0;
addEventListener("resize", () => { cancelAnimationFrame(resizing); resizing = requestAnimationFrame(drawMemory); });
})();
