"""An independent implementation of the Falcon and Llama forward passes in numpy.

It shares no code with Stoop and is written from the model's definition: an oracle for checkpoints
that have no recorded results. Everything is float64 from the stored weights on, except what the
models define in float32 (RoPE angles) or bfloat16 (ALiBi).
"""
import json
import math
import os

import numpy as np

import safetensors_io
from safetensors_io import round_bf16

ERF = np.vectorize(math.erf, otypes=[np.float64])


def read_config(directory):
    """config.json with legacy keys and defaults resolved."""
    with open(os.path.join(directory, "config.json"), encoding="utf-8") as file:
        config = json.load(file)
    return llama_config(config) if config.get("model_type") == "llama" else falcon_config(config)


def rope_settings(config):
    """The dictionary that describes RoPE, with `rope_theta` and `rope_type` present."""
    settings = dict(config.get("rope_scaling") or config.get("rope_parameters") or {})
    settings.setdefault("rope_theta", config.get("rope_theta", 10000.0))
    settings["rope_type"] = settings.get("rope_type", settings.get("type", "default"))
    return settings


def falcon_config(config):
    legacy = config.get("model_type") in ("RefinedWeb", "RefinedWebModel")
    heads = config.get("num_attention_heads", config.get("n_head"))
    hidden = config.get("n_embed", config.get("hidden_size"))
    new = config.get("new_decoder_architecture", legacy and "n_head_kv" in config)
    multi_query = config.get("multi_query", not legacy)
    kv_heads = config.get("num_kv_heads", config.get("n_head_kv")) or heads
    if not new:
        kv_heads = 1 if multi_query else heads
    return {
        "llama": False, "vocab": config["vocab_size"], "hidden": hidden, "heads": heads,
        "layers": config.get("num_hidden_layers", config.get("n_layer")), "kv_heads": kv_heads,
        "head_dim": hidden // heads, "ffn": config.get("ffn_hidden_size") or 4 * hidden,
        "epsilon": config.get("layer_norm_epsilon", 1e-5), "alibi": config.get("alibi", False),
        "bias": config.get("bias", False), "activation": config.get("activation", "gelu"),
        "parallel": new or config.get("parallel_attn", not legacy),
        "norms": (config.get("num_ln_in_parallel_attn") or 2) if new else 1,
        "tied": config.get("tie_word_embeddings", True), "rope": rope_settings(config),
        "max_positions": config.get("max_position_embeddings", 2048),
    }


def llama_config(config):
    heads, hidden = config["num_attention_heads"], config["hidden_size"]
    return {
        "llama": True, "vocab": config["vocab_size"], "hidden": hidden, "heads": heads,
        "layers": config["num_hidden_layers"], "kv_heads": config.get("num_key_value_heads") or heads,
        "head_dim": config.get("head_dim") or hidden // heads, "ffn": config["intermediate_size"],
        "epsilon": config.get("rms_norm_eps", 1e-6), "alibi": False,
        "activation": config.get("hidden_act", "silu"), "rope": rope_settings(config),
        "attention_bias": config.get("attention_bias", False), "mlp_bias": config.get("mlp_bias", False),
        "tied": config.get("tie_word_embeddings", False),
        "max_positions": config.get("max_position_embeddings", 2048),
    }


def read_weights(directory):
    """Tensor name -> float32 array over all shards, with the `transformer.` prefix added if absent."""
    index = os.path.join(directory, "model.safetensors.index.json")
    files = ["model.safetensors"]
    if not os.path.exists(os.path.join(directory, files[0])):
        with open(index, encoding="utf-8") as file:
            files = sorted(set(json.load(file)["weight_map"].values()))
    weights = {}
    for name in files:
        weights.update(safetensors_io.load(os.path.join(directory, name)))
    if "word_embeddings.weight" in weights:
        weights = {k if k.startswith("lm_head") else "transformer." + k: v for k, v in weights.items()}
    return weights


def inverse_frequencies(config, context):
    """(float32 inverse frequencies, attention factor) for a context of `context` positions."""
    rope, dim = config["rope"], config["head_dim"]
    kind, theta, factor = rope["rope_type"], rope["rope_theta"], rope.get("factor")
    trained = config["max_positions"]
    if kind == "dynamic" and context > trained:
        theta *= (factor * context / trained - (factor - 1)) ** (dim / (dim - 2))
    exponents = np.arange(0, dim, 2, dtype=np.float32) / np.float32(dim)
    inverse = (1.0 / np.power(np.float32(theta), exponents)).astype(np.float32)
    if kind == "linear":
        return inverse / np.float32(factor), 1.0
    if kind == "llama3":
        return llama3_frequencies(inverse, rope), 1.0
    if kind == "yarn":
        return yarn_frequencies(inverse, rope, dim, trained)
    if kind in ("default", "dynamic"):
        return inverse, 1.0
    raise ValueError(f"unknown rope_type {kind}")


def llama3_frequencies(inverse, rope):
    original, factor = rope["original_max_position_embeddings"], rope["factor"]
    low, high = rope["low_freq_factor"], rope["high_freq_factor"]
    wavelength = 2 * np.pi / inverse
    smooth = (original / wavelength - low) / (high - low)
    mixed = (1 - smooth) * inverse / factor + smooth * inverse
    scaled = np.where(wavelength > original / low, inverse / factor, mixed)
    return np.where(wavelength < original / high, inverse, scaled).astype(np.float32)


def yarn_frequencies(inverse, rope, dim, trained):
    original, factor = rope.get("original_max_position_embeddings") or trained, rope["factor"]

    def correction(rotations):
        return dim * math.log(original / (rotations * 2 * math.pi)) / (2 * math.log(rope["rope_theta"]))

    low, high = correction(rope.get("beta_fast") or 32), correction(rope.get("beta_slow") or 1)
    if rope.get("truncate", True):
        low, high = math.floor(low), math.ceil(high)
    low, high = max(low, 0), min(high, dim - 1)
    if low == high:
        high += 0.001
    ramp = np.clip((np.arange(dim // 2, dtype=np.float32) - low) / (high - low), 0, 1)
    scaled = (inverse / factor * ramp + inverse * (1 - ramp)).astype(np.float32)
    attention = rope.get("attention_factor") or (0.1 * math.log(factor) + 1 if factor > 1 else 1.0)
    return scaled, attention


def alibi_slopes(heads):
    """float32 slope of each query head; those beyond a power of two are appended unsorted."""
    power = 2 ** int(math.floor(math.log2(heads)))
    base = np.float32(2 ** (-(2 ** -(math.log2(power) - 3))))
    slopes = np.power(base, np.arange(1, power + 1, dtype=np.int32), dtype=np.float32)
    if power < heads:
        extra = np.float32(2 ** (-(2 ** -(math.log2(2 * power) - 3))))
        count = min(power, heads - power)
        odd = np.arange(1, 2 * count + 1, 2, dtype=np.int32)
        slopes = np.concatenate([slopes, np.power(extra, odd, dtype=np.float32)])
    return slopes


def alibi_bias(heads, positions, mode):
    """[heads, positions]: bias of each key position, as Hugging Face rounds it or exactly."""
    slopes, at = alibi_slopes(heads)[:, None], np.arange(positions, dtype=np.float32)[None]
    if mode == "exact":
        return (slopes * at).astype(np.float64)
    return round_bf16(round_bf16(slopes) * round_bf16(at)).astype(np.float64)


def activate(x, name):
    if name in ("gelu", "gelu_python"):
        return 0.5 * x * (1 + ERF(x / math.sqrt(2)))
    if name in ("gelu_new", "gelu_pytorch_tanh", "gelu_python_tanh", "gelu_fast"):
        constant = 0.7978845608 if name == "gelu_fast" else math.sqrt(2 / math.pi)
        return 0.5 * x * (1 + np.tanh(constant * (x + 0.044715 * x**3)))
    if name == "relu":
        return np.maximum(x, 0)
    rate = {"silu": 1.0, "swish": 1.0, "quick_gelu": 1.702}[name]
    return x / (1 + np.exp(-rate * x))


class NumpyFalcon:
    """One checkpoint; `logits` computes a whole sequence from nothing."""

    def __init__(self, directory, context=2048, alibi="hf"):
        self.config = read_config(directory)
        self.weights = {k: v.astype(np.float64) for k, v in read_weights(directory).items()}
        self.alibi = alibi
        inverse, factor = inverse_frequencies(self.config, context)
        angles = np.outer(np.arange(context, dtype=np.float32), inverse).astype(np.float64)
        self.cos = np.cos(angles).astype(np.float32).astype(np.float64) * factor
        self.sin = np.sin(angles).astype(np.float32).astype(np.float64) * factor

    def linear(self, x, name):
        y = x @ self.weights[name + ".weight"].T
        return y + self.weights[name + ".bias"] if name + ".bias" in self.weights else y

    def norm(self, x, name):
        epsilon, gamma = self.config["epsilon"], self.weights[name + ".weight"]
        if self.config["llama"]:
            return x / np.sqrt((x * x).mean(-1, keepdims=True) + epsilon) * gamma
        centred = x - x.mean(-1, keepdims=True)
        scale = np.sqrt((centred**2).mean(-1, keepdims=True) + epsilon)
        return centred / scale * gamma + self.weights[name + ".bias"]

    def rotate(self, x):
        """[T, heads, D] turned by the angle of each row's position."""
        half = x.shape[-1] // 2
        cos, sin = self.cos[: len(x), None], self.sin[: len(x), None]
        a, b = x[..., :half], x[..., half:]
        return np.concatenate([a * cos - b * sin, b * cos + a * sin], -1)

    def attend(self, q, k, v):
        """q [T, H, D], k and v [T, K, D] -> [T, H * D], causal."""
        count, heads, dim = q.shape
        group = heads // k.shape[1]
        bias = alibi_bias(heads, count, self.alibi) if self.config["alibi"] else np.zeros((heads, 1))
        allowed = np.tril(np.ones((count, count), bool))
        out = np.empty_like(q)
        for head in range(heads):
            scores = (q[:, head] @ k[:, head // group].T + bias[head]) / math.sqrt(dim)
            scores = np.where(allowed, scores, -np.inf)
            p = np.exp(scores - scores.max(-1, keepdims=True))
            out[:, head] = (p / p.sum(-1, keepdims=True)) @ v[:, head // group]
        return out.reshape(count, heads * dim)

    def split_fused(self, fused):
        """Fused projection rows -> q, k, v: each KV group stores its queries, its key, its value."""
        config = self.config
        group = config["heads"] // config["kv_heads"]
        parts = fused.reshape(len(fused), config["kv_heads"], group + 2, config["head_dim"])
        q = parts[:, :, :group].reshape(len(fused), config["heads"], config["head_dim"])
        return q, parts[:, :, group], parts[:, :, group + 1]

    def falcon_block(self, x, prefix):
        config = self.config
        two_norms = config["parallel"] and config["norms"] == 2
        before = self.norm(x, prefix + ("ln_attn" if two_norms else "input_layernorm"))
        q, k, v = self.split_fused(self.linear(before, prefix + "self_attention.query_key_value"))
        if not config["alibi"]:
            q, k = self.rotate(q), self.rotate(k)
        attention = self.linear(self.attend(q, k, v), prefix + "self_attention.dense")
        if config["parallel"]:
            inner = self.norm(x, prefix + "ln_mlp") if two_norms else before
        else:
            x = x + attention
            inner, attention = self.norm(x, prefix + "post_attention_layernorm"), 0.0
        up = activate(self.linear(inner, prefix + "mlp.dense_h_to_4h"), config["activation"])
        return x + (self.linear(up, prefix + "mlp.dense_4h_to_h") + attention)

    def llama_block(self, x, prefix):
        config, count = self.config, len(x)
        n = self.norm(x, prefix + "input_layernorm")
        q, k, v = (self.linear(n, prefix + f"self_attn.{name}_proj").reshape(count, -1, config["head_dim"])
                   for name in "qkv")
        attention = self.attend(self.rotate(q), self.rotate(k), v)
        x = x + self.linear(attention, prefix + "self_attn.o_proj")
        n = self.norm(x, prefix + "post_attention_layernorm")
        gate = activate(self.linear(n, prefix + "mlp.gate_proj"), config["activation"])
        return x + self.linear(gate * self.linear(n, prefix + "mlp.up_proj"), prefix + "mlp.down_proj")

    def head(self):
        embed = self.weights.get("transformer.word_embeddings.weight",
                                 self.weights.get("model.embed_tokens.weight"))
        return self.weights.get("lm_head.weight", embed)

    def logits(self, ids):
        """[len(ids), vocab] of the sequence `ids`."""
        llama = self.config["llama"]
        embed = "model.embed_tokens.weight" if llama else "transformer.word_embeddings.weight"
        x = self.weights[embed][np.asarray(ids)]
        for layer in range(self.config["layers"]):
            if llama:
                x = self.llama_block(x, f"model.layers.{layer}.")
            else:
                x = self.falcon_block(x, f"transformer.h.{layer}.")
        return self.norm(x, "model.norm" if llama else "transformer.ln_f") @ self.head().T
