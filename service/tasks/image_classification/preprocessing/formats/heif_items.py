"""The items of a HEIF file: pictures, their parts and their properties (ISO/IEC 23008-12; ISO/IEC 14496-12, 8.11)."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import NamedTuple

from service.tasks.image_classification.preprocessing.formats.base import PartCounter
from service.tasks.image_classification.preprocessing.formats.boxes import Box, Fields, full_box, read_boxes


class Extent(NamedTuple):
    """A range of the bytes of an item; without a length it goes to the end."""

    offset: int
    length: int | None


class Association(NamedTuple):
    """A property of an item: its position in the list of properties, and whether readers must know it."""

    position: int
    is_essential: bool


@dataclass
class ItemTable:
    """What the box `meta` says of the items, by their numbers."""

    primary: int = 0
    kinds: dict[int, bytes] = dataclasses.field(default_factory=dict)
    extents: dict[int, list[Extent]] = dataclasses.field(default_factory=dict)
    """Where the bytes of each item are in the file."""
    properties: list[tuple[bytes, bytes]] = dataclasses.field(default_factory=list)
    """Kind and content of each property."""
    associations: dict[int, list[Association]] = dataclasses.field(default_factory=dict)
    references: list[tuple[bytes, int, tuple[int, ...]]] = dataclasses.field(default_factory=list)
    """Kind of reference, the item that refers, and the items it refers to."""

    def of_item(self, item: int) -> list[tuple[bytes, bytes]]:
        """Kind and content of the properties of an item, in the order in which they are applied."""
        return [self.properties[association.position] for association in self.associations.get(item, [])]

    def property_of(self, item: int, kind: bytes) -> bytes:
        """The content of one property of an item.

        Raises:
            ValueError: it has none of the kind, or several.
        """
        (content,) = (content for name, content in self.of_item(item) if name == kind)
        return content

    def targets(self, kind: bytes, item: int) -> tuple[int, ...]:
        """The items that an item refers to."""
        return tuple(
            target for name, source, targets in self.references if (name, source) == (kind, item) for target in targets
        )


def read_items(data: bytes, meta: Box, parts: PartCounter) -> ItemTable:
    """Read the box `meta`.

    Raises:
        ValueError: the box is malformed.
        ImageTooComplexError: there are more parts than allowed.
    """
    boxes: dict[bytes, Box] = {}
    for box in read_boxes(data, meta.start + 4, meta.end, parts):
        if box.kind in boxes and box.kind in {b"pitm", b"iinf", b"iloc", b"iprp", b"iref", b"idat"}:
            raise ValueError("a box is there twice")
        boxes[box.kind] = box
    table = ItemTable()
    version, _, fields = full_box(data, boxes[b"pitm"])
    table.primary = fields.integer(2 if version == 0 else 4)
    _read_kinds(data, boxes[b"iinf"], table, parts)
    _read_locations(data, boxes[b"iloc"], boxes.get(b"idat"), table, parts)
    _read_properties(data, boxes[b"iprp"], table, parts)
    if b"iref" in boxes:
        _read_references(data, boxes[b"iref"], table, parts)
    return table


def _read_kinds(data: bytes, box: Box, table: ItemTable, parts: PartCounter) -> None:
    """Read the box `iinf`: the kind of each item."""
    version, _, fields = full_box(data, box)
    fields.integer(2 if version == 0 else 4)
    for entry in read_boxes(data, fields.position, box.end, parts):
        version, _, item = full_box(data, entry)
        if entry.kind == b"infe" and version in {2, 3}:
            number = item.integer(2 if version == 2 else 4)
            is_protected = item.integer(2)
            table.kinds[number] = item.take(4) if not is_protected else b"prot"


def _read_locations(data: bytes, box: Box, idat: Box | None, table: ItemTable, parts: PartCounter) -> None:
    """Read the box `iloc`: where the bytes of each item are."""
    version, _, fields = full_box(data, box)
    sizes = fields.integer(2)
    offset_size, length_size, base_size = sizes >> 12, sizes >> 8 & 15, sizes >> 4 & 15
    index_size = sizes & 15 if version else 0
    for _ in range(fields.integer(2 if version < 2 else 4)):
        parts.add()
        item = fields.integer(2 if version < 2 else 4)
        method = fields.integer(2) & 15 if version else 0
        source = fields.integer(2)
        base = fields.integer(base_size)
        extents = []
        for _ in range(fields.integer(2)):
            parts.add()
            fields.integer(index_size)
            offset = base + fields.integer(offset_size)
            extents.append(Extent(offset, fields.integer(length_size) or None))
        if source == 0 and method == 0:
            table.extents[item] = extents
        elif source == 0 and method == 1 and idat is not None:
            table.extents[item] = [
                Extent(idat.start + offset, idat.end - idat.start - offset if length is None else length)
                for offset, length in extents
            ]


def _read_properties(data: bytes, box: Box, table: ItemTable, parts: PartCounter) -> None:
    """Read the box `iprp`: the properties, and which items have them."""
    for child in read_boxes(data, box.start, box.end, parts):
        if child.kind == b"ipco":
            table.properties += [
                (entry.kind, data[entry.start : entry.end]) for entry in read_boxes(data, child.start, child.end, parts)
            ]
        elif child.kind == b"ipma":
            version, flags, fields = full_box(data, child)
            for _ in range(fields.integer(4)):
                item = fields.integer(2 if version == 0 else 4)
                count = fields.integer(1)
                parts.add(1 + count)
                table.associations.setdefault(item, []).extend(
                    association for _ in range(count) if (association := _association(fields, 2 if flags & 1 else 1))
                )
    if any(entry.position >= len(table.properties) for entries in table.associations.values() for entry in entries):
        raise ValueError("an item has a property that is not there")


def _association(fields: Fields, size: int) -> Association | None:
    """One association of a property; None for the number 0, which stands for no property."""
    value = fields.integer(size)
    essential = 1 << 8 * size - 1
    number = value & essential - 1
    return Association(number - 1, bool(value & essential)) if number else None


def _read_references(data: bytes, box: Box, table: ItemTable, parts: PartCounter) -> None:
    """Read the box `iref`: which items belong to which."""
    version, _, fields = full_box(data, box)
    size = 2 if version == 0 else 4
    for child in read_boxes(data, fields.position, box.end, parts):
        reference = Fields(data, child.start, child.end)
        source = reference.integer(size)
        count = reference.integer(2)
        parts.add(count)
        table.references.append((child.kind, source, tuple(reference.integer(size) for _ in range(count))))
