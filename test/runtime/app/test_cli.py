"""The command line of a compiled model, on the toy program: python3 test_cli.py TOY_MODEL FAIL_NTH_LIBRARY."""
import json
import math
import os
import random
import signal
import stat
import struct
import subprocess
import sys
import tempfile
import time
import unittest

import toy
from toy import greedy, run, run_json

MODEL, FAIL_NTH = sys.argv.pop(1), sys.argv.pop(1)
RANDOM = random.Random(61)


def ids_text(ids):
    return ",".join(map(str, ids))


def random_ids(count):
    return [RANDOM.randrange(toy.VOCAB) for _ in range(count)]


class Run(unittest.TestCase):
    def test_json_document(self):
        for threads in 1, 2, 3:
            prompt = random_ids(RANDOM.randrange(1, 40))
            document = run_json(MODEL, "run", "--prompt-ids", ids_text(prompt), "-n", 12, "--ignore-eos", "-t", threads)
            self.assertEqual(document["prompt_ids"], prompt)
            self.assertEqual(document["ids"], greedy(prompt, 12))
            self.assertEqual(document["text"], "")
            self.assertEqual(document["finish_reason"], "length")
            self.assertIsNone(document["stop_reason"])
            self.assertEqual(set(document["timings"]),
                             {"load_s", "prefill_s", "decode_s", "prefill_tok_s", "decode_tok_s"})
            memory = document["memory"]
            self.assertEqual(memory["planned_bytes"], 1024 + 64 + 8192 + threads * 128)
            self.assertEqual(memory["allocated_bytes"], memory["planned_bytes"])
            self.assertGreater(memory["peak_rss_bytes"], 100000)

    def test_peak_memory_is_the_program_s_own(self):
        """Not that of a larger process that started it."""
        alone = run_json(MODEL, "run", "--prompt-ids", "1", "-n", 1)["memory"]["peak_rss_bytes"]
        large = bytearray(os.urandom(1 << 20) * 300)
        started = run_json(MODEL, "run", "--prompt-ids", "1", "-n", 1)["memory"]["peak_rss_bytes"]
        self.assertLess(started, alone + len(large) // 2)
        self.assertLess(started, len(large))

    def test_end_of_text(self):
        prompt = next(p for p in iter(lambda: random_ids(3), None) if toy.EOS in greedy(p, 20))
        expected = greedy(prompt, 20)
        expected = expected[:expected.index(toy.EOS) + 1]
        document = run_json(MODEL, "--prompt-ids", ids_text(prompt), "-n", 20)
        self.assertEqual((document["ids"], document["finish_reason"]), (expected, "stop"))
        self.assertIsNone(document["stop_reason"])
        other = greedy(prompt, 5)[4]
        document = run_json(MODEL, "--prompt-ids", ids_text(prompt), "-n", 20, f"--eos-id=46,{other}")
        self.assertEqual(document["ids"][-1], other)
        self.assertEqual(document["finish_reason"], "stop")

    def test_plain_output_is_the_ids(self):
        result = run(MODEL, "--prompt-ids", "1,2,3", "-n", 5)
        self.assertEqual(result.returncode, 0)
        self.assertEqual(result.out, ids_text(greedy([1, 2, 3], 5)) + "\n")
        self.assertIn("tok/s", result.err)

    def test_context_end_and_overflow(self):
        prompt = random_ids(60)
        document = run_json(MODEL, "--prompt-ids", ids_text(prompt), "-n", -1, "--ignore-eos")
        self.assertEqual(document["ids"], greedy(prompt, 5))
        self.assertEqual(document["finish_reason"], "length")
        result = run(MODEL, "--prompt-ids", ids_text(random_ids(65)))
        self.assertEqual(result.returncode, 1)
        self.assertRegex(result.err, r"65 tokens.* 64")
        self.assertEqual(result.out, "")

    def test_seed_and_sampling(self):
        base = ["--prompt-ids", "5,6", "-n", 30, "--temp", "1.5", "--ignore-eos"]
        one = run_json(MODEL, *base, "-s", 1)["ids"]
        self.assertEqual(one, run_json(MODEL, *base, "--seed=1")["ids"])
        self.assertNotEqual(one, run_json(MODEL, *base, "-s", 2)["ids"])
        self.assertTrue(all(i < toy.IDS for i in one))
        self.assertEqual(run_json(MODEL, *base, "--top-k", 1)["ids"], greedy([5, 6], 30))
        self.assertEqual(run_json(MODEL, *base, "--top_p=0")["ids"], greedy([5, 6], 30))
        self.assertEqual(run_json(MODEL, *base, "--min_p", 1)["ids"], greedy([5, 6], 30))
        document = run_json(MODEL, *base)
        self.assertEqual(document["ids"], run_json(MODEL, *base, "-s", document["seed"])["ids"])
        never_twice = run_json(MODEL, "--prompt-ids", "5,6", "-n", 30, "--presence-penalty", "1000", "--ignore-eos")["ids"]
        self.assertEqual(len(set(never_twice)), 30)
        self.assertEqual(run(MODEL, *base, "--top-p", "1.5").returncode, 2)

    def test_logits_file(self):
        with tempfile.TemporaryDirectory() as folder:
            path = os.path.join(folder, "logits.safetensors")
            ids = run_json(MODEL, "--prompt-ids", "9,8,7", "-n", 6, "--ignore-eos", "--logits", path)["ids"]
            self.assertEqual(os.listdir(folder), ["logits.safetensors"])
            with open(path, "rb") as file:
                data = file.read()
        length = struct.unpack("<Q", data[:8])[0]
        header = json.loads(data[8:8 + length])
        self.assertEqual(list(header), ["logits"])
        self.assertEqual((header["logits"]["dtype"], header["logits"]["shape"]), ("F32", [6, toy.VOCAB]))
        self.assertEqual(header["logits"]["data_offsets"], [0, len(data) - 8 - length])
        values = struct.unpack(f"<{6 * toy.VOCAB}f", data[8 + length:])
        for row in range(6):
            expected = toy.logits([9, 8, 7] + ids[:row])
            actual = values[row * toy.VOCAB:(row + 1) * toy.VOCAB]
            for a, b in zip(actual, expected):
                self.assertAlmostEqual(a, b, places=5)

    def test_logits_never_replace_what_is_no_file(self):
        with tempfile.TemporaryDirectory() as folder:
            pipe = os.path.join(folder, "pipe")
            os.mkfifo(pipe)
            for path in pipe, folder:
                result = run(MODEL, "--prompt-ids", "1", "-n", 1, "--logits", path)
                self.assertEqual(result.returncode, 1)
                self.assertIn("not a regular file", result.err)
            self.assertTrue(stat.S_ISFIFO(os.stat(pipe).st_mode))
            self.assertEqual(os.listdir(folder), ["pipe"])

    def test_logits_never_replace_what_is_read(self):
        with tempfile.TemporaryDirectory() as folder:
            prompt, link = os.path.join(folder, "prompt"), os.path.join(folder, "link")
            with open(prompt, "w") as file:
                file.write("[1,2]\n")
            os.link(prompt, link)
            result = run(MODEL, "--prompts", prompt, "-n", 1, "--logits", link)
            self.assertEqual(result.returncode, 2)
            self.assertIn(f"would replace {prompt}", result.err)
            with open(prompt) as file:
                self.assertEqual(file.read(), "[1,2]\n")
            self.assertEqual(sorted(os.listdir(folder)), ["link", "prompt"])

    def test_logits_file_that_cannot_be_written(self):
        with tempfile.TemporaryDirectory() as folder:
            result = run(MODEL, "--prompt-ids", "1", "--logits", os.path.join(folder, "no", "x"))
            self.assertEqual(result.returncode, 1)
            self.assertIn("No such file", result.err)
            result = run(MODEL, "--prompt-ids", "1,99", "--logits", os.path.join(folder, "x"))
            self.assertEqual(result.returncode, 1)
            self.assertEqual(os.listdir(folder), [])

    def test_logprobs(self):
        document = run_json(MODEL, "--prompt-ids", "3,1", "-n", 4, "--ignore-eos", "--logprobs", 3)
        tokens = [3, 1]
        for entry, token in zip(document["logprobs"], document["ids"]):
            row = toy.logits(tokens)[:toy.IDS]
            normalizer = math.log(sum(map(math.exp, row)))
            self.assertEqual(entry["id"], token)
            self.assertAlmostEqual(entry["logprob"], row[token] - normalizer, places=5)
            best = sorted(range(toy.IDS), key=lambda v: (-row[v], v))[:3]
            self.assertEqual([t["id"] for t in entry["top"]], best)
            self.assertAlmostEqual(entry["top"][2]["logprob"], row[best[2]] - normalizer, places=5)
            tokens.append(token)

    def test_several_prompts(self):
        prompts = [random_ids(n) for n in (1, 40, 7, 64, 3, 12, 5)]
        limits = [9, 30, 4, 30, 0, 12, 25]
        expected = [greedy(ids, min(limit, toy.CONTEXT - len(ids) + 1)) for ids, limit in zip(prompts, limits)]
        with tempfile.TemporaryDirectory() as folder:
            lines, path = os.path.join(folder, "prompts.jsonl"), os.path.join(folder, "logits.safetensors")
            with open(lines, "w") as file:
                for ids, limit in zip(prompts, limits):
                    file.write(json.dumps({"prompt_ids": ids, "predict": limit}) + "\n\n")
            document = run_json(MODEL, "--prompts", lines, "--ignore-eos", "--logprobs", 1, "--logits", path)
            with open(path, "rb") as file:
                data = file.read()
        self.assertEqual(document["batch"], 4)
        self.assertEqual([result["prompt_ids"] for result in document["results"]], prompts)
        self.assertEqual([result["ids"] for result in document["results"]], expected)
        self.assertEqual(set(document["timings"]), {"load_s", "serve_s", "generated_tok_s"})
        length = struct.unpack("<Q", data[:8])[0]
        header = json.loads(data[8:8 + length])
        for index, (ids, result) in enumerate(zip(prompts, document["results"])):
            self.assertEqual([entry["id"] for entry in result["logprobs"]], result["ids"])
            tensor = header[f"logits.{index}"]
            self.assertEqual(tensor["shape"], [len(expected[index]), toy.VOCAB])
            begin, end = (8 + length + offset for offset in tensor["data_offsets"])
            values = struct.unpack(f"<{tensor['shape'][0] * toy.VOCAB}f", data[begin:end])
            for row in range(tensor["shape"][0]):
                for a, b in zip(values[row * toy.VOCAB:], toy.logits(ids + result["ids"][:row])):
                    self.assertAlmostEqual(a, b, places=5)
        self.assertEqual(sum(tensor["shape"][0] for tensor in header.values()) * toy.VOCAB * 4, len(data) - 8 - length)

    def test_prompts_in_every_form(self):
        for text in b"[1,2]\n[3]", b"[[1,2],[3]]", b"[\n [1, 2],\n [3]\n]", b'{"prompt_ids":[1,2]}\r\n\n [3] \n':
            document = run_json(MODEL, "--prompts", "-", "-n", 3, stdin=text)
            self.assertEqual([result["prompt_ids"] for result in document["results"]], [[1, 2], [3]], text)
        one = run_json(MODEL, "--prompts", "-", "-n", 3, stdin=b"[7, 7]")
        self.assertEqual([result["prompt_ids"] for result in one["results"]], [[7, 7]])
        plain = run(MODEL, "--prompt-ids", "1,2,3", "--prompt-ids", "4", "-n", 5)
        self.assertEqual(plain.out, ids_text(greedy([1, 2, 3], 5)) + "\n\n" + ids_text(greedy([4], 5)) + "\n")
        self.assertIn("2 prompts of 4 tokens, up to 2 together", plain.err)

    def test_seeds_of_several_prompts(self):
        base = ["-n", 20, "--temp", 2, "--ignore-eos"]
        alone = {seed: run_json(MODEL, "--prompt-ids", "5,6", "-s", seed, *base)["ids"] for seed in (1, 2, 3)}
        lines = b'[5,6]\n{"prompt_ids":[5,6],"seed":2}\n{"prompt_ids":[5,6],"seed":3}\n[5,6]\n[5,6]\n'
        results = run_json(MODEL, "--prompts", "-", "-s", 1, *base, stdin=lines)["results"]
        self.assertEqual([result["seed"] for result in results], [1, 2, 3, 1, 1])
        self.assertEqual([result["ids"] for result in results], [alone[seed] for seed in (1, 2, 3, 1, 1)])
        free = run_json(MODEL, *["--prompt-ids", "5,6"] * 3, *base)["results"]
        self.assertEqual(len({result["seed"] for result in free}), 3)

    def test_bad_prompts_of_several(self):
        for text, pattern in [(b"", "no prompt"), (b"\n \n", "no prompt"), (b"[1]\n{", "line 2 is not JSON"),
                              (b"[1]\n7\n", "prompt 1: no text and no list.*7"),
                              (b"[1]\n[]\n", "prompt 1: the prompt is empty"),
                              (b"[1]\n[-2]\n", "prompt 1: entry 0 .*-2"),
                              (b"[1]\n[1, 50]\n", "prompt 1: token id 50 at position 1"),
                              (b"[1]\n" + json.dumps([1] * 65).encode(), "prompt 1: .* 65 tokens.* 64 .--max-seq-len"),
                              (b'"x"', "prompt 0: .*without a tokenizer"),
                              (b'{"prompt_ids":"x"}', "prompt_ids a list"), (b'{"seed":1}', "one of the keys"),
                              (b'{"prompt_ids":[1],"prompt":"x"}', "one of the keys"),
                              (b'{"prompt_ids":[1],"seed":-1}', "seed: -1"),
                              (b'{"prompt_ids":[1],"predict":1.5}', "predict: 1.5"),
                              (b'{"prompt_ids":[1],"temp":1}', 'unknown key "temp"')]:
            result = run(MODEL, "--prompts", "-", "-n", 2, stdin=text)
            self.assertEqual((result.returncode, result.out), (1, ""), text)
            self.assertRegex(result.err, pattern)
        self.assertEqual(run(MODEL, "--prompts", "-", "--prompt-ids", "1").returncode, 2)
        missing = run(MODEL, "--prompts", "/nowhere/at/all")
        self.assertEqual(missing.returncode, 1)
        self.assertIn("/nowhere/at/all", missing.err)

    def test_ids_from_stdin(self):
        for text in b"[1, 2,\n3]", b"1 2 3", b" 1,2 , 3\n", b"[ 1 2\t3 ]\n":
            self.assertEqual(run_json(MODEL, "--prompt-ids", "-", "-n", 3, stdin=text)["prompt_ids"], [1, 2, 3], text)

    def test_bad_prompts(self):
        for arguments, pattern in [(["-p", "hello"], "without a tokenizer.*--prompt-ids"),
                                   (["--prompt-ids", ""], "prompt is empty"),
                                   (["--prompt-ids", "[ ]"], "prompt is empty"),
                                   (["--prompt-ids", "1]]2"], "'1]]2'"),
                                   (["--prompt-ids", "[1,2"], "'\\[1,2'"),
                                   (["--prompt-ids", "1,2]"], "'2]'"),
                                   (["--prompt-ids", "1,,2"], "',2'"),
                                   (["--prompt-ids", "1,"], "'1,'"),
                                   (["--prompt-ids", ",1"], "',1'"),
                                   (["--prompt-ids", "+1"], "'\\+1'"),
                                   (["--prompt-ids", "1,x"], "'x'"),
                                   (["--prompt-ids", "1,-2"], "'-2'"),
                                   (["--prompt-ids", "1,99999999999"], "99999999999"),
                                   (["--prompt-ids", "1,50"], "50.*position 1.*50"),
                                   (["--prompt-ids", "1", "--stop", "x"], "tokenizer")]:
            result = run(MODEL, *arguments)
            self.assertEqual((result.returncode, result.out), (1, ""), arguments)
            self.assertRegex(result.err, pattern)

    def test_closed_reader_ends_quietly(self):
        pipe = subprocess.Popen([MODEL, "--prompt-ids", "1"], stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        pipe.stdout.close()
        self.assertIn(pipe.wait(60), (0,))
        pipe.stderr.close()

    def test_full_disk(self):
        with open("/dev/full", "w") as full:
            result = subprocess.run([MODEL, "--prompt-ids", "1"], stdout=full, stderr=subprocess.PIPE)
        self.assertEqual(result.returncode, 1)
        self.assertIn(b"No space left", result.stderr)

    def interrupt(self, *arguments):
        """Sends SIGINT to a program that works or waits, and expects the same end of every command."""
        program = subprocess.Popen([MODEL, *arguments], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                   stderr=subprocess.PIPE)
        # Python's children ignore nothing, so a caught SIGINT means that the handler is in place.
        for _ in range(500):
            with open(f"/proc/{program.pid}/status") as status:
                caught = int(next(line for line in status if line.startswith("SigCgt")).split()[1], 16)
            if caught >> (signal.SIGINT - 1) & 1:
                break
            time.sleep(0.02)
        program.send_signal(signal.SIGINT)
        out, err = program.communicate(timeout=60)
        self.assertEqual((program.returncode, out, err), (130, b"", b"error: interrupted\n"), arguments)

    def test_interrupt(self):
        self.interrupt("perplexity", "--ids", "/dev/stdin")  # waits for ids
        for _ in range(3):  # whatever it does just then
            self.interrupt("bench", "-r", "1000", "-p", "8", "-n", "4")


class Usage(unittest.TestCase):
    def test_wrong_usage_is_two(self):
        for arguments in [["--nonsense"], ["run"], [], ["chat"], ["run", "--prompt-ids"],
                          ["--prompt-ids", "1", "-p", "x"], ["--prompt-ids", "1", "-n", "x"],
                          ["--prompt-ids", "1", "-n", "-2"], ["--prompt-ids", "1", "-t", "0"],
                          ["--prompt-ids", "1", "-t", "9"], ["--prompt-ids", "1", "--cpu-level", "neon"],
                          ["--prompt-ids", "1", "--logprobs", "2"], ["--prompt-ids", "1", "--seed", "-1"],
                          ["--prompt-ids", "1", "--seed=-0"], ["--prompt-ids", "1", "--seed", ""], ["--prompt-ids", "1", "--stop", ""],
                          ["--prompt-ids", "1", "--seed", "18446744073709551616"], ["perplexity"], ["bench", "-o", "xml"],
                          ["bench", "--json", "-o", "csv"], ["perplexity", "--ids", "-", "--last", "0"],
                          ["bench", "-p", "100"], ["--prompt-ids", "1", "--ignore-eos", "--eos-id", "3"]]:
            result = run(MODEL, *arguments)
            self.assertEqual((result.returncode, result.out), (2, ""), arguments)
            self.assertTrue(result.err.strip(), arguments)

    def test_a_command_that_does_not_exist_is_named(self):
        for arguments in ["frob"], ["help", "frob"], ["serve", "--json"]:
            result = run(MODEL, *arguments)
            self.assertEqual((result.returncode, result.out), (2, ""), arguments)
            self.assertIn("'serve'" if "serve" in arguments else "'frob'", result.err)

    def test_an_end_of_text_id_must_exist(self):
        result = run(MODEL, "--prompt-ids", "1", "--eos-id", toy.VOCAB)
        self.assertEqual(result.returncode, 1)
        self.assertIn(f"--eos-id {toy.VOCAB}", result.err)

    def test_help_lists_what_exists(self):
        result = run(MODEL, "help")
        self.assertEqual(result.returncode, 0)
        for command in "run", "info", "bench", "perplexity", "tokenize", "detokenize":
            self.assertIn(command, result.out)
            self.assertEqual(run(MODEL, "help", command).out, run(MODEL, command, "--help").out)
        for later in "chat", "serve", "verify":
            self.assertNotIn(later, result.out)
            refused = run(MODEL, later)
            self.assertEqual(refused.returncode, 2)
            self.assertRegex(refused.err, f"'{later}' is not built yet in Stoop .*commands: .*run bench")
        self.assertIn("there is no command 'serv'; commands: run", run(MODEL, "serv").err)
        self.assertIn("toy", run(MODEL, "--version").out)


class Perplexity(unittest.TestCase):
    def expected(self, ids, window, last=None):
        total, count = 0.0, 0
        for start in range(0, len(ids) - 1, window):
            part = ids[start:start + window]
            for i in range(len(part)):
                if start + i + 1 >= len(ids) or (last and i < min(len(part), len(ids) - 1 - start) - last):
                    continue
                row = toy.logits(part[:i + 1])
                total += math.log(sum(math.exp(x - 1000) for x in row)) + 1000 - row[ids[start + i + 1]]
                count += 1
        return count, total / count

    def test_windows(self):
        with tempfile.NamedTemporaryFile("w", suffix=".json") as file:
            for document in True, False:
                ids = random_ids(150)
                file.seek(0)
                file.truncate()
                json.dump({"ids": ids} if document else ids, file)
                file.flush()
                for window, last in [(1, None), (7, None), (64, None), (50, 3), (64, 64), (20, 100)]:
                    arguments = ["--window", window] + (["--last", last] if last else [])
                    result = run_json(MODEL, "perplexity", "--ids", file.name, *arguments)
                    count, mean = self.expected(ids, window, last)
                    self.assertEqual(result["tokens"], count, (window, last))
                    self.assertAlmostEqual(result["mean_nats"] / mean, 1, places=6)
                self.assertEqual(run_json(MODEL, "perplexity", "--ids", file.name)["tokens"], 149)
            result = run(MODEL, "perplexity", "--ids", file.name, "--window", 65)
            self.assertEqual(result.returncode, 1)
            self.assertRegex(result.err, "65.*64")

    def test_bad_files(self):
        for content in "", "[1]", "{}", "[1, -2]", "[1, 2.5]", "[1, 50]", '"x"', "[1,2":
            result = run(MODEL, "perplexity", "--ids", "-", stdin=content.encode())
            self.assertEqual((result.returncode, result.out), (1, ""), content)
            self.assertRegex(result.err, "^error: (stdin|.*(2 are needed|outside))", content)
            self.assertNotIn("json.exception", result.err)
        for content, where in (b"[1,2", "ends too early, of 4 bytes"), (b"[1,,2]", "byte 4, of 6 bytes"), (b'{"idz": [1]}', 'no key "ids"'), (b"7", "not an array"), \
                              (b'[1, "\xff"]', "not JSON"), (b'[1, "x"]', 'entry 1 is no token id: "x"'):
            self.assertIn(where, run(MODEL, "perplexity", "--ids", "-", stdin=content).err)
        self.assertIn("No such file", run(MODEL, "perplexity", "--ids", "/nonexistent").err)


class OtherCommands(unittest.TestCase):
    def test_info(self):
        self.assertEqual(run_json(MODEL, "info"), {"schema_version": 1, "model": {"name": "toy"}})
        text = run(MODEL, "info").out
        for fact in "64 tokens", "prefill_16", "baseline", "48 ids":
            self.assertIn(fact, text)

    def test_bench(self):
        rows = json.loads(run(MODEL, "bench", "-p", "8,32", "-n", "4", "-d", "0,16", "-r", 2, "-o", "json").out)
        self.assertEqual([row["test"] for row in rows],
                         ["pp8", "pp32", "tg4", "pp8 @ d16", "pp32 @ d16", "tg4 @ d16"])
        for row in rows:
            self.assertEqual(len(row["samples_tok_s"]), 2)
            self.assertAlmostEqual(row["mean"], sum(row["samples_tok_s"]) / 2, places=3)
            for key in "stddev", "read_bandwidth_gb_s", "percent_of_bandwidth":
                self.assertTrue(math.isfinite(row[key]), key)
            self.assertGreater(row["read_bandwidth_gb_s"], 0)
            self.assertIs(row["in_cache"], True)  # the toy's weights are half a kilobyte
        rows = json.loads(run(MODEL, "bench", "-p", "4", "-n", "4", "-b", "1,3,4", "-d", "0,60", "-r", 1, "--json").out)
        self.assertEqual([(row["test"], row["batch"]) for row in rows],
                         [(name + depth, batch) for depth in ("", " @ d60")
                          for name, batch in (("pp4", 1), ("tg4", 1), ("tg4", 3), ("tg4", 4))])
        for batch in "0", "5", "1,5":
            refused = run(MODEL, "bench", "-b", batch)
            self.assertEqual((refused.returncode, refused.out), (2, ""))
            self.assertRegex(refused.err, f"^error: {batch[-1]} sequences.* 1 to 4 .--max-batch-size")
        table = run(MODEL, "bench", "-p", "0", "-n", "4", "-r", 1).out
        self.assertRegex(table, r"\| tg4 \|.*\| in cache \|")
        self.assertNotIn("| pp", table)
        self.assertEqual(len(run(MODEL, "bench", "-p", 4, "-n", 0, "-r", 1, "-o", "csv").out.splitlines()), 2)

    def test_bench_in_turns(self):
        with subprocess.Popen([MODEL, "bench", "-p", "0", "-n", "4", "-r", "2", "--paced", "-o", "csv"], text=True,
                              stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as bench:
            speeds = []
            for _ in range(3):  # the first repetition warms up
                bench.stdin.write("\n")
                bench.stdin.flush()
                self.assertRegex(answer := bench.stdout.readline(), r"^tg4 [0-9.]+$")
                speeds.append(float(answer.split()[1]))
            table = bench.stdout.read().splitlines()  # communicate() would miss what readline() has read ahead
        self.assertEqual(bench.returncode, 0)
        self.assertAlmostEqual(float(table[1].split(",")[4]), sum(speeds[1:]) / 2, delta=0.001 * speeds[1])
        ended = run(MODEL, "bench", "-p", "0", "-n", "4", "--paced", stdin=b"\n")
        self.assertEqual(ended.returncode, 2)
        self.assertIn("--paced: stdin ended", ended.err)

    def test_commands_that_need_a_tokenizer(self):
        for arguments in ["tokenize", "x"], ["detokenize", "1,2"], ["perplexity", "-f", "/dev/null"]:
            result = run(MODEL, *arguments)
            self.assertEqual((result.returncode, result.out), (1, ""))
            self.assertIn("without a tokenizer", result.err)


class Damage(unittest.TestCase):
    def test_flipped_bit(self):
        for command in [["--prompt-ids", "1"], ["perplexity", "--ids", "-"]]:
            result = run(MODEL, *command, env={"TOY_FLIP": "5001"}, stdin=b"[1,2]")
            self.assertEqual((result.returncode, result.out), (1, ""))
            self.assertRegex(result.err, "damaged.*--no-verify")
            result = run(MODEL, *command, "--no-verify", env={"TOY_FLIP": "5001"}, stdin=b"[1,2]")
            self.assertEqual(result.returncode, 0)

    def run_failing(self, arguments, n):
        """Runs with the n-th request for memory failing; also returns how many there were."""
        read, write = os.pipe()
        result = subprocess.run([MODEL, *arguments], capture_output=True, pass_fds=[write], timeout=60,
                                env={**os.environ, "LD_PRELOAD": FAIL_NTH, "FAIL_NTH": str(n),
                                     "FAIL_REPORT": str(write)})
        os.close(write)
        requests = os.read(read, 20)
        os.close(read)
        return result, int(requests or 0)

    def test_failing_allocations(self):
        failures = 0
        for arguments in [["--prompt-ids", "1,2,3", "-n", "4", "-t", "2", "--json"], ["info", "--json"]]:
            whole, requests = self.run_failing(arguments, -1)
            self.assertEqual(whole.returncode, 0)
            self.assertGreater(requests, 100)
            # Most requests are the flags' declarations: a sample of them, and all of what follows.
            tried = list(range(0, requests - 150, 23)) + list(range(max(0, requests - 150), requests))
            for n in tried:
                result, _ = self.run_failing(arguments, n)
                if result.returncode == 0:
                    continue  # libc gets along without a buffer
                failures += 1
                self.assertEqual(result.returncode, 3, (n, result.stderr))
                self.assertRegex(result.stderr, b"memory|cannot start thread", n)
        self.assertGreater(failures, 100)


if __name__ == "__main__":
    unittest.main()
