"""The finished program in hostile places: moved, stripped, in a bare chroot, as another user, damaged."""
import json
import os
import shutil
import subprocess
import tempfile
import unittest

import stoop_cli
from stoop_cli import Case, run, run_program

ROOT = os.geteuid() == 0
ARGUMENTS = ("run", "-p", "In the beginning", "-n", "8", "--json")


class Program(Case):
    @classmethod
    def setUpClass(cls):
        cls.model = stoop_cli.SOURCE / "examples" / "falcon-tiny" / "model"
        cls.folder = tempfile.mkdtemp(prefix="stoop-program-")
        cls.addClassCleanup(shutil.rmtree, cls.folder)
        run("compile", cls.model, "-o", cls.folder + "/m", "--dtype", "f32", check=True)

    def setUp(self):
        super().setUp()
        self.program = self.dir / "m"
        shutil.copy(self.folder + "/m", self.program)
        self.ids = json.loads(self.answer().stdout)["ids"]

    def answer(self):
        result = run_program(self.program, *ARGUMENTS)
        self.assertEqual(result.returncode, 0, result.stderr)
        return result

    def expect_works(self, *command):
        result = subprocess.run([*map(str, command), *ARGUMENTS], capture_output=True, text=True, timeout=120)
        self.assertEqual(result.returncode, 0, f"{command}: {result.stderr}")
        self.assertEqual(json.loads(result.stdout)["ids"], self.ids)

    def test_says_what_hugging_face_says(self):
        for generation in json.loads((self.model / "expected.json").read_text())["generations"]:
            ids = ",".join(map(str, generation["prompt_ids"]))
            count = len(generation["ids"])
            if len(generation["prompt_ids"]) + count > 2048:
                continue
            result = run_program(self.program, "run", "--prompt-ids", ids, "-n", count, "--ignore-eos", "--temp", "0", "--json")
            self.assertEqual(result.returncode, 0, result.stderr)
            self.assertEqual(json.loads(result.stdout)["ids"], generation["ids"])

    def test_needs_libc_alone(self):
        lines = subprocess.run(["ldd", self.program], capture_output=True, text=True).stdout.split("\n")
        names = {line.split()[0] for line in lines if line.strip()}
        self.assertEqual(names, {"linux-vdso.so.1", "libc.so.6", "/lib64/ld-linux-x86-64.so.2"})

    def test_survives_moving_strip_and_objcopy(self):
        elsewhere = self.dir / "else where"
        elsewhere.mkdir()
        shutil.copy(self.program, elsewhere / "renamed")
        self.expect_works(elsewhere / "renamed")
        for tool in ("strip", "objcopy", "/usr/lib/llvm-22/bin/llvm-strip"):
            if not shutil.which(tool):
                continue
            with self.subTest(tool=tool):
                copy = self.dir / "copy"
                files = (self.program, copy) if tool == "objcopy" else ("-o", copy, self.program)
                subprocess.run([tool, *files], check=True)
                self.expect_works(copy)
                self.expect(run("inspect", copy, "--format", "json"), 0)

    def test_inspect_refuses_what_cannot_change_a_finished_program(self):
        for flag in (("--max-seq-len", "64"), ("--dtype", "f32"), ("--no-tokenizer",)):
            self.expect(run("inspect", self.program, *flag), 2, flag[0], "compiled already")

    def test_inspect_finds_a_program_that_was_cut_off(self):
        self.program.write_bytes(self.program.read_bytes()[:-8192])
        self.expect(run("inspect", self.program), 1, "cut off")

    @unittest.skipUnless(ROOT, "chroot needs root")
    def test_runs_in_a_chroot_with_libc_alone(self):
        root = self.dir / "root"
        for name in ("/lib64/ld-linux-x86-64.so.2", "/lib/x86_64-linux-gnu/libc.so.6"):
            (root / name[1:]).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(name, root / name[1:])
        shutil.copy(self.program, root / "m")
        self.expect_works("chroot", root, "/m")

    @unittest.skipUnless(ROOT, "changing the user needs root")
    def test_runs_as_another_user_unreadable_in_a_read_only_directory(self):
        folder = self.dir / "ro"
        folder.mkdir()
        shutil.copy(self.program, folder / "m")
        os.chmod(folder / "m", 0o111)
        os.chmod(folder, 0o555)
        self.expect_works("setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", folder / "m")

    def test_damage_is_found(self):
        whole = self.program.read_bytes()
        damaged = self.dir / "damaged"
        for at in (len(whole) // 3, len(whole) // 2, len(whole) - 5000):
            with self.subTest(at=at):
                damaged.write_bytes(whole[:at] + bytes([whole[at] ^ 16]) + whole[at + 1:])
                os.chmod(damaged, 0o755)
                result = run_program(damaged, *ARGUMENTS)
                self.assertEqual(result.returncode, 1, result.stderr)
                self.assertIn("damaged", result.stderr)
        damaged.write_bytes(whole[:len(whole) - 3_000_000])
        os.chmod(damaged, 0o755)
        result = run_program(damaged, *ARGUMENTS)
        self.assertEqual(result.returncode, 1, result.stderr)
        self.assertIn("cut off", result.stderr)


if __name__ == "__main__":
    stoop_cli.main()
