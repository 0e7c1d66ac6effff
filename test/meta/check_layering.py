#!/usr/bin/env python3
"""Checks the house rules that a compiler does not: include directions, file sizes, names that belong to one place.

Usage: check_layering.py SOURCE_DIR. Prints each violation and exits 1 if there is one.
"""
import pathlib
import re
import subprocess
import sys

# Folder -> include prefixes that it may never use (the dependency order of the README).
FORBIDDEN = {
    "ir/": ("passes/", "codegen/", "compiler/", "kernels/", "runtime/core", "runtime/app"),
    "ir/plan/": ("ir/lm/",),
    "passes/": ("codegen/", "compiler/", "nvrtc"),
    "passes/planning/arena/": ("mlir/", "ir/"),
    "passes/graph/": ("ir/plan/", "kernels/"),
    "passes/fusion/": ("ir/plan/", "kernels/"),
    "codegen/cpu/": ("passes/", "compiler/"),
    "codegen/reference/": ("passes/", "compiler/", "ir/plan/"),
    "codegen/package/": ("compiler/",),
    "kernels/": ("mlir/", "ir/", "passes/", "codegen/", "compiler/"),
    "compiler/import/": ("passes/", "codegen/"),
    "runtime/": ("ir/", "passes/", "codegen/", "compiler/", "mlir/", "llvm/"),
}
SOURCES = {".cpp", ".cc", ".c", ".h", ".td", ".cu", ".cuh", ".py", ".mlir"}
MAX_LINES = 800
GENERATED = re.compile(r"unicode_tables\.inc$")
FAMILY_NAMES = re.compile(r"\b(falcon|llama|refinedweb)\b", re.IGNORECASE)
FAMILY_FREE = ("passes/", "codegen/", "kernels/", "ir/")  # but for prose in comments and examples
STRING = re.compile(r'"(?:[^"\\]|\\.)*"')


def tracked(root: pathlib.Path) -> list[str]:
    # A tree without git (an unpacked archive) is checked as it lies.
    try:
        listing = subprocess.run(["git", "-C", str(root), "ls-files"], check=True, capture_output=True, text=True)
        return listing.stdout.splitlines()
    except (OSError, subprocess.CalledProcessError):
        return [str(p.relative_to(root)) for p in root.rglob("*") if p.is_file() and "build" not in p.parts]


def check_includes(name: str, text: str) -> list[str]:
    found = []
    for folder, prefixes in FORBIDDEN.items():
        if not name.startswith(folder):
            continue
        for number, line in enumerate(text.splitlines(), 1):
            match = re.match(r'\s*(?:#\s*)?include\s+[<"]([^">]+)', line)
            if match and match.group(1).startswith(prefixes):
                found.append(f"{name}:{number}: {folder} may not include {match.group(1)}")
    return found


def check_family_names(name: str, text: str) -> list[str]:
    """Family names are facts of compiler/import: no code below it may compare with one."""
    if not name.startswith(FAMILY_FREE) or pathlib.Path(name).suffix not in {".cpp", ".h"}:
        return []
    found = []
    for number, line in enumerate(text.splitlines(), 1):
        code = line.split("//")[0]
        if any(FAMILY_NAMES.search(literal) for literal in STRING.findall(code)):
            found.append(f"{name}:{number}: names a model family outside compiler/import")
    return found


def main() -> int:
    root = pathlib.Path(sys.argv[1])
    found = []
    for name in tracked(root):
        path = root / name
        if path.suffix not in SOURCES or GENERATED.search(name) or not path.is_file():
            continue
        text = path.read_text(encoding="utf-8", errors="replace")
        lines = text.count("\n")
        if lines > MAX_LINES:
            found.append(f"{name}: {lines} lines, at most {MAX_LINES}")
        found += check_includes(name, text) + check_family_names(name, text)
        if name != "test/meta/check_layering.py":
            for number, line in enumerate(text.splitlines(), 1):
                if re.search(r"\b(TODO|FIXME|XXX|HACK)\b", line):
                    found.append(f"{name}:{number}: unfinished: {line.strip()}")
    print("\n".join(found) if found else "layering: ok")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
