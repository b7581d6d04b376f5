"""Writes a HEIF file of one picture, with what its pixels need and nothing else."""

from __future__ import annotations

import struct

from service.tasks.image_classification.preprocessing.formats.boxes import write_box
from service.tasks.image_classification.preprocessing.formats.heif_items import ItemTable

PICTURE_PROPERTIES = frozenset({b"ispe", b"pixi", b"colr", b"av1C", b"hvcC", b"auxC"})
"""The properties that are written. Transformations are none of them: they are applied to the decoded pixels."""

_HANDLER = write_box(b"hdlr", struct.pack(">8x4s12xx", b"pict"))


def write_heif(
    table: ItemTable, payloads: dict[int, bytes], brand: bytes, *, tiles: dict[int, tuple[int, ...]], alpha: int | None
) -> bytes:
    """Write a file of the primary picture.

    Args:
        table: the items of the file that was read.
        payloads: the bytes of each item that is written.
        brand: the brand of the format.
        tiles: the tiles of the picture's colors and of its transparency; none where they are one item.
        alpha: the item of the transparency; None if there is none.
    """
    numbers = {item: number for number, item in enumerate(payloads, 1)}
    references = [(b"dimg", item, parts) for item, parts in tiles.items() if parts]
    if alpha is not None:
        references.append((b"auxl", alpha, (table.primary,)))
        if alpha in table.targets(b"prem", table.primary):
            references.append((b"prem", table.primary, (alpha,)))
    file_type = write_box(b"ftyp", brand, bytes(4), brand, b"mif1", b"miaf")
    tables = [
        _HANDLER,
        write_box(b"pitm", bytes(4), struct.pack(">H", numbers[table.primary])),
        _write_kinds(table, numbers),
        _write_properties(table, numbers),
        _write_references(references, numbers),
    ]
    lengths = {numbers[item]: len(payload) for item, payload in payloads.items()}
    start = len(file_type) + 8 + 4 + sum(map(len, tables)) + len(_write_locations(lengths, 0)) + 8
    meta = write_box(b"meta", bytes(4), *tables, _write_locations(lengths, start))
    return b"".join([file_type, meta, write_box(b"mdat", *payloads.values())])


def _write_kinds(table: ItemTable, numbers: dict[int, int]) -> bytes:
    entries = [
        write_box(b"infe", b"\2\0\0\0", struct.pack(">HH4sx", number, 0, table.kinds[item]))
        for item, number in numbers.items()
    ]
    return write_box(b"iinf", bytes(4), struct.pack(">H", len(entries)), *entries)


def _write_locations(lengths: dict[int, int], start: int) -> bytes:
    """The box `iloc`; `start` is the offset of the first item."""
    entries = []
    for number, length in lengths.items():
        entries.append(struct.pack(">HHHII", number, 0, 1, start, length))
        start += length
    return write_box(b"iloc", bytes(4), struct.pack(">BBH", 0x44, 0, len(entries)), *entries)


def _write_properties(table: ItemTable, numbers: dict[int, int]) -> bytes:
    """The box `iprp`: each property once."""
    positions: dict[int, int] = {}
    associations = []
    for item, number in numbers.items():
        entries = []
        for index, is_essential in table.associations.get(item, []):
            kind, content = table.properties[index]
            if kind in PICTURE_PROPERTIES and not (kind == b"colr" and not content.startswith(b"nclx")):
                position = positions.setdefault(index, len(positions) + 1)
                entries.append(struct.pack(">H", is_essential << 15 | position))
        associations.append(struct.pack(">HB", number, len(entries)) + b"".join(entries))
    container = write_box(b"ipco", *(write_box(*table.properties[index]) for index in positions))
    flags = struct.pack(">II", 1, len(associations))  # associations of two bytes
    return write_box(b"iprp", container, write_box(b"ipma", flags, *associations))


def _write_references(references: list[tuple[bytes, int, tuple[int, ...]]], numbers: dict[int, int]) -> bytes:
    if not references:
        return b""
    entries = [
        write_box(
            kind, struct.pack(f">{2 + len(targets)}H", numbers[source], len(targets), *(numbers[t] for t in targets))
        )
        for kind, source, targets in references
    ]
    return write_box(b"iref", bytes(4), *entries)
