"""The origin of a tagger's data, pretrained vectors and auxiliary tags in its bundle."""

from dataclasses import replace
from pathlib import Path

import pytest

from tests.support import tagged_sentences
from training.bilstm_crf.config import PRESETS
from training.bilstm_crf.data import licensing as origin
from training.bilstm_crf.data.licensing import (
    attribution_of,
    auxiliary_data_set,
    check_redistributable,
    public_config,
    vectors_data,
)
from training.common.config import merge
from training.common.errors import ExportError
from training.common.run import Run

pytestmark = pytest.mark.torch

CONFIG = merge(PRESETS["debug"], {"data": "", "train": "/somewhere/private/made.conllu"})


def test_public_settings_name_the_corpus_of_vectors_and_no_folder(tmp_path: Path) -> None:
    folder = tmp_path / "words-cased"
    config = merge(CONFIG, {"vectors": str(folder)})
    assert public_config(config)["network"]["vectors_data"] == "words-cased"
    Run.create(folder, family="word2vec", config={"data": "/home/me/corpus.txt"})
    network = public_config(config)["network"]
    assert (network["vectors"], network["vectors_data"]) == ("words-cased", "corpus.txt")
    assert public_config(config)["data"]["train"] == "made.conllu"
    (folder / "config.json").write_text("{")
    assert vectors_data(config) == ["words-cased"]


def test_vectors_of_a_bundle_and_several_concatenated(tmp_path: Path) -> None:
    bundle = tmp_path / "words-en" / "1"
    bundle.mkdir(parents=True)
    (bundle / "manifest.json").write_text('{"provenance": {"data": "Some text", "attribution": "its authors"}}')
    Run.create(tmp_path / "w5", family="word2vec", config={"data": "wikipedia-en-2015"})
    Run.create(tmp_path / "w2", family="word2vec", config={"data": "wikipedia-en-2015"})
    config = merge(CONFIG, {"vectors": f"{bundle}, {tmp_path / 'w5'},{tmp_path / 'w2'}"})
    assert public_config(config)["network"]["vectors"] == "words-en/1,w5,w2"
    texts = vectors_data(config)
    assert texts[0] == "Some text (its authors)"
    assert len(texts) == 2
    assert "English Wikipedia of 2015" in texts[1]
    credit = attribution_of(config, replace(tagged_sentences.data("tags"), attribution="Me"), None)
    assert credit == f"Me; word vectors from {texts[0]}; word vectors from {texts[1]}"


def test_without_vectors_there_is_no_corpus() -> None:
    assert vectors_data(CONFIG) == []
    assert "vectors_data" not in public_config(CONFIG)["network"]
    assert attribution_of(CONFIG, tagged_sentences.data("tags"), None) == ""


def test_auxiliary_data_count_too(monkeypatch: pytest.MonkeyPatch) -> None:
    data = tagged_sentences.data("tags")
    forbidden = replace(
        data, name="CoNLL-2003 English", licence="research only", redistributable=False, attribution="Them"
    )
    monkeypatch.setattr(origin, "load_data", lambda config: forbidden)
    assert auxiliary_data_set(merge(CONFIG, {"auxiliary": "xpos"})) is None
    auxiliary = auxiliary_data_set(merge(CONFIG, {"auxiliary": "conll2003:2"}))
    assert auxiliary is forbidden
    check_redistributable(data, None)
    for refused in ((data, auxiliary), (forbidden, None)):
        with pytest.raises(ExportError, match="CoNLL-2003 English is research only"):
            check_redistributable(*refused)
    assert attribution_of(CONFIG, data, auxiliary) == "Them"
