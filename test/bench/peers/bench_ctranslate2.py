"""CTranslate2 on the CPU; it has integers of 8 bits there, no bfloat16."""
import json
import os

import common


def main():
    options = common.arguments(["int8"], __doc__)
    if not os.path.exists(os.path.join(options.converted, "model.bin")):
        from ctranslate2.converters import TransformersConverter
        TransformersConverter(options.model, low_cpu_mem_usage=True).convert(
            options.converted, quantization=options.weights, force=True)
    if options.prepare:
        return
    import ctranslate2
    generator = ctranslate2.Generator(options.converted, device="cpu", compute_type=options.weights,
                                      inter_threads=1, intra_threads=options.threads)
    load = common.since_start()
    with open(os.path.join(options.converted, "vocabulary.json"), encoding="utf-8") as file:
        words = [word for word in json.load(file) if not word.startswith("<")]
    prompt = [words[index * 7919 % len(words)] for index in range(common.PROMPT)]

    def generate(tokens, count, batch):
        generator.generate_batch([tokens] * batch, max_length=count, min_length=count, beam_size=1,
                                 include_prompt_in_result=False, end_token=[])

    generate(prompt[:1], 4, options.batch)
    one = common.seconds(lambda: generate(prompt[:1], 1, options.batch))
    many = common.seconds(lambda: generate(prompt[:1], options.generate + 1, options.batch))
    prefill_s = common.prefill_seconds(options, lambda: generate(prompt, 1, 1))
    common.emit("ctranslate2", ctranslate2.__version__, options, many - one, prefill_s, load)


if __name__ == "__main__":
    main()
