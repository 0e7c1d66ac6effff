#!/usr/bin/python3
"""Prints the CPU seconds (user + system, with children) of each ctest test and of lit, and their sum.

Wall time says little on a shared machine; this is what the suite's budget is counted in. Arguments:
the build folder, and optionally a regular expression that names must match.
"""
import json
import os
import re
import subprocess
import sys


def cpu_seconds(command, cwd=None):
    """(CPU seconds, exit code) of a command with all its children that were waited for."""
    child = subprocess.Popen(command, cwd=cwd, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                             stderr=subprocess.DEVNULL)
    _, status, usage = os.wait4(child.pid, 0)
    child.returncode = os.waitstatus_to_exitcode(status)
    return usage.ru_utime + usage.ru_stime, child.returncode


def commands(build):
    """(name, command, working directory) of every test of the suite's second run."""
    listing = subprocess.run(["ctest", "--test-dir", build, "--show-only=json-v1"], check=True, capture_output=True)
    for test in json.loads(listing.stdout)["tests"]:
        properties = {entry["name"]: entry["value"] for entry in test["properties"]}
        yield test["name"], test["command"], properties.get("WORKING_DIRECTORY", build)
    yield "lit", ["/usr/lib/llvm-22/bin/lit", "-j1", "-q", os.path.join(build, "test", "lit")], None


def main():
    build, pattern = os.path.abspath(sys.argv[1]), sys.argv[2] if len(sys.argv) > 2 else ""
    os.environ["STOOP_CACHE_DIR"] = os.path.join(build, "test", "kernel-cache")  # as ctest sets it
    results = []
    for name, command, cwd in commands(build):
        if re.search(pattern, name):
            results.append((*cpu_seconds(command, cwd), name))
    for seconds, code, name in sorted(results):
        print(f"{seconds:8.1f}  {name}" + (f"  (exit code {code})" if code else ""))
    print(f"{sum(seconds for seconds, _, _ in results):8.1f}  CPU seconds in all")


if __name__ == "__main__":
    main()
