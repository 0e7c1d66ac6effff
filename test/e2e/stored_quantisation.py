#!/usr/bin/python3
"""Checkpoints that GPTQ and AWQ tools have quantised: bit-exact values, and refusals by name.

The checkpoints are made here from a small one, by the published formulas (value = scale * (code - zero)) and layouts. The
same values written as float32 must give the same logits, bit for bit; the compiled program must follow.
"""
import argparse
import json
import os
import shutil
import sys
import tempfile

import numpy as np

import checks
import cuda_fidelity
import safetensors_io
from models import CompiledModel, ReferenceModel, RunError, execute

AWQ_ORDER = [0, 2, 4, 6, 1, 3, 5, 7]
KERNEL_TOLERANCE = 1e-3  # of the largest logit: integer activations


def quantise(weights, group, symmetric):
    """(codes [N, K], zeros [G, N], scales float16 [G, N]) of a matrix."""
    rows, columns = weights.shape
    groups = -(-columns // group)
    codes = np.empty((rows, columns), np.uint8)
    zeros, scales = np.empty((groups, rows), np.uint8), np.empty((groups, rows), np.float16)
    for g in range(groups):
        block = weights[:, g * group:(g + 1) * group]
        low, high = np.minimum(block.min(1), 0), np.maximum(block.max(1), 0)
        if symmetric:
            high = np.maximum(-low, high)
            low = -high
        scales[g] = np.maximum((high - low) / 15, 1e-6)
        scale = scales[g].astype(np.float32)
        zeros[g] = 8 if symmetric else np.clip(np.round(-low / scale), 1, 15)
        codes[:, g * group:(g + 1) * group] = np.clip(np.round(block / scale[:, None]) + zeros[g][:, None], 0, 15)
    return codes, zeros, scales


def dequantise(codes, zeros, scales, group):
    index = np.arange(codes.shape[1]) // group
    return scales.astype(np.float32)[index].T * (codes.astype(np.float32) - zeros.astype(np.float32)[index].T)


def words(nibbles, order=range(8)):
    """[A, 8 B] four-bit numbers -> int32 [A, B]; `order[i]` of each eight goes to bits 4 i."""
    parts = nibbles.reshape(nibbles.shape[0], -1, 8).astype(np.uint32)
    out = np.zeros(parts.shape[:2], np.uint32)
    for i, place in enumerate(order):
        out |= parts[:, :, place] << np.uint32(4 * i)
    return out.view(np.int32)


def pack(form, codes, zeros):
    """(qweight, qzeros) of a form."""
    if form == "awq":
        return words(np.ascontiguousarray(codes.T), AWQ_ORDER), words(zeros, AWQ_ORDER)
    stored = (zeros - (form == "gptq")) & 15
    return np.ascontiguousarray(words(codes).T), words(stored)


def is_packed(name, values):
    return values.ndim == 2 and "embed" not in name and "lm_head" not in name


def make(directory, folder, form, group, symmetric):
    """Writes folder/stored and folder/plain: a quantised checkpoint and its values as float32."""
    stored, plain = os.path.join(folder, "stored"), os.path.join(folder, "plain")
    for path in (stored, plain):
        os.mkdir(path)
        for name in os.listdir(directory):
            if name.endswith(".json") and "index" not in name:
                shutil.copy(os.path.join(directory, name), path)
    tensors = safetensors_io.load(os.path.join(directory, "model.safetensors"))
    with_integers, as_floats = {}, {}
    for name, values in tensors.items():
        if not is_packed(name, values):
            with_integers[name] = as_floats[name] = (values, "F32")
            continue
        columns = group if group > 0 else values.shape[1]
        codes, zeros, scales = quantise(values, columns, symmetric)
        base = name.removesuffix(".weight")
        qweight, qzeros = pack(form, codes, zeros)
        with_integers[base + ".qweight"], with_integers[base + ".qzeros"] = (qweight, "I32"), (qzeros, "I32")
        with_integers[base + ".scales"] = (scales.astype(np.float32), "F16")
        if form != "awq":
            order = np.arange(values.shape[1], dtype=np.int32) // columns
            with_integers[base + ".g_idx"] = (order.astype(np.int32), "I32")
        as_floats[name] = (dequantise(codes, zeros, scales, columns), "F32")
    for path, content in ((stored, with_integers), (plain, as_floats)):
        safetensors_io.save_mixed(os.path.join(path, "model.safetensors"), content)
    method = {"quant_method": "awq", "version": "gemm", "zero_point": True} if form == "awq" else {
        "quant_method": "gptq", "checkpoint_format": form, "sym": symmetric, "desc_act": False}
    edit_config(stored, quantization_config={"bits": 4, "group_size": group, **method})
    return stored, plain


def edit_config(directory, **changes):
    path = os.path.join(directory, "config.json")
    with open(path, encoding="utf-8") as file:
        config = json.load(file)
    for key, value in changes.items():
        config[key] = {**config.get(key, {}), **value}
    with open(path, "w", encoding="utf-8") as file:
        json.dump(config, file)


def check_values(options, directory, form, group, symmetric, report):
    where = f"{os.path.basename(directory)} {form} group {group}{' sym' if symmetric else ''}"
    recorded = checks.Recorded(directory)
    prompts = [generation["prompt_ids"] for generation in recorded.generations[:4]]
    with tempfile.TemporaryDirectory() as folder:
        stored, plain = make(directory, folder, form, group, symmetric)
        results = [ReferenceModel(options.stoop, path).generate_all(prompts, 4) for path in (stored, plain)]
        for prompt, ((_, logits), (_, expected)) in enumerate(zip(*results)):
            report.require(np.array_equal(logits, expected) and np.isfinite(expected).all(),
                           f"{where}, prompt {prompt}: logits differ by {np.abs(logits - expected).max():.3g}")
        program = CompiledModel.compile(options.stoop, stored, os.path.join(folder, "program"))
        for prompt, ids in enumerate(prompts):
            _, logits = program.generate(ids, 1)
            report.limit("kernels", checks.relative_error(logits[0], results[0][prompt][1][0]), KERNEL_TOLERANCE,
                         f"{where}, compiled, prompt {prompt}")
    print(f"{where}: {len(report.failures)} failures so far", flush=True)


def check_refusals(options, directory, report):
    """Each change of a good checkpoint is refused with a message that names what is wrong."""
    def rewrite(path, change):
        name = os.path.join(path, "model.safetensors")
        header, _ = safetensors_io.read_header(name)
        tensors = {key: (value, header[key]["dtype"]) for key, value in safetensors_io.load(name).items()}
        change(tensors)
        safetensors_io.save_mixed(name, tensors)

    def first(tensors, suffix):
        return next(name for name in tensors if name.endswith(suffix))

    def shuffle(tensors):
        name = first(tensors, "g_idx")
        tensors[name] = (tensors[name][0][::-1].copy(), "I32")

    def drop_zeros(tensors):
        del tensors[first(tensors, "qzeros")]

    cases = [({"bits": 8}, None, "bits': 8 is not supported"), ({"group_size": 48}, None, "group_size': 48"),
             ({"quant_method": "bitsandbytes"}, None, "'bitsandbytes' is not supported; gptq and awq are"),
             ({"group_size": 128}, None, "qzeros' has shape"), ({"sym": True}, None, "zeros other than 8"),
             ({"checkpoint_format": "marlin"}, None, "'marlin' is not supported"),
             ({}, shuffle, "desc_act"), ({}, drop_zeros, "qzeros' is missing")]
    for changes, rewriting, message in cases:
        with tempfile.TemporaryDirectory() as folder:
            stored, _ = make(directory, folder, "gptq", 32, False)
            edit_config(stored, quantization_config=changes)
            if rewriting:
                rewrite(stored, rewriting)
            errors = execute([options.stoop, "evaluate", stored, "--prompt-ids", "1", "-n", "1"], expect=1)[1]
            report.require(message in errors, f"refusal of {changes or rewriting.__name__}: no '{message}' in {errors}")


def check_cuda(options, directory, report):
    """On the virtual GPU in float16; refused in float32."""
    with tempfile.TemporaryDirectory() as folder:
        stored, _ = make(directory, folder, "gptq", 64, False)
        path = os.path.join(folder, "program")
        errors = execute([options.stoop, "compile", stored, "--target", "cuda", "--dtype", "f32", "-o", path], expect=2)[1]
        report.require("is quantised (quantization_config)" in errors and "--dtype bf16" in errors,
                       f"refusal of a quantised checkpoint for cuda in float32: {errors}")
        ids = checks.Recorded(directory).generations[0]["prompt_ids"]
        (_, expected), = ReferenceModel(options.stoop, stored, dtype="f16", context=128).generate_all([ids], 2)
        program = CompiledModel.compile(options.stoop, stored, path, dtype="f16", context=128, buckets=[16],
                                        flags=["--target", "cuda", "--cuda-arch", "sm_80.ptx"])
        with cuda_fidelity.virtual_gpu(options, 80):
            _, logits = program.generate(ids, 2)
        report.limit("cuda", checks.relative_error(logits[0], expected[0]), KERNEL_TOLERANCE, f"{directory} gptq, cuda")


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--stoop", required=True)
    parser.add_argument("--driver", required=True, help="path of the virtual driver")
    parser.add_argument("--checkpoints", nargs="+", required=True, metavar="DIR")
    options = parser.parse_args()
    report = checks.Report()
    forms = [("gptq", 32, False), ("awq", 64, False), ("gptq_v2", 128, False), ("gptq", -1, True)]
    try:
        for index, (form, group, symmetric) in enumerate(forms):
            directory = os.path.normpath(options.checkpoints[index % len(options.checkpoints)])
            check_values(options, directory, form, group, symmetric, report)
        check_refusals(options, os.path.normpath(options.checkpoints[0]), report)
        check_cuda(options, os.path.normpath(options.checkpoints[0]), report)
    except RunError as error:
        report.failures.append(str(error))
    sys.exit(report.print_failures())


if __name__ == "__main__":
    main()
