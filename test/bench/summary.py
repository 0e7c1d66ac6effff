"""The table of a comparison: medians, spread, and shares of what the machine can do at most."""
import os
import re
import statistics
import subprocess
import time


def machine():
    with open("/proc/cpuinfo", encoding="utf-8") as file:
        text = file.read()
    model = re.search(r"model name\s*:\s*(.*)", text).group(1).strip()
    flags = re.search(r"flags\s*:\s*(.*)", text).group(1).split()
    shown = [flag for flag in ("avx2", "avx512f", "avx512_vnni", "avx512_bf16", "amx_bf16", "amx_int8") if flag in flags]
    slug = re.sub(r"[^a-z0-9]+", "-", f"{model} {os.cpu_count()}core".lower()).strip("-")
    return {"model": model, "flags": " ".join(shown), "cores": os.cpu_count(), "slug": slug,
            "kernel": os.uname().release}


def spread(values, digits):
    values = sorted(values)
    return f"{statistics.median(values):.{digits}f} [{values[0]:.{digits}f}..{values[-1]:.{digits}f}]"


def layer_matrices(shape):
    """Parameters of the layers' matrices: what prefill multiplies each token with."""
    hidden, layers, ffn = (2048, 24, 8192) if shape.endswith("1b") else (256, 2, 1024)
    qkv = 3 * hidden if shape.startswith("rw") else hidden + 2 * 64
    return layers * hidden * (qkv + hidden + 2 * ffn)


def cells(rows, ceilings):
    """One line of the table for samples of one engine on one model."""
    of = lambda key: [row[key] for row in rows if key in row]
    first, peak = rows[0], ceilings.get("bf16_gflops", ceilings["f32_gflops"])
    line = [first["model"], first["weights"], str(first["batch"]), f"{first['engine']} {first['version']}", str(len(rows)),
            spread(of("decode_tok_s"), 2)]
    shares = [100 * row["step_bytes"] * row["deep_tok_s"] / row["batch"] / 1e9 / row["probe_gb_s"]
              for row in rows if "step_bytes" in row]
    line += [spread(of("deep_tok_s"), 2) if shares else "", spread(shares, 0) if shares else ""]
    prefill = of("prefill_s") if first["batch"] == 1 else []
    rate = 2 * 512 * layer_matrices(first["model"]) / statistics.median(prefill) / 1e9 if prefill else 0
    line += [spread(prefill, 2), f"{rate:.0f}", f"{100 * rate / peak:.0f}"] if prefill else ["", "", ""]
    return line + [f"{statistics.median(of('load_s')):.2f}", f"{statistics.median(of('peak_rss_mib')):.0f}"]


def table(rows, ceilings, about, options, load):
    good = [row for row in rows if "error" not in row and row["counts"]]
    groups = {}
    for row in good:
        groups.setdefault((row["model"], row["weights"], row["batch"], row["engine"]), []).append(row)
    compiler = subprocess.run(["clang++-22", "--version"], stdout=subprocess.PIPE, text=True, check=True).stdout
    out = [f"# {time.strftime('%Y-%m-%d %H:%M UTC', time.gmtime())}: {about['model']}, {about['cores']} CPUs", "",
           f"{about['flags']}; Linux {about['kernel']}; {options.threads} threads; Stoop {options.commit}; "
           f"{compiler.splitlines()[0]}; load average before: {load:.2f}.",
           f"`test/bench/run.sh`: {1 + max((row['round'] for row in rows), default=0)} rounds, everything once a round. "
           f"{len(good)} samples; {sum('error' not in row and not row['counts'] for row in rows)} left out because other "
           "processes ran. Medians [least..most].", "", "| ceiling | |", "|---|---:|"]
    out += [f"| {key} | {value} |" for key, value in ceilings.items() if key != "threads"]
    if good:
        out += [f"| read GB/s beside the samples | {spread([row['probe_gb_s'] for row in good], 1)} |"]
    out += ["", "Decode: tokens/s of all sequences together, 64 tokens after a prompt of one; *at 512*: with 512 tokens in the "
            "cache, and the share of the read bandwidth probed before and after. Prefill: 512 tokens; layers' matrices alone, "
            "share of the bf16 peak (float32 where there is none).", "",
            "| model | weights | batch | engine | n | decode tok/s | at 512 | % of read | prefill s | GFLOP/s | % of peak | "
            "load s | peak MiB |", "|---|---|---:|---|---:|---:|---:|---:|---:|---:|---:|---:|---:|"]
    order = {"bf16": 0, "int8": 1, "int4": 2}
    for key in sorted(groups, key=lambda k: (k[0], order[k[1]], k[2], k[3] != "stoop", k[3])):
        out.append("| " + " | ".join(cells(groups[key], ceilings)) + " |")
    failures = {row["name"]: row["error"] for row in rows if "error" in row}
    out += [""] + [f"{name} failed: {error.splitlines()[-1][:200]}" for name, error in failures.items()]
    return "\n".join(out).rstrip() + "\n"
