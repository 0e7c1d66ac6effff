"""Links the toy's object behind stoop_rt.o as the packager does and writes its payload, in plain Python: an independent
reading of abi.h. pack(LINKER, RUNTIME_OBJECT, TOY_OBJECT, OUT)."""
import json
import re
import struct
import subprocess

MAGIC, ABI, BLOCK, ALIGN = 0x504F4F5453, 0x20001, 4096, 65536
MANIFEST = {"schema_version": 1, "model": {"name": "toy"}}


def crc_of_byte(crc):
    for _ in range(8):
        crc = crc >> 1 ^ (0x82F63B78 if crc & 1 else 0)
    return crc


CRC_TABLE = [crc_of_byte(byte) for byte in range(256)]


def crc32c(data):
    crc = 0xFFFFFFFF
    for byte in data:
        crc = crc >> 8 ^ CRC_TABLE[(crc ^ byte) & 0xFF]
    return crc ^ 0xFFFFFFFF


def with_checksums(program, at):
    """The bytes of a program with the right checksum of the block of its payload that holds byte `at` of the file."""
    program = bytearray(program)
    layout = struct.Struct("<QIIQQQ8QI")  # stoop_payload up to checksums_crc
    places = (found.start() for found in re.finditer(re.escape(struct.pack("<Q", MAGIC)), program))
    place = next(place for place in places if struct.unpack_from("<I", program, place + 12)[0] == 1 << 20)
    _, _, block, begin, _, _, *extents, _ = layout.unpack_from(program, place)
    covered, table_bytes = extents[6:]
    table, index = begin + covered, (at - begin) // block
    crc = crc32c(program[begin + index * block:begin + min((index + 1) * block, covered)])
    struct.pack_into("<I", program, table + 4 * index, crc)
    struct.pack_into("<I", program, place + layout.size - 4, crc32c(program[table:table + table_bytes]))
    return bytes(program)


def make_payload():
    """The bytes, and the extents (weights, tokenizer, manifest, checksums) with the table's own checksum."""
    weights = b"".join(struct.pack("<i", (t * 37 + v * v) % 211) for t in range(50) for v in range(50))
    data = bytearray(weights.ljust(12288, b"\0"))
    manifest = json.dumps(MANIFEST).encode()
    data += manifest.ljust(4096, b"\0")
    table = b"".join(struct.pack("<I", crc32c(data[i:i + BLOCK])) for i in range(0, len(data), BLOCK))
    extents = [(0, len(weights)), (12288, 0), (12288, len(manifest)), (len(data), len(table))]
    return bytes(data) + table, extents, crc32c(table)


def link(linker, runtime_object, toy_object, out):
    libc = "/lib/x86_64-linux-gnu/libc.so.6"
    subprocess.run([linker, "-pie", "--gc-sections", "--hash-style=gnu", "--build-id", "-z", "now", "-z", "relro",
                    "-z", "noexecstack", "--eh-frame-hdr", "--no-undefined", "-dynamic-linker",
                    "/lib64/ld-linux-x86-64.so.2", "-o", out, runtime_object, toy_object, libc], check=True)


def pack(linker, runtime_object, toy_object, out):
    """Returns (first byte of the payload in the file, bytes of the payload)."""
    link(linker, runtime_object, toy_object, out)
    payload, extents, table_crc = make_payload()
    with open(out, "r+b") as file:
        data = file.read()
        phoff, shoff = struct.unpack_from("<QQ", data, 32)
        phnum, shnum, shstrndx = (struct.unpack_from("<H", data, at)[0] for at in (56, 60, 62))
        headers = [struct.unpack_from("<IIQQQQQQ", data, phoff + 56 * i) for i in range(phnum)]
        top = max(h[3] + h[6] for h in headers if h[0] == 1)
        vaddr = (top + ALIGN - 1) // ALIGN * ALIGN
        offset = (len(data) + ALIGN - 1) // ALIGN * ALIGN
        spare = next(i for i, h in enumerate(headers) if h[0] == 4 and h[7] == 8)
        file.seek(phoff + 56 * spare)
        file.write(struct.pack("<IIQQQQQQ", 1, 4, offset, vaddr, vaddr, len(payload), len(payload), ALIGN))
        names_at = struct.unpack_from("<Q", data, shoff + 64 * shstrndx + 24)[0]
        for i in range(shnum):
            section = list(struct.unpack_from("<IIQQQQIIQQ", data, shoff + 64 * i))
            name = data[names_at + section[0]:].split(b"\0", 1)[0]
            if name == b".stoop.weights":
                section[3:6], section[8] = [vaddr, offset, len(payload)], 4096
                file.seek(shoff + 64 * i)
                file.write(struct.pack("<IIQQQQIIQQ", *section))
            elif name == b".stoop":
                header = struct.pack("<QIIQQQ", MAGIC, ABI, BLOCK, offset, vaddr, len(payload))
                header += b"".join(struct.pack("<QQ", *extent) for extent in extents)
                header += struct.pack("<II", table_crc, 0)
                file.seek(section[4])
                file.write(header)
        file.seek(offset)
        file.write(payload)
    return offset, len(payload)
