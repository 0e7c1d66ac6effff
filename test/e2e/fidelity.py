#!/usr/bin/python3
"""Compares Stoop's targets with recorded Hugging Face results, checkpoint by checkpoint.

By default each checkpoint gets a cross-section that keeps a run within minutes; --full does
everything. Exit code 0 means that every check of every checkpoint held; the table at the end shows
the worst errors.
"""
import argparse
import os
import sys
import tempfile
import time

import checks
from checks import Recorded, Report
from models import CompiledModel, ReferenceModel, RunError

CONTEXT = 2048
SMALL_BUCKETS = [16, 48]  # prompt 7 has a cut below, at and above each


def vocab_of(recorded):
    return len(recorded.logits(0))


def run_reference(options, directory, report):
    """The evaluator against the recorded results."""
    recorded = Recorded(directory)
    model = ReferenceModel(options.stoop, directory)
    checks.check_prompts(model, recorded, report, "f32")
    checks.check_all_rows(model, recorded, report, "f32", None if options.full else [1, 14, 27, 40])
    # The window of 1024 is the one whose attention reaches farthest.
    checks.check_nll(model, recorded, report, "f32", None if options.full else [1024])
    for dtype in ("bf16", "f16") if options.full or recorded.is_trained else ("bf16",):
        low = ReferenceModel(options.stoop, directory, dtype)
        checks.check_divergence(low, recorded, report.labelled(dtype), dtype)
        checks.check_nll_beside(low, model, recorded, report.labelled(dtype), dtype)
    checks.check_context_end(ReferenceModel(options.stoop, directory, context=64), 64, vocab_of(recorded), report,
                             "context 64")


def run_cpu(options, directory, report):
    """The compiled binary against the recorded results."""
    recorded = Recorded(directory)
    with tempfile.TemporaryDirectory(dir=options.work) as folder:
        for buckets in [SMALL_BUCKETS, None] if options.full else [SMALL_BUCKETS]:
            run_cpu_f32(options, directory, recorded, os.path.join(folder, "f32"), buckets, report)
        for dtype in ("bf16", "f16") if options.full or recorded.is_trained else ("bf16",):
            run_cpu_low(options, directory, recorded, os.path.join(folder, dtype), dtype, report)


def run_cpu_f32(options, directory, recorded, path, buckets, report):
    """Prompts of one token, below, exactly at and above a bucket, and of several buckets: recorded rows tell."""
    model = CompiledModel.compile(options.stoop, directory, path, buckets=buckets, levels=options.levels)
    for level in options.levels or [None]:
        for threads in options.threads:
            where = f"f32, buckets {buckets}, {threads} threads" + (f", {level}" if level else "")
            model = CompiledModel(path, threads, level)
            every = options.full or threads == options.threads[-1]
            checks.check_prompts(model, recorded, report, where, None if every else [0, 6, 7, 10])
            checks.check_all_rows(model, recorded, report, where,
                                  None if options.full else [1, 15, 16, 17, 32, 47, 48, 49])
            windows = None if options.full else [64, 1024] if every else [256]
            checks.check_nll(model, recorded, report, where, windows)
    checks.check_context_end(model, CONTEXT, vocab_of(recorded), report, f"context {CONTEXT}")
    os.remove(path)


def run_cpu_low(options, directory, recorded, path, dtype, report):
    """A narrow type, with the compiler's choice of buckets."""
    CompiledModel.compile(options.stoop, directory, path, dtype, levels=options.levels)
    for level in options.levels or [None]:
        model = CompiledModel(path, options.threads[-1], level)
        where = dtype + (f", {level}" if level else "")
        checks.check_divergence(model, recorded, report.labelled(dtype), where)
        checks.check_nll(model, recorded, report.labelled(dtype), where, None if options.full else [256],
                         checks.LOW_PRECISION_NLL)
    os.remove(path)


def run_long(options, directory, report):
    """Contexts far beyond the trained one, both roundings of ALiBi."""
    contexts = [int(context) for context in options.contexts.split(",")] if options.contexts else None
    with tempfile.TemporaryDirectory(dir=options.work) as folder:
        for mode in ("hf", "exact"):
            if options.target == "cpu":
                model = CompiledModel.compile(options.stoop, directory, os.path.join(folder, mode), context=12288,
                                              alibi=mode)
            else:
                model = ReferenceModel(options.stoop, directory, context=12288, alibi=mode)
            checks.check_long(model, directory, mode, contexts, options.full, report, "f32")


def print_table(reports):
    names = sorted({name for report in reports.values() for name in report.worst})
    width = max(len(name) for name in reports)
    print("worst relative errors (kl: mean nats)")
    print(" " * width + "".join(f"{name:>12}" for name in names))
    for checkpoint, report in reports.items():
        cells = (f"{report.worst[name]:12.2e}" if name in report.worst else f"{'-':>12}" for name in names)
        print(f"{checkpoint:<{width}}" + "".join(cells))


def parse_arguments():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--stoop", required=True, help="path of the compiler")
    parser.add_argument("--target", choices=["reference", "cpu"], required=True)
    parser.add_argument("--checkpoints", nargs="+", required=True, metavar="DIR")
    parser.add_argument("--threads", default="1,2", help="comma list (default: %(default)s)")
    parser.add_argument("--levels", help="comma list of feature levels (default: this machine's)")
    parser.add_argument("--long", action="store_true", help="run long.json instead of the usual checks")
    parser.add_argument("--contexts", help="with --long: comma list (default: all recorded)")
    parser.add_argument("--full", action="store_true", help="everything, not a cross-section")
    parser.add_argument("--work", help="folder for binaries (default: the system's temporary one)")
    options = parser.parse_args()
    options.threads = [int(count) for count in options.threads.split(",")]
    options.levels = options.levels.split(",") if options.levels else None
    return options


def main():
    options = parse_arguments()
    body = run_long if options.long else run_cpu if options.target == "cpu" else run_reference
    reports = {}
    for directory in options.checkpoints:
        name = os.path.basename(os.path.normpath(directory))
        report = reports[name] = Report()
        start = time.monotonic()
        try:
            body(options, directory, report)
        except RunError as error:
            report.failures.append(str(error))
        report.print_failures(f"{name}: ")
        print(f"{name}: {len(report.failures)} failures, {time.monotonic() - start:.1f} s", flush=True)
    print_table(reports)
    sys.exit(any(report.failures for report in reports.values()))


if __name__ == "__main__":
    main()
