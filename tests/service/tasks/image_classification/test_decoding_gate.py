"""The pixels that are decoded at the same time stay within the limit."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from service.tasks.image_classification.decoding_gate import DecodingGate

MEGAPIXEL = 1_000_000


def _ignore() -> None:
    """A check of somebody who waits for ever."""


def test_threads_share_the_limit() -> None:
    gate, lock = DecodingGate(5 * MEGAPIXEL), threading.Lock()
    current, most = 0, 0

    def decode(index: int) -> None:
        nonlocal current, most
        pixels = (1 + index % 4) * MEGAPIXEL
        with gate.admit(pixels, _ignore):
            with lock:
                current += pixels
                most = max(most, current)
            threading.Event().wait(0.002)
            with lock:
                current -= pixels

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(decode, range(100)))
    assert 4 * MEGAPIXEL <= most <= 5 * MEGAPIXEL


def test_an_image_beyond_the_limit_is_decoded_alone_and_a_small_one_at_once() -> None:
    gate = DecodingGate(MEGAPIXEL)
    with gate.admit(100 * MEGAPIXEL, _ignore):
        with gate.admit(128 * 128, _ignore):
            pass
        with pytest.raises(TimeoutError), gate.admit(MEGAPIXEL // 2, _raise):
            raise AssertionError("admitted beside an image that takes the whole limit")
    with gate.admit(MEGAPIXEL // 2, _raise):
        pass


def _raise() -> None:
    raise TimeoutError


def test_a_failure_releases_its_share() -> None:
    gate = DecodingGate(MEGAPIXEL)
    for _ in range(3):
        with pytest.raises(ValueError, match="damaged"), gate.admit(MEGAPIXEL, _raise):
            raise ValueError("damaged")
