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
        changed = {name: part.translated(self.segments, translations) for name, part in self._parts.items()}
        written = {name: content for name, content in changed.items() if content is not None}
        return self._archive.write(written) if written else self._archive.content
