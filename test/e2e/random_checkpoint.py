#!/usr/bin/python3
"""Writes a small checkpoint with random weights and a random mix of every architecture option.

A seed fixes everything. The mix covers what no recorded checkpoint has in combination: any
attention layout with any block form, head counts and head widths that divide nothing, prime
vocabularies, each RoPE scaling, both families, the three stored types, shards, missing prefixes.
"""
import argparse
import json
import os

import numpy as np

import safetensors_io

ACTIVATIONS = ["gelu", "gelu_new", "gelu_pytorch_tanh", "gelu_fast", "quick_gelu", "relu", "silu"]
ROPE_TYPES = ["default", "linear", "dynamic", "yarn", "llama3"]
TORCH_NAMES = {"F32": "float32", "F16": "float16", "BF16": "bfloat16"}


def pick(rng, *choices):
    """One of `choices` as given (numpy would change the type)."""
    return choices[int(rng.integers(len(choices)))]



def random_rope(rng, max_positions, seed):
    """A rope_parameters dictionary; types take turns, so that a few seeds in a row meet all of them."""
    theta = pick(rng, 10000.0, 500042.0, 20000.0)
    kind = ROPE_TYPES[seed % len(ROPE_TYPES)]
    rope = {"rope_type": kind, "rope_theta": theta}
    if kind != "default":
        rope["factor"] = pick(rng, 2.0, 4.0, 8.0)
    if kind == "yarn":
        rope["original_max_position_embeddings"] = max_positions // 4
    if kind == "llama3":
        rope.update(low_freq_factor=1.0, high_freq_factor=4.0,
                    original_max_position_embeddings=max_positions // 4)
    return rope


def add_rope(rng, config, seed):
    """Writes the RoPE settings under the keys of either generation of configs."""
    rope = random_rope(rng, config["max_position_embeddings"], seed)
    if rng.random() < 0.5:
        config["rope_parameters"] = rope
        return
    config["rope_theta"] = rope.pop("rope_theta")
    if rope["rope_type"] != "default":
        config["rope_scaling"] = rope


def divisors(n):
    return [d for d in range(1, n + 1) if n % d == 0]


def random_falcon(rng, seed):
    """A Falcon config in current keys, of a combination that Hugging Face can run."""
    heads = pick(rng, 1, 2, 3, 4, 5, 6, 7, 8, 12)
    alibi = bool(rng.random() < 0.4)
    head_dim = pick(rng, 8, 16, 20, 32, 40, 64, 80) if not alibi else pick(rng, 8, 13, 20, 32, 40, 64)
    new = bool(rng.random() < 0.4)
    multi_query = bool(rng.random() < 0.5)
    hidden = heads * head_dim
    config = {
        "model_type": "falcon", "architectures": ["FalconForCausalLM"],
        "vocab_size": pick(rng, 101, 251, 512, 777, 1009), "hidden_size": hidden,
        "num_hidden_layers": pick(rng, 1, 2, 3), "num_attention_heads": heads,
        "num_kv_heads": pick(rng, *divisors(heads)) if new else heads,
        "layer_norm_epsilon": pick(rng, 1e-5, 1e-6), "alibi": alibi,
        "new_decoder_architecture": new, "multi_query": multi_query,
        "parallel_attn": new or bool(rng.random() < 0.5), "bias": bool(rng.random() < 0.5),
        "max_position_embeddings": pick(rng, 128, 512, 2048), "activation": pick(rng, *ACTIVATIONS),
        "ffn_hidden_size": pick(rng, 4 * hidden, 3 * hidden, 2 * hidden + 7, 193),
        "tie_word_embeddings": bool(rng.random() < 0.6), "bos_token_id": 11, "eos_token_id": 11,
    }
    if new:
        config["num_ln_in_parallel_attn"] = pick(rng, None, 1, 2)
    if not alibi:
        add_rope(rng, config, seed)
    return config


def random_llama(rng, seed):
    """A Llama config (the architecture of Falcon3)."""
    heads = pick(rng, 2, 3, 4, 6, 8)
    hidden = pick(rng, 64, 96, 120, 200)
    config = {
        "model_type": "llama", "architectures": ["LlamaForCausalLM"],
        "vocab_size": pick(rng, 101, 251, 512, 1009), "hidden_size": hidden,
        "num_hidden_layers": pick(rng, 1, 2, 3), "num_attention_heads": heads,
        "num_key_value_heads": pick(rng, *divisors(heads)), "head_dim": pick(rng, 16, 40, 80),
        "intermediate_size": pick(rng, 3 * hidden, 2 * hidden + 5), "hidden_act": "silu",
        "rms_norm_eps": pick(rng, 1e-6, 1e-5), "max_position_embeddings": pick(rng, 512, 2048),
        "attention_bias": bool(rng.random() < 0.3), "mlp_bias": bool(rng.random() < 0.3),
        "tie_word_embeddings": bool(rng.random() < 0.4), "bos_token_id": 11, "eos_token_id": 11,
    }
    add_rope(rng, config, seed)
    return config


def make_legacy(config):
    """The same model in the keys of the original custom-code checkpoints, where they can say it."""
    if config["new_decoder_architecture"] and config.get("num_ln_in_parallel_attn") == 1:
        return config
    legacy = dict(config, model_type="RefinedWebModel", architectures=["RWForCausalLM"],
                  n_layer=config["num_hidden_layers"], n_head=config["num_attention_heads"])
    for key in ("num_hidden_layers", "num_attention_heads", "num_kv_heads",
                "new_decoder_architecture", "num_ln_in_parallel_attn"):
        legacy.pop(key, None)
    if config["new_decoder_architecture"]:
        legacy.update(model_type="RefinedWeb", n_head_kv=config["num_kv_heads"])
        legacy.pop("multi_query")
    return legacy


def falcon_shapes(config):
    """(name, shape) of every tensor but the head."""
    hidden, heads, ffn = (config[k] for k in ("hidden_size", "num_attention_heads", "ffn_hidden_size"))
    head_dim, new = hidden // heads, config["new_decoder_architecture"]
    kv_heads = config["num_kv_heads"] if new else 1 if config["multi_query"] else heads
    linears = [("self_attention.query_key_value", (heads + 2 * kv_heads) * head_dim, hidden),
               ("self_attention.dense", hidden, hidden),
               ("mlp.dense_h_to_4h", ffn, hidden), ("mlp.dense_4h_to_h", hidden, ffn)]
    if new and config.get("num_ln_in_parallel_attn") != 1:
        norms = ["ln_attn", "ln_mlp"]
    else:
        norms = ["input_layernorm"]
        if not config["parallel_attn"]:
            norms.append("post_attention_layernorm")
    yield "transformer.word_embeddings.weight", (config["vocab_size"], hidden)
    for layer in range(config["num_hidden_layers"]):
        prefix = f"transformer.h.{layer}."
        for name, rows, cols in linears:
            yield prefix + name + ".weight", (rows, cols)
            if config["bias"]:
                yield prefix + name + ".bias", (rows,)
        for name in norms:
            yield prefix + name + ".weight", (hidden,)
            yield prefix + name + ".bias", (hidden,)
    yield "transformer.ln_f.weight", (hidden,)
    yield "transformer.ln_f.bias", (hidden,)


def llama_shapes(config):
    """(name, shape) of every tensor but the head."""
    hidden, ffn = config["hidden_size"], config["intermediate_size"]
    queries = config["num_attention_heads"] * config["head_dim"]
    keys = config["num_key_value_heads"] * config["head_dim"]
    attention = [("q", queries, hidden), ("k", keys, hidden), ("v", keys, hidden), ("o", hidden, queries)]
    mlp = [("gate", ffn, hidden), ("up", ffn, hidden), ("down", hidden, ffn)]
    linears = [(f"self_attn.{n}_proj", r, c, config["attention_bias"]) for n, r, c in attention]
    linears += [(f"mlp.{n}_proj", r, c, config["mlp_bias"]) for n, r, c in mlp]
    yield "model.embed_tokens.weight", (config["vocab_size"], hidden)
    for layer in range(config["num_hidden_layers"]):
        prefix = f"model.layers.{layer}."
        for name, rows, cols, bias in linears:
            yield prefix + name + ".weight", (rows, cols)
            if bias:
                yield prefix + name + ".bias", (rows,)
        for name in ("input_layernorm", "post_attention_layernorm"):
            yield prefix + name + ".weight", (hidden,)
    yield "model.norm.weight", (hidden,)


def random_tensor(rng, name, shape):
    """Weights of a scale that keeps activations near 1 and logits well apart."""
    if len(shape) == 1:
        centre = 1.0 if "norm" in name or "ln_" in name else 0.0
        return (centre if name.endswith("weight") else 0.0) + 0.1 * rng.standard_normal(shape, np.float32)
    return (1.5 / np.sqrt(shape[1])) * rng.standard_normal(shape, np.float32)


def head_tensor(rng, config, tensors):
    """Adds lm_head.weight where the config needs one, and sometimes the stored copy of a tied one."""
    embedding = next(value for key, value in tensors.items() if "embed" in key)
    if not config["tie_word_embeddings"]:
        tensors["lm_head.weight"] = random_tensor(rng, "lm_head.weight", embedding.shape)
    elif rng.random() < 0.3:
        tensors["lm_head.weight"] = embedding


def write_tensors(directory, tensors, dtypes):
    """One file of each of `dtypes`; several have an index."""
    shards = len(dtypes)
    if shards == 1:
        safetensors_io.save(os.path.join(directory, "model.safetensors"), tensors, dtypes[0])
        return
    names, weight_map = list(tensors), {}
    for shard, dtype in enumerate(dtypes):
        file = f"model-{shard + 1:05}-of-{shards:05}.safetensors"
        part = names[shard::shards]  # tensors of one layer land in different shards
        safetensors_io.save(os.path.join(directory, file), {n: tensors[n] for n in part}, dtype)
        weight_map.update(dict.fromkeys(part, file))
    with open(os.path.join(directory, "model.safetensors.index.json"), "w", encoding="utf-8") as file:
        json.dump({"metadata": {}, "weight_map": weight_map}, file)


def write(directory, seed):
    """Writes the checkpoint of `seed` into `directory`; returns a one-line description."""
    rng = np.random.default_rng(seed)
    llama = rng.random() < 0.25
    config = random_llama(rng, seed) if llama else random_falcon(rng, seed)
    dtype = pick(rng, "F32", "F16", "BF16")
    config[pick(rng, "torch_dtype", "dtype")] = TORCH_NAMES[dtype]
    shapes = llama_shapes(config) if llama else falcon_shapes(config)
    tensors = {name: random_tensor(rng, name, shape) for name, shape in shapes}
    head_tensor(rng, config, tensors)
    bare = not llama and rng.random() < 0.2
    if bare:
        tensors = {name.removeprefix("transformer."): value for name, value in tensors.items()}
    shards = pick(rng, 1, 1, 2, 3)
    legacy = not llama and rng.random() < 0.2
    if legacy:
        config = make_legacy(config)
    os.makedirs(directory, exist_ok=True)
    with open(os.path.join(directory, "config.json"), "w", encoding="utf-8") as file:
        json.dump(config, file, indent=1)
    dtypes = [pick(rng, "F32", "F16", "BF16") for _ in range(shards)] if rng.random() < 0.3 else [dtype] * shards
    write_tensors(directory, tensors, dtypes)
    return describe(config, dtypes, bare)


def describe(config, dtypes, bare):
    keys = ["model_type", "hidden_size", "num_attention_heads", "n_head", "num_kv_heads", "n_head_kv",
            "num_key_value_heads", "head_dim", "vocab_size", "ffn_hidden_size", "activation"]
    flags = ["alibi", "bias", "multi_query", "new_decoder_architecture", "parallel_attn",
             "tie_word_embeddings", "attention_bias", "mlp_bias"]
    rope = config.get("rope_parameters") or config.get("rope_scaling") or {}
    words = [f"{key}={config[key]}" for key in keys if config.get(key) is not None]
    words += [flag for flag in flags if config.get(flag)]
    if rope:
        words.append(f"rope={rope['rope_type']}")
    return " ".join(words + ["shards=" + ",".join(dtypes)] + ["bare"] * bare)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("directory")
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    print(write(options.directory, options.seed))


if __name__ == "__main__":
    main()
