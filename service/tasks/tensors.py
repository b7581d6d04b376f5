"""A model as the Open Inference Protocol shows it: named tensors in, named tensors out."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Collection, Iterable, Sequence
from typing import Any, ClassVar, Generic, TypeVar

import numpy as np
from numpy.typing import NDArray

from service.bundle.manifest import Datatype, TensorSpec
from service.errors import InvalidRequest
from service.runtime.session import Tensors

RequestT = TypeVar("RequestT")


class _Tensors(Generic[RequestT]):
    """What all adapters have.

    Args:
        inputs: the tensors that a client sends.
        outputs: the tensors that it gets.
        alternative: takes other inputs, which a client may send instead and metadata does not list; its outputs are
            the same.
    """

    def __init__(
        self,
        inputs: tuple[TensorSpec, ...],
        outputs: tuple[TensorSpec, ...],
        alternative: PreprocessedTensors[RequestT] | None = None,
    ) -> None:
        self.inputs = inputs
        self.outputs = outputs
        self.inputs_by_name = {spec.name: spec for spec in inputs}
        self.outputs_by_name = {spec.name: spec for spec in outputs}
        self.alternative = alternative

    elements_are_text: ClassVar[bool] = True
    """Whether elements of BYTES are text; those that are not are base64 in JSON."""


class RowTensors(_Tensors[RequestT]):
    """Tensors whose rows go into the network as they are: `read`, then the predictor's `infer`, then `write`."""

    def read(self, tensors: Tensors) -> Tensors:
        """Turn tensors of `inputs` into those that `infer` takes.

        Raises:
            InvalidRequest: the values are not valid for the model (type and shape were checked before).
        """
        return tensors

    def write(self, outputs: Tensors) -> Tensors:
        """Turn what `infer` returned into the tensors of `outputs`."""
        return outputs


class PreprocessedTensors(_Tensors[RequestT], ABC):
    """Tensors that stand for a request of the task: `read`, `preprocess`, `infer`; what that returns is the answer."""

    @abstractmethod
    def read(self, tensors: Tensors) -> RequestT:
        """Turn tensors of `inputs` into a request.

        Raises:
            InvalidRequest: naming the element that is wrong.
        """


class RequestTensors(_Tensors[RequestT], ABC):
    """Tensors that stand for a request of the task, which goes through all its stages."""

    @abstractmethod
    def read(self, tensors: Tensors) -> RequestT:
        """Turn tensors of `inputs` into a request.

        Raises:
            InvalidRequest: naming the element that is wrong.
        """

    @abstractmethod
    def write(self, fields: dict[str, Any]) -> Tensors:
        """Turn what `postprocess` returned into the tensors of `outputs`."""


TensorAdapter = RowTensors[RequestT] | PreprocessedTensors[RequestT] | RequestTensors[RequestT]
"""Converts between tensors of the Open Inference Protocol and requests."""


def adapter_of(adapter: TensorAdapter[RequestT], names: Collection[str]) -> TensorAdapter[RequestT]:
    """The adapter of a request whose inputs have `names`: `adapter`, or its alternative if one of them is of that."""
    other = adapter.alternative
    return adapter if other is None or other.inputs_by_name.keys().isdisjoint(names) else other


def empty_tensors(specs: Iterable[TensorSpec]) -> Tensors:
    """The tensors of a batch without rows."""
    return {spec.name: np.empty((0, *(max(size, 0) for size in spec.shape[1:])), spec.datatype.numpy) for spec in specs}


TEXT = "TEXT"


class TextTensors(RequestTensors[RequestT]):
    """One text a row in `TEXT` BYTES [-1, 1]; one result a row, as bytes, in an output of the same shape.

    Args:
        output: the name of the output tensor.
        make_request: makes a request from the texts, whose elements errors name as `TEXT[3]`.
        encode: turns one of the answer's `results` into bytes.
    """

    def __init__(
        self,
        output: str,
        make_request: Callable[[Sequence[str], Callable[[int], str]], RequestT],
        encode: Callable[[Any], bytes],
    ) -> None:
        shape = (-1, 1)
        super().__init__(
            (TensorSpec(name=TEXT, datatype=Datatype.BYTES, shape=shape),),
            (TensorSpec(name=output, datatype=Datatype.BYTES, shape=shape),),
        )
        self._output = output
        self._make_request = make_request
        self._encode = encode

    def read(self, tensors: Tensors) -> RequestT:
        return self._make_request(decode_texts(tensors[TEXT], TEXT), f"{TEXT}[{{}}]".format)

    def write(self, fields: dict[str, Any]) -> Tensors:
        return {self._output: object_array([self._encode(result) for result in fields["results"]]).reshape(-1, 1)}


def object_array(items: Sequence[Any]) -> NDArray[np.object_]:
    """An object array [n]; `np.array` would turn equally long sequences into a matrix."""
    array = np.empty(len(items), object)
    for index, item in enumerate(items):
        array[index] = item
    return array


def decode_texts(elements: NDArray[Any], name: str) -> list[str]:
    """The texts of a tensor of BYTES.

    Raises:
        InvalidRequest: naming the element that is not UTF-8.
    """
    texts = []
    for index, element in enumerate(elements.ravel()):
        try:
            texts.append(element.decode())
        except UnicodeDecodeError as error:
            raise InvalidRequest("is not UTF-8", f"{name}[{index}]") from error
    return texts
