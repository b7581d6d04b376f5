"""Tagged sentences from column files: finding the tag column, and reading its spans in any scheme."""

import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass

from service.tasks.token_classification.features import Kind
from service.tasks.token_classification.tag_schemes import OUTSIDE, SchemeError, guess_scheme, is_span_tag, to_iob2
from training.bilstm_crf.config import SchemeChoice
from training.bilstm_crf.data.conll import Row, Table, read_table
from training.bilstm_crf.data.dataset import Sentence
from training.bilstm_crf.data.raw_text import read_raw_sentences
from training.common.errors import DatasetError

_PREFIXES = {"auto": "BIESLU", "iob1": "BI", "iob2": "BI", "bioes": "BIESLU"}
_SPAN_FILES = (".iob", ".iob2", ".bio", ".bioes")


@dataclass(frozen=True)
class TaggedFile:
    """The sentences of a file, and the kind of their tags."""

    kind: Kind
    sentences: list[Sentence]


def read_sentences(
    content: bytes, name: str, *, column: str = "", scheme: SchemeChoice = "auto", kind: Kind | None = None
) -> TaggedFile:
    """Read the sentences of a CoNLL-U or column file.

    Args:
        content: the bytes of the file.
        name: the file's name in error messages and locations.
        column: a column name in CoNLL-U, a number (from 1, or from -1 backwards), or "ner" or "" for the default.
        scheme: the tagging scheme; "auto" infers it from the tags, "none" reads plain tags.
        kind: the kind of tags, if known; None infers it from the tags.

    Raises:
        DatasetError: naming the file, mostly the line, and the expected content.
    """
    table = read_table(content, name)
    index = _tag_column(table, column)
    tags = [[table.cell(row, index) for row in rows] for rows in table.sentences]
    if all(tag == "_" for line in tags for tag in line):
        raise DatasetError(f"{name}: column {column or index + 1} is empty (`_`) throughout; {table.choices()}")
    if scheme != "none" and kind is None:
        names_spans = column == "ner" or name.removesuffix(".gz").endswith(_SPAN_FILES)
        kind = "spans" if scheme != "auto" or names_spans or _look_like_spans(table, index, tags) else "tags"
    if scheme == "none" or kind == "tags":
        return TaggedFile("tags", list(_sentences(table, tags, content)))
    _check_spans(table, tags, scheme)
    return TaggedFile("spans", list(_sentences(table, [to_iob2(line) for line in tags], content)))


def _sentences(table: Table, tags: list[list[str]], content: bytes) -> Iterator[Sentence]:
    raw = read_raw_sentences(content) if table.columns else {}
    for rows, line in zip(table.sentences, tags, strict=True):
        words = tuple(unicodedata.normalize("NFC", row.cells[table.word].strip()) for row in rows)
        yield Sentence(words, tuple(line), table.where(rows[0]), raw.get(rows[0].line))


def _tag_column(table: Table, requested: str) -> int:
    """The index of the requested column, or of the default one."""
    if requested and not (requested == "ner" and not table.columns):
        return table.column(requested)
    if "upos" in table.columns:
        return table.column("upos")
    third = table.word + 1
    if table.word and all(is_span_tag(table.cell(row, third)) for rows in table.sentences for row in rows):
        return third  # Universal NER: the columns after it name the annotators
    return table.width - 1


def _look_like_spans(table: Table, column: int, tags: list[list[str]]) -> bool:
    """Whether the tags are span tags: most distinct ones other than O have a prefix."""
    if table.columns and table.columns[column] in ("lemma", "upos", "xpos", "feats", "deprel"):
        return False
    distinct = {tag for line in tags for tag in line if tag != OUTSIDE}
    with_prefix = sum(is_span_tag(tag) for tag in distinct)
    return with_prefix > 0 and with_prefix * 2 >= len(distinct)


def _check_spans(table: Table, tags: list[list[str]], scheme: SchemeChoice) -> None:
    """Check that every tag has a prefix of the scheme and a type, and that all agree on one scheme.

    Raises:
        DatasetError: naming the line.
    """
    prefixes = _PREFIXES[scheme]
    for rows, line in zip(table.sentences, tags, strict=True):
        for row, tag in zip(rows, line, strict=True):
            if tag != OUTSIDE and not (is_span_tag(tag) and tag[0] in prefixes):
                raise DatasetError(f"{table.where(row)}: {_fault(tag, prefixes, scheme)}")
    if scheme == "auto":
        try:
            guess_scheme(tags)
        except SchemeError as error:
            one, two = (table.where(_row(table, *position)) for position in error.positions)
            raise DatasetError(
                f"{one} and {two}: {error}; repair one of them, or name the scheme "
                "(with --scheme iob1 or iob2, an I- tag without a preceding tag of its type starts a new span)"
            ) from error


def _row(table: Table, sentence: int, word: int) -> Row:
    return table.sentences[sentence][word]


def _fault(tag: str, prefixes: str, scheme: str) -> str:
    known = ", ".join(f"{prefix}-" for prefix in prefixes)
    if tag.rstrip("-") in prefixes:
        return f"the tag {tag} has no type; O or a tag such as {tag[0]}-PER is expected"
    if is_span_tag(tag):
        return f"the tag {tag} is none of {scheme.upper()}, which has O and {known}"
    return f"the tag {tag} is no tag of spans: O or {known} with a type is expected (--scheme none: plain tags)"
