#!/usr/bin/env python3
"""Documents name only files that exist: relative links and `path/like/this` in the README files and CONTRIBUTING.

Usage: check_docs.py SOURCE_DIR
"""
import pathlib
import re
import sys

LINK = re.compile(r"\]\(([^)#:]+)\)")
PATH = re.compile(r"`((?:compiler|ir|passes|codegen|kernels|runtime|test|examples)/[\w./-]*[\w/])`")
GENERATED = re.compile(r"checkpoints/README|tokenizers/README")


def main() -> int:
    root = pathlib.Path(sys.argv[1])
    documents = [p for p in root.rglob("*.md") if "build" not in p.relative_to(root).parts[0]]
    found = []
    for document in documents:
        text = document.read_text(encoding="utf-8")
        for target in LINK.findall(text):
            if not (document.parent / target).exists():
                found.append(f"{document.relative_to(root)}: link to {target}")
        if not GENERATED.search(str(document)):
            for target in PATH.findall(text):
                if not (root / target).exists():
                    found.append(f"{document.relative_to(root)}: names {target}")
    for name in ("README.md", "CONTRIBUTING.md", "LICENSE"):
        if not (root / name).is_file():
            found.append(f"{name} is missing")
    for folder in ("compiler", "ir", "passes", "codegen", "kernels", "runtime", "test", "examples"):
        if not (root / folder / "README.md").is_file():
            found.append(f"{folder}/README.md is missing")
    print("\n".join(found) if found else f"docs: {len(documents)} documents ok")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
