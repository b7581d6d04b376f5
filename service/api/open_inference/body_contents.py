"""The values of tensors in the body of an HTTP request: in its JSON, or in the bytes after it."""

from __future__ import annotations

from typing import Any

from numpy.typing import NDArray

from service.api.open_inference.codec import read_binary, read_json
from service.api.open_inference.content_types import is_bare
from service.api.open_inference.schemas import RequestInput
from service.bundle.manifest import TensorSpec
from service.errors import InvalidRequest


class BodyContents:
    """Values in the body of an HTTP request, for `InputReader`.

    Args:
        binary: the bytes after the JSON, which hold the binary inputs one after the other; None if the request has no
            header with the length of the JSON.
        is_only_input: whether the request has a single input, which may leave out the number of its bytes.
        may_contain_booleans: False if the JSON text is known to hold no `true` and no `false`.
    """

    def __init__(self, binary: memoryview | None, *, is_only_input: bool, may_contain_booleans: bool) -> None:
        self._binary = binary
        self._is_only_input = is_only_input
        self._position = 0
        self._may_contain_booleans = may_contain_booleans

    def read(self, tensor: RequestInput, spec: TensorSpec, shape: list[int], field: str) -> NDArray[Any]:
        size = tensor.parameters.binary_data_size
        if size is None:
            if tensor.data is not None:
                data = [tensor.data] if is_bare(tensor) else tensor.data
                return read_json(data, spec, shape, f"{field}.data", may_contain_booleans=self._may_contain_booleans)
            if self._binary is None or not self._is_only_input:
                raise InvalidRequest("is missing; send the values, or binary_data_size and bytes", f"{field}.data")
            size = len(self._binary)  # As OpenVINO Model Server has it.
        if tensor.data is not None:
            raise InvalidRequest("is sent together with binary_data_size; send one of them", f"{field}.data")
        field = f"{field}.parameters.binary_data_size"
        if self._binary is None:
            raise InvalidRequest(
                "needs the header Inference-Header-Content-Length, the number of bytes of the JSON", field
            )
        block = self._binary[self._position : self._position + size]
        if len(block) != size:
            raise InvalidRequest(f"is {size}, but {len(block)} bytes are left after the JSON", field)
        self._position += size
        return read_binary(block, spec, shape, field)

    def check_end(self) -> None:
        if self._binary is not None and self._position != len(self._binary):
            left = len(self._binary) - self._position
            raise InvalidRequest(
                f"{left} bytes are left after the last tensor; the binary_data_size of the inputs must add up to "
                f"{len(self._binary)}, the bytes after the JSON"
            )
