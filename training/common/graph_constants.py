"""Reads the weights of a network back from an ONNX file that was exported."""

from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from training.common.errors import ConfigError
from training.common.onnx_models import read_constants


class GraphConstants:
    """The constants of an ONNX file that `GraphBuilder` made.

    Weights that were stored in 8 bits come back as the multiples of their scales that they were rounded to, so that a
    second export of them is the same again.

    Args:
        path: the file.
        older_names: by a constant's name, what it was called in files of earlier releases.

    Raises:
        ConfigError: the file is no ONNX file.
    """

    def __init__(self, path: Path, older_names: Mapping[str, str] | None = None) -> None:
        self._path = path
        self._older_names = older_names or {}
        self._arrays = read_constants(path)

    def __contains__(self, name: str) -> bool:
        return name in self._arrays

    def read(self, name: str) -> Tensor:
        """A constant in float32; integers are multiplied by the scales of their rows."""
        name = name if name in self._arrays else self._older_names.get(name, name)
        if name not in self._arrays:
            raise ConfigError(
                f"{self._path}: has no constant {name}; it was written by another program or another release. "
                "Take a bundle that this release exported"
            )
        values = self._arrays[name].astype(np.float32)
        if f"{name}_scales" in self._arrays:
            values = values * self._arrays[f"{name}_scales"]
        return torch.from_numpy(values)

    def copy(self, name: str, parameter: Tensor, convert: Callable[[Tensor], Tensor] = lambda values: values) -> None:
        """Set a parameter of the network to a constant, whose gates `convert` puts in PyTorch's order."""
        values = convert(self.read(name))
        self.check_shape(name, values, parameter)
        with torch.no_grad():
            parameter.copy_(values)

    def check_shape(self, name: str, values: Tensor, parameter: Tensor) -> None:
        """Raise ConfigError where a constant does not have the shape of its parameter."""
        if values.shape != parameter.shape:
            raise ConfigError(
                f"{self._path}: {name} has the shape {list(values.shape)}, by the bundle's settings it would be "
                f"{list(parameter.shape)}; the manifest is of another network. Take another bundle"
            )
