"""Message catalogs of gettext: which entries are translated, plurals, the header."""

from __future__ import annotations

import sys

import polib
import pytest

from service.documents import DocumentLimits, output_name, read_document
from service.documents.plural_forms import plural_forms
from service.errors import DocumentTooLarge, MalformedDocument, UnsupportedDocument
from tests.support.documents import translate

HEADER = 'msgid ""\nmsgstr ""\n"Content-Type: text/plain; charset=UTF-8\\n"\n'
TEMPLATE_HEADER = (
    '#, fuzzy\nmsgid ""\nmsgstr ""\n"Content-Type: text/plain; charset=CHARSET\\n"\n'
    '"Plural-Forms: nplurals=INTEGER; plural=EXPRESSION;\\n"\n'
)
PLURAL = 'msgid "one file"\nmsgid_plural "some files"\nmsgstr[0] ""\nmsgstr[1] ""\n'


def entry(message: str, translation: str = "") -> str:
    return f'msgid "{message}"\nmsgstr "{translation}"\n'


def written(content: str, name: str = "a.po", target: str = "de") -> polib.POFile:
    return polib.pofile(translate(name, content.encode(), target=target).decode() + "\n")


def messages(content: str) -> list[str]:
    return [segment.text for segment in read_document("a.po", content.encode(), DocumentLimits()).segments]


def test_what_has_no_translation_is_translated_and_all_else_kept() -> None:
    content = "\n".join(
        [
            HEADER,
            '# by hand\n#. extracted\n#: a.c:1\nmsgctxt "menu"\n' + entry("Open"),
            entry("Close", "schon da"),
            '#, fuzzy\n#| msgid "Old"\n' + entry("New", "alt"),
            '#~ msgid "Gone"\n#~ msgstr "weg"\n',
        ]
    )
    assert messages(content) == ["Open", "New"]
    catalog = written(content)
    opened, closed, new, gone = catalog
    assert (opened.msgstr, closed.msgstr, new.msgstr, gone.msgstr) == ("OPEN", "schon da", "NEW", "weg")
    assert (opened.comment, opened.tcomment, opened.msgctxt) == ("extracted", "by hand", "menu")
    assert opened.occurrences == [("a.c", "1")]
    assert not new.fuzzy
    assert new.previous_msgid is None
    assert gone.obsolete
    assert catalog.metadata["Language"] == "de"


def test_a_template_becomes_a_catalog() -> None:
    content = f"{TEMPLATE_HEADER}\n{entry('Open')}"
    catalog = written(content, "a.pot")
    assert not catalog.metadata_is_fuzzy
    assert catalog.metadata["Content-Type"] == "text/plain; charset=UTF-8"
    assert catalog.metadata["Plural-Forms"] == "nplurals=2; plural=(n != 1);"
    document = read_document("a.pot", content.encode(), DocumentLimits())
    assert output_name("a.pot", "de", document) == "a_de.po"


@pytest.mark.parametrize(
    ("target", "forms"),
    [
        ("de", ["ONE FILE", "SOME FILES"]),
        ("ja", ["SOME FILES"]),
        ("pl", ["ONE FILE", "SOME FILES", "SOME FILES"]),
        ("pt-BR", ["ONE FILE", "SOME FILES"]),
    ],
)
def test_plurals_have_the_forms_of_the_language(target: str, forms: list[str]) -> None:
    catalog = written(f"{TEMPLATE_HEADER}\n{PLURAL}", target=target)
    assert list(catalog[0].msgstr_plural.values()) == forms
    assert catalog.metadata["Plural-Forms"] == plural_forms(target)


def test_the_plural_forms_of_the_header_count() -> None:
    header = HEADER + '"Plural-Forms: nplurals=3; plural=n%3;\\n"\n'
    assert len(written(f"{header}\n{PLURAL}")[0].msgstr_plural) == 3


@pytest.mark.parametrize(
    ("message", "text"),
    [
        (r"a \"quoted\" word", 'a "quoted" word'),
        (r"a\ttab and\nlines\n", "a\ttab and\nlines\n"),
        (r"\nbegins", "\nbegins"),
        (r"a \\ backslash", "a \\ backslash"),
    ],
)
def test_escaped_characters(message: str, text: str) -> None:
    content = f"{HEADER}\n{entry(message)}"
    assert messages(content) == [text]
    assert written(content)[0].msgstr == text.upper()


def test_line_breaks_at_the_edges_are_those_of_the_message() -> None:
    content = f"{HEADER}\n" + entry(r"\nHello\n") + "\n" + entry("Hi")
    texts = polib.pofile(translate("a.po", content.encode(), lambda text, is_html: "\n\nJa").decode() + "\n")
    assert [one.msgstr for one in texts] == ["\nJa\n", "Ja"]


def test_long_lines_stay_long_and_wrapped_ones_wrapped() -> None:
    long = "many words " * 20
    assert f'msgstr "{long.upper()}"'.encode() in translate("a.po", f"{HEADER}\n{entry(long)}".encode())
    wrapped = f'{HEADER}\nmsgid ""\n"{long[:66]}"\n"{long[66:132]}"\nmsgstr ""\n'
    assert all(len(line) <= 80 for line in translate("a.po", wrapped.encode()).decode().splitlines())


def test_lost_format_specifiers_make_an_entry_fuzzy() -> None:
    content = f"{HEADER}\n#, c-format\n{entry('%d files')}\n#, no-c-format\n{entry('100% sure')}\n{entry('%s')}"
    assert [one.fuzzy for one in written(content)] == [True, False, False]
    kept = translate("a.po", content.encode(), lambda text, is_html: text.replace("files", "Dateien"))
    assert [one.fuzzy for one in polib.pofile(kept.decode() + "\n")][:1] == [False]


def test_moved_arguments_and_kept_words_make_an_entry_fuzzy() -> None:
    content = HEADER + "#, c-format\n" + entry("%s of %d") + "\n#, c-format\n" + entry("%s or %d") + "\n" + entry("new")
    document = read_document("a.po", content.encode(), DocumentLimits())
    document.kept.add(2)
    catalog = polib.pofile(document.write(["%d von %s", "%s oder %d", "new"], "de").decode() + "\n")
    assert [one.fuzzy for one in catalog] == [True, False, True]


def test_line_ends_and_encodings_are_kept() -> None:
    content = f"{HEADER}\n{entry('Open')}".replace("\n", "\r\n").encode()
    result = translate("a.po", content)
    assert result.count(b"\r\n") == result.count(b"\n")
    assert result.startswith(b"msgid")
    latin = (HEADER + entry("Caf\u00e9")).replace("UTF-8", "ISO-8859-1").encode("latin-1")
    assert 'msgstr "CAF\u00c9"'.encode("latin-1") in translate("a.po", latin)


def test_a_catalog_of_another_language_is_refused() -> None:
    content = f'{HEADER}"Language: fr\\n"\n\n{entry("Open", "Ouvrir")}\n{entry("Close")}'.encode()
    with pytest.raises(MalformedDocument, match="has translations into fr; send one without, or ask for fr"):
        read_document("a.po", content, DocumentLimits(), target="de")
    assert read_document("a.po", content, DocumentLimits(), target="fr-CA").segments[0].text == "Close"
    empty = content.replace(b"Ouvrir", b"")
    assert len(read_document("a.po", empty, DocumentLimits(), target="de").segments) == 2


def test_a_catalog_without_anything_to_translate_comes_back_as_it_was() -> None:
    for content in (f"{HEADER}\n{entry('Open', 'da')}   \n", HEADER, "", f"{HEADER}\n{entry('42')}"):
        assert translate("a.po", content.encode()) == content.encode()


@pytest.mark.parametrize(
    ("content", "text"),
    [
        (b"no catalog at all\n", "is no message catalog in line 1"),
        (b'msgid "a"\nmsgstr "b\nmsgid "c"\n', "is no message catalog in line 2"),
        (b"/etc/passwd", "is no message catalog"),
        (
            b'msgid ""\nmsgstr ""\n"Content-Type: text/plain; charset=x-y\\n"\n',
            "encoding x-y, which is not read",
        ),
        (b'msgid "\xff"\nmsgstr ""\n', "is not UTF-8 in line 1"),
    ],
)
def test_what_is_no_catalog_is_refused(content: bytes, text: str) -> None:
    with pytest.raises(MalformedDocument, match=text):
        read_document("a.po", content, DocumentLimits())


def test_comments_that_take_long_are_refused() -> None:
    with pytest.raises(DocumentTooLarge, match="comments of more than 50000 characters up to line"):
        read_document("a.po", ("# a\n\n" * 20_000 + entry("a")).encode(), DocumentLimits())


def test_messages_that_take_long_are_refused() -> None:
    content = f'{HEADER}\nmsgid ""\n' + '"a"\n' * 20_000 + 'msgstr ""\n'
    with pytest.raises(DocumentTooLarge, match="message or comments of more than 50000 characters up"):
        read_document("a.po", content.encode(), DocumentLimits())


def test_without_polib_the_error_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "polib", None)
    with pytest.raises(UnsupportedDocument, match=r"pip install 'lectern\[documents\]'"):
        read_document("a.po", HEADER.encode(), DocumentLimits())
