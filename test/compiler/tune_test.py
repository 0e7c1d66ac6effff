"""stoop tune and --tuning-db: what is measured is used, what does not hold here is said."""
import json
import os
import re
import shutil
from unittest import mock

import stoop_cli
from stoop_cli import Case, run


class TuningCase(Case):
    def setUp(self):
        super().setUp()
        self.database = self.dir / "measured here.txtpb"

    def config_alone(self):
        folder = self.dir / "config"
        folder.mkdir()
        shutil.copy(self.checkpoint("rand-f32", copy=False) / "config.json", folder)
        return folder

    def tune(self, *flags):
        return run("tune", self.config_alone(), "--no-tokenizer", "--tuning-db", self.database, "--quiet", *flags)

    def sources(self, *flags):
        """Sources of the schedules of linears in a plan."""
        result = self.expect(run("plan", self.checkpoint("rand-f32", copy=False), "--json", *flags), 0)
        kernels = [k for k in json.loads(result.stdout)["kernels"] if k["template"] == "linear"]
        self.assertTrue(kernels)
        return [k["schedule_source"] for k in kernels], result.stderr


class Tune(TuningCase):
    def test_what_is_measured_is_used(self):
        document = json.loads(self.expect(self.tune("--json", "--time-limit", "20"), 0).stdout)
        self.assertEqual(document["database"], str(self.database))
        self.assertTrue(document["kernels"])
        for kernel in document["kernels"]:
            self.assertGreater(kernel["measured"]["median_ns"], 0, kernel)
            self.assertEqual(kernel["rejected"], 0, kernel)
        text = self.database.read_text()
        self.assertEqual(text.count("record {"), len(document["kernels"]))
        self.assertEqual([p.name for p in self.dir.iterdir() if p.is_file()], [self.database.name])

        tuned, warnings = self.sources("--tuning-db", self.database)
        self.assertIn("tuned", tuned)
        self.assertNotIn("not used", warnings)
        self.assertEqual(set(self.sources("--tuning-db", "none")[0]), {"heuristic"})
        self.assertEqual(set(self.sources()[0]), {"heuristic"})  # the tests' user has no database

        # The program computes the same, and a region that was not measured is said on request.
        model, program = self.checkpoint("rand-f32", copy=False), self.dir / "m"
        result = self.expect(run("compile", model, "-o", program, "--tuning-db", self.database,
                                 "--quiet", "--remarks-filter", "schedule"), 0)
        self.assertIn("source=tuned", result.stderr)
        plain = self.dir / "plain"
        self.expect(run("compile", model, "-o", plain, "--quiet"), 0)
        outputs = [stoop_cli.run_program(p, "run", "--prompt-ids", "1,2,3,4,5,6", "-n", "8", "--temp", "0", "--json")
                   for p in (program, plain)]
        ids = [json.loads(self.expect(output, 0).stdout)["ids"] for output in outputs]
        self.assertEqual(*ids)

        # Measuring again replaces the records and adds none.
        self.expect(run("tune", self.dir / "config", "--no-tokenizer", "--tuning-db", self.database,
                        "--quiet", "--time-limit", "1"), 0)
        self.assertEqual(self.database.read_text().count("record {"), len(document["kernels"]))

    def test_an_ended_run_goes_on(self):
        config = self.config_alone()
        def tune():
            result = self.expect(run("tune", config, "--no-tokenizer", "--tuning-db", self.database, "--json",
                                     "--time-limit", "1"), 0)
            return [(k["template"], k["region"], k["rows"]) for k in json.loads(result.stdout)["kernels"]]
        first = tune()
        # What a run leaves that was ended behind its first kernel.
        records = re.findall(r"^record \{$.*?^\}$\n", self.database.read_text(), re.DOTALL | re.MULTILINE)
        self.assertEqual(len(records), len(first))
        kept = self.database.read_text()
        for record in records[1:]:
            kept = kept.replace(record, "")
        self.database.write_text(kept)
        done = [kernel for kernel in first if f'region: "{kernel[1]}"' in records[0]][0]
        second = tune()
        # Those that were left come first, and all that was ever measured is kept.
        self.assertNotEqual(second[0], done)
        self.assertNotIn(done, second[:len(first) - 1])
        self.assertEqual(self.database.read_text().count("record {"), len({done, *second}))

    def test_refusals(self):
        config = self.config_alone()
        tune = lambda *flags: run("tune", config, "--no-tokenizer", *flags)
        self.expect(tune(), 2, "--tuning-db")
        self.expect(tune("--tuning-db", "none"), 2, "--tuning-db")
        self.expect(tune("--tuning-db", self.database, "--time-limit", "0"), 2, "--time-limit")
        self.expect(tune("--tuning-db", self.database, "--target-cpu", "x86-64-v3,avx512"), 2, "--target-cpu")
        self.expect(tune("--tuning-db", "/proc/none/here.txtpb"), 1, "/proc/none/here.txtpb")
        self.expect(tune("--tuning-db", self.dir), 1, str(self.dir))


class Databases(TuningCase):
    """One small real database, damaged in every way that matters."""

    def setUp(self):
        super().setUp()
        self.expect(self.tune("--time-limit", "1"), 0)
        self.text = self.database.read_text()

    def plan(self, text, *flags):
        self.database.write_text(text)
        return run("plan", self.checkpoint("rand-f32", copy=False), "--tuning-db", self.database, *flags)

    def replaced(self, pattern, by):
        text, count = re.subn(pattern, by, self.text)
        self.assertGreater(count, 0, pattern)
        return text

    def test_of_another_machine_or_version(self):
        for pattern, by, why in (('device: ".*"', 'device: "abacus"', "it was measured on abacus"),
                                 ('level: ".*"', 'level: "abacus"', "at CPU level abacus"),
                                 ("processors: .*", "processors: 999", "with 999 processors"),
                                 ('library: ".*"', 'library: "0"', "other kernels than this version's"),
                                 ("(?s)record .*", "", "it has no measurements")):
            with self.subTest(why):
                result = self.plan(self.replaced(pattern, by))
                self.expect(result, 0, "warning: tuning database", str(self.database), "is not used", why)

    def test_damaged(self):
        for text, why in ((self.text[:-40], "is damaged: line"), ("\0" + self.text, "is damaged"),
                          (self.replaced("schema_version: 1", "schema_version: 7"), "schema_version 7"),
                          (self.replaced('template: "linear"', 'template: "abacus"'), "no such template"),
                          (self.replaced("value: .*", "value: -3"), "expects tunable"),
                          (self.replaced('name: "prefetch"', 'name: "colour"'), "expects tunable 'prefetch'")):
            with self.subTest(why):
                self.expect(self.plan(text), 1, f"tuning database '{self.database}'", why)

    def test_where_it_cannot_count(self):
        self.expect(self.plan(self.text, "--target-cpu", "x86-64-v3,avx512"), 0, "several CPU levels")
        self.expect(self.plan(self.text, "--target", "cuda", "--cuda-arch", "sm_80"), 0, "is not used", "it has no measurements")
        self.expect(self.plan(self.text, "--tuning-device", "abacus"), 2, "--tuning-device", "--target cuda")
        self.expect(run("plan", self.checkpoint("rand-f32", copy=False), "--tuning-db", self.dir / "none.txtpb"), 1,
                    "none.txtpb")
        scheduled = self.dir / "s.mlir"
        self.expect(run("compile", self.checkpoint("rand-f32", copy=False), "--compile-to", "scheduled", "-o", scheduled), 0)
        self.database.write_text(self.text)
        self.expect(run("compile", scheduled, "--compile-from", "scheduled", "--tuning-db", self.database), 2, "--tuning-db")


class Gpu(TuningCase):
    """On the virtual GPU, whose clock counts instructions."""
    shapes = ("--target", "cuda", "--dtype", "f32", "-c", 64, "--prefill-buckets", 16)

    def plan(self, *flags):
        return run("plan", self.checkpoint("rand-f32", copy=False), "--json", *self.shapes, *flags)

    def sources(self, *flags):
        """Templates with a tuned schedule, and warnings."""
        result = self.expect(self.plan(*flags), 0)
        return {kernel["template"] for kernel in json.loads(result.stdout)["kernels"]
                if kernel["schedule_source"] == "tuned"}, result.stderr

    def test_what_is_measured_is_used(self):
        result = self.expect(self.tune(*self.shapes, "--json", "--time-limit", 25), 0)
        document = json.loads(result.stdout)
        self.assertEqual((document["level"], document["device"]), ("sm_80", "stoop-virtual-gpu-sm-80"))
        kernels = document["kernels"]
        self.assertIn("attention_flash", {kernel["template"] for kernel in kernels})
        for kernel in kernels:
            self.assertGreater(kernel["measured"]["median_ns"], 0, kernel)
            self.assertLessEqual(kernel["measured"]["median_ns"], kernel["heuristic"]["median_ns"], kernel)
            # Whole steps were timed, and all that was not is accounted for.
            self.assertGreater(kernel["launches"], 0, kernel)
            self.assertFalse(kernel["predicted"], kernel)
            self.assertEqual(sum(kernel["rejected_by_reason"].values()), kernel["rejected"], kernel)
            self.assertGreater(kernel["candidates"], kernel["rejected"], kernel)
        text = self.database.read_text()
        # Tiles that cannot hold what the region reduces are not even compiled; nothing gives wrong results.
        self.assertIn("reason: NOT_LEGAL", text)
        self.assertNotIn("WRONG_RESULT", text)
        self.assertNotIn("LAUNCH_FAILED", text)

        tuned, warnings = self.sources("--tuning-db", self.database, "--cuda-arch", "sm_80,ptx")
        self.assertEqual(tuned, {kernel["template"] for kernel in kernels})
        self.assertNotIn("warning: tuning", warnings)
        # Of each kernel the report says by how much.
        planned = json.loads(self.plan("--tuning-db", self.database, "--cuda-arch", "sm_80,ptx").stdout)
        found = {(kernel["template"], kernel["rows"], kernel["measured"]["median_ns"]) for kernel in kernels}
        for kernel in planned["kernels"]:
            evidence = kernel.get("schedule_evidence")
            self.assertEqual(evidence is not None, kernel["schedule_source"] == "tuned", kernel)
            if evidence:
                self.assertIn((kernel["template"], evidence["rows"], evidence["chosen_ns"]), found)
                self.assertAlmostEqual(evidence["gain"], 1 - evidence["chosen_ns"] / evidence["heuristic_ns"])
        text_report = run("inspect", self.checkpoint("rand-f32", copy=False), *self.shapes, "--cuda-arch", "sm_80,ptx", "--tuning-db",
                          self.database, "--section", "kernels").stdout
        self.assertRegex(text_report, r"\(tuned, (\d+\.\d % of a step less|as the heuristic)\)")
        programs = self.dir / "tuned", self.dir / "plain"
        ids = []
        for program, database in zip(programs, (self.database, "none")):
            self.expect(run("compile", self.checkpoint("rand-f32", copy=False), "-o", program, "--quiet", *self.shapes,
                            "--cuda-arch", "sm_80,ptx", "--tuning-db", database), 0)
            output = stoop_cli.run_program(program, "run", "--prompt-ids", "1,2,3,4,5,6", "-n", 6, "--temp", 0, "--json")
            ids.append(json.loads(self.expect(output, 0).stdout)["ids"])
        self.assertEqual(*ids)
        self.expect(stoop_cli.run_program(programs[0], "run", "--prompt-ids", "1", "-n", 1, "-t", 2), 2, "-t", "GPU")

        # The choice is the GPU's alone, so measuring again gives the same.
        again = self.dir / "again.txtpb"
        repeated = run("tune", self.dir / "config", "--no-tokenizer", "--quiet", "--json", *self.shapes, "--tuning-db", again,
                       "--time-limit", 5)
        chosen = {(kernel["region"], kernel["rows"]): kernel["tunables"] for kernel in kernels}
        for kernel in json.loads(self.expect(repeated, 0).stdout)["kernels"]:
            self.assertEqual(kernel["tunables"], chosen.get((kernel["region"], kernel["rows"]), kernel["tunables"]))

        # Another machine compiles for the GPU that was measured, unless there are several.
        with mock.patch.dict(os.environ, {"STOOP_CUDA_DRIVER": "/none/libcuda.so.1"}):
            tuned, _ = self.sources("--tuning-db", self.database, "--cuda-arch", "sm_80")
            self.assertTrue(tuned)
            other = text + text[text.index("record {"):].replace("stoop-virtual-gpu-sm-80", "abacus")
            self.database.write_text(other)
            _, warnings = self.sources("--tuning-db", self.database, "--cuda-arch", "sm_80")
            for word in ("is not used", "abacus", "stoop-virtual-gpu-sm-80", "--tuning-device"):
                self.assertIn(word, warnings)
            tuned, _ = self.sources("--tuning-db", self.database, "--cuda-arch", "sm_80", "--tuning-device", "abacus")
            self.assertTrue(tuned)
            tuned, warnings = self.sources("--tuning-db", self.database, "--cuda-arch", "sm_80", "--tuning-device", "slide-rule")
            self.assertFalse(tuned)
            self.assertIn("this is slide-rule", warnings)
        for architectures, why in (("sm_80,sm_90a", "several architectures"), ("sm_90a", "not used")):
            tuned, warnings = self.sources("--tuning-db", self.database, "--cuda-arch", architectures)
            self.assertFalse(tuned)
            self.assertIn(why, warnings)

    def test_a_prompt_s_schedule_is_not_a_batch_s(self):
        """Rows of a prompt share a sequence and may share a block; those of a batch have a sequence each."""
        def rows_of_blocks(row_tile):
            found = re.subn(r'(name: "row_tile"\s+value: )\d+', rf"\g<1>{row_tile}", text)
            self.assertGreater(found[1], 0)
            self.database.write_text(found[0])
            kernels = json.loads(self.expect(self.plan("--tuning-db", self.database, "--cuda-arch", "sm_80", "--max-batch-size", 8), 0).stdout)["kernels"]
            return {tuple(kernel["entries"]): kernel["tunables"]["row_tile"] for kernel in kernels
                    if kernel["template"] == "attention_flash"}
        self.expect(self.tune(*self.shapes, "--time-limit", 25), 0)
        text = self.database.read_text()
        tiles = rows_of_blocks(16)
        self.assertIn(16, tiles.values())
        for entries, tile in tiles.items():
            if any(name.startswith("decode") and name != "decode_b1" for name in entries):
                self.assertEqual(tile, 1, tiles)

    def test_refusals(self):
        config = self.config_alone()
        tune = lambda *flags: run("tune", config, "--no-tokenizer", "--target", "cuda", "--tuning-db", self.database, *flags)
        self.expect(tune("--cuda-arch", "sm_80,sm_90a"), 2, "--cuda-arch", "one architecture")
        self.expect(tune("--cuda-arch", "sm_90a"), 3, "sm_90a", "compute capability 8.0", "--cuda-arch")
        self.expect(tune("--cuda-arch", "sm_1"), 2, "--cuda-arch", "sm_1")
        self.expect(tune("--tuning-device", "abacus"), 2, "--tuning-device")
        with mock.patch.dict(os.environ, {"STOOP_CUDA_DRIVER": "/none/libcuda.so.1"}):
            self.expect(tune("--tuning-device", "abacus"), 3, "no CUDA driver", "h200-sxm (sm_90a)")
            self.expect(tune("--cuda-arch", "sm_86"), 3, "no CUDA driver", "a100-sxm-80-gb (sm_80)")
        self.assertFalse(self.database.exists())


class Predicted(TuningCase):
    """Where no GPU is, a model ranks."""
    shapes = ("--target", "cuda", "--dtype", "bf16", "-c", 256, "--prefill-buckets", 64)
    nowhere = {"STOOP_CUDA_DRIVER": "/none/libcuda.so.1"}

    def predict(self, *flags):
        config = self.dir / "config.json"
        config.write_text(json.dumps({"model_type": "falcon", "new_decoder_architecture": True, "vocab_size": 4096, "hidden_size": 1024,
                                      "num_hidden_layers": 2, "num_attention_heads": 16, "num_kv_heads": 2, "torch_dtype": "bfloat16",
                                      "bias": False, "alibi": False}))
        with mock.patch.dict(os.environ, self.nowhere):
            return run("tune", config, *self.shapes, "--tuning-db", self.database, *flags)

    def kernels(self, *flags):
        result = self.expect(run("plan", self.dir / "config.json", *self.shapes, "--json", "--tuning-db", self.database, *flags), 0)
        return json.loads(result.stdout)["kernels"], result.stderr

    def test_a_model_ranks_where_no_gpu_is(self):
        result = self.expect(self.predict("--json", "--cuda-arch", "sm_80", "--time-limit", 8), 0, "ranked by a model", "a100-sxm-80-gb")
        document = json.loads(result.stdout)
        self.assertEqual((document["level"], document["device"]), ("sm_80", "a100-sxm-80-gb"))
        self.assertTrue(document["kernels"])
        reasons = {}
        for kernel in document["kernels"]:
            self.assertTrue(kernel["predicted"], kernel)
            self.assertEqual(kernel["measured"]["count"], 0, kernel)
            self.assertLessEqual(kernel["measured"]["median_ns"], kernel["heuristic"]["median_ns"], kernel)
            for reason, count in kernel["rejected_by_reason"].items():
                reasons[reason] = reasons.get(reason, 0) + count
        self.assertLessEqual(set(reasons), {"NOT_LEGAL", "NO_ROOM", "SPILLS"})
        text = self.database.read_text()
        self.assertEqual(text.count("predicted: true"), len(document["kernels"]))

        # compile and plan take it for the architecture, and say what it is.
        kernels, messages = self.kernels("--cuda-arch", "sm_80")
        self.assertIn("predicted", {kernel["schedule_source"] for kernel in kernels})
        self.assertNotIn("tuned", {kernel["schedule_source"] for kernel in kernels})
        shown = run("inspect", self.dir / "config.json", *self.shapes, "--cuda-arch", "sm_80", "--tuning-db", self.database, "--section",
                    "kernels")
        self.assertRegex(self.expect(shown, 0).stdout, r"\(predicted, (\d+\.\d % less|as the heuristic)\)")
        self.assertEqual({kernel["schedule_source"] for kernel in self.kernels("--cuda-arch", "sm_90a")[0]}, {"heuristic"})
        # What was measured goes first, whatever the file's order: here the same records, as of a GPU.
        records = text[text.index("record {"):].replace("a100-sxm-80-gb", "abacus").replace("  predicted: true\n", "")
        self.database.write_text(text + records)
        kernels, messages = self.kernels("--cuda-arch", "sm_80", "--tuning-device", "abacus")
        self.assertIn("tuned", {kernel["schedule_source"] for kernel in kernels})
        self.assertNotIn("predicted", {kernel["schedule_source"] for kernel in kernels})


if __name__ == "__main__":
    stoop_cli.main()
