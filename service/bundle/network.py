"""The network of a bundle, layer by layer, as people look at it: `network.json`, and its weights in `weights.npy`.

Both are optional, and serving needs neither: graphs have their own weights, folded and fused as they run best.
"""

from __future__ import annotations

import io
import math
from collections.abc import Iterator, Mapping

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field, NonNegativeInt, PositiveInt

from service.bundle.checks import load_array, read_optional
from service.bundle.files import Bundle

NETWORK = "network.json"
WEIGHTS = "weights.npy"

Size = tuple[NonNegativeInt, NonNegativeInt]
"""Height and width."""


class Layer(BaseModel):
    """One layer: its operation, its geometry, and the shapes of its weights."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str
    """As in the graph `explain`, whose output of this name is what the layer passes on."""
    kind: str
    """convolution, max-pooling, average-pooling, dense or rbf."""
    activation: str = ""
    """What its sums go through: relu, tanh, sigmoid, scaled-tanh; empty for nothing."""
    kernel: Size | None = None
    stride: Size | None = None
    padding: Size | None = None
    """Zeros on each side."""
    weight: tuple[PositiveInt, ...] | None = None
    """Shape of its weights, the unit or map that they lead to first; None for a layer without any."""
    bias: tuple[PositiveInt, ...] | None = None


class Network(BaseModel):
    """The content of `network.json`."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    layers: tuple[Layer, ...] = Field(min_length=1)

    def shapes(self) -> Iterator[tuple[str, tuple[int, ...]]]:
        """Name and shape of every array of weights, in the order of `weights.npy`."""
        for layer in self.layers:
            for kind, shape in (("weight", layer.weight), ("bias", layer.bias)):
                if shape is not None:
                    yield f"{layer.name}.{kind}", shape


def read_network(bundle: Bundle) -> Network | None:
    """The network of a bundle; None where it has none.

    Raises:
        BundleError: `network.json` is not what it should be.
    """
    return read_optional(bundle, NETWORK, Network)


def load_weights(bundle: Bundle, network: Network) -> dict[str, NDArray[np.float32]]:
    """The weights of a network by name, `c1.weight`; they stay in their file until they are used.

    Raises:
        BundleError: `weights.npy` is missing or does not hold as many as `network.json` says.
    """
    shapes = dict(network.shapes())
    sizes = [math.prod(shape) for shape in shapes.values()]
    values = load_array(bundle.file(WEIGHTS), (sum(sizes),), np.float32, mapped=True)
    parts = np.split(values, np.cumsum(sizes)[:-1])
    return {name: part.reshape(shape) for (name, shape), part in zip(shapes.items(), parts, strict=True)}


def network_files(network: Network, weights: Mapping[str, NDArray[np.float32]]) -> dict[str, bytes]:
    """The two files of a network, for `draft_bundle`.

    Args:
        network: its layers.
        weights: the arrays by name, `c1.weight`, of the shapes that the layers say.
    """
    arrays = []
    for name, shape in network.shapes():
        assert weights[name].shape == shape, name
        arrays.append(weights[name].astype(np.float32).ravel())
    stream = io.BytesIO()
    np.save(stream, np.concatenate(arrays))
    return {NETWORK: network.model_dump_json(indent=2, exclude_none=True).encode(), WEIGHTS: stream.getvalue()}
