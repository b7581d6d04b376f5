"""The text of a CoNLL-U file as it was written, and how the treebank cuts it into sentences, tokens and words."""

import re
from collections import defaultdict
from collections.abc import Collection, Iterator, Sequence
from itertools import pairwise

from service.tasks.token_classification.segmentation_characters import paragraphs
from service.tasks.token_classification.segmentation_numbers import NumberRules, number_spans, times_of_day
from service.tasks.token_classification.segmentation_schema import InnerSpaces
from training.bilstm_crf.data.dataset import RawSentence, RawToken

_TEXT = re.compile(r"#\s*text\s*=\s*(.*)")
_NEW_PARAGRAPH = re.compile(r"#\s*new(?:par|doc)\b")
_RANGE = re.compile(r"(\d+)-(\d+)")
_ID, _FORM, _MISC = 0, 1, -1
_MIN_WHOLE = 0.97
"""The share of numbers that are one token, at least, where numbers are kept whole: a few are errors of annotation."""
_FEWEST_TIMES = 3
"""Times of day from which it is learned that their letter is a token."""


def read_raw_sentences(lines: Sequence[str | None], first_words: Collection[int]) -> dict[int, RawSentence]:
    """The sentences with their text, by the line of their first word; without those whose text is unknown.

    Args:
        lines: the lines of a CoNLL-U file; None for those that could not be decoded.
        first_words: the numbers of the lines with the first words of the sentences to read; the others, which may be
            malformed, are left aside.
    """
    sentences = {}
    for number, block in _blocks(lines):
        rows = [(number + index, line.split("\t")) for index, line in enumerate(block) if line[:1] != "#"]
        words = [(line, cells) for line, cells in rows if cells[_ID].isdecimal()]
        text = next((match[1].strip() for line in block if (match := _TEXT.match(line))), None)
        if not words or words[0][0] not in first_words or text is None:
            continue
        tokens = list(_tokens([cells for _, cells in rows], text))
        if tokens and not text[tokens[-1].end :].strip():
            sentences[words[0][0]] = RawSentence(
                text=text,
                tokens=tuple(tokens),
                space_after="SpaceAfter=No" not in _last_surface(rows)[_MISC],
                starts_paragraph=any(map(_NEW_PARAGRAPH.match, block)),
            )
    return sentences


def raw_document(sentences: Sequence[RawSentence]) -> tuple[str, list[list[RawToken]]]:
    """The text of sentences that follow each other, and the tokens of each with their offsets in it."""
    text, tokens = [], []
    length = 0
    for index, sentence in enumerate(sentences):
        tokens.append([RawToken(length + token.start, length + token.end, token.words) for token in sentence.tokens])
        following = sentences[index + 1] if index + 1 < len(sentences) else None
        gap = "" if following is None else "\n\n" if following.starts_paragraph else " " * sentence.space_after
        text.append(sentence.text + gap)
        length += len(text[-1])
    return "".join(text), tokens


def inner_spaces(sentences: Sequence[RawSentence]) -> InnerSpaces:
    """The tokens that hold a space in the treebank: `none`, only numbers (`digits`), or `any`."""
    spaced = [
        word
        for sentence in sentences
        for token in sentence.tokens
        if " " in (word := " ".join(sentence.text[token.start : token.end].split()))
    ]
    if not spaced:
        return "none"
    gaps = [(one[-1], other[0]) for word in spaced for one, other in pairwise(word.split(" "))]
    # A few of another kind are most often errors of annotation.
    by_digits = sum(one.isdigit() and other.isdigit() for one, other in gaps)
    return "digits" if by_digits >= 0.5 * len(gaps) else "any"


def number_rules(sentences: Sequence[RawSentence]) -> NumberRules:
    """What the treebank does with numbers."""
    spaces = inner_spaces(sentences)
    numbers = whole = 0
    times: dict[str, list[bool]] = defaultdict(list)
    for sentence in sentences:
        ends = {token.end for token in sentence.tokens}
        for paragraph in paragraphs(sentence.text):
            for start, end in number_spans(sentence.text, paragraph, spaces):
                numbers += 1
                whole += ends.isdisjoint(paragraph.ends[start : end - 1])
            for at, letter in times_of_day(paragraph.characters):
                times[letter].append(ends.issuperset(paragraph.ends[at - 1 : at + 1]))
    return NumberRules(
        whole=whole >= _MIN_WHOLE * numbers,
        time_letters="".join(sorted(x for x, cut in times.items() if len(cut) >= _FEWEST_TIMES and all(cut))),
    )


def _blocks(lines: Sequence[str | None]) -> Iterator[tuple[int, list[str]]]:
    """The lines of each sentence, comments included, with the number of the first."""
    block: list[str] = []
    for number, line in enumerate(lines, start=1):
        if line and not line.isspace():
            block.append(line.rstrip())
        elif block:
            yield number - len(block), block
            block = []
    if block:
        yield len(lines) + 1 - len(block), block


def _tokens(rows: Sequence[Sequence[str]], text: str) -> Iterator[RawToken]:
    """Each token where it stands in the text; ends early where the text does not hold it."""
    end = inside = 0
    for cells in rows:
        match = _RANGE.fullmatch(cells[_ID])
        words: tuple[str, ...] = ()
        if match:
            first, inside = int(match[1]), int(match[2])
            words = tuple(row[_FORM] for row in rows if row[_ID].isdecimal() and first <= int(row[_ID]) <= inside)
        elif not cells[_ID].isdecimal() or int(cells[_ID]) <= inside:
            continue
        start = end
        while start < len(text) and text[start].isspace():
            start += 1
        end = start + len(cells[_FORM])
        if text[start:end] != cells[_FORM]:
            return
        yield RawToken(start, end, words if len(words) > 1 else ())


def _last_surface(rows: Sequence[tuple[int, list[str]]]) -> list[str]:
    """The cells of the row that says what follows the last token: its range, if it is a multiword token."""
    cells = [row for _, row in rows if "." not in row[_ID]]
    last = cells[-1]
    for row in cells:
        match = _RANGE.fullmatch(row[_ID])
        if match and match[2] == last[_ID]:
            return row
    return last
