"""What a tagger can learn from: sentences that are wholly tagged and not too long, and not too many labels."""

import re
from collections import Counter
from collections.abc import Callable

from service.limits import Limits
from service.tasks.token_classification.features import Kind
from service.tasks.token_classification.tag_schemes import OUTSIDE, is_span_tag
from training.bilstm_crf.config import SchemeChoice
from training.bilstm_crf.data.conll_table import Row, Table
from training.common.errors import DatasetError
from training.common.line_faults import left_out_note

MAX_LABELS = 1_000
"""Labels that a tagger can have: time and memory of the CRF grow with their square."""
_PREFIXES = 4
"""Labels of each type of span: B, I, E and S."""
_EXAMPLES = 3
_MIN_WORDS, _WORDS_PER_TAG = 20, 3
"""Different entries of a column, and their number relative to another column's, from which it holds words, not tags."""
_NO_TAG = "_"
_SPAN_LIKE = re.compile(r"([BIESLU])[-_:/.](\w+)|(\w+?)[-_:/.]([BIESLU])", re.IGNORECASE)
_CONTINUING: dict[SchemeChoice, str] = {"auto": "EL", "iob1": "", "iob2": "I", "bioes": "IEL", "none": ""}
"""Prefixes that do not begin a span; "auto" refuses I- where it contradicts the other tags."""


def without_missing_tags(table: Table, column: int) -> tuple[Table, str]:
    """The table without the sentences where a word is not annotated (its tag is `_`), and a note.

    Features of CoNLL-U may be `_`, which says that there are none, and so may the lemma of the word `_`.
    """
    name = table.columns[column] if table.columns else ""
    if name == "feats":
        return table, ""

    def is_tagged(row: Row) -> bool:
        return table.tag(row, column) != _NO_TAG or (name == "lemma" and row.cells[table.word] == _NO_TAG)

    reason = f"column {table.column_name(column)} is `_` there"
    return _filtered(table, lambda rows: all(map(is_tagged, rows)), reason, remedy=table.choices())


def without_long_sentences(table: Table, _column: int) -> tuple[Table, str]:
    """The table without sentences that are longer than the server tags by default; and a note."""
    limit = Limits().max_sentence_tokens
    reason = f"more than {limit:,} words, which the server does not tag"
    return _filtered(table, lambda rows: len(rows) <= limit, reason, remedy="an empty line ends a sentence")


def continuation_note(table: Table, column: int, scheme: SchemeChoice) -> str:
    """A note on tags that continue a span that no tag begins, as I-PER after O in IOB2; they are read as beginnings."""
    continuing = _CONTINUING[scheme]
    first, count = None, 0
    for rows in table.sentences:
        previous = OUTSIDE
        for row in rows:
            tag = table.tag(row, column)
            if tag[0] in continuing and not (previous[0] in "BI" and previous[1:] == tag[1:]):
                first, count = first or row, count + 1
            previous = tag
    if first is None:
        return ""
    tags = "1 tag continues" if count == 1 else f"{count:,} tags continue"
    return f"{table.name}: {tags} a span that no tag begins; read as its beginning (the first: line {first.line:,})"


def span_like_note(table: Table, column: int) -> str:
    """A note where plain tags look like those of spans in another spelling, as `b-per`, `B_PER` and `PER-B` do."""
    tags = Counter({tag: count for tag, count in _counts(table, column).items() if tag.upper() != OUTSIDE})
    spelled = {tag: f"{prefix.upper()}-{kind.upper()}" for tag in tags for prefix, kind in _prefix_and_type(tag)}
    if not spelled or 2 * len(spelled) < len(tags) or len(tags) == len(_counts(table, column)):
        return ""
    tag = max(spelled, key=lambda tag: tags[tag])
    return (
        f"{table.name}: tags such as {tag} look like spans and are read as plain tags; write them as {spelled[tag]}, "
        "and O for the other words, to learn spans"
    )


def _prefix_and_type(tag: str) -> list[tuple[str, str]]:
    """The prefix of a scheme and the type in a tag, in any spelling; none of another tag."""
    match = _SPAN_LIKE.fullmatch(tag)
    if match is None:
        return []
    return [(match[1], match[2]) if match[1] else (match[4], match[3])]


def _filtered(table: Table, is_kept: Callable[[list[Row]], bool], reason: str, *, remedy: str) -> tuple[Table, str]:
    """The table with the sentences that are kept, and a note on the others.

    Args:
        table: the table.
        is_kept: whether a sentence is.
        reason: why others are not.
        remedy: what to do if none is.

    Raises:
        DatasetError: none is kept.
    """
    left_out = [rows[0] for rows in table.sentences if not is_kept(rows)]
    if not left_out:
        return table, ""
    if len(left_out) == len(table.sentences):
        count = "its only sentence" if len(left_out) == 1 else f"all of its {len(left_out):,} sentences"
        raise DatasetError(f"{table.name}: {count} cannot be used: {reason}; {remedy}")
    lines = ", ".join(f"line {row.line:,}" for row in left_out[:_EXAMPLES]) + ", …" * (len(left_out) > _EXAMPLES)
    note = left_out_note(table.name, len(left_out), "sentence", [f"{reason} ({lines})"])
    return table.with_sentences([rows for rows in table.sentences if is_kept(rows)]), note


def check_column_order(table: Table, column: int) -> None:
    """Refuse a file whose tags stand before its words: the column of words holds few different entries, or span tags.

    Raises:
        DatasetError: naming both columns.
    """
    words, tags = _counts(table, table.word), _counts(table, column)
    are_spans = all(map(is_span_tag, words))
    are_few = len(tags) >= _MIN_WORDS and _WORDS_PER_TAG * len(words) < len(tags)
    if table.columns or len(words) < 2 or not (are_spans or are_few):
        return
    examples = ", ".join(tag for tag, _ in words.most_common(_EXAMPLES))
    raise DatasetError(
        f"{table.name}: column {table.word + 1} holds tags ({examples}), but the words are expected there and their "
        f"tags behind them; exchange columns {table.word + 1} and {column + 1}"
    )


def check_label_count(table: Table, column: int, kind: Kind) -> None:
    """Refuse more labels than a tagger can have.

    Raises:
        DatasetError: naming the column, the number of labels, some of them, and columns with fewer.
    """
    counts = _counts(table, column)
    labels = len(counts)
    if kind == "spans":
        counts = _types(counts)
        labels = 1 + _PREFIXES * len(counts)
    if labels <= MAX_LABELS:
        return
    examples = ", ".join(tag for tag, _ in counts.most_common(_EXAMPLES))
    content = (
        f"{len(counts):,} types of spans, so {labels:,} labels" if kind == "spans" else f"{labels:,} different tags"
    )
    fewer = [
        f"{table.column_name(other)} ({number:,})"
        for other in table.tag_columns()
        if other != column and 1 < (number := len(_counts(table, other))) <= MAX_LABELS
    ]
    remedy = f"columns with fewer: {', '.join(fewer)}; name one with --column" if fewer else "no column has fewer"
    raise DatasetError(
        f"{table.name}: column {table.column_name(column)} has {content} ({examples}, …); "
        f"a tagger can have {MAX_LABELS:,}; {remedy}"
    )


def _counts(table: Table, column: int) -> Counter[str]:
    """The number of words with each tag of a column."""
    return Counter(table.tag(row, column) for rows in table.sentences for row in rows if column < len(row.cells))


def _types(tags: Counter[str]) -> Counter[str]:
    """The number of words in spans of each type."""
    types: Counter[str] = Counter()
    for tag, count in tags.items():
        if tag != OUTSIDE:
            types[tag[2:]] += count
    return types
