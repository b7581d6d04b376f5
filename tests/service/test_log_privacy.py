"""Texts, pictures and keys of callers are in no log line, whatever the level."""

from __future__ import annotations

import base64
import io
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from PIL import Image, PngImagePlugin, TiffImagePlugin

from service.access.keys import hash_key
from tests.support.classifier_bundles import write_classifier
from tests.support.processes import Server, server
from tests.support.tagger_bundles import write_tagger
from tests.support.translator_bundles import write_translator
from tests.support.word_vector_bundles import write_words

MARK = "confidential7"
"""Part of every text, key and picture that the test sends, also in other encodings."""
KEY = f"lectern_{MARK}_key"
MULTIPART = {"content-type": "multipart/form-data; boundary=b"}
AUTHORIZED = {"authorization": f"Bearer {KEY}"}


def pictures() -> Iterator[tuple[str, bytes]]:
    """Pictures whose metadata hold the mark, whole, cut short and damaged."""
    image = Image.new("L", (40, 40), 255)
    information = PngImagePlugin.PngInfo()
    information.add_text("Comment", MARK)
    exif = Image.Exif()
    exif[0x010E] = MARK
    tags = TiffImagePlugin.ImageFileDirectory_v2()
    tags[270] = MARK
    options: dict[str, dict[str, object]] = {
        "png": {"pnginfo": information}, "jpeg": {"exif": exif, "comment": MARK.encode()}, "tiff": {"tiffinfo": tags},
        "webp": {"exif": exif.tobytes()}, "gif": {"comment": MARK.encode()}, "bmp": {},
    }  # fmt: skip
    for kind, parameters in options.items():
        stream = io.BytesIO()
        image.save(stream, kind, **parameters)
        content = stream.getvalue()
        yield kind, content
        yield kind, content[: len(content) // 2]
        yield kind, content[:20] + MARK.encode() + content[40:]


def bodies(text: str) -> Iterator[tuple[str, dict[str, object]]]:
    """Requests of every route, right and wrong, that hold a text."""
    good = {
        "/v1/tag": {"text": f"{text} sleeps."},
        "/v1/translate": {"source": "en", "target": "de", "text": f"The {text}."},
        "/translate": {"source": "en", "target": "de", "q": f"The {text}."},
        "/detect": {"q": text},
        "/suggest": {"q": text, "s": text, "source": "en", "target": "de"},
        "/translate_file": {"source": text, "target": "de"},
        "/v1/neighbors": {"words": [text]},
        "/v1/similarity": {"pairs": [[text, "king"]]},
        "/v1/analogy": {"a": text, "b": "king", "c": "queen"},
        "/v1/embeddings": {"model": "words", "input": text, "user": text},
        "/v1/classify": {"model": "digits", "images": [base64.b64encode(text.encode()).decode()]},
        "/v2/models/words/infer": {
            "id": text,
            "inputs": [{"name": "WORD", "shape": [1], "datatype": "BYTES", "data": [text]}],
        },
        "/v2/models/tagger/infer": {
            "inputs": [{"name": "TEXT", "shape": [1, 1], "datatype": "BYTES", "data": [text]}],
        },
    }
    for path, body in good.items():
        yield path, {"json": body}
        yield path, {"json": {**body, text: text}}
        yield path, {"json": {name: {"x": value} for name, value in body.items()}}
        yield path, {"json": [text]}
        yield path, {"content": f'{{"text": "{text}', "headers": {"content-type": "application/json"}}
        yield path, {"content": text, "headers": {"content-type": "text/plain", "cookie": f"session={text}"}}
        yield path, {"content": f'"{text}'.encode() + b"\xff", "headers": {"content-type": "application/json"}}
        yield path, {"data": {name: str(value) for name, value in body.items()}}
        yield path, {"files": {text: (f"{text}.png", text.encode(), f"image/{text}")}}
        yield (
            path,
            {
                "content": f"--b\r\ncontent-disposition: form-data; name={text}\r\n\r\n{text}",
                "headers": {"content-type": "multipart/form-data; boundary=b"},
            },
        )
        yield path, {"json": body, "params": {"api_key": text, "q": text, "model": text}}


def attack(running: Server) -> None:
    """Send everything to a server with debug logs, with a right key, a wrong one and none."""
    url = running.url
    with httpx.Client(base_url=url, timeout=60) as client:
        for path, request in bodies(MARK):
            for key in (AUTHORIZED, {"authorization": f"Bearer wrong_{MARK}"}, {}):
                headers = {**request.get("headers", {}), **key}  # type: ignore[dict-item]
                client.post(path, **{**request, "headers": headers})  # type: ignore[arg-type]
        for kind, content in pictures():
            for path in ("/v1/classify", "/v1/classify?explain=true"):
                client.post(path, content=content, headers=AUTHORIZED | {"content-type": f"image/{kind}"})
                client.post(path, files={"image": (MARK, content, f"image/{kind}")}, headers=AUTHORIZED)
        form = {"source": "en", "target": "de", "api_key": KEY}
        for suffix in ("txt", "html", "docx", "exe", MARK):
            client.post("/translate_file", files={"file": (f"{MARK}.{suffix}", f"The {MARK}.")}, data=form)
        client.get(f"/download_file/{MARK}", headers=AUTHORIZED)
        client.post("/translate", params={"api_key": KEY, "q": MARK, "source": "en", "target": "de"})
        client.get("/v1/models", params={"api_key": KEY}, headers={"referer": f"https://a.example/?{MARK}"})
        client.post(f"/v2/repository/models/digits/unload?k={MARK}", headers={"origin": f"https://u:{MARK}@a.example"})
        client.post(f"/v2/repository/models/digits/unload?k={MARK}", headers={"host": f"{MARK}@localhost"})
        client.post("/v2/repository/models/digits/load", json={"parameters": {"config": MARK}}, headers=AUTHORIZED)


@pytest.fixture
def models(tmp_path: Path) -> Path:
    folder = tmp_path / "models"
    for write in (write_classifier, write_tagger, write_translator, write_words):
        write(folder)
    return folder


def test_no_log_line_holds_what_a_caller_sent(models: Path, tmp_path: Path) -> None:
    keys = tmp_path / "keys"
    keys.write_text(f"all infer,admin,metrics sha256:{hash_key(KEY).hex()}\n")
    with server(
        models,
        LOG_LEVEL="debug",
        ACCESS_LOG="1",
        API_KEYS=str(keys),
        RATE_LIMIT="100000/s",
        DRAIN_SECONDS="0",
        SUGGESTIONS=str(tmp_path / "suggestions.jsonl"),
    ) as running:
        attack(running)
        running.process.terminate()
        assert running.wait() == 0
        text = running.text
    assert '"message":"request"' in text
    for form in (MARK, MARK[:8], base64.b64encode(MARK.encode()).decode()[:12], hash_key(KEY).hex()):
        lines = [line for line in text.splitlines() if form.lower() in line.lower()]
        assert not lines, lines[:3]
    assert "failed" not in {line["message"] for line in running.lines}
