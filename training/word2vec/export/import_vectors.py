"""Exports a file of word vectors, of any size, as a model bundle."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

from training.common.vectors import ReadableFormat, open_vectors
from training.word2vec.export.bundle import BundleSettings, Exported, export_blocks


@dataclass(frozen=True, kw_only=True)
class Imported:
    """The format of the file, and the bundle it was exported as."""

    format: ReadableFormat
    skipped: int
    """Unusable rows that were left out, with `skip_bad`."""
    faults: Sequence[str]
    """The first of these rows, each with its location in the file and the reason."""
    notes: Sequence[str]
    """Remarks about the file."""
    exported: Exported


def import_vectors(
    path: Path,
    settings: BundleSettings,
    *,
    format: ReadableFormat | Literal["auto"] = "auto",
    skip_bad: bool = False,
    ignore_header: bool = False,
) -> Imported:
    """Write a word2vec, GloVe or fastText (.vec, .bin) file as the next version of the bundle `settings.name`.

    Its rows are assumed to be ordered by frequency, as those tools write them. Memory grows with the number of words,
    not with their vectors.

    Args:
        path: plain or packed (gzip, bzip2, xz, zip).
        settings: settings of the bundle; `data` defaults to the name of the file.
        format: format of the file; `auto` detects it.
        skip_bad: leave out unusable rows and count them.
        ignore_header: take the number of rows, and of text the dimensions too, from the rows.

    Raises:
        DatasetError: the file is missing, malformed or of no known format.
        ConfigError, ExportError: as `export`.
    """
    if settings.data == BundleSettings.data:
        settings = replace(settings, data=path.name)
    with open_vectors(path, format=format, skip_bad=skip_bad, ignore_header=ignore_header) as file:
        exported = export_blocks(
            file.blocks(), settings, dimensions=file.dimensions, counts=file.counts, subwords=file.subwords
        )
        return Imported(
            format=file.format, skipped=file.skipped, faults=file.faults, notes=file.notes, exported=exported
        )
