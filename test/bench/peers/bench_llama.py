"""llama.cpp's own llama-bench and llama-batched-bench. Its Falcon graph has rotation and parallel blocks without biases only."""
import json
import os
import subprocess
import tempfile
import time

import common

FORMS = {"bf16": "bf16", "int8": "q8_0", "int4": "q4_0"}


def run(command):
    """Wall seconds, peak memory in MiB, parsed output."""
    with tempfile.TemporaryFile() as out:
        begin = time.perf_counter()
        process = subprocess.Popen(command, stdout=out, stderr=subprocess.DEVNULL)
        _, status, usage = os.wait4(process.pid, 0)
        wall = time.perf_counter() - begin
        if status:
            raise SystemExit(f"{' '.join(command)}: status {status}")
        out.seek(0)
        return wall, usage.ru_maxrss // 1024, out.read().decode()


def main():
    options = common.arguments(list(FORMS), __doc__)
    tools = os.environ["STOOP_BENCH_LLAMA"]  # folder of its programs
    base, file = options.converted.removesuffix(options.weights) + "bf16.gguf", options.converted + ".gguf"
    if not os.path.exists(base):
        import to_gguf
        to_gguf.convert(options.model, base)
    if not os.path.exists(file):
        subprocess.run([os.path.join(tools, "llama-quantize"), base, file, FORMS[options.weights].upper(), "2"],
                       check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    if options.prepare:
        return
    flags = ["-m", file, "-t", str(options.threads)]
    bench = [os.path.join(tools, "llama-bench"), *flags, "-o", "json"]
    wall, _, one = run([*bench, "-p", "1", "-n", "0", "-r", "1", "--no-warmup"])
    load = wall - json.loads(one)[0]["avg_ns"] / 1e9
    version, prefill_s = json.loads(one)[0]["build_commit"], None
    if options.batch > 1:
        _, rss, text = run([os.path.join(tools, "llama-batched-bench"), *flags, "-c", "2048", "-npp", "1", "-ntg",
                            str(options.generate), "-npl", str(options.batch), "--output-format", "jsonl"])
        lines = [line for line in text.splitlines() if line.startswith("{")]
        decode_s = json.loads(lines[-1])["t_tg"]
    else:
        _, rss, text = run([*bench, "-p", str(common.PROMPT), "-n", str(options.generate), "-r", "1"])
        rows = json.loads(text)
        prefill_s = next(row["avg_ns"] / 1e9 for row in rows if row["n_gen"] == 0)
        decode_s = next(row["avg_ns"] / 1e9 for row in rows if row["n_gen"])
    common.emit("llama.cpp", version, options, decode_s, prefill_s, load, rss)


if __name__ == "__main__":
    main()
