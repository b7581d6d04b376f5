"""Reads the ONNX files of a bundle whose weights or graphs are used again."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import onnx
from numpy.typing import NDArray
from onnx import ModelProto, numpy_helper

from training.common.errors import ConfigError


def read_model(path: Path, *, external_data: bool = True) -> ModelProto:
    """The model in an ONNX file.

    Args:
        path: the file.
        external_data: whether to read the weights that lie in other files too.

    Raises:
        ConfigError: it is no ONNX file, or its weights are missing.
    """
    with _damage(path):
        return onnx.load(path, load_external_data=external_data)


def read_constants(path: Path) -> dict[str, NDArray[Any]]:
    """The constants of the graph in an ONNX file, by name.

    Raises:
        ConfigError: it is no ONNX file, or its weights are missing.
    """
    with _damage(path):
        return {one.name: numpy_helper.to_array(one) for one in onnx.load(path).graph.initializer}


@contextmanager
def _damage(path: Path) -> Iterator[None]:
    try:
        yield
    except Exception as error:  # protobuf and onnx raise classes of their own, all bare Exceptions
        raise ConfigError(f"{path}: cannot be read as an ONNX graph; copy the bundle again") from error
