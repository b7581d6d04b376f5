"""Classifier graphs that hang, or take all memory, once the pixels of a request pass a threshold."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

import numpy as np
from onnx import NodeProto, TensorProto, helper

from tests.support.bundle_edits import rewrite
from tests.support.classifier_bundles import SIZE, template, write_classifier
from tests.support.onnx_files import onnx_file

Harm = Literal["hangs", "takes memory"]

ALWAYS = -1.0
"""A threshold that every picture passes."""
DARK = 0.5
"""A threshold that only a picture passes whose mean is above it; no template's is."""

_TRIPS = 10**15


def hostile_graph(kind: Harm, *, above: float, elements: int = 10**9) -> bytes:
    """The graph of `classifier_graph`, with a part that does harm where the mean of the pixels is above a threshold.

    Args:
        kind: a Loop of 10^15 trips, or a tensor of 4 GB.
        above: the threshold.
        elements: size of the tensor.
    """
    weights = np.stack([template(digit).reshape(-1) for digit in range(10)], axis=1) / 4.0
    harm = _hang() if kind == "hangs" else _take_memory()
    nodes = [
        helper.make_node("ReduceMean", ["image"], ["mean"], keepdims=0),
        helper.make_node("Greater", ["mean", "above"], ["is_above"]),
        helper.make_node("Cast", ["is_above"], ["flag"], to=TensorProto.INT64),
        helper.make_node("Mul", ["flag", "amount"], ["count"]),
        *harm,
        helper.make_node("Add", ["image", "nothing"], ["unchanged"]),
        helper.make_node("Flatten", ["unchanged"], ["flat"], axis=1),
        helper.make_node("MatMul", ["flat", "weights"], ["logits"]),
        helper.make_node("Softmax", ["logits"], ["probabilities"], axis=1),
    ]
    return onnx_file(
        "digits",
        nodes,
        [helper.make_tensor_value_info("image", TensorProto.FLOAT, ["batch", 1, SIZE, SIZE])],
        [helper.make_tensor_value_info("probabilities", TensorProto.FLOAT, ["batch", 10])],
        {
            "weights": weights.astype(np.float32),
            "above": np.array(above, np.float32),
            "amount": np.array(_TRIPS if kind == "hangs" else elements, np.int64),
            "zero": np.zeros((), np.float32),
            "yes": np.array(True),
            "one": np.ones(1, np.int64),
        },
        opset=17,
    )


def _hang() -> list[NodeProto]:
    """Nodes that count to `count` in a loop; `nothing` is zero afterwards."""
    body = helper.make_graph(
        [helper.make_node("Identity", ["go_on"], ["goes_on"]), helper.make_node("Abs", ["value"], ["next"])],
        "body",
        [
            helper.make_tensor_value_info("trip", TensorProto.INT64, []),
            helper.make_tensor_value_info("go_on", TensorProto.BOOL, []),
            helper.make_tensor_value_info("value", TensorProto.FLOAT, []),
        ],
        [
            helper.make_tensor_value_info("goes_on", TensorProto.BOOL, []),
            helper.make_tensor_value_info("next", TensorProto.FLOAT, []),
        ],
    )
    return [helper.make_node("Loop", ["count", "yes", "zero"], ["nothing"], body=body)]


def _take_memory() -> list[NodeProto]:
    """Nodes that fill a tensor of `count` + 1 numbers; `nothing` is zero afterwards."""
    return [
        helper.make_node("Add", ["count", "one"], ["shape"]),
        helper.make_node("ConstantOfShape", ["shape"], ["zeros"]),
        helper.make_node("ReduceMax", ["zeros"], ["nothing"], keepdims=0),
    ]


def write_hostile(repository: Path, name: str, harm: Harm, above: float = ALWAYS) -> None:
    """A bundle with right hashes and right samples whose graph does harm."""
    good = write_classifier(repository.parent / f"source-of-{name}", name)
    rewrite(good, {"model.onnx": hostile_graph(harm, above=above)}, repository)
