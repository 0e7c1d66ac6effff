"""The memory contract: what the plan lists is what the program takes, budgets hold, weights are not needed to plan."""
import json
import os
import pathlib
import random
import re
import shutil
import subprocess
from unittest import mock

import stoop_cli
from stoop_cli import Case, edit_json, run, run_program

SLACK = 8 << 20
PAGE = 2 << 20  # of a GPU's memory
BYTES = {"f32": 4, "bf16": 2, "f16": 2}


def classes(report):
    return {entry["class"]: entry.get("bytes", entry.get("bytes_per_thread")) for entry in report["memory"]["classes"]}


class MemoryCase(Case):
    def plan(self, checkpoint, *flags):
        return json.loads(self.expect(run("plan", checkpoint, "--json", *flags), 0).stdout)

    def config_alone(self, name="rand-f32", **changes):
        """A folder with nothing but a checkpoint's config.json."""
        folder = self.dir / f"{name}-config"
        folder.mkdir(exist_ok=True)
        shutil.copy(self.checkpoint(name, copy=False) / "config.json", folder)
        edit_json(folder / "config.json", **changes)
        return folder


class Contract(MemoryCase):
    def test_the_program_takes_what_the_plan_lists(self):
        model, program = self.checkpoint("rand-11b", copy=False), self.dir / "m"
        self.expect(run("compile", model, "-o", program, "--quiet"), 0)
        report = json.loads(self.expect(run_program(program, "info", "--json"), 0).stdout)
        planned, listed = classes(self.plan(model)), classes(report)
        self.assertGreater(listed["code"], 100_000)
        self.assertIsNone(planned["code"])
        self.assertEqual({**planned, "code": listed["code"]}, listed)
        context = report["model"]["max_positions"]
        ids = self.dir / "ids"
        ids.write_text(",".join(str(random.Random(3).randrange(300)) for _ in range(context - 4)))
        for threads in (1, 2, 5):
            result = run_program(program, "run", "--prompt-ids", ids.read_text(), "-n", 4, "--ignore-eos", "-t", threads, "--json")
            memory = json.loads(self.expect(result, 0).stdout)["memory"]
            expected = (listed["kv"] + listed["activations"] + listed["io"] + threads * listed["workspace"]
                        + (threads - 1) * listed["stacks"])
            self.assertEqual(memory["planned_bytes"], expected)
            self.assertEqual(memory["allocated_bytes"], expected)
            # Every token of the context was used, so what was taken is also resident.
            self.assertLess(abs(memory["peak_rss_bytes"] - listed["weights"] - expected), SLACK, memory)

    def test_attention_reads_what_its_sequences_have_in_the_cache(self):
        """A decode step of N sequences N caches, a prompt's chunk one, and causal rows see what is before them."""
        context, batch, heads, head_dim, layers = 64, 8, 5, 32, 2  # of rand-f32, which has one KV head
        flags = ("--dtype", "f32", "-c", context, "--max-batch-size", batch, "--prefill-buckets", "8,48")
        report = self.plan(self.checkpoint(copy=False), *flags)
        single = self.plan(self.checkpoint(copy=False), *flags[:4], "--prefill-buckets", "8,48")
        kernels = {}
        for kernel in report["kernels"]:
            if kernel["ops"] == ["lm.attention"]:
                kernels.update((name, kernel) for name in kernel["entries"])
        self.assertIs(kernels["decode_b8"], kernels["prefill_8"])  # so the kernel's cost is the prompt's
        for name, rows, sequences in (("decode_b1", 1, 1), ("decode_b2", 2, 2), ("decode_b4", 4, 4),
                                      ("prefill_8", 8, 1), ("prefill_48", 48, 1)):
            with self.subTest(entry=name):
                cache = sequences * 2 * context * head_dim * 4
                indices = 2 * rows * 4  # positions and slots
                seen = rows * context if sequences == rows else sum(range(context - rows + 1, context + 1))
                self.assertEqual(kernels[name]["bytes"], cache + 2 * rows * heads * head_dim * 4 + indices)
                self.assertEqual(kernels[name]["flops"], 4 * heads * head_dim * seen)
        entries, alone = ({entry["name"]: entry for entry in of["entries"]} for of in (report, single))
        for name in alone:  # whatever else has room in the cache
            self.assertEqual(entries[name]["bytes"], alone[name]["bytes"], name)
            self.assertEqual(entries[name]["flops"], alone[name]["flops"], name)
        more = entries["decode_b8"]["flops"] - entries["decode_b4"]["flops"]
        self.assertEqual(more, 4 * alone["decode_b1"]["flops"])

    def test_cache_bytes_are_those_of_the_formula(self):
        for name in ("rand-11b", "rand-rw1b", "rand-40b"):
            for dtype, context, batch in (("f32", 128, 1), ("bf16", 1984, 3), ("f16", 64, 7)):
                report = self.plan(self.config_alone(name), "--dtype", dtype, "-c", context, "--max-batch-size", batch)
                model = report["model"]
                kv = 2 * model["layers"] * model["kv_heads"] * model["head_dim"] * context * BYTES[dtype] * batch
                self.assertEqual(classes(report)["kv"], kv, (name, dtype, context, batch))
                self.assertEqual(report["memory"]["kv_bytes_per_token"] * context * batch, kv)

    def test_one_key_value_head_takes_a_64th(self):
        shape = dict(hidden_size=2048, num_attention_heads=64, new_decoder_architecture=False, num_kv_heads=None,
                     alibi=False, parallel_attn=True, num_ln_in_parallel_attn=None, bias=False)
        single = self.plan(self.config_alone("rand-7b-legacy", multi_query=True, n_head_kv=None, n_head=None, n_embed=None, **shape))
        many = self.plan(self.config_alone("rand-7b-legacy", multi_query=False, n_head_kv=None, n_head=None, n_embed=None, **shape))
        self.assertEqual((single["model"]["heads"], single["model"]["kv_heads"], many["model"]["kv_heads"]), (64, 1, 64))
        self.assertEqual(classes(many)["kv"], 64 * classes(single)["kv"])

    def test_peaks_are_near_the_lower_bound(self):
        root = stoop_cli.SOURCE / "test" / "checkpoints"
        for folder in sorted(path.parent for path in root.glob("*/config.json")):
            report = self.plan(folder, "--no-tokenizer")
            packed = [entry for entry in report["memory"]["maps"] if "solver" in entry]
            self.assertEqual({(entry["entry"], entry["arena"]) for entry in packed},
                             {(entry["name"], arena) for entry in report["entries"] for arena in ("act", "io")})
            for entry in packed:
                name = (folder.name, entry["entry"], entry["arena"])
                peaks = {attempt["solver"]: attempt["peak_bytes"] for attempt in entry["solvers"]}
                self.assertEqual(list(peaks), ["first-fit", "best-fit", "search"], name)
                self.assertEqual(entry["peak_bytes"], min(peaks.values()), name)
                self.assertEqual(entry["peak_bytes"], peaks[entry["solver"]], name)
                self.assertLessEqual(entry["peak_bytes"], 1.02 * entry["lower_bound_bytes"], name)


class Budget(MemoryCase):
    def setUp(self):
        super().setUp()
        self.model = self.checkpoint("rand-11b", copy=False)

    def refusal(self, *flags, model=None):
        result = self.expect(run("plan", model or self.model, *flags), 3, "--memory-budget")
        self.assertEqual((result.stdout, result.stderr.count("stoop: error:")), ("", 1), result.stderr)
        return result.stderr

    def test_refusals_say_what_is_missing_and_what_fits(self):
        flags = ("--memory-budget", "18MiB", "--max-threads", 2)
        text = self.refusal(*flags)
        for name in ("weights", "code", "stacks", "workspace", "io", "activations"):
            self.assertRegex(text, rf"\n  {name} +[0-9.]+ \w+\n")
        self.assertRegex(text, r"\n  kv +12.00 MiB +9\.[0-9]+ MiB short\n")
        context = int(re.search(r"what fits: --max-seq-len (\d+)\n", text)[1])
        need = self.plan(self.model, *flags, "-c", context)["memory"]["need"]
        self.assertLessEqual(need["bytes"], 18 << 20)
        self.assertEqual((need["budget_bytes"], need["threads"]), (18 << 20, 2))
        self.refusal(*flags, "-c", context + 1)

    def test_refusals_name_the_largest_batch(self):
        flags = ("--memory-budget", "20MiB", "--max-threads", 2, "-c", 1024)
        batch = int(re.search(r"--max-batch-size (\d+) with context 1024\n", self.refusal(*flags, "--max-batch-size", 9))[1])
        self.plan(self.model, *flags, "--max-batch-size", batch)
        self.refusal(*flags, "--max-batch-size", batch + 1)

    def test_the_fitted_context_is_maximal(self):
        flags = ("--memory-budget", "17MB", "--max-threads", 3, "--dtype", "f32")
        result = self.expect(run("compile", self.model, "-o", self.dir / "m", *flags, "--max-seq-len", "fit"), 0, "tokens fits 16.21 MiB")
        report = json.loads(self.expect(run_program(self.dir / "m", "info", "--json"), 0).stdout)
        context = report["model"]["max_positions"]
        self.assertIn(f"context of {context} tokens", result.stderr)
        # One more token would not fit, to the byte; a budget of what is taken fits exactly.
        listed = classes(report)
        need = sum(listed[name] for name in ("weights", "code", "kv", "activations", "io"))
        need += 3 * listed["workspace"] + 2 * listed["stacks"]
        self.assertLessEqual(need, 17_000_000)
        for budget, tokens, code in ((17_000_000, context, 0), (17_000_000, context + 1, 3), (need, context, 0), (need - 1, context, 3)):
            exact = ("--memory-budget", budget, *flags[2:], "-c", tokens)
            text = self.expect(run("compile", self.model, "-o", self.dir / "n", *exact, "--quiet"), code).stderr
            if budget == 17_000_000 and code:
                self.assertIn(f"what fits: --max-seq-len {context}\n", text)
        # A plan alone keeps a reserve for the code, which is not much too large.
        planned = self.plan(self.model, *flags[2:], "-c", context)
        surplus = planned["memory"]["need"]["code_reserve_bytes"] - listed["code"]
        self.assertTrue(0 <= surplus <= 384 << 10, surplus)
        if surplus:
            self.refusal(*flags, "-c", context)
        # The budget counts three threads, so more are refused.
        run_three = run_program(self.dir / "m", "run", "--prompt-ids", "1", "-n", 1, "-t", 3, "--json")
        taken = json.loads(self.expect(run_three, 0).stdout)["memory"]["allocated_bytes"]
        self.assertLessEqual(taken + listed["weights"] + listed["code"], 17_000_000)
        self.expect(run_program(self.dir / "m", "run", "--prompt-ids", "1", "-n", 1, "-t", 4), 2, "at most 3")

    def test_fit_ends_at_the_config_s_context(self):
        whole = self.plan(self.model, "--max-threads", 2)["memory"]["need"]["bytes"]
        for budget, holds in (("1GiB", True), (whole, True), (whole - 1, False)):
            flags = ("--memory-budget", budget, "--max-threads", 2)
            result = self.expect(run("plan", self.model, "--json", *flags, "--max-seq-len", "fit"), 0, "tokens")
            context = json.loads(result.stdout)["model"]["max_positions"]
            self.assertEqual((context == 8192, ", the config's, fits" in result.stderr), (holds, holds), (budget, context))
            if not holds:
                self.refusal(*flags, "-c", context + 1)

    def test_linked_code_that_does_not_fit(self):
        """With a runtime that is 8 MiB larger, the code takes more than its reserve."""
        for folder in ("bin", "lib/stoop"):
            (self.dir / folder).mkdir(parents=True)
        compiler = pathlib.Path(shutil.copy(stoop_cli.STOOP, self.dir / "bin"))
        (self.dir / "pad").write_bytes(bytes(8 << 20))
        runtime = pathlib.Path(stoop_cli.STOOP).parents[1] / "lib" / "stoop" / "stoop_rt.o"
        subprocess.run(["objcopy", "--add-section", f".jcr={self.dir / 'pad'}", "--set-section-flags", ".jcr=alloc,readonly",
                        runtime, self.dir / "lib" / "stoop" / "stoop_rt.o"], check=True)
        need = self.plan(self.model, "--max-threads", 2, "--prefill-buckets", 8)["memory"]["need"]
        budget = need["bytes"] + (4 << 20)
        flags = ("--memory-budget", budget, "--max-threads", 2, "--prefill-buckets", 8, "--quiet", "-o", self.dir / "m")
        text = self.expect(run_program(compiler, "compile", self.model, *flags), 3, "--memory-budget").stderr
        self.assertFalse((self.dir / "m").exists())
        self.assertEqual(text.count("stoop: error:"), 1, text)
        self.assertRegex(text, r"\n  code +(9|10)\.[0-9]+ MiB\n")
        self.assertRegex(text, r"\n  kv +12.00 MiB +[0-9.]+ MiB short\n")
        context = re.search(r"what fits: --max-seq-len (\d+)\n", text)[1]
        self.expect(run_program(compiler, "compile", self.model, *flags, "-c", context), 0)
        listed = classes(json.loads(run("inspect", self.dir / "m", "--json").stdout))
        taken = sum(listed[name] for name in ("weights", "code", "kv", "activations", "io", "stacks")) + 2 * listed["workspace"]
        self.assertTrue(budget - 2 * listed["kv"] / int(context) < taken <= budget, (taken, budget))

    def test_budgets_that_nothing_meets(self):
        for budget in ("0", "1B", "1MiB", "5MB"):
            for context in ((), ("--max-seq-len", "fit")):
                text = self.refusal("--memory-budget", budget, *context)
                self.assertIn("nothing fits", text)
                self.assertRegex(text, r"weights +[57]\.[0-9]+ MiB +[0-9.]+ \w+ short")
        self.expect_refusal(self.model, "nothing fits", code=3, arguments=("--memory-budget", "1MiB", "--quiet"))

    def test_planned_ir_obeys_a_budget_too(self):
        ir = self.dir / "planned.mlir"
        self.expect(run("compile", self.model, "--compile-to", "planned", "-o", ir), 0)
        self.expect(run("compile", ir, "--compile-from", "planned", "-o", self.dir / "m", "--memory-budget", "8MiB"), 3, "short")
        self.assertFalse((self.dir / "m").exists())

    def test_contradictions(self):
        self.expect(run("plan", self.model, "--max-seq-len", "fit"), 2, "--max-seq-len fit", "--memory-budget")
        self.expect(run("evaluate", self.model, "--max-seq-len", "fit", "--prompt-ids", "1"), 2, "--max-seq-len fit")
        self.expect(run("compile", self.model, "--memory-budget", "lots"), 2, "--memory-budget", "lots")


class OnADevice(MemoryCase):
    """On a GPU too, the plan is what is taken: the virtual driver counts."""
    FLAGS = ("--target", "cuda", "-c", 384, "--prefill-buckets", 32, "--dtype", "f32", "--no-tokenizer")

    def setUp(self):
        super().setUp()
        self.model = self.checkpoint("rand-yarn", copy=False)

    def run_on_gpu(self, program, code=0, **settings):
        environment = {"STOOP_VGPU_ARCH": "80", "STOOP_VGPU_CHECKS": "0", "STOOP_VGPU_PEAK": "1", **settings}
        with mock.patch.dict(os.environ, environment):
            return self.expect(run_program(program, "run", "--prompt-ids", "1,2,3", "-n", 2, "--json", "--ignore-eos"), code)

    def test_the_driver_gives_what_the_plan_lists(self):
        program = self.dir / "m"
        self.expect(run("compile", self.model, "-o", program, "--quiet", *self.FLAGS, "--cuda-arch", "sm_80,ptx"), 0)
        planned = classes(self.plan(self.model, *self.FLAGS))
        listed = classes(json.loads(self.expect(run("inspect", program, "--json"), 0).stdout))
        self.assertEqual({**planned, "code": listed["code"], "modules": listed["modules"]}, listed)
        self.assertGreater(listed["workspace"], 4096)
        self.assertEqual(listed["stacks"], 0)
        # The driver's part is in whole pages; a plan reserves for modules what their cubins are known to keep to later.
        for name in ("modules", "graphs"):
            self.assertTrue(listed[name] > 0 and listed[name] % PAGE == 0, listed)
        self.assertGreaterEqual(planned["modules"], listed["modules"])
        own = sum(listed[name] for name in ("weights", "kv", "activations", "io", "workspace"))
        needed = own + listed["modules"] + listed["graphs"]
        peak = lambda result: int(re.search(r"at most (\d+) bytes were allocated", result.stderr)[1])
        # Nothing is taken where it does not all fit.
        refused = self.run_on_gpu(program, 3, STOOP_VGPU_MEMORY=str(needed - 1))
        self.assertIn(f"needs {needed} bytes of GPU memory", refused.stderr)
        self.assertEqual(peak(refused), 0)
        # The program takes its own part to the byte. Of its part the virtual driver takes the modules' variables alone: it
        # executes PTX, which lies with the host.
        result = self.run_on_gpu(program, STOOP_VGPU_MEMORY=str(needed))
        memory = json.loads(result.stdout)["memory"]
        self.assertEqual((memory["planned_bytes"], memory["allocated_bytes"]), (own - listed["weights"],) * 2)
        variables = memory["driver"]["modules_taken_bytes"]
        self.assertTrue(0 < variables < 4096, variables)
        self.assertEqual(memory["driver"], {"modules_planned_bytes": listed["modules"], "modules_taken_bytes": variables,
                                            "graphs_planned_bytes": listed["graphs"], "graphs_taken_bytes": 0})
        self.assertEqual(peak(result), own + variables)

    def test_drivers_that_take_more_or_less(self):
        """What the driver is expected to take is in the plan, what it took in the result; the virtual one is told how much."""
        program = self.dir / "m"
        self.expect(run("compile", self.model, "-o", program, "--quiet", *self.FLAGS, "--cuda-arch", "sm_80,ptx"), 0)
        listed = classes(json.loads(self.expect(run("inspect", program, "--json"), 0).stdout))
        needed = sum(listed.values()) - listed["code"]
        # A node takes what the plan counts for it: so many nodes have the graphs, and no more.
        result = self.run_on_gpu(program, STOOP_VGPU_MEMORY=str(needed), STOOP_VGPU_GRAPH_NODE_BYTES=str(16 << 10), STOOP_VGPU_MODULE_BYTES="4096")
        taken = json.loads(result.stdout)["memory"]["driver"]
        self.assertEqual(-(-taken["graphs_taken_bytes"] // PAGE) * PAGE, listed["graphs"])
        self.assertTrue(8 * 4096 < taken["modules_taken_bytes"] <= listed["modules"], taken)
        self.assertNotIn("warning", result.stderr)
        # More is noticed before the plan's memory is taken, by the driver's refusal, or, where there is room, by a warning.
        modules = taken["modules_taken_bytes"] // 4096
        greedy = self.run_on_gpu(program, 3, STOOP_VGPU_MEMORY=str(needed), STOOP_VGPU_MODULE_BYTES=str(listed["modules"] // modules + 1))
        self.assertIn(f"needs {needed - listed['modules']} bytes of GPU memory", greedy.stderr)
        self.expect(self.run_on_gpu(program, 3, STOOP_VGPU_MEMORY=str(needed), STOOP_VGPU_GRAPH_NODE_BYTES=str(1 << 20)), 3, "cuGraphUpload")
        result = self.run_on_gpu(program, STOOP_VGPU_GRAPH_NODE_BYTES=str(1 << 20))
        taken = json.loads(result.stdout)["memory"]["driver"]["graphs_taken_bytes"]
        self.assertIn(f"warning: the driver took {taken} bytes of the GPU for its graphs, and {listed['graphs']} were planned", result.stderr)

    def test_equal_inputs_give_equal_programs(self):
        """From wherever, with as many threads, and whether kernels were compiled before or not."""
        flags = (*self.FLAGS, "--cuda-arch", "sm_80", "--quiet")
        self.expect(run("compile", self.model, "-o", self.dir / "a", *flags), 0)
        self.checkpoint("rand-yarn")
        with mock.patch.dict(os.environ, STOOP_CACHE_DIR=""):
            self.expect(run("compile", "rand-yarn", "-o", "b", "-j", 1, *flags, cwd=self.dir), 0)
        self.assertEqual((self.dir / "a").read_bytes(), (self.dir / "b").read_bytes())

    def test_budgets_count_the_workspace_and_no_threads(self):
        report = self.plan(self.model, *self.FLAGS)
        need, listed = report["memory"]["need"], classes(report)
        on_device = need["bytes"]
        self.assertEqual(on_device, sum(bytes for name, bytes in listed.items() if name != "code"))  # the host has the code
        self.plan(self.model, *self.FLAGS, "--memory-budget", on_device)
        text = self.expect(run("plan", self.model, *self.FLAGS, "--memory-budget", on_device - 1), 3, "  workspace ", "  modules ", "  graphs ",
                           "what fits: ").stderr
        self.assertNotIn("threads", text)
        # The headline, the budget and the fitted context are about the same memory.
        headline = rf"rand-yarn needs {on_device / 2 ** 20:.2f} MiB of GPU memory: context 384, batch 1, f32\n"
        self.assertRegex(self.expect(run("plan", self.model, *self.FLAGS), 0).stdout, headline)
        budget = on_device - 100_000
        fitted = self.expect(run("plan", self.model, "--json", *self.FLAGS[:2], *self.FLAGS[4:], "-c", "fit", "--memory-budget", budget), 0)
        report = json.loads(fitted.stdout)
        self.assertTrue(budget - 20_000 < report["memory"]["need"]["bytes"] <= budget, report["memory"]["need"])
        self.expect(run("plan", self.model, *self.FLAGS, "--max-threads", 2), 2, "--max-threads", "--target cpu")


class ConfigAlone(MemoryCase):
    def test_plans_as_if_the_weights_were_there(self):
        for name in ("rand-11b", "rand-40b", "rand-rw1b", "rand-falcon3", "rand-7b-legacy", "tiny-7b"):
            with self.subTest(name=name):
                flags = ("--dtype", "bf16", "--max-batch-size", 2)
                known, assumed = self.plan(self.checkpoint(name, copy=False), *flags), self.plan(self.config_alone(name), *flags)
                for key in ("classes", "arenas", "kv_bytes_per_token", "need"):
                    self.assertEqual(known["memory"][key], assumed["memory"][key])
                self.assertEqual(known["entries"], assumed["entries"])
                self.assertTrue(any("no weights were read" in warning for warning in assumed["warnings"]))

    def test_a_file_is_enough(self):
        folder = self.config_alone()
        result = self.expect(run("plan", folder / "config.json"), 0, "no weights were read")
        self.assertTrue(result.stdout.startswith("rand-f32-config needs "), result.stdout[:200])
        self.assertEqual(self.plan(folder / "config.json")["memory"], self.plan(folder)["memory"])
        self.expect(run("compile", folder, "--dry-run", "--json"), 0)

    def test_layers_scale_to_the_largest_models(self):
        report = self.plan(self.config_alone("rand-180b", hidden_size=14848, num_attention_heads=232, num_kv_heads=8,
                                             num_hidden_layers=80, vocab_size=65024, ffn_hidden_size=None,
                                             max_position_embeddings=2048, bos_token_id=11, eos_token_id=11))
        # 180 billion parameters in two bytes.
        self.assertAlmostEqual(classes(report)["weights"] / 1e9, 357, delta=2)
        self.assertEqual(classes(report)["kv"], 2 * 80 * 8 * 64 * 2048 * 2)

    def test_programs_need_weights(self):
        folder = self.config_alone()
        self.expect_refusal(folder, "model.safetensors", "stoop plan")
        self.expect(run("inspect", folder), 0, "no weights were read")
        self.expect(run("compile", folder / "config.json", "-o", self.dir / "m"), 1, "not a directory")

    def test_the_stored_type_is_the_configs(self):
        report = self.plan(self.config_alone("rand-11b"))
        self.assertIn("torch_dtype", report["ledger"]["config"]["used"])
        wide = self.plan(self.config_alone("rand-f32"))  # of float32, says its config
        self.assertEqual(classes(wide), classes(self.plan(self.checkpoint("rand-f32", copy=False))))
        for key in "torch_dtype", "dtype":
            narrow = self.plan(self.config_alone("rand-f32", **{"torch_dtype": None, "dtype": None, key: "bfloat16"}))
            self.assertIn(key, narrow["ledger"]["config"]["used"])
            self.assertLess(classes(narrow)["weights"], 0.7 * classes(wide)["weights"])
        # With weights it is they that say so.
        known = self.plan(self.checkpoint("rand-11b", copy=False))
        self.assertIn("torch_dtype", [entry["key"] for entry in known["ledger"]["config"]["ignored_by_spec"]])
        self.expect(run("plan", self.config_alone("rand-11b", torch_dtype="float8")), 1, "torch_dtype", "'float8' is none of float32, float16, bfloat16")

    def test_bad_configs(self):
        (self.dir / "broken.json").write_text('{"model_type": "falcon"')
        self.expect(run("plan", self.dir / "broken.json"), 1, "broken.json")
        (self.dir / "empty").mkdir()
        for command in ("plan", "inspect", "compile"):
            self.expect(run(command, self.dir / "empty"), 1, "has no config.json")
        self.expect(run("plan", self.dir / "none.json"), 1, "none.json", "does not exist")
        self.expect(run("plan", self.config_alone(model_type="gpt2", architectures=["GPT2LMHeadModel"])), 1, "gpt2")


if __name__ == "__main__":
    stoop_cli.main()
