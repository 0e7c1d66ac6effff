"""A whole binary, linked and packed as the product is, in good and hostile places:
python3 test_product.py LINKER STOOP_RT_O TOY_KERNELS_O."""
import os
import re
import shutil
import subprocess
import sys
import tempfile
import unittest

import pack_toy
from toy import greedy, run, run_json

LINKER, RUNTIME, TOY = sys.argv.pop(1), sys.argv.pop(1), sys.argv.pop(1)
ARGUMENTS = ["--prompt-ids", "1,2,3", "-n", "5", "--ignore-eos"]
EXPECTED = ",".join(map(str, greedy([1, 2, 3], 5))) + "\n"
ROOT = os.geteuid() == 0


def as_nobody():
    os.setgroups([])
    os.setgid(65534)
    os.setuid(65534)


class Product(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.folder = tempfile.TemporaryDirectory()
        os.chmod(cls.folder.name, 0o755)
        cls.model = os.path.join(cls.folder.name, "model")
        cls.offset, cls.bytes = pack_toy.pack(LINKER, RUNTIME, TOY, cls.model)
        os.chmod(cls.model, 0o755)

    @classmethod
    def tearDownClass(cls):
        cls.folder.cleanup()

    def path(self, name):
        return os.path.join(os.path.realpath(self.folder.name), name)

    def copy(self, name, cut=0, flip=None):
        path = self.path(name)
        with open(self.model, "rb") as file:
            data = bytearray(file.read())
        if flip is not None:
            data[flip] ^= 16
        with open(path, "wb") as file:
            file.write(data[:len(data) - cut])
        os.chmod(path, 0o755)
        return path

    def expect_works(self, program, **more):
        result = subprocess.run([program, *ARGUMENTS], capture_output=True, timeout=60, **more)
        self.assertEqual((result.returncode, result.stdout.decode()), (0, EXPECTED), result.stderr)

    def test_runs(self):
        self.expect_works(self.model)
        document = run_json(self.model, *ARGUMENTS)
        self.assertEqual(document["memory"]["allocated_bytes"], document["memory"]["planned_bytes"])
        self.assertEqual(run_json(self.model, "info"), pack_toy.MANIFEST)
        # An exception from deep inside reaches main: the unwinder works without the loader's help.
        result = run(self.model, "perplexity", "--ids", "-", stdin=b"[1,")
        self.assertEqual(result.returncode, 1)
        self.assertIn("stdin is not JSON: it ends too early, of 3 bytes", result.err)

    def test_needs_libc_alone(self):
        dynamic = subprocess.run(["readelf", "-dW", self.model], capture_output=True, text=True, check=True).stdout
        self.assertEqual(re.findall(r"NEEDED.*\[(.*)\]", dynamic), ["libc.so.6"])
        symbols = subprocess.run(["nm", "-D", self.model], capture_output=True, text=True, check=True).stdout
        undefined = [line.split()[-1] for line in symbols.splitlines()]
        self.assertGreater(len(undefined), 30)
        for symbol in undefined:
            version = re.search(r"@GLIBC_2\.(\d+)(?:\.\d+)?$", symbol)
            self.assertTrue(version, f"{symbol} is not libc's")
            # 2.34 is where threads moved into libc and constructors run without crt files.
            self.assertLessEqual(int(version.group(1)), 34, symbol)

    def test_runtime_object_asks_for_nothing_else(self):
        listing = subprocess.run(["nm", "-u", RUNTIME], capture_output=True, text=True, check=True).stdout
        strong = {line.split()[1] for line in listing.splitlines() if line.split()[0] == "U"}
        libm = {"exp", "log", "pow", "sqrt", "floor", "ceil", "fmod", "lround", "expf", "logf", "powf", "log2", "exp2"}
        self.assertEqual(strong & libm, set())
        self.assertIn("stoop_program_query", strong)
        self.assertNotIn("__tls_get_addr", strong)

    def test_size(self):
        self.assertLess(self.offset, 2.5e6)

    def test_unfinished(self):
        path = self.path("unfinished")
        pack_toy.link(LINKER, RUNTIME, TOY, path)
        result = run(path, *ARGUMENTS)
        self.assertEqual((result.returncode, result.out), (1, ""))
        self.assertIn("carries no model", result.err)

    def test_moved_renamed_elsewhere(self):
        os.makedirs(self.path("other place"))
        path = self.copy("other place/renamed model")
        self.expect_works("./renamed model", cwd=os.path.dirname(path))
        self.expect_works(path, cwd="/")
        result = subprocess.run(["nonsense", *ARGUMENTS], executable=path, capture_output=True, cwd="/")
        self.assertEqual(result.stdout.decode(), EXPECTED)

    def test_survives_strip_and_objcopy(self):
        for tool in "strip", "objcopy":
            path = self.path("rewritten")
            arguments = [self.model, "-o", path] if tool == "strip" else [self.model, path]
            subprocess.run([tool, *arguments], check=True)
            self.expect_works(path)
            # These tools move the payload inside the file; a cut is found all the same.
            headers = subprocess.run(["readelf", "-lW", path], capture_output=True, text=True, check=True).stdout
            loads = [line.split() for line in headers.splitlines() if line.strip().startswith("LOAD")]
            end = max(int(fields[1], 16) + int(fields[4], 16) for fields in loads)
            os.truncate(path, end - 1)
            result = run(path, *ARGUMENTS)
            self.assertEqual((result.returncode, result.out), (1, ""))
            self.assertIn("cut off", result.err)

    @unittest.skipUnless(ROOT, "needs root")
    def test_read_only_unreadable_as_another_user(self):
        os.makedirs(self.path("locked"))
        path = self.copy("locked/model")
        os.chmod(path, 0o111)
        os.chmod(os.path.dirname(path), 0o555)
        self.expect_works(path, preexec_fn=as_nobody, cwd="/")

    @unittest.skipUnless(ROOT, "needs root")
    def test_without_proc(self):
        root = self.path("root")
        for file in "/lib64/ld-linux-x86-64.so.2", "/lib/x86_64-linux-gnu/libc.so.6":
            os.makedirs(os.path.dirname(root + file), exist_ok=True)
            shutil.copy(os.path.realpath(file), root + file)
        shutil.copy(self.model, root + "/model")
        def enter():
            os.chroot(root)
            os.chdir("/")
        self.expect_works("/model", preexec_fn=enter)
        with open(root + "/model", "r+b") as file:
            file.truncate(self.offset + self.bytes - 1)
        result = subprocess.run(["/model", *ARGUMENTS], preexec_fn=enter, capture_output=True)
        self.assertEqual(result.returncode, 1)
        self.assertIn(b"cut off", result.stderr)

    def test_cut_off(self):
        for cut in 1, 16, 4096, self.bytes // 2, self.bytes - 1, self.bytes:
            path = self.copy("short", cut=cut)
            for command in ARGUMENTS, ["info"]:
                result = run(path, *command)
                self.assertEqual((result.returncode, result.out), (1, ""), cut)
                size = self.offset + self.bytes
                self.assertIn(f"{path} is cut off: it has {size - cut} bytes and needs {size}", result.err)

    @unittest.skipUnless(ROOT, "needs root")
    def test_cut_off_and_unreadable(self):
        path = self.copy("short_locked", cut=self.bytes)
        os.chmod(path, 0o111)
        result = subprocess.run([path, *ARGUMENTS], preexec_fn=as_nobody, capture_output=True)
        self.assertEqual((result.returncode, result.stdout), (1, b""))
        self.assertTrue(result.stderr.startswith(b"error: "), result.stderr)

    def test_flipped_bits(self):
        for at in range(0, self.bytes, 1009):
            path = self.copy("flipped", flip=self.offset + at)
            result = run(path, *ARGUMENTS)
            self.assertEqual((result.returncode, result.out), (1, ""), at)
            self.assertRegex(result.err, "damaged.*--no-verify")
        result = run(self.copy("harmless", flip=self.offset + 11000), *ARGUMENTS, "--no-verify")
        self.assertEqual((result.returncode, result.out), (0, EXPECTED))


if __name__ == "__main__":
    unittest.main()
