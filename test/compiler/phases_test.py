"""--compile-to, --compile-from, --dump-phases-to, --save-temps, plan and inspect."""
import json
import os

import stoop_cli
from stoop_cli import Case, run, run_program

PHASES = ["import", "graph", "fused", "scheduled", "planned", "binaries"]
MARKS = {"import": "lm.entry forward", "graph": "lm.entry decode", "fused": "lm.fused", "scheduled": "#plan.schedule<",
         "planned": "plan.launch", "binaries": "plan.binary"}
SECTIONS = ("model", "target", "options", "memory", "entries", "kernels", "fusion", "needs", "warnings")


class Phases(Case):
    def setUp(self):
        super().setUp()
        self.model = self.checkpoint(copy=False)

    def report(self, *arguments):
        return json.loads(self.expect(run(*arguments), 0).stdout)

    def test_stops_at_each_phase_and_goes_on_from_it(self):
        """From each phase on everything is as without the stop: the same plan, and from there the same program."""
        files = {phase: self.dir / (phase + ".mlir") for phase in PHASES}
        for phase in PHASES[:-1]:
            with self.subTest(phase=phase):
                result = self.expect(run("compile", self.model, "--compile-to", phase), 0)
                self.assertIn(MARKS[phase], result.stdout)
                self.expect(run("compile", self.model, "--compile-to=" + phase, "-o", files[phase]), 0)
                self.assertEqual(files[phase].read_text().strip(), result.stdout.strip())
                again = self.expect(run("compile", "--compile-from", phase, files[phase], "--compile-to", "planned"), 0)
                self.assertEqual(again.stdout, self.expect(run("compile", self.model, "--compile-to", "planned"), 0).stdout)
        self.expect(run("compile", files["planned"], "--compile-from", "planned", "--compile-to", "binaries",
                        "-o", files["binaries"]), 0)
        self.assertIn(MARKS["binaries"], files["binaries"].read_text())
        direct, resumed = self.dir / "direct", self.dir / "resumed"
        self.expect(run("compile", self.model, "-o", direct), 0)
        self.expect(run("compile", files["binaries"], "--compile-from", "binaries", "-o", resumed), 0)
        answers = []
        for program in (direct, resumed):
            result = run_program(program, "run", "--prompt-ids", "5,6,7", "-n", "8", "--json")
            self.assertEqual(result.returncode, 0, result.stderr)
            answers.append(json.loads(result.stdout))
        for key in ("ids", "text", "finish_reason"):
            self.assertEqual(answers[0][key], answers[1][key])

    def test_moved_checkpoints_are_named_with_weights(self):
        folder = self.checkpoint()
        ir = self.dir / "code.mlir"
        self.expect(run("compile", folder, "--compile-to", "binaries", "-o", ir), 0)
        moved = self.dir / "moved"
        folder.rename(moved)
        go_on = ("compile", ir, "--compile-from", "binaries", "-o", self.dir / "m")
        self.expect(run(*go_on), 1, str(folder))
        self.assertFalse((self.dir / "m").exists())
        self.expect(run(*go_on, "--weights", moved), 0)
        self.assertEqual(run_program(self.dir / "m", "run", "-p", "a", "-n", "1").returncode, 0)

    def test_wrong_phase_and_broken_ir(self):
        ir = self.dir / "graph.mlir"
        self.expect(run("compile", self.model, "--compile-to", "graph", "-o", ir), 0)
        self.expect(run("compile", ir, "--compile-from", "planned", "-o", self.dir / "m"), 1, "phase graph", "planned")
        ir.write_text(ir.read_text().replace("lm.return", "lm.retrun", 1))
        self.expect(run("compile", ir, "--compile-from", "graph", "-o", self.dir / "m"), 1, "graph.mlir:")
        self.expect(run("compile", self.dir / "none.mlir", "--compile-from", "graph"), 1, "none.mlir")
        self.assertFalse((self.dir / "m").exists())

    def test_flags_that_ir_has_decided_are_refused(self):
        ir = self.dir / "planned.mlir"
        self.expect(run("compile", self.model, "--compile-to", "planned", "-o", ir), 0)
        for flags, phase in ((("-c", 100), "import"), (("--dtype", "bf16"), "import"), (("--max-batch-size", 9), "import"),
                             (("--quantization", "int8"), "graph"), (("--target", "cuda"), "fused"),
                             (("--disable-pass", "lm-fuse-epilogue"), "fused")):
            for command in (("inspect", ir), ("compile", ir, "--compile-from", "planned", "-o", self.dir / "m")):
                with self.subTest(command=command, flags=flags):
                    result = self.expect(run(*command, *flags), 2, flags[1] if "pass" in flags[0] else "", "phase " + phase)
                    self.assertEqual(result.stderr.count("stoop: error:"), 1)
        self.assertFalse((self.dir / "m").exists())
        self.expect(run("inspect", ir), 0)

    def test_clipped_buckets_are_told(self):
        result = self.expect(run("plan", self.model, "-c", 512, "--prefill-buckets", "1,1000"), 0, "warning", "1000", "512")
        self.assertEqual(result.stderr.count("warning"), 1)
        self.assertNotIn("clipped", self.expect(run("plan", self.model, "-c", 512, "--prefill-buckets", "1,512"), 0).stderr)

    def test_dumps_and_temporaries(self):
        dumps, temps = self.dir / "dumps", self.dir / "temps"
        self.expect(run("compile", self.model, "-o", self.dir / "m", "--dump-phases-to", dumps,
                        "--save_temps", temps), 0)
        self.assertEqual(sorted(os.listdir(dumps)), [f"{i}-{name}.mlir" for i, name in enumerate(PHASES)])
        for i, phase in enumerate(PHASES):
            self.assertIn(MARKS[phase], (dumps / f"{i}-{phase}.mlir").read_text())
        self.assertTrue(any(name.endswith(".o") for name in os.listdir(temps)))

    def test_a_disabled_pass_does_not_run(self):
        result = self.expect(run("compile", self.model, "--compile-to", "fused", "--disable-pass", "lm-fuse-epilogue"), 0)
        fused = self.expect(run("compile", self.model, "--compile-to", "fused"), 0)
        self.assertNotEqual(result.stdout, fused.stdout)

    def test_the_log_tells_the_traffic_that_a_pass_saves(self):
        """Where no other pass stands in, a step without the pass moves as many bytes more as the log says."""
        def decode(checkpoint, *flags):
            report = self.report("plan", stoop_cli.SOURCE / "test" / "checkpoints" / checkpoint, "--json", *flags)
            return report, next(entry["bytes"] for entry in report["entries"] if entry["name"] == "decode_b1")
        for checkpoint, passes in {"rand-40b": ("segments", "linears", "epilogue"), "rand-rw1b": ("prologue", "columns"),
                                   "rand-7b-legacy": ("segments", "linears", "epilogue", "prologue")}.items():
            report, fused = decode(checkpoint)
            for name in ("lm-fuse-" + name for name in passes):
                with self.subTest(checkpoint=checkpoint, disabled=name):
                    saved = sum(verdict["bytes"] for verdict in report["fusion"]["passed"]
                                if (verdict["entry"], verdict["pass"]) == ("decode_b1", name))
                    self.assertGreater(saved, 0)
                    self.assertEqual(decode(checkpoint, "--disable-pass", name)[1] - fused, saved)

    def test_reports_of_program_ir_and_checkpoint_agree(self):
        ir, program = self.dir / "planned.mlir", self.dir / "m"
        self.expect(run("compile", self.model, "--compile-to", "planned", "-o", ir), 0)
        manifest = json.loads(self.expect(run("compile", self.model, "-o", program, "--json"), 0).stdout)
        reports = {"plan": self.report("plan", self.model, "--json"),
                   "dry run": self.report("compile", self.model, "--dry-run", "--json"),
                   "checkpoint": self.report("inspect", self.model, "--format", "json"),
                   "ir": self.report("inspect", ir, "--format=json"),
                   "program": self.report("inspect", program, "--format", "json")}
        for report in reports.values():  # what it takes with this machine's threads is in no program
            self.assertGreater(report["memory"].pop("need")["bytes"], report["memory"]["total_bytes"])
        self.assertEqual(manifest, reports["program"])
        linked = next(row for row in manifest["memory"]["classes"] if row["class"] == "code")
        self.assertGreater(linked["bytes"], 0)
        for name, report in reports.items():
            with self.subTest(name=name):
                self.assertEqual(report["schema_version"], manifest["schema_version"])
                memory = report["memory"]
                report["options"].setdefault("calibration", "")  # of compile alone
                code = next(row for row in memory["classes"] if row["class"] == "code")
                if name != "program":  # nothing is linked yet
                    self.assertIsNone(code["bytes"])
                    code["bytes"] = linked["bytes"]
                for section in SECTIONS:
                    self.assertEqual(report[section], manifest[section], section)
        self.assertEqual(manifest["memory"]["total_bytes"], sum(arena["bytes"] for arena in manifest["memory"]["arenas"]))

    def test_manifest_tells_the_provenance(self):
        self.expect(run("compile", self.model, "-o", self.dir / "m", "--max-seq-len", "99"), 0)
        manifest = self.report("inspect", self.dir / "m", "--format", "json")
        names = {tensor["key"] for tensor in manifest["provenance"]["tensors"]}
        self.assertIn("transformer.word_embeddings.weight", names)
        self.assertIn({"key": "--max-seq-len", "value": "99"}, manifest["ledger"]["flags"]["used"])
        self.assertEqual(manifest["options"]["max-seq-len"], "99")
        self.assertIn("hidden_size", json.dumps(manifest["ledger"]))

    def test_text_reports(self):
        for arguments in (("plan", self.model), ("inspect", self.model)):
            text = self.expect(run(*arguments), 0).stdout
            for heading in ("memory", "entries", "kernels", "fusion", "ledger"):
                self.assertIn("\n" + heading + "\n", "\n" + text)

    def test_inspect_refuses_what_it_does_not_know(self):
        (self.dir / "text").write_text("hello")
        self.expect(run("inspect", self.dir / "text"), 1, "text")
        self.expect(run("inspect", "/bin/true"), 1, "no program made by stoop")
        self.expect(run("inspect", self.dir / "none"), 1, "does not exist")


if __name__ == "__main__":
    stoop_cli.main()
