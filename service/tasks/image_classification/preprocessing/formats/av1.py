"""Size and number of the frames of an AV1 stream (AV1 Bitstream and Decoding Process Specification, section 5)."""

from __future__ import annotations

from collections.abc import Iterator

from service.tasks.image_classification.preprocessing.formats.base import PartCounter
from service.tasks.image_classification.preprocessing.formats.bits import Bits
from service.tasks.image_classification.preprocessing.formats.coded_stream import CodedStream

_SEQUENCE_HEADER = 1
_FRAMES = frozenset({3, 6})
"""Kinds of the units that begin a frame: a frame header, or a frame with its header."""


def read_av1(_config: bytes, stream: bytes, parts: PartCounter) -> CodedStream:
    """Read the sequence headers of a stream and count its frames, those that are not shown too.

    Raises:
        ValueError: the stream is malformed, or has no sequence header or different ones.
    """
    sizes: set[tuple[int, int]] = set()
    frames = 0
    for kind, content in _units(stream, parts):
        if kind == _SEQUENCE_HEADER:
            sizes.add(_frame_size(Bits(content)))
        frames += kind in _FRAMES
    ((width, height),) = sizes
    return CodedStream(width, height, frames, frames * width * height)


def _units(stream: bytes, parts: PartCounter) -> Iterator[tuple[int, bytes]]:
    """Kind and first bytes of each open bitstream unit (section 5.3)."""
    position = 0
    while position < len(stream):
        parts.add()
        header = stream[position]
        position += 2 if header & 4 else 1
        size = len(stream) - position
        if header & 2:
            size, position = _leb128(stream, position)
        if position + size > len(stream):
            raise ValueError("a unit is longer than the stream")
        yield header >> 3 & 15, stream[position : position + min(size, 512)]
        position += size


def _leb128(stream: bytes, position: int) -> tuple[int, int]:
    """A number of seven bits a byte, and the position behind it (section 4.10.5)."""
    value = 0
    for index in range(8):
        byte = stream[position + index]
        value |= (byte & 0x7F) << 7 * index
        if not byte & 0x80:
            return value, position + index + 1
    raise ValueError("a number is too long")


def _frame_size(bits: Bits) -> tuple[int, int]:
    """The largest width and height of the frames, from a sequence header (section 5.5.1)."""
    bits.read(4)  # profile, still picture
    if bits.read(1):  # reduced header of a still picture
        bits.read(5)
    else:
        _skip_timing(bits)
    width_bits, height_bits = bits.read(4) + 1, bits.read(4) + 1
    return bits.read(width_bits) + 1, bits.read(height_bits) + 1


def _skip_timing(bits: Bits) -> None:
    """Skip timing, decoder model and operating points."""
    delay_bits = 0
    if bits.read(1):  # timing information
        bits.read(64)
        if bits.read(1):
            bits.read_exponential_golomb()
        if bits.read(1):  # decoder model
            delay_bits = bits.read(5) + 1
            bits.read(42)
    has_display_delay = bits.read(1)
    for _ in range(bits.read(5) + 1):
        bits.read(12)
        if bits.read(5) > 7:  # levels that have tiers
            bits.read(1)
        if delay_bits and bits.read(1):
            bits.read(2 * delay_bits + 1)
        if has_display_delay and bits.read(1):
            bits.read(4)
