"""Valid requests of every route, which the generators damage. The shipped models answer all of them."""

from __future__ import annotations

import base64
from typing import Any

from tests.support.classify_requests import picture, pixels

_IMAGE = {"name": "image", "shape": [1, 1, 28, 28], "datatype": "FP32", "data": [0.5] * 784}


def _tensor(name: str, *values: str) -> dict[str, Any]:
    return {"inputs": [{"name": name, "shape": [len(values), 1], "datatype": "BYTES", "data": list(values)}]}


JSON: tuple[tuple[str, dict[str, Any]], ...] = (
    ("/v1/classify", {"model": "digits", "top_k": 3, **pixels(7)}),
    ("/v1/classify", {"images": [base64.b64encode(picture(3)).decode()], "version": None}),
    ("/v1/tag", {"model": "pos-en", "text": "Ada wrote to Charles. He answered."}),
    ("/v1/tag", {"model": "pos-en", "texts": ["Ada wrote.", ""]}),
    ("/v1/tag", {"model": "pos-en", "tokens": [["Ada", "wrote"], ["He", "answered", "."]]}),
    ("/v1/similarity", {"model": "words-en", "pairs": [["king", "queen"], ["king", "xqzzy"]]}),
    ("/v1/neighbors", {"words": ["king", "queen"], "k": 3}),
    ("/v1/neighbors", {"positive": ["king", "woman"], "negative": ["man"], "k": 3}),
    ("/v1/analogy", {"a": "man", "b": "king", "c": "woman", "k": 3}),
    ("/v1/projection", {"words": ["king", "queen", "man"], "dimensions": 3}),
    ("/v1/odd-one-out", {"words": ["king", "queen", "man"]}),
    ("/v1/embeddings", {"model": "words-en", "input": ["king", "queen"], "encoding_format": "float", "dimensions": 2}),
    ("/v1/embeddings", {"model": "words-en", "input": "king", "encoding_format": "base64", "user": "me"}),
    ("/v1/translate", {"source": "en", "target": "de", "text": "Good morning!", "beam_size": 2, "alternatives": 1}),
    ("/v1/translate", {"model": "translate-en-de", "texts": ["A dog."], "alignment": True}),
    (
        "/v1/translate",
        {
            "model": "translate-en-de",
            "text": "A dog.",
            "alternatives": 1,
            "alignment": True,
            "alternative_sentences": True,
        },
    ),
    ("/translate", {"q": "A dog.", "source": "auto", "target": "de", "format": "html", "alternatives": 0}),
    ("/translate", {"q": ["A dog.", "A cat."], "source": "en", "target": "de", "api_key": ""}),
    ("/detect", {"q": "Where is the station?", "api_key": "x"}),
    ("/v2/models/digits/infer", {"id": "1", "inputs": [_IMAGE], "parameters": {"timeout": 0, "priority": 1}}),
    (
        "/v2/models/digits/infer",
        {"inputs": [_IMAGE], "outputs": [{"name": "probabilities", "parameters": {"classification": 2}}]},
    ),
    (
        "/v2/models/digits/versions/1/infer",
        {"inputs": [_IMAGE], "outputs": [{"name": "probabilities", "parameters": {"binary_data": True}}]},
    ),
    ("/v2/models/words-en/infer", _tensor("WORD", "king", "queen")),
    ("/v2/models/pos-en/infer", _tensor("TEXT", "Ada wrote.")),
    ("/v2/models/translate-en-de/infer", _tensor("TEXT", "A dog.")),
    ("/v2/repository/index", {"ready": True}),
    ("/v2/repository/models/nosuch/load", {"parameters": {"version": "1"}}),
    ("/v2/repository/models/nosuch/unload", {"parameters": {"unload_dependents": False}}),
)
"""Paths with their bodies; models are loaded and unloaded only by a name that does not exist."""

PATHS: tuple[str, ...] = tuple(dict.fromkeys(path for path, _ in JSON))

GET: tuple[str, ...] = (
    "/livez",
    "/readyz",
    "/metrics",
    "/languages",
    "/v1/models",
    "/v1/models/digits",
    "/v2",
    "/v2/health/live",
    "/v2/health/ready",
    "/v2/models/stats",
    "/v2/models/digits",
    "/v2/models/digits/config",
    "/v2/models/digits/ready",
    "/v2/models/digits/stats",
    "/v2/models/digits/versions/1",
)
