#!/usr/bin/python3
"""Writes a checkpoint of random parameters in a model's shape, for measuring speed and memory.

`rw-1b` is Falcon-RW-1B's (ALiBi, bias, sequential, multi-head), `q-1b` is Falcon-7B's form at a billion
parameters (RoPE, parallel, one KV head), `7b` and `40b` are those models'; `-tiny` is a form to try scripts with.
Tensors are generated and written in pieces, so the script itself needs well under 1 GiB; a seed fixes
every byte. The tokenizer has one token a byte: other programs refuse a model without one.
"""
import argparse
import json
import os
import sys

import numpy as np

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "e2e"))
import safetensors_io  # noqa: E402
from random_checkpoint import falcon_shapes  # noqa: E402

PIECE = 8 << 20  # elements generated at a time

COMMON = {
    "model_type": "falcon", "architectures": ["FalconForCausalLM"], "activation": "gelu",
    "layer_norm_epsilon": 1e-5, "max_position_embeddings": 2048, "new_decoder_architecture": False,
    "tie_word_embeddings": True, "torch_dtype": "bfloat16", "bos_token_id": 0, "eos_token_id": 0,
}
RW = {"alibi": True, "bias": True, "multi_query": False, "parallel_attn": False}
MQ = {"alibi": False, "bias": False, "multi_query": True, "parallel_attn": True, "rope_theta": 10000.0}
BILLION = {"hidden_size": 2048, "num_hidden_layers": 24, "num_attention_heads": 32, "ffn_hidden_size": 8192}
TINY = {"hidden_size": 256, "num_hidden_layers": 2, "num_attention_heads": 4, "ffn_hidden_size": 1024,
        "vocab_size": 1024}
SEVEN = {"hidden_size": 4544, "num_hidden_layers": 32, "num_attention_heads": 71, "ffn_hidden_size": 18176}
FORTY = {"hidden_size": 8192, "num_hidden_layers": 60, "num_attention_heads": 128, "num_kv_heads": 8, "ffn_hidden_size": 32768}
SHAPES = {
    "rw-1b": {**RW, **BILLION, "vocab_size": 50304},
    "q-1b": {**MQ, **BILLION, "vocab_size": 65024},
    "7b": {**MQ, **SEVEN, "vocab_size": 65024},
    "40b": {**MQ, **FORTY, "new_decoder_architecture": True, "vocab_size": 65024},
    "rw-tiny": {**RW, **TINY},
    "q-tiny": {**MQ, **TINY},
}


def pieces(rng, name, shape):
    """float32 pieces of one tensor: norms near 1, biases near 0, weights of deviation 0.02."""
    remaining = int(np.prod(shape, dtype=np.int64))
    is_norm = ("norm" in name or "ln_" in name) and name.endswith("weight")
    while remaining:
        count = min(PIECE, remaining)
        values = rng.standard_normal(count, np.float32)
        values *= 0.02
        if is_norm:
            values += 1.0
        yield values
        remaining -= count


def tokenizer():
    """Byte-level BPE without merges; id 0 ends a text."""
    printable = [*range(33, 127), *range(161, 173), *range(174, 256)]
    others = [byte for byte in range(256) if byte not in printable]
    symbols = [chr(b) for b in printable] + [chr(256 + i) for i in range(len(others))]
    end = {"id": 0, "content": "<|endoftext|>", "single_word": False, "lstrip": False, "rstrip": False,
           "normalized": False, "special": True}
    byte_level = {"type": "ByteLevel", "add_prefix_space": False, "trim_offsets": True, "use_regex": True}
    vocab = {symbol: index for index, symbol in enumerate([end["content"], *symbols])}
    model = {"type": "BPE", "dropout": None, "unk_token": None, "continuing_subword_prefix": None,
             "end_of_word_suffix": None, "fuse_unk": False, "byte_fallback": False, "vocab": vocab, "merges": []}
    return {"version": "1.0", "truncation": None, "padding": None, "added_tokens": [end], "normalizer": None,
            "pre_tokenizer": byte_level, "post_processor": None, "decoder": byte_level, "model": model}


def make(directory, shape, layers, seed):
    config = dict(COMMON, **SHAPES[shape])
    config.setdefault("num_kv_heads", config["num_attention_heads"])
    config["num_hidden_layers"] = layers or config["num_hidden_layers"]
    tensors = list(falcon_shapes(config))
    os.makedirs(directory, exist_ok=True)
    with open(os.path.join(directory, "config.json"), "w", encoding="utf-8") as file:
        json.dump(config, file, indent=1)
    words = {"tokenizer_class": "PreTrainedTokenizerFast", "bos_token": "<|endoftext|>", "eos_token": "<|endoftext|>"}
    for name, content in (("tokenizer.json", tokenizer()), ("tokenizer_config.json", words)):
        with open(os.path.join(directory, name), "w", encoding="utf-8") as file:
            json.dump(content, file)
    path = os.path.join(directory, "model.safetensors")
    writer = safetensors_io.Writer(path, [(name, "BF16", size) for name, size in tensors])
    rng = np.random.default_rng(seed)
    for name, size in tensors:
        for values in pieces(rng, name, size):
            writer.write(safetensors_io.encode(values, "BF16"))
        print(f"{name} {list(size)}", file=sys.stderr)
    writer.close()
    return sum(int(np.prod(size, dtype=np.int64)) for _, size in tensors)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("directory")
    parser.add_argument("--shape", choices=sorted(SHAPES), default="rw-1b")
    parser.add_argument("--layers", type=int, help="fewer layers than the shape has, for a quick look")
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    count = make(options.directory, options.shape, options.layers, options.seed)
    print(f"{count} parameters in {options.directory}")


if __name__ == "__main__":
    main()
