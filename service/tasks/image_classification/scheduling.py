"""The cost of image classification: its runs, decoding pictures, and explaining answers."""

from __future__ import annotations

import math
from typing import ClassVar

import numpy as np

from service.runtime.session import Tensors
from service.tasks.image_classification.request import ClassifyRequest
from service.tasks.scheduling import RUN, Scheduling, Work

# Pictures up to these sizes are decoded in the event loop, which takes about a millisecond; larger ones go to a thread.
# The number of bytes alone says little about the work: 7 kB of PNG can be 20 megapixels.
_SMALL_BYTES = 8 * 1024
_SMALL_PIXELS = 128 * 128
_SMALL_PICTURES = 4
_PNG_HEADER = b"\x89PNG\r\n\x1a\n\x00\x00\x00\x0dIHDR"

_DECODING = "decoding"
"""The kind of work of pictures, in pixels: decoding them takes far longer than the run."""
_PIXEL_SECONDS = 1e-8
_EXTRA_PIXELS = 300_000
"""The work of a picture beside its pixels: 2.4 ms, the time in which so many pixels of a large one are read."""
_SPLIT_PIXELS = 300_000
"""The work of the figures of a picture that is split: about five, of some 0.5 ms each."""
_EXPLAINING = "explaining"
"""The kind of work of images whose answers are explained, in images."""
_EXPLAINING_SECONDS = 2e-3
_PIXELS_PER_BYTE = 8
"""About the pixels of a byte of a compressed picture, where its header does not tell."""


class ImageScheduling(Scheduling[ClassifyRequest]):
    """A row is an image; only decoding pictures and explaining answers take long.

    Args:
        budget: most images of one run.
        input_name: the name of the graph's input.
        shape: height and width of its images.
        max_pixels: most pixels of one picture.
    """

    seconds_per_unit: ClassVar = {_DECODING: _PIXEL_SECONDS, _EXPLAINING: _EXPLAINING_SECONDS}

    def __init__(self, budget: int, input_name: str, shape: tuple[int, int], max_pixels: int) -> None:
        super().__init__(budget)
        self._input = input_name
        self._shape = shape
        self._max_pixels = max_pixels

    def is_slow(self, request: ClassifyRequest) -> bool:
        if request.explain:
            return True
        pictures = request.pictures
        return bool(pictures) and (
            request.split  # Each figure takes about half a millisecond, and nobody knows yet how many there are.
            or len(pictures) > _SMALL_PICTURES
            or sum(map(len, pictures)) > _SMALL_BYTES
            or sum(map(_png_pixels, pictures)) > _SMALL_PIXELS
        )

    def work(self, request: ClassifyRequest) -> Work:
        if request.pixels is not None:
            count = len(request.pixels) if isinstance(request.pixels, list) else 1
            return Work(count, _EXPLAINING if request.explain else RUN, count, "images")
        pixels = sum(map(self._decoded_pixels, request.pictures))
        if request.split:
            pixels += _SPLIT_PIXELS * len(request.pictures)
        if request.explain:
            count = len(request.pictures)
            return Work(count + pixels * _PIXEL_SECONDS / _EXPLAINING_SECONDS, _EXPLAINING, count, "images")
        return Work(pixels, _DECODING, len(request.pictures), "images")

    def run_work(self, tensors: Tensors) -> Work:
        count = len(tensors[self._input])
        return Work(count, RUN, count, "rows")

    def _decoded_pixels(self, picture: bytes) -> float:
        pixels = _png_pixels(picture)
        if not math.isfinite(pixels):
            pixels = _PIXELS_PER_BYTE * len(picture)
        return min(pixels, self._max_pixels) + _EXTRA_PIXELS

    def warm_up(self) -> Tensors:
        return {self._input: np.zeros((1, 1, *self._shape), np.float32)}


def _png_pixels(picture: bytes) -> float:
    """Number of pixels of a PNG, from its header; infinite for any other format."""
    if not picture.startswith(_PNG_HEADER):
        return math.inf
    return int.from_bytes(picture[16:20], "big") * int.from_bytes(picture[20:24], "big")
