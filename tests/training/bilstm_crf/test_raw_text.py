"""The text of CoNLL-U files: tokens, multiword tokens, paragraphs, contractions."""

import re
from itertools import accumulate

import pytest

from service.tasks.token_classification.segmentation_numbers import NumberRules
from tests.support.raw_conllu import conllu
from training.bilstm_crf.data.conll_tags import ReadOptions, read_sentences
from training.bilstm_crf.data.contractions import ambiguous_contractions, learn_contractions
from training.bilstm_crf.data.dataset import RawSentence, RawToken
from training.bilstm_crf.data.raw_text import inner_spaces, number_rules, raw_document, read_raw_sentences


def row(number: str, form: str, misc: str = "_", tag: str = "X") -> str:
    return "\t".join((number, form, "_", tag, "_", "_", "_", "_", "_", misc))


FILE = "\n".join((
    "# newdoc id = a", "# text = L'ami du train.", row("1", "L'", "SpaceAfter=No"), row("2", "ami"), row("3-4", "du"),
    row("3", "de"), row("4", "le"), row("4.1", "nothing"), row("5", "train", "SpaceAfter=No"),
    row("6", ".", "SpaceAfter=No"), "",
    "# text = 10 000 du", row("1", "10 000"), row("2-3", "du"), row("2", "de"), row("3", "le"), "",
    "# newpar", "# text = Du!", row("1-2", "Du", "SpaceAfter=No"), row("1", "De"), row("2", "le"), row("3", "!"), "",
    "# text = other words", row("1", "These"), "",
    row("1", "textless"), "",
))  # fmt: skip

LINES = FILE.split("\n")


def test_tokens_stand_where_the_text_has_them() -> None:
    raw = read_raw_sentences(LINES, range(99))
    assert sorted(raw) == [3, 13, 21], "sentences without their text, or with another one, are left out"
    first, second, third = raw.values()
    assert [(first.text[token.start : token.end], token.words) for token in first.tokens] == [
        ("L'", ()), ("ami", ()), ("du", ("de", "le")), ("train", ()), (".", ())
    ]  # fmt: skip
    assert [sentence.space_after for sentence in raw.values()] == [False, True, True]
    assert [sentence.starts_paragraph for sentence in raw.values()] == [True, False, True]
    text, tokens = raw_document([first, second, third])
    assert text == "L'ami du train.10 000 du\n\nDu!"
    assert [text[token.start : token.end] for line in tokens for token in line][-3:] == ["du", "Du", "!"]


@pytest.mark.parametrize("newline", ["\n", "\r\n"])
def test_sentences_get_their_text(newline: str) -> None:
    tagged = read_sentences(FILE.replace("\n", newline).encode(), "x.conllu", ReadOptions(scheme="none"))
    assert [sentence.raw is not None for sentence in tagged.sentences] == [True, True, True, False, False]
    assert tagged.sentences[2].words == ("De", "le", "!")
    columns = read_sentences(b"a\tX\nb\tY\n", "x.txt", ReadOptions(scheme="none"))
    assert columns.sentences[0].raw is None


def test_contractions_are_listed_in_lower_case_where_that_is_enough() -> None:
    raw = list(read_raw_sentences(LINES, range(99)).values())
    assert learn_contractions(raw) == {"du": ("de", "le")}
    assert ambiguous_contractions(raw, {"du": ("de", "le"), "Ami": ("a", "mi")}) == ("ami",)
    odd = RawSentence("DU", (RawToken(0, 2, ("DE", "Le")),))
    assert learn_contractions([odd]) == {"du": ("de", "le"), "DU": ("DE", "Le")}


def test_spaces_inside_tokens() -> None:
    def of(text: str) -> str:
        return inner_spaces([RawSentence(text, (RawToken(0, len(text)),))])

    assert [of(text) for text in ("word", "10 000", "a b")] == ["none", "digits", "any"]


def test_what_a_treebank_does_with_numbers() -> None:
    def of(*texts: str) -> NumberRules:
        """The rules of sentences whose tokens have `|` between them where there is no space."""
        sentences = []
        for text in texts:
            parts = re.findall(r"[^| ]+", text)
            ends = list(accumulate(map(len, parts)))
            tokens = tuple(RawToken(end - len(part), end) for part, end in zip(parts, ends, strict=True))
            sentences.append(RawSentence("".join(parts), tokens))
        return number_rules(sentences)

    assert of("12,50", "12:30") == (True, "")
    assert of("12,50", "12|,|50") == (False, "")
    assert of("20|h|30", "9|H|05", "10|h|00") == (True, "h")
    assert of("20|h|30", "9|H|05") == (True, ""), "two are too few to learn from"
    assert of("20|h|30", "9|H|05", "10|h|00", "10h00") == (True, "")


def test_the_generated_treebank_is_read_whole() -> None:
    tagged = read_sentences(conllu(30, 1).encode(), "x.conllu", ReadOptions())
    assert all(sentence.raw for sentence in tagged.sentences)
