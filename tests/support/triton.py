"""Requests of `tritonclient` to models whose tensors are texts."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np


def infer_texts(
    client: Any,
    texts: Sequence[str | bytes],
    *,
    model: str,
    tensors: tuple[str, str],
    shape: tuple[int, ...] | None = None,
    binary: bool = True,
) -> Any:
    """The output for some texts, as numpy.

    Args:
        client: a `tritonclient.http.InferenceServerClient`.
        texts: one a row.
        model: name of the model.
        tensors: names of the input and of the output.
        shape: of the input; the default is [len(texts), 1].
        binary: whether tensors are sent and answered as binary data.
    """
    import tritonclient.http as triton

    array = np.array([text.encode() if isinstance(text, str) else text for text in texts], object)
    array = array.reshape(shape or (len(texts), 1))
    tensor = triton.InferInput(tensors[0], list(array.shape), "BYTES").set_data_from_numpy(array, binary_data=binary)
    requested = [triton.InferRequestedOutput(tensors[1], binary_data=binary)]
    return client.infer(model, [tensor], outputs=requested).as_numpy(tensors[1])
