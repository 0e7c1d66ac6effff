#!/usr/bin/env python3
"""Prints `PASSED FAILED` of a JUnit file. Skipped tests count as neither; an empty report is an error."""
import sys
import xml.etree.ElementTree as ElementTree


def main() -> int:
    passed = failed = 0
    for case in ElementTree.parse(sys.argv[1]).getroot().iter("testcase"):
        kinds = {child.tag for child in case}
        if "failure" in kinds or "error" in kinds or case.get("status") == "fail":
            failed += 1
        elif "skipped" not in kinds:
            passed += 1
    print(passed, failed)
    return 0 if passed + failed else 1


if __name__ == "__main__":
    sys.exit(main())
