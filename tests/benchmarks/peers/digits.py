"""The model as every peer runs it, on one thread as the floor does: the ONNX file that the variable MODEL names."""

from __future__ import annotations

import os
from typing import Any

import numpy as np
import onnxruntime


class Digits:
    """Images in, probabilities out."""

    def __init__(self) -> None:
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = 1
        self._session = onnxruntime.InferenceSession(os.environ["MODEL"], options, providers=["CPUExecutionProvider"])

    def __call__(self, images: Any) -> Any:
        """Probabilities [N, 10] of images [N, 28, 28] or [N, 1, 28, 28] with values from 0 to 1."""
        batch = np.asarray(images, dtype=np.float32).reshape(-1, 1, 28, 28)
        return self._session.run(["probabilities"], {"image": batch})[0]
