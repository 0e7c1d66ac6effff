"""Bad checkpoints: one clear message, exit code 1, no output."""
import json
import shutil
import struct

import stoop_cli
from stoop_cli import Case, Safetensors, edit_json, run, run_program

QKV = "transformer.h.0.self_attention.query_key_value.weight"


class BadConfig(Case):
    def test_not_a_checkpoint(self):
        self.expect_refusal(self.dir / "none", "none", "does not exist")
        (self.dir / "file").write_text("x")
        self.expect_refusal(self.dir / "file", "not a directory")
        (self.dir / "empty").mkdir()
        self.expect_refusal(self.dir / "empty", "no config.json")

    def test_malformed_config(self):
        checkpoint = self.checkpoint()
        for text in ("", "{", "[]", '{"model_type": }', '{"model_type": "falcon"} x', '{"a": 1, "a": 2}'):
            with self.subTest(text=text):
                (checkpoint / "config.json").write_text(text)
                self.expect_refusal(checkpoint, "config.json")

    def test_unsupported_architectures_are_named(self):
        for changes, name in (
                ({"model_type": "falcon_mamba", "architectures": ["FalconMambaForCausalLM"]}, "mamba"),
                ({"model_type": "falcon_h1", "architectures": ["FalconH1ForCausalLM"]}, "falcon_h1"),
                ({"model_type": "bitnet", "architectures": ["BitNetForCausalLM"]}, "bitnet"),
                ({"model_type": "gpt2", "architectures": ["GPT2LMHeadModel"]}, "gpt2"),
                ({"quantization_config": {"quant_method": "gptq"}}, "quantization_config")):
            with self.subTest(name=name):
                checkpoint = self.checkpoint()
                edit_json(checkpoint / "config.json", **changes)
                self.expect_refusal(checkpoint, name)
                shutil.rmtree(checkpoint)

    def test_contradictory_configs(self):
        for changes, fragment in (
                ({"new_decoder_architecture": True, "parallel_attn": False}, "parallel_attn"),
                ({"num_ln_in_parallel_attn": 2, "parallel_attn": True}, "num_ln_in_parallel_attn"),
                ({"multi_query": False, "num_kv_heads": 2}, "num_kv_heads"),
                ({"num_attention_heads": 7}, "num_attention_heads"),
                ({"hidden_size": -160}, "hidden_size"),
                ({"num_hidden_layers": "two"}, "num_hidden_layers"),
                ({"activation": "swiglu"}, "activation"),
                ({"apply_residual_connection_post_layernorm": True}, "apply_residual_connection_post_layernorm")):
            with self.subTest(changes=changes):
                checkpoint = self.checkpoint()
                edit_json(checkpoint / "config.json", **changes)
                self.expect_refusal(checkpoint, fragment)
                shutil.rmtree(checkpoint)

    def test_alibi_of_a_model_with_rotary_positions(self):
        self.expect_refusal(self.checkpoint("rand-7b-legacy"), "--alibi", "exact", "rotary", arguments=("--alibi", "exact"))

    def test_unknown_keys_are_refused_or_allowed(self):
        checkpoint = self.checkpoint()
        edit_json(checkpoint / "config.json", surprising_key=1)
        self.expect_refusal(checkpoint, "surprising_key", "--allow-extra")
        result = self.expect(run("plan", checkpoint, "--allow-extra"), 0, "surprising_key")
        self.assertIn("stoop: warning:", result.stderr)

    def test_shapes_that_disagree_give_both_numbers(self):
        checkpoint = self.checkpoint()
        edit_json(checkpoint / "config.json", ffn_hidden_size=481)
        self.expect_refusal(checkpoint, "480", "481")
        edit_json(checkpoint / "config.json", ffn_hidden_size=480, vocab_size=778)
        self.expect_refusal(checkpoint, "777", "778")

    def test_no_tokenizer(self):
        checkpoint = self.checkpoint()
        (checkpoint / "tokenizer.json").unlink()
        self.expect_refusal(checkpoint, "tokenizer.json", "--no-tokenizer")
        self.expect(run("plan", checkpoint, "--no-tokenizer"), 0)
        (checkpoint / "tokenizer.json").write_text('{"version": "1.0"')
        self.expect_refusal(checkpoint, "tokenizer.json")


class BadCalibration(Case):
    """--calibration: what is wrong with the text, or that nothing would be rounded by it."""

    def refuse(self, text, *fragments, flags=("--quantization", "int4"), code=1):
        (self.dir / "text").write_bytes(text)
        self.expect_refusal(self.checkpoint("rand-rw1b", copy=False), "--calibration", *fragments, code=code,
                            arguments=("--calibration", self.dir / "text", *flags))

    def test_texts(self):
        self.refuse(b"", "is empty")
        self.refuse(b" \n\t ", "is empty")
        self.refuse(b"In the beginning \xff\xfe", "not UTF-8 at byte 17")
        self.expect_refusal(self.checkpoint("rand-rw1b", copy=False), "cannot be read",
                            arguments=("--calibration", self.dir / "none", "--quantization", "int4"))

    def test_without_tokenizer(self):
        self.refuse(b"In the beginning", "--no-tokenizer", flags=("--quantization", "int4", "--no-tokenizer"))

    def test_schemes_that_it_cannot_help(self):
        for scheme in ("none", "int8"):
            self.refuse(b"In the beginning", "int4 weights alone", scheme, flags=("--quantization", scheme))

    def test_phases_that_keep_no_integers(self):
        self.refuse(b"In the beginning", "--compile-to graph", flags=("--quantization", "int4", "--compile-to", "graph"),
                    code=2)


class BadPrompts(Case):
    """What `stoop evaluate` refuses to evaluate."""

    def refuse(self, text, *fragments):
        prompts = self.dir / "prompts.json"
        prompts.write_text(text)
        model = self.checkpoint(copy=False)
        result = run("evaluate", model, "--prompts", prompts, "-n", "1", "--max-seq-len", "8", "--json")
        self.expect(result, 1, *fragments)
        self.assertEqual(result.stdout, "")

    def test_files_that_are_no_prompts(self):
        for text in ("", "[1, 2", "[1, 2]", "[]", "{}", "[[1], 2]", '[["1"]]', "[[1.5]]", '{"ids": [[1]]}'):
            with self.subTest(text=text):
                self.refuse(text, "prompts.json")

    def test_prompts_that_the_model_cannot_take(self):
        self.refuse("[[1], [2, -1]]", "prompt 1", "token id -1", "0 to 776")
        self.refuse("[[777]]", "prompt 0", "token id 777", "0 to 776")
        self.refuse("[[1], [1, 2, 3, 4, 5, 6, 7, 8, 9]]", "prompt 1 has 9 tokens", "context is 8", "--max-seq-len")

    def test_lists_that_are_no_ids(self):
        model = self.checkpoint(copy=False)
        for text in ("1,,2", "1,", "x", "[1", "1]", "1 2", "99999999999999999999"):
            self.expect(run("evaluate", model, "--prompt-ids", text), 1, "--prompt-ids", "'" + text + "'")

    def test_an_empty_prompt_is_the_begin_of_text(self):
        model = self.checkpoint(copy=False)
        begin = str(json.loads((model / "config.json").read_text())["bos_token_id"])
        answers = [self.expect(run("evaluate", model, *words, "-n", "2", "--json"), 0).stdout
                   for words in (("-p", ""), ("--prompt-ids", ""), ("--prompt-ids", "[]"), ("--prompt-ids", begin))]
        self.assertEqual(len(set(answers)), 1, answers)

    def test_one_source_and_a_file_that_exists(self):
        model = self.checkpoint(copy=False)
        self.expect(run("evaluate", model, "--prompts", "x", "--prompt-ids", "1"), 2, "--prompts", "--prompt-ids")
        self.expect(run("evaluate", model, "--prompts", self.dir / "none"), 1, "none")
        self.expect(run("evaluate", model), 2, "--prompts")


class BadWeights(Case):
    def setUp(self):
        super().setUp()
        self.folder = self.checkpoint()
        self.path = self.folder / "model.safetensors"
        self.tensors = Safetensors(self.path)

    def test_missing_tensor(self):
        self.tensors.remove(QKV)
        self.tensors.write()
        self.expect_refusal(self.folder, QKV)

    def test_extra_tensor(self):
        self.tensors.add("transformer.surprise", "F32", [2], b"\0" * 8)
        self.tensors.write()
        self.expect_refusal(self.folder, "transformer.surprise", "--allow-extra")
        self.expect(run("plan", self.folder, "--allow-extra"), 0, "transformer.surprise")

    def test_duplicated_tensor(self):
        self.tensors.pairs.append((QKV, self.tensors.entry(QKV)))
        self.tensors.write()
        self.expect_refusal(self.folder, QKV)

    def test_wrong_element_type(self):
        self.tensors.entry(QKV)["dtype"] = "I32"
        self.tensors.write()
        self.expect_refusal(self.folder, QKV, "I32")

    def test_violations_of_the_format(self):
        whole = self.path.read_bytes()
        (length,) = struct.unpack("<Q", whole[:8])
        for name, raw in (
                ("empty", b""), ("seven bytes", whole[:7]), ("header cut off", whole[:8 + length // 2]),
                ("data cut off", whole[:-4]), ("trailing bytes", whole + b"\0\0\0\0"),
                ("huge header", struct.pack("<Q", 1 << 60) + whole[8:]),
                ("no object", whole[:8] + b"[" + whole[9:]),
                ("no UTF-8", whole[:8] + whole[8:8 + length].replace(b"transformer", b"transf\xffrmer") + whole[8 + length:])):
            with self.subTest(name=name):
                self.path.write_bytes(raw)
                self.expect_refusal(self.folder, "model.safetensors")

    def test_overlapping_offsets(self):
        entry = self.tensors.entry(QKV)
        entry["data_offsets"] = [entry["data_offsets"][0] - 4, entry["data_offsets"][1] - 4]
        self.tensors.write()
        self.expect_refusal(self.folder, "model.safetensors")

    def test_pickled_weights_say_how_to_convert(self):
        self.path.rename(self.folder / "pytorch_model.bin")
        self.expect_refusal(self.folder, "pytorch_model.bin", "safetensors")

    def test_missing_weights(self):
        self.path.unlink()
        self.expect_refusal(self.folder, "model.safetensors")

    def test_missing_shard(self):
        folder = self.checkpoint("rand-180b")
        (folder / "model-00002-of-00003.safetensors").unlink()
        self.expect_refusal(folder, "model-00002-of-00003.safetensors")

    def test_tensor_in_two_shards(self):
        folder = self.checkpoint("rand-180b")
        index = json.loads((folder / "model.safetensors.index.json").read_text())
        first, second = sorted(set(index["weight_map"].values()))[:2]
        shard = Safetensors(folder / second)
        shard.add(next(key for key, file in index["weight_map"].items() if file == first), "BF16", [1], b"\0\0")
        shard.write()
        self.expect_refusal(folder, second)

    def test_a_likelihood_of_not_finite_logits_is_an_error(self):
        begin, end = self.tensors.entry(QKV)["data_offsets"]
        self.tensors.data[begin:end] = struct.pack("<f", float("nan")) * ((end - begin) // 4)
        self.tensors.write()
        run("compile", self.folder, "-o", self.dir / "m", "--dtype", "f32", check=True)
        ids = self.dir / "ids.json"
        ids.write_text("[1, 2, 3, 4]")
        for flags in ((), ("--json",)):
            result = run_program(self.dir / "m", "perplexity", "--ids", ids, *flags)
            self.assertEqual((result.returncode, result.stdout), (1, ""), result.stderr)
            self.assertIn("not a number", result.stderr)
            self.expect(run("evaluate", self.folder, "--dtype", "f32", "--ids", ids, *flags), 1, "not a number")

    def test_not_finite_weights_are_a_warning_that_names_the_tensor(self):
        code = self.dir / "code.mlir"  # weights are read when the program is written
        self.expect(run("compile", self.folder, "--compile-to", "binaries", "-o", code), 0)
        for bits in (struct.pack("<f", float("nan")), struct.pack("<f", float("-inf"))):
            with self.subTest(bits=bits):
                begin = self.tensors.entry(QKV)["data_offsets"][0]
                self.tensors.data[begin + 40:begin + 44] = bits
                self.tensors.write()
                result = self.expect(run("compile", code, "--compile-from", "binaries", "-o", self.dir / "m"), 0, QKV, "NaN or infinity")
                self.assertEqual(result.stderr.count(QKV), 1, result.stderr)
                manifest = json.loads(self.expect(run("inspect", self.dir / "m", "--format", "json"), 0).stdout)
                self.assertTrue(any(QKV in warning for warning in manifest["warnings"]))

    def test_values_beyond_half_precision_are_a_warning(self):
        begin = self.tensors.entry(QKV)["data_offsets"][0]
        self.tensors.data[begin:begin + 4] = struct.pack("<f", 1e6)
        self.tensors.write()
        self.expect(run("compile", self.folder, "-o", self.dir / "m", "--dtype", "f16"), 0, QKV, "too large")
        result = self.expect(run("compile", self.folder, "-o", self.dir / "m", "--dtype", "bf16"), 0)
        self.assertNotIn(QKV, result.stderr)


if __name__ == "__main__":
    stoop_cli.main()
