"""What programs put values into, and Markdown, come through a translation unchanged, once each."""

from __future__ import annotations

import re

import pytest

from service.tasks.translation.text.accelerators import add_accelerators
from service.tasks.translation.text.format_specifiers import FORMAT_SPECIFIER, may_have_format_specifiers
from service.tasks.translation.text.inline_codes import add_inline_codes
from service.tasks.translation.text.markdown import add_markdown
from service.tasks.translation.text.spans import SpanKind, gaps_between
from service.tasks.translation.text.structure import find_structure
from tests.support.timing import assert_scales, assert_takes_less

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
        *("{0,number}", "{0, date, short}"),
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
        *("a:b", r"C:\new\table.txt", "a < b", "x = 5", "a + b", "x>=y", "$1$2", "%s%s", "%1$s%2$s", "%1%2", "%%%%"),
        *("/usr/local/bin", "~/.bashrc", "../a/b.txt", "src/app/main.py", "getUserName()", "getUserName", "iPhone"),
        *("--help", "--level=3", r"\u00e9", r"\t", r"\"", "&&", "(&O)", ":smile::smile:", ":name:other"),
        *(
            "%name%",
            "%FIRST_NAME%",
            "$name$",
            "$1$",
            "<1/>",
            '[gallery ids="1,2"]',
            "[contact-form]",
            "[_1]",
            "[/gallery]",
        ),
        *(
            "[quant,_1,file]",
            r"\(name)",
            "@Model.Name",
            "%#@files@",
            ":Name",
            ":NAME",
            "__VALUE__",
            "__name__",
            "%1!s!",
        ),
        *(
            "$!{x}",
            "<@U123|bob>",
            "<:emo:123>",
            r"\cite{foo}",
            r"\includegraphics[width=3cm]{a.png}",
            "``make``",
            "%%s",
        ),
        *("$x^2 + y^2 = z^2$", r"\(x^2\)", "$$x$$", "Ctrl+C", "Ctrl+Shift+F5", "Strg + V", "rgb(1, 2, 3)", "key=value"),
        *("sha256:ab12", "*.txt", "*.tar.gz", "C:/Users/a", r"\\server\share\a", "tel:+49-30", "doi:10.1000/182"),
        *("{$name}", "{$a->name}", "{$user.name}", "{$name|escape}", "{0,10}", "{1,-5:F2}", "{#if x}", "{/if}"),
        *("-v", 'title="a b"', "{$a-\ufdd2name}", "\ufdd1@U123\ufdd2"),
        *("%\ufdd1total\ufdd2d", "\ufdd1%= name %\ufdd2", "AT\ufdd0T"),
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
        ),
        *(
            "Dear Sir: hello",
            "http://example.com/a_b",
            "word > word",
            "his/her dog",
            "km/h and w/o",
            "the LehrerInnen",
            "the end (of it)",
            "{not closed",
            "%",
            "5%",
            "100%.",
            "[1]",
            "Is it?: yes",
            "from $5 to $6 now",
            "5% or 6% of it",
            "the file(s) [sic] here",
            "one - two",
            "well-known",
            "Good :D",
            "2 * 3",
            "a word, @bob",
            "an [example] here",
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
        ("snake_case_name and __init__", []),
        ("__VALUE__ and __user_name__", []),
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
    [
        *("{a, plural,", "{{", "[[", "**a ", "[a](", "`", "%", "${", "<%", ":a", "a_", "{a:", "%(a", "\\n", "*a*", "_"),
        *("{a, plural, b{", "{a, select, b{{c}", "| ", "|a\n", "~~~a\n```b\n", "    a = b;\n", "\ta", "&a", "a&b "),
        *("[b]", "[b][/b]", "<0>", "</0><1>", "''a", "\'\'", "\\emph{", "{0,choice,1#", "{0,choice,1#a|", "{{#if a}}"),
        *("%aa", "%a%", "$a", "$a+", "$a$", "\\(", "\\(a", "[a b=", "[_1,", "<@a", "Ctrl+", "a=", "sha1:a", "*.a"),
        *("[/", "\\\\a"),
        *("\\a[", "\\aa{", "__A", "``", "``a", "{$a", "{#", " -a", "tel:", "[img]", "%1!", "@A.", "a.a=", "{% if a %}"),
        *(" _a", "a/b", "a.b/", "--a", "aB", "a()", "$1", "\\t", ":aa"),
    ],
)  # fmt: skip
def test_time_is_linear(part: str) -> None:
    def search(repetitions: int) -> None:
        text = part * repetitions
        list(_PATTERN.finditer(text))
        add_markdown(text, [])
        add_inline_codes(text, [])
        find_structure(text, [])
        add_accelerators(text, [], str.islower)

    assert_scales(search, 2_000, 20_000, factor=40, floor=40 * 1e-4)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("{n, plural, one {# file} other {# files}}", "<{n, plural, one {># file<} other {># files<}}>"),
        ("{n, plural, offset:1 =0 {none} other {{name} and #}}!",
         "<{n, plural, offset:1 =0 {>none<} other {>{name} and #<}}>!"),
        ("{a, select, b {{n, plural, one {x} other {#}}} other {y}}",
         "<{a, select, b {><{n, plural, one {>x<} other {>#<}}><} other {>y<}}>"),
        ("{n, plural, one {# file", "{n, plural, one {# file"),
        ("{n, plural}", "{n, plural}"),
        ("|Name|City|\n|---|---|\nno|table", "<|>Name<|>City<|>\n<|>---<|>---<|>\nno|table"),
        ("either | or", "either <|> or"),
        ("$ ls -l | grep foo", "$ ls -l | grep foo"),
        ("Name\tCity\nThe dog \t The cat", "Name<\t>City\nThe dog< \t >The cat"),
        ("The dog\tsleeps.", "The dog\tsleeps."),
        ("Look:\n```py\nx = 1\n```\nThere.", "Look:\n<```py\nx = 1\n```>\nThere."),
        ("{0,choice,0#no files|1#one file|1<{0} files}!", "<{0,choice,0#>no files<|1#>one file<|1<>{0} files<}>!"),
        ("{0,choice,0#no files", "{0,choice,0#no files"),
        ("{% if x %}One{% else %}Two{% endif %}", "<{% if x %}>One<{% else %}>Two<{% endif %}>"),
        ("{{#if x}}One{{else}}Two{{/if}}", "<{{#if x}}>One<{{else}}>Two<{{/if}}>"),
        ("{#if x}One{:else}Two{/if}", "<{#if x}>One<{:else}>Two<{/if}>"),
        ("Hello {% user %} {{ name }}", "Hello {% user %} {{ name }}"),
        ("```\nnot closed", "```\nnot closed"),
        ("Run:\n\n    git commit -m x\n    ls\n\nThen.", "Run:\n\n<    git commit -m x\n    ls>\n\nThen."),
        ("    The dog sleeps.", "    The dog sleeps."),
    ],
)  # fmt: skip
def test_structure(text: str, expected: str) -> None:
    spans = [span for span in find_structure(text, []) if span.kind is SpanKind.STRUCTURE]
    gaps = gaps_between(0, len(text), spans)
    parts = [text[start:stop] for start, stop in gaps]
    frames = [f"<{text[span.start : span.end]}>" for span in spans]
    assert "".join(part for pair in zip(parts, [*frames, ""], strict=True) for part in pair) == expected


@pytest.mark.parametrize(
    ("text", "marked"),
    [
        ("&File", ["File"]), ("E&xit", ["xit"]), ("_File", ["File"]), ("E_xit", ["xit"]), ("Save &as", ["as"]),
        ("&File and &Edit", ["File", "Edit"]), ("Save && exit", []), ("Open (&O)", []), ("AT&T", []), ("R&D", []),
        ("rock&roll", []), ("my_file", []), ("Salt & pepper", []), ("?a=1&b=2", []), ("_File and _Edit", []),
        ("&amp;", []), ("_words_", []), ("/a?x&y", []), ("_a b_", []), ("_Open {user_name}", ["Open"]),
        ("my _File", ["File"]), ("C_opy", ["opy"]),
        *((text, []) for text in (
            "user_name", "User_name", "{user_name}", "{{user_name}}", "${user_name}", "%{user_name}", "%(user_name)s",
            ":user_name", "{a}{user_name}", "$t(User_name)", "`E_xit`", "{E_xit}", "`E&xit`", "#{user_name}!",
            "user_name@example.org", "https://example.org/(E_xit)", "[[E_xit]]", "e_xit", "E_XIT", "USER_NAME",
        )),
    ],
)  # fmt: skip
def test_accelerators(text: str, marked: list[str]) -> None:
    spans = add_accelerators(text, [], {"exit", "copy", "user", "name", "username"}.__contains__)
    assert [text[start.end : end.start] for start, end in zip(spans[::2], spans[1::2], strict=True)] == marked


@pytest.mark.parametrize(
    ("text", "tags"),
    [
        ("Please <0>click <1>here</1></0>.", ["<0>", "<1>", "</1>", "</0>"]),
        ("[B]Bold[/B] [url=https://a.de]page[/url]", ["[B]", "[/B]", "[url=https://a.de]", "[/url]"]),
        ("[img]a.png[/img] and [code]x = 1[/code]", ["[img]a.png[/img]", "[code]x = 1[/code]"]),
        ("This is ''very'' '''good'''.", ["''", "''", "'''", "'''"]),
        (r"This is \emph{very} \textbf{good}.", [r"\emph{", "}", r"\textbf{", "}"]),
        ("[b]not closed, [1], 'quoted', don't, a <0> b, it''s, \\item", []),
    ],
)
def test_inline_codes(text: str, tags: list[str]) -> None:
    spans = add_inline_codes(text, [])
    assert [text[span.start : span.end] for span in spans] == tags


@pytest.mark.parametrize("start", ["%", "%1$", "%.", "%(name)", "%<name>", "%{", "{", "{0:", "${", "#{", "$", ":"])
@pytest.mark.parametrize("unit", ["0", "#", " ", "1", "-", "'", "a", "_", "."])
def test_long_specifiers_take_linear_time(start: str, unit: str) -> None:
    text = start + unit * 10_000
    assert_takes_less(lambda: list(_PATTERN.finditer(text)), 0.2)
