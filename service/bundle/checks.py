"""The checks that every task makes of a bundle before it serves: preprocessing, graphs, further files.

Each raises `BundleError` with the file and the reason.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ValidationError

from service.bundle.files import MANIFEST, Bundle, BundleError, first_line, read_json_file
from service.bundle.manifest import Datatype, Graph, TensorSpec

ModelT = TypeVar("ModelT", bound=BaseModel)

TensorType = tuple[Datatype, tuple[int, ...]]
"""Datatype and shape of a tensor; -1 where the size of an axis varies."""
Signature = Mapping[str, TensorType]
"""The tensors of one side of a graph, by name."""

_REMEDY = "export the model again"


def read_preprocessing(bundle: Bundle, model: type[ModelT]) -> ModelT:
    """The manifest's `preprocessing`, as the task's own class."""
    try:
        return model.model_validate(bundle.manifest.preprocessing)
    except ValidationError as error:
        raise BundleError(f"{bundle.path / MANIFEST}: preprocessing: {first_line(error)}") from error


def read_optional(bundle: Bundle, name: str, model: type[ModelT]) -> ModelT | None:
    """The content of a JSON file that a bundle may have; None where it does not."""
    if name not in bundle.manifest.files:
        return None
    path = bundle.file(name)
    try:
        return model.model_validate_json(read_json_file(path))
    except ValidationError as error:
        raise BundleError(f"{path}: {first_line(error)}; {_REMEDY}") from error


def require_labels(bundle: Bundle) -> tuple[str, ...]:
    """The labels of a model that must have some."""
    if not bundle.manifest.labels:
        raise BundleError(
            f"{bundle.path / MANIFEST}: labels: are missing; the task {bundle.manifest.task.value} needs them"
        )
    return bundle.manifest.labels


def require_graphs(bundle: Bundle, *names: str, optional: str = "") -> tuple[Graph, ...]:
    """The graphs of the manifest in the order of `names`; without names the only graph, whatever it is called.

    Args:
        bundle: the bundle.
        *names: names of the graphs that it must have.
        optional: name of a graph that it may have as well.
    """
    graphs = {name: graph for name, graph in bundle.manifest.graphs.items() if name != optional}
    if (set(graphs) != set(names)) if names else (len(graphs) != 1):
        expected = f"{' and '.join(names)}, and no other" if names else "exactly one"
        expected += f"; {optional!r} is optional" if optional else ""
        raise BundleError(f"{bundle.path / MANIFEST}: graphs: the task {bundle.manifest.task.value} needs {expected}")
    return tuple(graphs[name] for name in names) if names else tuple(graphs.values())


def require_tensors(bundle: Bundle, graph: Graph, *, inputs: Signature, outputs: Signature) -> None:
    """Check the tensors of a graph by name, datatype and shape."""
    for kind, specs, expected in (("inputs", graph.inputs, inputs), ("outputs", graph.outputs, outputs)):
        if signature(specs) != expected:
            tensors = ", ".join(
                f"{name} {datatype.value} {list(shape)}" for name, (datatype, shape) in expected.items()
            )
            raise BundleError(
                f"{bundle.path / MANIFEST}: the {kind} of {graph.file} do not fit the task and the preprocessing: "
                f"they must be {tensors}; {_REMEDY}"
            )


def signature(specs: tuple[TensorSpec, ...]) -> Signature:
    """Datatype and shape of each tensor by name."""
    return {spec.name: (spec.datatype, spec.shape) for spec in specs}


def load_array(
    path: Path, shape: tuple[int, ...], dtype: np.dtype[Any] | type[np.generic], *, mapped: bool = False
) -> NDArray[Any]:
    """Read a .npy file that must hold an array of this shape and type.

    Args:
        mapped: memory-map it; an array that is read into memory must also be free of NaN and infinity.
    """
    try:
        array: NDArray[Any] = np.load(path, mmap_mode="r" if mapped else None, allow_pickle=False)
    except (OSError, ValueError, EOFError) as error:
        raise BundleError(f"{path}: cannot be read as an array ({error})") from error
    if array.shape != shape or array.dtype != np.dtype(dtype):
        raise BundleError(
            f"{path}: holds {array.dtype} {list(array.shape)}, it must be {np.dtype(dtype)} {list(shape)}; {_REMEDY}"
        )
    if not mapped and not np.isfinite(array).all():
        raise BundleError(f"{path}: holds NaN or infinity; {_REMEDY}")
    # A plain array over the mapped pages: every slice of numpy's own class for them costs several microseconds.
    return array.view(np.ndarray)
