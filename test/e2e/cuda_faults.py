#!/usr/bin/python3
"""What a CUDA program says when the machine cannot run it, and when the n-th call of the driver fails.

Every failure has to end with exit code 3 and a sentence, and must leave nothing on the device. Every call fails, in a
copy of the program; --full repeats that with a program of its own for each.
"""
import argparse
import json
import os
import random
import re
import subprocess
import sys
import tempfile
import time

import checks

# Without the thread that compares checksums: copies have none.
PROMPT = ["run", "--prompt-ids", "1,2,3,4,5,6,7,8,9,10", "-n", "4", "--temp", "0", "--json", "--ignore-eos", "--no-verify"]


class Faults(checks.Report):
    """Runs programs under the virtual GPU with settings and collects what is wrong."""

    def __init__(self, options):
        super().__init__()
        self.options = options

    def compile(self, folder, name, *flags):
        path = os.path.join(folder, name)
        command = [self.options.stoop, "compile", self.options.checkpoint, "-o", path, "--target", "cuda", "--quiet",
                   "--max-seq-len", "64", "--prefill-buckets", "8", "--dtype", "f32", *flags]
        subprocess.run(command, check=True, timeout=600)
        return path

    def run(self, path, **settings):
        environment = dict(os.environ, STOOP_CUDA_DRIVER=self.options.driver, STOOP_VGPU_ARCH="80", STOOP_VGPU_LEAKS="1",
                           STOOP_VGPU_CHECKS="0")
        environment.update(settings)
        return subprocess.run([path, *PROMPT], env=environment, capture_output=True, text=True, timeout=300, check=False)

    def inspect(self, path):
        return subprocess.run([self.options.stoop, "inspect", path], check=True, capture_output=True, text=True, timeout=300).stdout

    def expect(self, result, code, *fragments):
        problems = [] if result.returncode == code else [f"exit code {result.returncode}, expected {code}"]
        problems += [f"'{fragment}' is missing" for fragment in fragments if fragment not in result.stderr]
        if "left behind" in result.stderr:
            problems.append("not everything was given back")
        if problems:
            self.failures.append("; ".join(problems) + ": " + result.stderr[-600:])


def check_overlap(faults, path, folder, overlaps):
    """Launches start early as the report says, in every graph: of each entry, and of each decode entry that feeds itself. Code that
    does not wait for the launch in front never does, whatever the GPU."""
    counts = os.path.join(folder, "counts")
    faults.expect(faults.run(path, STOOP_VGPU_ARCH="100", STOOP_VGPU_COVERAGE=counts), 0)
    with open(counts, encoding="utf-8") as lines:
        calls = dict(line.split()[1:3] for line in lines if line.startswith("call "))
    os.remove(counts)
    report = json.loads(subprocess.run([faults.options.stoop, "inspect", path, "--format", "json"], check=True, capture_output=True, timeout=300).stdout)
    expected = sum(entry["early_launches"] + (entry["launches"] - 1 if entry["kind"] == "decode" else 0) for entry in report["entries"])
    early = int(calls.get("cuLaunchKernelEx.programmatic", 0))
    if early != (expected if overlaps else 0) or expected == 0:
        faults.failures.append(f"{early} launches start early, expected {expected if overlaps else 0}")


def check_machines(faults, path, folder):
    """No driver, an old one, too little memory, GPUs that the program has no code for and what makes it."""
    faults.expect(faults.run(path, STOOP_CUDA_DRIVER="/nonexistent/libcuda.so.1"), 3, "driver", "/nonexistent", "--target cpu")
    faults.expect(faults.run(path, STOOP_VGPU_DRIVER="11080"), 3, "CUDA 11.8", "install a newer driver")
    # Code that NVRTC 13 has made, which the test's compiler may not be.
    made_by = int(re.search(r"libcuda.so.1 of CUDA (\d+)", faults.inspect(path)).group(1))
    faults.expect(faults.run(path, STOOP_VGPU_DRIVER="12040"), *((0,) if made_by == 12 else (3, "CUDA 12.4", f"made by CUDA {made_by}", "STOOP_NVRTC")))
    # Nothing lies on the device when the program finds that it does not fit.
    small = faults.run(path, STOOP_VGPU_MEMORY="100000", STOOP_VGPU_PEAK="1")
    faults.expect(small, 3, "bytes of GPU memory", "100000 free of 100000", "--max-seq-len", "at most 0 bytes were allocated")
    needed = int(re.search(r"needs (\d+) bytes of GPU memory", small.stderr).group(1))
    faults.expect(faults.run(path, STOOP_VGPU_MEMORY=str(needed - 1), STOOP_VGPU_PEAK="1"), 3, f"needs {needed} bytes",
                  f"free of {needed - 1}", "at most 0 bytes were allocated")
    faults.expect(faults.run(path, STOOP_VGPU_MEMORY=str(needed)), 0)
    faults.expect(faults.run(path, STOOP_VGPU_ARCH="75"), 3, "compute capability 7.5", "8.0 or newer", "--target cpu")
    for newer in ("86", "90", "100", "120"):  # by PTX
        faults.expect(faults.run(path, STOOP_VGPU_ARCH=newer), 0)
    newer = faults.compile(folder, "newer", "--cuda-arch", "sm_90a,ptx")
    faults.expect(faults.run(newer), 3, "compute capability 8.0", "sm_90a", "--cuda-arch sm_80")
    for later in ("100", "120"):  # code of sm_90a runs nowhere else, its PTX does
        faults.expect(faults.run(newer, STOOP_VGPU_ARCH=later), 0)
    check_overlap(faults, newer, folder, True)
    check_overlap(faults, path, folder, False)
    # The virtual GPU runs PTX alone: a program without it has no code for it, as cubins of another GPU would not.
    cubins = faults.compile(folder, "cubins", "--cuda-arch", "sm_80")
    faults.expect(faults.run(cubins), 3, "refuses", "sm_80", "compile with --cuda-arch sm_80,ptx")
    for arch, advice in (("90", "sm_90a"), ("100", "sm_80,ptx"), ("120", "sm_120")):
        faults.expect(faults.run(cubins, STOOP_VGPU_ARCH=arch), 3, f"capability {int(arch) // 10}.{int(arch) % 10}", "sm_80 alone",
                      f"--cuda-arch {advice} beside")


def check_compiler(faults, folder):
    """Without NVRTC the compiler says how to get it."""
    command = [faults.options.stoop, "compile", faults.options.checkpoint, "-o", os.path.join(folder, "none"), "--target", "cuda"]
    result = subprocess.run(command, env=dict(os.environ, STOOP_NVRTC="/nonexistent/libnvrtc.so"), capture_output=True,
                            text=True, timeout=300, check=False)
    if result.returncode != 3 or "nvidia-cuda-nvrtc" not in result.stderr or "/nonexistent" not in result.stderr:
        faults.failures.append(f"missing NVRTC: exit code {result.returncode}: {result.stderr[-600:]}")


def driver_calls(folder):
    """(name, exit code, stdout, stderr) of each copy of a program whose calls failed one by one."""
    calls = []
    with open(os.path.join(folder, "results"), encoding="utf-8") as results:
        for number, line in enumerate(results, 1):
            at, name, code = line.split()
            assert int(at) == number, line
            texts = []
            for end in ("out", "err"):
                with open(os.path.join(folder, f"{at}.{end}"), encoding="utf-8") as file:
                    texts.append(file.read())
            calls.append((name, int(code), *texts))
    return calls


def gives_back(name):
    """Such a call cannot fail for the user, once the result is there."""
    return any(part in name for part in ("Destroy", "Free", "Unload", "Release"))


def check_call(faults, number, call, is_late, ids):
    """A call failed: exit code 3, a message with its name, nothing left behind; behind the result, the result."""
    name, code, output, errors = call
    problems = ["not everything was given back"] if "left behind" in errors else []
    if is_late and code == 0:
        if output and json.loads(output)["ids"] != ids:  # mostly the result is out before the copy is made
            problems.append(f"other tokens than {ids}")
    elif code != 3:
        problems.append(f"exit code {code}")
    elif name not in errors:
        problems.append("the message does not name the call")
    if problems:
        faults.failures.append(f"call {number}, {name}: {'; '.join(problems)}: {errors[-400:]}")


def check_calls(faults, path, draw):
    """Each driver call of loading, a prompt and three tokens fails, in a copy of the program that makes it; some of
    them, or with --full all, also in a program of their own: it says the same."""
    with tempfile.TemporaryDirectory() as folder:
        good = faults.run(path, STOOP_VGPU_FAIL_EACH=folder)
        faults.expect(good, 0)
        calls = driver_calls(folder)
    ids = json.loads(good.stdout)["ids"]
    # At the end the program waits and gives back.
    late = len(calls)
    while late and gives_back(calls[late - 1][0]):
        late -= 1
    waits = late
    while waits and calls[waits - 1][0] == "cuStreamSynchronize":
        waits -= 1
    if waits < 100:
        faults.failures.append(f"only {waits} driver calls were made")
    for number, call in enumerate(calls, 1):
        check_call(faults, number, call, number > waits, ids)
    alone = range(1, len(calls) + 1)
    alone = alone if faults.options.full else sorted(draw.sample(alone, 5))
    for number in alone:
        result, (name, code, _, errors) = faults.run(path, STOOP_VGPU_FAIL_AT=str(number)), calls[number - 1]
        # Progress is told by the clock.
        said, expected = ([line for line in text.splitlines() if line.startswith("error")] for text in (result.stderr, errors))
        if (result.returncode, said) != (code, expected):
            faults.failures.append(f"call {number}, {name}: alone exit code {result.returncode}, not {code}: {result.stderr[-300:]}")
    print(f"each of {len(calls)} driver calls failed, {len(alone)} of them in a program of their own")


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--stoop", required=True, help="path of the compiler")
    parser.add_argument("--driver", required=True, help="path of the virtual driver")
    parser.add_argument("--checkpoint", required=True, metavar="DIR")
    parser.add_argument("--full", action="store_true", help="a program of its own for each call that fails")
    parser.add_argument("--seed", type=int, default=time.time_ns() % 10**6, help="of the calls that fail in a program of their own")
    options = parser.parse_args()
    faults = Faults(options)
    with tempfile.TemporaryDirectory() as folder:
        path = faults.compile(folder, "model", "--cuda-arch", "sm_80,ptx")
        check_machines(faults, path, folder)
        check_compiler(faults, folder)
        draw = random.Random(options.seed)
        print(f"seed {options.seed}", flush=True)
        check_calls(faults, path, draw)
    sys.exit(faults.print_failures())


if __name__ == "__main__":
    main()
