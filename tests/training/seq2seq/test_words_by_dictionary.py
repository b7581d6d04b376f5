"""The benchmark of single words: its dictionary, and its choice of words."""

from pathlib import Path

import pytest

from tests.benchmarks.words_by_dictionary import by_frequency, folded, main, read_dictionary

pytestmark = pytest.mark.torch

LINES = """\
# Version :: devel
Haus {n}; Gebäude {n} [arch.] | Häuser {pl}; Gebäude {pl} :: house; building (made of stone) | houses; buildings
gehen {vi} | gehend | er/sie geht :: to go {went; gone} | going | he/she goes
etw. kaufen {vt} (von jdm.); sich etw. zulegen [ugs.] :: to buy sth. (from sb. [coll.]); to get os. sth.
dieser; diese/dieses {pron} :: this / that
oder {conj} /o.; od./ | oder auch :: or | or perhaps
die Bibel; die Heilige Schrift :: the Bible; Holy Writ /HW/
don\u2019t <dont> :: nicht tun
Haus {n} (Astrologie) :: mansion
No separator
Anfang ::
""".splitlines()


def test_a_word_has_the_translations_of_all_its_senses() -> None:
    german, english = read_dictionary(LINES, "de"), read_dictionary(LINES, "en")
    assert german["Haus"] == {"house", "building", "mansion"}
    assert german["Häuser"] == {"houses", "buildings"}
    assert german["Gebäude"] == {"house", "building", "houses", "buildings"}
    assert english["house"] == {"haus", "gebäude"}
    assert (german["gehen"], german["geht"]) == ({"go"}, {"goes"})
    assert (english["go"], english["goes"]) == ({"gehen"}, {"geht"})
    assert german["kaufen"] == {"buy", "get os"}
    assert german["dieses"] == {"this", "that"}
    assert english["that"] == {"dieser", "diese", "dieses"}
    assert german["oder"] == {"or"}
    assert german["Bibel"] == {"bible", "holy Writ"}
    assert german["don't"] == {"nicht tun"}
    assert not {"Anfang", "Version", "oder auch", "haus"} & set(german)


@pytest.mark.parametrize(
    ("answer", "expected"),
    [("Das Haus.", "haus"), ("to go", "go"), ("sag\u2019s!", "sag's"), ("der", "der"), ("A", "a"), ("", ""), ("?", "")],
)
def test_articles_marks_and_the_first_letter_do_not_count(answer: str, expected: str) -> None:
    assert folded(answer) == expected


def test_words_are_counted_as_they_stand_within_sentences() -> None:
    sentences = [
        "Ich sehe den Hund. Den Hund sehe ich.",
        "Hund und Katze, sagt ein Hund!",
        "Ich don\u2019t sehe 12 e-mails.",
        "Ich don\u2019t sehe 12 e-mails.",
    ]
    counted = by_frequency(sentences)
    assert counted[0] == "Hund"
    assert counted[1:3] == ["ich", "sehe"]
    assert {"den", "don't", "e-mails"} < set(counted)
    assert not {"Den", "Ich", "12"} & set(counted)


def test_without_the_dictionary_it_says_where_to_get_it(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    absent = tmp_path / "de-en.txt"
    assert main(["--bundle", "models/translate-en-de/7", "--dictionary", str(absent)]) == 2
    assert f"words: {absent}: No such file or directory; install it" in capsys.readouterr().err
    absent.write_bytes(b"\xff")
    assert main(["--bundle", "models/translate-en-de/7", "--dictionary", str(absent)]) == 2
    assert "is not UTF-8" in capsys.readouterr().err


def test_a_bundle_of_another_task_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--bundle", "models/digits/4"]) == 2
    assert "models/digits/4: is no translator of English and German" in capsys.readouterr().err
