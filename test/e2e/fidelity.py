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
SMALL_BUCKETS = [16, 64]


def vocab_of(recorded):
    return len(recorded.logits(0))


def run_reference(options, directory, report):
    """The evaluator against the recorded results."""
    recorded = Recorded(directory)
    model = ReferenceModel(options.stoop, directory)
    checks.check_prompts(model, recorded, report, "f32")
    checks.check_all_rows(model, recorded, report, "f32", 1 if options.full else 13)
    checks.check_nll(model, recorded, report, "f32")
    for dtype in ("bf16", "f16"):
        low = ReferenceModel(options.stoop, directory, dtype)
        checks.check_low_precision(low, recorded, report.labelled(dtype), dtype, 64)
    checks.check_context_end(ReferenceModel(options.stoop, directory, context=64), 64, vocab_of(recorded), report,
                             "context 64")


def run_cpu(options, directory, report):
    """The compiled binary against the recorded results and, where there are none, the reference."""
    recorded = Recorded(directory)
    with tempfile.TemporaryDirectory(dir=options.work) as folder:
        path = os.path.join(folder, "model")
        full = CompiledModel.compile(options.stoop, directory, path, levels=options.levels)
        for level in options.levels or [None]:
            for threads in options.threads:
                where = f"f32, {threads} threads" + (f", {level}" if level else "")
                model = CompiledModel(path, threads, level)
                every = options.full or threads == options.threads[-1]
                checks.check_prompts(model, recorded, report, where, None if every else [0, 6, 7, 10])
                checks.check_nll(model, recorded, report, where, None if every else [256])
        checks.check_all_rows(full, recorded, report, "f32", 1 if options.full else 13)
        os.remove(path)
        run_cpu_types(options, directory, recorded, folder, report)
        run_cpu_buckets(options, directory, recorded, folder, report)


def run_cpu_types(options, directory, recorded, folder, report):
    for dtype in ("bf16", "f16"):
        low = CompiledModel.compile(options.stoop, directory, os.path.join(folder, dtype), dtype,
                                    levels=options.levels)
        for level in options.levels or [None]:
            model = CompiledModel(low.path, options.threads[-1], level)
            where = dtype + (f", {level}" if level else "")
            checks.check_low_precision(model, recorded, report.labelled(dtype), where, 256)
        os.remove(low.path)


def run_cpu_buckets(options, directory, recorded, folder, report):
    """Prompts of one token, exactly a bucket, between buckets, and more than the largest one."""
    context = 160
    path = os.path.join(folder, "buckets")
    model = CompiledModel.compile(options.stoop, directory, path, context=context, buckets=SMALL_BUCKETS)
    reference = ReferenceModel(options.stoop, directory, context=context)
    lengths = [1, 2, 16, 17, 63, 64, 65, 128, 150] if options.full else [1, 16, 40, 64, 65, 150]
    where = f"buckets {SMALL_BUCKETS}"
    prompts = checks.random_prompts(vocab_of(recorded), lengths)
    references = reference.generate_all(prompts, 4)
    for threads in options.threads:
        checks.check_lengths(CompiledModel(path, threads), prompts, references, report, f"{where}, {threads} threads")
    checks.check_context_end(model, context, vocab_of(recorded), report, f"context {context}")


def run_long(options, directory, report):
    """Contexts far beyond the trained one, both roundings of ALiBi."""
    contexts = None if options.full else [1024, 12288]
    with tempfile.TemporaryDirectory(dir=options.work) as folder:
        for mode in ("hf", "exact"):
            if options.target == "cpu":
                model = CompiledModel.compile(options.stoop, directory, os.path.join(folder, mode), context=12288,
                                              alibi=mode)
            else:
                model = ReferenceModel(options.stoop, directory, context=12288, alibi=mode)
            checks.check_long(model, directory, mode, contexts, report, "f32")


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
        for failure in report.failures:
            print(f"FAIL {name}: {failure}")
        print(f"{name}: {len(report.failures)} failures, {time.monotonic() - start:.1f} s", flush=True)
    print_table(reports)
    sys.exit(any(report.failures for report in reports.values()))


if __name__ == "__main__":
    main()
