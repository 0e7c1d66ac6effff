"""Reads and writes safetensors files with numpy alone.

bfloat16 has no numpy type: it is read as float32 and written from the upper halves of float32 bits,
rounded to nearest even. Invariant: tensors are written without holes, in the order given.
"""
import json
import struct

import numpy as np

NUMPY_TYPES = {"F64": "<f8", "F32": "<f4", "F16": "<f2", "BF16": "<u2", "I64": "<i8", "I32": "<i4"}


def round_bf16_bits(values):
    """The bfloat16 bit patterns (uint16) nearest to float32 `values`, ties to even."""
    bits = np.ascontiguousarray(values, np.float32).view(np.uint32).astype(np.uint64)
    return ((bits + 0x7FFF + ((bits >> 16) & 1)) >> 16).astype(np.uint16)


def round_bf16(values):
    """float32 values rounded to bfloat16."""
    return (round_bf16_bits(values).astype(np.uint32) << 16).view(np.float32)


def to_float32(raw, dtype):
    """float32 copy of an array as stored; bfloat16 comes as uint16."""
    if dtype == "BF16":
        return (raw.astype(np.uint32) << 16).view(np.float32)
    return raw.astype(np.float32)


def read_header(path):
    """(header dictionary without __metadata__, offset of the data buffer)."""
    with open(path, "rb") as file:
        (size,) = struct.unpack("<Q", file.read(8))
        header = json.loads(file.read(size))
    header.pop("__metadata__", None)
    return header, 8 + size


def load(path, names=None):
    """name -> float32 array (or integers as stored) of the tensors in `names`, default all."""
    header, base = read_header(path)
    data = np.memmap(path, np.uint8, "r")
    tensors = {}
    for name, entry in header.items():
        if names is not None and name not in names:
            continue
        begin, end = (base + offset for offset in entry["data_offsets"])
        raw = np.frombuffer(data[begin:end].tobytes(), NUMPY_TYPES[entry["dtype"]])
        raw = raw.reshape(entry["shape"])
        tensors[name] = raw if raw.dtype.kind == "i" else to_float32(raw, entry["dtype"])
    return tensors


def encode(values, dtype):
    """Bytes of float32 `values` stored as `dtype` (F32, F16 or BF16), or of int32 ones (I32)."""
    if dtype == "I32":
        return np.ascontiguousarray(values, np.int32).tobytes()
    if dtype == "BF16":
        return round_bf16_bits(values).tobytes()
    return np.ascontiguousarray(values, np.float32).astype(NUMPY_TYPES[dtype]).tobytes()


class Writer:
    """Writes a file tensor by tensor, so that only one of them is in memory.

    `shapes` is a list of (name, dtype, shape) in file order; then `write` is called for each
    tensor's pieces in that order, and `close` checks that everything promised was written.
    """

    WIDTHS = {"F32": 4, "F16": 2, "BF16": 2, "I32": 4}

    def __init__(self, path, shapes):
        header, offset = {"__metadata__": {"format": "pt"}}, 0
        for name, dtype, shape in shapes:
            size = int(np.prod(shape, dtype=np.int64)) * self.WIDTHS[dtype]
            header[name] = {"dtype": dtype, "shape": list(shape), "data_offsets": [offset, offset + size]}
            offset += size
        text = json.dumps(header).encode()
        text += b" " * (-len(text) % 8)
        self.remaining = offset
        self.file = open(path, "wb")
        self.file.write(struct.pack("<Q", len(text)) + text)

    def write(self, data):
        """Appends encoded bytes."""
        self.remaining -= len(data)
        self.file.write(data)

    def close(self):
        self.file.close()
        if self.remaining:
            raise ValueError(f"{self.remaining} bytes of tensor data are missing")


def save(path, tensors, dtype):
    """Writes name -> float32 array, all stored as `dtype`."""
    writer = Writer(path, [(name, dtype, value.shape) for name, value in tensors.items()])
    for value in tensors.values():
        writer.write(encode(value, dtype))
    writer.close()


def save_mixed(path, tensors):
    """Writes name -> (array, dtype)."""
    writer = Writer(path, [(name, dtype, value.shape) for name, (value, dtype) in tensors.items()])
    for value, dtype in tensors.values():
        writer.write(encode(value, dtype))
    writer.close()
