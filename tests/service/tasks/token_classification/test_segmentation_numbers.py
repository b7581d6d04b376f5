"""Numbers of raw text are one token, whatever a learned segmenter's network says of their characters."""

from __future__ import annotations

import gzip
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from service.tasks.token_classification.contractions import Contractions
from service.tasks.token_classification.segmentation import Segmenter
from service.tasks.token_classification.segmentation_characters import END_OF_TOKEN, INSIDE
from service.tasks.token_classification.segmentation_numbers import NumberRules
from service.tasks.token_classification.segmentation_schema import InnerSpaces

WHOLE = NumberRules(whole=True)


def spans(text: str, label: int, inner_spaces: InnerSpaces, rules: NumberRules) -> list[tuple[int, int]]:
    """The tokens of a text, as offsets, if the network gives each of its characters one label."""

    def score(
        characters_BT: np.ndarray,  # noqa: N803
        lengths_B: np.ndarray,  # noqa: N803
    ) -> tuple[np.ndarray, np.ndarray]:
        scores = np.zeros((*characters_BT.shape, 3), np.float32)
        scores[..., label] = 1
        return scores, np.zeros(characters_BT.shape, np.float32)

    (segmented,) = Segmenter(score, "0", Contractions({}), inner_spaces, rules).segment([text], lambda: None)
    return [span for sentence in segmented.sentences for span in sentence]


def tokens(text: str, label: int, inner_spaces: InnerSpaces = "digits", rules: NumberRules = WHOLE) -> list[str]:
    return [text[start:end] for start, end in spans(text, label, inner_spaces, rules)]


@pytest.mark.parametrize(
    "number",
    [
        "12,50", "49,90", "0,125", "1.234,56", "20.000", "3.11.7", "192.168.0.1", "12:30", "2:00.53", "01.01.2012",
        "06.12.34.56.78", "01/02/2024", "2024-02-01", "10 000", "12\u202f345\u00a0678", "1 200,50", "01 23 45 67 89",
    ],
)  # fmt: skip
def test_a_number_is_never_cut(number: str) -> None:
    """Not even by a network that cuts after every character; what is beside it is cut as the network says."""
    assert tokens(f"a{number}.", END_OF_TOKEN) == ["a", number, "."]
    assert tokens(f"ab {number} cd", END_OF_TOKEN) == ["a", "b", number, "c", "d"]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("3,5% de 12,50€", ["3,5", "%", "de", "12,50", "€"]),
        ("$5 -2,5‰, 1 200,50€", ["$", "5", "-2,5", "‰", ",", "1 200,50", "€"]),
        ("a=1%20b 12%ig", ["a=1%20b", "12%ig"]),
        ("12\t345", ["12", "345"]),
        ("12\n345", ["12", "345"]),
        ("en 1998 200 voix", ["en", "1998", "200", "voix"]),
        ("les 10, 20 et 30", ["les", "10,", "20", "et", "30"]),
    ],
    ids=["after a number", "before one", "within a word", "cells", "lines", "a year", "a list"],
)
def test_what_is_beside_a_number(text: str, expected: list[str]) -> None:
    """A network that never ends a token within a word: signs beside a number are tokens, other words stay whole."""
    assert tokens(text, INSIDE, "none" if "1998" in text or "20 et" in text else "digits") == expected


def test_a_slash_is_within_a_token_or_one_of_its_own() -> None:
    assert tokens("1/2", INSIDE) == ["1/2"]
    assert tokens("1/2", END_OF_TOKEN) == ["1", "/", "2"]


def test_times_of_day_are_cut_where_the_treebank_cuts_them() -> None:
    text, french = "12h30 8H05, 9h. x1h2 12km", NumberRules(time_letters="h")
    assert tokens(text, INSIDE, "none", french) == ["12", "h", "30", "8", "H", "05,", "9", "h", ".", "x1h2", "12km"]
    assert tokens(text, INSIDE, "none") == ["12h30", "8H05,", "9h.", "x1h2", "12km"]


def test_without_rules_the_network_decides() -> None:
    """As in bundles of earlier releases, whose samples are answered as they were."""
    assert tokens("12,5€", END_OF_TOKEN, rules=NumberRules()) == ["1", "2", ",", "5", "€"]


def test_groups_are_one_token_only_where_tokens_hold_spaces() -> None:
    assert tokens("10 000", END_OF_TOKEN, "none") == ["1", "0", "0", "0", "0"]
    assert tokens("1 2,5", END_OF_TOKEN, "none") == ["1", "2,5"]


def test_the_rules_hold_in_the_french_treebank(data_dir: Path) -> None:
    """No token of UD French GSD ends within what is one number here, and its numbers with a space are found."""
    in_groups = 0
    for text, ends in _treebank(data_dir / "ud_french_gsd" / "fr_gsd-ud-dev.conllu.gz"):
        for start, end in spans(text, END_OF_TOKEN, "digits", WHOLE):
            assert ends.isdisjoint(range(start + 1, end)), (text, text[start:end])
            in_groups += " " in text[start:end]
    assert in_groups == 21


def _treebank(path: Path) -> Iterator[tuple[str, set[int]]]:
    """The text of each sentence with a digit, and where its tokens end."""
    for block in gzip.decompress(path.read_bytes()).decode().split("\n\n"):
        text, end, ends, skipped = "", 0, set(), 0
        for line in block.splitlines():
            if line.startswith("# text = "):
                text = line[9:]
            elif line and line[0] != "#":
                number, form = line.split("\t")[:2]
                if "-" in number:
                    skipped = int(number.split("-")[1])
                elif "." in number or int(number) <= skipped:
                    continue
                end = text.index(form, end) + len(form)
                ends.add(end)
        if any(map(str.isdigit, text)):
            yield text, ends
