"""Outputs appear whole or not at all: full disks, unwritable places, killed compiles."""
import os
import pathlib
import resource
import shutil
import signal
import subprocess
import tempfile
import time
import unittest
from unittest import mock

import stoop_cli
from stoop_cli import Case, run, run_program

ROOT = os.geteuid() == 0


class Outputs(Case):
    @classmethod
    def setUpClass(cls):
        """Code for a checkpoint of 5 MB, from which programs are written in a fraction of a compile's time."""
        cls.folder = tempfile.TemporaryDirectory(prefix="stoop-output-")
        cls.addClassCleanup(cls.folder.cleanup)
        cls.code = pathlib.Path(cls.folder.name) / "code.mlir"
        big = stoop_cli.SOURCE / "test" / "checkpoints" / "rand-11b"
        run("compile", big, "--compile-to", "binaries", "-o", cls.code, check=True)
        cls.package = ("compile", cls.code, "--compile-from", "binaries")

    def setUp(self):
        super().setUp()
        self.model = self.checkpoint(copy=False)
        self.out = self.dir / "out"
        self.out.mkdir()

    def test_default_name_is_the_directory_s(self):
        self.expect(run("compile", self.model, cwd=self.out), 0)
        self.assertEqual(os.listdir(self.out), ["rand-f32"])
        self.assertTrue(os.access(self.out / "rand-f32", os.X_OK))

    def test_default_name_beside_the_checkpoint(self):
        model = self.checkpoint()
        result = self.expect(run("compile", model.name, cwd=model.parent), 0, "wrote rand-f32.out")
        self.assertTrue(os.access(model.parent / "rand-f32.out", os.X_OK), result.stderr)

    def test_replaces_a_program_even_while_it_runs(self):
        self.expect(run(*self.package, "-o", self.out / "m"), 0)
        before = os.stat(self.out / "m").st_ino
        with subprocess.Popen([self.out / "m", "run", "--prompt-ids", "1", "-n", "2000", "--ignore-eos"],
                              stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as running:
            self.expect(run(*self.package, "-o", self.out / "m"), 0)
            running.kill()
        self.assertNotEqual(os.stat(self.out / "m").st_ino, before)
        self.assertEqual(os.listdir(self.out), ["m"])

    def test_impossible_outputs(self):
        self.expect(run("compile", self.model, "-o", ""), 2, "-o", "file to write")
        self.expect(run("compile", self.model, "-o", self.out), 1, str(self.out), "directory")
        self.expect(run("compile", self.model, "-o", self.out / "none" / "m"), 1, "none")
        self.expect(run("compile", self.model, "-o", "/dev/null"), 1, "not a regular file")
        (self.out / "file").write_text("x")
        self.expect(run("compile", self.model, "-o", self.out / "file" / "m"), 1, "file")
        self.assertEqual(os.listdir(self.out), ["file"])

    def test_no_input_is_written_over(self):
        """Neither by its name nor by a link to it, by none of the commands that write."""
        model, planned = self.checkpoint(), self.dir / "planned.mlir"
        self.expect(run("compile", model, "--compile-to", "planned", "-o", planned), 0)
        prompts = self.dir / "prompts.json"
        prompts.write_text("[[1, 2]]")
        (self.out / "hard").hardlink_to(model / "model.safetensors")
        (self.out / "soft").symlink_to(model / "config.json")
        before = {path: path.read_bytes() for path in (*model.iterdir(), planned, prompts)}
        plain = self.dir / "plain"  # without an ending the default output has its name
        plain.write_bytes(planned.read_bytes())
        for words, fragment in (
                (("compile", model, "-o", model / "model.safetensors"), "-o"),
                (("compile", model, "-o", model / "config.json"), "-o"),
                (("compile", model, "-o", model.name + "/../" + model.name + "/config.json"), "-o"),
                (("compile", model, "-o", self.out / "hard"), "-o"),
                (("compile", model, "-o", self.out / "soft", "--compile-to", "graph"), "-o"),
                (("compile", planned, "--compile-from", "planned", "-o", planned), "-o"),
                (("compile", planned, "--compile-from", "planned", "-o", model / "model.safetensors"), "-o"),
                (("compile", plain.name, "--compile-from", "planned"), "-o"),
                (("inspect", planned, "-o", planned), "-o"),
                (("inspect", model, "-o", model / "config.json"), "-o"),
                (("diff", model, planned, "-o", planned), "-o"),
                (("diff", model, planned, "-o", model / "config.json"), "-o"),
                (("evaluate", model, "--prompt-ids", "1", "-n", 1, "--logits", model / "model.safetensors"), "--logits"),
                (("evaluate", model, "--prompts", prompts, "-n", 1, "--logits", prompts), "--logits")):
            with self.subTest(words=words):
                result = self.expect(run(*words, cwd=self.dir), 2, "is the input", "name another file with " + fragment)
                self.assertEqual(result.stderr.count("stoop: error:"), 1)
                self.assertEqual({path: path.read_bytes() for path in before}, before)
                self.assertEqual(plain.read_bytes(), planned.read_bytes())
        self.expect(run("inspect", model, "-o", model / "report.txt"), 0)
        self.expect(run("inspect", model, "-o", model / "report.txt"), 0)  # an earlier output is no input

    @unittest.skipUnless(ROOT, "root alone can give up its capabilities")
    def test_unwritable_directory(self):
        # Root without capabilities obeys permissions, and can still enter a build tree that is closed to other users.
        os.chmod(self.out, 0o555)
        result = run_program("setpriv", "--inh-caps=-all", "--bounding-set=-all", stoop_cli.STOOP, "compile",
                             self.model, "-o", self.out / "m")
        self.expect(result, 1, str(self.out / "m"), "Permission denied")
        self.assertEqual(os.listdir(self.out), [])

    def test_full_disk_by_file_size_limit(self):
        limit = lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (4 << 20, 4 << 20))
        self.expect(run(*self.package, "-o", self.out / "m"), 0)
        old = (self.out / "m").read_bytes()
        self.expect(run(*self.package, "-o", self.out / "m", preexec_fn=limit), 1, str(self.out / "m"))
        self.assertEqual(os.listdir(self.out), ["m"])
        self.assertEqual((self.out / "m").read_bytes(), old)

    @unittest.skipUnless(ROOT, "mounting needs root")
    def test_full_disk(self):
        small = self.dir / "small"
        small.mkdir()
        if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=3m", "tmpfs", small], capture_output=True).returncode:
            self.skipTest("mounting is not allowed here")
        self.addCleanup(subprocess.run, ["umount", small])
        self.expect(run(*self.package, "-o", small / "m"), 1, str(small / "m"), "No space left")
        self.assertEqual(os.listdir(small), [])

    def test_killed_at_any_time_leaves_nothing_or_all(self):
        for command, fractions in ((self.package, (0.05, 0.3, 0.5, 0.7, 0.85, 0.95)), (("compile", self.model), (0.5,))):
            started = time.monotonic()
            self.expect(run(*command, "-o", self.dir / "whole"), 0)
            whole = time.monotonic() - started
            for fraction in fractions:
                for number in (signal.SIGKILL, signal.SIGTERM, signal.SIGINT):
                    with self.subTest(command=command, fraction=fraction, signal=number):
                        self.kill_one(command, whole * fraction, number)

    def kill_one(self, command, seconds, number):
        child = subprocess.Popen([stoop_cli.STOOP, *map(str, command), "-o", self.out / "m"],
                                 stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        time.sleep(seconds)
        child.send_signal(number)
        code = child.wait()
        if (self.out / "m").exists():  # the signal came after the program got its name
            self.assertEqual(self.program_code(self.out / "m"), 0)
            (self.out / "m").unlink()
        else:
            self.assertNotEqual(code, 0)
        if number == signal.SIGINT:
            self.assertIn(code, (0, 130, -signal.SIGINT))
        self.assertEqual(os.listdir(self.out), [])

    def program_code(self, program):
        return run_program(program, "run", "--prompt-ids", "1", "-n", "1").returncode

    def test_equal_inputs_give_equal_programs(self):
        """Wherever the checkpoint lies, from wherever and with as many threads as it is compiled."""
        self.expect(run("compile", self.model, "-o", self.out / "a", "-j", 1, "-v"), 0)
        other = self.dir / "other" / "place"
        shutil.copytree(self.model, other / self.model.name)
        with mock.patch.dict(os.environ, STOOP_CACHE_DIR=""):  # and whether kernels were compiled before or not
            self.expect(run("compile", self.model.name, "-o", self.out / "b", "-j", 2, "--save-temps", "temps", cwd=other), 0)
        self.assertEqual((self.out / "a").read_bytes(), (self.out / "b").read_bytes())


if __name__ == "__main__":
    stoop_cli.main()
