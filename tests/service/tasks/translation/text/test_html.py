"""The HTML tokenizer: markup with its positions, and entities."""

from __future__ import annotations

import random
from html.parser import HTMLParser

import pytest

from service.tasks.translation.text.html import find_markup
from service.tasks.translation.text.source_text import SourceText
from service.tasks.translation.text.spans import Span, SpanKind
from tests.support.timing import assert_takes_less

ABBREVIATIONS = {
    SpanKind.START_TAG: "start",
    SpanKind.END_TAG: "end",
    SpanKind.EMPTY_TAG: "empty",
    SpanKind.COMMENT: "comment",
    SpanKind.VERBATIM: "verbatim",
}


def described(text: str) -> list[str]:
    """The markup of a text: kind, name and source."""
    return [
        " ".join(filter(None, [ABBREVIATIONS[span.kind], span.name, text[span.start : span.end]]))
        for span in find_markup(text)
    ]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", []),
        ("The dog > the cat & you", []),
        ("The <b>dog</b>", ["start b <b>", "end b </b>"]),
        ("<B CLASS=x>A</B >", ["start b <B CLASS=x>", "end b </B >"]),
        ("<u-x>a</u-x><h1>b</h1>", ["start u-x <u-x>", "end u-x </u-x>", "start h1 <h1>", "end h1 </h1>"]),
        ("H<sub>2</sub>O", ["start sub <sub>", "end sub </sub>"]),
        ("<b><i>a</b></i>", ["start b <b>", "start i <i>", "end b </b>", "end i </i>"]),
        # Void elements, and tags that close themselves.
        ("a<br>b<BR/>c<br />d", ["empty br <br>", "empty br <BR/>", "empty br <br />"]),
        ("<img src=x>", ["empty img <img src=x>"]),
        ("<b/><u-x a='b'/>", ["empty b <b/>", "empty u-x <u-x a='b'/>"]),
        ("</b/></br>", ["end b </b/>", "end br </br>"]),
        # Attributes.
        ('<a title="a > b < c">x', ['start a <a title="a > b < c">']),
        ("<a title='<b>' href=x>", ["start a <a title='<b>' href=x>"]),
        ("<a title = '>' data-x=\"'>'\"  checked>", ["start a <a title = '>' data-x=\"'>'\"  checked>"]),
        ('<a x="1"y="2">', ['start a <a x="1"y="2">']),
        ('<a\nhref="x"\n>', ['start a <a\nhref="x"\n>']),
        ("<a href=https://a.de/?b=c&d>x", ["start a <a href=https://a.de/?b=c&d>"]),
        ("<a href=https://a.de/>x</a>", ["start a <a href=https://a.de/>", "end a </a>"]),
        ("<a href=x />", ["empty a <a href=x />"]),
        ("<a b=x\"y>z'>", ["start a <a b=x\"y>"]),
        ("<a b = >c", ["start a <a b = >"]),
        ("<a/b>", ["start a <a/b>"]),
        ('<b "x>y">', ['start b <b "x>']),
        ("</b title='>'>", ["end b </b title='>'>"]),
        # Quotes that are not balanced.
        ('<a title="x>the dog', ['start a <a title="x>']),
        ("<a title='x>it's <b>me</b>", ["start a <a title='x>", "start b <b>", "end b </b>"]),
        # No tags.
        ("a < b and c > d", []),
        ("a <b and <i>c</i>", ["start i <i>", "end i </i>"]),
        ("1<2 <3 <- <> </> </ b> <= <!1> <!> <?> <é>", []),
        ("<<b>>", ["start b <b>"]),
        ("the <b", []),
        ("the <a href='x'", []),
        ('the <a href="x', []),
        # Comments, declarations, CDATA sections, processing instructions.
        ("<!-- a <b> -- > -->c", ["comment <!-- a <b> -- > -->"]),
        ("<!--a--!>b-->", ["comment <!--a--!>"]),
        ("<!-->a-->", ["comment <!-->"]),
        ("<!--->a-->", ["comment <!--->"]),
        ("<!----><!--!>--><!---!>-->", ["comment <!---->", "comment <!--!>-->", "comment <!---!>-->"]),
        ("<!-- <!-- a --> b -->", ["comment <!-- <!-- a -->"]),
        ("<!-- the <b>", ["start b <b>"]),
        ("<!DOCTYPE html><!doctype x 'a>", ["comment <!DOCTYPE html>", "comment <!doctype x 'a>"]),
        ('<?xml version="1.0"?>a<?b', ['comment <?xml version="1.0"?>']),
        ("<![CDATA[ a <b> ]] > ]]>c", ["comment <![CDATA[ a <b> ]] > ]]>"]),
        ("<![CDATA[ a <b>", ["start b <b>"]),
        # Raw text.
        ("<script>if (a<b) { '</b>' }</script>", ["verbatim script <script>if (a<b) { '</b>' }</script>"]),
        ("<SCRIPT>'<script>'</Script\n>a", ["verbatim script <SCRIPT>'<script>'</Script\n>"]),
        ("<script></scripts></script>", ["verbatim script <script></scripts></script>"]),
        ("<style>a > b {}</style>b", ["verbatim style <style>a > b {}</style>"]),
        ("<textarea><b></textarea>", ["verbatim textarea <textarea><b></textarea>"]),
        ("<script><!-- </script> -->", ["verbatim script <script><!-- </script>"]),
        ("<script>a <b>", ["start script <script>", "start b <b>"]),
        ("<script/><b>", ["empty script <script/>", "start b <b>"]),
        ("<title>a <b></title>", ["start title <title>", "start b <b>", "end title </title>"]),
        # Verbatim elements.
        ("<code>a <b>b</b></code>", ["verbatim code <code>a <b>b</b></code>"]),
        ("<pre>\n<var>a<var>b</var></var></pre>", ["verbatim pre <pre>\n<var>a<var>b</var></var></pre>"]),
        ("<var>a<var>b</var>c</var>", ["verbatim var <var>a<var>b</var>c</var>"]),
        ("<code>a<code/>b</code>", ["verbatim code <code>a<code/>b</code>"]),
        ("<code><!-- </code> --></code>", ["verbatim code <code><!-- </code> --></code>"]),
        ('<code title="</code>">a</code>', ['verbatim code <code title="</code>">a</code>']),
        ("<pre>a<b>", ["start pre <pre>", "start b <b>"]),
        ("<codes>a</codes>", ["start codes <codes>", "end codes </codes>"]),
        ('<p translate="no">a<br>b</p>', ['verbatim p <p translate="no">a<br>b</p>']),
        ("<p TRANSLATE = No >a</p>", ["verbatim p <p TRANSLATE = No >a</p>"]),
        ("<b class='x notranslate'>a</b>", ["verbatim b <b class='x notranslate'>a</b>"]),
        ("<b class=notranslate>a</b>", ["verbatim b <b class=notranslate>a</b>"]),
        ("<br translate=no>a", ["empty br <br translate=no>"]),
        ("<b data-translate=no>", ["start b <b data-translate=no>"]),
        ("<b title='translate=no'>a</b>", ["start b <b title='translate=no'>", "end b </b>"]),
        ("<b title=' translate=no '>a</b>", ["start b <b title=' translate=no '>", "end b </b>"]),
        ("<b translate=yes translate=no>a</b>", ["start b <b translate=yes translate=no>", "end b </b>"]),
        ("<b class=a-notranslate>a</b>", ["start b <b class=a-notranslate>", "end b </b>"]),
    ],
)  # fmt: skip
def test_markup(text: str, expected: list[str]) -> None:
    assert described(text) == expected


class _StandardParser(HTMLParser):
    """Start tags and end tags by the standard library, which all Python versions read alike if they are well-formed."""

    def __init__(self) -> None:
        super().__init__(convert_charrefs=False)
        self.tags: list[tuple[str, str]] = []

    def handle_starttag(self, tag: str, attrs: object) -> None:
        self.tags.append((tag, self.get_starttag_text() or ""))

    def handle_startendtag(self, tag: str, attrs: object) -> None:
        self.handle_starttag(tag, attrs)

    def handle_endtag(self, tag: str) -> None:
        self.tags.append((tag, f"</{tag}>"))


def test_well_formed_tags_are_those_of_the_standard_library() -> None:
    draw = random.Random(0)
    attributes = ["", ' a="<b>"', " b='>'", ' c="x" d', " e=f", ' title="1 > 0 &amp; x"', "\nhref='/?a=b'", ' g = "h"']
    for _ in range(500):
        parts = []
        for _ in range(draw.randint(1, 12)):
            name = draw.choice(["a", "B", "p", "u-x", "h1", "br"])
            tag = f"<{name}{''.join(draw.sample(attributes, draw.randint(0, 3)))}{draw.choice(['', ' /'])}>"
            parts += draw.choice([tag, f"</{name.lower()}>"]), draw.choice(["", "the dog", " > ", "\n", "1 < 2 "])
        text = "".join(parts)
        parser = _StandardParser()
        parser.feed(text)
        parser.close()
        assert [(span.name, text[span.start : span.end]) for span in find_markup(text)] == parser.tags


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("a &amp; b &lt;b&gt; &quot;&#39;", "a \ufdd0 b \ufdd1b\ufdd2 \"'"),
        ("&eacute;e&#x301; &nbsp;&#32;&#x6F;", "ée\u0301   o"),
        ("&unknown; R&D &amp &;&#;&#0;", "&unknown; R&D &amp &;&#;\ufffd"),
        ("&amp;lt;", "\ufdd0lt;"),
        ("<a title='&amp;'>&amp;</a>", "<a title='&amp;'>\ufdd0</a>"),
        ("<code>&lt;</code><!-- &lt; -->&lt;", "<code>&lt;</code><!-- &lt; -->\ufdd1"),
        ("&lt;b>&amp;</b>", "\ufdd1b>\ufdd0</b>"),
    ],
)
def test_entities(text: str, expected: str) -> None:
    markup = find_markup(text)
    source, moved = SourceText.of_html(text, markup)
    decoded = source.text
    assert decoded == expected
    assert source.sent(0, len(decoded)) == text
    assert [decoded[span.start : span.end] for span in moved] == [text[span.start : span.end] for span in markup]
    assert find_markup(decoded) == moved
    assert source.write("\ufdd0 \ufdd1\ufdd2") == "&amp; &lt;&gt;"


def test_a_combining_character_does_not_change_the_tag_before_it() -> None:
    text = "<b>\u0338e\u0301"
    source, markup = SourceText.of_html(text, find_markup(text))
    assert (source.text, markup) == ("<b>\u0338é", [Span(0, 3, SpanKind.START_TAG, "b")])
    assert source.range(4, 5) == (4, 6)


@pytest.mark.parametrize(
    "unit",
    [
        "<", "<a", "<a ", "<a>", "</a", "<!--", "<!-->", "--!>", "<![CDATA[", "]]>", "<!a", "<?a", "<a b='", '<a b="',
        "<a b=", "<a b='\"", '<a x="y" z="', "<a b=\"' c='\"", "='", "<a b='' ", "<a = ", "<a/", "<script>", "<script",
        "<style><script>", "</script", "<code>", "<code>a</code>", "<code><pre>", "<var></code>", "<b translate=no>",
        "<b translate='", "<br translate=no>", " translate=", "<a title='<b>'>", "&amp;", "&",
    ],
)  # fmt: skip
def test_hostile_markup_takes_linear_time(unit: str) -> None:
    text = unit * (50_000 // len(unit))
    assert_is_fast(text)
    assert_is_fast(f"<a {text}")


def test_many_unclosed_elements_take_linear_time() -> None:
    assert_is_fast("".join(f"<n{number} translate=no>" for number in range(6_000)))


def assert_is_fast(text: str) -> None:
    assert_takes_less(lambda: SourceText.of_html(text, find_markup(text)), 0.5)
