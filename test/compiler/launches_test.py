"""How many launches a step has: three a layer of parallel blocks, five of sequential ones, whatever the model and the batch."""
import json

import stoop_cli
from stoop_cli import Case, run

LAYERS = 2
CONFIGS = {"falcon-7b": 3, "falcon-11b": 3, "falcon-40b": 3, "falcon-180b": 3, "falcon-rw-1b": 5, "falcon-rw-7b": 5, "falcon3-10b": 5}
# Copies that linear_stream has in flight: a KiB for each of 8 warps and stages; and the shared memory that every GPU has.
IN_FLIGHT, SHARED = 64 << 10, 99 << 10


class Launches(Case):
    def plans(self, target, batches, *flags):
        """(name, launches of a layer, batch, report) of the real shapes, with two layers."""
        for name, launches in CONFIGS.items():
            config = json.loads((stoop_cli.SOURCE / "test" / "import" / "configs" / f"{name}.json").read_text())
            config["n_layer" if "n_layer" in config else "num_hidden_layers"] = LAYERS
            path = self.dir / "config.json"
            path.write_text(json.dumps(config))
            for batch in batches:
                result = run("plan", path, "--target", target, "--max-batch-size", batch, "-c", 64, "--prefill-buckets", 16, "--json", *flags)
                yield name, launches, batch, json.loads(self.expect(result, 0).stdout)

    def check(self, target, batches, gathered, *flags):
        """`gathered`: most rows that are embedded in the first launch of a step."""
        for name, launches, batch, report in self.plans(target, batches, *flags):
            with self.subTest(target=target, model=name, batch=batch, flags=flags):
                step, = (entry for entry in report["entries"] if entry["kind"] == "decode" and entry["rows"] == batch)
                self.assertEqual(step["launches"], launches * LAYERS + 1 + (batch > gathered))
                yield report, step

    def test_batches_on_a_cpu(self):
        for _ in self.check("cpu", (1, 4, 8), 4):
            pass

    def test_batches_on_a_gpu_keep_their_copies_in_flight(self):
        for report, step in self.check("cuda", range(1, 9), 8):
            streams = [kernel for kernel in report["kernels"] if kernel["template"] == "linear_stream" and step["name"] in kernel["entries"]]
            self.assertGreaterEqual(len(streams), 3)
            for kernel in streams:
                self.assertEqual(kernel["tunables"]["stages"] * 8 << 10, IN_FLIGHT)
                self.assertLessEqual(kernel["shared_bytes"], SHARED)

    def test_float32_batches_on_a_gpu(self):
        for _ in self.check("cuda", (1, 8), 8, "--dtype", "f32"):
            pass


if __name__ == "__main__":
    stoop_cli.main()
