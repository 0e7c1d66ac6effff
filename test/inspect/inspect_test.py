"""stoop inspect and stoop diff: one report from program, IR, checkpoint and JSON; one op's story; what differs."""
import copy
import gzip
import json
import os
import pathlib
import random
import re
import subprocess
import sys
import tempfile
import shutil

TESTS = pathlib.Path(__file__).resolve().parent.parent
sys.path += [str(TESTS / "compiler"), str(TESTS / "runtime" / "app")]
import stoop_cli  # noqa: E402
from pack_toy import with_checksums  # noqa: E402
from stoop_cli import Case, run  # noqa: E402

CHECKPOINTS = ("rand-rw1b", "tiny-7b", "rand-40b", "rand-falcon3")
SECTIONS = ("model", "options", "memory", "entries", "launches", "kernels", "fusion", "ledger", "provenance", "warnings")


class Inspect(Case):
    """Shares one compiled program of a parallel model with all tests."""

    @classmethod
    def setUpClass(cls):
        cls.folder = pathlib.Path(tempfile.mkdtemp(prefix="stoop-inspect-"))
        cls.addClassCleanup(shutil.rmtree, cls.folder)
        cls.model = stoop_cli.SOURCE / "test" / "checkpoints" / "tiny-7b"
        cls.program, cls.ir = cls.folder / "program", cls.folder / "phases" / "4-planned.mlir"
        run("compile", cls.model, "-o", cls.program, "--dump-phases-to", cls.folder / "phases", check=True)
        cls.report = json.loads(run("inspect", cls.program, "--format", "json").stdout)
        cls.json = cls.folder / "report.json"
        cls.json.write_text(json.dumps(cls.report))

    def text(self, *arguments):
        return self.expect(run("inspect", *arguments), 0).stdout

    # ---- Agreement ----

    def test_program_ir_and_json_agree(self):
        planned = json.loads(self.text(self.ir, "--format", "json"))
        stored = json.loads(self.text(self.json, "--format", "json"))
        self.assertEqual(stored, self.report)
        without = copy.deepcopy({key: value for key, value in self.report.items() if key != "provenance"})
        for row in without["memory"].get("classes", ()):
            if row["class"] == "code":
                row["bytes"] = None  # known once it is linked
        for report in (planned, without):
            del report["memory"]["need"]  # of the code, too
        self.assertEqual(planned, without)
        lines = [[line for line in self.text(path).splitlines() if not re.match("  (code|all) ", line)] for path in (self.program, self.ir)]
        self.assertEqual(*lines)

    def test_one_total_everywhere(self):
        """What plan, inspect and the page call the memory of a program is all of it: arenas, workspaces, stacks, code."""
        for path in (self.program, self.ir, self.model):
            memory = json.loads(self.text(path, "--json"))["memory"]
            need, rows = memory["need"], {row["class"]: row for row in memory["classes"]}
            arenas = sum(arena["bytes"] for arena in memory["arenas"])
            self.assertEqual(arenas, memory["total_bytes"])
            self.assertEqual(need["threads"], os.cpu_count() if os.cpu_count() < 256 else need["threads"])
            self.assertEqual(need["code_reserve_bytes"], rows["code"]["bytes"] or need["code_reserve_bytes"])
            self.assertEqual(need["bytes"], arenas + need["code_reserve_bytes"] + need["threads"] * rows["workspace"]["bytes_per_thread"]
                             + (need["threads"] - 1) * rows["stacks"]["bytes_per_thread"])
            text = self.text(path)
            grouped = lambda number: f"{number:,}".replace(",", " ")
            self.assertRegex(text, rf"(?m)^  all +{grouped(need['bytes'])}  needed")
            self.assertRegex(text, rf"(?m)^  arenas +{grouped(arenas)}  together")
        planned = self.expect(run("plan", self.model), 0).stdout
        total = re.match(r"\S+ needs ([\d.]+ \w+): ", planned).group(1)
        self.assertEqual(total, f"{need['bytes'] / 2 ** 20:.2f} MiB")
        self.assertIn(grouped(need["bytes"]), planned)
        self.assertNotIn(" 1 threads", planned)

    def test_the_split_is_the_kernels(self):
        """What is dealt to threads, by the formulas of kernels/common/split.h; the kernels' own test runs them."""
        report = json.loads(self.text(stoop_cli.SOURCE / "test" / "checkpoints" / "rand-40b", "--json", "--prefill-buckets", "32,512"))
        model = report["model"]
        heads, groups = model["heads"], model["kv_heads"]
        splits = {}
        for kernel in report["kernels"]:
            for entry in kernel["entries"]:
                splits.update(((entry, path), kernel["split"]) for path in kernel["paths"])
        attention = {entry: split for (entry, path), split in splits.items() if path.endswith("attn.core")}
        self.assertEqual(attention["decode_b1"], {"unit": f"pieces of groups of {heads // groups} heads", "count": groups, "most": heads})
        for rows in (32, 512):
            self.assertEqual(attention[f"prefill_{rows}"], {"unit": "blocks of up to 48 rows of one head", "count": heads * -(-rows // 48)})
        self.assertEqual(splits["decode_b1", "head"], {"unit": "blocks of 16 columns", "count": model["vocab"] // 16})
        self.assertEqual(splits["prefill_512", "layers.*.mlp.down"],
                         {"unit": "blocks of 16 columns", "count": model["hidden"] // 16, "row_blocks": -(-512 // 192)})
        qkv = (heads + 2 * groups) * model["head_dim"] // 32 + model["ffn"] // 16  # heads of 32 columns stay whole
        self.assertEqual(splits["prefill_512", "layers.*.mlp.up"]["unit"], "blocks of 16 to 32 columns")
        self.assertEqual(splits["prefill_512", "layers.*.mlp.up"]["count"], qkv)
        text = self.text(stoop_cli.SOURCE / "test" / "checkpoints" / "rand-40b", "--section", "kernels")
        self.assertIn(f"{groups} to {heads} pieces of groups of {heads // groups} heads", text)

    def test_reports_obey_the_schema(self):
        check = pathlib.Path(__file__).with_name("check_schema.py")
        schema = stoop_cli.SOURCE / "passes" / "report" / "report.schema.json"
        files = [self.json]
        for name in CHECKPOINTS:
            files.append(self.dir / (name + ".json"))
            files[-1].write_text(self.text(stoop_cli.SOURCE / "test" / "checkpoints" / name, "--format", "json"))
        result = subprocess.run([sys.executable, check, schema, *files], capture_output=True, text=True)
        self.assertEqual(result.returncode, 0, result.stderr)
        broken = dict(self.report, kernels=[{"name": "k0"}])
        (self.dir / "broken.json").write_text(json.dumps(broken))
        result = subprocess.run([sys.executable, check, schema, self.dir / "broken.json"], capture_output=True, text=True)
        self.assertEqual(result.returncode, 1)

    def test_numbers_add_up(self):
        kernels = {kernel["name"]: kernel for kernel in self.report["kernels"]}
        for entry in self.report["entries"]:
            launches = [launch for group in entry["groups"] for launch in group["launches"] * group["count"]]
            self.assertEqual(len(launches), entry["launches"])
            for amount in ("bytes", "flops", "roofline_ns"):
                self.assertEqual(sum(kernels[launch["kernel"]][amount] for launch in launches), entry[amount])
            layers = [group["layers"] for group in entry["groups"] if "layers" in group]
            covered = [layer for first, last in layers for layer in range(first, last + 1)]
            self.assertEqual(covered, list(range(self.report["model"]["layers"])))
        roofline = self.report["target"]["roofline"]
        for kernel in kernels.values():
            memory, compute = kernel["bytes"] / roofline["bytes_per_second"], kernel["flops"] / roofline["flops_per_second"]
            self.assertAlmostEqual(kernel["roofline_ns"], max(memory, compute) * 1e9, delta=1)
            self.assertEqual(kernel["bound"], "memory" if memory >= compute else "compute")
            self.assertEqual(kernel["launches"], sum(kernel["entries"].values()))
        tensors = {tensor for entry in self.report["entries"] for group in entry["groups"] for launch in group["launches"]
                   for op in launch["ops"] for tensor in op.get("tensors", ())}
        stored = {re.sub(r"\.\d+\.", ".*.", tensor["key"]) for tensor in self.report["provenance"]["tensors"]}
        self.assertEqual(tensors, stored)

    def test_buffers_fit_their_arenas_and_bounds(self):
        arenas = {arena["name"]: arena["bytes"] for arena in self.report["memory"]["arenas"]}
        self.assertGreater(len(self.report["memory"]["maps"]), 0)
        for memory in self.report["memory"]["maps"]:
            entry = next(e for e in self.report["entries"] if e["name"] == memory["entry"])
            live = [0] * (entry["launches"] + 2)
            for buffer in memory["buffers"]:
                self.assertLessEqual(buffer["offset"] + buffer["bytes"], memory["peak_bytes"])
                for step in range(buffer["first"], buffer["last"] + 1):
                    live[step + 1] += buffer["bytes"]
            for a in memory["buffers"]:
                for b in memory["buffers"]:
                    together = a["first"] <= b["last"] and b["first"] <= a["last"]
                    apart = a["offset"] + a["bytes"] <= b["offset"] or b["offset"] + b["bytes"] <= a["offset"]
                    self.assertTrue(a is b or not together or apart, (memory["entry"], a, b))
            self.assertLessEqual(max(live), memory["lower_bound_bytes"])
            self.assertLessEqual(memory["lower_bound_bytes"], memory["peak_bytes"])
            self.assertLessEqual(memory["peak_bytes"], arenas[memory["arena"]])

    def test_buffers_are_called_after_what_makes_them(self):
        """By the path of an op of the launch that writes it first; results of one launch have names of their own."""
        for memory in self.report["memory"]["maps"]:
            entry = next(e for e in self.report["entries"] if e["name"] == memory["entry"])
            launches = [[op["path"].replace("*", str(group.get("layers", [0])[0] + turn)) for op in launch["ops"]]
                        for group in entry["groups"] for turn in range(group["count"]) for launch in group["launches"]]
            made = [(buffer["first"], buffer["name"]) for buffer in memory["buffers"] if buffer["first"] >= 0]
            self.assertEqual(len(set(made)), len(made), made)
            for first, name in made:
                self.assertIn(name, launches[first])
        names = {b["name"] for m in self.report["memory"]["maps"] if m["entry"] == "decode_b1" for b in m["buffers"]}
        self.assertLessEqual({"embed", "layers.0.attn.q_rope", "layers.0.mlp.act", "layers.0.attn.core"}, names)

    def package(self, name, *flags):
        """A program from the code of the class's: nothing is compiled again."""
        binaries = self.folder / "phases" / "5-binaries.mlir"
        self.expect(run("compile", binaries, "--compile-from", "binaries", "-o", self.dir / name, *flags), 0)
        return self.dir / name

    def test_equal_code_is_packed_to_equal_bytes(self):
        self.assertEqual(self.package("again", "-j", "1").read_bytes(), self.program.read_bytes())
        pages = [self.text(self.program, "--format", "html") for _ in range(2)]
        self.assertEqual(pages[0], pages[1])

    # ---- Text ----

    def test_the_summary_is_short_and_uncoloured(self):
        for name in CHECKPOINTS:
            text = self.text(stoop_cli.SOURCE / "test" / "checkpoints" / name)
            self.assertLessEqual(len(text.splitlines()), 60)
            self.assertNotIn("\x1b", text)
            for heading in ("memory", "entries", "kernels", "fusion", "ledger"):
                self.assertIn("\n" + heading + "\n", text)
        unfused = ("--disable-pass", "lm-fuse-epilogue", "--disable-pass", "lm-fuse-prologue", "--max-batch-size", "32")
        for command in ("plan", "inspect"):
            for flags in ((), unfused):
                result = self.expect(run(command, stoop_cli.SOURCE / "test" / "checkpoints" / "rand-falcon3", *flags), 0)
                self.assertLessEqual(len(result.stdout.splitlines()), 60, (command, flags))

    def test_one_is_singular(self):
        report = copy.deepcopy(self.report)
        report["model"].update(layers=1, heads=1, kv_heads=1)
        (self.dir / "one.json").write_text(json.dumps(report))
        text = self.text(self.dir / "one.json")
        self.assertIn(" 1 layer, ", text)
        self.assertIn(" 1 head on 1 KV head of ", text)

    def test_colour_on_a_terminal_alone(self):
        def on_terminal(**environment):
            command = ["script", "-qec", f"{stoop_cli.STOOP} inspect {self.json}", "/dev/null"]
            return subprocess.run(command, capture_output=True, text=True, env=dict(os.environ, **environment)).stdout
        if not shutil.which("script"):
            self.skipTest("script(1) is not here")
        self.assertIn("\x1b[1mmemory", on_terminal(NO_COLOR=""))
        self.assertNotIn("\x1b", on_terminal(NO_COLOR="1"))

    def test_sections_in_full(self):
        everything = self.text(self.json, "--section", "all")
        for section in SECTIONS:
            text = self.text(self.json, "--section", section)
            self.assertIn(text, everything)
        kernels = self.text(self.json, "--section=kernels")
        for kernel in self.report["kernels"]:
            self.assertRegex(kernels, rf"(?m)^  {kernel['name']} ")
            self.assertIn(f"({kernel['schedule_source']})", kernels)
            self.assertIn(f" {kernel['flops'] / 1e6:.3f} ", kernels)
        for entry in self.report["entries"]:  # launches and shares are those of one entry
            self.assertRegex(kernels, rf"(?m)^ +{entry['name']} +template")
        ledger = self.text(self.json, "--section", "ledger")
        for key in self.report["ledger"]["tensors"]["used"]:
            self.assertIn(key, ledger)
        memory = self.text(self.json, "--section", "memory")
        for packed in self.report["memory"]["maps"]:
            tried = ", ".join(f"{s['solver']} {s['peak_bytes']:,}".replace(",", " ") for s in packed["solvers"])
            self.assertRegex(memory, rf"(?m)^  {packed['entry']} +{packed['arena']} .* {packed['solver']} of {tried}$")
        both = self.text(self.json, "--section", "memory, options")
        self.assertEqual(both, self.text(self.json, "--section", "options") + self.text(self.json, "--section", "memory"))

    # ---- One op's story ----

    def story(self, query, *arguments):
        return self.text(self.json, "--why", query, *arguments)

    def test_names_of_checkpoint_and_ir_tell_the_same(self):
        for names in (("lm_head", "lm_head.weight", "head"), ("layers.1.self_attention.dense", "transformer.h.1.self_attention.dense.weight", "layers.1.attn.out"),
                      ("layers.0.mlp.dense_h_to_4h", "transformer.h.0.mlp.dense_h_to_4h", "layers.0.mlp.up")):
            stories = {self.story(name) for name in names}
            self.assertEqual(len(stories), 1, stories)
            story = stories.pop()
            self.assertIn(names[2], story)
            self.assertLessEqual(len(story.splitlines()), 30)

    def test_a_story_names_the_right_launch(self):
        entry = self.report["entries"][0]
        launches = [(group.get("layers", [0])[0] + turn, launch) for group in entry["groups"] for turn in range(group["count"])
                    for launch in group["launches"]]
        for layer in range(self.report["model"]["layers"]):
            answer = json.loads(self.story(f"layers.{layer}.attn.out", "--json"))
            place = answer["ops"][0]["entries"][0]
            at, launch = launches[place["launch"]]
            self.assertEqual(at, layer)
            self.assertEqual(launch["kernel"], place["kernel"])
            self.assertIn("layers.*.attn.out", [op["path"] for op in launch["ops"]])

    def test_a_name_without_a_layer_tells_of_most(self):
        entry = self.report["entries"][0]
        spans = [group["layers"] for group in entry["groups"] if "layers" in group]
        first, last = max(spans, key=lambda span: span[1] - span[0])
        for query in "layers.*.mlp.down", "mlp.down":
            answer = json.loads(self.story(query, "--json"))
            self.assertEqual(answer["ops"][0]["path"], f"layers.{first}.mlp.down")
            self.assertEqual(answer["ops"][0]["entries"][0]["layers"], [first, last])
            self.assertEqual(f"each of the layers {first} to {last}" in self.story(query), first < last)

    def test_ops_and_parts_of_the_model(self):
        self.assertIn("lm.attention", self.story("lm.attention"))
        part = self.story("layers.1.mlp")
        self.assertIn("layers.1.mlp.up", part)
        self.assertIn("layers.1.mlp.down", part)
        self.assertNotIn("attn.core", part)

    def test_a_view_moves_no_data(self):
        for name, is_view in (("layers.1.attn.q", True), ("layers.1.attn.out", False)):
            self.assertEqual("a view: it names columns of what another op makes" in self.story(name), is_view)
            self.assertEqual([op["moves_data"] for op in json.loads(self.story(name, "--json"))["ops"]], [not is_view])

    def test_unknown_names_suggest_the_nearest(self):
        result = self.expect(run("inspect", self.json, "--why", "layers.1.self_attention.dens"), 1, "layers.1.self_attention.dense")
        self.assertEqual((result.stdout, result.stderr.count("stoop: error:")), ("", 1))
        layers = self.report["model"]["layers"]
        self.expect(run("inspect", self.json, "--why", "layers.99.attn.out"), 1, f"layers 0 to {layers - 1}")

    def test_verdicts_are_told_with_reason_and_remedy(self):
        report = json.loads(self.json.read_text())
        verdict = {"entry": "decode_b1", "pass": "lm-fuse-next", "producer": {"op": "lm.attention", "path": "layers.*.attn.core"},
                   "consumer": {"op": "lm.linear", "path": "layers.*.attn.out"}, "layers": [0, 0], "count": 1, "bytes": 2048,
                   "reason": "an attention region takes no matrix product", "remedy": "a kernel that does both"}
        report["fusion"]["missed"] = [verdict]
        path = self.dir / "missed.json"
        path.write_text(json.dumps(report))
        story = self.text(path, "--why", "layers.0.self_attention.dense")
        for fragment in ("not fused <- lm.attention layers.0.attn.core: 2.00 KiB still moved", "because " + verdict["reason"],
                         "to fuse: " + verdict["remedy"]):
            self.assertIn(fragment, story)
        self.assertNotIn("not fused", self.text(path, "--why", "layers.1.self_attention.dense"))
        self.assertIn(verdict["reason"], self.text(path))

    def test_verdicts_agree_with_launches(self):
        """Ends of an edge that passed are in one launch, those of one that was missed are not."""
        at = lambda path, layer: path.replace("*", str(layer))
        for entry in self.report["entries"]:
            places, index = {}, 0
            for group in entry["groups"]:
                for turn in range(group["count"]):
                    for launch in group["launches"]:
                        for op in launch["ops"]:
                            path = at(op["path"], group.get("layers", [0])[0] + turn)
                            places.setdefault((op["op"], path), set()).add(index)
                        index += 1
            for kind in ("passed", "missed"):
                verdicts = [v for v in self.report["fusion"][kind] if v["entry"] == entry["name"]]
                self.assertGreater(len(verdicts), 0)
                for verdict in verdicts:
                    first, last = verdict.get("layers", (0, 0))
                    back = verdict.get("layer_distance", 0)
                    for layer in range(first, last + 1):
                        consumer = places[verdict["consumer"]["op"], at(verdict["consumer"]["path"], layer)]
                        producer = places[verdict["producer"]["op"], at(verdict["producer"]["path"], layer - back)]
                        self.assertEqual(kind == "passed", bool(producer & consumer), (entry["name"], layer, verdict))

    def edges(self, query):
        """(direction, op, path) of each edge that a story tells of, by entry."""
        ops = json.loads(self.story(query, "--json"))["ops"]
        return {place["entry"]: {(edge["direction"], edge["op"], edge["path"]) for edge in place["edges"]}
                for op in ops for place in op["entries"]}

    def test_edges_between_layers_name_the_right_layer(self):
        """Both ends of an edge tell of it, and every end that is told of is an op of the model."""
        last = self.report["model"]["layers"] - 1
        residual = lambda layer: f"layers.{layer}.residual"
        for layer in range(last + 1):
            edges = self.edges(residual(layer))["decode_b1"]
            expected = {("from", "lm.embedding", "embed") if layer == 0 else ("from", "lm.binary", residual(layer - 1)),
                        ("from", "lm.binary", f"layers.{layer}.join")}
            expected |= ({("to", "lm.norm", "final_norm")} if layer == last else
                         {("to", "lm.norm", f"layers.{layer + 1}.norm"), ("to", "lm.binary", residual(layer + 1))})
            self.assertEqual(edges, expected)
            if layer:
                self.assertIn(("from", "lm.binary", residual(layer - 1)), self.edges(f"layers.{layer}.norm")["decode_b1"])

    def test_ops_of_one_path_are_told_apart(self):
        """The last token's row has the path of the residual that it is gathered from."""
        last = self.report["model"]["layers"] - 1
        residual = f"layers.{last}.residual"
        self.assertEqual(self.edges("gather_last")["prefill_32"], {("from", "lm.binary", residual), ("to", "lm.norm", "final_norm")})
        self.assertEqual(self.edges("final_norm")["prefill_32"], {("from", "lm.gather_last", residual), ("to", "lm.linear", "head")})
        for query in ("gather_last", "final_norm", "embed", "head"):
            self.assertNotIn("*", self.story(query))

    # ---- What differs ----

    def test_the_same_does_not_differ(self):
        for other in (self.program, self.json):
            result = self.expect(run("diff", self.program, other), 0)
            self.assertEqual(result.stdout, "")
        self.expect(run("diff", self.program, self.ir), 0)
        # An older stoop knows fewer options and says less.
        older = json.loads(self.json.read_text())
        del older["options"]["max-seq-len"], older["memory"]["classes"]
        (self.dir / "older.json").write_text(json.dumps(older))
        self.assertEqual(self.expect(run("diff", self.program, self.dir / "older.json"), 0).stdout, "")

    def test_quietly_the_exit_code_alone_tells(self):
        self.assertEqual(self.expect(run("diff", self.program, self.json, "--quiet"), 0).stdout, "")
        _, other = self.changed(lambda report: report["entries"][0].update(flops=7))
        result = self.expect(run("diff", self.program, other, "--quiet"), 1)
        self.assertEqual((result.stdout, result.stderr), ("", ""))
        for flags in (("--json",), ("--format", "html"), ("-o", self.dir / "d")):
            self.expect(run("diff", self.program, other, "--quiet", *flags), 2, "--quiet and " + flags[0] + " contradict each other")

    def test_differences_come_most_important_first(self):
        other = self.dir / "other.mlir"
        self.expect(run("compile", self.model, "-o", other, "--max-seq-len", "64", "--disable-pass", "lm-fuse-epilogue",
                        "--compile-to", "planned"), 0)
        result = self.expect(run("diff", self.program, other, "--json"), 1)
        differences = json.loads(result.stdout)["differences"]
        sections = list(dict.fromkeys(difference["section"] for difference in differences))
        self.assertEqual(sections[:5], ["launches", "kernels", "memory", "fusion", "options"])
        self.assertIn({"section": "options", "what": "--max-seq-len", "a": "", "b": "64"}, differences)
        decode = next(d for d in differences if d["what"] == "decode_b1")
        self.assertEqual(decode["a"], self.report["entries"][0]["launches"])
        self.assertGreater(decode["b"], decode["a"])
        text = self.expect(run("diff", self.program, other), 1).stdout
        self.assertLess(text.index("launches"), text.index("kernels"))
        self.assertIn(f"decode_b1: {decode['a']} -> {decode['b']}", text)
        back = json.loads(run("diff", other, self.program, "--json").stdout)["differences"]
        key = lambda d: (d["section"], d["what"])
        self.assertEqual({key(d): (d["a"], d["b"]) for d in differences}, {key(d): (d["b"], d["a"]) for d in back})

    def test_a_layer_of_its_own_shows(self):
        """Kernels and verdicts are compared layer by layer: one layer that changed is named, its equals are not."""
        other = self.dir / "other.mlir"
        self.expect(run("compile", self.model, "-o", other, "--quantization-override", "layers.1.mlp.*=int8",
                        "--compile-to", "planned"), 0)
        differences = json.loads(self.expect(run("diff", self.program, other, "--json"), 1).stdout)["differences"]
        kernels = [d["what"] for d in differences if d["section"] == "kernels" and d["what"].startswith("decode_b1 ")]
        self.assertGreater(len(kernels), 0)
        for what in kernels:
            self.assertRegex(what, r" \(layer 1\)$")

    def test_keys_and_tensors_of_equal_layers_are_told_once(self):
        reports = [copy.deepcopy(self.report) for _ in range(2)]
        tensors = reports[1]["ledger"]["tensors"]["used"]
        tensors[:] = [name for name in tensors if not name.endswith("self_attention.dense.weight")]
        paths = [self.dir / "a.json", self.dir / "b.json"]
        for path, report in zip(paths, reports):
            path.write_text(json.dumps(report))
        found = json.loads(self.expect(run("diff", *paths, "--json"), 1).stdout)["differences"]
        layers = self.report["model"]["layers"]
        self.assertEqual([d["what"] for d in found if d["section"] == "ledger"],
                         [f"tensors transformer.h.*.self_attention.dense.weight (layers 0-{layers - 1})"])

    def test_lost_fusions_come_first_and_changes_are_rounded(self):
        reports = [copy.deepcopy(self.report) for _ in range(2)]
        edge = lambda path, **more: {"entry": "decode_b1", "pass": "p", "producer": {"op": "lm.norm", "path": "layers.*.norm"}, "count": 5,
                                     "consumer": {"op": "lm.linear", "path": path}, "layers": [0, 4], "bytes": 1, **more}
        refused = lambda path, reason, **more: edge(path, reason=reason, remedy="none", **more)
        reports[0]["fusion"] = {"passed": [edge("layers.*.b")], "missed": [refused("layers.*.a", "one")]}
        reports[1]["fusion"] = {"passed": [edge("layers.*.b", layers=[0, 1], count=2), edge("layers.*.b", layers=[3, 3], count=1)],
                                "missed": [refused("layers.*.a", "two"), refused("layers.*.b", "three", layers=[2, 2], count=1),
                                           refused("layers.*.b", "three", layers=[4, 4], count=1)]}
        reports[0]["memory"]["total_bytes"], reports[1]["memory"]["total_bytes"] = 1000, 1006
        paths = [self.dir / "a.json", self.dir / "b.json"]
        for path, report in zip(paths, reports):
            path.write_text(json.dumps(report))
        text = self.expect(run("diff", *paths), 1).stdout
        self.assertIn("arenas together: 1 000 -> 1 006 (+1 %)", text)
        fusion = [line.strip() for line in text[text.index("\nfusion\n"):].splitlines()[2:] if line.startswith("  ") and line[2] != " "]
        self.assertEqual(fusion, ["decode_b1 norm layers.*.norm -> linear layers.*.b (layers 2, 4): fused -> not fused: three",
                                  "decode_b1 norm layers.*.norm -> linear layers.*.a (layers 0-4): not fused: one -> not fused: two"])

    def changed(self, change):
        """Paths of the report and of a copy that `change` edited."""
        report = copy.deepcopy(self.report)
        change(report)
        path = self.dir / "changed.json"
        path.write_text(json.dumps(report))
        return self.json, path

    def test_what_differs_is_never_cut(self):
        """Of long texts that differ far behind the front, both sides show where."""
        kernel = max(self.report["kernels"], key=lambda kernel: len(kernel["ops"]))
        index = self.report["kernels"].index(kernel)
        self.assertGreater(len(" + ".join(kernel["ops"])), 100)
        for change in (lambda report: report["kernels"][index]["ops"].__setitem__(-1, "lm.something"),
                       lambda report: report["kernels"][index]["ops"].__setitem__(0, "lm.something"),
                       lambda report: report["options"].update({"max-seq-len": "x" * 200 + "y"}),
                       lambda report: report["kernels"][index]["tunables"].update(prefetch=12345)):
            text = self.expect(run("diff", *self.changed(change), "--all"), 1).stdout
            sides = [[line.strip()[2:] for line in text.splitlines() if line.strip().startswith(sign + " ")] for sign in "-+"]
            for before, after in zip(*sides):
                self.assertNotEqual(before, after)
            self.assertTrue("something" in text or "y" in text or "12 345" in text, text)

    def test_every_amount_is_compared(self):
        def scale(report, section, name, key):
            row = next(row for row in report["memory"][section] if row[{"classes": "class"}.get(section, "name")] == name)
            row[key] *= 50
        for change, section, what in (
                (lambda r: scale(r, "classes", "workspace", "bytes_per_thread"), "memory", "workspace a thread"),
                (lambda r: scale(r, "classes", "stacks", "bytes_per_thread"), "memory", "stacks a thread"),
                (lambda r: scale(r, "classes", "code", "bytes"), "memory", "code"),
                (lambda r: scale(r, "arenas", "kv", "bytes"), "memory", "arena kv"),
                (lambda r: r["entries"][0].update(flops=7), "launches", "a step of decode_b1"),
                (lambda r: r["entries"][0].update(bytes=7), "launches", "a step of decode_b1"),
                (lambda r: r["entries"][0].update(roofline_ns=7), "launches", "a step of decode_b1")):
            result = self.expect(run("diff", *self.changed(change), "--json"), 1)
            differences = json.loads(result.stdout)["differences"]
            self.assertEqual([(d["section"], d["what"]) for d in differences], [(section, what)])
            self.assertNotEqual(differences[0]["a"], differences[0]["b"])

    def test_other_weights_are_a_difference(self):
        folder = self.checkpoint("tiny-7b")
        path = folder / "model.safetensors"
        raw = bytearray(path.read_bytes())
        raw[-2] ^= 1
        path.write_bytes(raw)
        text = self.expect(run("diff", self.program, self.package("m", "--weights", folder)), 1).stdout
        self.assertEqual([line for line in text.splitlines() if not line.startswith(" ")], ["provenance"])

    # ---- Bad input ----

    def test_neither_program_nor_ir_nor_checkpoint(self):
        raw = self.program.read_bytes()
        (self.dir / "no-config").mkdir()
        for name, content, fragment in (
                ("text", b"hello", "is text; expected a program"), ("code.py", b"import this # module\n", "is text"),
                ("noise", b"\1" + os.urandom(4096) + b"\0", "unknown kind; expected"), ("empty", b"", "is empty; expected"),
                ("zeros", bytes(64), "unknown kind"), ("archive.gz", gzip.compress(b"{}"), "gzip archive"),
                ("m.safetensors", (self.model / "model.safetensors").read_bytes(), "safetensors file (give the directory"),
                ("m.gguf", b"GGUF\3\0\0\0", "GGUF file"), ("list.json", b"[1, 2]", "schema_version", ),
                ("tokenizer.json", (self.model / "tokenizer.json").read_bytes(), "config.json's model_type"),
                ("cut.json", (self.model / "config.json").read_bytes()[:200], "damaged or cut off"),
                ("bad.mlir", b"module { lm.foo }", "bad.mlir:1:10: custom op"), ("none.mlir", b"// none\nmodule {}", "lm.model or plan.program"),
                ("half", raw[:len(raw) // 2], "is cut off: it has"), ("head", raw[:40], "damaged or cut off"),
                ("no-config", None, "no config.json"), ("missing", None, "does not exist"), ("/bin/true", None, "no program made by stoop")):
            with self.subTest(name=name):
                path = self.dir / name  # an absolute name stays what it is
                if content is not None:
                    path.write_bytes(content)
                for command in (("inspect", path), ("diff", self.program, path)):
                    result = self.expect(run(*command), 1, name, fragment)
                    self.assertEqual((result.stdout, len(result.stderr.splitlines())), ("", 1))

    def test_what_never_ends_is_not_read(self):
        for command in (("inspect", "/dev/zero"), ("diff", self.json, "/dev/zero"), ("plan", "/dev/zero")):
            self.expect(run(*command, timeout=20), 1, "'/dev/zero' is a device or socket, not a file")

    def test_plan_says_what_shows_what_is_compiled(self):
        for path, what in ((self.program, "is an ELF file, perhaps a program made by stoop"), (self.ir, "is IR"), (self.json, "is a report")):
            result = self.expect(run("plan", path), 1, f"'{path}' {what}; plan expects a checkpoint directory or a config.json",
                                 "shown by 'stoop inspect'")
            self.assertEqual((result.stdout, len(result.stderr.splitlines())), ("", 1))
        (self.dir / "text").write_bytes(b"hello\x1b[31m")
        self.expect(run("plan", self.dir / "text"), 1, "is text; plan expects")

    def test_a_configuration_has_a_name(self):
        for name, expected in (("falcon-9b.json", "falcon-9b"), ("config.json", self.dir.name)):
            shutil.copy(self.model / "config.json", self.dir / name)
            self.assertEqual(json.loads(self.text(self.dir / name, "--json"))["model"]["name"], expected)

    def test_a_configuration_is_enough(self):
        """What a directory holds beside its config.json changes what was read, not what would be built."""
        alone = json.loads(self.text(self.model / "config.json", "--json"))
        for key in ("entries", "kernels", "fusion", "target"):
            self.assertEqual(alone[key], self.report[key], key)
        self.assertTrue(any("no weights were read" in warning for warning in alone["warnings"]))
        result = self.expect(run("diff", self.program, self.model / "config.json", "--json"), 1)
        sections = {difference["section"] for difference in json.loads(result.stdout)["differences"]}
        self.assertLessEqual(sections, {"model", "ledger", "provenance"})

    def manifest(self, change, signed=True):
        """A copy of the program with another manifest of the same length, and the checksums that it needs."""
        raw = self.program.read_bytes()
        begin = raw.rindex(b'{"entries":')
        end = raw.index(b"\0", begin)
        text = change(raw[begin:end])
        self.assertEqual(len(text), end - begin)
        path = self.dir / "changed"
        raw = raw[:begin] + text + raw[end:]
        path.write_bytes(with_checksums(raw, begin) if signed else raw)
        return path

    def test_a_newer_schema_is_refused(self):
        newer = self.manifest(lambda text: text.replace(b'"schema_version":1', b'"schema_version":7', 1))
        for command in (("inspect", newer), ("diff", self.program, newer)):
            result = self.expect(run(*command), 1, "schema version 7", "up to 1")
            self.assertEqual(result.stderr.count("stoop: error:"), 1)

    def test_a_manifest_changed_by_hand_is_refused(self):
        changed = self.manifest(lambda text: text.replace(b'"launches":', b'"Launches":', 1), signed=False)
        for command in (("inspect", changed), ("diff", self.program, changed)):
            self.expect(run(*command), 1, "is damaged", "which holds the manifest, of its payload differs from its checksum")
        self.expect(run("inspect", self.manifest(lambda text: text)), 0)

    def test_a_damaged_manifest_is_refused(self):
        for change in (lambda text: b"?" + text[1:], lambda text: text.replace(b'"kernels"', b'"kernelz"'),
                       lambda text: text.replace(b'"schema_version":1', b'"schema_version":x'), lambda text: text[:-1] + b" "):
            result = self.expect(run("inspect", self.manifest(change)), 1, "damaged")
            self.assertEqual((result.stdout, result.stderr.count("stoop: error:")), ("", 1))

    def test_damage_is_named_by_its_place(self):
        group = lambda report: report["entries"][0]["groups"][0]
        for change, fragment in (
                (lambda r: r["memory"].update(total_bytes="lots"), "memory.total_bytes: expected integer of at least 0"),
                (lambda r: r.update(kernels=[{}]), "kernels[0].name: is missing"),
                (lambda r: r["kernels"][1].update(ops=[1, 2, None]), "kernels[1].ops[0]: expected string, got 1"),
                (lambda r: group(r).update(layers=[5, 1]), "entries[0].groups[0].layers: expected first and last, got [5,1]"),
                (lambda r: group(r).update(layers=[0, 2 ** 62]), "entries[0].groups[0].layers[1]: expected integer of at least 0, at most"),
                (lambda r: r["entries"][0]["groups"][1].update(count=9), "entries[0].groups[1].count: expected"),
                (lambda r: r["memory"]["classes"].pop(4), "memory.classes"),
                (lambda r: r["kernels"].pop(), "which the report's kernels lack"),
                (lambda r: r["model"].update(layers="two"), "model.layers: expected integer"),
                (lambda r: r["fusion"]["missed"][0].pop("reason"), "fusion.missed[0].reason: is missing"),
                (lambda r: r["provenance"]["tensors"].append(7), "expected object, got 7"),
                (lambda r: r["target"].update(levels=["a", "\x1b[31m", 3.5]), "target.levels[2]: expected string, got 3.5"),
                (lambda r: r.update(schema_version=0), "schema_version: expected 1, got 0")):
            _, path = self.changed(change)
            for command in (("inspect", path), ("diff", self.json, path)):
                result = self.expect(run(*command), 1, fragment)
                self.assertEqual((result.stdout, len(result.stderr.splitlines())), ("", 1))
        self.expect(run("inspect", self.manifest(lambda text: text.replace(b'"schema_version":1', b'"schema_version":0', 1))), 1,
                    "schema_version: expected 1, got 0")

    def test_the_validator_knows_the_schemas_keywords(self):
        """The one in stoop reads a part of JSON Schema; the file uses no more."""
        known = {"$schema", "$ref", "$defs", "title", "description", "type", "required", "properties", "additionalProperties", "items",
                 "prefixItems", "minItems", "minimum", "maximum", "exclusiveMinimum", "minLength", "const", "enum", "anyOf", "allOf"}
        def walk(schema):
            self.assertLessEqual(set(schema), known)
            for key in ("properties", "$defs"):
                for part in schema.get(key, {}).values():
                    walk(part)
            for key in ("additionalProperties", "items"):
                if isinstance(schema.get(key), dict):
                    walk(schema[key])
            for key in ("prefixItems", "anyOf", "allOf"):
                for part in schema.get(key, ()):
                    walk(part)
        walk(json.loads((stoop_cli.SOURCE / "passes" / "report" / "report.schema.json").read_text()))

    def test_control_characters_do_not_reach_the_terminal(self):
        evil = "a\x1b[31mb\x07\x7f\u009b2Jc\rd\ne"
        def change(report):
            report["model"].update(name=evil, family=evil)
            report["warnings"].append(evil)
            report["kernels"][0]["template"] = evil
            report["options"]["dtype"] = evil
            report["fusion"]["missed"][0].update(reason=evil, remedy=evil)
        _, path = self.changed(change)
        for command in (("inspect", path), ("inspect", path, "--section", "all"), ("inspect", path, "--why", "lm.linear"),
                        ("diff", self.json, path)):
            text = run(*command).stdout
            self.assertNotRegex(text, "[\x00-\x09\x0b-\x1f\x7f-\x9f]")
        self.assertIn(r"a\x1b[31mb\x07\x7f\x9b2Jc\x0dd\x0ae", self.text(path))

    def test_mutated_reports_are_read_or_refused(self):
        seed = int(os.environ.get("STOOP_FUZZ_SEED", "1"))
        print("seed", seed, file=sys.stderr)
        chance = random.Random(seed)
        for _ in range(8):
            report = copy.deepcopy(self.report)
            at = report
            while True:  # a random place, some way down
                key = chance.choice(list(at) if isinstance(at, dict) else range(len(at)))
                if not (isinstance(at[key], (dict, list)) and at[key]) or chance.random() < 0.15:
                    break
                at = at[key]
            at[key] = chance.choice((None, -1, 2 ** 62, "x", [], {}))
            path = self.dir / "mutated.json"
            path.write_text(json.dumps(report))
            for command in (("inspect", path, "--section", "all"), ("inspect", path, "--why", "layers.0.attn.out"),
                            ("diff", self.json, path)):
                result = run(*command)
                self.assertIn(result.returncode, (0, 1), (key, at[key], result.stderr))

    def test_contradictory_flags(self):
        for flags in (("--why", "embed", "--section", "memory"), ("--why", "embed", "--format", "html"),
                      ("--section", "memory", "--json"), ("--format", "html", "--json"), ("--section", "nonsense"),
                      ("--format", "xml"), ("--why", ""), ("--remarks-filter", "fusion"), ("--dump-phases-to", self.dir),
                      ("--remarks-filter", "["), ("--dtype", "f32")):
            self.assertEqual(self.expect(run("inspect", self.json, *flags), 2).stdout, "")

    # ---- Remarks ----

    def test_remarks_of_a_category(self):
        run("compile", self.model, "--compile-to", "planned", "-o", self.dir / "ir", check=True)
        result = self.expect(run("compile", self.model, "--compile-to", "planned", "--remarks-filter", "fusion|memory",
                                 "-o", self.dir / "ir"), 0)
        remarks = [line for line in result.stderr.splitlines() if line.startswith("stoop: remark: ")]
        self.assertTrue(any(re.match(r"stoop: remark: fusion passed layers\.0\.", line) for line in remarks), result.stderr)
        self.assertTrue(any(line.startswith("stoop: remark: memory note") for line in remarks))
        self.assertFalse(any(line.startswith("stoop: remark: schedule") for line in remarks))
        result = self.expect(run("compile", self.model, "--compile-to", "planned", "--remarks-filter", "schedule", "-o", self.dir / "ir"), 0)
        self.assertNotIn("<unknown", result.stderr)
        self.assertIn("stoop: remark: schedule note layers.0.mlp.up [lm-select-schedule, decode_b1]", result.stderr)
        self.assertIn("stoop: remark: schedule note head [lm-select-schedule, decode_b1]", result.stderr)
        result = self.expect(run("compile", self.model, "--compile-to", "planned", "--remarks-filter", "nothing",
                                 "-o", self.dir / "ir"), 0, "matched no remark", "fusion, schedule, memory")


if __name__ == "__main__":
    stoop_cli.main()
