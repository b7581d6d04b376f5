"""From a text to sentences of tokens, and from emissions to the answers of /v1/tag."""

from __future__ import annotations

import numpy as np
import pytest

from service.tasks.token_classification.decoding import Tagging, joined_offsets
from service.tasks.token_classification.tag_schemes import to_iob2
from service.text import words_by_sentence
from tests.support.tagger_bundles import LABELS as TAGS
from tests.support.tagger_bundles import SPAN_LABELS as SPANS
from tests.support.tagger_bundles import transitions

LENGTHS = np.array([4, 1], np.int32)


def emissions_of(rows: list[list[str]], labels: tuple[str, ...]) -> np.ndarray:
    """Emissions that favor these labels."""
    emissions = np.zeros((len(rows), max(map(len, rows)), len(labels)), np.float32)
    for index, row in enumerate(rows):
        emissions[index, range(len(row)), [labels.index(label) for label in row]] = 9
    return emissions


def test_offsets_of_joined_tokens() -> None:
    tokens = ["Zoë", "is", "🙂", "a b", "."]
    (offsets,) = joined_offsets(tokens)
    assert [" ".join(tokens)[start:end] for start, end in offsets] == tokens
    assert joined_offsets([]) == []


def test_a_text_is_split_into_sentences_of_tokens() -> None:
    text = "Zoë can't 🙂. Go on!"
    assert [[text[start:end] for start, end in sentence] for sentence in words_by_sentence(text)] == [
        ["Zoë", "ca", "n't", "🙂", "."],
        ["Go", "on", "!"],
    ]
    assert words_by_sentence("") == words_by_sentence(" \n\t ") == []


def test_tokens_are_joined_by_a_space() -> None:
    tokens = ["Zoë", "🙂", "New York"]
    (sentence,) = joined_offsets(tokens)
    assert [" ".join(tokens)[start:end] for start, end in sentence] == tokens
    assert joined_offsets([]) == []


@pytest.mark.parametrize("crf", [True, False])
def test_plain_tags(crf: bool) -> None:
    tagging = Tagging(TAGS, "tags", transitions("tags") if crf else None)
    rows = [["DET", "NOUN", "VERB", "PUNCT"], ["PROPN"]]
    tagged = tagging.decode(emissions_of(rows, TAGS), LENGTHS)
    assert [sentence.tags for sentence in tagged] == rows
    assert [len(sentence.scores) for sentence in tagged] == [4, 1]
    assert all(0.9 < score <= 1 and round(score, 6) == score for sentence in tagged for score in sentence.scores)
    assert [sentence.spans for sentence in tagged] == [[], []]
    text = "the café runs. Ada"
    answer = tagging.result(text, [[(0, 3), (4, 8), (9, 13), (13, 14)], [(15, 18)]], tagged)
    assert answer["sentences"] == [{"start": 0, "end": 14}, {"start": 15, "end": 18}]
    assert answer["tokens"][1] == {"text": "café", "start": 4, "end": 8, "tag": "NOUN", "score": tagged[0].scores[1]}
    assert "entities" not in answer


def test_spans_are_iob2_on_the_wire() -> None:
    tagging = Tagging(SPANS, "spans", transitions("spans"))
    rows = [["B-PER", "E-PER", "O", "S-LOC"], ["O"]]
    tagged = tagging.decode(emissions_of(rows, SPANS), LENGTHS)
    assert [sentence.tags for sentence in tagged] == [["B-PER", "I-PER", "O", "B-LOC"], ["O"]]
    assert [[span[:3] for span in sentence.spans] for sentence in tagged] == [[("PER", 0, 2), ("LOC", 3, 4)], []]
    person, location = tagged[0].spans
    assert location[3] == tagged[0].scores[3]
    assert person[3] <= min(tagged[0].scores[:2])
    answer = tagging.result("Ada Byron in Paris Go", [[(0, 3), (4, 9), (10, 12), (13, 18)], [(19, 21)]], tagged)
    assert answer["entities"] == [
        {"text": "Ada Byron", "label": "PER", "start": 0, "end": 9, "score": person[3]},
        {"text": "Paris", "label": "LOC", "start": 13, "end": 18, "score": location[3]},
    ]


def test_without_transitions_any_tags_make_spans() -> None:
    rows = [["I-PER", "E-PER", "I-LOC", "O"], ["E-LOC"]]
    tagged = Tagging(SPANS, "spans", None).decode(emissions_of(rows, SPANS), LENGTHS)
    assert [sentence.tags for sentence in tagged] == [to_iob2(row) for row in rows]
    assert [span[:3] for span in tagged[0].spans] == [("PER", 0, 2), ("LOC", 2, 3)]
    assert tagged[0].spans[0][3] == pytest.approx(tagged[0].scores[0] * tagged[0].scores[1], abs=2e-6)


def test_nothing_to_tag() -> None:
    assert Tagging(SPANS, "spans", None).result(" ", [], []) == {"sentences": [], "tokens": [], "entities": []}
    assert Tagging(TAGS, "tags", None).decode(np.zeros((0, 0, len(TAGS)), np.float32), np.zeros(0, np.int32)) == []
