"""OpenVINO on the CPU; optimum-intel's export with a stateful cache, NNCF's integers (int4: groups of 128)."""
import os

import common


def convert(options):
    from optimum.intel import OVModelForCausalLM, OVWeightQuantizationConfig
    integers = {"bf16": None, "int8": OVWeightQuantizationConfig(bits=8, sym=True),
                "int4": OVWeightQuantizationConfig(bits=4, sym=True, group_size=128, ratio=1.0)}[options.weights]
    model = OVModelForCausalLM.from_pretrained(options.model, export=True, compile=False, use_cache=True,
                                               quantization_config=integers, load_in_8bit=False)
    model.save_pretrained(options.converted)


def last_logits_only(graph):
    """As its own generation library does: all but the last row are cut off in front of the head."""
    import openvino.opset13 as op
    node = graph.output("logits").get_node().input_value(0).get_node()
    while node.get_type_name() != "MatMul":
        node = node.input_value(0).get_node()
    cut = op.slice(node.input_value(0), [-1], [2**31 - 1], [1], [1])
    node.input(0).replace_source_output(cut.output(0))
    graph.validate_nodes_and_infer_types()


def main():
    options = common.arguments(["bf16", "int8", "int4"], __doc__)
    graph_file = os.path.join(options.converted, "openvino_model.xml")
    if not os.path.exists(graph_file):
        convert(options)
    if options.prepare:
        return
    import numpy as np
    import openvino
    core = openvino.Core()
    graph = core.read_model(graph_file)
    last_logits_only(graph)
    request = core.compile_model(graph, "CPU", {"INFERENCE_NUM_THREADS": options.threads,
                                                "PERFORMANCE_HINT": "LATENCY"}).create_infer_request()
    load = common.since_start()
    inputs = {name for port in graph.inputs for name in port.names}
    prompt = np.random.default_rng(7).integers(3, common.vocabulary(options.model), (options.batch, common.PROMPT))

    def forward(ids, at):
        rows, end = ids.shape[0], at + ids.shape[1]
        feed = {"input_ids": ids, "attention_mask": np.ones((rows, end), np.int64),
                "position_ids": np.repeat(np.arange(at, end)[None], rows, 0), "beam_idx": np.arange(rows, dtype=np.int32)}
        request.infer({key: value for key, value in feed.items() if key in inputs}, share_inputs=True)
        return request.get_tensor("logits").data[:, -1].argmax(-1)[:, None]

    def prefill():
        request.reset_state()
        forward(prompt, 0)

    def decode():
        request.reset_state()
        token = forward(prompt[:, :1], 0)

        def steps(token=token):
            for step in range(options.generate):
                token = forward(token, 1 + step)
        return common.seconds(steps)

    if options.batch == 1:
        prefill()
    common.emit("openvino", openvino.__version__, options, decode(), common.prefill_seconds(options, prefill), load)


if __name__ == "__main__":
    main()
