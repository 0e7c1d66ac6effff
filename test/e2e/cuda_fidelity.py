#!/usr/bin/python3
"""Compiles checkpoints for CUDA and compares the programs, run on the virtual GPU, with recorded Hugging Face results.

The virtual GPU executes the program's PTX as sm_80 and as sm_90 and checks every memory access, so a run that ends well
had no findings either. By default a cross-section; --full takes all prompts.
"""
import argparse
import contextlib
import functools
import json
import os
import sys
import tempfile

import numpy as np

import checks
from checks import Recorded
from models import CompiledModel, execute, model_flags

CONTEXT = 384
BUCKETS = [32]
# The virtual GPU executes PTX: as sm_90 that of the code for sm_90a, which a program carries only where it is asked to.
ARCHITECTURES = "sm_80,sm_90a,sm_80.ptx,sm_90a.ptx"
LOGIT_TOLERANCE = 1e-4


@contextlib.contextmanager
def virtual_gpu(options, capability, seed=1):
    """Programs started inside find the virtual GPU of that compute capability."""
    settings = {"STOOP_CUDA_DRIVER": options.driver, "STOOP_VGPU_ARCH": str(capability), "STOOP_VGPU_SEED": str(seed)}
    os.environ.update(settings)
    try:
        yield
    finally:
        for name in settings:
            del os.environ[name]


def compile_cuda(options, directory, path, dtype, context):
    execute([options.stoop, "compile", directory, "-o", path, "--target", "cuda", "--cuda-arch", ARCHITECTURES,
             "--prefill-buckets", ",".join(map(str, BUCKETS))] + model_flags(dtype, context, "hf", True))
    return CompiledModel(path)


def check_greedy(model, recorded, prompts, count, report, where):
    """The first `count` ids equal to the recorded ones, logits behind the prompt near the recorded ones."""
    for index in prompts:
        at = f"{where}, prompt {index}"
        document, logits = model.generate(recorded.generations[index]["prompt_ids"], count)
        report.require(document["ids"] == recorded.generations[index]["ids"][:count], f"{at}: ids differ from the recorded ones")
        report.limit("logits", checks.relative_error(logits[0], recorded.logits(index)), LOGIT_TOLERANCE, at)


def check_replay(model, recorded, index, report, where):
    """The device chooses the tokens itself, with the host behind it: 48 recorded ones, then on to 64."""
    ids = recorded.generations[index]["prompt_ids"]
    output, _ = execute(model.run_command() + ["--prompt-ids", ",".join(map(str, ids)), "-n", "64", "--json", "--ignore-eos"])
    document = json.loads(output)
    report.require(document["ids"][: checks.GENERATED] == recorded.generations[index]["ids"],
                   f"{where}: ids differ from the recorded ones")
    report.require(len(document["ids"]) == 64, f"{where}: {len(document['ids'])} tokens of 64")


def check_sampled(model, recorded, index, report, where):
    """Tokens that the device draws are those that the host draws from the same logits."""
    ids = recorded.generations[index]["prompt_ids"]
    penalties = ["--repeat-penalty", "1.3", "--presence-penalty", "0.4", "--frequency-penalty", "0.2"]
    for settings in (["--temp", "0.9", "--top-k", "40", "--top-p", "0.95", "--seed", "7"],
                     ["--temp", "1.3", "--min-p", "0.02", "--seed", "8"] + penalties):
        command = [model.path, "run", "--prompt-ids", ",".join(map(str, ids)), "-n", "6", "--json", "--ignore-eos"] + settings
        with tempfile.NamedTemporaryFile(suffix=".safetensors") as logits:
            device, host = (json.loads(execute(command + extra)[0])["ids"] for extra in ([], ["--logits", logits.name]))
        report.require(device == host, f"{where}, {' '.join(settings)}: the device drew {device}, the host {host}")


def check_narrow(model, recorded, prompts, report, where):
    """Divergence from the recorded float32 logits."""
    divergences = []
    for index in prompts:
        _, logits = model.generate(recorded.generations[index]["prompt_ids"], 1)
        p, q = checks.log_softmax(recorded.logits(index)), checks.log_softmax(logits[0])
        divergences.append((np.exp(p) * (p - q)).sum())
    report.limit("kl", np.mean(divergences), checks.KL_LIMIT, where)


def run(options, directory, report):
    recorded = Recorded(directory)
    everything = range(len(recorded.generations))
    count = checks.GENERATED if options.full else 16
    # Of all prompts, the longest may need more.
    context = max([CONTEXT] + [len(generation["prompt_ids"]) + count for generation in recorded.generations if options.full])
    with tempfile.TemporaryDirectory(dir=options.work) as folder:
        exact = compile_cuda(options, directory, os.path.join(folder, "f32"), "f32", context)
        with virtual_gpu(options, 80):
            noted = report.labelled("f32 sm_80")
            check_greedy(exact, recorded, everything if options.full else [7], count, noted, "f32, sm_80")
            check_sampled(exact, recorded, 1, noted, "f32, sm_80")
        with virtual_gpu(options, 90, seed=5):
            noted = report.labelled("f32 sm_90")
            check_greedy(exact, recorded, everything if options.full else [6], count, noted, "f32, sm_90")
            check_replay(exact, recorded, 0, noted, "f32, sm_90, run ahead")
        os.remove(exact.path)
        first, second = (80, 90) if options.bf16_on == 80 else (90, 80)
        for dtype, capabilities in (("bf16", [first, second]), ("f16", [second, first])):
            narrow = compile_cuda(options, directory, os.path.join(folder, dtype), dtype, context)
            for capability in capabilities if options.full else capabilities[:1]:
                with virtual_gpu(options, capability):
                    check_narrow(narrow, recorded, everything if options.full else [0, 5, 7],
                                 report.labelled(f"{dtype} sm_{capability}"), f"{dtype}, sm_{capability}")
            os.remove(narrow.path)


def parse_arguments():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--stoop", required=True, help="path of the compiler")
    parser.add_argument("--driver", required=True, help="path of the virtual driver")
    parser.add_argument("--checkpoints", nargs="+", required=True, metavar="DIR")
    parser.add_argument("--full", action="store_true", help="everything, not a cross-section")
    parser.add_argument("--bf16-on", type=int, choices=[80, 90], default=80, help="capability of the cross-section in bf16; f16 takes the other")
    parser.add_argument("--work", help="folder for binaries (default: the system's temporary one)")
    return parser.parse_args()


def main():
    options = parse_arguments()
    sys.exit(checks.run_each(options.checkpoints, functools.partial(run, options)))


if __name__ == "__main__":
    main()
