"""Building the answer for a text from the hypotheses of its segments."""

from __future__ import annotations

import numpy as np
import pytest

from service.decoding import Hypothesis, RecordedHypothesis, SearchRecord
from service.tasks.translation.subwords import Subwords
from service.tasks.translation.text import AnswerBuilder, SegmentedText, TranslationPreprocessing
from tests.support.translator_bundles import pieces_model


@pytest.fixture(scope="module")
def subwords() -> Subwords:
    return Subwords(pieces_model())


def hypothesis(subwords: Subwords, text: str, score: float, attention: int = 0) -> Hypothesis:
    tokens = tuple(subwords.encode(text))
    rows = np.full((len(tokens) + 1, attention), 1 / attention, np.float32) if attention else None
    return Hypothesis(tokens, score, rows)


def test_a_text_of_two_sentences(subwords: Subwords) -> None:
    builder = AnswerBuilder(subwords, subwords)
    text = SegmentedText([subwords.encode("Hello world"), subwords.encode("Good morning")], ["- ", "\n", " 😀"])
    hypotheses = [
        [hypothesis(subwords, "Hallo Welt", -0.3), hypothesis(subwords, "Servus Welt", -0.9)],
        [hypothesis(subwords, "Guten Morgen", -0.6), hypothesis(subwords, "gut Morgen", -0.7)],
    ]
    result = builder.build(text, hypotheses, alternatives=3)
    assert result == {
        "text": "- Hallo Welt\nGuten Morgen 😀",
        "score": -0.45,
        "alternatives": [
            {"text": "- Hallo Welt\ngut Morgen 😀", "score": -0.5},
            {"text": "- Servus Welt\nGuten Morgen 😀", "score": -0.75},
        ],
    }
    assert builder.build(text, hypotheses, alternatives=1)["alternatives"] == result["alternatives"][:1]
    assert builder.build(text, hypotheses)["alternatives"] == []


def test_alternatives_with_equal_text_are_merged(subwords: Subwords) -> None:
    text = SegmentedText([subwords.encode("Hello")], ["", ""])
    spelled = Hypothesis(
        tuple(subwords.encode("Hallo"[:1]) + [subwords.encode("a" + one)[-1] for one in "allo"]), -2, None
    )
    assert subwords.decode(spelled.tokens) == "Hallo"
    hypotheses = [[hypothesis(subwords, "Hallo", -0.1), spelled, hypothesis(subwords, "Hi", -3)]]
    assert [
        one["text"] for one in AnswerBuilder(subwords, subwords).build(text, hypotheses, alternatives=2)["alternatives"]
    ] == ["Hi"]


def test_alignment(subwords: Subwords) -> None:
    text = SegmentedText([subwords.encode("the dog")], ["", "."])
    result = AnswerBuilder(subwords, subwords).build(
        text, [[hypothesis(subwords, "der Hund", -0.5, attention=3)]], alignment=True
    )
    (sentence,) = result["sentences"]
    assert sentence["source_tokens"] == ["▁the", "▁dog", "</s>"]
    assert sentence["target_tokens"] == ["▁der", "▁Hund", "</s>"]
    assert sentence["alignment"] == [[0.3333] * 3] * 3


def test_an_alternative_has_the_alignment_of_the_sentence_where_it_differs(subwords: Subwords) -> None:
    sources = [subwords.encode(source) for source in ("Hello world", "Good morning")]
    text = SegmentedText(sources, ["", " ", ""])
    hypotheses = [
        [hypothesis(subwords, "Hallo Welt", -0.3, attention=3), hypothesis(subwords, "Servus Welt", -0.9, attention=3)],
        [hypothesis(subwords, "Guten Morgen", -0.6, attention=3), hypothesis(subwords, "Morgen", -0.9, attention=3)],
    ]
    builder = AnswerBuilder(subwords, subwords)
    result = builder.build(text, hypotheses, alternatives=2, alignment=True, alternative_sentences=True)
    weights = [0.3333] * 3
    for alternative, (index, translation) in zip(
        result["alternatives"], [(1, "Morgen"), (0, "Servus Welt")], strict=True
    ):
        pieces = [subwords.piece(id_) for id_ in subwords.encode(translation)]
        assert alternative.pop("sentence") == {
            "index": index,
            "source_tokens": result["sentences"][index]["source_tokens"],
            "target_tokens": [*pieces, "</s>"],
            "alignment": [weights] * (len(pieces) + 1),
        }
    assert result == builder.build(text, hypotheses, alternatives=2, alignment=True)


def test_a_truncated_translation_has_no_end(subwords: Subwords) -> None:
    text = SegmentedText([subwords.encode("the dog")], ["", ""])
    complete = hypothesis(subwords, "der Hund", -0.5, attention=3)
    assert complete.attention is not None
    truncated = complete._replace(attention=complete.attention[:2], has_end=False)
    builder = AnswerBuilder(subwords, subwords)
    with_attention = builder.build(text, [[truncated]], alignment=True)
    assert with_attention["sentences"][0]["target_tokens"] == ["▁der", "▁Hund"]
    record = SearchRecord([[RecordedHypothesis(None, truncated.tokens[0], -0.5)]], None)
    with_search = builder.build(text, [[truncated._replace(attention=None, record=record)]], beam=True)
    assert with_search["sentences"][0]["target_tokens"] == ["▁der", "▁Hund"]


def test_a_text_without_a_word(subwords: Subwords) -> None:
    empty = AnswerBuilder(subwords, subwords).build(SegmentedText([], ["😀 "]), [], alternatives=2, alignment=True)
    copied = [{"start": 0, "end": 1}]
    assert empty == {"text": "😀 ", "score": None, "alternatives": [], "sentences": [], "copied": copied}


def test_the_search_of_a_manifest() -> None:
    preprocessing = TranslationPreprocessing(
        source="en", target="de", max_source_tokens=9, max_length_factor=1.5, max_length_extra=4
    )
    settings = preprocessing.search(8, 3)
    assert (settings.beam_size, settings.n_best, settings.max_target_length(10)) == (8, 3, 19)
    with pytest.raises(ValueError, match="source"):
        TranslationPreprocessing(source="English", target="de", max_source_tokens=9)
