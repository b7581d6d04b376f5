"""Checks of one translation that need no reference: what was lost, what was invented, what was not translated."""

from __future__ import annotations

import re
from collections.abc import Iterator

from service.tasks.translation.everyday.sentences import Sentence

KEPT_KINDS = ("name", "place", "number", "price", "date", "time", "code")
"""The kinds of sentences that are about what has to come through unchanged."""

_NEGATIONS = {
    "de": re.compile(
        r"\b(?:nicht|nichts|nie|niemals|niemand\w*|nirgend\w*|kein\w*|weder|ohne|nein|verboten|untersagt)\b", re.I
    ),
    "en": re.compile(
        r"n['\u2019]t\b|\b(?:not|no|never|nobody|none|nothing|nowhere|neither|nor|cannot|without|forbidden|prohibited)\b"
        r"|\bno one\b",
        re.I,
    ),
}
_NUMBER = re.compile(r"\d+(?:[.,:]\d+)*")
_WORD = re.compile(r"[^\W\d_]+")
_SAME_IN_BOTH = frozenset(["name", "hand", "arm", "finger", "land", "wind", "film", "park", "post", "plan", "person"])
_MIN_UNTRANSLATED = 4
"""Letters; shorter words are often the same in both languages."""
_LENGTH_RATIO = 2.0
_CAPITALIZED_IN_ENGLISH = re.compile(
    r"I|Mr|Mrs|Ms|Dr|God|Christmas|Easter|Internet|(?:Mon|Tues|Wednes|Thurs|Fri|Satur|Sun)days?|January|February|March"
    r"|April|May|June|July|August|September|October|November|December|English|German|French|Spanish|Chinese|American"
)


def failures(sentence: Sentence, source: str, target: str, answer: str) -> list[str]:
    """What is wrong with a translation of a sentence, in words; empty if no check fails.

    Args:
        sentence: the sentence.
        source: the language it was translated from.
        target: the language of the answer.
        answer: the translation.
    """
    return [
        *_lost(sentence, target, answer),
        *_changed_sense(sentence, source, target, answer),
        *_invented(sentence, source, target, answer),
        *_untranslated(sentence, source, target, answer),
    ]


def lost_items(sentence: Sentence, target: str, answer: str) -> list[str]:
    """What had to come through and did not."""
    return [item[target][0] for item in sentence.kept if not any(_contains(answer, one) for one in item[target])]


def _lost(sentence: Sentence, target: str, answer: str) -> Iterator[str]:
    for item in lost_items(sentence, target, answer):
        yield f"lost: {item}"


def _contains(answer: str, item: str) -> bool:
    """Whether an answer has an item as words of its own; two letters, such as the genitive's ending, may follow."""
    return bool(re.search(rf"(?<!\w)(?<!\d[.,:]){re.escape(item)}(?!\d|[.,]\d)(?!\w{{3}})", answer))


def _changed_sense(sentence: Sentence, source: str, target: str, answer: str) -> Iterator[str]:
    negated = bool(_NEGATIONS[target].search(answer))
    if sentence.is_negation and not negated:
        yield "negation lost"
    both = any(_NEGATIONS[language].search(sentence.texts[language]) for language in (source, target))
    if negated and not both and not sentence.is_negation:
        yield "negation added"
    asks = answer.rstrip(" \"'\u201d\u201c)").endswith("?")
    if asks != sentence.texts[source].endswith("?"):
        yield "no question any more" if sentence.is_question else "became a question"
    if sentence.is_capitals and not answer.isupper():
        yield "no capitals any more"


def _invented(sentence: Sentence, source: str, target: str, answer: str) -> Iterator[str]:
    known = " ".join([*sentence.texts.values(), *(way for item in sentence.kept for way in item[target])])
    digits = {_digits(number) for number in _NUMBER.findall(known)}
    for number in _NUMBER.findall(answer):
        if _digits(number) not in digits:
            yield f"invented: {number}"
    if target == "en" and not answer.isupper():
        words = set(_WORD.findall(known))
        for match in list(_WORD.finditer(answer))[1:]:
            starts = re.search(r"[.!?:]\W*\Z", answer[: match.start()])
            usual = not match[0][0].isupper() or _CAPITALIZED_IN_ENGLISH.fullmatch(match[0])
            if not usual and not starts and match[0] not in words:
                yield f"invented: {match[0]}"
    for word in re.findall(r"\w*[^\W\d_A-Z][A-Z]\w*", answer):
        if word not in known:
            yield f"misspelled: {word}"
    ratio = len(answer) / len(sentence.texts[target])
    if not 1 / _LENGTH_RATIO <= ratio <= _LENGTH_RATIO:
        yield f"length: {ratio:.1f} times the reference's"


def _digits(number: str) -> str:
    return re.sub(r"\D", "", number)


def _untranslated(sentence: Sentence, source: str, target: str, answer: str) -> Iterator[str]:
    expected = {word.lower() for word in _WORD.findall(sentence.texts[target])}
    expected |= {word.lower() for item in sentence.kept for way in item[target] for word in _WORD.findall(way)}
    own = {word.lower() for word in _WORD.findall(sentence.texts[source])} - expected
    for word in _WORD.findall(answer):
        if len(word) >= _MIN_UNTRANSLATED and word.lower() in own - _SAME_IN_BOTH:
            yield f"not translated: {word}"
