"""Sentence pairs of TMX, XLIFF and PO."""

import io
import tracemalloc
from pathlib import Path

import pytest

from training.common.errors import DatasetError
from training.seq2seq.config import DataConfig
from training.seq2seq.data.dataset import Pair
from training.seq2seq.data.locations import read_location
from training.seq2seq.data.translation_memories import read_memory, read_tmx

pytestmark = pytest.mark.torch

EN_DE = ("en", "de")

TMX = """<?xml version="1.0" encoding="UTF-8"?>
<!DOCTYPE tmx SYSTEM "tmx14.dtd">
<tmx version="1.4"><header srclang="en-US" datatype="plaintext"/><body>
<tu tuid="1"><prop type="x">p</prop><note>n</note>
  <tuv xml:lang="en-US"><seg>Press <bpt i="1">&lt;b&gt;</bpt>OK<ept i="1">&lt;/b&gt;</ept> &amp; wait.</seg></tuv>
  <tuv xml:lang="de"><seg>Drücken Sie <bpt i="1">&lt;b&gt;</bpt>OK<ept i="1">&lt;/b&gt;</ept>.</seg></tuv>
  <tuv xml:lang="FR-CA"><seg>Appuyez</seg></tuv></tu>
<tu><tuv xml:lang="de-AT"><seg>Hallo <ph x="1">{0}</ph><ph x="2">&lt;br/&gt;</ph>!</seg></tuv>
  <tuv xml:lang="EN-GB"><seg>Hello <ph x="1">{0}</ph>!</seg></tuv><tuv xml:lang="en-US"><seg>Hi!</seg></tuv></tu>
<tu><tuv xml:lang="en"><seg>alone</seg></tuv></tu>
<tu><tuv xml:lang="en"><seg> </seg></tuv><tuv xml:lang="de"><seg>leer</seg></tuv></tu>
<tu><tuv lang="eng"><seg>Old <hi>TMX</hi></seg></tuv><tuv lang="deu"><seg>Altes <hi>TMX</hi></seg></tuv></tu>
</body></tmx>"""

TMX_PAIRS = [
    Pair("Press OK & wait.", "Drücken Sie OK."),
    Pair("Hello {0}!", "Hallo {0}!"),
    Pair("Old TMX", "Altes TMX"),
]

XLIFF_1 = """<?xml version="1.0"?>
<xliff version="1.2" xmlns="urn:oasis:names:tc:xliff:document:1.2">
<file source-language="en-US" target-language="de" original="a" datatype="plaintext"><header/><body><group>
<trans-unit id="1"><source>Save <g id="1">all</g><x id="2"/></source><seg-source><mrk mtype="seg" mid="1">Save</mrk>
  </seg-source><target state="translated">Alles <g id="1">sichern</g></target><alt-trans><source>Save</source>
  <target>Speichern</target></alt-trans></trans-unit>
<trans-unit id="2"><source>Open</source></trans-unit>
<trans-unit id="3"><source>Close</source><target state="needs-translation">Close</target></trans-unit>
<trans-unit id="4"><source>Exit</source><target/></trans-unit>
</group></body></file>
<file source-language="fr" target-language="de" original="b" datatype="plaintext"><body>
<trans-unit id="1"><source>Quitter</source><target>Beenden</target></trans-unit></body></file>
<file source-language="en" original="c" datatype="plaintext"><body><trans-unit id="1">
<source>Yes <bpt id="1">&lt;i&gt;</bpt>now</source><target>Ja jetzt</target></trans-unit></body></file>
</xliff>"""

XLIFF_2 = """<xliff xmlns="urn:oasis:names:tc:xliff:document:2.0" version="2.0" srcLang="en" trgLang="de-DE">
<file id="f"><unit id="u1"><notes><note>n</note></notes>
<segment id="s1" state="final"><source>One <pc id="1">two</pc>.</source>
  <target>Eins <pc id="1">zwei</pc>.</target></segment><ignorable><source> </source></ignorable>
  <segment id="s2"><source>Three <ph id="2"/>.</source><target>Drei <ph id="2"/>.</target></segment>
  <segment id="s3" state="initial"><source>Four.</source><target>Four.</target></segment>
  <segment id="s4"><source>Five.</source></segment></unit></file></xliff>"""

PO = r"""
msgid ""
msgstr ""
"Language: de_DE\n"
"Content-Type: text/plain; charset=UTF-8\n"
"Plural-Forms: nplurals=2; plural=(n != 1);\n"

#: a.c:1
msgid "Open \"file\""
msgstr "Datei öffnen"

msgctxt "menu"
msgid ""
"Two "
"lines"
msgstr "Zwei Zeilen"

#, fuzzy
msgid "Maybe"
msgstr "Vielleicht"

msgid "Untranslated"
msgstr ""

msgid "%d file"
msgid_plural "%d files"
msgstr[0] "%d Datei"
msgstr[1] "%d Dateien"

#~ msgid "Obsolete"
#~ msgstr "Veraltet"
"""

PO_PAIRS = [
    Pair('Open "file"', "Datei öffnen"),
    Pair("Two lines", "Zwei Zeilen"),
    Pair("%d file", "%d Datei"),
    Pair("%d files", "%d Dateien"),
]


def swapped(pairs: list[Pair]) -> list[Pair]:
    return [Pair(pair.target, pair.source) for pair in pairs]


@pytest.mark.parametrize(
    ("name", "text", "pairs", "left_out"),
    [
        ("x.tmx", TMX, TMX_PAIRS, 2),
        ("x.xlf", XLIFF_1, [Pair("Save all", "Alles sichern"), Pair("Yes now", "Ja jetzt")], 4),
        ("x.xliff", XLIFF_2, [Pair("One two.", "Eins zwei."), Pair("Three .", "Drei .")], 2),
        ("x.po", PO, PO_PAIRS, 2),
    ],
)
def test_formats(name: str, text: str, pairs: list[Pair], left_out: int) -> None:
    units = read_memory(text.encode(), name, EN_DE)
    assert units == (
        pairs,
        EN_DE,
        (f"{name}: {left_out:,} units left out that are not translated, or not in both languages",),
    )
    other = read_memory(text.encode(), name, ("de", "en"))
    assert other is not None
    assert other.pairs == swapped(pairs)


@pytest.mark.parametrize(("text", "count"), [(TMX, 3), (XLIFF_1, 2), (XLIFF_2, 2)])
def test_xml_is_told_by_its_content_and_may_be_utf_16(text: str, count: int) -> None:
    units = read_memory(text.replace('encoding="UTF-8"', "").encode(), "download", EN_DE)
    assert units is not None
    assert len(units.pairs) == count
    wide = read_memory(text.replace("UTF-8", "UTF-16").encode("utf-16"), "download", EN_DE)
    assert wide == units


def test_other_files_are_not_of_these_formats() -> None:
    assert read_memory(b"a\tb\n", "x.tsv", EN_DE) is None
    assert read_memory(b"<b>a</b>\tb\n", "x.txt", EN_DE) is None


ENTITY = '<!DOCTYPE tmx [<!ENTITY x SYSTEM "file:///etc/hostname">]>'
LAUGHS = '<!DOCTYPE tmx [<!ENTITY a "ha"><!ENTITY b "&a;&a;&a;">]>'


@pytest.mark.parametrize(
    "declaration", [ENTITY, LAUGHS, '<!DOCTYPE tmx [<!ENTITY % p SYSTEM "http://127.0.0.1:9/x"> %p;]>']
)
@pytest.mark.parametrize("name", ["x.tmx", "x.xlf"])
def test_entities_are_refused(declaration: str, name: str) -> None:
    root = "tmx" if name == "x.tmx" else "xliff"
    text = f"<?xml version='1.0'?>{declaration.replace('tmx', root)}<{root}><body><tu>&x;</tu></body></{root}>"
    with pytest.raises(DatasetError, match=rf"{name}: declares entities, which could read other files"):
        read_memory(text.encode(), name, EN_DE)


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("x.tmx", "<tmx><body>\n<tu></body></tmx>", r"x.tmx:2: is no XML \(mismatched tag"),
        ("x.tmx", "<html/>", r"x.tmx: begins with <html>, not with <tmx>"),
        (
            "x.tmx",
            TMX.replace('"de', '"nl').replace('"deu', '"nld'),
            r"x.tmx: has no unit with both en and de; it has .*nl",
        ),
        (
            "x.xlf",
            XLIFF_2.replace("de-DE", "fr"),
            r"x.xlf: has no unit with both en and de; it has en, fr; check --source",
        ),
        ("x.po", PO.replace("de_DE", "fr"), r"x.po: is translated into fr, not into en or de"),
        ("x.po", 'msgid "a"\nmsgstr "b"\nnonsense here\n', r"x.po:3: is no PO file"),
        ("x.po", PO.replace("UTF-8", "ASCII"), r"x.po: is not in the encoding of its header \(ASCII\)"),
        ("x.po", 'msgid "a"\nmsgstr ""\n', r"x.po: has no unit with both en and de"),
        ("x.tmx", "", r"x.tmx:1: is no XML"),
        ("x.tmx", f"<tmx>{'<a>' * 5_000}{'</a>' * 5_000}</tmx>", r"x.tmx: its elements are nested more than 100 deep"),
    ],
)
def test_malformed_files(name: str, text: str, message: str) -> None:
    with pytest.raises(DatasetError, match=message):
        read_memory(text.encode(), name, EN_DE)


def test_languages_of_one_file_in_xliff_are_not_those_of_the_next() -> None:
    unit = "<body><trans-unit id='1'><source>Yes</source><target>Ja</target></trans-unit></body>"
    text = f"""<xliff version="1.2"><file source-language="en" target-language="fr">{unit}</file>
<file source-language="en">{unit}</file></xliff>"""
    units = read_memory(text.encode(), "x.xlf", EN_DE)
    assert units == (
        [Pair("Yes", "Ja")],
        EN_DE,
        ("x.xlf: 1 unit left out that is not translated, or not in both languages",),
    )


def test_messages_do_not_name_the_encoding_of_a_po_file() -> None:
    text = 'msgid "charset=klingon"\nmsgstr "Zeichensatz: charset=klingon"\n'
    units = read_memory(text.encode(), "x.po", EN_DE)
    assert units is not None
    assert units.pairs == [Pair("charset=klingon", "Zeichensatz: charset=klingon")]


@pytest.mark.parametrize(
    ("whole", "damaged", "line"),
    [
        ('msgstr "Datei öffnen"', 'msgstr "Datei öffnen', 10),
        ('msgstr "Datei öffnen"', 'msgstr Datei öffnen"', 10),
        ('msgstr "Datei öffnen"', "msgstr Datei öffnen", 10),
        ('msgstr "Datei öffnen"', "msgstr 'Datei öffnen'", 10),
        ('msgstr "Datei öffnen"', 'msgstr "Datei öffnen" "', 10),
        ('msgstr "Datei öffnen"', 'msgstr "Datei „öffnen" jetzt"', 10),
        ('msgstr "Datei öffnen"', 'msgstr "Datei öffnen\\"', 10),
        ('msgstr "Datei öffnen"', 'msgstr "', 10),
        ('msgid "Open \\"file\\""', 'msgid "Open \\"file\\"', 9),
        ('"Two "', '"Two ', 14),
        ('"Two "', 'Two "', 14),
        ('msgctxt "menu"', 'msgctxt menu"', 12),
        ('msgid_plural "%d files"', 'msgid_plural "%d files', 26),
        ('msgstr[1] "%d Dateien"', 'msgstr[1] "%d Dateien', 28),
        ('msgstr[1] "%d Dateien"', "msgstr[1] %d Dateien", 28),
        ('msgstr "Datei öffnen"\n', "", 9),
    ],
)
def test_a_damaged_line_of_a_po_file_is_named(whole: str, damaged: str, line: int) -> None:
    assert whole in PO
    with pytest.raises(DatasetError, match=rf"x.po:{line}: is no PO file: .*msgstr.*msgfmt -c x.po"):
        read_memory(PO.replace(whole, damaged).encode(), "x.po", EN_DE)


@pytest.mark.parametrize("cut", ['msgid "b"\n', 'msgid "b"', 'msgid "', "msgid", "msgs", 'msgid "b"\nmsgstr', "ms"])
def test_a_po_file_that_was_cut_off_is_refused(cut: str) -> None:
    with pytest.raises(DatasetError, match=r"x.po:[45]: is no PO file"):
        read_memory(f'msgid "a"\nmsgstr "A"\n\n{cut}'.encode(), "x.po", EN_DE)


def test_what_ends_lines_in_python_only_is_text_of_a_po_file() -> None:
    units = read_memory('msgid "a\u2028b"\r\nmsgstr "c\x85d"\r\n'.encode(), "x.po", EN_DE)
    assert units is not None
    assert units.pairs == [Pair("a b", "c d")]


@pytest.mark.parametrize(
    "header",
    [
        'msgstr ""\n"Content-Type: text/plain; charset=ISO-8859-1\\n"',
        'msgstr "Content-Type: text/plain; charset=ISO-8859-1\\n"',
        'msgstr "Language: de\\nContent-Type: text/plain; charset=iso-8859-1\\n"',
        'msgstr ""\n"Language: de\\n"\n"MIME-Version: 1.0\\nContent-Type: text/plain; charset=ISO-8859-1"',
    ],
    ids=["lines", "one-line", "one-line-of-two", "two-lines"],
)
def test_the_header_of_a_po_file_names_its_encoding(header: str) -> None:
    text = f'msgid ""\n{header}\n\nmsgid "Open"\nmsgstr "Öffnen"\n'
    units = read_memory(text.encode("latin-1"), "x.po", EN_DE)
    assert units is not None
    assert units.pairs == [Pair("Open", "Öffnen")]


def test_a_po_file_that_is_a_path_opens_no_other_file(tmp_path: Path) -> None:
    other = tmp_path / "other.po"
    other.write_text('msgid "secret"\nmsgstr "geheim"\n')
    with pytest.raises(DatasetError, match=r"x.po:1: is no PO file"):
        read_memory(str(other).encode(), "x.po", EN_DE)


def test_memory_holds_the_pairs_only() -> None:
    unit = '<tu><tuv xml:lang="en"><seg>a<ph>{p}</ph></seg></tuv><tuv xml:lang="fr"><seg>b</seg></tuv></tu>'
    content = f"<tmx><body>{unit * 20_000}</body></tmx>".encode()
    tracemalloc.start()
    try:
        with pytest.raises(DatasetError, match="no unit with both en and de"):
            read_tmx(io.BytesIO(content), "x.tmx", EN_DE)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < len(content)


def test_languages_the_wrong_way_round_are_noticed(tmp_path: Path) -> None:
    english = [f"The weather in this town was very pleasant on day number {number}." for number in range(30)]
    german = [f"Das Wetter in dieser Stadt war am Tag Nummer {number} sehr angenehm." for number in range(30)]
    path = tmp_path / "x.tsv"
    path.write_text("".join(f"{one}\t{two}\n" for one, two in zip(english, german, strict=True)))
    right = DataConfig(train=str(path), source="en", target="de")
    assert read_location(str(path), right)[0][0] == Pair(english[0], german[0])
    wrong = DataConfig(train=str(path), source="de", target="en")
    with pytest.raises(
        DatasetError, match=r"x.tsv: its sides are en and de, as most sentences show, not de and en; change"
    ):
        read_location(str(path), wrong)
    assert (
        read_location(str(path), DataConfig(train=str(path), source="de", target="en", swap=True))[0][0].source
        == german[0]
    )
