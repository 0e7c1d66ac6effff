#!/usr/bin/env python3
"""Every pass of ours has a test named after its flag, a description, and a summary that is not its name.

Usage: check_pass_coverage.py SOURCE_DIR
"""
import pathlib
import re
import sys

FLAG = re.compile(r"^(lm|plan|cpu)(-[a-z0-9]+)+$")
PASS = re.compile(r'def\s+(\w+)\s*:\s*(?:Pass|InterfacePass)<\s*"([^"]+)"[^{]*\{(.*?)\n\}', re.DOTALL)


def main() -> int:
    root = pathlib.Path(sys.argv[1])
    tests = {path.name for path in (root / "test").rglob("*.mlir")}
    found, count = [], 0
    for folder in ("passes", "codegen"):
        for table in sorted((root / folder).rglob("Passes.td")):
            for name, flag, body in PASS.findall(table.read_text(encoding="utf-8")):
                count += 1
                where = f"{table.relative_to(root)}: {flag}"
                if not FLAG.match(flag):
                    found.append(f"{where}: not <dialect>-<verb>-<object>")
                if f"{flag}.mlir" not in tests:
                    found.append(f"{where}: no test {flag}.mlir")
                summary = re.search(r'let summary\s*=\s*"([^"]*)"', body)
                if not summary or summary.group(1).lower() in ("", name.lower(), flag):
                    found.append(f"{where}: no summary beside its name")
                description = re.search(r"let description\s*=\s*\[\{(.*?)\}\]", body, re.DOTALL)
                if not description or len(description.group(1).split()) < 8:
                    found.append(f"{where}: no description")
    if count == 0:
        found.append("no passes found")
    print("\n".join(found) if found else f"pass coverage: {count} passes ok")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
