#!/usr/bin/python3
"""Measures compiled models and their peers side by side, in rounds: each round runs everything once.

A sample is one process. The read bandwidth is probed before and after each, since on shared machines it doubles and
halves within seconds; a sample during which other processes took more than a fifth of a core does not count.
Nothing starts while the machine is busy. Rows are kept in WORK, the table is written anew after each round.
"""
import argparse
import itertools
import json
import os
import re
import resource
import subprocess
import sys
import time

import summary

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.dirname(os.path.dirname(HERE))
STOOP = os.path.join(ROOT, "build", "bin", "stoop")
PROMPT = 512
BUSY = 0.2  # cores of others that spoil a sample

# Engine -> (folder of its Python, script, shapes that it can run, widths, whether several sequences).
PEERS = {
    "llama": ("python", "bench_llama.py", r"q-", ["bf16", "int8", "int4"], True),
    "openvino": ("python-openvino", "bench_openvino.py", r".", ["bf16", "int8", "int4"], True),
    "torch": ("python", "bench_torch.py", r".", ["bf16"], True),
    "ctranslate2": ("python", "bench_ctranslate2.py", r".", ["int8"], True),
}
SCHEMES = {"bf16": "none", "int8": "int8", "int4": "int4-g32"}


def command_output(command, **options):
    return subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True, **options).stdout


class Bench:
    def __init__(self, options):
        self.options = options
        self.ceilings = os.path.join(options.work, "ceilings")

    # What is made once -------------------------------------------------------------------------------------------

    def checkpoint(self, shape):
        return os.path.join(self.options.work, "models", shape)

    def program(self, shape, weights):
        return os.path.join(self.options.work, "programs", f"{shape}-{weights}")

    def prepare(self):
        os.makedirs(os.path.join(self.options.work, "programs"), exist_ok=True)
        subprocess.run(["clang++-22", "-O2", "-march=native", "-pthread", os.path.join(HERE, "ceilings.cpp"), "-o",
                        self.ceilings], check=True)
        for shape in self.options.shapes:
            if not os.path.exists(os.path.join(self.checkpoint(shape), "model.safetensors")):
                self.say(f"writing {shape}")
                subprocess.run([sys.executable, os.path.join(HERE, "make_model.py"), self.checkpoint(shape), "--shape",
                                shape], check=True, stderr=subprocess.DEVNULL, stdout=subprocess.DEVNULL)
        for shape, weights in itertools.product(self.options.shapes, self.options.weights):
            if "stoop" in self.options.engines:
                self.say(f"compiling {shape} {weights}")
                tuned = ["--tuning-db", self.options.tuning_db] if self.options.tuning_db else []
                subprocess.run([STOOP, "compile", self.checkpoint(shape), "-o", self.program(shape, weights), "--dtype",
                                "bf16", "--quantization", SCHEMES[weights], "--max-batch-size",
                                str(max(self.options.batches)), "-c", "1024", "--quiet", *tuned], check=True)
            for engine in self.peers(shape, weights):
                self.say(f"converting {shape} {weights} for {engine}")
                command = self.peer(engine, shape, weights, 1)
                os.makedirs(command[3], exist_ok=True)
                done = subprocess.run([*command, "--prepare"], env=self.environment(), stdout=subprocess.DEVNULL,
                                      stderr=subprocess.PIPE, text=True)
                if done.returncode:
                    self.say(f"{engine} cannot have it: {done.stderr[-300:]}")

    # What is run ---------------------------------------------------------------------------------------------------

    def environment(self):
        return dict(os.environ, STOOP_BENCH_LLAMA=os.path.join(self.options.peers, "llama", "bin"))

    def peers(self, shape, weights):
        """Installed peers that can run it."""
        for engine, (python, _, shapes, widths, _) in PEERS.items():
            installed = os.path.exists(os.path.join(self.options.peers, python, "bin", "python"))
            installed &= engine != "llama" or os.path.exists(self.environment()["STOOP_BENCH_LLAMA"] + "/llama-bench")
            if installed and engine in self.options.engines and weights in widths and re.match(shapes, shape):
                yield engine

    def peer(self, engine, shape, weights, batch):
        python, script = PEERS[engine][:2]
        return [os.path.join(self.options.peers, python, "bin", "python"), os.path.join(HERE, "peers", script),
                self.checkpoint(shape), os.path.join(self.options.work, "converted", engine), "--weights", weights,
                "--threads", str(self.options.threads), "--generate", str(self.options.generate), "--batch", str(batch)]

    def runs(self):
        """Functions that take one sample each, with their names."""
        for shape, weights, batch in itertools.product(self.options.shapes, self.options.weights, self.options.batches):
            if "stoop" in self.options.engines:
                yield f"stoop {shape} {weights} b{batch}", lambda s=shape, w=weights, b=batch: self.ours(s, w, b)
            for engine in self.peers(shape, weights):
                command = self.peer(engine, shape, weights, batch)
                yield f"{engine} {shape} {weights} b{batch}", lambda c=command: self.theirs(c)

    def theirs(self, command):
        done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=self.environment(),
                              timeout=900)
        rows = [line for line in done.stdout.splitlines() if line.startswith("{")]
        if done.returncode or not rows:
            raise subprocess.CalledProcessError(done.returncode, command, stderr=done.stderr[-300:])
        return json.loads(rows[-1])

    def ours(self, shape, weights, batch):
        program = self.program(shape, weights)
        common = ["-n", str(self.options.generate), "-r", "1", "-t", str(self.options.threads), "--no-verify", "--json"]
        bench = lambda *flags: json.loads(command_output([program, "bench", *common, *flags]))
        one = json.loads(command_output([program, "run", "--prompt-ids", "3", "-n", "1", "-t",
                                         str(self.options.threads), "--no-verify", "--json"]))
        row = {"engine": "stoop", "version": self.options.commit, "model": shape, "weights": weights, "batch": batch,
               "load_s": one["timings"]["load_s"], "peak_rss_mib": one["memory"]["peak_rss_bytes"] / 2**20,
               "planned_mib": one["memory"]["planned_bytes"] / 2**20}
        measured = bench("-p", str(PROMPT) if batch == 1 else "0", "-b", str(batch))
        deep = bench("-p", "0", "-d", str(PROMPT), "-b", str(batch))
        for entry in measured:
            if entry["n_gen"]:
                row["decode_tok_s"] = entry["samples_tok_s"][0]
            else:
                row["prefill_s"] = entry["n_prompt"] / entry["samples_tok_s"][0]
        # What a step reads at depth 512, from the program's own share of its own probe.
        row["deep_tok_s"] = deep[0]["samples_tok_s"][0]
        row["step_bytes"] = (deep[0]["percent_of_bandwidth"] / 100 * deep[0]["read_bandwidth_gb_s"] * 1e9 /
                             (row["deep_tok_s"] / batch))
        return row

    def sample(self, name, run):
        before, idle, begin = self.probe(), busy(), time.time()
        try:
            row = run()
        except (subprocess.SubprocessError, OSError, ValueError, KeyError) as error:
            row = {"error": f"{error} {getattr(error, 'stderr', '') or ''}".strip()[-400:]}
        wall, after = time.time() - begin, busy()
        others = max(0.0, (after[0] - idle[0]) - (after[1] - idle[1])) / wall
        return dict(row, name=name, wall_s=wall, others=others, counts=others < BUSY,
                    probe_gb_s=(before + self.probe()) / 2)

    def probe(self):
        return json.loads(command_output([self.ceilings, "--probe"]))["read_gb_s"]

    def say(self, text):
        print(time.strftime("%H:%M:%S"), text, file=sys.stderr, flush=True)


def busy():
    """CPU seconds that the machine has spent, and those of finished children."""
    with open("/proc/stat", encoding="utf-8") as file:
        ticks = [int(word) / os.sysconf("SC_CLK_TCK") for word in file.readline().split()[1:8]]
    ours = resource.getrusage(resource.RUSAGE_CHILDREN)
    return sum(ticks[:3]) + ticks[5] + ticks[6], ours.ru_utime + ours.ru_stime


def parse():
    parser = argparse.ArgumentParser(prog="run.sh", description=__doc__.splitlines()[0])
    listed = lambda text: text.split(",")
    parser.add_argument("--work", default="/tmp/stoop-bench", help="folder for models and programs: 30 GiB for everything")
    parser.add_argument("--peers", help="folder of peers/install.sh (default: WORK/peers)")
    parser.add_argument("--shapes", type=listed, default=["q-1b", "rw-1b"], help="of make_model.py")
    parser.add_argument("--weights", type=listed, default=["bf16", "int8", "int4"])
    parser.add_argument("--engines", type=listed, default=["stoop", *PEERS])
    parser.add_argument("--batches", type=lambda text: [int(word) for word in text.split(",")], default=[1, 4])
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--minutes", type=float, default=0, help="begin no round that would end later; 0: no limit")
    parser.add_argument("--generate", type=int, default=64)
    parser.add_argument("--threads", type=int, default=os.cpu_count())
    parser.add_argument("--tuning-db", help="schedules for our programs (default: the user's)")
    parser.add_argument("--load-limit", type=float, default=0.5, help="refuse to begin above this load average")
    parser.add_argument("--prepare", action="store_true", help="write models, compile and convert, measure nothing")
    parser.add_argument("--no-prepare", action="store_true", help="everything was prepared before")
    parser.add_argument("--output", help="table to write (default: test/bench/results/DATE-CPU.md)")
    options = parser.parse_args()
    options.peers = options.peers or os.path.join(options.work, "peers")
    for given, known in ((options.engines, ["stoop", *PEERS]), (options.weights, SCHEMES)):
        for name in given:
            if name not in known:
                parser.error(f"'{name}' is none of {', '.join(known)}")
    options.commit = command_output(["git", "-C", ROOT, "describe", "--always", "--dirty"]).strip()
    return options


def main():
    options = parse()
    load = os.getloadavg()[0]
    if not options.prepare and load > options.load_limit:
        sys.exit(f"run.sh: the load average is {load:.2f}; measuring needs at most {options.load_limit} (--load-limit)")
    bench = Bench(options)
    if not options.no_prepare:
        bench.prepare()
    if options.prepare:
        return
    machine = summary.machine()
    output = options.output or os.path.join(HERE, "results", f"{time.strftime('%Y-%m-%d')}-{machine['slug']}.md")
    journal = os.path.join(options.work, f"rows-{time.strftime('%Y%m%d-%H%M%S')}.jsonl")
    bench.say("measuring the ceilings")
    ceilings = json.loads(command_output([bench.ceilings, "--threads", str(options.threads)]))
    rows, begin = [], time.time()
    for number in range(options.rounds):
        if options.minutes and number and (time.time() - begin) * (number + 1) / number > options.minutes * 60:
            break
        for name, run in bench.runs():
            row = dict(bench.sample(name, run), round=number)
            rows.append(row)
            with open(journal, "a", encoding="utf-8") as file:
                file.write(json.dumps(row) + "\n")
            bench.say(name + ": " + ", ".join(f"{key} {row[key]:.3g}" for key in ("decode_tok_s", "prefill_s", "probe_gb_s")
                                              if key in row) + (f" FAILED {row['error']}" if "error" in row else ""))
        with open(output, "w", encoding="utf-8") as file:
            file.write(summary.table(rows, ceilings, machine, options, load))
        bench.say(f"round {number + 1} of {options.rounds}: {output}")


if __name__ == "__main__":
    main()
