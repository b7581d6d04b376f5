"""Bodies of /v1/classify, and the labels of its answers."""

from __future__ import annotations

import io
from typing import Any

import httpx
import numpy as np
from PIL import Image

from tests.support.classifier_bundles import template


def picture(digit: int, kind: str = "PNG", *, size: int = 28) -> bytes:
    """A template as an image file; the tests' bundle takes white for ink."""
    image = Image.fromarray((template(digit) * 255).astype(np.uint8)).resize((size, size), Image.Resampling.NEAREST)
    stream = io.BytesIO()
    image.save(stream, kind, **({"lossless": True} if kind == "WEBP" else {}))
    return stream.getvalue()


def pixels(*digits: int) -> dict[str, Any]:
    """The JSON body of /v1/classify for templates."""
    return {"pixels": [template(digit).tolist() for digit in digits]}


def labels(answer: httpx.Response) -> list[str]:
    """The likeliest label of every image in an answer."""
    assert answer.status_code == 200, answer.text
    return [result["predictions"][0]["label"] for result in answer.json()["results"]]
