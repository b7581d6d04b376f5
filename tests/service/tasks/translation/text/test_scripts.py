"""Subscripts and superscripts are copied, with the formula, number or unit that they belong to."""

from __future__ import annotations

import pytest

from service.tasks.translation.text.html import find_markup
from service.tasks.translation.text.scripts import merge_scripts
from service.tasks.translation.text.spans import SpanKind


@pytest.mark.parametrize(
    ("text", "copied"),
    [
        ("H<sub>2</sub>O is water.", ["H<sub>2</sub>O"]),
        ("C<sub>6</sub>H<sub>12</sub>O<sub>6</sub> and CO<sub>2</sub>", ["C<sub>6</sub>H<sub>12</sub>O<sub>6</sub>",
                                                                        "CO<sub>2</sub>"]),
        ("The 2<sup>nd</sup> door", ["2<sup>nd</sup>"]),
        ("5 m<sup>2</sup>, x<sub>i</sub>", ["m<sup>2</sup>", "x<sub>i</sub>"]),
        ("The dog<sup>1</sup> sleeps.", ["<sup>1</sup>"]),
        ("The dog <sup>sleeps</sup> well, <sub>or a dog</sub>", []),
        ("The <sup>dog", []),
        ("<b>H</b><sub>2</sub>O", []),
        ("a" * 100 + "<sup>2</sup>", ["<sup>2</sup>"]),
    ],
)  # fmt: skip
def test_scripts(text: str, copied: list[str]) -> None:
    markup = merge_scripts(text, find_markup(text))
    assert [text[span.start : span.end] for span in markup if span.kind is SpanKind.VERBATIM] == copied
    assert markup == sorted(markup, key=lambda span: span.start)
