"""Arrays in JSON answers: bytes in base64, each value one of 256 steps between the least and the greatest."""

from __future__ import annotations

import base64
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, Field

from service.errors import ModelFailure

ArrayType = Literal["uint8", "float32"]
"""How the values of an array are written."""

_STEPS = 255


class QuantizedArray(BaseModel):
    """An array in row-major order. A byte `b` of dtype uint8 stands for `min + b / 255 * (max - min)`."""

    shape: list[int]
    dtype: ArrayType = Field(description="uint8, or little-endian float32 where that was asked for.")
    min: float
    max: float
    data: str = Field(description="The bytes in base64.", json_schema_extra={"contentEncoding": "base64"})


def quantize(array: NDArray[Any], name: str, dtype: ArrayType = "uint8") -> dict[str, Any]:
    """The fields of the `QuantizedArray` of an array.

    Args:
        array: float32, of any shape.
        name: what it is, for the error.
        dtype: float32 keeps the values as they are.

    Raises:
        ModelFailure: it holds NaN or infinity.
    """
    low, high = (float(array.min()), float(array.max())) if array.size else (0.0, 0.0)
    if not np.isfinite((low, high)).all():
        raise ModelFailure(f"the model's {name} hold NaN or infinity")
    if dtype == "float32":
        content = np.ascontiguousarray(array, "<f4").tobytes()
    elif high > low:
        scaled = (array.astype(np.float64) - low) * (_STEPS / (high - low))
        content = np.rint(scaled).astype(np.uint8).tobytes()
    else:
        content = bytes(array.size)
    data = base64.b64encode(content).decode("ascii")
    return {"shape": list(array.shape), "dtype": dtype, "min": low, "max": high, "data": data}
