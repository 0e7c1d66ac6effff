#!/usr/bin/python3
"""What fusion gains: step time of one checkpoint with fusion on and off, measured side by side.

Both programs are compiled here; their samples are interleaved, so that a noisy machine disturbs both
alike. Prints a row of a Markdown table per test: medians, the spread between the quartiles, the ratio.
"""
import argparse
import json
import os
import statistics
import subprocess
import tempfile

FUSION_PASSES = ("lm-fuse-epilogue", "lm-fuse-linears", "lm-fuse-columns", "lm-fuse-segments",
                 "lm-fuse-prologue")


def build(stoop, checkpoint, output, extra):
    subprocess.run([stoop, "compile", checkpoint, "-o", output, "--quiet", *extra], check=True)


def launches(stoop, program, prompt):
    """Of a step of decoding ("tg") and of the smallest prefill step that holds the prompt ("pp")."""
    report = json.loads(subprocess.run([stoop, "inspect", program, "--json"], check=True,
                                       stdout=subprocess.PIPE).stdout)
    prefills = sorted((entry for entry in report["entries"] if entry["kind"] == "prefill"), key=lambda entry: entry["rows"])
    return {"tg": next(entry["launches"] for entry in report["entries"] if entry["kind"] == "decode"),
            "pp": next((entry for entry in prefills if entry["rows"] >= prompt), prefills[-1])["launches"]}


def sample(program, args):
    """Milliseconds per token of each test, by name."""
    command = [program, "bench", "-p", str(args.prompt), "-n", str(args.generate), "-r", "1",
               "-t", str(args.threads), "--no-verify", "--json"]
    rows = json.loads(subprocess.run(command, check=True, stdout=subprocess.PIPE).stdout)
    return {row["test"]: 1e3 / row["samples_tok_s"][0] for row in rows}


def describe(times):
    quartiles = statistics.quantiles(times, n=4)
    return f"{statistics.median(times):.4g} ± {(quartiles[2] - quartiles[0]) / 2:.2g}"


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("checkpoints", nargs="+")
    parser.add_argument("--stoop", default="build/bin/stoop")
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--prompt", type=int, default=128)
    parser.add_argument("--generate", type=int, default=32)
    parser.add_argument("--threads", type=int, default=os.cpu_count())
    parser.add_argument("--flags", default="--dtype bf16 --no-tokenizer",
                        help="further flags of both compilations")
    args = parser.parse_args()

    print(f"load average before: {os.getloadavg()[0]:.2f}; {args.threads} threads, {args.rounds} rounds")
    print("| checkpoint | test | launches fused | unfused | ms a token fused | unfused | unfused / fused |")
    print("|---|---|---:|---:|---:|---:|---:|")
    unfused_flags = [f"--disable-pass={name}" for name in FUSION_PASSES]
    for checkpoint in args.checkpoints:
        with tempfile.TemporaryDirectory() as folder:
            programs = [os.path.join(folder, name) for name in ("fused", "unfused")]
            for program, flags in zip(programs, ([], unfused_flags)):
                build(args.stoop, checkpoint, program, args.flags.split() + flags)
            counts = [launches(args.stoop, program, args.prompt) for program in programs]
            rounds = [[sample(program, args) for program in programs] for _ in range(args.rounds)]
            for test in rounds[0][0]:
                fused, unfused = ([pair[i][test] for pair in rounds] for i in (0, 1))
                ratio = [after / before for before, after in zip(fused, unfused)]
                print(f"| {os.path.basename(os.path.normpath(checkpoint))} | {test} | {counts[0][test[:2]]} | "
                      f"{counts[1][test[:2]]} | {describe(fused)} | {describe(unfused)} | {describe(ratio)} |",
                      flush=True)


if __name__ == "__main__":
    main()
