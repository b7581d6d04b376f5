"""A model as the Open Inference Protocol shows it: named tensors in, named tensors out."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from typing import Any, Generic, TypeVar

import numpy as np
from numpy.typing import NDArray

from service.bundle.manifest import Datatype, TensorSpec
from service.errors import InvalidRequest
from service.runtime.session import Tensors

RequestT = TypeVar("RequestT")


class RowTensors:
    """Tensors whose rows go into the network as they are: `read`, then the predictor's `infer`, then `write`.

    Args:
        inputs: the tensors that a client sends.
        outputs: the tensors that it gets.
    """

    def __init__(self, inputs: tuple[TensorSpec, ...], outputs: tuple[TensorSpec, ...]) -> None:
        self.inputs = inputs
        self.outputs = outputs

    def read(self, tensors: Tensors) -> Tensors:
        """Turn tensors of `inputs` into those that `infer` takes.

        Raises:
            InvalidRequest: the values are not valid for the model (type and shape were checked before).
        """
        return tensors

    def write(self, outputs: Tensors) -> Tensors:
        """Turn what `infer` returned into the tensors of `outputs`."""
        return outputs


class RequestTensors(ABC, Generic[RequestT]):
    """Tensors that stand for a request of the task, which goes through all its stages.

    Args:
        inputs: the tensors that a client sends.
        outputs: the tensors that it gets.
    """

    def __init__(self, inputs: tuple[TensorSpec, ...], outputs: tuple[TensorSpec, ...]) -> None:
        self.inputs = inputs
        self.outputs = outputs

    @abstractmethod
    def read(self, tensors: Tensors) -> RequestT:
        """Turn tensors of `inputs` into a request.

        Raises:
            InvalidRequest: naming the element that is wrong.
        """

    @abstractmethod
    def write(self, fields: dict[str, Any]) -> Tensors:
        """Turn what `postprocess` returned into the tensors of `outputs`."""


TensorAdapter = RowTensors | RequestTensors[RequestT]
"""Converts between tensors of the Open Inference Protocol and requests."""

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
