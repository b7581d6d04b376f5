"""Requests whose answers are stored beside the shipped models: what a client must get from the server."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tests.support.processes import ROOT

WORDS = "words-en"
DIMENSIONS = 280
PICTURE = (ROOT / "tests/data/seven.png").read_bytes()
"""A seven."""

WITHOUT_A_WORD = ("", "😀", "xqzzy")
"""Texts that have a vector of zeros."""


def embeddings() -> tuple[list[str], NDArray[np.float64]]:
    """Texts [N], and their vectors [N, D] of fewer dimensions than the model has."""
    sample = next(sample for sample in _samples(WORDS) if sample["route"] == "/v1/embeddings")
    return sample["request"]["input"], np.array([entry["embedding"] for entry in sample["results"]])


def similarities() -> tuple[list[tuple[str, str]], list[float]]:
    """Pairs of words and their cosines."""
    sample = next(sample for sample in _samples(WORDS) if sample["route"] == "/v1/similarity")
    return sample["request"]["pairs"], [result["score"] for result in sample["results"]]


def digits() -> tuple[NDArray[np.float32], list[int], list[float]]:
    """Images [N, 1, 28, 28], the figures on them, and the probabilities of these."""
    samples = [sample for sample in _samples("digits") if "pixels" in sample["request"]]
    images = np.array([pixels for sample in samples for pixels in sample["request"]["pixels"]], np.float32)[:, None]
    best = [result["predictions"][0] for sample in samples for result in sample["results"]]
    return images, [int(one["label"]) for one in best], [one["score"] for one in best]


def tags() -> tuple[str, list[str]]:
    """A text and the parts of speech of its words."""
    sample = _samples("pos-en")[0]
    return sample["request"]["text"], [token["tag"] for token in sample["results"][0]["tokens"]]


def translation() -> tuple[str, str]:
    """An English text and its translation."""
    sample = _samples("translate-en-de")[0]
    return sample["request"]["text"], sample["results"][0]["text"]


def same_direction(vectors: Any, expected: NDArray[np.float64]) -> bool:
    """Whether the leading dimensions of unit vectors [N, D] have the direction of shorter ones [N, K]."""
    leading = np.array(vectors)[:, : expected.shape[1]]
    return np.allclose(leading / np.linalg.norm(leading, axis=1, keepdims=True), expected, atol=1e-5)


def _samples(model: str) -> list[dict[str, Any]]:
    (path,) = (ROOT / "models" / model).glob("*/samples.json")
    samples: list[dict[str, Any]] = json.loads(path.read_text())["samples"]
    return samples
