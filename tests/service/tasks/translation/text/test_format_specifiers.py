"""What programs put values into, and Markdown, come through a translation unchanged, once each."""

from __future__ import annotations

import re

import pytest

from service.tasks.translation.text.format_specifiers import FORMAT_SPECIFIER, may_have_format_specifiers
from service.tasks.translation.text.markdown import add_markdown
from service.tasks.translation.text.spans import SpanKind
from tests.support.timing import seconds_of

_PATTERN = re.compile(FORMAT_SPECIFIER)


@pytest.mark.parametrize(
    "specifier",
    [
        *(
            "%s",
            "%d",
            "%1$s",
            "%2$05d",
            "%-10s",
            "%+.2f",
            "%5.2f",
            "%*d",
            "%ld",
            "%lu",
            "%zu",
            "%x",
            "%@",
            "%1$@",
            "%1$ld",
        ),
        *("%%", "%(name)s", "%(count)d", "%(price).2f", "%{name}", "%<total>d", "%1", "%2", "%L1", "%n"),
        *("{}", "{0}", "{name}", "{user.name}", "{items[0]}", "{name!r}", "{value:.2f}", "{0:>10}", "{total!r:>10}"),
        *("{0,number}", "{0, date, short}", "{count, plural, one {# file} other {# files}}"),
        "{sex, select, male {He has {count} files} other {They have}}",
        *("{{name}}", "{{ user.name }}", "{{{raw}}}", "{% if user %}", "<%= name %>", "<% end %>"),
        *(
            "${price}",
            "${user.name}",
            "#{count}",
            "$t(key)",
            "$t(common:title)",
            "[[Main Page]]",
            "[[Main Page|start]]",
        ),
        *("`make serve`", ":name", ":smile:", ":thumbs_up:", "AT&T", "R&D", "Q&A", "snake_case", "MAX_FILE_SIZE"),
        *("a:b", r"C:\new\table.txt"),
    ],
)
def test_specifiers_are_found_whole(specifier: str) -> None:
    for text in (specifier, f"You have {specifier} here.", f"({specifier})", f"{specifier}, and"):
        assert may_have_format_specifiers(text)
        if specifier != "a:b" or text == specifier or "have" in text:
            assert specifier in [match.group() for match in _PATTERN.finditer(text)], text


@pytest.mark.parametrize(
    "text",
    [
        *(
            "100% sure",
            "20% discount",
            "50 % of it",
            "It costs $5.",
            "at 10:30",
            "Note: this",
            "Salt & pepper",
            "a < b",
        ),
        *(
            "Dear Sir: hello",
            "http://example.com/a_b",
            "x > y",
            "{not closed",
            "%",
            "5%",
            "100%.",
            "[1]",
            "Is it?: yes",
        ),
    ],
)
def test_ordinary_text_has_none(text: str) -> None:
    assert not _PATTERN.search(text)


@pytest.mark.parametrize(
    ("text", "tags"),
    [
        ("This is **very** good", ["**", "**"]),
        ("*So* it __is__, ~~not~~ _now_.", ["*", "*", "__", "__", "~~", "~~", "_", "_"]),
        ("See [the manual](https://example.com/a_b) now", ["[", "](https://example.com/a_b)"]),
        ('![A cat](cat.png "Our cat")', ["![", '](cat.png "Our cat")']),
        ("2 * 3 * 4", []),
        ("snake_case_name and __init__", ["__", "__"]),
        ("a * b and c*d", []),
        ("**not closed", []),
        ("[text] (no link)", []),
        (r"\*escaped\*", []),
    ],
)
def test_markdown_is_pairs_of_tags(text: str, tags: list[str]) -> None:
    spans = add_markdown(text, [])
    assert [text[span.start : span.end] for span in spans] == tags
    assert [span.kind for span in spans] == [SpanKind.START_TAG, SpanKind.END_TAG] * (len(tags) // 2)


@pytest.mark.parametrize(
    "part",
    ["{a, plural,", "{{", "[[", "**a ", "[a](", "`", "%", "${", "<%", ":a", "a_", "{a:", "%(a", "\\n", "*a*", "_"],
)
def test_time_is_linear(part: str) -> None:
    def search(repetitions: int) -> None:
        text = part * repetitions
        list(_PATTERN.finditer(text))
        add_markdown(text, [])

    assert seconds_of(lambda: search(40_000)) < 40 * max(seconds_of(lambda: search(4_000)), 1e-4)
