#!/usr/bin/env python3
"""Writes ../unicode_tables.inc, the character tables of the tokenizer.

    python3 runtime/tokenizer/tables/make_tables.py        (Python 3.11: unicodedata 14.0.0)

The reference library uses a different Unicode version for each purpose, so a current Unicode
database is the wrong source. Two recordings, probed code point by code point, say what it does:
test/tokenizers/classes.json (pre-tokenizers, regex classes, added-token flags) and
normalizer_classes.json beside this file (which marks StripAccents removes and so have a combining
class, which characters NFD/NFKD leave alone, lower-case letters newer than Unicode 14).
Python's unicodedata gives the decompositions, combining classes and lower-case forms themselves.
"""
import json
import pathlib
import unicodedata

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parents[2]
LIMIT = 0x110000
BLOCK = 64
HANGUL = range(0xAC00, 0xD7A4)

# Bit of each class in the property byte; unicode.h declares the same values.
CLASSES = [
    ("regex_L", 1), ("regex_N", 2), ("regex_s", 4), ("punctuation_pre_tokenizer", 8),
    ("digits_pre_tokenizer", 16), ("added_token_word", 32),
]
MARK = 64


def expand(ranges):
    return (c for first, last in ranges for c in range(first, last + 1))


def scalars():
    return (c for c in range(LIMIT) if not 0xD800 <= c <= 0xDFFF)


def emit(out, ctype, name, values):
    out.append(f"constexpr {ctype} {name}[] = {{")
    line = " "
    for value in values:
        text = f" {value},"
        if len(line) + len(text) > 116:
            out.append(line)
            line = " "
        line += text
    out += [line, "};"]


def property_tables(out, classes, recorded):
    props = bytearray(LIMIT)
    for name, bit in CLASSES:
        for c in expand(classes[name]):
            props[c] |= bit
    for c in expand(recorded["combining_mark"]):
        props[c] |= MARK
    blocks, index = {}, []
    for start in range(0, LIMIT, BLOCK):
        block = bytes(props[start:start + BLOCK])
        index.append(blocks.setdefault(block, len(blocks)))
    # Second stage over the index itself: the planes above 3 are nearly empty.
    rows, top = {}, []
    for start in range(0, len(index), BLOCK):
        row = tuple(index[start:start + BLOCK])
        top.append(rows.setdefault(row, len(rows)))
    emit(out, "uint8_t", "property_top", top)
    emit(out, "uint16_t", "property_rows", [i for row in rows for i in row])
    emit(out, "uint8_t", "property_blocks", [b for block in blocks for b in block])


def decomposition_tables(out, recorded):
    pool, where = [], {}

    def store(text):
        if text not in where:
            where[text] = len(pool)
            pool.extend(ord(ch) for ch in text)
        return where[text] << 8 | len(text)

    for form in ("NFD", "NFKD"):
        skipped = set(expand(recorded[f"undecomposed_{form.lower()}"]))
        keys, refs = [], []
        for c in scalars():
            if c in HANGUL or c in skipped:
                continue
            text = unicodedata.normalize(form, chr(c))
            if text != chr(c):
                keys.append(c)
                refs.append(store(text))
        emit(out, "uint32_t", f"{form.lower()}_keys", keys)
        emit(out, "uint32_t", f"{form.lower()}_refs", refs)
    emit(out, "uint32_t", "decomposition_pool", pool)


def composition_tables(out, recorded):
    skipped = set(expand(recorded["undecomposed_nfd"]))
    pairs = []
    for c in scalars():
        decomposition = unicodedata.decomposition(chr(c))
        if not decomposition or decomposition[0] == "<" or c in skipped:
            continue
        parts = [int(part, 16) for part in decomposition.split()]
        # Excluded compositions are exactly those that NFC does not put back together.
        if len(parts) == 2 and unicodedata.normalize("NFC", chr(c)) == chr(c):
            pairs.append((parts[0], parts[1], c))
    pairs.sort()
    emit(out, "uint64_t", "composition_keys", [a << 32 | b for a, b, _ in pairs])
    emit(out, "uint32_t", "composition_values", [c for _, _, c in pairs])


def combining_tables(out, recorded):
    runs = []
    for c in expand(recorded["combining_mark"]):
        value = unicodedata.combining(chr(c))
        if value and runs and runs[-1][1] == c - 1 and runs[-1][2] == value:
            runs[-1][1] = c
        elif value:
            runs.append([c, c, value])
    emit(out, "uint32_t", "combining_first", [r[0] for r in runs])
    emit(out, "uint32_t", "combining_last", [r[1] for r in runs])
    emit(out, "uint8_t", "combining_class_of", [r[2] for r in runs])


def lowercase_tables(out, recorded):
    lower = {c: chr(c).lower() for c in scalars() if chr(c).lower() != chr(c)}
    lower.update((c, chr(to)) for c, to in recorded["lowercase_beyond_14"])
    longer = {c: text for c, text in lower.items() if len(text) != 1}
    if longer != {0x130: "i\u0307"}:
        raise SystemExit(f"lower-case forms of several characters: {longer}; unicode.cc knows U+0130 alone")
    del lower[0x130]
    emit(out, "uint32_t", "lowercase_keys", sorted(lower))
    emit(out, "uint32_t", "lowercase_values", [ord(lower[c]) for c in sorted(lower)])


def main():
    if unicodedata.unidata_version != "14.0.0":
        raise SystemExit(f"needs unicodedata 14.0.0, this Python has {unicodedata.unidata_version}")
    classes = json.loads((ROOT / "test/tokenizers/classes.json").read_text())
    recorded = json.loads((HERE / "normalizer_classes.json").read_text())
    out = ["// Generated by tables/make_tables.py; do not edit. Layouts are explained in unicode.cc.",
           "// clang-format off"]
    property_tables(out, classes, recorded)
    decomposition_tables(out, recorded)
    composition_tables(out, recorded)
    combining_tables(out, recorded)
    lowercase_tables(out, recorded)
    (HERE.parent / "unicode_tables.inc").write_text("\n".join(out) + "\n")


if __name__ == "__main__":
    main()
