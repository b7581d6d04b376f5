"""What a bundle has for those who look inside: the graph of all layers, and the layers with their weights."""

from __future__ import annotations

import io
import json
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from service.bundle.manifest import Graph
from service.bundle.network import Network
from service.runtime.session import OnnxSession
from training.common.errors import ExportError
from training.lenet.export.explain import EXPLAIN_FILE, check_explain_graph, explain_graph, layer_files
from training.lenet.export.served import ServedLeNet
from training.lenet.network.model import LeNet5

pytestmark = pytest.mark.torch

OPTIONS: dict[str, dict[str, Any]] = {
    "default": {},
    "avg, tanh": {"activation": "tanh", "pooling": "avg"},
    "lecun1998": {"activation": "scaled-tanh", "pooling": "trainable", "connections": "table1", "output": "rbf"},
}
SHAPES = {
    "c1": (6, 28, 28), "s2": (6, 14, 14), "c3": (16, 10, 10), "s4": (16, 5, 5), "c5": (120,), "f6": (84,),
    "output": (10,),
}  # fmt: skip


def _served(options: dict[str, Any], seed: int = 0) -> ServedLeNet:
    torch.manual_seed(seed)
    return ServedLeNet(LeNet5(10, **options)).eval()


@cache
def _explained(name: str) -> tuple[ServedLeNet, Graph, bytes]:
    served = _served(OPTIONS[name])
    return served, *explain_graph(served)


def _session(name: str, folder: Path) -> OnnxSession:
    _, graph, content = _explained(name)
    (folder / EXPLAIN_FILE).write_bytes(content)
    return OnnxSession(folder / EXPLAIN_FILE, graph, providers=("cpu",))


def _layers(served: ServedLeNet, options: dict[str, Any]) -> tuple[Network, dict[str, NDArray[np.float32]]]:
    files = layer_files(served, options.get("activation", "relu"), options.get("pooling", "max"))
    network = Network.model_validate(json.loads(files["network.json"]))
    values, start, weights = np.load(io.BytesIO(files["weights.npy"])), 0, {}
    for name, shape in network.shapes():
        weights[name] = values[start : start + int(np.prod(shape))].reshape(shape)
        start += weights[name].size
    assert start == len(values)
    return network, weights


@pytest.mark.parametrize("name", OPTIONS)
def test_the_graph_has_every_layer_as_the_network_has_it(name: str, tmp_path: Path) -> None:
    served, _, _ = _explained(name)
    images = np.random.default_rng(0).random((3, 1, 28, 28), np.float32)
    session = _session(name, tmp_path)
    outputs = session.run({"image": images})
    assert {name: values.shape[1:] for name, values in outputs.items()} == SHAPES
    check_explain_graph(served, session, images)
    with torch.no_grad():
        s4, c5, f6, scores = served.model.layers(torch.from_numpy(images))
    expected = {"s4": s4, "c5": c5, "f6": f6, "output": scores}
    for layer, values in expected.items():
        np.testing.assert_allclose(outputs[layer].reshape(3, -1), values.numpy(), atol=1e-4, rtol=1e-4)


def test_another_network_s_graph_is_told_apart(tmp_path: Path) -> None:
    session = _session("default", tmp_path)
    images = np.random.default_rng(0).random((1, 1, 28, 28), np.float32)
    with pytest.raises(ExportError, match="layer 'c1' of the graph 'explain' differs from PyTorch"):
        check_explain_graph(_served({}, seed=1), session, images)


@pytest.mark.parametrize("option", OPTIONS)
def test_the_weights_make_the_activations(option: str, tmp_path: Path) -> None:
    """Kernel times patch plus bias, through the activation, is what the graph answers."""
    served, _, _ = _explained(option)
    network, weights = _layers(served, OPTIONS[option])
    layers = {layer.name: layer for layer in network.layers}
    assert list(layers) == list(SHAPES)
    image = np.random.default_rng(1).random((1, 1, 28, 28), np.float32)
    outputs = {name: values[0] for name, values in _session(option, tmp_path).run({"image": image}).items()}
    squash = {
        "relu": lambda a: np.maximum(a, 0),
        "tanh": np.tanh,
        "scaled-tanh": lambda a: 1.7159 * np.tanh(2 * a / 3),
        "": lambda a: a,
    }
    inputs = {"c1": image[0], "c3": outputs["s2"]}
    for name, before in inputs.items():
        layer = layers[name]
        assert layer.kernel == (5, 5)
        assert layer.padding is not None
        padded = np.pad(before, ((0, 0), (layer.padding[0],) * 2, (layer.padding[1],) * 2))
        for unit, y, x in ((0, 0, 0), (3, 4, 7), (5, 9, 9)):
            total = (weights[f"{name}.weight"][unit] * padded[:, y : y + 5, x : x + 5]).sum()
            total += weights[f"{name}.bias"][unit]
            assert outputs[name][unit, y, x] == pytest.approx(squash[layer.activation](total), abs=1e-4)
    f6 = squash[layers["f6"].activation](weights["f6.weight"] @ outputs["c5"] + weights["f6.bias"])
    np.testing.assert_allclose(outputs["f6"], f6, atol=1e-4)
    if layers["output"].kind == "dense":
        np.testing.assert_allclose(
            outputs["output"], weights["output.weight"] @ outputs["f6"] + weights["output.bias"], atol=1e-4
        )
    else:
        distances = -((weights["output.weight"] - outputs["f6"]) ** 2).sum(1)
        np.testing.assert_allclose(outputs["output"], distances, rtol=1e-4)


def test_pooled_layers_say_how() -> None:
    kinds = {}
    for name, options in OPTIONS.items():
        network, _ = _layers(_served(options), options)
        layer = network.layers[1]
        kinds[name] = (layer.kind, layer.activation, layer.weight)
    assert kinds == {
        "default": ("max-pooling", "", None),
        "avg, tanh": ("average-pooling", "", None),
        "lecun1998": ("average-pooling", "scaled-tanh", (6, 1, 1)),
    }
