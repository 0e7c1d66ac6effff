"""The command line with a tokenizer, on the toy program: python3 test_text_cli.py TOY_MODEL TOKENIZER_FOLDER.

The toy's tokenizer has single bytes for the letters and for the bytes of "é" and "😀", so generated text is full of
broken and split characters."""
import json
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
import unittest

import toy
from toy import greedy

MODEL, FOLDER = sys.argv.pop(1), sys.argv.pop(1)
ENVIRONMENT = {"TOY_TEXT": FOLDER}
RANDOM = random.Random(71)


def read_vocabulary():
    visible = [*range(33, 127), *range(161, 173), *range(174, 256)]
    hidden = [b for b in range(256) if b not in visible]
    byte_of = {chr(b): b for b in visible} | {chr(256 + i): b for i, b in enumerate(hidden)}
    with open(os.path.join(FOLDER, "tokenizer.json"), encoding="utf-8") as file:
        vocabulary = json.load(file)["model"]["vocab"]
    tokens = {i: bytes(byte_of[c] for c in token) for token, i in vocabulary.items()}
    tokens[toy.EOS] = b"<|endoftext|>"
    return tokens


TOKENS = read_vocabulary()


def decode(ids):
    return b"".join(TOKENS.get(i, b"") for i in ids).decode(errors="replace")


def run(*args, **more):
    return toy.run(MODEL, *args, env=ENVIRONMENT, **more)


def run_json(*args, **more):
    return toy.run_json(MODEL, *args, env=ENVIRONMENT, **more)


class Text(unittest.TestCase):
    def test_completion(self):
        document = run_json("run", "-p", "see the cat", "-n", 20, "--ignore-eos")
        self.assertEqual([TOKENS[i] for i in document["prompt_ids"]],
                         [b"s", b"e", b"e", b" the", b" ", b"c", b"a", b"t"])
        self.assertEqual(document["ids"], greedy(document["prompt_ids"], 20))
        self.assertEqual(document["text"], decode(document["ids"]))

    def test_random_prompts_stream_whole_characters(self):
        broken = 0
        for _ in range(25):
            prompt = [RANDOM.randrange(toy.IDS) for _ in range(RANDOM.randrange(1, 20))]
            ids = greedy(prompt, 40)
            expected = decode(ids)
            broken += "\ufffd" in expected
            arguments = ["--prompt-ids", ",".join(map(str, prompt)), "-n", "40", "--ignore-eos"]
            self.assertEqual(run_json(*arguments)["text"], expected)
            result = run(*arguments)
            self.assertEqual(result.out, decode(prompt) + expected + "\n")
            self.assertEqual(run(*arguments, "--no-display-prompt").out, expected + "\n")
            program = subprocess.Popen([MODEL, *arguments], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
                                       env={**os.environ, **ENVIRONMENT})
            pieces = []
            while piece := os.read(program.stdout.fileno(), 65536):
                pieces.append(piece.decode())  # strict: a split character would raise
            program.stdout.close()
            program.wait()
            self.assertEqual("".join(pieces), result.out)
        self.assertGreater(broken, 5)

    def test_end_of_text_is_no_text(self):
        prompt = next(p for p in iter(lambda: [RANDOM.randrange(toy.IDS) for _ in range(4)], None)
                      if toy.EOS in greedy(p, 20))
        expected = greedy(prompt, 20)
        expected = expected[:expected.index(toy.EOS) + 1]
        document = run_json("--prompt-ids", ",".join(map(str, prompt)), "-n", 20)
        self.assertEqual(document["ids"], expected)
        self.assertEqual(document["text"], decode(expected[:-1]))
        self.assertEqual((document["finish_reason"], document["stop_reason"]), ("stop", None))

    def test_stop_strings(self):
        stopped = 0
        while stopped < 25:
            prompt = [RANDOM.randrange(toy.IDS) for _ in range(3)]
            ids = greedy(prompt, 40)
            text = decode(ids)
            start = RANDOM.randrange(len(text))
            stop = text[start:start + RANDOM.randrange(1, 6)]
            if "\ufffd" in stop or not stop:
                continue
            stopped += 1
            document = run_json("--prompt-ids", ",".join(map(str, prompt)), "-n", 40, "--ignore-eos",
                                "--stop", "never~", "--stop", stop)
            self.assertEqual(document["text"], text[:text.index(stop)])
            self.assertEqual((document["finish_reason"], document["stop_reason"]), ("stop", stop))
            shown = decode(document["ids"])
            self.assertIn(stop, shown)
            self.assertNotIn(stop, decode(document["ids"][:-1]))

    def test_prompt_sources(self):
        expected = run_json("-p", "a\nb", "-n", 3)
        with tempfile.NamedTemporaryFile() as file:
            file.write(b"a\nb")
            file.flush()
            sources = [(["-p", "a\\nb", "-e"], b""), (["-p", "a\\x0ab", "--escape"], b""), (["-f", file.name], b""),
                       (["-p", "-"], b"a\nb"), (["-f", "-"], b"a\nb")]
            for arguments, stdin in sources:
                document = run_json(*arguments, "-n", 3, stdin=stdin)
                self.assertEqual((document["prompt_ids"], document["ids"]), (expected["prompt_ids"], expected["ids"]))
        self.assertNotEqual(run_json("-p", "a\\nb", "-n", 3)["prompt_ids"], expected["prompt_ids"])

    def test_nothing_to_generate(self):
        self.assertEqual(run("-p", "the", "-n", 0).out, "the\n")
        document = run_json("-p", "the", "-n", 0)
        self.assertEqual((document["ids"], document["text"], document["finish_reason"]), ([], "", "length"))

    def test_empty_prompt(self):
        result = run("-p", "")
        self.assertEqual((result.returncode, result.out), (1, ""))
        self.assertIn("empty", result.err)
        result = run("-f", "/nonexistent")
        self.assertEqual(result.returncode, 1)
        self.assertIn("/nonexistent", result.err)

    def test_tokenize_and_back(self):
        for _ in range(20):
            text = "".join(RANDOM.choice(["the", " the", "é", "😀", "\n", *"abcdt .123"]) for _ in range(15))
            ids = run_json("tokenize", text)["ids"]
            self.assertEqual(b"".join(TOKENS[i] for i in ids).decode(), text)
            self.assertEqual(run("tokenize", "-", stdin=text.encode()).out.strip(), ",".join(map(str, ids)))
            listed = ",".join(map(str, ids))
            self.assertEqual(run_json("detokenize", listed)["text"], text)
            self.assertEqual(run("detokenize", "-", stdin=listed.encode()).out, text + "\n")
        self.assertEqual(run("detokenize", "1,x").returncode, 1)
        result = run("detokenize", "1,4000000")
        self.assertEqual((result.returncode, result.out), (1, ""))
        self.assertIn("4000000 at position 1", result.err)

    def test_interrupt_while_tokenizing(self):
        with tempfile.NamedTemporaryFile() as file:
            file.write(b"the cat " * (4 << 20))
            file.flush()
            program = subprocess.Popen([MODEL, "tokenize", "-f", file.name], stdout=subprocess.PIPE,
                                       stderr=subprocess.PIPE, env={**os.environ, **ENVIRONMENT})
            while os.stat(f"/proc/{program.pid}/exe").st_ino != os.stat(MODEL).st_ino:
                time.sleep(0.01)
            with open(f"/proc/{program.pid}/io") as counters:
                while int(next(line for line in counters if line.startswith("rchar")).split()[1]) < 32 << 20:
                    time.sleep(0.01)
                    counters.seek(0)
            program.send_signal(signal.SIGINT)  # all of the text is read
            out, err = program.communicate(timeout=60)
            self.assertEqual((program.returncode, out, err), (130, b"", b"error: interrupted\n"))

    def test_perplexity_of_a_text(self):
        text = "the cat sees the end. " * 8
        ids = run_json("tokenize", text)["ids"]
        with tempfile.NamedTemporaryFile("w") as file:
            json.dump(ids, file)
            file.flush()
            by_ids = run_json("perplexity", "--ids", file.name, "--window", 33)
        self.assertEqual(run_json("perplexity", "-f", "-", "--window", 33, stdin=text.encode()), by_ids)
        self.assertEqual(by_ids["tokens"], len(ids) - 1)

    def test_damaged_tokenizer_is_found(self):
        result = toy.run(MODEL, "-p", "the", env={**ENVIRONMENT, "TOY_FLIP": "5000"})
        self.assertEqual((result.returncode, result.out), (1, ""))
        for at in range(16384, 16384 + 2000, 97):
            result = toy.run(MODEL, "tokenize", "the", env={**ENVIRONMENT, "TOY_FLIP": str(at)})
            self.assertEqual((result.returncode, result.out), (1, ""), at)
            self.assertIn("damaged", result.err)


if __name__ == "__main__":
    unittest.main()
