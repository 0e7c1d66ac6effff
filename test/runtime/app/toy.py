"""The toy model of toy_program.h once more, as the oracle of the command-line tests."""
import json
import os
import subprocess

VOCAB, IDS, CONTEXT, EOS = 50, 48, 64, 47


def logits(tokens):
    total = sum((j + 1) * t for j, t in enumerate(tokens))
    value = lambda v: (total * 31 + v * 17 + (tokens[-1] * 37 + v * v) % 211) % 997
    return [value(v) / 100 if v < IDS else 1000.0 for v in range(VOCAB)]


def greedy(tokens, count):
    tokens, ids = list(tokens), []
    for _ in range(count):
        row = logits(tokens)[:IDS]
        ids.append(row.index(max(row)))
        tokens.append(ids[-1])
    return ids


def run(program, *args, env=None, stdin=b"", timeout=120):
    """Runs a command; the result has .returncode, .out and .err (text)."""
    result = subprocess.run([program, *map(str, args)], input=stdin, capture_output=True, timeout=timeout,
                            env={**os.environ, **(env or {})})
    result.out, result.err = result.stdout.decode(), result.stderr.decode()
    return result


def run_json(program, *args, **more):
    result = run(program, *args, "--json", **more)
    assert result.returncode == 0, result.err
    return json.loads(result.out)
