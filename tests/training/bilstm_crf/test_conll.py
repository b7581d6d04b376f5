"""CoNLL-U and column files: sentences and tags, ignored lines, and the errors for malformed files."""

import codecs
import unicodedata
from typing import Any

import pytest

from service.tasks.token_classification.features import Kind
from training.bilstm_crf.data.conll_tags import ReadOptions, TaggedFile, read_sentences
from training.common.errors import DatasetError

pytestmark = pytest.mark.torch

CONLLU = """\
# newdoc
# sent_id = 1
# text = I don't\tknow
1\tI\tI\tPRON\tPRP\t_\t0\troot\t_\t_
2-3\tdon't\t_\t_\t_\t_\t_\t_\t_\t_
2\tdo\tdo\tAUX\tVBP\t_\t1\taux\t_\t_
3\tn't\tnot\tPART\tRB\t_\t1\tadvmod\t_\t_
3.1\tgone\t_\tVERB\t_\t_\t_\t_\t_\t_
4\tknow\tknow\tVERB\tVB\t_\t1\tdep\t_\t_

# text = #1
1\t#\t#\tSYM\tNN\t_\t0\troot\t_\t_
2\t1\t1\tNUM\tCD\t_\t1\tdep\t_\t_
"""

UNER = """\
# sent_id = a-1
# text = # Al-Zaman is here
1\t#\tO
2\tAl\tB-ORG\t-\tsomebody
3\t-\tI-ORG\t-\tsomebody
4\tZaman\tI-ORG\t-\tsomebody

# text = No
1\tNo\tO\t-\t-
"""


def read(text: str | bytes, name: str = "f.txt", kind: Kind | None = None, **choices: Any) -> TaggedFile:
    content = text if isinstance(text, bytes) else text.encode()
    return read_sentences(content, name, ReadOptions(**choices), kind)


def tags(text: str, **choices: Any) -> list[str]:
    return [" ".join(sentence.tags) for sentence in read(text, **choices).sentences]


def error_message(text: str | bytes, name: str = "f.txt", **choices: Any) -> str:
    with pytest.raises(DatasetError) as caught:
        read(text, name, **choices)
    return str(caught.value)


@pytest.mark.parametrize("name", ["f.conllu", "f.conllu.gz", "f.txt"])
def test_conllu(name: str) -> None:
    result = read(CONLLU, name)
    assert result.kind == "tags"
    assert [sentence.words for sentence in result.sentences] == [("I", "do", "n't", "know"), ("#", "1")]
    assert [sentence.tags for sentence in result.sentences] == [("PRON", "AUX", "PART", "VERB"), ("SYM", "NUM")]
    assert [sentence.location for sentence in result.sentences] == [f"{name}:4", f"{name}:12"]


@pytest.mark.parametrize(
    ("column", "first"), [("xpos", "PRP"), ("XPOS", "PRP"), ("5", "PRP"), ("-3", "root"), ("lemma", "I")]
)
def test_other_columns_of_conllu(column: str, first: str) -> None:
    assert read(CONLLU, column=column).sentences[0].tags[0] == first


def test_named_columns_of_conllu_plus() -> None:
    text = "# global.columns = ID FORM NER\n1\tAnna\tB-PER\n2\tran\tO\n"
    result = read(text, "f.conllup", column="ner")
    assert (result.kind, result.sentences[0].tags) == ("spans", ("B-PER", "O"))
    assert read(text, "f.conllup").sentences == result.sentences
    assert "has no column upos of tags; its columns are ner" in error_message(text, "f.conllup", column="upos")
    assert "begins with ID and has FORM" in error_message("# global.columns = ID NER\n1\tO\n", "f.conllup")


def test_universal_ner() -> None:
    result = read(UNER)
    assert result.kind == "spans"
    assert [sentence.words for sentence in result.sentences] == [("#", "Al", "-", "Zaman"), ("No",)]
    assert result.sentences[0].tags == ("O", "B-ORG", "I-ORG", "I-ORG")
    assert read(UNER, column="ner").sentences == read(UNER, column="3").sentences == result.sentences
    assert "f.txt:3: has 3 columns; the tag is expected in 5" in error_message(UNER, column="5")


@pytest.mark.parametrize("gap", ["\n", "\t\n", "  \n\n\n", "\r\n"])
@pytest.mark.parametrize("between", ["\t", " ", "  "])
def test_columns(gap: str, between: str) -> None:
    """Tabs or spaces, any empty lines, hash tags, document starts."""
    lines = ["-DOCSTART- -X- O", "", "# NN O", "#home NN O", "Rome NNP B-LOC"]
    text = "\n".join(between.join(line.split()) for line in lines) + f"\n{gap}" + between.join(["We", "PRP", "O"])
    result = read(text)
    assert [sentence.words for sentence in result.sentences] == [("#", "#home", "Rome"), ("We",)]
    assert [sentence.tags for sentence in result.sentences] == [("O", "O", "B-LOC"), ("O",)]
    assert read(text, column="2").sentences[0].tags == ("NN", "NN", "NNP")
    assert read(text, column="-2").kind == "tags"


def test_comments_between_tabs() -> None:
    assert [s.words for s in read("# id 1\n#\tO\nRome\tB-LOC\n").sentences] == [("#", "Rome")]


def test_comments_between_spaces() -> None:
    assert [s.words for s in read("# sent_id = 1\n# O\nRome B-LOC\n").sentences] == [("#", "Rome")]


def test_conllu_between_spaces() -> None:
    assert read(CONLLU.replace("\t", " "), "f.conllu").sentences == read(CONLLU, "f.conllu").sentences


def test_a_first_column_of_numbers_may_be_words() -> None:
    result = read("1 CD O\n2 CD O\n\n7 CD O\nRome NNP B-LOC\n")
    assert result.sentences[1].words == ("7", "Rome")


def test_words_are_composed_and_stripped() -> None:
    decomposed = unicodedata.normalize("NFD", "Zoë")
    assert read(f"{decomposed} \tB-PER\n").sentences[0].words == ("Zoë",)


def test_a_byte_order_mark_is_no_word() -> None:
    content = codecs.BOM_UTF8 + "Ärger\tX\r\nda\tY\r\n".encode()
    result = read(content, "f")
    assert result.sentences[0].words == ("Ärger", "da")
    assert result.sentences[0].tags == ("X", "Y")


@pytest.mark.parametrize(
    "written",
    [
        "I-PER I-PER B-PER O I-LOC",
        "B-PER I-PER B-PER O B-LOC",
        "B-PER E-PER S-PER O S-LOC",
        "B-PER L-PER U-PER O U-LOC",
    ],
)
def test_schemes_are_recognized(written: str) -> None:
    text = "".join(f"w\t{tag}\n" for tag in written.split())
    assert tags(text) == ["B-PER I-PER B-PER O B-LOC"]
    scheme = "bioes" if "S-" in written or "U-" in written else "iob1" if written[0] == "I" else "iob2"
    assert tags(text, scheme=scheme) == tags(text)
    assert tags(text, scheme="none") == [written]


def test_kinds_are_recognized() -> None:
    assert read("a O\nb O\n").kind == "tags"
    assert read("a O\nb O\n", column="ner").kind == "spans"
    assert read("a O\nb O\n", "f.iob2.gz").kind == "spans"
    assert read("a O\nb O\n", scheme="iob2").kind == "spans"
    assert read("a O\nb O\n", kind="spans").kind == "spans"
    assert read("a B-X\n", kind="tags").kind == "tags"


def test_a_contradiction_names_both_lines() -> None:
    text = "a O\nb I-PER\n\nc O\nd B-PER\n"
    assert error_message(text).startswith(
        "f.txt:2 and f.txt:5: I-PER after O begins a span as in IOB1, but B-PER after O"
    )
    assert tags(text, scheme="iob2") == ["O B-PER", "O B-PER"]


@pytest.mark.parametrize(
    ("text", "choices", "message"),
    [
        ("", {}, "f.txt: holds no sentences"),
        ("\n\n  \n", {}, "f.txt: holds no sentences"),
        ("-DOCSTART- O\n\n", {}, "f.txt: holds no sentences"),
        ("a\nb\n", {}, "f.txt:1: has 1 column; a word and its tag are expected"),
        ("a X\nb Y\nc\n", {}, "f.txt:3: has 1 column; 2 are expected"),
        ("a X\nb Y Z\nc V\n", {}, "f.txt:2: has 3 columns; 2 are expected"),
        ("a\tX\n\tY\nc\tZ\n", {}, "f.txt:2: the word, in column 1, is empty"),
        ("a\tX\nb\t\n", {}, "f.txt:2: has no tag in column 2"),
        ("a\tB-PER\nb\tB\n", {}, "f.txt:2: the tag B has no type; O or a tag such as B-PER is expected"),
        ("a\tB-PER\nb\tI-\n", {}, "f.txt:2: the tag I- has no type; O or a tag such as I-PER is expected"),
        ("a\tB-PER\nb\tX-PER\n", {}, "f.txt:2: the tag X-PER is no tag of spans: O or B-, I-, E-, S-, L-, U- with"),
        ("a\tS-PER\n", {"scheme": "iob2"}, "f.txt:1: the tag S-PER is none of IOB2, which has O and B-, I-"),
        ("a\tNOUN\n", {"scheme": "bioes"}, "f.txt:1: the tag NOUN is no tag of spans"),
        ("a X Y\n", {"column": "4"}, "f.txt: has no column 4 of tags; its columns are 1 to 3, and 1 holds the words"),
        ("a X Y\n", {"column": "0"}, "f.txt: has no column 0 of tags"),
        ("a X Y\n", {"column": "-4"}, "f.txt: has no column -4 of tags"),
        ("a X Y\n", {"column": "1"}, "f.txt: column 1 holds the words, no tags"),
        ("a X Y\n", {"column": "upos"}, "f.txt: has no column upos of tags; its columns are 1 to 3"),
        (UNER, {"column": "1"}, "f.txt: column 1 holds their numbers, no tags"),
        (UNER + "\n" + UNER + "x\ty\tO\n", {}, "f.txt:20: begins with 'x'; the number of a word is expected"),
        (UNER + "2\ty\n", {}, "f.txt:10: has 2 columns; 3 to 5 are expected"),
        (CONLLU, {"column": "ner"}, "f.txt: has no column ner of tags; its columns are lemma, upos, xpos"),
        (CONLLU, {"column": "form"}, "f.txt: has no column form of tags"),
        (CONLLU, {"column": "11"}, "f.txt: has no column 11 of tags"),
        (CONLLU, {"column": "feats"}, "f.txt: column feats is empty (`_`) throughout; its columns are lemma, upos"),
        (CONLLU + "3\tx\n", {}, "f.txt:14: has 2 columns; 10 are expected, separated by tabs"),
        ("1\t_\t_\tX\t_\t_\t_\t_\t_\t_\n", {}, "f.txt: has `_` for all words"),
        ("a\0\tX\n", {}, "f.txt:1: holds a zero byte"),
        ("a X\nÄ Y\n".encode("latin1"), {}, "f.txt:2: is not UTF-8; it looks like Latin-1 or Windows-1252: add --enc"),
    ],
)  # fmt: skip
def test_malformed_files_are_refused(text: str | bytes, choices: dict[str, str], message: str) -> None:
    assert error_message(text, **choices).startswith(message)
