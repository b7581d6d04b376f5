"""Bits of the headers of AV1 and HEVC streams."""

from __future__ import annotations

_MAX_HEADER_BYTES = 512
"""Bytes of a header that are looked at: the size of the picture is far before."""


class Bits:
    """Reads a header bit by bit, the highest bit of each byte first."""

    def __init__(self, header: bytes) -> None:
        header = header[:_MAX_HEADER_BYTES]
        self._value = int.from_bytes(header, "big")
        self._left = 8 * len(header)

    def read(self, count: int) -> int:
        """The next `count` bits as an integer.

        Raises:
            ValueError: the header ends before.
        """
        self._left -= count
        if self._left < 0:
            raise ValueError("a header ends early")
        return self._value >> self._left & ((1 << count) - 1)

    def read_exponential_golomb(self) -> int:
        """An unsigned Exp-Golomb code, `ue(v)` of HEVC and `uvlc()` of AV1.

        Raises:
            ValueError: the header ends before, or the number has more than 32 bits.
        """
        zeros = 0
        while not self.read(1):
            zeros += 1
            if zeros > 32:
                raise ValueError("a number is too large")
        return (1 << zeros) - 1 + self.read(zeros)
