"""What is read of a coded stream of AV1 or HEVC before it is decoded."""

from __future__ import annotations

from typing import NamedTuple


class CodedStream(NamedTuple):
    """The size of the pictures of a stream, and what is decoded of it."""

    width: int
    height: int
    frames: int
    """Frames that are decoded, those that are not shown too."""
    pixels: int
    """Pixels of all frames, with the borders that are not shown."""
