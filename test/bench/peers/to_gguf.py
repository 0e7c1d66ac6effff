"""A Falcon checkpoint with rotation, parallel blocks and no biases in bfloat16 as llama.cpp's file.

Tensors are mapped and written one after the other, so memory stays below the largest of them.
"""
import json
import mmap
import os
import struct

import gguf
import numpy as np

LAYER = {"input_layernorm": "attn_norm", "self_attention.query_key_value": "attn_qkv",
         "self_attention.dense": "attn_output", "mlp.dense_h_to_4h": "ffn_up", "mlp.dense_4h_to_h": "ffn_down"}
FIXED = {"transformer.word_embeddings": "token_embd", "transformer.ln_f": "output_norm"}


def tensors(path):
    """(name, shape, bits of bfloat16) of a safetensors file."""
    with open(path, "rb") as file:
        data = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
    size = struct.unpack("<Q", data[:8])[0]
    for name, entry in json.loads(data[8:8 + size]).items():
        if name == "__metadata__":
            continue
        begin, end = entry["data_offsets"]
        yield name, entry["shape"], np.frombuffer(data, "<u2", (end - begin) // 2, 8 + size + begin)


def their_name(name):
    stem, kind = name.rsplit(".", 1)
    if stem in FIXED:
        return f"{FIXED[stem]}.{kind}"
    _, _, layer, rest = stem.split(".", 3)
    return f"blk.{layer}.{LAYER[rest]}.{kind}"


def stored(shape, bits):
    """Vectors in float32, matrices as they are."""
    return (bits.astype(np.uint32) << 16).view(np.float32) if len(shape) == 1 else bits.reshape(shape).view(np.uint8)


def write_header(writer, config, vocabulary):
    writer.add_context_length(config["max_position_embeddings"])
    writer.add_tensor_data_layout("jploski")
    writer.add_embedding_length(config["hidden_size"])
    writer.add_feed_forward_length(config["ffn_hidden_size"])
    writer.add_block_count(config["num_hidden_layers"])
    writer.add_head_count(config["num_attention_heads"])
    writer.add_head_count_kv(1)
    writer.add_layer_norm_eps(config["layer_norm_epsilon"])
    writer.add_rope_freq_base(config["rope_theta"])
    writer.add_file_type(gguf.LlamaFileType.MOSTLY_BF16)
    names = {index: word for word, index in vocabulary.items()}
    writer.add_tokenizer_model("gpt2")
    writer.add_tokenizer_pre("falcon")
    writer.add_token_list([names.get(i, f"[PAD{i}]") for i in range(config["vocab_size"])])
    kind = gguf.TokenType
    writer.add_token_types([kind.UNUSED if i not in names else kind.CONTROL if i == 0 else kind.NORMAL
                            for i in range(config["vocab_size"])])
    writer.add_token_merges(["a b"])  # a tokenizer without any is refused
    writer.add_bos_token_id(0)
    writer.add_eos_token_id(0)


def convert(model, path):
    with open(os.path.join(model, "config.json"), encoding="utf-8") as file:
        config = json.load(file)
    if config["alibi"] or config["bias"] or not config["multi_query"]:
        raise SystemExit("llama.cpp's Falcon has no ALiBi and no biases")
    with open(os.path.join(model, "tokenizer.json"), encoding="utf-8") as file:
        vocabulary = json.load(file)["model"]["vocab"]
    writer = gguf.GGUFWriter(path, "falcon")
    write_header(writer, config, vocabulary)
    source = os.path.join(model, "model.safetensors")
    for name, shape, bits in tensors(source):
        array = stored(shape, bits)
        raw = None if len(shape) == 1 else gguf.GGMLQuantizationType.BF16
        writer.add_tensor_info(their_name(name), array.shape, array.dtype, array.nbytes, raw_dtype=raw)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_ti_data_to_file()
    for _, shape, bits in tensors(source):
        writer.write_tensor_data(np.ascontiguousarray(stored(shape, bits)))
    writer.close()
