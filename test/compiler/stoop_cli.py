"""What the command-line tests share: running stoop, copying and damaging checkpoints.

Each test file is a unittest module, run as `FILE STOOP SOURCE_DIR [unittest arguments]`.
"""
import json
import os
import pathlib
import shutil
import struct
import subprocess
import sys
import tempfile
import unittest

STOOP = SOURCE = None


def main() -> None:
    global STOOP, SOURCE
    STOOP, SOURCE = os.path.abspath(sys.argv[1]), pathlib.Path(sys.argv[2]).resolve()
    module = sys.modules["__main__"]
    module.STOOP, module.SOURCE = STOOP, SOURCE
    unittest.main(module=module, argv=[sys.argv[0], *sys.argv[3:]])


def run(*arguments, timeout=300, **options):
    """Runs stoop; the result has returncode, stdout and stderr as text."""
    return run_program(STOOP, *arguments, timeout=timeout, **options)


def run_program(program, *arguments, timeout=300, **options):
    environment = dict(os.environ, LC_ALL="C.UTF-8")
    return subprocess.run([str(program), *map(str, arguments)], capture_output=True, text=True, errors="replace",
                          timeout=timeout, stdin=subprocess.DEVNULL, env=environment, **options)


class Case(unittest.TestCase):
    """A test with a scratch folder `self.dir`."""
    maxDiff = None

    def setUp(self):
        self.dir = pathlib.Path(tempfile.mkdtemp(prefix="stoop-cli-"))
        self.addCleanup(shutil.rmtree, self.dir, ignore_errors=True)
        os.chmod(self.dir, 0o755)

    def checkpoint(self, name="rand-f32", copy=True):
        """A recorded checkpoint; `copy`: a private, writable one without the recorded results."""
        folder = SOURCE / "test" / "checkpoints" / name
        if not folder.exists():
            folder = SOURCE / "examples" / "falcon-tiny" / "model"
        if not copy:
            return folder
        target = self.dir / name
        shutil.copytree(folder, target, ignore=shutil.ignore_patterns("expected.*", "long.json"))
        return target

    def expect(self, result, code, *fragments):
        text = f"{result.args}\nexit code {result.returncode}\nstdout: {result.stdout[-2000:]}\nstderr: {result.stderr[-4000:]}"
        self.assertEqual(result.returncode, code, text)
        for fragment in fragments:
            self.assertIn(fragment, result.stderr, text)
        return result

    def expect_refusal(self, checkpoint, *fragments, code=1, arguments=()):
        """Compiling fails with one message that has all fragments, and no file appears."""
        output = self.dir / "outputs"
        output.mkdir(exist_ok=True)
        result = self.expect(run("compile", checkpoint, "-o", output / "model", *arguments), code, *fragments)
        self.assertEqual(result.stderr.count("stoop: error:"), 1, result.stderr)
        self.assertEqual(result.stdout, "")
        self.assertEqual(os.listdir(output), [])


def edit_json(path, **changes):
    """Sets keys of a JSON object; the value None removes a key."""
    document = json.loads(path.read_text())
    for key, value in changes.items():
        if value is None:
            document.pop(key, None)
        else:
            document[key] = value
    path.write_text(json.dumps(document))


class Safetensors:
    """A safetensors file in memory: header (a list of pairs, so that keys can repeat) and data."""

    def __init__(self, path):
        raw = path.read_bytes()
        (length,) = struct.unpack("<Q", raw[:8])
        self.path = path
        self.pairs = list(json.loads(raw[8:8 + length]).items())
        self.data = bytearray(raw[8 + length:])

    def entry(self, name):
        return next(value for key, value in self.pairs if key == name)

    def write(self):
        body = ",".join(json.dumps(key) + ":" + json.dumps(value) for key, value in self.pairs)
        header = ("{" + body + "}").encode()
        header += b" " * (-len(header) % 8)
        self.path.write_bytes(struct.pack("<Q", len(header)) + header + self.data)

    def remove(self, name):
        """Takes a tensor out, with its bytes."""
        begin, end = self.entry(name)["data_offsets"]
        self.pairs = [pair for pair in self.pairs if pair[0] != name]
        del self.data[begin:end]
        for key, value in self.pairs:
            if key != "__metadata__" and value["data_offsets"][0] >= end:
                value["data_offsets"] = [offset - (end - begin) for offset in value["data_offsets"]]

    def add(self, name, dtype, shape, data):
        self.pairs.append((name, {"dtype": dtype, "shape": shape, "data_offsets": [len(self.data), len(self.data) + len(data)]}))
        self.data += data
