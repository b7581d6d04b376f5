"""/v1/tag with `explain`: marginals, transitions, and the tags without the CRF."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from starlette.testclient import TestClient

from service.api.token_classification import TagAnswer
from service.settings import Settings
from service.tasks.token_classification.explanation import TagExplainer
from service.tasks.token_classification.tag_schemes import to_iob2
from tests.support.http import client_of, problem_of
from tests.support.tagger_bundles import write_tagger

SETTINGS = {"max_explained_inputs": 3, "max_explained_tokens": 60}


@pytest.fixture(scope="module")
def client(tmp_path_factory: pytest.TempPathFactory) -> Iterator[TestClient]:
    """A client of parts of speech, of names, and of names without a CRF."""
    folder = tmp_path_factory.mktemp("models")
    write_tagger(folder, "pos", kind="tags")
    write_tagger(folder, "names", kind="spans")
    write_tagger(folder, "independent", kind="spans", crf=False)
    with client_of(Settings(models=folder, **SETTINGS)) as client:
        yield client


def _ask(client: TestClient, model: str, **body: Any) -> list[dict[str, Any]]:
    response = client.post("/v1/tag", json={"model": model, "explain": True} | body)
    assert response.status_code == 200, response.text
    assert TagAnswer.model_validate(response.json())
    results: list[dict[str, Any]] = response.json()["results"]
    return results


@pytest.mark.parametrize("model", ["pos", "names", "independent"])
def test_every_token_has_the_probability_of_every_tag(client: TestClient, model: str) -> None:
    texts = ["Ada wrote to Zoë. The cat sat in New York.", "", "the dog"]
    for text, result in zip(texts, _ask(client, model, texts=texts), strict=True):
        explained = result["explain"]
        tags = explained["tags"]
        assert len(set(tags)) == len(tags)
        assert len(explained["marginals"]) == len(explained["without_crf"]) == len(result["tokens"])
        for token, marginals in zip(result["tokens"], explained["marginals"], strict=True):
            assert sum(marginals) == pytest.approx(1, abs=1e-4)
            probability = marginals[tags.index(token["tag"])]
            assert probability >= token["score"] - 1e-6, text
            if model == "pos":
                assert probability == pytest.approx(token["score"], abs=1e-6)


def test_names_are_in_iob2_here_too(client: TestClient) -> None:
    (result,) = _ask(client, "names", text="Ada in New York")
    explained = result["explain"]
    assert {tag[0] for tag in explained["tags"]} == set("BIO")
    by_tag = dict(zip(explained["tags"], range(len(explained["tags"])), strict=True))
    transitions = explained["transitions"]
    assert transitions[by_tag["O"]][by_tag["I-PER"]] is None, "no name begins with I"
    assert transitions[by_tag["B-PER"]][by_tag["I-PER"]] is not None
    assert transitions[by_tag["B-PER"]][by_tag["I-LOC"]] is None
    assert explained["starts"][by_tag["I-LOC"]] is None
    assert all(score is not None for score in explained["ends"])


def test_a_model_without_a_crf_has_no_transitions(client: TestClient) -> None:
    (result,) = _ask(client, "independent", text="Ada in Paris")
    assert result["explain"]["transitions"] is result["explain"]["starts"] is result["explain"]["ends"] is None
    assert result["explain"]["without_crf"] == [token["tag"] for token in result["tokens"]]


@pytest.mark.parametrize("extra", [{}, {"explain": False}, {"explain": None}])
def test_without_it_the_answer_is_as_ever(client: TestClient, extra: dict[str, Any]) -> None:
    body = {"model": "names", "text": "Ada in New York"}
    answer = client.post("/v1/tag", json=body | extra).json()
    assert answer == client.post("/v1/tag", json=body).json()
    assert "explain" not in answer["results"][0]
    (explained,) = _ask(client, "names", text="Ada in New York")
    assert {name: explained[name] for name in answer["results"][0]} == answer["results"][0]


def test_units_of_offsets_and_tokens(client: TestClient) -> None:
    (result,) = _ask(client, "names", text="😀 Ada", offsets="utf16")
    assert [token["start"] for token in result["tokens"]] == [0, 3]
    assert len(result["explain"]["marginals"]) == 2
    (joined,) = _ask(client, "names", tokens=[["Ada", "in", "Paris"]])
    assert len(joined["explain"]["without_crf"]) == 3


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ({"explain": "maybe", "text": "a"}, "explain: Input should be a valid boolean"),
        ({"explain": 1, "text": "a"}, "explain: Input should be a valid boolean"),
        ({"texts": ["a"] * 4}, "explain: 4 texts to explain, the limit is 3 (LECTERN_MAX_EXPLAINED_INPUTS)"),
        ({"tokens": [["a"]] * 4}, "explain: 4 texts to explain, the limit is 3 (LECTERN_MAX_EXPLAINED_INPUTS)"),
        (
            {"texts": ["cat", "cat " * 60]},
            "explain: with texts[1] there are more than 60 tokens to explain, the limit (LECTERN_MAX_EXPLAINED_TOKENS)",
        ),
        ({"text": "a", "offsets": "bytes"}, "offsets: Input should be 'unicode', 'utf16' or 'utf8'"),
    ],
)
def test_what_cannot_be_explained(client: TestClient, body: dict[str, Any], message: str) -> None:
    problem_of(client.post("/v1/tag", json={"model": "pos", "explain": True} | body), 422, message)


def test_a_text_at_the_limit(client: TestClient) -> None:
    (result,) = _ask(client, "pos", text="cat " * 60)
    assert len(result["explain"]["marginals"]) == 60


def test_the_tags_of_iob2_have_the_sums_of_those_behind_them() -> None:
    """Against every path of a short sentence."""
    labels = ("O", "B-X", "I-X", "E-X", "S-X")
    random = np.random.default_rng(0)
    emissions = random.normal(size=(1, 3, 5)).astype(np.float32)
    transitions = random.normal(size=(7, 5)).astype(np.float32)
    transitions[0, 2] = -1e5
    explainer = TagExplainer(labels, "spans", transitions)
    ((marginals, without),) = explainer.explain(emissions, np.array([3]))
    weights = np.zeros((5, 5, 5))
    for path in np.ndindex(5, 5, 5):
        score = transitions[5, path[0]] + transitions[6, path[2]] + sum(emissions[0, t, path[t]] for t in range(3))
        weights[path] = np.exp(score + transitions[path[0], path[1]] + transitions[path[1], path[2]])
    weights /= weights.sum()
    middle = weights.sum((0, 2))
    assert explainer.tags == ["O", "B-X", "I-X"]
    assert marginals[1] == pytest.approx([middle[0], middle[1] + middle[4], middle[2] + middle[3]], abs=1e-6)
    assert without == to_iob2([labels[index] for index in emissions[0].argmax(1)])
    fields = explainer.fields([])
    assert fields["transitions"][0][2] == pytest.approx(max(transitions[0, 2], transitions[0, 3]), abs=1e-5)
    assert fields["starts"][1] == pytest.approx(max(transitions[5, 1], transitions[5, 4]), abs=1e-5)
    assert (fields["marginals"], fields["without_crf"]) == ([], [])
