"""The report page in a headless browser: its numbers are the JSON's, it asks for nothing, it works small, large and dark."""
import copy
import json
import pathlib
import re
import shutil
import struct
import sys
import tempfile

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / "compiler"))
import stoop_cli  # noqa: E402
from browser import Browser, find_browser  # noqa: E402
from stoop_cli import Case, run  # noqa: E402

SIZES = ((1280, False), (400, True), (400, False), (1280, True))
# Every number with its place, and whether the text beside it is one that a person sees.
NUMBERS = """[...document.querySelectorAll('[data-path]')].map(node =>
    [node.dataset.path, Number(node.dataset.value), node.getClientRects().length > 0])"""
WIDTH = "document.documentElement.scrollWidth"
# Two frames: events of what was done before have been seen.
SETTLE = "new Promise(done => requestAnimationFrame(() => requestAnimationFrame(done)))"
CENTRE = "(() => { const box = document.querySelector(%s).getBoundingClientRect(); return [box.x + box.width / 2, box.y + box.height / 2]; })()"


def at(report, path):
    for key in path.split("/"):
        report = report[int(key)] if isinstance(report, list) else report[key]
    return report


def deep_checkpoint(folder, layers):
    """A checkpoint of many layers whose weights take no space: a plan reads their headers alone."""
    source = stoop_cli.SOURCE / "test" / "checkpoints" / "tiny-7b"
    shutil.copytree(source, folder, ignore=shutil.ignore_patterns("expected.*", "long.json"))
    stoop_cli.edit_json(folder / "config.json", num_hidden_layers=layers)
    stored = dict(stoop_cli.Safetensors(folder / "model.safetensors").pairs)
    stored.pop("__metadata__", None)
    header, end = {}, 0
    for key, tensor in stored.items():
        for name in [key.replace(".0.", f".{i}.") for i in range(layers)] if ".0." in key else [key]:
            size = tensor["data_offsets"][1] - tensor["data_offsets"][0]
            if name in header or re.search(r"\.h\.[1-9]", key):
                continue
            header[name] = dict(tensor, data_offsets=[end, end + size])
            end += size
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    with open(folder / "model.safetensors", "wb") as file:
        file.write(struct.pack("<Q", len(text)) + text)
        file.truncate(8 + len(text) + end)
    return folder


class Page(Case):
    @classmethod
    def setUpClass(cls):
        if not find_browser():
            raise AssertionError("no browser: test/setup.sh installs chromium-headless-shell")
        cls.browser = Browser()
        cls.browser.__enter__()
        cls.addClassCleanup(cls.browser.__exit__)

        folder = tempfile.mkdtemp(prefix="stoop-page-")
        cls.addClassCleanup(shutil.rmtree, folder)
        cls.json, cls.page = pathlib.Path(folder) / "report.json", pathlib.Path(folder) / "report.html"
        model = stoop_cli.SOURCE / "test" / "checkpoints" / "tiny-7b"
        run("compile", model, "-o", folder + "/m", check=True)
        cls.report = json.loads(run("inspect", folder + "/m", "--format", "json", check=True).stdout)
        # Verdicts of each kind, whatever the compiler makes of this model.
        group = next(g for g in cls.report["entries"][0]["groups"] if "layers" in g)
        ends = [group["launches"][0]["ops"][-1], group["launches"][1]["ops"][0]]
        cls.missed = ends[1]["path"]
        cls.report["fusion"]["missed"].append(
            {"entry": cls.report["entries"][0]["name"], "pass": "lm-fuse-next", "count": 1, "bytes": 4096, "layers": group["layers"],
             "producer": {"op": ends[0]["op"], "path": ends[0]["path"]}, "consumer": {"op": ends[1]["op"], "path": cls.missed},
             "reason": "the value has <3> uses & \"more\"", "remedy": "fewer uses </script>"})
        cls.json.write_text(json.dumps(cls.report))
        run("inspect", cls.json, "--format", "html", "-o", cls.page, check=True)

    def open(self, path=None, **options):
        page = self.browser.open(path or self.page, **options)
        self.addCleanup(page.close)
        return page

    def check(self, page, width):
        self.assertEqual(page.problems, [])
        self.assertEqual(page.requests, [page.url])
        self.assertLessEqual(page.evaluate(WIDTH), width)

    def test_numbers_are_the_reports(self):
        for width, dark in SIZES:
            with self.subTest(width=width, dark=dark):
                page = self.open(width=width, dark=dark)
                self.check(page, width)
                numbers = page.evaluate(NUMBERS)
                self.assertGreater(len(numbers), 40)
                for path, value, visible in numbers:
                    self.assertEqual(value, at(self.report, path), path)
                    self.assertTrue(visible, path)
                shown = {path for path, _, _ in numbers}
                for index in range(len(self.report["kernels"])):
                    self.assertIn(f"kernels/{index}/bytes", shown)
                self.assertIn("memory/total_bytes", shown)
                self.assertIn("memory/need/bytes", shown)
                colour = page.evaluate("getComputedStyle(document.body).backgroundColor")
                light = sum(map(int, colour[4:-1].split(",")[:3])) > 384
                self.assertEqual(light, not dark, colour)

    def test_every_entry_map_and_kernel_can_be_seen(self):
        page = self.open()
        for section, count in (("layers", len(self.report["entries"])), ("memory", len(self.report["memory"]["maps"])),
                               ("kernels", len(self.report["entries"]) + 1)):
            for index in range(count):
                page.evaluate(f"document.querySelectorAll('#{section} .controls button')[{index}].click()")
                for path, value, _ in page.evaluate(NUMBERS):
                    self.assertEqual(value, at(self.report, path), path)
                if section == "layers":
                    ops = sum(len(launch["ops"]) for group in self.report["entries"][index]["groups"] for launch in group["launches"])
                    self.assertEqual(page.evaluate("document.querySelectorAll('#layers .op').length"), ops)
                if section == "memory":
                    self.assertEqual(page.evaluate("document.querySelectorAll('#memory rect.buffer').length"),
                                     len(self.report["memory"]["maps"][index]["buffers"]))
        self.check(page, 1280)

    def test_the_kernel_table_sorts(self):
        page = self.open()
        column = "[...document.querySelectorAll('#kernels [data-path$=\"/%s\"]')].map(n => Number(n.dataset.value))"
        for key in ("bytes", "flops", "roofline_ns"):
            button = "document.querySelector('#kernels [data-sort=%s]').click()" % {"roofline_ns": "time"}.get(key, key)
            page.evaluate(button)
            down = page.evaluate(column % key)
            self.assertEqual(down, sorted(down, reverse=True))
            page.evaluate(button)
            self.assertEqual(page.evaluate(column % key), sorted(down))
        self.assertEqual(sorted(down), sorted(kernel["roofline_ns"] for kernel in self.report["kernels"]))

    def tip(self, page):
        return page.evaluate("document.getElementById('tip').hidden ? '' : document.getElementById('tip').textContent")

    def test_verdicts_on_hover_and_tap(self):
        chip = json.dumps(f'#layers .op[data-op="{self.missed}"]')
        for width, act in ((1280, "move"), (400, "tap")):
            with self.subTest(width=width):
                page = self.open(width=width)
                page.evaluate(f"document.querySelector({chip}).scrollIntoView({{block: 'center', behavior: 'instant'}})")
                page.evaluate(SETTLE)  # scrolling hides a tip
                self.assertEqual(self.tip(page), "")
                getattr(page, act)(*page.evaluate(CENTRE % chip))
                page.evaluate(SETTLE)
                text = self.tip(page)
                for fragment in (self.missed, 'the value has <3> uses & "more"', "to fuse: fewer uses </script>"):
                    self.assertIn(fragment, text)
                box = page.evaluate("(b => [b.left, b.top, b.right, b.bottom])(document.getElementById('tip').getBoundingClientRect())")
                self.assertTrue(0 <= box[0] and box[2] <= width and 0 <= box[1] and box[3] <= 900, box)
                self.assertTrue(page.evaluate(f"document.querySelector({chip}).classList.contains('missed')"))
                self.check(page, width)

    def test_an_op_shows_its_own_edges_alone(self):
        """The last token's row shares its path with a residual; layer 0's residual leads to the next layer."""
        page = self.open()
        last = self.report["model"]["layers"] - 1
        index = [entry["name"] for entry in self.report["entries"]].index("prefill_32")
        page.evaluate(f"document.querySelectorAll('#layers .controls button')[{index}].click()")
        edges = lambda: [text.split(" (")[0] for text in page.evaluate(
            "[...document.querySelectorAll('#tip li')].map(item => item.childNodes[0].textContent + ' (')")]
        for path, expected in ((f"layers.{last}.residual", ["→ final_norm", "← residual"]),
                               ("final_norm", ["← residual", "→ head"])):
            page.evaluate(f"document.querySelector('#layers .op[data-op=\"{path}\"]').focus()")
            self.assertEqual(edges(), expected)
        page.evaluate("document.querySelector('#layers .op[data-op=\"layers.*.residual\"]').focus()")
        self.assertIn("→ norm of the next layer", edges())

    def test_missed_fusions_of_each_entry(self):
        page = self.open()
        for index, entry in enumerate(self.report["entries"]):
            page.evaluate(f"document.querySelectorAll('#fusion .controls button')[{index}].click()")
            missed = [v for v in self.report["fusion"]["missed"] if v["entry"] == entry["name"]]
            text = page.evaluate("document.querySelector('#fusion .body').textContent")
            def name(verdict):
                """With the ops, and as many layers back as the producer lies."""
                distance, end = verdict.get("layer_distance", 0), {key: verdict[key]["path"] for key in ("producer", "consumer")}
                if distance:
                    end["producer"] = re.sub(r"(\*|\b\d+)", f"*-{distance}", end["producer"], count=1)
                return " → ".join(f"{verdict[key]['op'].split('.')[-1]} {end[key]}" for key in ("producer", "consumer"))
            for verdict in missed:
                self.assertIn(name(verdict), text)
                self.assertIn(verdict["reason"], text)
            if index == 0:
                self.assertIn("binary layers.*-1.residual → binary layers.*.residual", text)
            rows = {(name(v), v["reason"]) for v in missed}
            self.assertEqual(page.evaluate("document.querySelectorAll('#fusion .miss').length"), len(rows))

    def test_the_ledger_finds_every_key(self):
        page = self.open()
        for key in (self.report["ledger"]["tensors"]["used"][0], self.report["ledger"]["config"]["used"][-1]):
            page.evaluate("(i => { i.value = %s; i.dispatchEvent(new Event('input')); })(document.querySelector('#ledger input'))" % json.dumps(key))
            self.assertIn(key, page.evaluate("document.querySelector('#ledger .body').textContent"))

    def test_two_reports_show_what_changed(self):
        base = copy.deepcopy(self.report)
        base["entries"][0]["launches"] += 12
        (self.dir / "base.json").write_text(json.dumps(base))
        both = self.dir / "both.html"
        self.expect(run("diff", self.dir / "base.json", self.json, "--format", "html", "-o", both), 1)
        text = self.expect(run("diff", self.dir / "base.json", self.json), 1).stdout
        percent = re.search(r"launches\n.*( \(-\d+ %\))", text).group(1)
        for width in (1280, 400):
            page = self.open(both, width=width)
            self.check(page, width)
            changes = page.evaluate("document.querySelector('#changes').textContent")
            before, after = base["entries"][0]["launches"], self.report["entries"][0]["launches"]
            self.assertIn(f"{before} → {after}{percent}", changes)
            values = lambda: dict((path, value) for path, value, _ in page.evaluate(NUMBERS))
            self.assertEqual(values()["entries/0/launches"], after)
            page.evaluate("document.querySelectorAll('#nav button')[1].click()")
            self.assertEqual(values()["entries/0/launches"], before)
        self.assertTrue(self.open().evaluate("document.querySelector('#changes').hidden"))

    def test_sixty_layers_fit_in_two_megabytes(self):
        path = self.dir / "large.html"
        self.expect(run("inspect", deep_checkpoint(self.dir / "deep", 60), "--format", "html", "-o", path), 0)
        self.assertLess(path.stat().st_size, 2 << 20)
        for width in (1280, 400):
            page = self.open(path, width=width)
            self.check(page, width)
            # The first layer may hold more than its equals: the embedding.
            self.assertRegex(page.evaluate("document.querySelector('#layers').textContent"), "× (59|60)")
            count = "document.querySelectorAll('#memory rect.buffer').length"
            few = page.evaluate(count)
            page.evaluate("document.querySelectorAll('#memory .body .controls button')[1].click()")
            self.assertGreater(page.evaluate(count), 10 * few)


if __name__ == "__main__":
    stoop_cli.main()
