#!/usr/bin/python3
"""Compiles checkpoints with random legal fusion and compares the programs with recorded results.

Each seed partitions the ops of every entry into other regions (lm-fuse-randomly), so kernels get
prologues, epilogues and segments that the fusion passes would not form. Float32: logits within the
usual tolerance of the recorded ones, and the same greedy ids; bf16 and f16: the usual divergence, since
a region rounds where its ops would. Exit code 0 means that all held.
"""
import argparse
import os
import random
import sys
import tempfile

import checks
from checks import Recorded, Report
from models import CompiledModel, RunError, execute

BUCKET = 16  # prompts of one token, below, at and above it are among the recorded ones
GATHERED_ROWS = 4  # what the CPU kernels take of an embedding in a prologue
BLOCKS = [128, 16, 50, 1000]  # columns of what norms read moments of
LEGAL = "lm-form-fused-regions,lm-log-fusion,lm-verify-fused"


def compile_regions(options, checkpoint, seed, dtype, folder):
    """Path of a program whose regions come from the seed."""
    graph, fused, program = (os.path.join(folder, name) for name in ("graph.mlir", "fused.mlir", "program"))
    execute([options.stoop, "compile", checkpoint, "--dtype", dtype, "--max-seq-len", "2048",
             "--prefill-buckets", str(BUCKET), "--compile-to", "graph", "-o", graph, "--quiet"])
    moments = f"lm-leave-moments{{moments-block={BLOCKS[seed % len(BLOCKS)]} anywhere=true}}"
    randomly = f"{moments},lm-fuse-randomly{{seed={seed} max-gathered-rows={GATHERED_ROWS}}}"
    execute([options.stoop_opt, graph, f"--pass-pipeline=builtin.module({randomly},{LEGAL})", "-o", fused])
    execute([options.stoop, "compile", fused, "--compile-from", "fused", "-o", program, "--quiet"])
    return program


def run(options, checkpoint, seed, dtype, report):
    with tempfile.TemporaryDirectory() as folder:
        model = CompiledModel(compile_regions(options, checkpoint, seed, dtype, folder), threads=2)
        recorded = Recorded(checkpoint)
        where = f"seed {seed}, {dtype}"
        if dtype != "f32":
            checks.check_divergence(model, recorded, report.labelled(dtype), where)
            return
        checks.check_prompts(model, recorded, report, where, None if options.full else [0, 6, 7])
        checks.check_all_rows(model, recorded, report, where, [1, 15, 16, 17, 33])
        checks.check_nll(model, recorded, report, where, [64])


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--stoop", required=True)
    parser.add_argument("--stoop-opt", required=True)
    parser.add_argument("--checkpoints", nargs="+", required=True)
    parser.add_argument("--seed", type=int, default=None, help="first seed (default: random)")
    parser.add_argument("--count", type=int, default=1, help="seeds for each checkpoint (default: %(default)s)")
    parser.add_argument("--dtypes", default="f32", help="comma list (default: %(default)s)")
    parser.add_argument("--full", action="store_true", help="all prompts")
    options = parser.parse_args()
    first = random.randrange(1 << 32) if options.seed is None else options.seed
    failed = False
    for number, checkpoint in enumerate(options.checkpoints):
        report = Report()
        seeds = range(first + number * options.count, first + (number + 1) * options.count)
        for seed in seeds:
            try:
                for dtype in options.dtypes.split(","):
                    run(options, checkpoint, seed, dtype, report)
            except RunError as error:
                report.failures.append(f"seed {seed}: {error}")
        name = os.path.basename(os.path.normpath(checkpoint))
        worst = ", ".join(f"{key} {value:.2e}" for key, value in sorted(report.worst.items()))
        print(f"{name}: seeds {seeds.start} to {seeds.stop - 1}, {len(report.failures)} failures, worst {worst}", flush=True)
        failed |= report.print_failures(f"{name}: ")
    sys.exit(failed)


if __name__ == "__main__":
    main()
