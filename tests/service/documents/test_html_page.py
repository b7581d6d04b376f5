"""HTML pages: elements, attributes, encodings, the language."""

from __future__ import annotations

import codecs

import pytest

from service.documents import DocumentLimits, read_document
from service.errors import DocumentTooLarge, MalformedDocument
from tests.support.documents import same, translate, upper

PAGE = """<!DOCTYPE html>
<!-- a comment -->
<html lang="en-US"><head><meta charset="utf-8"><title>A &amp; B</title>
<meta name="description" content="About cats"><meta name="viewport" content="width=device-width">
<script>var text = "not <b>this</b>";</script><style>p::after { content: "nor this" }</style></head>
<body><h1>Welcome to <em>us</em></h1>
<p class="x">This is <b>very</b> good&nbsp;here.<br>Use <code>print()</code> now.</p>
<ul><li>One</li><li>Two</li></ul>
<pre>some code</pre><p translate="no">Not this</p><p class="notranslate">Nor this</p>
<table><tr><td>A cell<td>Another</table>
<img src="a.png" alt="A picture"><a href="b" title="A link"><img src="c" alt="42"></a>
<input type=text placeholder=Name value="mine"><input type="submit" value="Send it">
<svg><text>drawn</text></svg><textarea>typed</textarea></body></html>
"""


def segments(page: str) -> list[tuple[str, bool]]:
    return [tuple(segment) for segment in read_document("a.html", page.encode(), DocumentLimits()).segments]


def texts(page: str) -> list[str]:
    return [text for text, _ in segments(page)]


def written(page: str) -> str:
    return translate("a.html", page.encode()).decode()


def test_the_texts_of_a_page() -> None:
    assert segments(PAGE) == [
        ("A &amp; B", True),
        ("About cats", False),
        ("Welcome to <em>us</em>", True),
        ("This is <b>very</b> good&nbsp;here.", True),
        ("Use <code>print()</code> now.", True),
        ("One", True),
        ("Two", True),
        ("A cell", True),
        ("Another", True),
        ("A picture", False),
        ("A link", False),
        ("Name", False),
        ("Send it", False),
    ]


def test_only_texts_and_the_language_change() -> None:
    expected = PAGE.replace('lang="en-US"', 'lang="de"').replace("placeholder=Name", 'placeholder="NAME"')
    for text, is_html in segments(PAGE):
        expected = expected.replace(f">{text}<", f">{upper(text, is_html=is_html)}<")
        expected = expected.replace(f'"{text}"', f'"{text.upper()}"')
    assert written(PAGE) == expected
    assert translate("a.html", PAGE.encode(), same) == PAGE.encode()


def test_elements_in_other_languages_are_left_alone() -> None:
    page = (
        '<html lang="es"><p lang="fr">Bonjour</p><p lang="en-GB">Hello <i lang="fr">ami</i></p>'
        "<![if !supportLists]>1.<![endif]>One</html>"
    )
    document = read_document("a.html", page.encode(), DocumentLimits())
    assert document.languages == {0: "fr", 1: "en"}
    (batch,) = document.batches(64, 10_000, "en")
    assert (batch.indices, batch.texts[0]) == ([1, 2], 'Hello <i lang="fr">ami</i>')
    nested = "<div lang=fr title=a>a<p lang=de>b</p><p>c</p></div>d<p lang=fr>e<p>f"
    document = read_document("a.html", nested.encode(), DocumentLimits())
    assert [(one.text, document.languages.get(index, "")) for index, one in enumerate(document.segments)] == [
        ("a", "fr"), ("a", "fr"), ("b", "de"), ("c", "fr"), ("d", ""), ("e", ""), ("f", "")
    ]  # fmt: skip


def test_attributes_of_tags_within_a_text() -> None:
    page = '<p>See <a href="x" title="A &quot;b&quot; c">this <i title="d">page</i></a> now.</p>'
    assert texts(page) == [
        'A "b" c',
        "d",
        'See <a href="x" title="A &quot;b&quot; c">this <i title="d">page</i></a> now.',
    ]
    assert written(page) == '<p>SEE <a href="x" title="A &quot;B&quot; C">THIS <i title="D">PAGE</i></a> NOW.</p>'


def test_nested_inline_tags_are_one_text() -> None:
    span = '<em>\n  <span style="color: #ff0000;">\n   {}\n  </span>\n </em>'
    link = f'<a href="#">{span.format("View the complete range of")} {span.format("drawer systems here!")}</a>'
    assert texts(f"<p>\n{link}\n</p>") == [link]


def test_equal_tags_within_a_text_are_all_translated() -> None:
    page = '<p><a title="b">x</a> <a title="c">y</a> <a title="b">z</a></p>'
    assert written(page) == '<p><a title="B">X</a> <a title="C">Y</a> <a title="B">Z</a></p>'


@pytest.mark.parametrize(
    ("tag", "expected"),
    [
        ("<img alt='it is'>", "<img alt='IT IS'>"),
        ("<img alt=word>", '<img alt="WORD">'),
        ('<img ALT="a &lt; b">', '<img ALT="A &lt; B">'),
        ("<img alt>", "<img alt>"),
        ('<img alt="">', '<img alt="">'),
        ('<img translate="no" alt="word">', '<img translate="no" alt="word">'),
        ('<img data-alt="word" src="alt">', '<img data-alt="word" src="alt">'),
        ('<meta property="og:title" content="word">', '<meta property="og:title" content="WORD">'),
        ('<meta property="og:url" content="word">', '<meta property="og:url" content="word">'),
        ('<div aria-label="word">', '<div aria-label="WORD">'),
        ('<input type="hidden" value="word">', '<input type="hidden" value="word">'),
    ],
)
def test_which_attributes_are_translated(tag: str, expected: str) -> None:
    assert written(tag) == expected


def test_a_translated_attribute_cannot_end_its_value() -> None:
    page = translate("a.html", b"<img alt='word'>", lambda text, is_html: 'it\'s "so" <b>&').decode()
    assert page == "<img alt='it&#x27;s &quot;so&quot; &lt;b&gt;&amp;'>"


@pytest.mark.parametrize(
    ("root", "expected"),
    [
        ("<html>", '<html lang="de">'),
        ("<HTML LANG=en>", "<HTML LANG=de>"),
        ("<html xml:lang='en' lang='en' class='x'>", "<html xml:lang='de' lang='de' class='x'>"),
        ('<html class="x">', '<html lang="de" class="x">'),
        ('<html lang="">', '<html lang="de">'),
        ("<html lang>", '<html lang="de">'),
    ],
)
def test_the_language_of_the_page(root: str, expected: str) -> None:
    assert written(f"{root}<p>Hello</p>") == f"{expected}<p>HELLO</p>"
    assert written(f"{root}<p>42</p>") == f"{root}<p>42</p>"


@pytest.mark.parametrize(
    "page",
    [
        "",
        "Hello <b>you",
        "<p>a<p>b</div></b>",
        "a < b and c > d",
        "<a <b>x</b>",
        "<!-- x",
        "<p>&nbsp;&amp;</p>",
        "</html>",
    ],
)
def test_broken_pages_come_back(page: str) -> None:
    assert translate("a.htm", page.encode(), same) == page.encode()
    assert len(written(page)) == len(page)


@pytest.mark.parametrize(
    ("head", "encoding"),
    [
        ('<meta charset="iso-8859-1">', "cp1252"),
        ("<meta http-equiv=Content-Type content='text/html; charset=windows-1252'>", "cp1252"),
        ('<meta charset="koi8-r">', "koi8-r"),
        ('<?xml version="1.0" encoding="ISO-8859-15"?>', "iso-8859-15"),
        ('<meta charset="shift_jis">', "shift_jis"),
        ("<meta charset=utf-16>", "utf-8"),
        ("", "utf-8"),
    ],
)
def test_the_encoding_that_a_page_declares(head: str, encoding: str) -> None:
    page = f"{head}<p>Hello</p>".encode(encoding)
    assert translate("a.html", page, lambda text, is_html: "a \u2260 \u4f60") == f"{head}<p>a \u2260 \u4f60</p>".encode(
        encoding, "xmlcharrefreplace"
    )


def test_a_byte_order_mark_decides() -> None:
    page = codecs.BOM_UTF16_LE + '<meta charset="utf-8"><p>Hello</p>'.encode("utf-16-le")
    assert translate("a.html", page) == codecs.BOM_UTF16_LE + '<meta charset="utf-8"><p>HELLO</p>'.encode("utf-16-le")


@pytest.mark.parametrize(
    ("page", "text"),
    [
        (b"<p>caf\xe9</p>", "is not UTF-8 in line 1; save it as UTF-8"),
        (b'<meta charset="x-unknown"><p>a</p>', "declares the encoding x-unknown, which is not read"),
        (b'<meta charset="rot13"><p>a</p>', "declares the encoding rot13, which is not read"),
        (b'<meta charset="big5">\n<p>\xff\xff</p>', "is not big5, which it declares, in line 2"),
        (b"%PDF-1.4", "is a PDF"),
    ],
)
def test_what_cannot_be_read_is_refused(page: bytes, text: str) -> None:
    with pytest.raises(MalformedDocument, match=text):
        read_document("a.html", page, DocumentLimits())


def test_long_texts_become_several_segments() -> None:
    page = "<p>" + "This is <b>a sentence</b> of a page. " * 50 + "</p>"
    limits = DocumentLimits(max_segment_characters=200)
    document = read_document("a.html", page.encode(), limits)
    assert all(len(segment.text) <= 200 for segment in document.segments)
    assert translate("a.html", page.encode(), limits=limits).decode() == page.upper().replace("P>", "p>").replace(
        "B>", "b>"
    )


def test_long_tags_are_not_part_of_a_text() -> None:
    page = f'<p>One <a href="data:{"x" * 2_000}">two</a></p>'
    assert texts(page) == ["One", "two</a>"]
    assert translate("a.html", page.encode(), same) == page.encode()


def test_too_many_tags_are_refused() -> None:
    with pytest.raises(DocumentTooLarge, match="more than 250000 tags"):
        read_document("a.html", b"<b>" * 500_001, DocumentLimits())
