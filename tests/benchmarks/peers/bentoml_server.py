"""BentoML: a service with one worker, which joins up to 32 waiting requests to a batch.

python bentoml_server.py PORT
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

import bentoml
from digits import Digits


@bentoml.service(name="digits", workers=1, logging={"access": {"enabled": False}})
class Service:
    """{"pixels": [<images>]} -> [[<10 numbers>]]."""

    def __init__(self) -> None:
        self._model = Digits()

    @bentoml.api(batchable=True, max_batch_size=32)
    async def classify(self, pixels: list[list[list[float]]]) -> list[list[float]]:
        """Probabilities of a batch of images."""
        probabilities: list[list[float]] = self._model(pixels).tolist()
        return probabilities


if __name__ == "__main__":
    options = ["--host", "127.0.0.1", "--port", sys.argv[1], "--working-dir", str(Path(__file__).parent)]
    os.execv(sys.executable, [sys.executable, "-m", "bentoml", "serve", *options, "bentoml_server:Service"])
