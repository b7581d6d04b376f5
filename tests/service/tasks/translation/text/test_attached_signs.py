"""What is attached to placeholders and numbers is found, and punctuation of the sentence is not."""

from __future__ import annotations

import pytest

from service.tasks.translation.text.attached_signs import attach_signs
from service.tasks.translation.text.spans import find_spans
from tests.support.timing import assert_scales


@pytest.mark.parametrize(
    ("text", "attached"),
    [
        ("Hello {name}, {a}; {b}: {c}! {d}? {e}… ({f} and {g})",
         ["{name}", "{a}", "{b}", "{c}", "{d}", "{e}", "{f}", "{g}"]),
        ("See {0}. Is it “{1}”? He said '{2}.'", ["{0}", "“{1}”", "'{2}.'"]),
        ("{name}'s dog, a {n}-day trial, Welcome{x}", ["{name}", "{n}", "{x}"]),
        ("Error:{e} (see {f}) \"{g} is\"", ["{e}", "{f}", "{g}"]),
        ("{n}% and {n}%, v{n}. -{n}", ["{n}%", "{n}%", "v{n}", "-{n}"]),
        ("{a}/{b} {a}:{b}:{c} ({a}-{b})", ["{a}", "/{b}", "{a}:", "{b}:", "{c}", "({a}", "-{b})"]),
        ("5 / 3, 5 dogs / 3 cats, 10+ and 7, (5) \"6\"", ["5 / ", "3", "5", "3", "10+", "7", "(5)", '"6"']),
        ("It costs $5 at 10:30, 100% sure (May 3, 1987).", ["$5", "10:30", "100%", "(May 3, 1987)"]),
    ],
)  # fmt: skip
def test_attached(text: str, attached: list[str]) -> None:
    spans = find_spans(text, [], set(), languages=("en", "de"))
    assert [text[span.start : span.end] for span in attach_signs(text, spans, 0, len(text))] == attached


@pytest.mark.parametrize("part", ["{0}", "{0}%", "({0}", "{0}/", "/a/{0}", "5+", "5 / ", '"{a}"', "((((5", "{0}@a."])
def test_time_is_linear(part: str) -> None:
    def attach(repetitions: int) -> None:
        text = part * repetitions
        spans = find_spans(text, [], set(), languages=("en", "de"))
        attach_signs(text, spans, 0, len(text))

    assert_scales(attach, 1_000, 10_000, factor=40, floor=40 * 1e-4)
