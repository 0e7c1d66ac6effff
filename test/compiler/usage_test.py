"""Help, version and usage errors: exit codes and messages of the command line."""
import json
import subprocess

import stoop_cli
from stoop_cli import Case, run


class Usage(Case):
    def test_version_and_help(self):
        result = self.expect(run("--version"), 0)
        self.assertRegex(result.stdout, r"^stoop \d+\.\d+\.\d+\n$")
        result = self.expect(run("--help"), 0)
        for command in ("compile", "plan", "inspect", "diff", "targets", "evaluate"):
            self.assertIn(command, result.stdout)
        for later in ("relink",):
            self.assertNotIn(later, result.stdout)

    def test_help_of_commands(self):
        for words in (("help", "compile"), ("compile", "--help")):
            result = self.expect(run(*words), 0)
            for flag in ("--dtype", "--max-seq-len", "--prefill-buckets", "--compile-to", "--no-tokenizer"):
                self.assertIn(flag, result.stdout)
            for later in ("--window",):
                self.assertNotIn(later, result.stdout)
        self.expect(run("help", "nonsense"), 2, "nonsense")

    def test_nothing_to_do_is_a_usage_error(self):
        result = self.expect(run(), 2, "compile")
        self.assertEqual(result.stdout, "")

    def test_commands_of_later_versions_are_refused(self):
        for command in ("relink",):
            self.expect(run(command, "x"), 2, command, "not part of this version")

    def test_errors_name_the_flag(self):
        checkpoint = self.checkpoint(copy=False)
        for words, fragments in (
                ((), ("CHECKPOINT",)),
                (("--no-such-flag",), ("--no-such-flag",)),
                (("--no_such_flag=3",), ("--no-such-flag",)),
                (("--quantization", "fp8"), ("--quantization fp8", "--target cuda")),
                (("--quantization-override", "layers.*=fp8"), ("--quantization fp8", "--target cuda")),
                (("--quantization", "int8", "--target", "cuda"), ("--quantization", "--target cuda", "are f32", "--dtype bf16")),
                (("--quantization-override", "layers.*"), ("--quantization-override", "PATTERN=SCHEME")),
                (("--activation-dtype", "int8"), ("--activation-dtype", "auto, f32, bf16, f16")),
                (("--activation-dtype", "f32"), ("--activation-dtype f32", "--quantization is none")),
                (("--activation-dtype", "bf16", "--quantization", "int8"), ("--activation-dtype bf16", "are f32", "--dtype")),
                (("--activation-dtype", "f32", "--target", "cuda"), ("--activation-dtype", "--target cuda")),
                (("--window=128",), ("--window", "not supported")),
                (("--memory-budget", "8GiBs"), ("--memory-budget", "8GiBs")),
                (("--max-seq-len", "fit"), ("--max-seq-len fit", "--memory-budget")),
                (("--max-seq-len", "16777217"), ("--max-seq-len", "16777216")),
                (("--kv_cache_dtype=fp8",), ("--kv-cache-dtype", "not supported")),
                (("--cuda-arch=sm_80",), ("--cuda-arch", "--target cuda")),
                (("--target", "cuda", "--cuda-arch", "sm_12"), ("--cuda-arch", "sm_12", "sm_90a")),
                (("--target", "cuda", "--target-cpu", "x86-64-v3"), ("--target-cpu", "--target cpu")),
                (("--verify-numerics",), ("--verify-numerics", "not supported")),
                (("--target", "reference"), ("stoop evaluate",)),
                (("--target", "abacus"), ("abacus",)),
                (("--target-cpu", "z80"), ("z80",)),
                (("--dtype", "int3"), ("--dtype",)),
                (("--compile-to", "half"), ("half", "scheduled")),
                (("--compile-from", "executable"), ("executable",)),
                (("--disable-pass", "no-such-pass"), ("no-such-pass", "nearest")),
                (("--disable-pass", "lm-fuse-epilog"), ("lm-fuse-epilog'", "nearest: lm-fuse-epilogue")),
                (("--disable-pass", "plan-verify-planned"), ("plan-verify-planned", "gate")),
                (("--disable-pass", "plan-verify-binaries"), ("plan-verify-binaries", "gate")),
                (("--disable-pass", "plan-emit-binary"), ("plan-emit-binary'", "nearest: plan-emit-binaries")),
                (("--disable-pass", ""), ("pass ''", "nearest")),
                (("--target", "cuda", "--disable-pass", "plan-set-geometry"), ("plan-set-geometry", "--target cuda needs")),
                (("--remarks-filter", "("), ("--remarks-filter", "regular expression")),
                (("--dry-run", "--compile-to", "graph"), ("--dry-run", "--compile-to")),
                (("--json", "--compile-to", "graph"), ("--json", "--compile-to")),
                (("--weights", "."), ("--weights", "--compile-from")),
                (("--compile-from", "planned", "--compile-to", "graph"), ("--compile-to graph", "--compile-from planned")),
                (("--compile-from", "planned", "--dtype", "bf16"), ("--dtype", "phase planned", "phase import has decided it")),
                (("--compile-from", "graph", "--prefill-buckets", "8"), ("--prefill-buckets", "phase graph has decided it")),
                (("--compile-from", "fused", "--disable-pass", "lm-fuse-epilogue"), ("lm-fuse-epilogue", "belongs to phase fused", "IR is behind")),
                (("--compile-to", "graph", "--disable-pass", "lm-fuse-epilogue"), ("lm-fuse-epilogue", "belongs to phase fused", "--compile-to")),
                (("--disable-pass", "plan-assign-offsets"), ("plan-assign-offsets", "every program needs")),
                (("--disable-pass", "lm-form-fused-regions"), ("lm-form-fused-regions", "every program needs")),
                (("--disable-pass", "lm-select-schedule"), ("lm-select-schedule", "every program needs")),
                (("--disable-pass", "plan-pack-weights"), ("plan-pack-weights", "every program needs")),
                (("--disable-pass", "plan-layout-kv-cache"), ("plan-layout-kv-cache", "every program needs")),
                (("--max-threads", "257"), ("--max-threads", "1 to 256"))):
            with self.subTest(words=words):
                given = (checkpoint, "-o", self.dir / "never") if words else ()
                result = self.expect(run("compile", *given, *words), 2, *fragments)
                self.assertEqual(result.stdout, "")
                self.assertFalse((self.dir / "never").exists())

    def test_phases_to_start_from_are_named_alone(self):
        result = self.expect(run("compile", "x", "--compile-from", "executable"), 2, "import graph", "binaries")
        self.assertNotIn("binaries executable", result.stderr)

    def test_full_output_is_an_error_with_a_message(self):
        with open("/dev/full", "wb") as full:
            for words in (("targets",), ("targets", "--json"), ("--help",)):
                result = subprocess.run([stoop_cli.STOOP, *words], stdout=full, stderr=subprocess.PIPE, text=True)
                self.assertEqual(result.returncode, 1, words)
                self.assertRegex(result.stderr, r"^stoop: error: standard output: .+\n$")

    def test_targets(self):
        text = self.expect(run("targets"), 0).stdout
        document = json.loads(self.expect(run("targets", "--json"), 0).stdout)
        levels = [level["name"] for target in document["targets"] for level in target["levels"]]
        self.assertIn("x86-64-v3", levels)
        for level in levels:
            self.assertIn(level, text)


if __name__ == "__main__":
    stoop_cli.main()
