"""MLServer: a custom runtime in the server's own process, without batches, which make so small a model slower.

python mlserver_server.py PORT
"""

from __future__ import annotations

import asyncio
import sys

from digits import Digits
from mlserver import MLModel, MLServer, ModelSettings, Settings
from mlserver.codecs import NumpyCodec
from mlserver.types import InferenceRequest, InferenceResponse


class DigitsRuntime(MLModel):
    """Input `image` [N, 1, 28, 28], output `probabilities` [N, 10]."""

    async def load(self) -> bool:
        """Load the model."""
        self._model = Digits()
        return True

    async def predict(self, payload: InferenceRequest) -> InferenceResponse:
        """Answer one request."""
        probabilities = self._model(NumpyCodec.decode_input(payload.inputs[0]))
        outputs = [NumpyCodec.encode_output("probabilities", probabilities)]
        return InferenceResponse(model_name=self.name, model_version=self.version, outputs=outputs)


async def main(port: int) -> None:
    """Serve until a signal arrives."""
    settings = Settings(
        host="127.0.0.1", http_port=port, grpc_port=0, metrics_endpoint=None, parallel_workers=0, debug=False
    )
    model = ModelSettings(name="digits", implementation=DigitsRuntime)
    await MLServer(settings).start([model])


if __name__ == "__main__":
    asyncio.run(main(int(sys.argv[1])))
