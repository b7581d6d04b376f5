"""Triton's Python backend: onnxruntime on the requests that Triton joined to a batch."""

from __future__ import annotations

import os
import sys
from typing import Any

# The interpreter within the backend does not read it.
sys.path[:0] = os.environ["PYTHONPATH"].split(os.pathsep)

import numpy as np  # noqa: E402
import triton_python_backend_utils as triton  # noqa: E402
from digits import Digits  # noqa: E402


class TritonPythonModel:
    """Input `image` [N, 1, 28, 28], output `probabilities` [N, 10]."""

    def initialize(self, args: dict[str, str]) -> None:
        """Load the model."""
        self._model = Digits()

    def execute(self, requests: list[Any]) -> list[Any]:
        """Answer all requests of a batch by one run."""
        images = [triton.get_input_tensor_by_name(request, "image").as_numpy() for request in requests]
        probabilities = self._model(np.concatenate(images))
        parts = np.split(probabilities, np.cumsum([len(image) for image in images])[:-1])
        return [triton.InferenceResponse([triton.Tensor("probabilities", part)]) for part in parts]
