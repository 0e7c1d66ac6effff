"""The checks of the fidelity suite: each compares one model with recorded or reference results.

A check returns a list of failure messages and notes its worst errors in a `Report`. NaN never
passes: every comparison is written so that it holds only for numbers.
"""
import json
import os
import time

import numpy as np

import safetensors_io
from models import RunError

LOGIT_TOLERANCE = 2e-5  # of the largest recorded magnitude
NLL_TOLERANCE = 1e-4  # relative
KL_LIMIT = 2e-3  # nats, mean over a checkpoint's prompts
LOW_PRECISION_NLL = 5e-3  # relative
GENERATED = 48


class Recorded:
    """Hugging Face's results beside a checkpoint."""

    def __init__(self, directory):
        with open(os.path.join(directory, "expected.json"), encoding="utf-8") as file:
            document = json.load(file)
        self.generations = document["generations"]
        self.nll = document["nll"]
        self.nll_ids = document["nll_ids"]
        self.is_trained = os.path.basename(os.path.normpath(directory)).split("-")[0] != "rand"
        self.tensors = safetensors_io.load(os.path.join(directory, "expected.safetensors"))

    def logits(self, prompt):
        return self.tensors[f"logits.{prompt}"]


class Report:
    """Worst errors by name, and failures. A labelled view shares both and marks its names."""

    def __init__(self, parent=None, label=""):
        self.worst = parent.worst if parent else {}
        self.failures = parent.failures if parent else []
        self.label = label

    def labelled(self, label):
        return Report(self, " " + label)

    def note(self, name, value):
        """Keeps the largest value; NaN counts as infinite."""
        name, value = name + self.label, float(value)
        self.worst[name] = max(self.worst.get(name, 0.0), value if value == value else np.inf)

    def require(self, holds, message):
        if not holds:
            self.failures.append(message)

    def print_failures(self, of=""):
        """Prints each failure behind the name of what was checked; returns whether there is one."""
        for failure in self.failures:
            print(f"FAIL {of}{failure}")
        return bool(self.failures)

    def limit(self, name, value, bound, where):
        """Notes a value and fails unless it is a number within the bound."""
        self.note(name, value)
        self.require(value <= bound, f"{where}: {name} is {value:.3g}, allowed is {bound:.3g}")


def run_each(checkpoints, check):
    """Runs check(directory, report) for each checkpoint and prints what came of it; returns whether one failed."""
    failed = False
    for directory in checkpoints:
        name = os.path.basename(os.path.normpath(directory))
        report, start = Report(), time.monotonic()
        try:
            check(directory, report)
        except RunError as error:
            report.failures.append(str(error))
        failed |= report.print_failures(f"{name}: ")
        worst = ", ".join(f"{key} {value:.2e}" for key, value in sorted(report.worst.items()))
        print(f"{name}: {len(report.failures)} failures, {time.monotonic() - start:.1f} s; worst: {worst}", flush=True)
    return failed


def relative_error(actual, expected):
    """Largest difference relative to the largest expected magnitude; NaN if any value is."""
    return np.abs(actual.astype(np.float64) - expected).max() / np.abs(expected).max()


def log_softmax(logits):
    logits = logits.astype(np.float64)
    shifted = logits - logits.max(-1, keepdims=True)
    return shifted - np.log(np.exp(shifted).sum(-1, keepdims=True))


def check_prompts(model, recorded, report, where, prompts=None):
    """Greedy ids equal to the recorded ones, and the logits behind each prompt."""
    indices = range(len(recorded.generations)) if prompts is None else prompts
    results = model.generate_all([recorded.generations[index]["prompt_ids"] for index in indices], GENERATED)
    for index, (document, logits) in zip(indices, results, strict=True):
        at = f"{where}, prompt {index}"
        expected = recorded.generations[index]["ids"]
        same = sum(np.cumprod([a == b for a, b in zip(document["ids"], expected)]))
        report.require(document["ids"] == expected,
                       f"{at}: ids differ from the recorded ones behind {same} of {len(expected)} tokens")
        report.require(document["finish_reason"] == "length", f"{at}: finished by {document['finish_reason']}")
        report.limit("logits", relative_error(logits[0], recorded.logits(index)), LOGIT_TOLERANCE, at)


def check_all_rows(model, recorded, report, where, lengths=None):
    """Logits behind prefixes of prompt 7, whose rows are all recorded; every prefix without `lengths`."""
    ids, rows = recorded.generations[7]["prompt_ids"], recorded.tensors["logits.all"]
    scale = np.abs(rows).max()
    lengths = lengths or range(1, len(ids) + 1)
    results = model.generate_all([ids[:length] for length in lengths], 1)
    for length, (_, logits) in zip(lengths, results, strict=True):
        error = np.abs(logits[0].astype(np.float64) - rows[length - 1]).max() / scale
        report.limit("logits", error, LOGIT_TOLERANCE, f"{where}, prompt 7 cut to {length} tokens")


def check_nll(model, recorded, report, where, windows=None, tolerance=NLL_TOLERANCE):
    """Mean negative log-likelihood in each recorded window."""
    for entry in recorded.nll:
        if windows is not None and entry["window"] not in windows:
            continue
        at = f"{where}, window {entry['window']}"
        result = model.perplexity(recorded.nll_ids[: entry["tokens"] + 1], entry["window"])
        report.require(result["tokens"] == entry["tokens"], f"{at}: {result['tokens']} tokens were scored")
        report.limit("nll", abs(result["mean_nats"] / entry["mean_nats"] - 1), tolerance, at)


def check_nll_beside(model, exact, recorded, report, where, tokens=512, window=64):
    """The likelihood of a bf16 or f16 model beside that of the same one in float32, on a part of the recorded ids."""
    ids = recorded.nll_ids[: tokens + 1]
    results = [each.perplexity(ids, window)["mean_nats"] for each in (model, exact)]
    report.limit("nll", abs(results[0] / results[1] - 1), LOW_PRECISION_NLL, where)


def check_divergence(model, recorded, report, where):
    """Divergence of a bf16 or f16 model from the recorded float32 logits behind each prompt."""
    divergences = []
    results = model.generate_all([generation["prompt_ids"] for generation in recorded.generations], 1)
    for index, (_, logits) in zip(range(len(recorded.generations)), results, strict=True):
        p, q = log_softmax(recorded.logits(index)), log_softmax(logits[0])
        divergences.append((np.exp(p) * (p - q)).sum())
    report.limit("kl", np.mean(divergences), KL_LIMIT, where)


def check_context_end(model, context, vocab, report, where):
    """Generation ends with the compiled context; a longer prompt is refused with both numbers."""
    rng = np.random.default_rng(5)
    ids = rng.integers(0, vocab, context + 1).tolist()
    document, _ = model.generate(ids[: context - 3], 100)
    report.require(document["finish_reason"] == "length", f"{where}: finished by {document['finish_reason']}")
    report.require(len(document["ids"]) == 4, f"{where}: {len(document['ids'])} tokens behind {context - 3} "
                   f"in a context of {context}, expected 4 (the last one needs no place)")
    message = model.refuses(ids)
    report.require(str(context) in message and str(context + 1) in message,
                   f"{where}: the refusal of a long prompt names not both numbers: {message.strip()}")


def check_long(model, directory, mode, contexts, every_token, report, where):
    """Mean likelihood of the last 256 of the first n tokens as one window, optionally that of all of them, and that
    of the last 256 of all with only 512 tokens of context."""
    with open(os.path.join(directory, "long.json"), encoding="utf-8") as file:
        document = json.load(file)
    for entry in document[f"alibi_{mode}"]:
        context = entry["context"]
        short = isinstance(context, str)  # "the last 512 of 12288 only"
        if contexts is not None and not short and context not in contexts:
            continue
        at = f"{where}, context {context}, alibi {mode}"
        ids, window = (document["ids"][-513:], 512) if short else (document["ids"][: context + 1], context)
        parts = {"last_256": 256, "all": window} if every_token and not short else {"last_256": 256}
        for name, last in parts.items():
            result = model.perplexity(ids, window, last=last)
            report.require(result["tokens"] == last, f"{at}: {result['tokens']} tokens were scored")
            error = abs(result["mean_nats"] / entry[f"mean_nats_{name}"] - 1)
            report.limit("nll", error, NLL_TOLERANCE, f"{at}, {name}")
