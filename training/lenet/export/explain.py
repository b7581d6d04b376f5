"""What a LeNet bundle has for those who look inside: the graph of all layers, and the layers with their weights."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from service.bundle.manifest import Datatype, Graph, TensorSpec
from service.bundle.network import Layer, Network, network_files
from service.runtime.session import Session
from service.tasks.image_classification.explanation import EXPLAIN
from training.common.errors import ExportError
from training.common.export import PARITY_TOLERANCE, to_onnx
from training.lenet.export.served import INPUT, ServedLeNet
from training.lenet.network.model import PADDING, SIDE, Activation, Pooling, TrainableSubsampling

EXPLAIN_FILE = "explain.onnx"

_POOLING = {"max": "max-pooling", "avg": "average-pooling", "trainable": "average-pooling"}
_CONVOLUTIONS, _DENSE = ("c1", "c3"), ("c5", "f6")


class _Activations(nn.Module):
    """Images [B, 1, 28, 28] in 0..1 to what every layer passes on."""

    def __init__(self, served: ServedLeNet) -> None:
        super().__init__()
        self.c1, self.model = served.c1, served.model

    def forward(self, image: Tensor) -> tuple[Tensor, ...]:
        return tuple(self.model.activations(self.c1(image)).values())


def explain_graph(served: ServedLeNet) -> tuple[Graph, bytes]:
    """The graph `explain` of a network: its description for the manifest, and its ONNX file."""
    shapes = {
        name: tuple(values.shape[1:]) for name, values in _activations(served, torch.zeros(1, 1, SIDE, SIDE)).items()
    }
    content = to_onnx(_Activations(served), torch.zeros(2, 1, SIDE, SIDE), input_name=INPUT, output_names=list(shapes))
    graph = Graph(
        file=EXPLAIN_FILE,
        inputs=(TensorSpec(name=INPUT, datatype=Datatype.FP32, shape=(-1, 1, SIDE, SIDE)),),
        outputs=tuple(
            TensorSpec(name=name, datatype=Datatype.FP32, shape=(-1, *shape)) for name, shape in shapes.items()
        ),
    )
    return graph, content


def check_explain_graph(served: ServedLeNet, session: Session, pixels: NDArray[np.float32]) -> None:
    """Compare the activations of PyTorch and of the graph for images [N, 1, 28, 28].

    Raises:
        ExportError: they differ.
    """
    actual = session.run({INPUT: pixels})
    for name, expected in _activations(served, torch.from_numpy(pixels)).items():
        values = expected.numpy()
        difference = float(np.abs(values - actual[name]).max())
        if not difference < PARITY_TOLERANCE * max(1.0, float(np.abs(values).max())):
            raise ExportError(
                f"layer {name!r} of the graph {EXPLAIN!r} differs from PyTorch by up to {difference:.2g}; nothing was "
                "written. Check the versions of torch and onnxruntime"
            )


def layer_files(served: ServedLeNet, activation: Activation, pooling: Pooling) -> dict[str, bytes]:
    """`network.json` and `weights.npy` of a network."""
    model, weights = served.model, _weights(served)
    layers = []
    for name in ("c1", "s2", "c3", "s4", "c5", "f6", "output"):
        shapes = {kind: weights[key].shape for kind in ("weight", "bias") if (key := f"{name}.{kind}") in weights}
        if name in _CONVOLUTIONS:
            padding = (PADDING, PADDING) if name == "c1" else (0, 0)
            kernel = shapes["weight"][-2:]
            fields = {"kind": "convolution", "kernel": kernel, "stride": (1, 1), "padding": padding}
        elif name in _DENSE:
            fields = {"kind": "dense"}
        elif name == "output":
            fields = {"kind": "dense" if isinstance(model.output, nn.Linear) else "rbf"}
        else:
            fields = {"kind": _POOLING[pooling], "kernel": (2, 2), "stride": (2, 2), "padding": (0, 0)}
        squashes = name in (*_CONVOLUTIONS, *_DENSE) or (pooling == "trainable" and name != "output")
        layers.append(
            Layer.model_validate({"name": name, "activation": activation if squashes else ""} | fields | shapes)
        )
    return network_files(Network(layers=tuple(layers)), weights)


@torch.no_grad()
def _activations(served: ServedLeNet, images: Tensor) -> dict[str, Tensor]:
    return served.model.activations(served.c1(images))


def _weights(served: ServedLeNet) -> dict[str, NDArray[np.float32]]:
    """The weights by layer; those of C1 as the served graph has them, for pixels in 0..1."""
    modules: dict[str, nn.Module] = {"c1": served.c1} | {
        name: getattr(served.model, name) for name in ("c3", "c5", "f6", "output")
    }
    arrays: dict[str, Tensor] = {}
    for name, module in modules.items():
        if isinstance(module, nn.Conv2d | nn.Linear):
            assert module.bias is not None
            arrays |= {f"{name}.weight": module.weight, f"{name}.bias": module.bias}
        else:
            arrays[f"{name}.weight"] = module.bitmaps  # type: ignore[assignment]  # RadialOutput
    for name in ("s2", "s4"):
        for module in getattr(served.model, name).modules():
            if isinstance(module, TrainableSubsampling):
                arrays |= {f"{name}.weight": module.coefficient, f"{name}.bias": module.bias}
    return {name: values.detach().numpy() for name, values in arrays.items()}
