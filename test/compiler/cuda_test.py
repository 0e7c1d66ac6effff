"""What the compiler tells of a program for GPUs: resources of its kernels, what it needs, its sources, this machine's GPU."""
import json
import os
import pathlib
import re
import subprocess
import sys
from unittest import mock

import numpy as np

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / "e2e"))
import random_checkpoint
import stoop_cli
from stoop_cli import Case, run


def write_hole(path, shapes):
    """A file of bfloat16 tensors that takes no room: what compiles kernels asks for no weight."""
    header, end = {}, 0
    for name, shape in shapes:
        begin, end = end, end + 2 * int(np.prod(shape))
        header[name] = {"dtype": "BF16", "shape": list(shape), "data_offsets": [begin, end]}
    text = json.dumps(header).encode()
    with open(path, "wb") as file:
        file.write(len(text).to_bytes(8, "little") + text)
        file.truncate(8 + len(text) + end)


class Cuda(Case):
    def test_resources_needs_and_sources(self):
        program, temps = self.dir / "m", self.dir / "temps"
        self.expect(run("compile", self.checkpoint("rand-yarn", copy=False), "-o", program, "--quiet", "--target", "cuda", "-c", 64,
                        "--prefill-buckets", 8, "--no-tokenizer", "--cuda-arch", "sm_80,sm_90a,ptx", "--max-batch-size", 8, "--dtype", "f32",
                        "--save-temps", temps), 0)
        report = json.loads(self.expect(run("inspect", program, "--format", "json"), 0).stdout)
        levels = ["sm_80.ptx", "sm_80", "sm_90a"]
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
        # That of the NVRTC that compiled it.
        isa = re.search(rb"\.version (\d+)\.", (temps / "sampling_sm_80_ptx.ptx").read_bytes()).group(1)
        self.assertIn(f"libcuda.so.1 of CUDA {int(isa) + 4}.0 or newer", text)
        # A plan names the compiler that is here, or without one the least that the runtime takes.
        plan = ("plan", self.checkpoint("rand-yarn", copy=False), "--target", "cuda", "-c", 64)
        self.assertIn(f"libcuda.so.1 of CUDA {int(isa) + 4}.0 or newer", self.expect(run(*plan), 0).stdout)
        with mock.patch.dict(os.environ, STOOP_NVRTC="/nonexistent/libnvrtc.so"):
            self.assertIn("libcuda.so.1 of CUDA 12.0 or newer", self.expect(run(*plan), 0).stdout)
        # Kernels of equal source share a file; the sampling code has one too.
        names = {path.name for path in temps.iterdir()}
        sources = {name[:-3] for name in names if name.endswith(".cu")}
        self.assertTrue({"sampling_sm_80", "sampling_sm_80_ptx", "sampling_sm_90a"} <= sources, sources)
        for source in sources:
            self.assertIn(source + (".ptx" if source.endswith("_ptx") else ".cubin"), names)
            text = (temps / (source + ".cu")).read_text()
            self.assertIn("__global__", text)
            self.assertLessEqual(len(text.splitlines()), 60, text)
        self.assertTrue((temps / "sampling_sm_80.cubin").read_bytes().startswith(b"\x7fELF"))

    def test_steps_are_predicted_for_gpus(self):
        """Each launch's gap and the larger of its bytes and flops, summed here from the report's own kernels."""
        config = self.checkpoint("rand-180b", copy=False)
        report = json.loads(self.expect(run("plan", config, "--target", "cuda", "-c", 64, "--max-batch-size", 4, "--json"), 0).stdout)
        self.assertEqual([machine["machine"] for machine in report["predictions"]], ["A100 SXM 80 GB", "H100 SXM", "H200 SXM"])
        need = sum(c.get("bytes", c.get("bytes_per_thread", 0)) for c in report["memory"]["classes"] if c["class"] != "code")
        for machine in report["predictions"]:
            self.assertTrue(machine["fits"] and need < 80e9)
            steps = {step["entry"]: step for step in machine["steps"]}
            self.assertEqual(set(steps), {entry["name"] for entry in report["entries"]})
            for entry in report["entries"]:
                step = steps[entry["name"]]
                self.assertAlmostEqual(step["predicted_tokens_per_second"] * step["predicted_ns"], 1e9 * entry["rows"], delta=1)
                # No less than all bytes or all flops at once, no more than both after each other.
                launches = entry["launches"] + entry.get("sampling_launches", 0)
                self.assertEqual(launches - entry["launches"], 2 if entry["kind"] == "decode" else 0)
                gaps = launches * machine["launch_ns"]
                memory = entry["bytes"] / machine["bytes_per_second"] * 1e9
                compute = entry["flops"] / machine["flops_per_second"] * 1e9
                self.assertGreaterEqual(step["predicted_ns"] + launches, gaps + max(memory, compute))
                self.assertLessEqual(step["predicted_ns"] - launches, gaps + memory + compute)
        large = {"model_type": "falcon", "new_decoder_architecture": True, "hidden_size": 8192, "num_hidden_layers": 60, "vocab_size": 65024,
                 "num_attention_heads": 128, "num_kv_heads": 8, "torch_dtype": "bfloat16", "bias": False, "alibi": False}
        (self.dir / "config.json").write_text(json.dumps(large))
        plan = json.loads(self.expect(run("plan", self.dir / "config.json", "--target", "cuda", "--json"), 0).stdout)
        self.assertEqual([machine["fits"] for machine in plan["predictions"]], [False, False, True])  # 83 GB
        text = self.expect(run("inspect", config, "--target", "cuda", "--section", "entries"), 0).stdout
        self.assertIn("predicted, not measured", text)
        self.assertIn("H200 SXM: bandwidth", text)
        cpu = json.loads(self.expect(run("plan", config, "--json"), 0).stdout)
        self.assertNotIn("predictions", cpu)

    def plan_of(self, *flags, **config):
        """The plan of a bfloat16 model without weights."""
        path = self.dir / "config.json"
        path.write_text(json.dumps({"model_type": "falcon", "new_decoder_architecture": True, "vocab_size": 65024, "torch_dtype": "bfloat16",
                                    "bias": False, "alibi": False, **config}))
        return json.loads(self.expect(run("plan", path, "--target", "cuda", "--dtype", "bf16", "--json", *flags), 0).stdout)

    def test_weights_are_balanced(self):
        """Real shapes: the blocks of one multiprocessor each read equal parts of the weights, and all fit two by two."""
        for config in ({"hidden_size": 4544, "num_hidden_layers": 32, "num_attention_heads": 71, "num_kv_heads": 1, "new_decoder_architecture": False,
                        "multi_query": True, "parallel_attn": True},
                       {"hidden_size": 8192, "num_hidden_layers": 60, "num_attention_heads": 128, "num_kv_heads": 8}):
            plan = self.plan_of("--max-batch-size", "4", "-c", "2048", **config)
            streamed = [kernel for kernel in plan["kernels"] if kernel["template"] == "linear_stream"]
            self.assertEqual(len([k for k in plan["kernels"] if k["template"] == "linear_small"]), 0)
            self.assertGreaterEqual(len(streamed), 6)
            for kernel in streamed:
                tiles, balance = kernel["split"]["count"], kernel["split"]["balance"]
                for multiprocessors, part in balance.items():
                    self.assertTrue(0.97 <= part <= 1, kernel)
                    if kernel["tunables"]["split"]:  # cut anywhere: to the tile
                        blocks = int(multiprocessors)
                        self.assertAlmostEqual(part, tiles / blocks / -(-tiles // blocks), places=9)
                weights = kernel["bytes"] / 1024  # activations and caches come on top
                self.assertTrue(0.95 * weights <= tiles <= weights, kernel)

    def starts(self, report):
        """When the launches of each kernel start."""
        return {kernel["name"]: kernel["start"] for kernel in report["kernels"]}

    def check_neighbours(self, report, level):
        """A block of each of two successive launches of a decode step fit a multiprocessor: threads, shared memory, registers."""
        def needs(name):
            kernel = next(kernel for kernel in report["kernels"] if kernel["name"] == name)
            code, = (code for code in kernel["code"] if code["level"] == level)
            threads = int(re.match(r"blocks of (\d+) threads", kernel["split"]["unit"]).group(1)) if "blocks of" in kernel["split"]["unit"] else 256
            registers = -(-code["registers"] // 8) * 8
            self.assertLessEqual(registers * threads, 65536)
            self.assertEqual(code["local_bytes"], 0)
            return threads, kernel.get("shared_bytes", 0) + code["static_shared_bytes"], registers * threads
        pairs = set()
        for entry in report["entries"]:
            if entry["kind"] == "decode":
                names = [launch["kernel"] for group in entry["groups"] for _ in range(min(group["count"], 2)) for launch in group["launches"]]
                pairs |= set(zip(names, names[1:]))
        self.assertGreaterEqual(len(pairs), 3)
        for first, second in pairs:
            together = [a + b for a, b in zip(needs(first), needs(second))]
            for sum_, limit in zip(together, (2048, 227 << 10, 64 << 10)):
                self.assertLessEqual(sum_, limit, (first, second, together))

    def test_launches_overlap(self):
        """7B with two layers, compiled: its launches start early and fit a multiprocessor two by two, by what the cubins say."""
        config = {"model_type": "falcon", "hidden_size": 4544, "num_hidden_layers": 2, "num_attention_heads": 71, "num_kv_heads": 1, "vocab_size": 512,
                  "ffn_hidden_size": 18176, "new_decoder_architecture": False, "multi_query": True, "parallel_attn": True, "bias": False, "alibi": False,
                  "torch_dtype": "bfloat16", "bos_token_id": 1, "eos_token_id": 1}
        model = self.dir / "wide"
        model.mkdir()
        (model / "config.json").write_text(json.dumps(config))
        write_hole(model / "model.safetensors", random_checkpoint.falcon_shapes(config))
        build = ("compile", model, "--target", "cuda", "--cuda-arch", "sm_90a", "-c", 64, "--prefill-buckets", 16,
                 "--max-batch-size", 8, "--compile-to", "binaries", "--no-tokenizer", "--quiet", "-o")
        self.expect(run(*build, self.dir / "early.mlir"), 0)
        report = json.loads(self.expect(run("inspect", self.dir / "early.mlir", "--format", "json"), 0).stdout)
        self.assertEqual({start["early"] for start in self.starts(report).values()}, {True})
        self.check_neighbours(report, "sm_90a")
        for entry in report["entries"]:  # the first follows a copy, or the kernel that brings the tokens
            self.assertEqual(entry["early_launches"], entry["launches"] + (1 if entry["kind"] == "decode" else -1))
        for kernel in report["kernels"]:
            ahead = kernel["start"].get("block_bytes_ahead", 0)
            self.assertEqual(ahead, 64 << 10 if kernel["template"] == "linear_stream" else 0)
        text = self.expect(run("inspect", self.dir / "early.mlir", "--section", "kernels"), 0).stdout
        self.assertIn("early, 64.0 KiB a block ahead", text)
        # Left out, launches follow one another.
        report = json.loads(self.expect(run("plan", model, "--no-tokenizer", "--target", "cuda", "-c", 64, "--disable-pass", "plan-overlap-launches",
                                            "--json"), 0).stdout)
        self.assertEqual({start["early"] for start in self.starts(report).values()}, {False})
        self.assertTrue(all("plan-overlap-launches" in start["reason"] for start in self.starts(report).values()))
        self.assertFalse(any("early_launches" in entry for entry in report["entries"]))

    def test_prompts_fill_their_waves(self):
        """Real shapes: tiles of a prompt's linears keep all multiprocessors busy nine tenths of the time."""
        small = {"hidden_size": 4544, "num_hidden_layers": 32, "num_attention_heads": 71, "num_kv_heads": 1, "new_decoder_architecture": False,
                 "multi_query": True, "parallel_attn": True}
        large = {"hidden_size": 8192, "num_hidden_layers": 60, "num_attention_heads": 128, "num_kv_heads": 8}
        for config, rows in ((small, 512), (small, 2048), (large, 512), (large, 2048)):
            plan = self.plan_of("-c", "2048", "--prefill-buckets", rows, **config)
            tiled = [kernel for kernel in plan["kernels"] if kernel["template"] == "linear_mma" and f"prefill_{rows}" in kernel["entries"]]
            self.assertGreaterEqual(len(tiled), 2)
            for kernel in tiled:
                blocks, splits = kernel["split"]["count"], kernel["tunables"]["splits"]
                for multiprocessors, part in kernel["split"]["balance"].items():
                    self.assertGreaterEqual(part, 0.9, kernel)
                    most = -(-blocks // int(multiprocessors))
                    self.assertAlmostEqual(part, blocks / (most * int(multiprocessors)), places=9)
                if splits > 1:  # what they share is planned
                    need = {c["class"]: c.get("bytes", 0) for c in plan["memory"]["classes"]}
                    self.assertGreaterEqual(need["workspace"], blocks * 64 * kernel["tunables"]["tile_columns"] * 4)

    def test_tiles_are_padded_in_the_plan(self):
        """16 rows, 32 columns, 64 bytes from weight to weight; vectors and the rotary table are float32."""
        plan = self.plan_of("-c", "64", hidden_size=80, num_hidden_layers=1, num_attention_heads=2, num_kv_heads=1, ffn_hidden_size=33,
                            vocab_size=101)
        def aligned(count, unit):
            return -(-count // unit) * unit
        matrices = [(160, 80), (80, 80), (33, 80), (80, 33), (101, 80)]
        tiles = sum(aligned(rows, 16) * aligned(columns, 32) * 2 for rows, columns in matrices)
        floats = [80] * 6 + [64 * 40]  # three norms, cosines and sines
        weights = next(c["bytes"] for c in plan["memory"]["classes"] if c["class"] == "weights")
        self.assertEqual(weights, aligned(tiles + sum(aligned(4 * count, 64) for count in floats), 1))

    def test_bench_measures_the_gpu(self):
        program = self.dir / "m"
        self.expect(run("compile", self.checkpoint("rand-yarn", copy=False), "-o", program, "--quiet", "--target", "cuda", "-c", 32,
                        "--prefill-buckets", 8, "--no-tokenizer", "--cuda-arch", "sm_80,ptx", "--max-batch-size", 2), 0)
        info = subprocess.run([program, "info"], capture_output=True, text=True, check=True).stdout
        self.assertRegex(info, r"gpu levels +sm_80.ptx \(compute capability 8.0 or newer\)\n +sm_80 \(compute capability 8.0 or newer of its series\)")
        self.assertNotIn("a thread", info)
        forced = subprocess.run([program, "run", "--prompt-ids", "1", "-n", "1", "--cpu-level", "sm_80"], capture_output=True, text=True,
                                env=dict(os.environ, STOOP_VGPU_ARCH="90"))
        self.assertEqual(forced.returncode, 3)
        self.assertIn("level 'sm_80' does not run on 'Stoop virtual GPU sm_90' of compute capability 9.0", forced.stderr)
        result = subprocess.run([program, "bench", "-p", "8", "-n", "1,3", "-b", "1,2", "-r", "1", "-o", "json"], capture_output=True, text=True)
        self.assertEqual((result.returncode, [line for line in result.stderr.splitlines() if "vgpu" in line]), (0, []), result.stderr)
        rows = json.loads(result.stdout)
        self.assertEqual([(row["n_prompt"], row["n_gen"], row["batch"]) for row in rows], [(8, 0, 1), (0, 1, 1), (0, 1, 2), (0, 3, 1), (0, 3, 2)])
        for row in rows:
            self.assertTrue(row["mean"] > 0 and row["read_bandwidth_gb_s"] > 0 and row["in_cache"], row)  # of 40 MiB

    def test_shapes_that_no_kernel_holds(self):
        """What cannot be launched is refused: the op by its path, what it needs, the limit, and what builds the model."""
        config = {"model_type": "falcon", "architectures": ["FalconForCausalLM"], "vocab_size": 16, "hidden_size": 1024,
                  "num_hidden_layers": 1, "num_attention_heads": 1, "num_kv_heads": 1, "ffn_hidden_size": 16,
                  "layer_norm_epsilon": 1e-5, "alibi": False, "new_decoder_architecture": False, "multi_query": True,
                  "parallel_attn": True, "bias": False, "max_position_embeddings": 64, "activation": "gelu",
                  "tie_word_embeddings": True, "bos_token_id": 1, "eos_token_id": 1, "torch_dtype": "bfloat16"}
        model = self.dir / "wide"
        model.mkdir()
        (model / "config.json").write_text(json.dumps(config))
        random_checkpoint.write_tensors(str(model), {name: np.zeros(shape, np.float32) for name, shape
                                                     in random_checkpoint.falcon_shapes(config)}, ["BF16"])
        build = ("compile", model, "-o", self.dir / "m", "--quiet", "--no-tokenizer", "-c", 16, "--prefill-buckets", 16)
        message = self.expect(run(*build, "--target", "cuda", "--cuda-arch", "sm_80"), 1).stderr
        for words in ("layers.0.attn.core", "attention_flash", "bytes of shared memory", "sm_80 has 166912", "--target cpu"):
            self.assertIn(words, message)
        # The plan is refused for the same reason.
        for command in (("plan", model, *build[5:]), ("compile", model, "--dry-run", *build[5:])):
            self.assertIn(message.strip(), self.expect(run(*command, "--target", "cuda", "--cuda-arch", "sm_80"), 1).stderr)
        self.expect(run(*build, "--target", "cpu"), 0)
        message = self.expect(run(*build, "--target", "cuda", "--cuda-arch", "sm_70"), 2).stderr
        for words in ("sm_70", "sm_80", "sm_90a", "sm_120", "ptx"):
            self.assertIn(words, message)
        message = self.expect(run(*build, "--target", "cuda", "--cuda-arch", "ptx"), 2).stderr
        self.assertIn("sm_80,ptx", message)

    def test_ptx_is_for_later_gpus(self):
        """PTX of the oldest architecture named, never with features of one generation; other forms by their own names."""
        for asked, levels in (("sm_80,sm_90a,ptx", ["sm_80.ptx", "sm_80", "sm_90a"]), ("ptx,sm_90a", ["sm_90.ptx", "sm_90a"]),
                              ("sm_120,sm_86,ptx", ["sm_86.ptx", "sm_86", "sm_120"]), ("sm_80,sm_90a.ptx", ["sm_90a.ptx", "sm_80"])):
            plan = self.plan_of("-c", "64", "--cuda-arch", asked, hidden_size=64, num_hidden_layers=1, num_attention_heads=2, num_kv_heads=1)
            self.assertEqual(plan["needs"]["driver"]["architectures"], levels)

    def test_targets_name_the_gpu(self):
        for capability, runs in (("80", {"sm_80"}), ("89", {"sm_80", "sm_86", "sm_89"}), ("90", {"sm_90", "sm_90a"})):
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
