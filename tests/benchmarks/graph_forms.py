"""Forms of a translator's matrix products beside each other: what each costs on an execution provider.

    python -m tests.benchmarks.graph_forms --bundle models/translate-en-de/7
    .venv-openvino/bin/python -m tests.benchmarks.graph_forms --bundle models/translate-en-de/7 --provider openvino

Every form is made from the graphs of the bundle, runs one step of the decoder for five hypotheses of each sentence,
and takes its turn in every round. Printed are the size of the graph with its weights, medians of the CPU time of a
step, and the largest difference of a log-probability from the first form's. It needs onnx beside the server's packages.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime
from numpy.typing import NDArray
from onnx import ModelProto, NodeProto, TensorProto, helper, numpy_helper

from service.bundle.files import Bundle, read_bundle
from service.bundle.manifest import ProviderKind
from service.decoding.graph_io import ENCODER, KEYS, LENGTHS, LOG_PROBS, MEMORY, SOURCE, STATE, STEP, TOKENS, K

_PROVIDERS = {
    "cpu": [],
    "openvino": [("OpenVINOExecutionProvider", {"device_type": "CPU", "num_of_threads": "1"})],
}
_PIECES, _WIDTH, _BATCHES = 12, 5, (1, 8, 64)

Feeds = dict[str, NDArray[Any]]


def main() -> int:
    """Print a table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--bundle", type=Path, required=True, help="the model, as models/translate-en-de/7")
    parser.add_argument("--provider", choices=tuple(_PROVIDERS), default="cpu")
    parser.add_argument("--rounds", type=int, default=60)
    options = parser.parse_args()
    bundle = read_bundle(options.bundle.resolve())
    forms = _forms(bundle)
    steps = {name: _session(model, options.provider) for name, model in forms.items()}
    print(f"{'form':34} {'MB':>5} " + " ".join(f"{f'batch {batch}':>9}" for batch in _BATCHES) + "  |log-prob|")
    rows: dict[str, list[str]] = {name: [f"{name:34} {model.ByteSize() / 1e6:5.2f}"] for name, model in forms.items()}
    for batch in _BATCHES:
        feeds = _feeds(bundle, batch)
        times: dict[str, list[float]] = {name: [] for name in steps}
        scores = {name: np.sort(step.run([LOG_PROBS], feeds)[0]) for name, step in steps.items()}
        for _ in range(max(5, int(options.rounds / batch**0.5))):
            for name, step in steps.items():
                start = time.process_time()
                step.run(None, feeds)
                times[name].append(time.process_time() - start)
        for name, row in rows.items():
            row.append(f"{1e3 * statistics.median(times[name]):6.2f} ms")
            if batch == _BATCHES[-1]:
                row.append(f"{np.abs(scores[name] - next(iter(scores.values()))).max():10.3f}")
    print("\n".join(" ".join(row) for row in rows.values()))
    return 0


def _forms(bundle: Bundle) -> dict[str, ModelProto]:
    graph = bundle.manifest.graphs[STEP]
    integer, dequantized = (onnx.load(bundle.file(graph.variant(kind).file)) for kind in ProviderKind)
    return {
        "MatMulIntegerToFloat (for CPUs)": integer,
        "MatMulInteger, Cast, Mul": _rewritten(integer, "MatMulIntegerToFloat", _integer),
        "DequantizeLinear, Gemm (for others)": dequantized,
        "Cast, Mul (folded to float), Gemm": _rewritten(dequantized, "DequantizeLinear", _cast),
        "MatMulNBits, 8 bits": _rewritten(dequantized, "Gemm", _n_bits),
    }


def _rewritten(
    model: ModelProto, operator: str, rewrite: Callable[[ModelProto, NodeProto], list[NodeProto]]
) -> ModelProto:
    """A copy with other nodes in place of those of one operator."""
    copy = ModelProto()
    copy.CopyFrom(model)
    nodes = [new for node in copy.graph.node for new in (rewrite(copy, node) if node.op_type == operator else [node])]
    used = {name for node in nodes for name in node.input} | {output.name for output in copy.graph.output}
    nodes = [node for node in nodes if used & set(node.output)]
    constants = [constant for constant in copy.graph.initializer if constant.name in used]
    del copy.graph.node[:], copy.graph.initializer[:]
    copy.graph.node.extend(nodes)
    copy.graph.initializer.extend(constants)
    return copy


def _integer(_: ModelProto, node: NodeProto) -> list[NodeProto]:
    values, matrix, scale, column_scales, zero, *bias = [name for name in node.input if name]
    (out,) = node.output
    nodes = [
        helper.make_node("MatMulInteger", [values, matrix, zero], [f"{out}_integers"]),
        helper.make_node("Cast", [f"{out}_integers"], [f"{out}_floats"], to=TensorProto.FLOAT),
        helper.make_node("Mul", [scale, column_scales], [f"{out}_scales"]),
        helper.make_node("Mul", [f"{out}_floats", f"{out}_scales"], [f"{out}_product" if bias else out]),
    ]
    return nodes + ([helper.make_node("Add", [f"{out}_product", *bias], [out])] if bias else [])


def _cast(model: ModelProto, node: NodeProto) -> list[NodeProto]:
    matrix, scales = node.input
    (out,) = node.output
    column = numpy_helper.to_array(_constant(model, scales)).reshape(-1, 1)
    model.graph.initializer.append(numpy_helper.from_array(column, f"{out}_column"))
    return [
        helper.make_node("Cast", [matrix], [f"{out}_floats"], to=TensorProto.FLOAT),
        helper.make_node("Mul", [f"{out}_floats", f"{out}_column"], [out]),
    ]


def _n_bits(model: ModelProto, node: NodeProto, block: int = 64) -> list[NodeProto]:
    values, dequantized, *bias = node.input
    (out,) = node.output
    (source,) = [one for one in model.graph.node if one.output[0] == dequantized]
    matrix, scales = (numpy_helper.to_array(_constant(model, name)) for name in source.input)
    rows, columns = matrix.shape
    assert columns % block == 0
    blocks = (matrix.astype(np.int16) + 128).astype(np.uint8).reshape(rows, columns // block, block)
    for name, array in (("blocks", blocks), ("scales", np.repeat(scales, columns // block))):
        model.graph.initializer.append(numpy_helper.from_array(array, f"{out}_{name}"))
    if not any(opset.domain for opset in model.opset_import):
        model.opset_import.append(helper.make_opsetid("com.microsoft", 1))
    product = helper.make_node(
        "MatMulNBits", [values, f"{out}_blocks", f"{out}_scales"], [f"{out}_product" if bias else out],
        domain="com.microsoft", K=columns, N=rows, bits=8, block_size=block,
    )  # fmt: skip
    return [product, *([helper.make_node("Add", [f"{out}_product", *bias], [out])] if bias else [])]


def _constant(model: ModelProto, name: str) -> TensorProto:
    return next(constant for constant in model.graph.initializer if constant.name == name)


def _session(model: ModelProto, provider: str) -> onnxruntime.InferenceSession:
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.log_severity_level = 4
    providers = [*_PROVIDERS[provider], "CPUExecutionProvider"]
    with tempfile.NamedTemporaryFile(suffix=".onnx") as file:
        onnx.save(model, file.name)
        return onnxruntime.InferenceSession(file.name, options, providers=providers)


def _feeds(bundle: Bundle, batch: int) -> Feeds:
    """Inputs of a step for sentences of random pieces."""
    generator = np.random.default_rng(0)
    encoder = onnxruntime.InferenceSession(bundle.file(bundle.manifest.graphs[ENCODER].file))
    source = generator.integers(4, 8000, (batch, _PIECES)).astype(np.int32)
    lengths = np.full(batch, _PIECES, np.int32)
    memory, keys, state = encoder.run([MEMORY, KEYS, STATE], {SOURCE: source, LENGTHS: lengths})
    return {
        TOKENS: generator.integers(4, 8000, (batch, _WIDTH)).astype(np.int32),
        STATE: np.repeat(state[:, None], _WIDTH, axis=1),
        MEMORY: memory,
        KEYS: keys,
        LENGTHS: lengths,
        K: np.array([2 * _WIDTH + 1], np.int64),
    }


if __name__ == "__main__":
    sys.exit(main())
