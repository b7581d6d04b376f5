"""Steps of an export that families share: checks before it, the ONNX file, parity, provenance."""

from __future__ import annotations

import importlib.metadata
import logging
import os
import platform
import warnings
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import onnx
from numpy.typing import NDArray

from service.bundle.files import check_model_name
from service.bundle.manifest import Provenance
from service.output import write
from training.common.errors import ConfigError, ExportError
from training.common.run import Run

if TYPE_CHECKING:
    import torch
    from torch import nn

OPSET = 20
PARITY_TOLERANCE = 1e-5


def check_name(name: str) -> None:
    """Refuse a name that no model can have.

    Raises:
        ConfigError: saying what names are allowed.
    """
    try:
        check_model_name(name)
    except ValueError as error:
        raise ConfigError(f"--name: {error}") from error


def check_target(name: str, repository: Path) -> None:
    """Refuse a name that no model can have and a repository that cannot be written; the repository is made.

    Raises:
        ConfigError: naming the option.
    """
    check_name(name)
    try:
        repository.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise ConfigError(f"--models {repository}: cannot be made a folder ({error.strerror})") from error
    if not os.access(repository, os.W_OK):
        raise ConfigError(f"--models {repository}: cannot be written to")


@contextmanager
def export_checks(*, required: bool) -> Iterator[None]:
    """Check before a run that may take hours whether it can be exported; the checks go inside the `with`.

    Args:
        required: whether the run is exported at its end; if not, a failed check only prints a note.

    Raises:
        ExportError: a check failed, and the run is to be exported.
    """
    try:
        yield
    except ExportError as error:
        if required:
            raise ExportError(f"{error}; to train it all the same, leave out --export and --name") from error
        write(f"note: the run can be evaluated but not exported: {error}")


def check_fit(path: Path, shortcoming: str, *, force: bool) -> None:
    """Refuse to export a run that has learned nothing.

    Args:
        path: the run's directory.
        shortcoming: why it is of no use; empty for nothing.
        force: export it all the same.

    Raises:
        ExportError: saying how it can be exported.
    """
    if shortcoming and not force:
        raise ExportError(
            f"{path}: {shortcoming}; train longer or on more data, or export it all the same with --force"
        )
    if shortcoming:
        write(f"note: {shortcoming}")


def note_unfinished(run: Run, epochs: int) -> None:
    """Print a note where a run is exported before its last epoch."""
    trained = len(run.metrics())
    if trained < epochs:
        write(f"note: the run has {trained} of its {epochs} epochs; exporting the best of those")


def to_onnx(module: nn.Module, example: torch.Tensor, *, input_name: str, output_names: Sequence[str]) -> bytes:
    """Convert a module to an ONNX file with its weights inside.

    Args:
        module: takes one tensor and returns one or several; the first axis of all is the batch.
        example: an input of the module.
        input_name: name of the graph's input.
        output_names: names of the graph's outputs.
    """
    import torch  # here, as vectors are imported where PyTorch is not installed

    module.eval()
    with _quiet_exporter():
        program = torch.onnx.export(
            module,
            (example,),
            dynamo=True,
            external_data=False,
            opset_version=OPSET,
            input_names=[input_name],
            output_names=list(output_names),
            dynamic_shapes=({0: torch.export.Dim("batch")},),
            verbose=False,
        )
    assert program is not None
    model = program.model_proto
    _strip(model)
    model = with_shapes(model)
    onnx.checker.check_model(model, full_check=True)
    return bytes(model.SerializeToString())


def with_shapes(model: onnx.ModelProto) -> onnx.ModelProto:
    """The same model with the shapes of the tensors between its nodes, for people who look at it."""
    return onnx.shape_inference.infer_shapes(model)


def check_parity(expected: NDArray[np.float32], actual: NDArray[np.float32], inputs: str) -> float:
    """Compare the probabilities of PyTorch and of the ONNX graph.

    Args:
        expected: PyTorch's probabilities, [N, classes].
        actual: the graph's probabilities, [N, classes].
        inputs: description of the inputs, for the message.

    Returns:
        The greatest absolute difference.

    Raises:
        ExportError: it is not below 1e-5, or the most probable class of a row differs.
    """
    difference = float(np.abs(expected - actual).max())
    labels = int((expected.argmax(1) != actual.argmax(1)).sum())
    if not difference < PARITY_TOLERANCE or labels:
        raise ExportError(
            f"the ONNX graph differs from PyTorch on {inputs}: by up to {difference:.2g} "
            f"(limit {PARITY_TOLERANCE:g}), {labels} labels of {len(expected)}; nothing was written. "
            "Check the versions of torch and onnxruntime"
        )
    return difference


def provenance(
    *, data: str, licence: str, attribution: str, config: dict[str, Any], seed: int | None, libraries: Iterable[str]
) -> Provenance:
    """Make the provenance of weights.

    Args:
        data: title of the data.
        licence: licence of the weights.
        attribution: the makers of the data.
        config: the settings they were trained with.
        seed: seed of the run; None if unknown.
        libraries: names of the libraries whose versions are recorded.
    """
    versions = {name: importlib.metadata.version(name) for name in sorted(libraries)}
    return Provenance(
        data=data,
        licence=licence,
        attribution=attribution,
        config=config,
        seed=seed,
        libraries={"python": platform.python_version(), **versions},
        created=datetime.now(UTC).replace(microsecond=0),
    )


def _strip(model: onnx.ModelProto) -> None:
    """Remove the metadata of the exporter, which holds source lines and paths of this machine."""
    graph = model.graph
    del model.metadata_props[:], graph.metadata_props[:], graph.value_info[:]
    model.doc_string = graph.doc_string = ""
    described: list[Any] = [*graph.node, *graph.input, *graph.output, *graph.initializer]
    for item in described:
        item.doc_string = ""
        del item.metadata_props[:]


@contextmanager
def _quiet_exporter() -> Iterator[None]:
    """Silence the exporter's messages about itself, such as a missing torchvision or its own deprecations."""
    logger = logging.getLogger("torch.onnx")
    level = logger.level
    logger.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        logger.setLevel(level)
