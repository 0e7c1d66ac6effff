#!/usr/bin/python3
"""What fusion gains: step time of one checkpoint with fusion on and off, measured side by side.

Both programs are compiled here and loaded at the same time; they take turns sample by sample (`bench --paced`), a few
steps each and every other time in the other order, so that a machine whose bandwidth drifts disturbs both alike.
Prints a row of a Markdown table per test: medians, half the distance of the quartiles, the median of the ratios of
neighbours with an interval that holds it in 95 of 100 cases (order statistics, binomial).
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


class Runner:
    """One program's bench, which measures when it is told to."""

    def __init__(self, program, test, size, args):
        flags = {"pp": ["-p", str(size), "-n", "0"], "tg": ["-p", "0", "-n", str(size)]}[test]
        self.process = subprocess.Popen([program, "bench", *flags, "-r", str(args.rounds), "-t", str(args.threads),
                                         "--no-verify", "--paced", "--json"],
                                        stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                        stderr=subprocess.DEVNULL, text=True)

    def sample(self):
        """Milliseconds per token."""
        self.process.stdin.write("\n")
        self.process.stdin.flush()
        return 1e3 / float(self.process.stdout.readline().split()[-1])

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.communicate()


def measure(programs, test, size, args):
    """[(ms of the first, ms of the second)] of each round."""
    with Runner(programs[0], test, size, args) as first, Runner(programs[1], test, size, args) as second:
        first.sample(), second.sample()  # warm caches and page tables
        rounds = []
        for number in range(args.rounds):
            if number % 2:
                after = second.sample()
                rounds.append((first.sample(), after))
            else:
                rounds.append((first.sample(), second.sample()))
        return rounds


def median_interval(values):
    """95 % confidence interval of the median (normal approximation of the binomial's ranks)."""
    ordered, half = sorted(values), 0.98 * len(values) ** 0.5
    low, high = int(len(values) / 2 - half), int(len(values) / 2 + half)
    return ordered[max(low, 0)], ordered[min(high, len(values) - 1)]


def describe(times):
    quartiles = statistics.quantiles(times, n=4)
    return f"{statistics.median(times):.4g} ± {(quartiles[2] - quartiles[0]) / 2:.2g}"


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("checkpoints", nargs="+")
    parser.add_argument("--stoop", default="build/bin/stoop")
    parser.add_argument("--rounds", type=int, default=100)
    parser.add_argument("--prompt", type=int, default=128)
    parser.add_argument("--generate", type=int, default=4)
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
            for test, size in (("pp", args.prompt), ("tg", args.generate)):
                rounds = measure(programs, test, size, args)
                fused, unfused = zip(*rounds)
                ratio = [after / before for before, after in rounds]
                low, high = median_interval(ratio)
                print(f"| {os.path.basename(os.path.normpath(checkpoint))} | {test}{size} | {counts[0][test]} | {counts[1][test]} | "
                      f"{describe(fused)} | {describe(unfused)} | {statistics.median(ratio):.3f} ({low:.3f} to {high:.3f}) |",
                      flush=True)


if __name__ == "__main__":
    main()
