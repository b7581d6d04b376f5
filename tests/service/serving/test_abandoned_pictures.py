"""Pictures that nobody waits for are not decoded, and pictures hold up no text."""

from __future__ import annotations

import asyncio
import base64
import threading
from pathlib import Path
from typing import Literal

import httpx
import numpy as np
import orjson
import pytest
from PIL import Image

from service.settings import Settings
from service.tasks.image_classification.preprocessing import EncodedImage
from tests.support.asgi import Caller
from tests.support.classifier_bundles import write_classifier
from tests.support.event_loop import run_async
from tests.support.pictures import picture_file
from tests.support.server import Gate, serving
from tests.support.tagger_bundles import write_tagger

COUNT = 20


class SlowDecoder:
    """Stands for decoders that take long: each picture waits at a gate."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.gate = Gate()
        self.begun = 0
        self._lock = threading.Lock()
        decode = EncodedImage.decode

        def slow(image: EncodedImage) -> np.ndarray[tuple[int, ...], np.dtype[np.uint8]]:
            with self._lock:
                self.begun += 1
            self.gate.go_through()
            return decode(image)

        monkeypatch.setattr(EncodedImage, "decode", slow)


@pytest.fixture
def decoder(monkeypatch: pytest.MonkeyPatch) -> SlowDecoder:
    """The decoder of all pictures."""
    return SlowDecoder(monkeypatch)


def _body(count: int = COUNT) -> bytes:
    digit = np.full((300, 300), 255, np.uint8)
    digit[100:200, 140:160] = 0
    picture = base64.b64encode(picture_file(Image.fromarray(digit))).decode()
    return orjson.dumps({"images": [picture] * count})


@pytest.mark.parametrize("inline", ["always", "never"])
def test_decoding_ends_when_the_client_leaves(
    tmp_path: Path, decoder: SlowDecoder, inline: Literal["always", "never"]
) -> None:
    write_classifier(tmp_path)

    async def main() -> None:
        # The deadline is later than anything here: it ends no decoding.
        async with serving(Settings(models=tmp_path, inline=inline, deadline_seconds=600)) as (client, app):
            decoder.gate.shut()
            caller = Caller(_body(), "/v1/classify")
            call = asyncio.create_task(caller.call(app))
            await decoder.gate.wait_entered()
            caller.disconnected.set()
            ended, _ = await asyncio.wait([call], timeout=20)
            decoder.gate.open()
            assert ended
            await _is_idle(client)
            assert decoder.begun == 2

    run_async(main())


def test_decoding_ends_when_the_deadline_has_passed(tmp_path: Path, decoder: SlowDecoder) -> None:
    write_classifier(tmp_path)

    async def main() -> None:
        async with serving(Settings(models=tmp_path, deadline_seconds=0.5)) as (client, _):
            decoder.gate.shut()
            response = await client.post("/v1/classify", content=_body(), headers={"content-type": "application/json"})
            assert response.status_code == 504
            decoder.gate.open()
            await _is_idle(client)
            assert decoder.begun == 2

    run_async(main())


async def _is_idle(client: httpx.AsyncClient) -> None:
    """Have one more picture answered."""
    response = await client.post("/v1/classify", content=_body(1), headers={"content-type": "application/json"})
    assert response.status_code == 200


def test_pictures_hold_up_no_text(tmp_path: Path, decoder: SlowDecoder) -> None:
    write_classifier(tmp_path)
    write_tagger(tmp_path)

    async def main() -> None:
        async with serving(Settings(models=tmp_path)) as (client, _):
            decoder.gate.shut()
            headers = {"content-type": "application/json"}
            calls = [
                asyncio.create_task(client.post("/v1/classify", content=_body(2), headers=headers)) for _ in range(8)
            ]
            await decoder.gate.wait_entered()
            long_text = {"text": "the dog sleeps . " * 2000}
            assert (await asyncio.wait_for(client.post("/v1/tag", json=long_text), 60)).status_code == 200
            decoder.gate.open()
            assert {answer.status_code for answer in await asyncio.gather(*calls)} == {200}

    run_async(main())
