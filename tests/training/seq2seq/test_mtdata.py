"""Corpora by their id: what the program mtdata prints, in its place a script with its interface."""

import sys
from pathlib import Path

import pytest

from tests.support.sentence_pairs import pairs
from training.common.errors import ConfigError, DatasetError
from training.seq2seq.config import DataConfig, TranslatorConfig
from training.seq2seq.data.dataset import ParallelData
from training.seq2seq.data.sources import load_data

pytestmark = pytest.mark.torch

ID = "OPUS-made-v1-eng-deu"
PAIRS = pairs(200, seed=2)
PROGRAM = """#!{python}
import os, sys
with open({log!r}, "a") as log:
    print(*sys.argv[1:], os.listdir(), os.environ["MTDATA"], file=log)
if sys.argv[1:] != ["echo", {known!r}]:
    sys.exit("no such corpus")
sys.stdout.buffer.write(open({corpus!r}, "rb").read())
"""


@pytest.fixture(autouse=True)
def _own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setenv("PATH", str(tmp_path / "bin"))
    for variable in ("LECTERN_DATA", "MTDATA"):
        monkeypatch.delenv(variable, raising=False)


@pytest.fixture
def calls(tmp_path: Path) -> Path:
    """The program on the PATH; the lines of this file are its calls."""
    corpus, log, program = tmp_path / "corpus", tmp_path / "calls", tmp_path / "bin" / "mtdata"
    corpus.write_text("".join(f"{source}\t{target}\t{{}}\n" for source, target in PAIRS), encoding="utf-8")
    program.parent.mkdir()
    program.write_text(PROGRAM.format(python=sys.executable, log=str(log), known=ID, corpus=str(corpus)))
    program.chmod(0o755)
    log.touch()
    return log


def load(**settings: object) -> ParallelData:
    return load_data(DataConfig(**{"data": f"mtdata:{ID}", **settings}))  # type: ignore[arg-type]


def test_a_corpus_is_downloaded_once(calls: Path, tmp_path: Path) -> None:
    data = load()
    assert (data.name, data.source, data.target) == (f"mtdata:{ID}", "en", "de")
    assert (data.licence, data.attribution) == ("unspecified", f"{ID}, in the index of mtdata")
    assert set(data.splits["train"]) < set(PAIRS)
    assert load().splits == data.splits
    # In an empty folder, with its downloads in the cache.
    assert calls.read_text().splitlines() == [f"echo {ID} [] {tmp_path}/cache/lectern/mtdata/downloads"]


def test_the_other_direction(calls: Path) -> None:
    there, back = load(), load(swap=True)
    assert (back.source, back.target) == ("de", "en")
    assert [(two, one) for one, two in back.splits["train"]] == there.splits["train"]


def test_further_pairs_and_dev_from_the_index(calls: Path, tmp_path: Path) -> None:
    (tmp_path / "own.tsv").write_text("".join(f"Satz {n}.\tSentence {n}.\n" for n in range(60)), encoding="utf-8")
    data = load(data="", train=str(tmp_path / "own.tsv"), source="de", target="en", extra=f"mtdata:{ID}")
    assert (PAIRS[0].target, PAIRS[0].source) in data.splits["train"]
    assert data.attribution == f"{ID}, in the index of mtdata"
    assert data.notes[-1].startswith(f"mtdata:{ID}: 200 further training pairs")
    assert (
        len(load(data="", train=str(tmp_path / "own.tsv"), source="de", target="en", dev=f"mtdata:{ID}").splits["dev"])
        == 200
    )
    with pytest.raises(ConfigError, match=r"is of en and de, not of fr and en"):
        load(data="", train=str(tmp_path / "own.tsv"), source="fr", target="en", extra=f"mtdata:{ID}")


def test_a_copy_beside_the_other_data_comes_first(calls: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LECTERN_DATA", str(tmp_path / "data"))
    (tmp_path / "data" / "mtdata").mkdir(parents=True)
    (tmp_path / "data" / "mtdata" / f"{ID}.tsv").write_text("".join(f"S {n}\tT {n}\n" for n in range(60)))
    assert load().splits["train"][0].source.startswith("S ")
    assert not calls.read_text()


def test_an_altered_copy_is_refused(calls: Path, tmp_path: Path) -> None:
    load()
    kept = tmp_path / "cache" / "lectern" / "mtdata" / f"{ID}.tsv"
    kept.write_text("a\tb\n")
    with pytest.raises(DatasetError, match=r"is not as it was first downloaded; remove it"):
        load()


def test_without_the_program(tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match=r"needs the program mtdata: install it .*LECTERN_DATA/mtdata/OPUS-made"):
        load()


def test_a_failure_leaves_nothing(calls: Path, tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match=r"mtdata ended with exit code 1, its own message is above"):
        load(data="mtdata:OPUS-other-v1-eng-deu")
    assert not list((tmp_path / "cache" / "lectern" / "mtdata").glob("*OPUS*"))


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("mtdata:", r"is no id of a parallel corpus; `mtdata list"),
        ("mtdata:--help", r"is no id of a parallel corpus"),
        ("mtdata:Leipzig-news-2020-deu", r"is no id of a parallel corpus"),
        ("mtdata:OPUS-made-v1-eng-xxx", r"xxx is no language that Lectern has a code for"),
    ],
)
def test_names_that_are_no_corpus(name: str, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        load(data=name)


def test_settings_beside_an_id() -> None:
    TranslatorConfig(data=DataConfig(data=f"mtdata:{ID}", swap=True, dev="dev.tsv"))
    with pytest.raises(ConfigError, match="--source, --target"):
        TranslatorConfig(data=DataConfig(data=f"mtdata:{ID}", source="en"))
