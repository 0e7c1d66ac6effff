#!/usr/bin/python3
"""What a CUDA program says when the machine cannot run it, and when the n-th call of the driver fails.

Every failure has to end with exit code 3 and a sentence, and must leave nothing on the device. By default a seventh of
the calls fail in turn; --full takes all of them.
"""
import argparse
import os
import re
import subprocess
import sys
import tempfile

import checks

PROMPT = ["run", "--prompt-ids", "1,2,3,4,5,6,7,8,9,10", "-n", "4", "--temp", "0", "--json", "--ignore-eos"]


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
        return subprocess.run([path] + PROMPT, env=environment, capture_output=True, text=True, timeout=300, check=False)

    def inspect(self, path):
        return subprocess.run([self.options.stoop, "inspect", path], check=True, capture_output=True, text=True, timeout=300).stdout

    def expect(self, result, code, *fragments):
        problems = [] if result.returncode == code else [f"exit code {result.returncode}, expected {code}"]
        problems += [f"'{fragment}' is missing" for fragment in fragments if fragment not in result.stderr]
        if "left behind" in result.stderr:
            problems.append("not everything was given back")
        if problems:
            self.failures.append("; ".join(problems) + ": " + result.stderr[-600:])


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
    # What modules take besides is seen before the plan's memory is taken.
    needed = int(re.search(r"needs (\d+) bytes of GPU memory", small.stderr).group(1))
    faults.expect(faults.run(path, STOOP_VGPU_MEMORY=str(needed)), 3, f"needs {needed} bytes", f"free of {needed}")
    faults.expect(faults.run(path, STOOP_VGPU_MEMORY=str(needed + (1 << 16))), 0)
    faults.expect(faults.run(path, STOOP_VGPU_ARCH="75"), 3, "compute capability 7.5", "8.0 or newer", "--target cpu")
    for newer in ("86", "90", "100", "120"):  # by PTX
        faults.expect(faults.run(path, STOOP_VGPU_ARCH=newer), 0)
    newer = faults.compile(folder, "newer", "--cuda-arch", "sm_90a,ptx")
    faults.expect(faults.run(newer), 3, "compute capability 8.0", "sm_90a", "--cuda-arch sm_80")
    # The virtual GPU runs PTX alone: a program without it has no code for it, as cubins of another GPU would not.
    cubins = faults.compile(folder, "cubins", "--cuda-arch", "sm_80")
    faults.expect(faults.run(cubins), 3, "refuses", "sm_80", "newer driver")
    for arch, advice in (("90", "sm_90a"), ("100", "sm_80,ptx"), ("120", "sm_120")):
        faults.expect(faults.run(cubins, STOOP_VGPU_ARCH=arch), 3, f"capability {int(arch) // 10}.{int(arch) % 10}", "sm_80 alone",
                      f"--cuda-arch {advice},")


def check_compiler(faults, folder):
    """Without NVRTC the compiler says how to get it."""
    command = [faults.options.stoop, "compile", faults.options.checkpoint, "-o", os.path.join(folder, "none"), "--target", "cuda"]
    result = subprocess.run(command, env=dict(os.environ, STOOP_NVRTC="/nonexistent/libnvrtc.so"), capture_output=True,
                            text=True, timeout=300, check=False)
    if result.returncode == 0 or "nvidia-cuda-nvrtc" not in result.stderr or "/nonexistent" not in result.stderr:
        faults.failures.append(f"missing NVRTC: exit code {result.returncode}: {result.stderr[-600:]}")


def check_calls(faults, path, step):
    """The n-th driver call fails, until one run has no call with that number."""
    good = faults.run(path)
    faults.expect(good, 0)
    call, failed = 1, 0
    while True:
        result = faults.run(path, STOOP_VGPU_FAIL_AT=str(call))
        if result.returncode == 0 and "left behind" not in result.stderr and result.stdout:
            break
        faults.expect(result, 3)
        if not re.search(r"cu[A-Z]\w+", result.stderr):
            faults.failures.append(f"call {call}: the message names no driver call: {result.stderr[-300:]}")
        failed += 1
        call += step
    if call < 100:
        faults.failures.append(f"only {call} driver calls were made")
    print(f"{failed} of {call} driver calls failed in turn")


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--stoop", required=True, help="path of the compiler")
    parser.add_argument("--driver", required=True, help="path of the virtual driver")
    parser.add_argument("--checkpoint", required=True, metavar="DIR")
    parser.add_argument("--full", action="store_true", help="every call, not a seventh of them")
    options = parser.parse_args()
    faults = Faults(options)
    with tempfile.TemporaryDirectory() as folder:
        path = faults.compile(folder, "model", "--cuda-arch", "sm_80,ptx")
        check_machines(faults, path, folder)
        check_compiler(faults, folder)
        check_calls(faults, path, 1 if options.full else 7)
    sys.exit(faults.print_failures())


if __name__ == "__main__":
    main()
