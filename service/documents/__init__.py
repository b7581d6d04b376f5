"""Documents: reads the text of a file, and writes the file again with the translated text.

    document = read_document("letter.txt", content, DocumentLimits())
    translations = [translate(segment) for segment in document.segments]
    written = document.write(translations, "de")

The package knows neither HTTP nor translators: `Document.batches` says what to translate together, and the caller
translates it.
"""

from service.documents.document import Batch, Document, DocumentLimits, Segment
from service.documents.formats import output_name, read_document, supported_formats

__all__ = ["Batch", "Document", "DocumentLimits", "Segment", "output_name", "read_document", "supported_formats"]
