"""The orientation in an EXIF block (CIPA DC-008, section 4.6.4)."""

from __future__ import annotations

import struct


def read_orientation(exif: bytes) -> int:
    """The orientation, 1 to 8, in an EXIF block; 1 if there is none or it is malformed."""
    try:
        return _orientation_of_exif(exif.removeprefix(b"Exif\0\0"))
    except struct.error:
        return 1


def _orientation_of_exif(exif: bytes) -> int:
    """Read the orientation tag from the first directory of an EXIF block.

    Pillow's own parser reads the whole block and warns of everything malformed in it.

    Raises:
        struct.error: the block ends early.
    """
    order = ">" if exif[:2] == b"MM" else "<"
    (directory,) = struct.unpack_from(order + "I", exif, 4)
    (entries,) = struct.unpack_from(order + "H", exif, directory)
    for index in range(entries):
        tag, _, _, value = struct.unpack_from(order + "HHIH", exif, directory + 2 + 12 * index)
        if tag == 0x0112:
            return int(value)
    return 1
