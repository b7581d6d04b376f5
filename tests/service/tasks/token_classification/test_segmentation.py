"""Learned segmentation: characters, windows, contractions, and bundles with a segmenter."""

from __future__ import annotations

import unicodedata
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from service.bundle.files import BundleError
from service.errors import LimitExceeded
from service.limits import Limits
from service.tasks.token_classification import TokenClassificationPredictor
from service.tasks.token_classification.contractions import Contractions, read_contractions
from service.tasks.token_classification.request import TagRequest
from service.tasks.token_classification.segmentation import CONTEXT, WINDOW, Segmenter, windows
from service.tasks.token_classification.segmentation_characters import CLASSES, CharacterIds, paragraphs
from tests.support.predictors import open_predictor
from tests.support.tagger_bundles import SEGMENTER_CHARACTERS, write_tagger

load = partial(open_predictor, TokenClassificationPredictor)
CONTRACTIONS = {"du": ("de", "le")}


@pytest.fixture(scope="module")
def french(tmp_path_factory: pytest.TempPathFactory) -> TokenClassificationPredictor:
    return load(write_tagger(tmp_path_factory.mktemp("french"), contractions=CONTRACTIONS))


def tag(predictor: TokenClassificationPredictor, text: str) -> dict[str, Any]:
    (result,) = predictor.answer({"text": text})["results"]
    assert isinstance(result, dict)
    return result


def words(result: dict[str, Any]) -> list[str]:
    return [token["text"] for token in result["tokens"]]


def test_the_samples_replay(french: TokenClassificationPredictor) -> None:
    assert list(french.replay()) == []
    assert french.details["tokenizer"] == "learned"


def test_a_contraction_is_answered_as_its_words(french: TokenClassificationPredictor) -> None:
    result = tag(french, "Ada d'Ada loves du Paris. Du cat!")
    assert words(result) == ["Ada", "d'", "Ada", "loves", "de", "le", "Paris", ".", "De", "le", "cat", "!"]
    assert result["multiword"] == [
        {"text": "du", "start": 16, "end": 18, "tokens": [4, 5]},
        {"text": "Du", "start": 26, "end": 28, "tokens": [8, 9]},
    ]
    assert {(token["start"], token["end"]) for token in result["tokens"][4:6]} == {(16, 18)}
    assert result["sentences"] == [{"start": 0, "end": 25}, {"start": 26, "end": 33}]


def test_other_tokens_are_as_they_are_in_the_text(french: TokenClassificationPredictor) -> None:
    text = "  Zoe\u0301 l\u2019aime\u00a0 👩\u200d👩\u200d👧. dudu\n \n d\u2019accord peu?  "
    result = tag(french, text)
    assert words(result) == [
        "Zoe\u0301",
        "l\u2019",
        "aime",
        "👩\u200d👩\u200d👧",
        ".",
        "dudu",
        "d\u2019",
        "accord",
        "peu",
        "?",
    ]
    assert all(text[token["start"] : token["end"]] == token["text"] for token in result["tokens"])
    assert result["multiword"] == [], "unseen multiword tokens are not split"
    assert len(result["sentences"]) == 3


@pytest.mark.parametrize("text", ["", " \n\t\u2028", "\n\n\n"])
def test_nothing_to_tag_has_an_empty_result(french: TokenClassificationPredictor, text: str) -> None:
    assert tag(french, text) == {"sentences": [], "tokens": [], "multiword": []}


def test_texts_are_segmented_alike_alone_and_together(french: TokenClassificationPredictor) -> None:
    texts = ["", "du Paris.", "Ada sat du! " * 400, "a" * 3000, "x", "du.\n\n" * 50]
    together = french.answer({"texts": texts})["results"]
    assert together == [tag(french, text) for text in texts]
    assert len(together[2]["multiword"]) == 400
    assert len(together[3]["tokens"]) == 1


def test_tokens_that_were_sent_are_not_split(french: TokenClassificationPredictor) -> None:
    (result,) = french.answer({"tokens": [["du", "l'aime."]]})["results"]
    assert words(result) == ["du", "l'aime."]
    assert result["multiword"] == []


def test_the_words_of_contractions_count_as_tokens(french: TokenClassificationPredictor) -> None:
    request = TagRequest(["du du du"])
    with pytest.raises(LimitExceeded, match="more than 5 tokens"):
        request.prepare(Limits(max_total_tokens=5), french._segment)


def test_long_texts_are_left_to_a_thread(french: TokenClassificationPredictor) -> None:
    assert french.scheduling.is_slow(TagRequest(["x" * 200]))
    assert not french.scheduling.is_slow(TagRequest(["Ada sat."]))


def test_a_request_is_checked_between_runs(french: TokenClassificationPredictor) -> None:
    def gone() -> None:
        raise TimeoutError

    with pytest.raises(TimeoutError):
        french.preprocess_with_checks(TagRequest(["Ada sat."]), gone)


@pytest.mark.parametrize("length", [1, WINDOW, WINDOW + 1, 5 * WINDOW + 17])
def test_windows_keep_every_character_once_with_context(length: int) -> None:
    kept: list[int] = []
    for start, end, first, last in windows(length):
        assert end - start <= WINDOW
        assert first - start >= (CONTEXT if start else 0)
        assert end - last >= (CONTEXT if end < length else 0)
        kept += range(first, last)
    assert kept == list(range(length))


def test_long_paragraphs_are_labeled_as_in_one_window() -> None:
    def at_full_stops(
        characters: NDArray[np.int32], lengths: NDArray[np.int32]
    ) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        assert len(lengths) > 1
        assert lengths.max() <= WINDOW
        boundaries = np.zeros((*characters.shape, 3), np.float32)
        boundaries[..., 0] = 1
        boundaries[characters == ids["."], 2] = 2
        return boundaries, -np.ones(characters.shape, np.float32)

    ids = CharacterIds(" .")
    segmenter = Segmenter(at_full_stops, " .", Contractions({}))
    text = "word " * 300 + "end." + "x" * 2000
    (result,) = segmenter.segment([text], lambda: None)
    assert [sentence[-1][1] for sentence in result.sentences] == [1504, len(text)]
    assert len(result.sentences[0]) == 301


@pytest.mark.parametrize(
    ("inner_spaces", "expected"),
    [("none", ["10", "000", "a", "b"]), ("digits", ["10 000", "a", "b"]), ("any", ["10 000 a b"])],
)
def test_tokens_may_hold_spaces_where_the_treebank_has_them(inner_spaces: Any, expected: list[str]) -> None:
    def inside(
        characters: NDArray[np.int32], lengths: NDArray[np.int32]
    ) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        return np.eye(1, 3, dtype=np.float32)[np.zeros_like(characters)], np.zeros(characters.shape, np.float32)

    text = "10 000 a b"
    (result,) = Segmenter(inside, " ", Contractions({}), inner_spaces).segment([text], lambda: None)
    assert [text[start:end] for start, end in result.sentences[0]] == expected


def test_unknown_characters_are_read_as_similar_ones_or_as_their_class() -> None:
    ids = CharacterIds("e'")
    assert ids["é"] == ids["e"]
    assert ids["\u2019"] == ids["'"]
    assert [ids[character] for character in "zZ字7,♥"] == list(range(1, len(CLASSES) + 1))
    assert max(ids["e"], ids["'"]) == ids.rows - 1


def test_many_accents_take_linear_time() -> None:
    (paragraph,) = paragraphs("a" + "\u0301\u0323" * 50_000)
    assert paragraph.characters == unicodedata.normalize("NFC", "a\u0301\u0323\u0301\u0323\u0301\u0323\u0301")[0]
    assert paragraph.ends == [100_001]


def test_contractions_follow_the_casing_of_the_text() -> None:
    known = Contractions({"du": ("de", "le"), "Am": ("an", "Dem")})
    assert [known.words(token) for token in ("du", "Du", "DU", "Am", "dus")] == [
        ("de", "le"), ("De", "le"), ("DE", "LE"), ("an", "Dem"), None
    ]  # fmt: skip


def test_the_network_decides_about_ambiguous_contractions_only() -> None:
    known = Contractions({"du": ("de", "le"), "des": ("de", "les")}, ambiguous=["des"])
    assert known.words("Du", is_multiword=False) == ("De", "le")
    assert known.words("Des", is_multiword=False) is None
    assert known.words("Des", is_multiword=True) == ("De", "les")


def test_a_bad_table_of_contractions_is_named(tmp_path: Path) -> None:
    path = tmp_path / "contractions.txt"
    for content in ("du\tde\n", "du\tde\tle\ndu\tde\tle\n", "du\t\tle\n"):
        path.write_text(content)
        with pytest.raises(BundleError, match=r"contractions\.txt: line \d is no contraction"):
            read_contractions(path)
    path.write_bytes(b"du\tde\t\xff\n")
    with pytest.raises(BundleError, match="not UTF-8"):
        read_contractions(path)


@pytest.mark.parametrize(
    ("segmentation", "message"),
    [
        ({"characters": SEGMENTER_CHARACTERS + "xyz"}, "has no row for character"),
        ({"characters": "aa"}, "a character is there twice"),
        ({"characters": ""}, "characters"),
        (None, "segmentation: is there if, and only if"),
    ],
)
def test_bundles_that_do_not_fit_are_refused(tmp_path: Path, segmentation: Any, message: str) -> None:
    bundle = write_tagger(tmp_path, contractions=CONTRACTIONS, segmentation=segmentation)
    with pytest.raises(BundleError, match=message):
        load(bundle)


def test_a_segmenter_that_the_tokenizer_does_not_name_is_refused(tmp_path: Path) -> None:
    bundle = write_tagger(tmp_path, contractions=CONTRACTIONS, tokenizer="words", segmentation=None)
    with pytest.raises(BundleError, match="needs exactly one"):
        load(bundle)
