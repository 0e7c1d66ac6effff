#!/usr/bin/python3
"""One of several sequences ends before the others or fails: theirs have to be the recorded tokens, and its place serves the next.

Ending: an end-of-text id that one of the first sequences chooses. Failing: a row of the embedding is no number, so whoever
feeds that token has no logits: in a prompt, or by choosing it. The program names that prompt, and only that one.
With --driver: the CUDA program on the virtual GPU, where the device chooses tokens ahead of the host, and where it does not.
"""
import argparse
import contextlib
import json
import os
import shutil
import sys
import tempfile

import checks
import safetensors_io
from cuda_fidelity import ARCHITECTURES, virtual_gpu
from models import CompiledModel, execute

BATCH = 4
CONTEXT = 128
PROMPTS = [0, 1, 3, 6, 8, 2]
NAN_BITS = {"F32": bytes.fromhex("0000c07f"), "BF16": bytes.fromhex("c07f"), "F16": bytes.fromhex("007e")}


def until(ids, last, count):
    """The first `count` of `ids`, cut behind the first `last`."""
    ids = ids[:count]
    return ids[:ids.index(last) + 1] if last in ids else ids


def choose_token(recorded, count):
    """An id that one of the first sequences chooses in the middle, and no other prompt or sequence has."""
    generations = [recorded.generations[index] for index in PROMPTS]
    for at, chosen in enumerate(generations[:BATCH]):
        others = generations[:at] + generations[at + 1:]
        known = set(chosen["prompt_ids"]).union(*(each["prompt_ids"] + each["ids"][:count] for each in others))
        for index in range(2, count - 3):
            if chosen["ids"][index] not in known.union(chosen["ids"][:index]):
                return chosen["ids"][index]
    raise AssertionError("no such token")


def serve(model, prompts, count, settings, expect):
    """The results of `run` for all prompts in one call, and what it says."""
    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, "prompts.json")
        with open(path, "w", encoding="utf-8") as file:
            json.dump([{"prompt_ids": prompt, "predict": count} for prompt in prompts], file)
        output, errors = execute(model.run_command() + ["--prompts", path, "--json", *settings], expect)
    return json.loads(output)["results"], errors


def check_early_end(model, recorded, count, settings, report, where):
    last = choose_token(recorded, count)
    results, _ = serve(model, [recorded.generations[index]["prompt_ids"] for index in PROMPTS], count,
                       ["--eos-id", str(last), *settings], 0)
    expected = [until(recorded.generations[index]["ids"], last, count) for index in PROMPTS]
    report.require([result["ids"] for result in results] == expected,
                   f"{where}, end of text {last}: ids {[result['ids'] for result in results]}, expected {expected}")
    for result in results:
        reason = "stop" if result["ids"][-1] == last else "length"
        report.require(result["finish_reason"] == reason, f"{where}, end of text {last}: {result['finish_reason']}, expected {reason}")


def spoil(directory, folder, token):
    """A copy of the checkpoint whose embedding of `token` has an entry that is no number."""
    copy = os.path.join(folder, "spoiled")
    shutil.copytree(directory, copy, ignore=shutil.ignore_patterns("expected.*"))
    path = os.path.join(copy, "model.safetensors")
    header, base = safetensors_io.read_header(path)
    entry = next(entry for name, entry in header.items() if name.endswith(("word_embeddings.weight", "embed_tokens.weight")))
    bits = NAN_BITS[entry["dtype"]]
    with open(path, "r+b") as file:
        file.seek(base + entry["data_offsets"][0] + token * entry["shape"][1] * len(bits))
        file.write(bits)
    return copy


def check_failure(model, recorded, wrong, count, settings, report, where, exact=True):
    """Prompt 1 holds the token; one of those that run with it chooses it, if its tokens are the recorded ones."""
    prompts = [recorded.generations[index]["prompt_ids"] for index in PROMPTS]
    middle = len(prompts[0]) // 2
    prompts.insert(1, prompts[0][:middle] + [wrong] + prompts[0][middle:])
    results, errors = serve(model, prompts, count, ["--ignore-eos", *settings], 1)
    expected = [until(recorded.generations[index]["ids"], wrong, count) for index in PROMPTS]
    expected.insert(1, [])
    failed = []
    for number, (prompt, result, ids) in enumerate(zip(prompts, results, expected, strict=True)):
        at = f"{where}, prompt {number}"
        if exact:
            report.require(result["ids"] == ids, f"{at}: ids {result['ids']}, expected {ids}")
        broken = wrong in prompt + result["ids"][:-1] or result["ids"][-1:] == [wrong] and len(result["ids"]) < count
        report.require(len(result["ids"]) == count or broken, f"{at}: {len(result['ids'])} tokens")
        if broken:
            failed.append(number)
            sentence = f"logits behind token {len(prompt) + len(result['ids'])} is a number"
            report.require(sentence in result.get("error", "") and f"error: prompt {number}: none of the " in errors and sentence in errors,
                           f"{at}: not told: {result.get('error')}, {errors}")
        reason = "error" if broken else "length"
        report.require(result["finish_reason"] == reason, f"{at}: finished by {result['finish_reason']}, expected {reason}")
    report.require(1 in failed and len(failed) == errors.count("error: prompt"), f"{where}: failed are {failed}: {errors}")
    report.require(not exact or len(failed) == 2, f"{where}: failed are {failed}")


def check_alone(model, recorded, wrong, report, where):
    """A single prompt fails with the same sentence; nothing is taken for a result."""
    ids = recorded.generations[0]["prompt_ids"] + [wrong]
    output, errors = execute(model.run_command() + ["--prompt-ids", ",".join(map(str, ids)), "-n", "4", "--json"], 1)
    report.require(output == "" and f"behind token {len(ids)} is a number" in errors, f"{where}, alone: {output} {errors}")


def run(options, directory, report):
    recorded = checks.Recorded(directory)
    count = 8 if options.driver else 24
    wrong = choose_token(recorded, count)
    target = ["--target", "cuda", "--cuda-arch", ARCHITECTURES] if options.driver else []
    with tempfile.TemporaryDirectory(dir=options.work) as folder:
        spoiled = spoil(directory, folder, wrong)
        for dtype, capability in (("f32", 80), ("bf16", 90)):
            def build(checkpoint, name):
                return CompiledModel.compile(options.stoop, checkpoint, os.path.join(folder, name), dtype, CONTEXT, buckets=[16],
                                             flags=["--max-batch-size", str(BATCH)] + target)
            bad = build(spoiled, "bad")
            with virtual_gpu(options, capability) if options.driver else contextlib.nullcontext():
                where = f"{dtype}, {'cuda' if options.driver else 'cpu'}"
                check_failure(bad, recorded, wrong, count, [], report, where, exact=dtype == "f32")
                check_alone(bad, recorded, wrong, report, where)
                if dtype == "f32":
                    check_early_end(build(directory, "good"), recorded, count, [], report, where)
                    # With logits the host chooses; without them a GPU runs ahead of it.
                    check_failure(bad, recorded, wrong, count, ["--logits", os.path.join(folder, "logits")], report, where + ", host")


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--stoop", required=True, help="path of the compiler")
    parser.add_argument("--driver", help="path of the virtual driver: checks the CUDA program instead")
    parser.add_argument("--checkpoints", nargs="+", required=True, metavar="DIR", help="whose head has weights of its own")
    parser.add_argument("--work", help="folder for binaries (default: the system's temporary one)")
    options = parser.parse_args()
    sys.exit(checks.run_each(options.checkpoints, lambda directory, report: run(options, directory, report)))


if __name__ == "__main__":
    main()
