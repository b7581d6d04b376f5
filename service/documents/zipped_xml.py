"""A document that is a zip archive with XML files."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from service.documents.archive import Archive
from service.documents.document import Document, Segment
from service.documents.xml_paragraphs import XmlPart


class ZippedXml(Document):
    """A document in a zip archive; members without translated text are copied.

    Args:
        archive: the archive.
        parts: the members with text, by name.
        segments: their segments.
    """

    def __init__(self, archive: Archive, parts: Mapping[str, XmlPart], segments: Sequence[Segment]) -> None:
        super().__init__(segments)
        self._archive = archive
        self._parts = parts

    def _write(self, translations: Sequence[str], target: str) -> bytes:
        left = self._archive.max_unpacked_bytes
        written: dict[str, bytes] = {}
        for name, part in self._parts.items():
            content = part.translated(self.segments, translations, left)
            if content is not None:
                written[name] = content
                left -= len(content)
        return self._archive.write(written) if written else self._archive.content
