#!/usr/bin/python3
"""What of the virtual GPU a run has used: instructions and driver calls, against all that it implements.

    STOOP_VGPU_COVERAGE=/tmp/counts PROGRAM; coverage.py --opcodes build/test/bin/vgpu_opcodes /tmp/counts...
"""
import argparse
import collections
import pathlib
import re
import subprocess


def read_counts(paths):
    """Executions by opcode and calls by name, over all files."""
    opcodes, calls = collections.Counter(), collections.Counter()
    for path in paths:
        with open(path, encoding="utf-8") as lines:
            for line in lines:
                words = line.split()
                if words[0] == "op":
                    opcodes[words[3]] += int(words[4])
                elif words[0] == "call":
                    calls[words[1]] += int(words[2])
    return opcodes, calls


def plain(symbol):
    """A call's name without its version, as the counter knows it."""
    return re.sub(r"_v\d+$", "", symbol)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("counts", nargs="+", help="files that STOOP_VGPU_COVERAGE named")
    parser.add_argument("--opcodes", required=True, help="the program vgpu_opcodes, which lists what the executor's table has")
    parser.add_argument("--list", action="store_true", help="name what was not used, too")
    options = parser.parse_args()
    opcodes, calls = read_counts(options.counts)
    table = subprocess.run([options.opcodes], check=True, capture_output=True, text=True).stdout.split()
    driver = (pathlib.Path(__file__).parent / "driver" / "driver.def").read_text(encoding="utf-8")
    symbols = sorted({plain(name) for name in re.findall(r"^VGPU_CALL\((\w+)\)", driver, re.MULTILINE)})
    used_calls = {plain(name) for name in calls}

    families = collections.defaultdict(lambda: [0, 0])
    for name in table:
        family = families[name.split(".")[0]]
        family[0] += name in opcodes
        family[1] += 1
    print("| instruction | forms executed | forms | warp instructions |\n|---|---|---|---|")
    for name, (used, total) in sorted(families.items()):
        executed = sum(count for opcode, count in opcodes.items() if opcode.split(".")[0] == name)
        print(f"| `{name}` | {used} | {total} | {executed:,} |")
    others = sorted({opcode for opcode in opcodes if opcode not in set(table)})
    print(f"\nOf the table {sum(name in opcodes for name in table)} of {len(table)} forms; beside it {len(others)} forms of "
          "memory, control and matrix instructions.")
    print(f"Driver calls: {len(used_calls & set(symbols))} of {len(symbols)}; unused: "
          + (", ".join(name for name in symbols if name not in used_calls) or "none"))
    if options.list:
        print("\nforms not executed:", *(name for name in sorted(table) if name not in opcodes), sep="\n  ")
        print("\nbeside the table:", *others, sep="\n  ")


if __name__ == "__main__":
    main()
