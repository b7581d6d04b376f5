"""The floor: the least that a Python server can do for a digit. Bare ASGI, orjson, numpy, onnxruntime inline.

No routes, validation, limits, batching, metrics or errors: what a service adds is held against this.

    python tests/benchmarks/floor.py models/digits/2/model.onnx 8090
"""

from __future__ import annotations

import socket
import sys
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

import numpy as np
import onnxruntime
import orjson
import uvicorn

Message = MutableMapping[str, Any]


class Floor:
    """An ASGI application: {"pixels": [<28 rows of 28 numbers>]} -> {"probabilities": [[<10 numbers>]]}."""

    def __init__(self, model: str) -> None:
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = 1
        self._session = onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])

    async def __call__(
        self, scope: Message, receive: Callable[[], Awaitable[Message]], send: Callable[[Message], Awaitable[None]]
    ) -> None:
        """Answer one request."""
        body = b""
        more = True
        while more:
            message = await receive()
            body += message.get("body", b"")
            more = message.get("more_body", False)
        image = np.asarray(orjson.loads(body)["pixels"], dtype=np.float32)[:, None]
        (probabilities,) = self._session.run(["probabilities"], {"image": image})
        answer = orjson.dumps({"probabilities": probabilities}, option=orjson.OPT_SERIALIZE_NUMPY)
        headers = [(b"content-type", b"application/json"), (b"content-length", b"%d" % len(answer))]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": answer})


def main(model: str, port: str) -> None:
    """Serve on a port of this machine."""
    listener = socket.create_server(("127.0.0.1", int(port)), backlog=2048)
    config = uvicorn.Config(
        Floor(model), loop="uvloop", http="httptools", lifespan="off", ws="none", access_log=False, log_level="warning"
    )
    uvicorn.Server(config).run(sockets=[listener])


if __name__ == "__main__":
    main(*sys.argv[1:])
