"""The phrasebook: pairs of everyday sentences to train on beside a corpus."""

from pathlib import Path

import pytest

from service.tasks.translation.everyday import read_sentences
from service.tasks.translation.subwords import clean
from tests.support import sentence_pairs
from training.common.errors import ConfigError
from training.seq2seq.config import PHRASEBOOK, DataConfig
from training.seq2seq.data.dataset import Pair
from training.seq2seq.data.locations import read_location, swapped
from training.seq2seq.data.near_duplicates import near_duplicates
from training.seq2seq.data.sources import load_data

DATA = Path(__file__).parents[3] / "training" / "seq2seq" / "data"
FILES = "phrasebook_en_de.tsv", "phrasebook_tatoeba_en_de.tsv"


def phrases() -> list[Pair]:
    pairs = []
    for name in FILES:
        header, *lines = (DATA / name).read_text(encoding="utf-8").splitlines()
        assert header == "en\tde"
        pairs += [Pair(*line.split("\t")) for line in lines]
    return pairs


def test_every_pair_is_read_in_both_directions() -> None:
    there, back = (
        read_location(PHRASEBOOK, DataConfig(train=PHRASEBOOK, source=source, target=target))
        for source, target in (("en", "de"), ("de", "en"))
    )
    assert there == (phrases(), ())
    assert back == (swapped(phrases()), ())
    assert len(set(phrases())) == len(phrases()) > 91_000
    assert all(clean(text) == text for pair in phrases() for text in pair)


def test_another_language_is_refused() -> None:
    with pytest.raises(ConfigError, match="is of en and de, not of en and fr"):
        read_location(PHRASEBOOK, DataConfig(train=PHRASEBOOK, source="en", target="fr"))


def test_a_model_of_it_names_it(tmp_path: Path) -> None:
    table = sentence_pairs.write_table(tmp_path / "pairs.tsv", 200)
    data = load_data(DataConfig(train=str(table), source="en", target="de", in_domain=PHRASEBOOK, oversampling=2))
    assert "phrasebook, with translated English sentences of tatoeba.org" in data.attribution
    assert len(data.splits["train"]) > 2 * 91_000


@pytest.mark.torch
def test_it_has_none_of_the_everyday_sentences() -> None:
    everyday = [Pair(sentence.texts["en"], sentence.texts["de"]) for sentence in read_sentences()]
    assert len(everyday) == 320
    assert not any(near_duplicates(phrases(), everyday))
