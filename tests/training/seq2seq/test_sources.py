"""Data by name, path or address, and their splits; real data sets are read if they are available."""

import gzip
import os
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.support.sentence_pairs import zip_of_texts
from training.common.errors import ConfigError, DatasetError
from training.seq2seq.config import DataConfig
from training.seq2seq.data.dataset import Pair, ParallelData
from training.seq2seq.data.language_codes import iso_639_1, iso_639_3
from training.seq2seq.data.sources import load_data
from training.seq2seq.data.train_dev_split import fold

pytestmark = pytest.mark.torch

TABLE = "".join(f"Sentence {number}.\tSatz {number}.\n" for number in range(60))
HELD_OUT = {"train": 48, "dev": 6, "test": 6}


def sizes(data: ParallelData) -> dict[str, int]:
    return {split: len(pairs) for split, pairs in data.splits.items()}


def own(train: Path | str, **settings: object) -> ParallelData:
    return load_data(DataConfig(**{"train": str(train), "source": "en", "target": "de", **settings}))  # type: ignore[arg-type]


@pytest.fixture
def table(tmp_path: Path) -> Path:
    (tmp_path / "pairs.tsv").write_text(TABLE, encoding="utf-8")
    return tmp_path / "pairs.tsv"


def test_a_table_is_split(table: Path) -> None:
    data = own(table)
    assert (data.name, data.source, data.target, data.licence) == ("pairs.tsv", "en", "de", "unspecified")
    assert sizes(data) == HELD_OUT
    assert data.notes == (
        "pairs.tsv: 48 train, 6 dev, 6 test; held out (seed 0); pairs that share a source or target sentence with a "
        "held-out one are not trained on",
    )
    assert all(pair.source.replace("Sentence", "Satz") == pair.target for pair in data.splits["test"])


def test_both_directions_of_a_table_are_split_alike(table: Path) -> None:
    there, back = own(table), own(table, source="de", target="en", swap=True)
    assert there.splits["train"] == [Pair(target, source) for source, target in back.splits["train"]]
    assert {pair.source for pair in there.splits["test"]} == {pair.target for pair in back.splits["test"]}
    assert there.sha256() != back.sha256()


def test_own_dev_and_test(table: Path, tmp_path: Path) -> None:
    for split, text in (("dev", "Sentence 1\tSatz\nNew\tNeu\n"), ("test", "Old\tAlt\n\tleer\n")):
        (tmp_path / f"{split}.tsv").write_text(text, encoding="utf-8")
    data = own(table, dev=str(tmp_path / "dev.tsv"), test=str(tmp_path / "test.tsv"))
    assert sizes(data) == {"train": 60, "dev": 2, "test": 1}
    assert data.notes == (
        "dev: 1 of 2 sources are in train too; scores on it are too optimistic",
        "test.tsv: 1 of 2 pairs left out: 1 with an empty side",
    )


def test_two_files_know_their_languages_by_their_names(tmp_path: Path) -> None:
    english, german = (tmp_path / f"corpus.{language}.gz" for language in ("en", "de"))
    rows = [row.split("\t") for row in TABLE.splitlines()]
    english.write_bytes(gzip.compress("\n".join(row[0] for row in rows).encode()))
    german.write_bytes(gzip.compress("\n".join(row[1] for row in rows).encode()))
    forward, backward = own(f"{english},{german}"), own(f"{german},{english}")
    assert forward.splits == backward.splits
    assert forward.splits["train"][0].source.startswith("Sentence")
    assert forward.name == "corpus.en.gz,corpus.de.gz"


def test_unlike_files_are_refused_with_both_counts(tmp_path: Path) -> None:
    (tmp_path / "x.en").write_text("a\nb\nc\n")
    (tmp_path / "x.de").write_text("a\nb\n")
    with pytest.raises(DatasetError, match=r"x.en has 3 lines and .*x.de has 2"):
        own(f"{tmp_path}/x.en,{tmp_path}/x.de")


def test_a_zip_of_manythings_in_either_direction(tmp_path: Path) -> None:
    path = tmp_path / "deu-eng.zip"
    path.write_bytes(zip_of_texts(deu__txt=TABLE, _about__txt="** Info **"))
    for settings in ({}, {"swap": True}, {"source": "de", "target": "en"}):
        data = own(path, **settings)
        assert data.splits["train"][0].source.startswith("Sentence" if data.source == "en" else "Satz"), settings


def test_addresses(web: Callable[[int, bytes], list[str]]) -> None:
    requested = web(200, TABLE.encode())
    data = own("https://example.org/pairs.tsv?raw=1")
    assert (data.name, sizes(data)) == ("pairs.tsv", HELD_OUT)
    own("https://example.org/pairs.tsv?raw=1")
    assert requested == ["https://example.org/pairs.tsv?raw=1"]


def test_a_web_page_is_no_table(web: Callable[[int, bytes], list[str]]) -> None:
    web(200, b"<!DOCTYPE html><html>\t</html>")
    with pytest.raises(DatasetError, match="is a web page"):
        own("https://example.org/pairs.tsv")


def test_other_languages_of_manythings_are_downloaded(web: Callable[[int, bytes], list[str]]) -> None:
    requested = web(200, zip_of_texts(spa__txt=TABLE, _about__txt="** Info **"))
    data = load_data(DataConfig(data="tatoeba:spa-eng"))
    assert requested == ["https://www.manythings.org/anki/spa-eng.zip"]
    assert (data.name, data.source, data.target, data.redistributable) == ("Tatoeba spa-eng", "es", "en", True)
    assert data.splits["test"][0].source.startswith("Satz")


def test_a_copy_of_a_zip_may_lie_with_the_data(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LECTERN_DATA", str(tmp_path))
    (tmp_path / "tatoeba_manythings").mkdir()
    (tmp_path / "tatoeba_manythings" / "ita-eng.zip").write_bytes(zip_of_texts(ita__txt=TABLE))
    assert sizes(load_data(DataConfig(data="tatoeba:en-it"))) == HELD_OUT


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"data": "wmt14"}, r"data is 'wmt14'; known are tatoeba:eng-deu .* multi30k:en-de .* and mtdata:ID"),
        ({"data": "tatoeba:deu"}, r"known are tatoeba:eng-deu"),
        ({"data": "tatoeba:deu-fra"}, r"pairs of English and one other language"),
        ({"data": "tatoeba:eng-eng"}, r"pairs of English and one other language"),
        ({"data": "tatoeba:eng-xxx"}, r"pairs of English and one other language"),
        ({"data": "multi30k:en-cs"}, r"multi30k has en, de and fr"),
        ({"data": "multi30k:en-en"}, r"multi30k has en, de and fr"),
        ({"train": "x.tsv", "source": "eng", "target": "de"}, r"--source names a language .* not eng"),
        ({"train": "x.tsv", "source": "en", "target": "DE"}, r"--target names a language .* not DE"),
        ({"train": "x.tsv", "source": "en", "target": "en"}, r"are both en; name two languages"),
        ({"train": "a,b,c", "source": "en", "target": "de"}, r"names 3 files"),
    ],
)
def test_settings_that_cannot_be_used(settings: dict[str, str], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        load_data(DataConfig(**settings))  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a\tb\n", r"pairs.tsv: 1 pair: too few, or too much alike, to hold some out.*--dev"),
        ("".join(f"a\tb{number}\n" for number in range(50)), r"50 pairs: too few, or too much alike"),
        ("a\t\n\tb\n", r"no pair is left \(2 with an empty side\)"),
    ],
)
def test_too_little_is_left(text: str, message: str, table: Path) -> None:
    table.write_text(text)
    with pytest.raises(DatasetError, match=message):
        own(table)


def test_missing_files_are_named(tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match=r"none.tsv: there is no such file"):
        own(tmp_path / "none.tsv")
    with pytest.raises(DatasetError, match=r"cannot be read \(Is a directory\)"):
        own(tmp_path)


def test_codes() -> None:
    assert (iso_639_1("deu"), iso_639_1("de"), iso_639_1("xx")) == ("de", "de", None)
    assert (iso_639_3("deu"), iso_639_3("de"), iso_639_3("xxx")) == ("deu", "deu", None)


def _at_hand(folder: str) -> bool:
    return bool(os.environ.get("LECTERN_DATA")) and (Path(os.environ["LECTERN_DATA"]) / folder).is_dir()


@pytest.mark.skipif(not _at_hand("tatoeba_manythings"), reason="LECTERN_DATA has no tatoeba_manythings")
def test_tatoeba_as_published() -> None:
    there, back = (load_data(DataConfig(data=f"tatoeba:{pair}")) for pair in ("eng-deu", "deu-eng"))
    assert sizes(there) == sizes(back) == {"train": 164_111, "dev": 2_000, "test": 2_000}
    trained = [{fold(pair[side]) for pair in there.splits["train"]} for side in (0, 1)]
    for data, sides in ((there, (0, 1)), (back, (1, 0))):
        for split in ("dev", "test"):
            assert not any(fold(pair[side]) in trained[sides[side]] for pair in data.splits[split] for side in (0, 1))
            assert len({fold(pair.source) for pair in data.splits[split]}) == 2_000


@pytest.mark.skipif(not _at_hand("multi30k"), reason="LECTERN_DATA has no multi30k")
def test_multi30k_as_published() -> None:
    data = load_data(DataConfig(data="multi30k:de-en", lower_case=True))
    assert sizes(data) == {"train": 28_995, "dev": 1_014, "test": 1_000, "test2017": 1_000}
    assert not data.redistributable
    assert data.splits["test"][0] == (
        "ein mann mit einem orangefarbenen hut, der etwas anstarrt.", "a man in an orange hat starring at something."
    )  # fmt: skip
