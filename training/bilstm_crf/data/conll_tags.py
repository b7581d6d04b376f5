"""Tagged sentences from column files: finding the tag column, and reading its spans in any scheme."""

import unicodedata
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from service.tasks.token_classification.features import Kind
from service.tasks.token_classification.tag_schemes import OUTSIDE, SchemeError, guess_scheme, is_span_tag, to_iob2
from training.bilstm_crf.config import SchemeChoice
from training.bilstm_crf.data.conll import read_table
from training.bilstm_crf.data.conll_table import Table, column_count
from training.bilstm_crf.data.dataset import Sentence
from training.bilstm_crf.data.raw_text import read_raw_sentences
from training.bilstm_crf.data.tag_checks import (
    check_column_order,
    check_label_count,
    continuation_note,
    span_like_note,
    without_long_sentences,
    without_missing_tags,
)
from training.common.errors import DatasetError
from training.common.line_faults import LineFaults, left_out_note
from training.common.text_decoding import decodable_lines, has_another_encoding, lines
from training.common.unpacking import unpacked_name

_PREFIXES = {"auto": "BIESLU", "iob1": "BI", "iob2": "BI", "bioes": "BIESLU"}
_SPAN_FILES = (".iob", ".iob2", ".bio", ".bioes")
_IOB1_EXAMPLE, _IOB2_EXAMPLE = ["I-X"], ["B-X"]
"""Sentences that only IOB1, and only the other schemes, can have."""


@dataclass(frozen=True, kw_only=True)
class ReadOptions:
    """How a column file is read."""

    column: str = ""
    """A column name in CoNLL-U, a number (from 1, or from -1 backwards), or "ner" or "" for the default."""
    scheme: SchemeChoice = "auto"
    """The tagging scheme; "auto" infers it from the tags, "none" reads plain tags."""
    encoding: str = ""
    """Encoding of files that are no UTF-8 and have no byte order mark; empty for none."""
    skip_bad: bool = False
    """Whether to leave out sentences with lines that cannot be read."""


@dataclass(frozen=True)
class TaggedFile:
    """The sentences of a file, and the kind of their tags."""

    kind: Kind
    sentences: list[Sentence]
    notes: tuple[str, ...] = ()
    """What was left out of it."""
    reading: str = ""
    """A note on the column that was read, and the scheme of its tags."""


def read_sentences(content: bytes, name: str, options: ReadOptions, kind: Kind | None = None) -> TaggedFile:
    """Read the sentences of a CoNLL-U or column file.

    Args:
        content: the bytes of the file.
        name: the file's name in error messages and locations.
        options: how it is read.
        kind: the kind of tags, if known; None infers it from the tags.

    Raises:
        DatasetError: naming the file, mostly the lines, and the expected content.
    """
    rows = _lines(content, name, options)
    table = read_table(rows, name)
    column = _tag_column(table, options.column)
    _check_cells(table, column)
    _check_not_empty(table, column, options.column)
    check_column_order(table, column)
    kind = kind or _kind(table, column, options)
    if kind == "spans":
        _check_span_tags(table, column, options.scheme)
    header = f"{name}: the first line names the columns ({', '.join(table.header)}), left out"
    notes = [header] if table.header else []
    if table.faults and options.skip_bad:
        table, note = _without_bad_lines(table)
        notes.append(note)
    table.faults.refuse("leave the sentences with such lines out with --skip-bad")
    for leave_out in (without_missing_tags, without_long_sentences):
        table, note = leave_out(table, column)
        notes.append(note)
    if kind == "spans":
        if options.scheme == "auto":
            table, note = _with_one_scheme(table, column, skip_bad=options.skip_bad)
            notes.append(note)
        notes.append(continuation_note(table, column, options.scheme))
    elif options.scheme == "auto":
        notes.append(span_like_note(table, column))
    check_label_count(table, column, kind)
    sentences = list(_sentences(table, column, kind, rows))
    return TaggedFile(kind, sentences, tuple(filter(None, notes)), _reading(table, column, kind, options.scheme))


def _reading(table: Table, column: int, kind: Kind, scheme: SchemeChoice) -> str:
    """A note on how the file was read."""
    named = f" ({table.header[column]})" if not table.columns and column < len(table.header) else ""
    content = "plain tags"
    if kind == "spans":
        tags = ([table.tag(row, column) for row in rows] for rows in table.sentences)
        content = f"spans in {(guess_scheme(tags) if scheme in ('auto', 'none') else scheme).upper()}"
    return f"{table.name}: column {table.column_name(column)}{named} is read as {content}"


def _lines(content: bytes, name: str, options: ReadOptions) -> Sequence[str | None]:
    rows = decodable_lines(content, name, options.encoding)
    if None in rows and not options.skip_bad and (options.encoding or has_another_encoding(content)):
        return lines(content, name, options.encoding)  # names the encoding to choose
    return rows


def _sentences(table: Table, column: int, kind: Kind, lines: Sequence[str | None]) -> Iterator[Sentence]:
    first_words = {rows[0].line for rows in table.sentences}
    raw = read_raw_sentences(lines, first_words) if table.columns else {}
    for rows in table.sentences:
        tags = [table.tag(row, column) for row in rows]
        yield Sentence(
            tuple(unicodedata.normalize("NFC", row.cells[table.word]) for row in rows),
            tuple(to_iob2(tags) if kind == "spans" else tags),
            table.where(rows[0]),
            raw.get(rows[0].line),
        )


def _tag_column(table: Table, requested: str) -> int:
    """The index of the requested column, or of the default one."""
    if requested and not (requested == "ner" and not table.columns):
        return table.column(requested)
    if "upos" in table.columns:
        return table.column("upos")
    third = table.word + 1
    if table.width <= third:
        raise DatasetError(f"{table.name}: has no column of tags; its columns are {', '.join(table.columns)}")
    if table.word:
        are_spans = [is_span_tag(table.tag(row, third)) for row in table.usable_rows()]
        if 2 * sum(are_spans) > len(are_spans):
            return third  # Universal NER: the columns after it name the annotators
    return table.width - 1


def _check_cells(table: Table, column: int) -> None:
    """Record the rows without a tag."""
    for row in table.usable_rows():
        if column >= len(row.cells):
            table.faults.add(row.line, f"has {column_count(row)}; the tag is expected in {column + 1}")
        elif not table.tag(row, column):
            table.faults.add(row.line, f"has no tag in column {column + 1}")


def _check_not_empty(table: Table, column: int, requested: str) -> None:
    if not table.faults and all(table.tag(row, column) == "_" for row in table.usable_rows()):
        raise DatasetError(
            f"{table.name}: column {requested or column + 1} is empty (`_`) throughout; {table.choices()}"
        )


def _kind(table: Table, column: int, options: ReadOptions) -> Kind:
    """The kind of the tags, by the options, the file's name or the tags."""
    if options.scheme == "none":
        return "tags"
    if options.scheme != "auto" or options.column == "ner" or unpacked_name(table.name).endswith(_SPAN_FILES):
        return "spans"
    if table.columns and table.columns[column] in ("lemma", "upos", "xpos", "feats", "deprel"):
        return "tags"
    # Spans if most distinct tags other than O have a prefix.
    distinct = {table.tag(row, column) for row in table.usable_rows()} - {OUTSIDE}
    with_prefix = sum(is_span_tag(tag) for tag in distinct)
    return "spans" if with_prefix > 0 and with_prefix * 2 >= len(distinct) else "tags"


def _check_span_tags(table: Table, column: int, scheme: SchemeChoice) -> None:
    """Record the rows whose tag is not O and has no prefix of the scheme or no type."""
    prefixes = _PREFIXES[scheme]
    for row in table.usable_rows():
        tag = table.tag(row, column)
        if tag != OUTSIDE and not (is_span_tag(tag) and tag[0] in prefixes):
            table.faults.add(row.line, _tag_fault(tag, prefixes, scheme))


def _tag_fault(tag: str, prefixes: str, scheme: str) -> str:
    known = ", ".join(f"{prefix}-" for prefix in prefixes)
    if tag.rstrip("-") in prefixes:
        return f"the tag {tag} has no type; O or a tag such as {tag[0]}-PER is expected (--scheme none: plain tags)"
    if is_span_tag(tag):
        return f"the tag {tag} is none of {scheme.upper()}, which has O and {known}"
    return f"the tag {tag} is no tag of spans: O or {known} with a type is expected (--scheme none: plain tags)"


def _without_bad_lines(table: Table) -> tuple[Table, str]:
    """The table without the sentences that have a bad line, and a note."""
    kept = [rows for rows in table.sentences if all(row.line not in table.faults for row in rows)]
    count = len(table.sentences) - len(kept)
    if not kept:
        table.faults.refuse("name another --column")
    note = left_out_note(table.name, count, "sentence", table.faults.listed())
    return replace(table.with_sentences(kept), faults=LineFaults(table.name)), note


def _with_one_scheme(table: Table, column: int, *, skip_bad: bool) -> tuple[Table, str]:
    """The table, if all of its tags are of one scheme; or without the sentences of the rarer one, and a note.

    Raises:
        DatasetError: the tags contradict each other, and such sentences are not to be left out.
    """
    tags = [[table.tag(row, column) for row in rows] for rows in table.sentences]
    try:
        guess_scheme(tags)
        return table, ""
    except SchemeError as error:
        contradiction = error
    of_iob1 = {index for index, line in enumerate(tags) if _contradicts(line, _IOB2_EXAMPLE)}
    of_others = {index for index, line in enumerate(tags) if _contradicts(line, _IOB1_EXAMPLE)}
    fewer = min(of_iob1, of_others, key=len)
    one, two = (table.sentences[sentence][word] for sentence, word in contradiction.positions)
    if skip_bad and len(fewer) < len(tags):
        first = ", ".join(f"line {table.sentences[index][0].line}" for index in sorted(fewer)[:3])
        note = left_out_note(table.name, len(fewer), "sentence", [f"tags of another scheme ({first})"])
        return table.with_sentences([rows for index, rows in enumerate(table.sentences) if index not in fewer]), note
    raise DatasetError(
        f"{table.where(one)} and {table.where(two)}: {contradiction} (in {len(of_iob1):,} and {len(of_others):,} "
        f"sentences); repair the fewer, leave them out with --skip-bad, or name the scheme "
        "(with --scheme iob1 or iob2, an I- tag without a preceding tag of its type starts a new span)"
    ) from contradiction


def _contradicts(tags: Sequence[str], example: Sequence[str]) -> bool:
    """Whether no scheme has both sentences."""
    try:
        guess_scheme([example, tags])
    except SchemeError:
        return True
    return False
