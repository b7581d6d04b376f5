"""BentoML: a service with one worker, which joins up to 32 waiting requests to a batch.

python bentoml_server.py PORT
"""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Annotated

import bentoml
import numpy as np
from bentoml.validators import DType
from digits import Digits


@bentoml.service(name="digits", workers=1, logging={"access": {"enabled": False}})
class Service:
    """{"pixels": [<images>]} -> [[<10 numbers>]]. Arrays are quicker than lists of numbers, which pydantic checks."""

    def __init__(self) -> None:
        self._model = Digits()

    @bentoml.api(batchable=True, max_batch_size=32)
    async def classify(self, pixels: Annotated[np.ndarray, DType("float32")]) -> np.ndarray:
        """Probabilities of a batch of images."""
        return self._model(pixels)


if __name__ == "__main__":
    options = ["--host", "127.0.0.1", "--port", sys.argv[1], "--working-dir", str(Path(__file__).parent)]
    os.execv(sys.executable, [sys.executable, "-m", "bentoml", "serve", *options, "bentoml_server:Service"])
