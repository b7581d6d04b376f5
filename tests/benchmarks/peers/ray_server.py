"""Ray Serve: one replica of one deployment behind its HTTP proxy.

python ray_server.py PORT
"""

from __future__ import annotations

import sys
import time
from typing import Any

import ray
from digits import Digits
from ray import serve
from starlette.requests import Request

LOGGING = {"enable_access_log": False, "log_level": "WARNING"}


@serve.deployment(num_replicas=1, max_ongoing_requests=100, logging_config=LOGGING)
class DigitsDeployment:
    """{"pixels": [<images>]} -> {"probabilities": [[<10 numbers>]]}."""

    def __init__(self) -> None:
        self._model = Digits()

    async def __call__(self, request: Request) -> dict[str, Any]:
        """Answer one request."""
        document = await request.json()
        return {"probabilities": self._model(document["pixels"]).tolist()}


if __name__ == "__main__":
    ray.init(include_dashboard=False, logging_level="warning")
    serve.start(http_options={"host": "127.0.0.1", "port": int(sys.argv[1])}, logging_config=LOGGING)
    serve.run(DigitsDeployment.bind(), route_prefix="/")
    while True:
        time.sleep(60)
