"""run.sh on the virtual GPU: rows with numbers in a table, and a sentence where there is no GPU."""
import argparse
import os
import re
import subprocess
import sys
import tempfile

RUN = os.path.join(os.path.dirname(os.path.abspath(__file__)), "run.sh")


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--driver", required=True)
    options = parser.parse_args()
    failures = []
    with tempfile.TemporaryDirectory() as folder:
        out = os.path.join(folder, "table.md")
        result = subprocess.run([RUN, "--driver", options.driver, "--shapes", "q-tiny,rw-tiny", "--no-checks", "--work", folder, "--out", out,
                                 "--cuda-arch", "sm_80,ptx", "--context", "32", "--prompt", "8", "--predict", "2", "--depths", "0",
                                 "--batches", "1,2", "--repetitions", "1"], capture_output=True, text=True)
        if result.returncode != 0:
            sys.exit(f"run.sh failed with {result.returncode}: {result.stderr}")
        with open(out, encoding="utf-8") as file:
            text = file.read()
        rows = [[cell.strip() for cell in line.strip("|\n").split("|")] for line in text.splitlines() if "-tiny |" in line]
        if [row[:4] for row in rows] != [[shape, "2", test, batch] for shape in ("q-tiny", "rw-tiny")
                                         for test, batch in (("pp8", "1"), ("tg2", "1"), ("tg2", "2"))]:
            failures.append(f"rows: {rows}")
        if not all(float(row[4].split(" ")[0]) > 0 for row in rows):
            failures.append(f"speeds: {rows}")
        if not re.search(r"^# Stoop virtual GPU sm_\d+", text):
            failures.append(f"head: {text.splitlines()[0]}")
    result = subprocess.run([RUN, "--driver", "/nonexistent/libcuda.so.1"], capture_output=True, text=True)
    if result.returncode != 1 or "/nonexistent/libcuda.so.1' finds no NVIDIA GPU" not in result.stderr:
        failures.append(f"without a GPU: {result.returncode}, {result.stderr}")
    sys.exit("\n".join(failures) if failures else 0)


if __name__ == "__main__":
    main()
