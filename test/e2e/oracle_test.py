#!/usr/bin/python3
"""Judges the numpy implementation by the recorded results, so that it may judge random mixes."""
import argparse
import sys

import checks
from numpy_falcon import NumpyFalcon

TOLERANCE = 4e-6  # of the largest recorded logit


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--checkpoints", nargs="+", required=True, metavar="DIR")
    report = checks.Report()
    for directory in parser.parse_args().checkpoints:
        recorded, oracle = checks.Recorded(directory), NumpyFalcon(directory)
        for prompt in (0, 6, 7):
            logits = oracle.logits(recorded.generations[prompt]["prompt_ids"])
            error = checks.relative_error(logits[-1], recorded.logits(prompt))
            report.limit("logits", error, TOLERANCE, f"{directory}, prompt {prompt}")
            if prompt == 7:
                error = checks.relative_error(logits, recorded.tensors["logits.all"])
                report.limit("logits", error, TOLERANCE, f"{directory}, all rows of prompt 7")
    print(f"worst logit error {report.worst['logits']:.2e}")
    sys.exit(report.print_failures())


if __name__ == "__main__":
    main()
