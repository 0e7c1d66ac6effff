"""What the compiler tells of a program for GPUs: resources of its kernels, what it needs, its sources, this machine's GPU."""
import json
import os
from unittest import mock

import stoop_cli
from stoop_cli import Case, run


class Cuda(Case):
    def test_resources_needs_and_sources(self):
        program, temps = self.dir / "m", self.dir / "temps"
        self.expect(run("compile", self.checkpoint("rand-yarn", copy=False), "-o", program, "--quiet", "--target", "cuda", "-c", 64,
                        "--prefill-buckets", 8, "--no-tokenizer", "--cuda-arch", "sm_80,sm_90a,ptx", "--save-temps", temps), 0)
        report = json.loads(self.expect(run("inspect", program, "--format", "json"), 0).stdout)
        levels = ["sm_80.ptx", "sm_80", "sm_90a.ptx", "sm_90a"]
        driver = report["needs"]["driver"]
        self.assertEqual((driver["library"], sorted(driver["architectures"])), ("libcuda.so.1", sorted(levels)))
        self.assertEqual(report["needs"]["cpu_features"], [])
        for kernel in report["kernels"]:
            self.assertEqual(sorted(code["level"] for code in kernel["code"]), ["sm_80", "sm_90a"], kernel["name"])
            for code in kernel["code"]:
                self.assertTrue(16 <= code["registers"] <= 255, kernel)
                self.assertEqual(code["local_bytes"], 0, kernel)
        text = self.expect(run("inspect", program), 0).stdout
        self.assertRegex(text, r"sm_90a \d+ regs")
        self.assertIn("libcuda.so.1 of CUDA 12.0", text)
        # Kernels of equal source share a file; the sampling code has one too.
        names = {path.name for path in temps.iterdir()}
        sources = {name[:-3] for name in names if name.endswith(".cu")}
        self.assertTrue({"sampling_sm_80", "sampling_sm_90a_ptx"} <= sources, sources)
        for source in sources:
            self.assertIn(source + (".ptx" if source.endswith("_ptx") else ".cubin"), names)
            self.assertIn("__global__", (temps / (source + ".cu")).read_text())
        self.assertTrue((temps / "sampling_sm_80.cubin").read_bytes().startswith(b"\x7fELF"))

    def test_targets_name_the_gpu(self):
        for capability, runs in (("80", {"sm_80"}), ("89", {"sm_80", "sm_86", "sm_89"}), ("90", {"sm_90a"})):
            with mock.patch.dict(os.environ, {"STOOP_VGPU_ARCH": capability}):
                document = json.loads(self.expect(run("targets", "--json"), 0).stdout)
            cuda = next(target for target in document["targets"] if target["name"] == "cuda")
            self.assertEqual(cuda["devices"], [f"Stoop virtual GPU sm_{capability}, compute capability {capability[0]}.{capability[1]}"])
            self.assertEqual({level["name"] for level in cuda["levels"] if level["on_this_machine"]}, runs)
        with mock.patch.dict(os.environ, {"STOOP_CUDA_DRIVER": "/nonexistent/libcuda.so.1"}):
            document = json.loads(self.expect(run("targets", "--json"), 0).stdout)
            cuda = next(target for target in document["targets"] if target["name"] == "cuda")
            self.assertEqual((cuda["devices"], [level for level in cuda["levels"] if level["on_this_machine"]]), ([], []))


if __name__ == "__main__":
    stoop_cli.main()
