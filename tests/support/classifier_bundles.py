"""Tiny classifier bundles for tests of the service, built without torch."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime
import orjson
from numpy.typing import NDArray
from onnx import TensorProto, helper

from service.bundle.evaluation import ConfusionMatrix, Evaluation, LearningCurve, Series
from service.bundle.files import Bundle, write_bundle
from service.bundle.manifest import Comparison, Graph, Manifest, Metric, Task, TensorSpec
from service.bundle.network import Layer, Network, network_files
from tests.support.onnx_files import PROVENANCE, onnx_file

LABELS = tuple("0123456789")
SIZE = 28


def template(digit: int) -> NDArray[np.float32]:
    """The image of a class, [28, 28], 0 = paper, 1 = ink: a bar in its own row."""
    image = np.zeros((SIZE, SIZE), np.float32)
    image[4 + 2 * digit : 6 + 2 * digit, 4:24] = 1.0
    return image


@lru_cache
def classifier_graph(
    *, fails_above: float | None = None, statistic: str = "ReduceMax", familiarity: bool = False
) -> bytes:
    """ONNX graph of a linear classifier of `template`: image FP32 [-1,1,28,28] -> probabilities FP32 [-1,10].

    Args:
        fails_above: pixel value above which a run fails; None never fails.
        statistic: ReduceMax compares the highest pixel with it, ReduceMean the mean.
        familiarity: whether it has the output familiarity FP32 [-1,1]: near 1 for a template, 0 for no bar at all.
    """
    weights = np.stack([template(digit).reshape(-1) for digit in range(10)], axis=1) / 4.0
    nodes = [
        helper.make_node("Flatten", ["image"], ["flat"], axis=1),
        helper.make_node("MatMul", ["flat", "weights"], ["logits"]),
        helper.make_node("Softmax", ["logits"], ["probabilities"], axis=1),
    ]
    constants: dict[str, NDArray[Any]] = {"weights": weights.astype(np.float32)}
    if fails_above is not None:
        nodes[0] = helper.make_node("Flatten", ["checked"], ["flat"], axis=1)
        nodes[:0] = _trap(statistic)
        constants |= {"above": np.array(fails_above, np.float32), "one_element": np.zeros(1, np.float32)}
    outputs = [helper.make_tensor_value_info("probabilities", TensorProto.FLOAT, ["batch", 10])]
    if familiarity:
        nodes += [
            helper.make_node("ReduceMax", ["logits"], ["best"], axes=[1], keepdims=1),
            helper.make_node("Sub", ["best", "half"], ["familiarity_logit"]),
            helper.make_node("Sigmoid", ["familiarity_logit"], ["familiarity"]),
        ]
        constants["half"] = np.array(5, np.float32)
        outputs.append(helper.make_tensor_value_info("familiarity", TensorProto.FLOAT, ["batch", 1]))
    return onnx_file(
        "digits",
        nodes,
        [helper.make_tensor_value_info("image", TensorProto.FLOAT, ["batch", 1, SIZE, SIZE])],
        outputs,
        constants,
        opset=17,
    )


@lru_cache
def explain_graph() -> bytes:
    """ONNX graph `explain` of the linear classifier: two maps of edges, their maxima, and the logits."""
    weights = np.stack([template(digit).reshape(-1) for digit in range(10)], axis=1) / 4.0
    value = helper.make_tensor_value_info
    return onnx_file(
        "explain",
        [
            helper.make_node("Conv", ["image", "c1.weight"], ["c1"], pads=[1, 1, 1, 1]),
            helper.make_node("MaxPool", ["c1"], ["s2"], kernel_shape=[2, 2], strides=[2, 2]),
            helper.make_node("Flatten", ["image"], ["flat"], axis=1),
            helper.make_node("MatMul", ["flat", "weights"], ["output"]),
        ],
        [value("image", TensorProto.FLOAT, ["batch", 1, SIZE, SIZE])],
        [value(name, TensorProto.FLOAT, ["batch", *shape]) for name, shape in EXPLAINED.items()],
        {"weights": weights.astype(np.float32), "c1.weight": EDGES},
        opset=17,
    )


EXPLAINED = {"c1": (2, SIZE, SIZE), "s2": (2, SIZE // 2, SIZE // 2), "output": (10,)}
"""The layers of `explain_graph`, and the shapes of their activations."""
EDGES = np.array([[[[-1, -1, -1], [0, 0, 0], [1, 1, 1]]], [[[-1, 0, 1]] * 3]], np.float32)
"""The kernels of its first layer, [2, 1, 3, 3]."""


def _explain_files() -> dict[str, bytes]:
    weights = np.stack([template(digit).reshape(-1) for digit in range(10)]) / 4.0
    layers = (
        Layer(name="c1", kind="convolution", kernel=(3, 3), stride=(1, 1), padding=(1, 1), weight=(2, 1, 3, 3)),
        Layer(name="s2", kind="max-pooling", kernel=(2, 2), stride=(2, 2), padding=(0, 0)),
        Layer(name="output", kind="dense", weight=(10, SIZE * SIZE)),
    )
    arrays = {"c1.weight": EDGES, "output.weight": weights.astype(np.float32)}
    counts = np.diag(np.arange(1, 11)).tolist()
    evaluation = Evaluation(
        confusion=(ConfusionMatrix(data="ten templates", labels=LABELS, counts=counts),),
        learning_curve=LearningCurve(x_label="epoch", series=(Series(name="errors", x=(1, 2), y=(5, 0)),)),
    )
    files = {"explain.onnx": explain_graph(), "evaluation.json": evaluation.model_dump_json().encode()}
    return files | network_files(Network(layers=layers), arrays)


def _trap(statistic: str) -> list[onnx.NodeProto]:
    """Nodes that fail the run by gathering out of bounds if the statistic of the pixels is greater than `above`."""
    return [
        helper.make_node(statistic, ["image"], ["value"], keepdims=0),
        helper.make_node("Greater", ["value", "above"], ["poisoned"]),
        helper.make_node("Cast", ["poisoned"], ["index"], to=TensorProto.INT64),
        helper.make_node("Gather", ["one_element", "index"], ["zero"], axis=0),
        helper.make_node("Add", ["image", "zero"], ["checked"]),
    ]


def classifier_manifest(name: str = "digits", *, familiarity: bool = False, explain: bool = False) -> Manifest:
    """The manifest of `classifier_graph`, and of `explain_graph` where asked for."""
    outputs = [TensorSpec(name="probabilities", datatype="FP32", shape=(-1, 10))]
    if familiarity:
        outputs.append(TensorSpec(name="familiarity", datatype="FP32", shape=(-1, 1)))
    graph = Graph(
        file="model.onnx",
        inputs=(TensorSpec(name="image", datatype="FP32", shape=(-1, 1, SIZE, SIZE)),),
        outputs=tuple(outputs),
    )
    graphs = {"model": graph}
    if explain:
        layers = tuple(
            TensorSpec(name=layer, datatype="FP32", shape=(-1, *shape)) for layer, shape in EXPLAINED.items()
        )
        graphs["explain"] = Graph(file="explain.onnx", inputs=graph.inputs, outputs=layers)
    return Manifest(
        name=name,
        version=1,
        task=Task.IMAGE_CLASSIFICATION,
        description="Bars in ten rows",
        graphs=graphs,
        labels=LABELS,
        preprocessing={"normaliser": "fit", "height": SIZE, "width": SIZE},
        metrics=(Metric(name="accuracy", value=100, unit="%", data="ten templates"),),
        provenance=PROVENANCE,
        comparison=Comparison(kind="scores", tolerance=1e-4),
    )


def write_classifier(
    repository: Path,
    name: str = "digits",
    *,
    graph: bytes | None = None,
    familiarity: bool = False,
    explain: bool = False,
) -> Bundle:
    """Write the next version of a tiny classifier into `repository`."""
    content = graph or classifier_graph(familiarity=familiarity)
    files = {
        "model.onnx": content,
        "samples.json": _samples(content),
        "MODEL_CARD.md": b"# Bars\n",
    }
    if explain:
        files |= _explain_files()
    return write_bundle(repository, classifier_manifest(name, familiarity=familiarity, explain=explain), files)


@lru_cache
def _samples(graph: bytes) -> bytes:
    """Two requests, answered by running the graph."""
    session = onnxruntime.InferenceSession(graph, providers=["CPUExecutionProvider"])
    samples = []
    for digit in (1, 7):
        image = template(digit)
        (probabilities,) = session.run(["probabilities"], {"image": image[None, None]})
        best = np.argsort(-probabilities[0], kind="stable")[:3]
        predictions = [{"label": LABELS[i], "score": round(float(probabilities[0, i]), 6)} for i in best]
        samples.append({"request": {"top_k": 3, "pixels": [image.tolist()]}, "results": [{"predictions": predictions}]})
    return orjson.dumps({"samples": samples})
