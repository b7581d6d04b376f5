"""What `parameters.content_type` says of a tensor: MLServer's codecs.

Source: MLServer, docs/user-guide/content-type.md. The codecs whose data are the plain values of the tensor make no
difference; base64 is decoded. All others would change what the values mean, and are refused.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from service.api.open_inference.schemas import RequestInput
from service.bundle.manifest import Datatype
from service.errors import InvalidRequest
from service.tasks.json_tensors import bytes_from_base64

BASE64 = "base64"

_OF_NUMBERS = ("np", "pd")
_OF_BYTES = ("str", "np", "pd")
_MAX_SHOWN = 32


def check_content_type(content_type: str | None, datatype: Datatype, field: str, *, is_input: bool) -> None:
    """Check what a request says of one of its tensors.

    Args:
        content_type: of the tensor, or of the whole request; None and empty where neither names one.
        datatype: of the tensor.
        field: name of the tensor in errors.
        is_input: whether it is an input; outputs are never base64.

    Raises:
        InvalidRequest: the tensor cannot be read or written so.
    """
    accepted: Sequence[str] = _OF_NUMBERS
    if datatype is Datatype.BYTES:
        accepted = (*_OF_BYTES, BASE64) if is_input else _OF_BYTES
    if content_type and content_type not in accepted:
        raise InvalidRequest(
            f"{content_type[:_MAX_SHOWN]!r} is not supported for {datatype.value}; send {', '.join(accepted)} or none",
            f"{field}.parameters.content_type",
        )


def is_bare(tensor: RequestInput) -> bool:
    """Whether the only value of an input of BYTES stands without a list."""
    return isinstance(tensor.data, str) and tensor.datatype == Datatype.BYTES


def decode_base64(array: NDArray[Any], name: str) -> NDArray[np.object_]:
    """The bytes of elements that are base64.

    Raises:
        InvalidRequest: naming the first element that is not.
    """
    decoded = np.empty(array.shape, object)
    for index, element in enumerate(array.flat):
        remedy = "encode its bytes, or leave out content_type if it is text"
        decoded.flat[index] = bytes_from_base64(element.decode("latin-1"), f"{name}[{index}]", remedy)
    return decoded
