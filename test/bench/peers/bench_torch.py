"""torch with transformers: eager, bfloat16, scaled dot-product attention."""
import common


def main():
    options = common.arguments(["bf16"], __doc__)
    if options.prepare:
        return
    import torch
    import transformers
    torch.set_num_threads(options.threads)
    model = transformers.AutoModelForCausalLM.from_pretrained(
        options.model, dtype=torch.bfloat16, attn_implementation="sdpa").eval()
    load = common.since_start()
    prompt = torch.randint(3, common.vocabulary(options.model), (options.batch, common.PROMPT),
                           generator=torch.Generator().manual_seed(7))

    def forward(ids, cache, at):
        positions = torch.arange(at, at + ids.shape[1]).unsqueeze(0).expand(ids.shape[0], -1)
        return model(input_ids=ids, past_key_values=cache, position_ids=positions, use_cache=True,
                     logits_to_keep=1).logits[:, -1].argmax(-1, keepdim=True)

    def decode():
        cache = transformers.DynamicCache(config=model.config)
        token = forward(prompt[:, :1], cache, 0)

        def steps(token=token):
            for step in range(options.generate):
                token = forward(token, cache, 1 + step)
        return common.seconds(steps)

    with torch.inference_mode():
        forward(prompt[:, :8], transformers.DynamicCache(config=model.config), 0)
        decode_s = decode()
        prefill_s = common.prefill_seconds(
            options, lambda: forward(prompt, transformers.DynamicCache(config=model.config), 0))
    common.emit("torch", torch.__version__, options, decode_s, prefill_s, load)


if __name__ == "__main__":
    main()
