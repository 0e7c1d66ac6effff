#!/usr/bin/python3
"""Compares Stoop's targets with the numpy implementation on random checkpoints.

Each seed gives another mix of architecture options (random_checkpoint.py). The program's own greedy
choices are fed to the oracle, so that logits of every step are compared over the same context.
"""
import argparse
import json
import os
import sys
import tempfile

import numpy as np

import checks
import random_checkpoint
from models import CompiledModel, ReferenceModel, RunError
from numpy_falcon import NumpyFalcon

CONTEXT = 160
BUCKETS = [16, 64]
GENERATED = 6


def check_prompt(result, oracle, ids, report, where):
    """Logits of the prompt's last token and of each generated one, and the choices."""
    document, logits = result
    chosen = document["ids"]
    report.require(len(chosen) == GENERATED, f"{where}: {len(chosen)} tokens were generated")
    expected = oracle.logits(ids + chosen[:-1])[len(ids) - 1:]
    report.limit("logits", checks.relative_error(logits, expected), checks.LOGIT_TOLERANCE, where)
    slack = checks.LOGIT_TOLERANCE * np.abs(expected).max()
    for step, (token, row) in enumerate(zip(chosen, expected)):
        report.require(row[token] >= row.max() - slack, f"{where}: token {step} is {token}, not the best one")


def check_seed(options, seed, folder, report):
    directory = os.path.join(folder, f"seed-{seed}")
    print(f"seed {seed}: {random_checkpoint.write(directory, seed)}", flush=True)
    rng = np.random.default_rng(seed)
    with open(os.path.join(directory, "config.json"), encoding="utf-8") as file:
        has_alibi = json.load(file).get("alibi")
    alibi = "exact" if has_alibi and rng.random() < 0.5 else "hf"
    oracle = NumpyFalcon(directory, context=CONTEXT, alibi=alibi)
    vocab = oracle.config["vocab"]
    models = []
    if "reference" in options.targets:
        models.append(("reference", ReferenceModel(options.stoop, directory, "f32", CONTEXT, alibi, False)))
    if "cpu" in options.targets:
        binary = CompiledModel.compile(options.stoop, directory, os.path.join(folder, f"model-{seed}"), "f32",
                                       CONTEXT, alibi, False, BUCKETS)
        models += [(f"cpu, {n} threads", CompiledModel(binary.path, n)) for n in (1, 2)]
    prompts = [rng.integers(0, vocab, length).tolist() for length in (1, 16, 90)]
    for name, model in models:
        for ids, result in zip(prompts, model.generate_all(prompts, GENERATED), strict=True):
            check_prompt(result, oracle, ids, report, f"seed {seed}, {name}, {len(ids)} tokens, alibi {alibi}")


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--stoop", required=True)
    parser.add_argument("--targets", default="reference,cpu", help="comma list (default: %(default)s)")
    parser.add_argument("--first-seed", type=int, default=1)
    parser.add_argument("--count", type=int, default=12)
    options = parser.parse_args()
    options.targets = options.targets.split(",")
    report = checks.Report()
    for seed in range(options.first_seed, options.first_seed + options.count):
        with tempfile.TemporaryDirectory() as folder:
            try:
                check_seed(options, seed, folder, report)
            except RunError as error:
                report.failures.append(f"seed {seed}: {error}")
    worst = report.worst.get("logits", 0.0)
    print(f"{options.count} random mixes, {len(report.failures)} failures, worst logit error {worst:.2e}")
    sys.exit(report.print_failures())


if __name__ == "__main__":
    main()
