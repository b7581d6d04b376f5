"""Tagged sentences from CoNLL-U and column files: which column holds the tags, and how its spans are written."""

import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

from service.tasks.token_classification.features import Kind
from service.tasks.token_classification.tag_schemes import OUTSIDE, SchemeError, guess_scheme, is_span_tag, to_iob2
from training.bilstm_crf.data.conll import Row, Table, read_table
from training.bilstm_crf.data.dataset import Sentence
from training.common.errors import DatasetError

SchemeChoice = Literal["auto", "iob1", "iob2", "bioes", "none"]

_PREFIXES = {"auto": "BIESLU", "iob1": "BI", "iob2": "BI", "bioes": "BIESLU"}
_SPAN_FILES = (".iob", ".iob2", ".bio", ".bioes")


@dataclass(frozen=True)
class Tagged:
    """What a file holds."""

    kind: Kind
    sentences: list[Sentence]


def read_sentences(
    content: bytes, name: str, *, column: str = "", scheme: SchemeChoice = "auto", kind: Kind | None = None
) -> Tagged:
    """The sentences of a CoNLL-U or column file; `name` is what errors and places call it.

    Args:
        column: a name in CoNLL-U; a number from 1 (from -1 backwards); "ner" or "", the usual one.
        scheme: how spans are written; "auto" tells it from the tags, "none" takes them as plain tags.
        kind: what the tags are known to be; None tells it from the tags.

    Raises:
        DatasetError: naming the file, mostly the line, and what is expected.
    """
    table = read_table(content, name)
    place = _tag_column(table, column)
    tags = [[table.cell(row, place) for row in rows] for rows in table.sentences]
    if all(tag == "_" for line in tags for tag in line):
        raise DatasetError(f"{name}: column {column or place + 1} is empty (`_`) throughout; {table.choices()}")
    if scheme != "none" and kind is None:
        named = column == "ner" or name.removesuffix(".gz").endswith(_SPAN_FILES)
        kind = "spans" if scheme != "auto" or named or _look_like_spans(table, place, tags) else "tags"
    if scheme == "none" or kind == "tags":
        return Tagged("tags", list(_sentences(table, tags)))
    _check_spans(table, tags, scheme)
    return Tagged("spans", list(_sentences(table, [to_iob2(line) for line in tags])))


def _sentences(table: Table, tags: list[list[str]]) -> Iterator[Sentence]:
    for rows, line in zip(table.sentences, tags, strict=True):
        words = tuple(unicodedata.normalize("NFC", row.cells[table.word].strip()) for row in rows)
        yield Sentence(words, tuple(line), table.where(rows[0]))


def _tag_column(table: Table, wanted: str) -> int:
    """The place of the column that is asked for, or of the usual one."""
    if wanted and not (wanted == "ner" and not table.columns):
        return table.column(wanted)
    if "upos" in table.columns:
        return table.column("upos")
    third = table.word + 1
    if table.word and all(is_span_tag(table.cell(row, third)) for rows in table.sentences for row in rows):
        return third  # Universal NER: the columns after it tell who annotated
    return table.width - 1


def _look_like_spans(table: Table, place: int, tags: list[list[str]]) -> bool:
    """Whether tags are meant as spans: most of those that are not O have a prefix."""
    if table.columns and table.columns[place] in ("lemma", "upos", "xpos", "feats", "deprel"):
        return False
    distinct = {tag for line in tags for tag in line if tag != OUTSIDE}
    with_prefix = sum(is_span_tag(tag) for tag in distinct)
    return with_prefix > 0 and with_prefix * 2 >= len(distinct)


def _check_spans(table: Table, tags: list[list[str]], scheme: SchemeChoice) -> None:
    """Every tag has a prefix of the scheme and a type, and all agree on one scheme.

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
                "(iob1 and iob2 both take an I- that nothing begins as a beginning)"
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
