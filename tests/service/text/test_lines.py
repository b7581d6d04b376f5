"""Line breaks that end a sentence, and wrapped lines."""

from __future__ import annotations

import pytest

from service.text import Lines, split_at_lines, words_by_sentence
from tests.support.timing import assert_scales

BREAKS = ("\n", "\r\n", "\r", "\v", "\f", "\x1c", "\x1d", "\x1e", "\x85", "\u2028", "\u2029")


def sentences(text: str) -> list[str]:
    split = split_at_lines(Lines(text), words_by_sentence(text))
    return [text[words[0][0] : words[-1][1]] for words in split]


@pytest.mark.parametrize("line_break", BREAKS)
@pytest.mark.parametrize("spaces", ["", "  ", "\t"])
def test_short_lines_are_sentences(line_break: str, spaces: str) -> None:
    text = f"{line_break}{spaces}".join(["Anna", "Berlin", "the Siemens", "café", "🙂 Zoë"])
    assert sentences(text) == ["Anna", "Berlin", "the Siemens", "café", "🙂 Zoë"]
    assert sentences(f"{line_break}{text}{spaces}{line_break}{line_break}") == sentences(text)


@pytest.mark.parametrize(
    "line",
    ["Anna Schmidt", "an item in lower case with more than enough words", "Zürich, 3 °C", "the end of July 2024"],
)
def test_a_list_of_any_length_is_split(line: str) -> None:
    assert len(sentences("\n".join(f"{line} {index}" for index in range(300)))) == 300
    assert len(sentences("\n".join(f"{line} {index}" for index in range(300)) + ".")) == 300


@pytest.mark.parametrize(
    "lines",
    [
        ["- buy a lot of milk and butter from the nearest store in Berlin", "- call Anna about Hamburg, next week."],
        ["\u2022 Anna Schmidt, who works for Siemens in the city of Berlin", "\u2022 Paul."],
        ["* the first of the many items, with more than enough words", "* the second"],
        ["a) the first of the many items, with more than enough words", "b) the second"],
        ["(1) The first of the many items, with more than enough words", "(2) The second."],
        ["[ ] The first of the many items, with more than enough words", "[x] The second."],
        ["| Anna | Berlin, a city with more than enough of everything |", "| Paul | Rome. |"],
        ["Anna Schmidt\tSoftware Engineer at a company\tBerlin, Germany", "Paul\tTeacher\tRome."],
        ["The Quick Guide to Installing Lectern on Your Own Server", "This guide explains how to install it."],
        ["THE MINUTES OF THE MEETING OF THE BOARD OF SIEMENS IN BERLIN", "Anna opened the meeting."],
        ["# What there is to see in Berlin and in the towns around it", "Berlin has much to see."],
        ["A heading that is long but not in the case of headings at all", "This text is longer than it. " * 5],
        ["Subject: The meeting of the board in Berlin, of last Monday", "Date: Tuesday."],
        ["Please bring the following with you to the meeting on Friday:", "Passports."],
        ["-----------------------------------------------------------------", "Anna Schmidt."],
        [
            "Anna Schmidt, an engineer at the Siemens company in Berlin",
            "Peter Miller, a director at a bank in Frankfurt",
        ],
        ["> Anna met the new chief executive of Siemens, the engineer", "Ok, thank you!"],
        ["Dear Tom,", "the dog sleeps."],
    ],
)
def test_lines_of_their_own(lines: list[str]) -> None:
    text = "\n".join(lines)
    starts = {text.index(lines[1])}
    assert starts <= set(Lines(text).sentence_starts(0, len(text)))


@pytest.mark.parametrize(
    "sentence",
    [
        "Yesterday I met the new chief executive officer of Siemens, Anna\nSchmidt, who was in Berlin "
        "for a meeting of the\nboard.",
        "The dog and the cat and the\nhouse",
        "Yesterday we went by ship on the well-\nknown river.",
        "Die Donau-\r\nschifffahrt ist gut.",
        "> Yesterday I met the new chief executive officer of Siemens, Anna\n> Schmidt, in Berlin.",
        "    Yesterday I met the new chief executive of Siemens, Anna\n    Schmidt, in Berlin.",
    ],
)
def test_wrapped_lines_go_on(sentence: str) -> None:
    assert sentences(sentence) == [sentence.strip()]
    assert sentences(f"Hello Tom,\n\n{sentence}\n\nBest,\nAnna")[1:2] == [sentence.strip()]


@pytest.mark.parametrize("text", ["one line.", "  one line.", "\u00a0one line.  ", "\x1fone line.\x1f"])
def test_a_single_line_is_one_part(text: str) -> None:
    """The same as with a line break after it, which takes the other way through the code."""
    for lines in (Lines(text), Lines(f"{text}\n")):
        assert lines.parts() == [text.index("one")]
        assert lines.starts_line(text.index("one"))
        assert not lines.starts_line(text.index("line"))
        assert lines.is_single


@pytest.mark.parametrize("text", ["", "  ", "\u3000", "\n", "\t", " \n\t\n"])
def test_a_blank_text_has_no_line(text: str) -> None:
    assert Lines(text).parts() == []
    assert split_at_lines(Lines(text), []) == []


def test_several_lines_and_cells_are_not_a_single_line() -> None:
    assert not Lines("one\ntwo").is_single
    assert not Lines("one\ttwo").is_single


def test_a_blank_line_ends_a_sentence() -> None:
    long = "The dog and the cat and the dog and the cat and the bird and"
    for blank in ("\n\n", "\r\n\r\n", "\r\r", "\n \t\n", "\u2028\u2028", "\u2029", "\x85\u00a0\x85"):
        assert sentences(f"{long}{blank}the house.") == [long, "the house."]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Anna\tBerlin", ["Anna", "Berlin"]),
        ("Anna \t\t Berlin\nTom\tParis", ["Anna", "Berlin", "Tom", "Paris"]),
        ("name\tcity\nthe dog.\tthe house.", ["name", "city", "the dog.", "the house."]),
        ("\tThe dog sleeps.\t", ["The dog sleeps."]),
        ("The dog\tsleeps.", ["The dog\tsleeps."]),
        ("The dog\tsleeps", ["The dog", "sleeps"]),
    ],
)
def test_cells_are_sentences(text: str, expected: list[str]) -> None:
    assert sentences(text) == expected


def test_a_word_is_never_split() -> None:
    assert split_at_lines(Lines("10\n000\nAnna"), [[(0, 6), (7, 11)]]) == [[(0, 6)], [(7, 11)]]


@pytest.mark.parametrize(
    "piece",
    ["\n", "a\n", "a b c d e f g h i j k l m n\n", "> \n", "-\n- ", "\r", "1. \n", "\t|\n", ">", "a\t", "a\tb.\n"],
)
def test_hostile_lines_take_linear_time(piece: str) -> None:
    """Eight times the text, at most twenty-four times as long (a square law would take 64)."""
    assert_scales(lambda size: sentences(piece * (size // len(piece))), 4_000, 32_000, factor=24, floor=0.25)
