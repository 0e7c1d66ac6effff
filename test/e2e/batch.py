#!/usr/bin/python3
"""Several sequences in one step: each prompt's result has to be what the prompt alone gives.

On the CPU: greedy ids equal to the recorded ones and logits near those of the prompt alone, in batches that are full,
partly filled and refilled; the same seeds draw the same tokens; narrow types and integer weights within their gates.
With --driver: the same for the CUDA program on the virtual GPU, and its sampled tokens are the CPU program's; with --wide
steps of five to eight sequences instead; with --brief a few steps of four in float32 and in a narrow type.
"""
import argparse
import functools
import os
import sys
import tempfile

import checks
from checks import Recorded
from cuda_fidelity import ARCHITECTURES, virtual_gpu
from models import CompiledModel

BATCH = 4
CONTEXT = 384
CUDA_LOGIT_TOLERANCE = 1e-4
# Of the largest logit: rows that are multiplied together are added in another order, behind a rounding of activations.
NARROW_LOGIT_TOLERANCE = {"bf16": 1e-2, "f16": 2e-3, "int8": 1e-6}
SAMPLING = [["--temp", "0.9", "--top-k", "40"],
            ["--temp", "1.2", "--top-p", "0.9"],
            ["--temp", "1.4", "--min-p", "0.02", "--top-k", "100"],
            ["--temp", "1.0", "--repeat-penalty", "1.3", "--presence-penalty", "0.4", "--frequency-penalty", "0.2"]]


def requests(recorded, indices, counts, seeds=None):
    """Recorded prompts with tokens to generate each, and a seed each."""
    result = [{"prompt_ids": recorded.generations[i]["prompt_ids"], "predict": n} for i, n in zip(indices, counts, strict=True)]
    for request, seed in zip(result, seeds or []):
        request["seed"] = seed
    return result


def check_recorded(model, recorded, indices, counts, report, where, tolerance, alone=True, batch=BATCH):
    """Greedy ids are the recorded ones; logits are near the recorded ones and those of each prompt alone."""
    results, together = model.generate_together(requests(recorded, indices, counts))
    report.require(together == min(len(indices), batch), f"{where}: {together} sequences ran together")
    for index, count, (document, logits) in zip(indices, counts, results, strict=True):
        at = f"{where}, prompt {index}"
        expected = recorded.generations[index]["ids"][:count]
        report.require(document["ids"] == expected, f"{at}: ids {document['ids']}, recorded are {expected}")
        report.limit("logits", checks.relative_error(logits[0], recorded.logits(index)), tolerance, at)
        if alone:
            _, single = model.generate(recorded.generations[index]["prompt_ids"], count)
            report.require(single.shape == logits.shape, f"{at}: {len(logits)} rows of logits, alone {len(single)}")
            report.limit("alone", checks.relative_error(logits, single), tolerance, at)


def check_sampled(model, others, recorded, report, where, settings, count=8):
    """The same seeds draw the same tokens in a batch, alone and by other programs."""
    asked = requests(recorded, [0, 6, 7, 3, 5], [count, count + 3, count, count - 5, count], [11, 12, 13, 14, 15])
    results = [document["ids"] for document, _ in model.generate_together(asked, settings, logits=False)[0]]
    report.require(len({tuple(ids) for ids in results}) == len(results), f"{where}: seeds do not matter: {results}")
    for name, other in others:
        for request, drawn in zip(asked, results, strict=True):
            expected = other.sample(request, settings)
            report.require(drawn == expected, f"{where}, {' '.join(settings)}: drew {drawn}, {name} {expected}")


def check_narrow(model, name, recorded, report):
    """Second tokens come from a step of all: their logits are those of the prompt alone, up to rounding."""
    results, _ = model.generate_together(requests(recorded, [0, 5, 6, 7], [2] * 4))
    for index, (document, logits) in zip([0, 5, 6, 7], results, strict=True):
        single, alone = model.generate(recorded.generations[index]["prompt_ids"], 2)
        at = f"{name}, prompt {index}"
        report.require(document["ids"][0] == single["ids"][0], f"{at}: the first id is another than alone")
        report.limit(name, checks.relative_error(logits[1], alone[1]), NARROW_LOGIT_TOLERANCE[name], at)


def run_cpu(options, directory, report):
    recorded = Recorded(directory)
    flags = ["--max-batch-size", str(BATCH)]
    with tempfile.TemporaryDirectory(dir=options.work) as folder:
        path = os.path.join(folder, "model")
        CompiledModel.compile(options.stoop, directory, path, context=CONTEXT, buckets=[16], flags=flags)
        for threads in (1, 2):
            model, where = CompiledModel(path, threads), f"{threads} threads"
            # Prompts of 1 to 40 tokens; in the second run others join as those end.
            check_recorded(model, recorded, [0, 6, 7, 3], [48, 20, 48, 7], report, where, checks.LOGIT_TOLERANCE)
            check_recorded(model, recorded, [1, 7, 2, 5, 4, 0], [5, 30, 1, 12, 48, 9], report, where + ", refilled",
                           checks.LOGIT_TOLERANCE, alone=False)
            check_recorded(model, recorded, [6, 2, 7], [16] * 3, report, where + ", three", checks.LOGIT_TOLERANCE, alone=False)
        for settings in SAMPLING:
            check_sampled(model, [("alone", CompiledModel(path, 1))], recorded, report, "cpu", settings)
        os.remove(path)
        for name, chosen in (("bf16", ["--dtype", "bf16"]), ("int8", ["--dtype", "bf16", "--quantization", "int8"])):
            if options.narrow:
                narrow = CompiledModel.compile(options.stoop, directory, path, dtype=chosen[1], context=CONTEXT, buckets=[16],
                                               flags=flags + chosen[2:])
                check_narrow(narrow, name, recorded, report)
                os.remove(path)


def check_ahead(model, recorded, indices, counts, report, where):
    """The device chooses the recorded tokens itself."""
    results, _ = model.generate_together(requests(recorded, indices, counts), logits=False)
    for index, count, (document, _) in zip(indices, counts, results, strict=True):
        report.require(document["ids"] == recorded.generations[index]["ids"][:count],
                       f"{where}, prompt {index}: ids {document['ids']} are not the recorded ones")


def run_wide(options, directory, report):
    recorded = Recorded(directory)
    with tempfile.TemporaryDirectory(dir=options.work) as folder:
        model = CompiledModel.compile(options.stoop, directory, os.path.join(folder, "cuda"), context=CONTEXT, buckets=[32],
                                      flags=["--max-batch-size", "8", "--target", "cuda", "--cuda-arch", ARCHITECTURES])
        # Eight, nine with one that joins, and fewer as they end.
        with virtual_gpu(options, 80):
            check_recorded(model, recorded, [0, 1, 2, 3, 4, 5, 6, 8], [6, 5, 5, 4, 4, 3, 3, 2], report, "cuda, sm_80, host samples",
                           CUDA_LOGIT_TOLERANCE, alone=False, batch=8)
        with virtual_gpu(options, 90, seed=3):
            check_ahead(model, recorded, [9, 8, 7, 6, 4, 3, 2, 1, 0], [8, 7, 6, 8, 3, 5, 6, 7, 4], report, "cuda, sm_90, runs ahead")


def run_brief(options, directory, report):
    """Batch 4 of one more kind of block: float32 as sm_80, chosen by the device as sm_90, and a narrow type on either."""
    recorded, dtype = Recorded(directory), options.brief
    flags = ["--max-batch-size", str(BATCH), "--target", "cuda", "--cuda-arch", ARCHITECTURES]
    with tempfile.TemporaryDirectory(dir=options.work) as folder:
        path = os.path.join(folder, "cuda")
        model = CompiledModel.compile(options.stoop, directory, path, context=CONTEXT, buckets=[32], flags=flags)
        with virtual_gpu(options, 80):
            check_recorded(model, recorded, [0, 6, 5, 2], [4, 4, 3, 3], report, "cuda, sm_80", CUDA_LOGIT_TOLERANCE, alone=False)
        with virtual_gpu(options, 90, seed=3):
            check_ahead(model, recorded, [6, 0, 4, 2, 1], [6, 5, 5, 4, 3], report, "cuda, sm_90, runs ahead")
        os.remove(path)
        model = CompiledModel.compile(options.stoop, directory, path, dtype, context=CONTEXT, buckets=[32], flags=flags)
        with virtual_gpu(options, 80 if dtype == "f16" else 90):
            check_narrow(model, dtype, recorded, report)


def run_cuda(options, directory, report):
    recorded = Recorded(directory)
    flags = ["--max-batch-size", str(BATCH)]
    with tempfile.TemporaryDirectory(dir=options.work) as folder:
        cpu = CompiledModel.compile(options.stoop, directory, os.path.join(folder, "cpu"), context=CONTEXT, buckets=[32], flags=flags)
        cuda = CompiledModel.compile(options.stoop, directory, os.path.join(folder, "cuda"), context=CONTEXT, buckets=[32],
                                     flags=flags + ["--target", "cuda", "--cuda-arch", ARCHITECTURES])
        with virtual_gpu(options, 80):
            check_recorded(cuda, recorded, [0, 6, 7], [9, 4, 6], report, "cuda, sm_80, host samples", CUDA_LOGIT_TOLERANCE,
                           alone=options.full)
            check_sampled(cuda, [("the cpu", cpu)], recorded, report, "cuda, sm_80", SAMPLING[0])
            check_sampled(cuda, [("the cpu", cpu)], recorded, report, "cuda, sm_80", SAMPLING[3])
        with virtual_gpu(options, 90, seed=3):
            check_ahead(cuda, recorded, [7, 0, 5, 6, 2], [20, 12, 3, 7, 6], report, "cuda, sm_90, runs ahead")
            for settings in SAMPLING[1:3]:
                check_sampled(cuda, [("the cpu", cpu)], recorded, report, "cuda, sm_90", settings)


def parse_arguments():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--stoop", required=True, help="path of the compiler")
    parser.add_argument("--driver", help="path of the virtual driver: checks the CUDA program instead")
    parser.add_argument("--checkpoints", nargs="+", required=True, metavar="DIR")
    parser.add_argument("--narrow", action="store_true", help="also bf16 and int8")
    parser.add_argument("--wide", action="store_true", help="with --driver: up to eight sequences, float32 alone")
    parser.add_argument("--brief", choices=["bf16", "f16"], help="with --driver: a few steps of four sequences, in float32 and this type")
    parser.add_argument("--full", action="store_true", help="everything, not a cross-section")
    parser.add_argument("--work", help="folder for binaries (default: the system's temporary one)")
    return parser.parse_args()


def main():
    options = parse_arguments()
    check = run_wide if options.wide else run_brief if options.brief else run_cuda if options.driver else run_cpu
    sys.exit(checks.run_each(options.checkpoints, functools.partial(check, options)))


if __name__ == "__main__":
    main()
