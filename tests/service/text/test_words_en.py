"""Both tokenizers: runs of letters of any alphabet, the words of a treebank; time linear in the text."""

# ruff: noqa: RUF001 - letters that look like others are the point

import unicodedata

import pytest

from service.text import Tokenizer, normalize_word, tokenize
from tests.support.timing import assert_scales


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", []),
        (" \n\t", []),
        ("The quick, brown fox!", ["the", "quick", "brown", "fox"]),
        ("don't stop", ["don", "t", "stop"]),
        ("don’t “stop”", ["don", "t", "stop"]),
        ("a_b c-d e.g. x2y 42", ["a", "b", "c", "d", "e", "g", "x", "y"]),
        ("½ x² Ⅷ 5€ ☺", ["x"]),
        ("naïve Ärger ÉTUDE", ["naïve", "ärger", "étude"]),
        ("Straße ΣΊΣΥΦΟΣ Дом 日本語 हिन्दी", ["straße", "σίσυφος", "дом", "日本語", "हिन्दी"]),
        ("ısı ILIK", ["ısı", "ilik"]),
        ("𠮷野家 𝔘nicode", ["𠮷野家", "𝔘nicode"]),
        ("1\u0301a", ["a"]),
    ],
)
def test_letters(text: str, words: list[str]) -> None:
    assert tokenize(text, "letters") == words


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", []),
        ("Don't go, it's Mr. Smith's.", ["Do", "n't", "go", ",", "it", "'s", "Mr.", "Smith", "'s", "."]),
        ("We’ll see: they’ve won’t", ["We", "’ll", "see", ":", "they", "’ve", "wo", "n’t"]),
        ("see http://example.org/a?b=1.", ["see", "http://example.org/a?b=1", "."]),
        ("write to a.b@example.org, please", ["write", "to", "a.b@example.org", ",", "please"]),
        ("the U.S. and 3,000.5", ["the", "U.S.", "and", "3,000.5"]),
        ("Well ... no--yes", ["Well", "...", "no", "--", "yes"]),
        ("(al-Ani)", ["(", "al", "-", "Ani", ")"]),
        ("I cannot, gonna", ["I", "can", "not", ",", "gon", "na"]),
        ("dont im ISN'T", ["do", "nt", "i", "m", "IS", "N'T"]),
        ("O'Brien’s Shi'ite", ["O'Brien", "’s", "Shi'ite"]),
        ("e-mail mid-1990s re-elect", ["e-mail", "mid-1990s", "re-elect"]),
        ("11/28/2000, 713-853-3989", ["11/28/2000", ",", "713-853-3989"]),
        ("$200 23rd a_b AT&T", ["$", "200", "23rd", "a_b", "AT&T"]),
        ("J. Smith, Inc. in Sept. 2001", ["J.", "Smith", ",", "Inc.", "in", "Sept.", "2001"]),
        ("US$4.5bn, at 5kg or w/o Yahoo!", ["US$", "4.5", "bn", ",", "at", "5", "kg", "or", "w/o", "Yahoo!"]),
        ("'90s 24/7 9/11 1/2", ["'90s", "24", "/", "7", "9/11", "1", "/", "2"]),
        ("@anna #music -> <-- ------", ["@anna", "#music", "->", "<--", "------"]),
        ("gotta CANNOT That’s hes", ["got", "ta", "CAN", "NOT", "That", "’s", "he", "s"]),
        (
            "a@b see comp.mail.maps (\u201cquoted\u201d)",
            ["a@b", "see", "comp.mail.maps", "(", "\u201c", "quoted", "\u201d", ")"],
        ),
        ("great :-) :( really?!?", ["great", ":-)", ":(", "really", "?!?"]),
        ("see Example.com or report.doc.", ["see", "Example.com", "or", "report.doc", "."]),
        ("go 👍🏽👩‍🚀🇩🇪❤️!", ["go", "👍🏽", "👩‍🚀", "🇩🇪", "❤️", "!"]),
    ],
)
def test_words(text: str, words: list[str]) -> None:
    assert tokenize(text, "words") == words


@pytest.mark.parametrize("tokenizer", ["letters", "words"])
def test_both_spellings_of_an_accent_are_one_word(tokenizer: Tokenizer) -> None:
    text = "Café naïve Ångström"
    assert tokenize(unicodedata.normalize("NFD", text), tokenizer) == tokenize(text, tokenizer)


@pytest.mark.parametrize("tokenizer", ["letters", "words"])
def test_half_a_surrogate_pair_does_no_harm(tokenizer: Tokenizer) -> None:
    words = tokenize("one \ud800two\udfff three", tokenizer)
    assert [word for word in words if word.isalpha()] == ["one", "two", "three"]


@pytest.mark.parametrize("tokenizer", ["letters", "words"])
@pytest.mark.parametrize(
    "piece",
    ["a", "A", "é", "1", ".", "-", "'", "@", "/", "_", "\u0301", "😀", "a.", "a@", "@.", "1.", "1,", "$", "n't", "'s",
     "-a", "a-", "..", "http://", "www.", "w.", ":/", "((", ":)", "a'", "A.B", "<a", "a b",
     "e-", "can", "&A", "A&", "👩\u200d", ":-", "U.S", "1/", "a.com"],
)  # fmt: skip
def test_time_is_linear_in_the_text(piece: str, tokenizer: Tokenizer) -> None:
    """Twelve times the text may take no more than sixty times as long (a square law would take 144)."""
    assert_scales(lambda size: tokenize(piece * (size // len(piece)), tokenizer), 2_000, 24_000, factor=60, floor=0.1)


@pytest.mark.parametrize(
    ("word", "plain", "lower"),
    [
        ("Paris", "Paris", "paris"),
        ("  New   York\n", "New_York", "new_york"),
        ("Cafe\u0301", "Café", "café"),
        ("", "", ""),
        ("\ud800", "\ud800", "\ud800"),
    ],
)
def test_normalize_word(word: str, plain: str, lower: str) -> None:
    assert normalize_word(word, "none") == plain
    assert normalize_word(word, "lower") == lower
