"""Whatever a text holds, nothing of it is lost: by the translators that are shipped, with translations at random."""

from __future__ import annotations

import random
from collections import Counter

import numpy as np
import pytest

from service.decoding import Hypothesis
from service.tasks.translation import TranslationPredictor
from service.tasks.translation.request import TranslateRequest
from service.tasks.translation.subwords import END, PLACEHOLDER, SPACE_SYMBOL, TYPED_PLACEHOLDERS
from service.tasks.translation.text import AnswerBuilder, SegmentedText
from service.tasks.translation.text.code import is_code
from service.tasks.translation.text.html import find_markup
from service.tasks.translation.text.markdown import add_markdown
from service.tasks.translation.text.spans import SpanKind
from service.tasks.translation.text.structure import find_structure
from tests.service.tasks.translation.test_kept import PAIRS, translator
from tests.support.timing import assert_takes_less

_TEXTS = 150
_WORDS = {
    "en": ("The", "dog", "sleeps", "File", "open", "I", "NASA", "Berlin", "Angela Merkel's", "RED", "don't", "x"),
    "de": ("Der", "Hund", "schläft", "Datei", "öffnen", "ich", "NASA", "Berlin", "Peters", "ROT", "STRAẞE", "x"),
}
# fmt: off
_SPECIAL = (
    "&", "_", "%", "{", "}", "[", "](", "*", "**", "`", "~~~", "```", "|", "<", ">", "#", "@", "\\", "\"", "\u201e",
    "(", ")",
    "\n", "\r\n", "\n\n", "\t", "\u00a0", "\u2028", "\x85", "\x00", "\x1f", "\\n", "\\r\\n", "\\u00e9",
    "%s", "%1$s", "{name}", "{n, plural, one {# day} other {# days}}", "{{x}}", "a=b", "x^2", ":smile:", "AT&T", "f()",
    "<b>", "</b>", "<i>", "</i>", "<br>", "<a href='x'>", "</a>", "<code>", "</code>", "<!--", "-->", "<b>1</b>",
    "&File", "E&xit", "_File", "(&O)", "<b>&File</b>", "<i>E&xit</i>", "**&File**", "[a](b)", "_File<br>",
    "&<b>File</b>", "**😀 x**", "*x 😀*", "![x](a.png)", "[, x](b)", "~~❤ x~~",
    "&amp;", "&lt;", "&#38;", "&#x0;", "&nbsp;", "&notanentity;",
    "1", "3,5", "$5", "12:30", "2024-01-02", "5th", "z. B.", "http://x.org/a(b)", "a@b.co",
    "@bob", "C:\\a", "a_b_c",
    "😀", "👩🏽\u200d🚀", "❤\ufe0f", "\u200d", "\u0301", "e\u0301", "\u0f73", "日本", "Щит", "\ufffc",
    "\ufdd0", "\u2581",
    "ß", "İ", "Ⓐ", "Ⅷ", "\u1100\u1161", "- ", "1) ", "> ", "    code();", "AAAA " * 9,
    "w" * 120, "aaaaaaa", "la la la",
)
# fmt: on
_VERBATIM = {SpanKind.VERBATIM, SpanKind.START_TAG, SpanKind.END_TAG, SpanKind.EMPTY_TAG, SpanKind.COMMENT}


def _text(source: random.Random, language: str) -> str:
    parts = []
    for _ in range(source.choice([1, 2, 3, 5, 8, 20])):
        parts.append(source.choice(source.choice([_WORDS[language], _SPECIAL])))
        parts.append(source.choice(["", " "]))
    return "".join(parts)


def _hypothesis(source: random.Random, predictor: TranslationPredictor, ids: list[int]) -> Hypothesis:
    """Any tokens, some of them placeholders, that attend to anything."""
    target = predictor._parts.target
    placeholders = sorted(target.placeholder_ids)
    tokens = tuple(
        source.choice(placeholders) if source.random() < 0.15 else source.randrange(END + 1, target.size)
        for _ in range(source.randrange(12))
    )
    weights = np.random.default_rng(source.randrange(1 << 30)).dirichlet([0.3] * (len(ids) + 1), len(tokens) + 1)
    attention = weights.astype(np.float32)
    return Hypothesis(tokens, -0.5, attention, attention.sum(0))


def _tags(text: str) -> Counter[str]:
    return Counter(text[span.start : span.end] for span in find_markup(text) if span.kind in _VERBATIM)


def _marks(text: str) -> Counter[str]:
    """The marks of Markdown's links and emphasis."""
    markup = find_structure(text, find_markup(text))
    marks = [span for span in add_markdown(text, markup) if span not in markup]
    return Counter(text[span.start : span.end] for span in marks)


def _unbalanced(text: str) -> int:
    """How many tags have no partner."""
    unpaired, stack = 0, list[str]()
    for span in find_markup(text):
        if span.kind is SpanKind.START_TAG:
            stack.append(span.name)
        elif span.kind is SpanKind.END_TAG and stack and stack[-1] == span.name:
            stack.pop()
        elif span.kind is SpanKind.END_TAG:
            unpaired += 1
    return unpaired + len(stack)


def _check_parts(text: str, segmented: SegmentedText) -> None:
    assert segmented.join({}) == text
    assert all(text[unit.start : unit.end] == unit.text for unit in segmented.units)
    end = 0
    for part in segmented.kept:
        assert end <= part.start < part.end <= len(text)
        assert text[part.start : part.end] == text[part.start : part.end].strip()
        end = part.end


def test_what_is_kept_has_no_white_space_around_it_though_a_character_is_read_as_several() -> None:
    predictor = translator("de-en")
    text = "s e\u0301\ufe0fR"
    request = TranslateRequest([text]).mark_html()
    predictor.preprocess(request)
    _check_parts(text, request.segmented[0])


@pytest.mark.parametrize("is_html", [False, True])
@pytest.mark.parametrize("pair", PAIRS)
def test_nothing_is_lost(pair: str, is_html: bool) -> None:
    predictor, source = translator(pair), random.Random(f"{pair} {is_html}")
    answers = AnswerBuilder(predictor._parts.source, predictor._parts.target)
    internal = {*TYPED_PLACEHOLDERS.values(), PLACEHOLDER, SPACE_SYMBOL}
    for _ in range(_TEXTS):
        text = _text(source, pair[:2])
        request = TranslateRequest([text])
        predictor.preprocess(request.mark_html() if is_html else request)
        (segmented,) = request.segmented
        _check_parts(text, segmented)
        hypotheses = [[_hypothesis(source, predictor, ids)] for ids in segmented.segments]
        answer = answers.build(segmented, hypotheses)["text"]
        assert not internal & set(answer) - set(text), (text, answer)
        if is_html:
            assert _tags(answer) == _tags(text), (text, answer)
            assert _unbalanced(answer) <= _unbalanced(text), (text, answer)
        for mark, count in () if is_html else _marks(text).items():
            assert answer.count(mark) >= count, (mark, text, answer)


@pytest.mark.parametrize("pair", PAIRS)
def test_a_stream_sends_the_text_of_the_answer(pair: str) -> None:
    predictor, source = translator(pair), random.Random(pair)
    for _ in range(_TEXTS):
        text = _text(source, pair[:2])
        request = TranslateRequest([text]).mark_streamed()
        predictor.preprocess(request)
        (segmented,) = request.segmented
        hypotheses = [[_hypothesis(source, predictor, ids)] for ids in segmented.segments]
        stream = predictor.stream(request)
        deltas = [
            delta
            for job, (hypothesis,) in enumerate(hypotheses)
            for token in (*hypothesis.tokens, END)
            for _, delta in stream.take(job, token)
        ]
        result = predictor._answers.build(segmented, hypotheses, streamed=True)
        deltas += [delta for _, delta in stream.finish([result])]
        assert "".join(deltas) == result["text"], text


@pytest.mark.parametrize(
    ("text", "answer"),
    [
        ("<b>&Datei</b> löschen", "Delete <b>&file</b>"),
        ("<b>_Datei</b> öffnen", "Open <b>_file</b>"),
        ("_Fenster<br>Der Hund", "_Window<br>The dog"),
        ("<i><b>&Fenster</b></i><hr>Der Hund", "<i><b>&Window</b></i><hr>The dog"),
    ],
)
def test_a_tag_beside_an_accelerator(text: str, answer: str) -> None:
    predictor = translator("de-en")
    request = TranslateRequest([text]).mark_html()
    (result,) = predictor.postprocess(request, predictor.infer(predictor.preprocess(request)))["results"]
    assert result["text"] == answer


@pytest.mark.parametrize(
    ("text", "marks"),
    [
        ("**😀 Der Hund** schläft.", ["**", "**", "😀"]),
        ("Ich sehe **den Hund 😀**", ["**", "**", "😀"]),
        ("![Der Hund](b.png) ist gut.", ["![", "](b.png)"]),
        ("[, der Hund](b.html) ist gut.", ["[", "](b.html)"]),
    ],
)
def test_a_mark_of_markdown_beside_a_symbol_stays(text: str, marks: list[str]) -> None:
    (result,) = translator("de-en").answer({"text": text, "beam_size": 1})["results"]
    for mark in marks:
        assert result["text"].count(mark) == marks.count(mark), result


def test_no_letter_makes_a_tag_of_a_sign() -> None:
    predictor = translator("de-en")
    source, target = predictor._parts.source, predictor._parts.target
    for text in ("<öffnen> und <äöü>", "<!-- öffnen>", "</ öffnen>", "<?öffnen>"):
        request = TranslateRequest([text]).mark_html()
        predictor.preprocess(request)
        (segmented,) = request.segmented
        hypothesis = Hypothesis(tuple(target.encode("open")), 0.0, None)
        restored = [segmented.restore(index, hypothesis, source, target) for index in range(len(segmented.segments))]
        assert find_markup(segmented.join(restored)) == [], text


@pytest.mark.parametrize("line", ["    f(" + "," * 40_000, "a(" + "=" * 40_000, 'f("' + ",)" * 20_000 + "!"])
def test_long_lines_are_told_from_code_in_linear_time(line: str) -> None:
    assert_takes_less(lambda: is_code(line), 1.0)
