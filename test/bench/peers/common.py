"""What the peers' scripts share: arguments, timing, memory and the line of results.

Each prints one JSON line: engine, version, model, weights, batch, decode_tok_s (after a prompt of one token, the
first token not counted; all sequences together), prefill_s (512 tokens into an empty cache, the last one's logits
alone; with a batch of one only), load_s (process start to ready, imports included, nothing converted) and peak_rss_mib.
"""
import argparse
import json
import os
import resource
import statistics
import time

PROMPT = 512


def arguments(weights, description):
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("model", help="checkpoint directory")
    parser.add_argument("work", help="folder for what is converted, once")
    parser.add_argument("--weights", choices=weights, default=weights[0])
    parser.add_argument("--threads", type=int, default=os.cpu_count())
    parser.add_argument("--generate", type=int, default=64)
    parser.add_argument("--batch", type=int, default=1)
    parser.add_argument("--prepare", action="store_true", help="convert and stop")
    options = parser.parse_args()
    os.environ["OMP_NUM_THREADS"] = str(options.threads)
    os.environ["HF_HUB_OFFLINE"] = "1"
    options.name = os.path.basename(os.path.normpath(options.model))
    options.converted = os.path.join(options.work, f"{options.name}-{options.weights}")
    return options


def vocabulary(model):
    with open(os.path.join(model, "config.json"), encoding="utf-8") as file:
        return json.load(file)["vocab_size"]


def since_start():
    """Seconds since this process was started."""
    with open("/proc/self/stat", encoding="utf-8") as file:
        ticks = int(file.read().rpartition(")")[2].split()[19])
    with open("/proc/uptime", encoding="utf-8") as file:
        return float(file.read().split()[0]) - ticks / os.sysconf("SC_CLK_TCK")


def seconds(work):
    begin = time.perf_counter()
    work()
    return time.perf_counter() - begin


def prefill_seconds(options, work):
    return statistics.median(seconds(work) for _ in range(2)) if options.batch == 1 else None


def emit(engine, version, options, decode_s, prefill_s, load_s, peak_rss_mib=None):
    rss = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
    measured = {} if prefill_s is None else {"prefill_s": prefill_s}
    print(json.dumps({**measured, "engine": engine, "version": version, "model": options.name, "weights": options.weights,
                      "batch": options.batch, "decode_tok_s": options.generate * options.batch / decode_s,
                      "load_s": load_s,
                      "peak_rss_mib": rss if peak_rss_mib is None else peak_rss_mib}), flush=True)
