"""Size and number of the pictures of an HEVC stream (ITU-T H.265, section 7.3; ISO/IEC 14496-15, section 8.3)."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from service.tasks.image_classification.preprocessing.formats.base import PartCounter
from service.tasks.image_classification.preprocessing.formats.bits import Bits
from service.tasks.image_classification.preprocessing.formats.boxes import Fields
from service.tasks.image_classification.preprocessing.formats.coded_stream import CodedStream

_SEQUENCE_PARAMETERS = 33
_FIRST_PARAMETERS = 32
"""Kinds of units below it are slices of pictures."""

_CHROMA_444 = 3
_CHROMA_SAMPLE = ((1, 1), (2, 2), (2, 1), (1, 1))
"""Pixels per sample of chroma across and down, by the number of the format: none, 4:2:0, 4:2:2, 4:4:4."""
_MAX_BORDER = 63
"""Pixels that are coded and not shown, per side: those of blocks which are coded whole."""


class _Sequence(NamedTuple):
    """What a sequence parameter set says."""

    coded: tuple[int, int]
    """Width and height."""
    size: tuple[int, int]
    """Width and height without the borders that are not shown."""
    chroma: int
    luma_bits: int
    chroma_bits: int


def read_hevc(config: bytes, stream: bytes, parts: PartCounter) -> CodedStream:
    """Read the sequence parameter sets of a configuration and of its stream, and count the pictures.

    Args:
        config: the content of the property `hvcC`.
        stream: units, each after its length.
        parts: counts the units.

    Raises:
        ValueError: the stream is malformed, has no sequence parameter set or different ones, or the configuration says
            something else: decoders reserve memory for what it says.
    """
    sequences: set[_Sequence] = set()
    pictures = 0
    length_bytes = (config[21] & 3) + 1
    for unit in (*_parameter_sets(config, parts), *_units(stream, length_bytes, parts)):
        kind = unit[0] >> 1 & 0x3F
        if kind == _SEQUENCE_PARAMETERS:
            # without the bytes of emulation prevention, section 7.3.1.1
            sequences.add(_read_sequence(Bits(unit[2:].replace(b"\0\0\3", b"\0\0"))))
        elif kind < _FIRST_PARAMETERS:
            pictures += unit[2] >> 7  # the first slice of a picture
    (sequence,) = sequences
    if (config[16] & 3, config[17] & 7, config[18] & 7) != (
        sequence.chroma,
        sequence.luma_bits - 8,
        sequence.chroma_bits - 8,
    ):
        raise ValueError("the configuration does not fit the stream")
    width, height = sequence.coded
    return CodedStream(*sequence.size, pictures, pictures * width * height)


def _parameter_sets(config: bytes, parts: PartCounter) -> Iterator[bytes]:
    """The units of a configuration."""
    fields = Fields(config, 22, len(config))
    for _ in range(fields.integer(1)):
        fields.integer(1)
        for _ in range(fields.integer(2)):
            parts.add()
            yield fields.take(fields.integer(2))


def _units(stream: bytes, length_bytes: int, parts: PartCounter) -> Iterator[bytes]:
    """The first bytes of each unit of a stream."""
    position = 0
    while position < len(stream):
        parts.add()
        length = int.from_bytes(stream[position : position + length_bytes], "big")
        position += length_bytes
        if length < 2 or position + length > len(stream):
            raise ValueError("a unit is longer than the stream")
        yield stream[position : position + min(length, 512)]
        position += length


def _read_sequence(bits: Bits) -> _Sequence:
    """Read a sequence parameter set as far as the bits of a sample (section 7.3.2.2)."""
    bits.read(4)
    sub_layers = bits.read(3)
    bits.read(1 + 88 + 8)  # profile, tier and level
    present = [(bits.read(1), bits.read(1)) for _ in range(sub_layers)]
    if sub_layers:
        bits.read(2 * (8 - sub_layers))
    for has_profile, has_level in present:
        bits.read(88 * has_profile + 8 * has_level)
    number = bits.read_exponential_golomb
    number()
    chroma = number()
    if chroma == _CHROMA_444:
        bits.read(1)
    coded = (number(), number())
    borders = [number() for _ in range(4)] if bits.read(1) else [0] * 4  # left, right, top, bottom, in chroma samples
    across, down = _CHROMA_SAMPLE[chroma]
    size = (coded[0] - across * sum(borders[:2]), coded[1] - down * sum(borders[2:]))
    if not all(0 <= whole - shown <= _MAX_BORDER for whole, shown in zip(coded, size, strict=True)):
        raise ValueError("borders are larger than a block")
    return _Sequence(coded, size, chroma, number() + 8, number() + 8)
