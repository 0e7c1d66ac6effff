#!/usr/bin/python3
"""Heads that divide nothing: CUDA programs of odd shapes on the virtual GPU against the CPU programs of the same models.

Heads of 1 to 512 columns, 300 query heads on a KV head, nine sequences in a step: whatever is not refused has to give the
same tokens and logits. By default split attention, sliced rows and one of the shapes, drawn anew in each run; --full takes all of them.
"""
import argparse
import json
import os
import random
import sys
import tempfile
import time

import numpy as np

import checks
import random_checkpoint
from cuda_fidelity import ARCHITECTURES, virtual_gpu
from models import CompiledModel, RunError, execute

CONTEXT = 64
# Head size, query heads, KV heads, what else, sequences in a step.
SHAPES = [(1, 8, 1, {"alibi": True}, 1), (2, 4, 2, {}, 8), (3, 8, 1, {"alibi": True}, 5), (6, 4, 2, {}, 1), (14, 4, 2, {}, 8),
          (20, 3, 1, {"ffn_hidden_size": 17}, 9), (36, 4, 2, {}, 6), (44, 4, 2, {}, 1), (100, 2, 1, {}, 9), (264, 2, 1, {}, 8),
          (512, 2, 1, {}, 1), (8, 73, 1, {"ffn_hidden_size": 64}, 1), (8, 300, 1, {"ffn_hidden_size": 64}, 8)]
# Prompts whose last token is a step of its own, in a context that attention splits: one sequence leaves partial results
# where eight count their 96 groups.
SPLIT = (8, 12, 12, {"max_position_embeddings": 300}, 8)
# Eight rows that do not fit beside the copies in flight: they are normalised by slices, embedded ones and such with moments.
SLICED = (64, 24, 2, {"ffn_hidden_size": 160}, 8)
TOLERANCE = {"f32": 2e-5, "bf16": 1e-2, "f16": 2e-3}


def write(directory, shape, rng):
    head_dim, heads, kv_heads, extra, _ = shape
    hidden = head_dim * heads
    config = {"model_type": "falcon", "architectures": ["FalconForCausalLM"], "vocab_size": 101, "hidden_size": hidden,
              "num_hidden_layers": 1, "num_attention_heads": heads, "num_kv_heads": kv_heads, "ffn_hidden_size": 4 * hidden,
              "layer_norm_epsilon": 1e-5, "alibi": False, "new_decoder_architecture": True, "multi_query": False,
              "parallel_attn": True, "bias": False, "max_position_embeddings": 128, "activation": "gelu",
              "tie_word_embeddings": True, "bos_token_id": 11, "eos_token_id": 11, "torch_dtype": "float32", **extra}
    with open(os.path.join(directory, "config.json"), "w", encoding="utf-8") as file:
        json.dump(config, file)
    random_checkpoint.write_tensors(directory, {name: random_checkpoint.random_tensor(rng, name, size) for name, size
                                                in random_checkpoint.falcon_shapes(config)}, ["F32"])


def check(options, shape, dtype, capability, rng, report):
    where = f"{shape}, {dtype}, sm_{capability}"
    with tempfile.TemporaryDirectory(dir=options.work) as folder:
        write(folder, shape, rng)
        flags = ["--max-batch-size", str(shape[4])]
        context = shape[3].get("max_position_embeddings", CONTEXT)
        models = [CompiledModel.compile(options.stoop, folder, os.path.join(folder, name), dtype, context, "hf", False, [16],
                                        flags=flags + more)
                  for name, more in (("cpu", []), ("cuda", ["--target", "cuda", "--cuda-arch", ARCHITECTURES]))]
        if shape is SLICED:
            kernels = json.loads(execute([options.stoop, "inspect", models[1].path, "--json"])[0])["kernels"]
            slices = [kernel["tunables"]["slice"] for kernel in kernels if kernel["rows"] == 8 and kernel["template"] == "linear_stream"]
            report.require(sum(1 < tiles < 48 for tiles in slices) == 2, f"{where}: slices of {slices} tiles")
        lengths = [(161, 4)] * 8 if shape is SPLIT else [(2, 2)] * 8 if shape is SLICED else [(20, 4), (1, 2), (16, 3), (5, 2), (17, 4), (2, 2), (3, 3), (9, 2), (4, 2)]
        asked = [{"prompt_ids": rng.integers(0, 101, length).tolist(), "predict": count}
                 for length, count in lengths[: shape[4]]]
        expected, _ = models[0].generate_together(asked)
        with virtual_gpu(options, capability, seed=int(rng.integers(1, 1000))):
            results, together = models[1].generate_together(asked)
        report.require(together == shape[4], f"{where}: {together} sequences ran together")
        for (document, logits), (cpu, cpu_logits) in zip(results, expected, strict=True):
            same = sum(np.cumprod([a == b for a, b in zip(document["ids"], cpu["ids"])]))
            if dtype == "f32":
                report.require(same == len(cpu["ids"]) == len(document["ids"]), f"{where}: {document['ids']}, cpu {cpu['ids']}")
            # Behind another token nothing is comparable.
            for step in range(min(same + 1, len(cpu_logits))):
                report.limit(dtype, checks.relative_error(logits[step], cpu_logits[step]), TOLERANCE[dtype], where)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--stoop", required=True, help="path of the compiler")
    parser.add_argument("--driver", required=True, help="path of the virtual driver")
    parser.add_argument("--full", action="store_true", help="all shapes")
    parser.add_argument("--seed", type=int, default=time.time_ns() % 10**6, help="of shapes, types, weights and prompts")
    parser.add_argument("--work", help="folder for binaries (default: the system's temporary one)")
    options = parser.parse_args()
    print(f"seed {options.seed}", flush=True)
    draw, rng, report = random.Random(options.seed), np.random.default_rng(options.seed), checks.Report()
    for shape in [SPLIT, SLICED, *(SHAPES if options.full else draw.sample(SHAPES, 1))]:
        dtype = draw.choice(["f32"] if shape is SPLIT else ["bf16", "f16"] if shape is SLICED else ["f32", "f32", "bf16", "f16"])
        capability = draw.choice([80, 90])
        try:
            check(options, shape, dtype, capability, rng, report)
        except RunError as error:
            report.failures.append(f"{shape}, {dtype}, sm_{capability}: {error}")
    print(", ".join(f"{name} {value:.2e}" for name, value in sorted(report.worst.items())))
    sys.exit(report.print_failures())


if __name__ == "__main__":
    main()
