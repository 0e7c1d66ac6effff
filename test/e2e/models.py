"""Runs a checkpoint on one of Stoop's targets: the reference evaluator or a compiled binary.

Both are programs with the same options and the same JSON, so a check is written once. A call that
exits with an unexpected code raises `RunError` with the command line and its messages.
"""
import json
import os
import shlex
import subprocess
import tempfile

import safetensors_io


class RunError(Exception):
    """A program failed where it should not have."""


def execute(command, expect=0):
    """Runs a command; returns (stdout, stderr)."""
    result = subprocess.run(command, capture_output=True, text=True, timeout=1800, check=False)
    if result.returncode != expect:
        raise RunError(f"exit code {result.returncode}, expected {expect}: {shlex.join(command)}\n"
                       + result.stderr[-2000:])
    return result.stdout, result.stderr


class Model:
    """One checkpoint under fixed options; subclasses say how a command starts."""

    def run_command(self):
        raise NotImplementedError

    def perplexity_command(self):
        raise NotImplementedError

    def generate_all(self, prompts, count):
        """Greedy continuations of several prompts (lists of ids): [(document, logits [generated, vocab])]."""
        return [self.generate(prompt_ids, count) for prompt_ids in prompts]

    def generate(self, prompt_ids, count):
        """Greedy continuation of token ids: (document, logits [generated, vocab])."""
        with tempfile.TemporaryDirectory() as folder:
            path = os.path.join(folder, "logits.safetensors")
            command = self.run_command() + ["--prompt-ids", ",".join(map(str, prompt_ids)), "-n", str(count),
                                            "--logits", path, "--json", "--ignore-eos"]
            output, _ = execute(command)
            return json.loads(output), safetensors_io.load(path)["logits"]

    def refuses(self, prompt_ids):
        """The message with which a prompt is refused (exit code 1)."""
        command = self.run_command() + ["--prompt-ids", ",".join(map(str, prompt_ids)), "-n", "1", "--json"]
        return execute(command, expect=1)[1]

    def perplexity(self, ids, window, last=None):
        """{"tokens": ..., "mean_nats": ...} over independent windows of `ids`."""
        with tempfile.TemporaryDirectory() as folder:
            path = os.path.join(folder, "ids.json")
            with open(path, "w", encoding="utf-8") as file:
                json.dump([int(i) for i in ids], file)
            command = self.perplexity_command() + ["--ids", path, "--window", str(window), "--json"]
            if last is not None:
                command += ["--last", str(last)]
            return json.loads(execute(command)[0])


def model_flags(dtype, context, alibi, tokenizer):
    flags = ["--dtype", dtype, "--max-seq-len", str(context), "--alibi", alibi, "--quiet"]
    return flags if tokenizer else flags + ["--no-tokenizer"]


class ReferenceModel(Model):
    """`stoop evaluate`: reads the checkpoint at each call, so prompts are evaluated by one of them."""

    def __init__(self, stoop, checkpoint, dtype="f32", context=2048, alibi="hf", tokenizer=True, flags=()):
        self.command = [stoop, "evaluate", checkpoint] + model_flags(dtype, context, alibi, tokenizer) + list(flags)

    def run_command(self):
        return self.command

    def perplexity_command(self):
        return self.command

    def generate_all(self, prompts, count):
        with tempfile.TemporaryDirectory() as folder:
            prompts_path, logits_path = os.path.join(folder, "prompts.json"), os.path.join(folder, "logits.safetensors")
            with open(prompts_path, "w", encoding="utf-8") as file:
                json.dump(prompts, file)
            output, _ = execute(self.command + ["--prompts", prompts_path, "-n", str(count), "--logits", logits_path,
                                                "--json", "--ignore-eos"])
            documents, logits = [json.loads(line) for line in output.splitlines()], safetensors_io.load(logits_path)
            return [(document, logits[f"logits.{i}"]) for i, document in enumerate(documents)]


    def score(self, ids, window):
        """(mean nats, logits [len(ids) - 1, vocab]) over independent windows of `ids`."""
        with tempfile.TemporaryDirectory() as folder:
            ids_path, logits_path = os.path.join(folder, "ids.json"), os.path.join(folder, "logits.safetensors")
            with open(ids_path, "w", encoding="utf-8") as file:
                json.dump([int(i) for i in ids], file)
            output, _ = execute(self.command + ["--ids", ids_path, "--window", str(window), "--logits", logits_path,
                                                "--json"])
            return json.loads(output)["mean_nats"], safetensors_io.load(logits_path)["logits"]


class CompiledModel(Model):
    """A binary made by `stoop compile`, run with a number of threads and at a feature level."""

    def __init__(self, path, threads=None, level=None):
        self.path = path
        self.options = (["--threads", str(threads)] if threads else []) + (["--cpu-level", level] if level else [])

    @classmethod
    def compile(cls, stoop, checkpoint, path, dtype="f32", context=2048, alibi="hf", tokenizer=True,
                buckets=None, levels=None, flags=()):
        """Compiles `checkpoint` to `path`."""
        command = [stoop, "compile", checkpoint, "-o", path] + model_flags(dtype, context, alibi, tokenizer)
        command += flags
        if buckets:
            command += ["--prefill-buckets", ",".join(map(str, buckets))]
        if levels:
            command += ["--target-cpu", ",".join(levels)]
        execute(command)
        return cls(path)

    def run_command(self):
        return [self.path, "run", "--temp", "0"] + self.options

    def perplexity_command(self):
        return [self.path, "perplexity"] + self.options

    def generate_together(self, requests, settings=("--temp", "0"), logits=True):
        """Serves requests (objects of a file of prompts) by one call: [(document, logits [generated, vocab] or None)] and
        how many sequences ran together at most."""
        with tempfile.TemporaryDirectory() as folder:
            prompts_path, logits_path = os.path.join(folder, "prompts.jsonl"), os.path.join(folder, "logits.safetensors")
            with open(prompts_path, "w", encoding="utf-8") as file:
                file.writelines(json.dumps(request) + "\n" for request in requests)
            command = [self.path, "run", "--prompts", prompts_path, "--json", "--ignore-eos"] + list(settings) + self.options
            output, _ = execute(command + (["--logits", logits_path] if logits else []))
            document, tensors = json.loads(output), safetensors_io.load(logits_path) if logits else {}
            return ([(result, tensors.get(f"logits.{i}")) for i, result in enumerate(document["results"])],
                    document["batch"])

    def sample(self, request, settings):
        """The ids that the request of a file of prompts, with a seed, gives alone."""
        command = [self.path, "run", "--prompt-ids", ",".join(map(str, request["prompt_ids"])), "-n", str(request["predict"]),
                   "--seed", str(request["seed"]), "--json", "--ignore-eos"] + list(settings) + self.options
        return json.loads(execute(command)[0])["ids"]
