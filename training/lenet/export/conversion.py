"""What this release writes beside a classifier's graph, from the weights of a bundle: activations, layers, figures."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import onnx
import torch
from numpy.typing import NDArray
from onnx import numpy_helper

from service.bundle.evaluation import EVALUATION
from service.bundle.files import Bundle
from service.bundle.network import NETWORK
from service.output import write
from service.runtime.session import OnnxSession, Session, session_opener
from service.tasks.image_classification.explanation import EXPLAIN
from training.common.conversion import Conversion
from training.common.data_files import MNIST
from training.common.downloads import has_copy
from training.common.errors import ConfigError, ExportError
from training.common.export import PARITY_TOLERANCE, with_shapes
from training.common.onnx_models import read_model
from training.lenet.data.dataset import Split, load_mnist
from training.lenet.export.bundle import GRAPH_FILE
from training.lenet.export.evaluation_file import evaluation_file, measured_on
from training.lenet.export.explain import EXPLAIN_FILE, check_explain_graph, explain_graph, layer_files
from training.lenet.export.served import INPUT, OUTPUT, ServedLeNet
from training.lenet.network.model import SIDE, LeNet5

_MODEL = "model"
_NETWORK = ("activation", "pooling", "connections", "output")
"""The settings of the network, as the manifest of a bundle has them."""
_NOTE = (
    "the graph `explain` has the activations of every layer, `network.json` and `weights.npy` have its layers, and "
    "`evaluation.json` has confusion matrices where the data were at hand."
)


def converted(bundle: Bundle, folder: Path) -> Conversion:
    """The bundle's graph as it is, with what this release writes beside it; see `Family.convert`.

    Raises:
        ConfigError: the bundle was not exported by this family, or has all of it.
        ExportError: PyTorch answers otherwise with its weights, or its figures are not those of the manifest.
    """
    graph = bundle.manifest.graphs.get(_MODEL)
    if graph is None:
        raise _foreign(bundle, f"it has no graph {_MODEL!r}")
    if EXPLAIN in bundle.manifest.graphs and NETWORK in bundle.manifest.files:
        raise ConfigError(f"{bundle.path}: has the graph {EXPLAIN!r} and its layers already")
    model = read_model(bundle.file(graph.file))
    settings: dict[str, Any] = {name: bundle.manifest.provenance.config.get(name) for name in _NETWORK}
    served = _network(bundle, model, settings)
    open_session = session_opener(("cpu",), 1, False)
    plain = open_session(bundle, graph)
    pixels = _sample_pixels(bundle)
    _check_network(bundle, served, plain, pixels)
    explain, content = explain_graph(served)
    path = folder / EXPLAIN_FILE
    path.write_bytes(content)
    check_explain_graph(served, OnnxSession(path, explain, providers=("cpu",)), pixels)
    files = {GRAPH_FILE: bytes(with_shapes(model).SerializeToString()), EXPLAIN_FILE: content}
    files |= layer_files(served, settings["activation"], settings["pooling"])
    if EVALUATION not in bundle.manifest.files:
        files |= _evaluate(bundle, plain)
    graphs = {_MODEL: graph.model_copy(update={"file": GRAPH_FILE}), EXPLAIN: explain}
    return Conversion(graphs=graphs, files=files, note=_NOTE)


def _network(bundle: Bundle, model: onnx.ModelProto, settings: dict[str, Any]) -> ServedLeNet:
    """The network with the weights in the graph.

    The first layer is set as it is served, with the normalization of pixels folded into it.
    """
    assert bundle.manifest.labels is not None
    missing = [name for name, value in settings.items() if not isinstance(value, str)]
    if missing:
        raise _foreign(bundle, f"its manifest has no {missing[0]!r} in the configuration")
    weights = {one.name: torch.from_numpy(numpy_helper.to_array(one).copy()) for one in model.graph.initializer}
    served = ServedLeNet(LeNet5(len(bundle.manifest.labels), **settings)).eval()
    state = {name: values for name, values in served.state_dict().items() if not name.startswith("model.c1.")}
    for name, values in state.items():
        if name not in weights or weights[name].shape != values.shape:
            raise _foreign(bundle, f"its graph has no {name!r} of the shape {list(values.shape)}")
    served.load_state_dict({name: weights[name] for name in state}, strict=False)
    return served


def _foreign(bundle: Bundle, reason: str) -> ConfigError:
    return ConfigError(f"{bundle.path}: was not exported by lectern-train lenet ({reason}); train and export it anew")


def _sample_pixels(bundle: Bundle) -> NDArray[np.float32]:
    """The pixels of the samples, [N, 1, 28, 28], and an image of noise."""
    images = [image for sample in bundle.samples() for image in np.array(sample.request["pixels"], np.float32)]
    noise = np.random.default_rng(0).random((SIDE, SIDE), np.float32)
    return np.stack([*images, noise])[:, None]


@torch.no_grad()
def _check_network(bundle: Bundle, served: ServedLeNet, plain: Session, pixels: NDArray[np.float32]) -> None:
    """Compare the scores of PyTorch with the probabilities of the graph, at whatever temperature they were fitted."""
    scores = served.model.activations(served.c1(torch.from_numpy(pixels)))["output"].double().numpy()
    probabilities = plain.run({INPUT: pixels})[OUTPUT].astype(np.float64)
    log_probabilities = np.log(np.maximum(probabilities, np.finfo(np.float32).tiny))
    centered = [values - values.mean(1, keepdims=True) for values in (scores, log_probabilities)]
    temperature = (centered[0] ** 2).sum() / (centered[0] * centered[1]).sum()
    exponentials = np.exp((scores - scores.max(1, keepdims=True)) / temperature)
    difference = np.abs(exponentials / exponentials.sum(1, keepdims=True) - probabilities).max()
    if not difference < PARITY_TOLERANCE:
        raise ExportError(
            f"{bundle.path}: PyTorch answers otherwise with its weights, by up to {difference:.2g}; nothing was written"
        )


def _evaluate(bundle: Bundle, plain: Session) -> dict[str, bytes]:
    """`evaluation.json` of a model of MNIST, if its images are at hand; nothing is downloaded or chosen by it."""
    config, metrics = bundle.manifest.provenance.config, bundle.manifest.metrics
    if config.get("data") != "mnist" or not all(map(has_copy, MNIST.values())):
        write("note: no confusion matrices: the images are not at hand (LECTERN_DATA)")
        return {}
    dev = config.get("dev", 0)
    assert isinstance(dev, int | float)
    data = load_mnist(dev)
    assert data.test is not None
    evaluations = {}
    for split, images in (("dev", data.dev), ("test", data.test)):
        confusion = _confusion(plain, images, len(data.labels))
        source = measured_on(data.name, split, len(images))
        errors = len(images) - int(np.trace(confusion))
        stored = {metric.value for metric in metrics if (metric.name, metric.data) == ("errors", source)}
        if stored and stored != {errors}:
            raise ExportError(f"{bundle.path}: {errors} errors on {source}; its manifest says {stored.pop():g}")
        evaluations[split] = {"images": len(images), "confusion": confusion.tolist()}
    return evaluation_file(data.name, data.labels, evaluations)


def _confusion(plain: Session, split: Split, labels: int) -> NDArray[np.int64]:
    """Number of images by [true, answered] label."""
    confusion = np.zeros((labels, labels), np.int64)
    for start in range(0, len(split), 500):
        pixels = split.images[start : start + 500, None].astype(np.float32) / np.float32(255)
        answered = plain.run({INPUT: pixels})[OUTPUT].argmax(1)
        np.add.at(confusion, (split.labels[start : start + 500], answered), 1)
    return confusion
