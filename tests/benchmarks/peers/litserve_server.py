"""LitServe: one API with one worker process, which joins up to 32 waiting requests to a batch.

python litserve_server.py PORT
"""

from __future__ import annotations

import sys
from typing import Any

import litserve
import numpy as np
from digits import Digits


class DigitsAPI(litserve.LitAPI):
    """{"pixels": [<one image>]} -> {"probabilities": [[<10 numbers>]]}."""

    def setup(self, device: str) -> None:
        """Load the model in the worker."""
        self._model = Digits()

    def decode_request(self, request):  # type: ignore[no-untyped-def]  # LitServe makes its route of annotations
        """The image of a request."""
        return np.asarray(request["pixels"][0], dtype=np.float32)

    def predict(self, x: Any) -> Any:
        """Probabilities of a batch of images."""
        return self._model(x)

    def encode_response(self, output: Any) -> dict[str, Any]:
        """The answer to one request of the batch."""
        return {"probabilities": [output.tolist()]}


if __name__ == "__main__":
    api = DigitsAPI(api_path="/predict", max_batch_size=32, batch_timeout=0.001)
    server = litserve.LitServer(api, accelerator="cpu", workers_per_device=1)
    server.run(
        host="127.0.0.1", port=int(sys.argv[1]), num_api_servers=1, log_level="warning", generate_client_file=False
    )
