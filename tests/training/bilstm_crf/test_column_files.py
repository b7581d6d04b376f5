"""Column files as others write them: white space in words, encodings, comments, bad lines, missing tags, labels."""

import bz2
import gzip
import lzma
import re
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest

from tests.support.sentence_pairs import zip_of_texts
from training.bilstm_crf.config import DataConfig
from training.bilstm_crf.data.conll_tags import ReadOptions, TaggedFile, read_sentences
from training.bilstm_crf.data.dataset import Sentence
from training.bilstm_crf.data.sources import load_data
from training.bilstm_crf.data.splits import hold_out, split_notes
from training.common.errors import DatasetError

pytestmark = pytest.mark.torch


def read(text: str | bytes, name: str = "f.txt", **options: Any) -> TaggedFile:
    return read_sentences(text if isinstance(text, bytes) else text.encode(), name, ReadOptions(**options))


def words(text: str | bytes, name: str = "f.txt", **options: Any) -> list[tuple[str, ...]]:
    return [sentence.words for sentence in read(text, name, **options).sentences]


def error_message(text: str | bytes, name: str = "f.txt", **options: Any) -> str:
    with pytest.raises(DatasetError) as caught:
        read(text, name, **options)
    return str(caught.value)


def conllu(*rows: Sequence[str]) -> str:
    """A sentence of rows of (number, form, tag) or (number, form, tag, misc)."""
    lines = ["\t".join((row[0], row[1], "_", row[2], "_", "_", "0", "_", "_", *(row[3:] or ("_",)))) for row in rows]
    return "\n".join(lines) + "\n\n"


@pytest.mark.parametrize(
    "word",
    ["3\u00a0000", "a\u3000b", "a\u2028b", "a\u0085b", "a\u2009b", "a\x0bb", "a\x0cb", "\u00a0", "\u3000"],
    ids=ascii,
)
@pytest.mark.parametrize("separator", [" ", "\t", "  "])
def test_only_spaces_and_tabs_separate_columns(word: str, separator: str) -> None:
    text = f"one{separator}NN{separator}X\n{word}{separator}NN{separator}X\nlast{separator}NN{separator}X\n"
    assert words(text) == [("one", word, "last")]


@pytest.mark.parametrize("word", ["3 000", "Nhà nước", "a  b", "\u0493\u0430\u043d  \u0435\u043c\u0435\u0441"])
def test_words_with_spaces_in_conllu_and_between_tabs(word: str) -> None:
    assert words(conllu(("1", word, "NUM"), ("2", f" {word} ", "X")), "f.conllu") == [(word, word)]
    assert words(f"{word}\tNUM\nx\tX\n") == [(word, "x")]
    text = f"# text = a {word}\n" + conllu(("1", "a", "X"), ("2", word, "NUM"))
    (sentence,) = read(text, "f.conllu").sentences
    assert sentence.raw is not None
    assert [sentence.raw.text[token.start : token.end] for token in sentence.raw.tokens] == ["a", word]


def test_ranges_and_empty_nodes_are_no_words() -> None:
    text = conllu(("1-2", "du", "_"), ("1", "de", "ADP"), ("2", "le", "DET"), ("2.1", "x", "VERB"), ("3", "pain", "N"))
    assert words(text + "0.1\tx" + "\t_" * 8 + "\n" + conllu(("1", "oui", "N")), "f.conllu") == [
        ("de", "le", "pain"), ("oui",),
    ]  # fmt: skip
    assert read(text, "f.conllu").notes == (), "the missing tag of a range is none of a word"


@pytest.mark.parametrize(
    "written",
    [
        "a NN X\nb NN Y\n\nc NN X",
        "a NN X\r\nb NN Y\r\n\r\nc NN X\r\n",
        "a NN X\rb NN Y\r\rc NN X\r",
        "\ufeffa NN X\nb NN Y\n \t\nc NN X\n",
        "a NN X \nb NN Y\t\n\f\nc NN X\t \n",
        "a\tNN\tX\t\nb\tNN\tY\t\t\n\t\t\nc\tNN\tX\n",
        "\n\n\na NN X\nb NN Y\n\n\n\u3000\n\nc NN X\n\n\n",
        "-DOCSTART- -X- O\n\na NN X\nb NN Y\n-DOCSTART- -X- O\nc NN X\n",
        "# a comment without columns\na NN X\nb NN Y\n\n# another one, of more words\nc NN X\n",
        "a  NN\tX\nb\tNN Y\n\nc \t NN \t X\n",
    ],
    ids=["plain", "CR LF", "CR", "mark", "trailing", "trailing tabs", "empty lines", "documents", "comments", "mixed"],
)
@pytest.mark.parametrize("encoding", ["utf-8", "utf-16", "utf-8-sig", "utf-32"])
def test_lines_and_encodings(written: str, encoding: str) -> None:
    file = read(written.removeprefix("\ufeff").encode(encoding) if encoding != "utf-8" else written)
    assert [(sentence.words, sentence.tags) for sentence in file.sentences] == [
        (("a", "b"), ("X", "Y")), (("c",), ("X",)),
    ]  # fmt: skip
    assert file.notes == ()


def test_latin_1_goes_with_its_name() -> None:
    content = "Él NN O\nhabló VB O\nMálaga NC B-LOC\n".encode("latin-1")
    assert words(content, encoding="latin-1") == [("Él", "habló", "Málaga")]
    assert "add --encoding cp1252" in error_message(content)
    assert "f.txt:1: is not ascii; name the encoding that the file has" in error_message(content, encoding="ascii")


def test_a_hash_is_a_word_where_it_has_the_columns_of_one() -> None:
    assert words("# NN\n1 CD\n\n#x NN\n# NN\n") == [("#", "1"), ("#x", "#")]
    assert words("#\tNN\n1\tCD\n") == [("#", "1")]
    assert words("# one comment\n#\n# NN\n1 CD\n") == [("#", "1")]
    assert "f.txt:2: has 1 column; 2 are expected" in error_message("1\tCD\n#tag\na\tX\n"), "no word is lost"
    assert "f.txt:2: has 1 column; 2 are expected" in error_message("1\tCD\n# X\na\tX\n")
    assert words("# sent_id = 1\na X\nb Y\n") == [("a", "b")]


def test_all_bad_lines_are_named_at_once() -> None:
    text = "a X\nb\n\nc X Y\nd X\n\ne X\n"
    assert error_message(text) == (
        "f.txt:2: has 1 column; 2 are expected\nf.txt:4: has 3 columns; 2 are expected\n"
        "2 bad lines; correct them, or leave the sentences with such lines out with --skip-bad"
    )
    assert error_message("a X\nb\n") == (
        "f.txt:2: has 1 column; 2 are expected; correct it, or leave the sentences with such lines out with --skip-bad"
    )


def test_faults_of_every_kind_are_in_one_list() -> None:
    text = "a\tB-PER\nb\tO\tO\n\nc\t\nd\tO\n\n\tO\ne\tB\nf\tY-LOC\n\ng\0\tO\nh\tO\n\ni\tO\n"
    lines = error_message(text.encode() + b"\xc3\tO\n\xc3\xa4\tO\n", column="ner").split("\n")
    assert [line.split(": ")[0] for line in lines[:-1]] == [
        "f.txt:2", "f.txt:4", "f.txt:7", "f.txt:8", "f.txt:9", "f.txt:11", "f.txt:15",
    ]  # fmt: skip


def test_twenty_bad_lines_are_listed_and_all_are_counted() -> None:
    lines = error_message("a X\n" * 40 + "b\n" * 30).split("\n")
    assert [line.split(":")[1] for line in lines[:-1]] == [str(number) for number in range(41, 61)]
    assert lines[-1].startswith("30 bad lines, of which the first 20 are listed; correct them, or leave")


def test_sentences_with_bad_lines_are_left_out_on_request() -> None:
    file = read("a X\nb\n\nc X\nd X\n\ne X Y\n\nf X\n", skip_bad=True)
    assert [sentence.words for sentence in file.sentences] == [("c", "d"), ("f",)]
    assert file.notes == (
        "f.txt: 2 sentences left out: line 2 has 1 column; 2 are expected, line 7 has 3 columns; 2 are expected",
    )
    content = "a\tX\n\nbä\tX\n\nc\tX\n".encode() + b"\xff\tX\n"
    assert words(content, skip_bad=True) == [("a",), ("bä",)]
    assert read("a X\nb X\n", skip_bad=True).notes == ()


def test_a_file_of_bad_lines_only_is_refused() -> None:
    assert "f.txt:1: the tag X is no tag of spans" in error_message("a X\nb X\n", skip_bad=True, scheme="iob2")


def test_bad_rows_of_conllu_with_text_do_not_disturb_the_others() -> None:
    text = "# text = a b\n1\ta\n2\n\n# text = c\n" + conllu(("1", "c", "X"))
    file = read(text, "f.conllu", skip_bad=True)
    assert [sentence.words for sentence in file.sentences] == [("c",)]
    assert file.sentences[0].raw is not None


def test_missing_empty_lines_between_numbered_sentences_are_noticed() -> None:
    text = conllu(("1", "a", "X"), ("2", "b", "X")).rstrip("\n") + "\n" + conllu(("1", "c", "X"))
    assert "f.conllu:3: has the number 1 after 2; an empty line between sentences is missing" in error_message(
        text, "f.conllu"
    )


def test_sentences_without_a_tag_are_left_out_and_counted() -> None:
    text = conllu(("1", "a", "X")) + conllu(("1", "b", "_"), ("2", "c", "X")) + conllu(("1", "d", "X"))
    file = read(text, "f.conllu")
    assert [sentence.words for sentence in file.sentences] == [("a",), ("d",)]
    assert file.notes == ("f.conllu: 1 sentence left out: column upos is `_` there (line 3)",)
    file = read("a X\nb _\n\n" * 5 + "c X\n")
    assert [sentence.words for sentence in file.sentences] == [("c",)]
    assert file.notes == ("f.txt: 5 sentences left out: column 2 is `_` there (line 1, line 4, line 7, …)",)
    assert "all of its 2 sentences cannot be used: column 2 is `_`" in error_message("a X\nb _\n\nc _\nd X\n")


def test_no_features_are_a_tag() -> None:
    text = "1\ta\t_\tX\t_\tCase=Nom\t0\t_\t_\t_\n2\tb\t_\tX\t_\t_\t0\t_\t_\t_\n"
    assert read(text, "f.conllu", column="feats").sentences[0].tags == ("Case=Nom", "_")
    text = "1\t_\t_\tX\t_\t_\t0\t_\t_\t_\n2\tb\tbe\tX\t_\t_\t0\t_\t_\t_\n"
    assert read(text, "f.conllu", column="lemma").sentences[0].tags == ("_", "be")
    assert "column xpos is empty (`_`) throughout; its columns are lemma, upos" in error_message(
        text, "f.conllu", column="xpos"
    )


def test_contradicting_schemes_are_left_out_on_request() -> None:
    text = "a O\nb B-PER\n\nc O\nd I-PER\n\ne O\nf B-LOC\n"
    assert "(in 1 and 2 sentences); repair the fewer, leave them out with --skip-bad" in error_message(text)
    file = read(text, skip_bad=True)
    assert [sentence.words for sentence in file.sentences] == [("a", "b"), ("e", "f")]
    assert file.notes == ("f.txt: 1 sentence left out: tags of another scheme (line 4)",)


def test_a_bad_tag_of_universal_ner_does_not_change_the_column() -> None:
    text = "1\tAl\tB-ORG\t-\tme\n2\tZaman\tI\t-\tme\n\n1\tNo\tO\t-\tme\n2\tno\tO\t-\tme\n"
    assert error_message(text).startswith("f.txt:2: the tag I has no type")
    assert words(text, skip_bad=True) == [("No", "no")]


CONLL_2003 = """\
-DOCSTART- -X- -X- O

EU NNP I-NP I-ORG
rejects VBZ I-VP O
German JJ I-NP I-MISC

-DOCSTART- -X- -X- O

A DT I-NP O
"""


def test_files_of_conll_2003() -> None:
    file = read(CONLL_2003)
    assert (file.kind, [sentence.tags for sentence in file.sentences]) == ("spans", [("B-ORG", "O", "B-MISC"), ("O",)])
    assert read(CONLL_2003, column="2").sentences[0].tags == ("NNP", "VBZ", "JJ")
    assert "has no column upos of tags; its columns are 1 to 4, and 1 holds the words" in error_message(
        CONLL_2003, column="upos"
    )


def test_white_space_around_tags_is_none_of_them() -> None:
    assert read("a\tX\u00a0\nb\t X \n").sentences[0].tags == ("X", "X")


@pytest.mark.parametrize(
    "number",
    ["0", "x", "9" * 5000, "\u00b2", "1-", "3-" + "4" * 5000],
    ids=["zero", "letter", "long", "superscript", "half a range", "long range"],
)
def test_wrong_numbers_of_words_are_bad_lines(number: str) -> None:
    text = conllu((number, "a", "X")) + conllu(("1", "b", "X"))
    assert len(error_message(text, "f.conllu")) < 300
    assert words(text, "f.conllu", skip_bad=True) == [("b",)]


def test_tags_that_continue_no_span_are_noted() -> None:
    text = "a O\nb I-PER\nc I-PER\nd I-LOC\n\ne E-LOC\n"
    notes = read(text.replace("E-", "I-"), scheme="iob2").notes
    assert notes == ("f.txt: 3 tags continue a span that no tag begins; read as its beginning (the first: line 2)",)
    assert read(text.replace("E-", "I-"), scheme="iob1").notes == ()
    assert read("a B-X\nb E-X\n\nc E-X\n").notes == (
        "f.txt: 1 tag continues a span that no tag begins; read as its beginning (the first: line 4)",
    )


def zipped(content: bytes) -> bytes:
    return zip_of_texts(x=content.decode())


@pytest.mark.parametrize(
    "pack", [gzip.compress, bz2.compress, lzma.compress, zipped], ids=["gzip", "bzip2", "xz", "zip"]
)
def test_packed_files(pack: Callable[[bytes], bytes], tmp_path: Path) -> None:
    path = tmp_path / "X.IOB2.packed"
    path.write_bytes(pack(b"a O\nb O\n\nc O\n"))
    assert [sentence.words for sentence in load_data(DataConfig(train=str(path))).splits["train"]] == [("a", "b")]


@pytest.mark.parametrize(
    "header", ["token\tpos", "Word\tTag", "TOKEN\tNER-Tag", "# word\tlabel", "#form\tupos", "Wort\tPOS"]
)
@pytest.mark.parametrize("before", ["", "\n", "# a comment\n"], ids=["first", "after-an-empty-line", "after-a-comment"])
def test_a_first_line_that_names_the_columns_is_left_out(header: str, before: str) -> None:
    file = read(f"{before}{header}\nHunde\tNN\nbellen\tVV\n\nja\tADV\n")
    assert [sentence.words for sentence in file.sentences] == [("Hunde", "bellen"), ("ja",)]
    assert file.sentences[0].location == f"f.txt:{2 + before.count(chr(10))}"
    name = header.split("\t")[1].lower()
    assert file.reading == f"f.txt: column 2 ({name}) is read as plain tags"
    assert file.notes[0].startswith("f.txt: the first line names the columns (")


def test_names_of_columns_choose_one() -> None:
    text = "token\tlemma\tpos\tner\nAnna\tAnna\tNE\tB-PER\nruft\trufen\tVV\tO\n"
    assert read(text).sentences[0].tags == ("B-PER", "O")
    assert read(text, column="pos").sentences[0].tags == ("NE", "VV")
    assert read(text, column="2", scheme="none").sentences[0].tags == ("Anna", "rufen")
    assert words("id\ttoken\tpos\n1\ta\tX\n2\tb\tY\n") == [("a", "b")]


@pytest.mark.parametrize("first", ["pos\tNN", "token\tNN", "Word\tPROPN", "The\tTag"])
def test_a_first_line_of_a_word_and_its_tag_stays(first: str) -> None:
    assert words(f"{first}\nHunde\tNN\n") == [(first.split("\t")[0], "Hunde")]


@pytest.mark.parametrize("header", ["tag\tword", "Sentence #\tWord\tTag"])
def test_words_that_do_not_come_first_are_refused(header: str) -> None:
    row = "\t".join("abc"[: header.count("\t") + 1])
    assert re.match(r"f.txt:1: says that column 2 holds the words; .* column 1,", error_message(f"{header}\n{row}\n"))


@pytest.mark.parametrize(
    ("tags", "reading"),
    [
        (("I-PER", "O"), "spans in IOB1"),
        (("B-PER", "O"), "spans in IOB2"),
        (("S-PER", "O"), "spans in BIOES"),
        (("NOUN", "VERB"), "plain tags"),
    ],
)
def test_the_log_says_what_was_read(tags: tuple[str, str], reading: str, tmp_path: Path) -> None:
    path = tmp_path / "f.txt"
    path.write_text("".join(f"Anna\tx\t{tags[0]}\nruft\ty\t{tags[1]}\n\n" for _ in range(20)))
    assert load_data(DataConfig(train=str(path))).notes[0] == f"{path}: column 3 is read as {reading}"


@pytest.mark.parametrize(
    ("tag", "spelled"),
    [("b-per", "B-PER"), ("B_PER", "B-PER"), ("PER-B", "B-PER"), ("B:Per", "B-PER"), ("i_org", "I-ORG")],
)
@pytest.mark.parametrize("outside", ["O", "o"])
def test_spans_in_another_spelling_are_noted(tag: str, spelled: str, outside: str) -> None:
    file = read(f"Anna {tag}\nruft {outside}\n")
    assert file.kind == "tags"
    (note,) = file.notes
    assert note.startswith(
        f"f.txt: tags such as {tag} look like spans and are read as plain tags; write them as {spelled},"
    )
    assert read(f"Anna {tag}\nruft {outside}\n", scheme="none").notes == ()


@pytest.mark.parametrize("tag", ["NN", "NN-S", "V_INF", "PERSON", "B-PER"])
def test_other_tags_are_not_taken_for_spans(tag: str) -> None:
    assert read(f"Anna {tag}\nruft {'O' if tag == 'B-PER' else 'V-I'}\n").notes == ()


@pytest.mark.parametrize("tags", [("B-PER", "O"), ("NN", "VV")])
def test_tags_in_front_of_the_words_are_refused(tags: tuple[str, str]) -> None:
    text = "".join(f"{tags[number % 2]}\tword{number}\n" for number in range(40))
    assert error_message(text) == (
        f"f.txt: column 1 holds tags ({', '.join(tags)}), but the words are expected there and their tags behind them; "
        "exchange columns 1 and 2"
    )
    assert len(words("".join(f"word{number}\t{tags[number % 2]}\n" for number in range(40)))[0]) == 40


def test_comments_do_not_count_as_columns() -> None:
    assert words("# newdoc\na\tX\n\n# newpar\nb\tX\n") == [("a",), ("b",)]


def many_tags(count: int) -> str:
    return "".join(f"w{number} K{number % 7} T{number}\n" + "\n" * (number % 50 == 0) for number in range(count))


def test_too_many_labels_are_refused_with_the_columns_that_have_fewer() -> None:
    assert len({tag for sentence in read(many_tags(1000)).sentences for tag in sentence.tags}) == 1000
    assert error_message(many_tags(1001)) == (
        "f.txt: column 3 has 1,001 different tags (T0, T1, T2, …); a tagger can have 1,000; "
        "columns with fewer: 2 (7); name one with --column"
    )
    lemmas = "".join(f"1\tw{number}\tl{number}\tT{number % 3}\t_\t_\t0\troot\t_\t_\n\n" for number in range(1200))
    assert error_message(lemmas, "f.conllu", column="lemma") == (
        "f.conllu: column lemma has 1,200 different tags (l0, l1, l2, …); a tagger can have 1,000; "
        "columns with fewer: upos (3); name one with --column"
    )
    types = "".join(f"w B-T{number}\n\n" for number in range(250))
    assert "column 2 has 250 types of spans, so 1,001 labels (T0, T1, T2, …)" in error_message(types)


def test_very_long_sentences_are_left_out() -> None:
    file = read("a X\n" * 1001 + "\n" + "b X\n" * 1000)
    assert [len(sentence.words) for sentence in file.sentences] == [1000]
    assert file.notes[0].startswith("f.txt: 1 sentence left out: more than 1,000 words")
    assert "its only sentence cannot be used: more than 1,000 words, which the server does not tag; an" in (
        error_message("a X\n" * 5000)
    )


def test_rows_with_and_without_a_tab_are_told_apart() -> None:
    assert "f.txt:3: has 1 column; 2 are expected" in error_message("Rome\tX\nOslo\tX\nNew York\nBonn\tX\n")
    assert words("New York\tX\nLos Angeles\tX\n") == [("New York", "Los Angeles")]


def sentence(text: str, tags: str, location: str = "") -> Sentence:
    return Sentence(tuple(text.split()), tuple(tags.split()), location)


def test_notes_on_splits() -> None:
    train = [sentence("a b", "X Y"), sentence("c", "X")]
    splits = {"train": train, "dev": [sentence("d", "X")], "test": [sentence("a b", "X Z", "t:1"), sentence("e", "Z")]}
    assert split_notes(splits, "tags") == [
        "1 of 2 test sentences are training sentences too (the first: t:1), so figures on test are better than on new "
        "text",
        "training lacks tags of test, which are always wrong (with their words): Z (2)",
    ]
    spans = {"train": [sentence("a b", "B-PER O")], "dev": [sentence("c d e", "B-PER I-PER B-LOC")]}
    assert split_notes(spans, "spans") == [
        "training lacks tags of dev, which are always wrong (with their words): LOC (1)"
    ]


@pytest.mark.parametrize(("count", "dev"), [(2, [1]), (9, [8]), (10, [9]), (25, [9, 19])])
def test_sentences_are_held_out(count: int, dev: list[int]) -> None:
    sentences = [sentence(str(number), "X") for number in range(count)]
    train, held_out = hold_out(sentences, "f")
    assert held_out == [sentences[index] for index in dev]
    assert sorted(map(str, train + held_out)) == sorted(map(str, sentences))
