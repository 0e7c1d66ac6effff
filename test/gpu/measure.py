#!/usr/bin/python3
"""Checks and measures CUDA programs on the GPU of a driver, and writes a table.

First the end-to-end checks against recorded Hugging Face results, then for each shape a checkpoint of random weights:
decode and prefill by the program's own `bench`, which also reads the weights as fast as this GPU can, beside what the
report predicted. Nothing is measured if a check fails.
"""
import argparse
import datetime
import json
import os
import shutil
import subprocess
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.dirname(os.path.dirname(HERE))
STOOP = os.path.join(ROOT, "build", "bin", "stoop")
MODELS = os.path.join(ROOT, "test", "bench", "make_model.py")
FACTS = "name,driver_version,clocks.sm,clocks.max.sm,clocks.mem,power.limit,memory.total"


def output_of(command):
    return subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout


def listed(text):
    return [part for part in text.split(",") if part]


def devices():
    """What the driver that programs will load calls its GPUs."""
    targets = json.loads(output_of([STOOP, "targets", "--json"]))["targets"]
    return next(target for target in targets if target["name"] == "cuda")["devices"]


def facts():
    """Driver and clocks, as far as the driver's own tool is there."""
    if not shutil.which("nvidia-smi"):
        return "no nvidia-smi: driver version and clocks are not known"
    return output_of(["nvidia-smi", f"--query-gpu={FACTS}", "--format=csv"]).strip().replace("\n", "; ")


def check(options):
    """Recorded ids and logits, sampling, several sequences: everything that `ctest -L cuda` runs end to end."""
    scripts = [("cuda_fidelity.py", options.checkpoints), ("batch.py", options.checkpoints[:1])]
    for script, checkpoints in scripts:
        command = [sys.executable, os.path.join(ROOT, "test", "e2e", script), "--stoop", STOOP, "--driver",
                   os.environ["STOOP_CUDA_DRIVER"], "--work", options.work, "--checkpoints", *checkpoints]
        print(" ".join(command), file=sys.stderr, flush=True)
        subprocess.run(command, check=True)


def prepare(options, shape):
    """The shape's program and its report; the checkpoint is written and the program compiled if they are missing."""
    checkpoint, program = (os.path.join(options.work, f"{shape}{suffix}") for suffix in ("", ".bin"))
    if not os.path.exists(os.path.join(checkpoint, "model.safetensors")):
        layers = ["--layers", str(options.layers)] if options.layers else []
        subprocess.run([sys.executable, MODELS, checkpoint, "--shape", shape, *layers], check=True)
    if not os.path.exists(program):
        subprocess.run([STOOP, "compile", checkpoint, "-o", program, "--target", "cuda", "--cuda-arch", options.cuda_arch,
                        "--dtype", "bf16", "-c", str(options.context), "--max-batch-size", str(max(options.batches)),
                        "--prefill-buckets", str(options.prompt), "--no-tokenizer"], check=True)
    return program, json.loads(output_of([STOOP, "inspect", program, "--format", "json"]))


def predicted(report, device, row):
    """Tokens/s that the report predicts for a row on this device; nothing if its table lacks the device."""
    kind = "decode" if row["n_gen"] else "prefill"
    rows = row["batch"] if row["n_gen"] else row["n_prompt"]
    entry = next((e["name"] for e in report["entries"] if e["kind"] == kind and e["rows"] == rows), None)
    for machine in report["predictions"]:
        if machine["machine"].split()[0] in device:
            return next((s["predicted_tokens_per_second"] for s in machine["steps"] if s["entry"] == entry), None)
    return None


def measure(options, shape, device):
    program, report = prepare(options, shape)
    rows = json.loads(output_of([program, "bench", "-o", "json", "-p", str(options.prompt), "-n", str(options.predict),
                                 "-b", ",".join(map(str, options.batches)), "-d", ",".join(map(str, options.depths)),
                                 "-r", str(options.repetitions)]))
    lines = []
    for row in rows:
        expected = predicted(report, device, row)
        lines.append([shape, str(report["model"]["layers"]), row["test"], str(row["batch"]), f"{row['mean']:.2f} ± {row['stddev']:.2f}",
                      f"{row['read_bandwidth_gb_s']:.0f}", "in cache" if row["in_cache"] else f"{row['percent_of_bandwidth']:.1f}",
                      "" if expected is None else f"{expected:.2f}"])
    return lines


def table(options, device, lines):
    head = ["shape", "layers", "test", "batch", "tokens/s", "GB/s read", "% of it", "predicted at full context"]
    commit = output_of(["git", "-C", ROOT, "describe", "--always", "--dirty"]).strip()
    text = [f"# {device}", "", f"{datetime.date.today()}, commit {commit}. {facts()}.", "",
            f"`test/gpu/run.sh {' '.join(sys.argv[1:])}`: bf16, random weights, context {options.context}; checks "
            + ("left out." if options.no_checks else "passed."), "",
            "| " + " | ".join(head) + " |", "|" + "---|" * len(head)]
    return "\n".join(text + ["| " + " | ".join(line) + " |" for line in lines]) + "\n"


def parse_arguments():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--driver", default="libcuda.so.1", help="the driver's library (default: %(default)s)")
    parser.add_argument("--shapes", type=listed, default=["7b", "40b"], help="of make_model.py, comma list (default: 7b,40b)")
    parser.add_argument("--layers", type=int, help="fewer layers than the shapes have, where disk or memory is short")
    parser.add_argument("--work", default="/tmp/stoop-gpu", help="folder for checkpoints and programs, 200 GB for 40b (default: %(default)s)")
    parser.add_argument("--out", help="the table's file (default: test/bench/results/DATE-gpu.md)")
    parser.add_argument("--cuda-arch", default="sm_80,sm_90a,ptx")
    parser.add_argument("--context", type=int, default=2048)
    parser.add_argument("--prompt", type=int, default=512)
    parser.add_argument("--predict", type=int, default=128)
    parser.add_argument("--depths", type=lambda text: [int(part) for part in listed(text)], default=[0, 1024])
    parser.add_argument("--batches", type=lambda text: [int(part) for part in listed(text)], default=[1, 4])
    parser.add_argument("--repetitions", type=int, default=5)
    parser.add_argument("--checkpoints", nargs="+", metavar="DIR", help="recorded checkpoints to check (default: all of test/checkpoints)")
    parser.add_argument("--no-checks", action="store_true", help="measure at once")
    options = parser.parse_args()
    folder = os.path.join(ROOT, "test", "checkpoints")
    options.checkpoints = options.checkpoints or sorted(entry.path for entry in os.scandir(folder) if entry.is_dir())
    options.out = options.out or os.path.join(ROOT, "test", "bench", "results", f"{datetime.date.today()}-gpu.md")
    return options


def main():
    options = parse_arguments()
    os.environ["STOOP_CUDA_DRIVER"] = options.driver
    found = devices()
    if not found:
        sys.exit(f"run.sh: '{options.driver}' finds no NVIDIA GPU (--driver names another one)")
    os.makedirs(options.work, exist_ok=True)
    if not options.no_checks:
        check(options)
    lines = [line for shape in options.shapes for line in measure(options, shape, found[0])]
    text = table(options, found[0], lines)
    with open(options.out + ".tmp", "w", encoding="utf-8") as file:
        file.write(text)
    os.replace(options.out + ".tmp", options.out)
    print(text, end="")


if __name__ == "__main__":
    main()
