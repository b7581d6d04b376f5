"""The manifest of a bundle: written by training and read by the service."""

from __future__ import annotations

import re
from datetime import datetime
from enum import StrEnum
from typing import Annotated, Any, Literal

import numpy as np
from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    JsonValue,
    SerializerFunctionWrapHandler,
    StringConstraints,
    model_serializer,
    model_validator,
)

FORMAT_VERSION = 1

NAME_PATTERN = r"^[a-z0-9][a-z0-9._-]{0,63}$"
"""Names of models: they are folder names, URL segments and metric labels at once."""

# One plain file name: no folder, no parent, nothing hidden.
_FILE_PATTERN = r"^[A-Za-z0-9][A-Za-z0-9._-]{0,127}$"

FileName = Annotated[str, StringConstraints(pattern=_FILE_PATTERN)]
OperatorName = Annotated[str, StringConstraints(pattern=r"^([A-Za-z0-9_]+\.)*[A-Za-z0-9_]+$", max_length=128)]
"""An ONNX operator, with its domain where that is not ONNX's own: `TopK`, `com.microsoft.MatMulIntegerToFloat`."""
Sha256 = Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{64}$")]


class Task(StrEnum):
    """The task that a model does for its callers. A new task is a change of this contract."""

    IMAGE_CLASSIFICATION = "image-classification"
    TOKEN_CLASSIFICATION = "token-classification"
    WORD_VECTORS = "word-vectors"
    TRANSLATION = "translation"


class Datatype(StrEnum):
    """Element types, as the Open Inference Protocol v2 names them."""

    BOOL = "BOOL"
    UINT8 = "UINT8"
    UINT16 = "UINT16"
    UINT32 = "UINT32"
    UINT64 = "UINT64"
    INT8 = "INT8"
    INT16 = "INT16"
    INT32 = "INT32"
    INT64 = "INT64"
    FP16 = "FP16"
    FP32 = "FP32"
    FP64 = "FP64"
    BYTES = "BYTES"

    @property
    def numpy(self) -> np.dtype[np.generic]:
        """The little-endian numpy dtype; BYTES are Python objects."""
        return _NUMPY[self]


_NUMPY: dict[Datatype, np.dtype[np.generic]] = {
    Datatype.BOOL: np.dtype("?"),
    Datatype.UINT8: np.dtype("<u1"),
    Datatype.UINT16: np.dtype("<u2"),
    Datatype.UINT32: np.dtype("<u4"),
    Datatype.UINT64: np.dtype("<u8"),
    Datatype.INT8: np.dtype("<i1"),
    Datatype.INT16: np.dtype("<i2"),
    Datatype.INT32: np.dtype("<i4"),
    Datatype.INT64: np.dtype("<i8"),
    Datatype.FP16: np.dtype("<f2"),
    Datatype.FP32: np.dtype("<f4"),
    Datatype.FP64: np.dtype("<f8"),
    Datatype.BYTES: np.dtype("O"),
}


class _Frozen(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", protected_namespaces=())


class TensorSpec(_Frozen):
    """One input or output of a graph."""

    name: str
    datatype: Datatype
    shape: tuple[int, ...]
    """Sizes of the axes; -1 where the size varies. The first axis is the batch."""


class ProviderKind(StrEnum):
    """Kinds of execution providers that one ONNX file may not suit all of."""

    CPU = "cpu"
    """onnxruntime's own CPU provider. A graph's `file` is for it."""
    ACCELERATOR = "accelerator"
    """Every other provider: CUDA, TensorRT, OpenVINO, CoreML and so on."""


class GraphVariant(_Frozen):
    """Another ONNX file of a graph, with the same inputs and outputs, for a kind of execution providers."""

    file: FileName
    fallback_operators: tuple[OperatorName, ...] = ()
    """As in `Graph`."""


class Graph(_Frozen):
    """One ONNX file with its inputs and outputs."""

    file: FileName
    inputs: tuple[TensorSpec, ...]
    outputs: tuple[TensorSpec, ...]
    fallback_operators: tuple[OperatorName, ...] = ()
    """Operators of the file that may run on another execution provider than the one asked for, even if strict."""
    variants: dict[ProviderKind, GraphVariant] = Field(default_factory=dict)
    """Files for providers that `file` does not suit; they may share its external data."""

    def variant(self, kind: ProviderKind) -> Graph:
        """The graph with the file for a kind of providers: its variant, or `file` where there is none."""
        variant = self.variants.get(kind)
        own = {} if variant is None else {"file": variant.file, "fallback_operators": variant.fallback_operators}
        return self.model_copy(update={**own, "variants": {}})

    @property
    def files(self) -> tuple[str, ...]:
        """The ONNX files: that for CPUs, then those of the variants."""
        return self.file, *(variant.file for variant in self.variants.values())

    @model_serializer(mode="wrap")
    def _without_empty(self, serialize: SerializerFunctionWrapHandler) -> dict[str, Any]:
        # Releases without these keys refuse them; what does not need them stays readable there.
        optional = ("fallback_operators", "variants")
        fields: dict[str, Any] = serialize(self)
        return {name: value for name, value in fields.items() if value or name not in optional}

    @model_validator(mode="after")
    def _check_variants(self) -> Graph:
        if ProviderKind.CPU in self.variants:
            raise ValueError("variants: 'cpu' is no variant; 'file' is for it")
        if repeated := [file for file in self.files if self.files.count(file) > 1]:
            raise ValueError(f"variants: {repeated[0]!r} stands there twice; a variant has a file of its own")
        return self


class Metric(_Frozen):
    """A measured figure and the data it was measured on."""

    name: str
    value: float
    unit: str = ""
    data: str
    """Data set and split, for example 'MNIST test, 10,000 images'."""


class Provenance(_Frozen):
    """Origin of the weights, and their license."""

    data: str
    licence: str
    """License of the weights (SPDX identifier where one exists), not of the code."""
    attribution: str
    config: dict[str, JsonValue] = Field(default_factory=dict)
    seed: int | None = None
    libraries: dict[str, str] = Field(default_factory=dict)
    created: datetime


class Comparison(_Frozen):
    """The rule by which replayed answers are compared with those in `samples.json`.

    `labels`: everything but numbers must be equal. `scores`: numbers may differ by `tolerance`, the rest must be
    equal. `text`: everything must be equal, numbers up to `tolerance`, and so must the order of alternatives.
    """

    kind: Literal["labels", "scores", "text"] = "scores"
    tolerance: float = Field(default=1e-3, ge=0)


class Manifest(_Frozen):
    """`manifest.json`: the description of a bundle from which it is served."""

    format_version: int = FORMAT_VERSION
    name: Annotated[str, StringConstraints(pattern=NAME_PATTERN)]
    version: int = Field(ge=1)
    task: Task
    description: str = ""
    graphs: dict[str, Graph] = Field(min_length=1)
    labels: tuple[str, ...] | None = None
    preprocessing: dict[str, JsonValue] = Field(default_factory=dict)
    """Parameters of the task's pre-processing; the task's predictor knows their type."""
    metrics: tuple[Metric, ...] = ()
    provenance: Provenance
    comparison: Comparison = Comparison()
    files: dict[FileName, Sha256] = Field(default_factory=dict)
    """sha256 of every file of the bundle but the manifest itself."""

    @model_validator(mode="after")
    def _check_consistency(self) -> Manifest:
        # A manifest without any hashes is a draft that the writer has yet to complete.
        graph_files = [file for graph in self.graphs.values() for file in graph.files]
        missing = [file for file in graph_files if self.files and file not in self.files]
        if missing:
            raise ValueError(f"graph file {missing[0]!r} has no sha256 in 'files'")
        if self.labels is not None and len(set(self.labels)) != len(self.labels):
            raise ValueError("labels are not unique")
        return self


def is_model_name(text: str) -> bool:
    """Whether `text` can name a model."""
    return re.fullmatch(NAME_PATTERN, text) is not None
