"""Data by name, path or address, and their preparation; real data sets are read if they are available."""

import gzip
from collections.abc import Callable
from pathlib import Path

import pytest

from service.tasks.token_classification.tag_schemes import spans
from tests.support import tagged_sentences
from training.bilstm_crf.config import DataConfig
from training.bilstm_crf.data import sources
from training.bilstm_crf.data import sources as module
from training.bilstm_crf.data.dataset import Sentence, TaggedData
from training.bilstm_crf.data.sources import drop_handles, load_data, rename_types
from training.common import downloads
from training.common.errors import ConfigError, DatasetError

pytestmark = pytest.mark.torch


@pytest.fixture
def files(tmp_path: Path) -> dict[str, str]:
    """Three files of generated sentences."""
    return {
        split: str(tagged_sentences.write_columns(tmp_path / f"{split}.tsv", tagged_sentences.spans(count, count)))
        for split, count in (("train", 25), ("dev", 5), ("test", 4))
    }


def sizes(data: TaggedData) -> dict[str, tuple[int, int, int]]:
    """Sentences, words and entities by split."""
    return {
        split: (len(part), sum(len(s.words) for s in part), sum(len(spans(s.tags)) for s in part))
        for split, part in data.splits.items()
    }


def test_own_files(files: dict[str, str]) -> None:
    data = load_data(DataConfig(**files))
    assert {split: len(part) for split, part in data.splits.items()} == {"train": 25, "dev": 5, "test": 4}
    assert (data.name, data.kind, data.licence, data.redistributable) == ("train.tsv", "spans", "unspecified", True)
    assert data.splits["test"][0].location == f"{files['test']}:1"


def test_without_dev_every_tenth_sentence_is_held_out(files: dict[str, str]) -> None:
    sentences = load_data(DataConfig(**files)).splits["train"]
    data = load_data(DataConfig(train=files["train"]))
    assert list(data.splits) == ["train", "dev"]
    assert list(load_data(DataConfig(train=files["train"], test=files["test"])).splits) == ["train", "dev", "test"]
    assert data.splits["dev"] == [sentences[9], sentences[19]]
    assert len(data.splits["train"]) == 23
    assert data.notes[1:] == (f"no --dev: 2 of 25 sentences of {files['train']} are held out",)


def test_sentences_of_other_sets_can_be_marked(files: dict[str, str]) -> None:
    first, second = tagged_sentences.data("spans"), tagged_sentences.data("spans", train=3)
    plain, marked = (module._join([first, second], ["one", "two"], mark=mark).splits for mark in (False, True))
    assert len(plain["train"]) == len(marked["train"]) == 63
    assert marked["train"][:60] == plain["train"][:60] == first.splits["train"]
    for before, after in zip(plain["train"][60:], marked["train"][60:], strict=True):
        assert after.words == ("<two>", *before.words)
        assert after.tags == ("O", *before.tags)
    assert list(marked) == ["train", "dev", "test", "dev-two", "test-two"]
    assert all(plain[split] == marked[split] for split in marked if split != "train")
    with pytest.raises(ConfigError, match="mark_sources"):
        module._join([tagged_sentences.data("tags")] * 2, ["one", "two"], mark=True)
    with pytest.raises(ConfigError, match="mark_sources"):
        load_data(DataConfig(**files, mark_sources=True))


def test_dev_can_be_trained_on(files: dict[str, str]) -> None:
    apart, together = (load_data(DataConfig(**files, train_on_dev=both)) for both in (False, True))
    assert together.splits["train"] == apart.splits["train"] + apart.splits["dev"]
    assert together.splits["dev"] == apart.splits["dev"]
    assert "5 dev sentences are trained on too" in together.notes[-1]
    assert together.sha256() != apart.sha256()


def test_few_sentences_are_split_too(tmp_path: Path) -> None:
    path = tagged_sentences.write_columns(tmp_path / "few.tsv", tagged_sentences.plain(2, 0))
    assert {split: len(part) for split, part in load_data(DataConfig(train=str(path))).splits.items()} == {
        "train": 1, "dev": 1,
    }  # fmt: skip
    tagged_sentences.write_columns(path, tagged_sentences.plain(1, 0))
    with pytest.raises(DatasetError, match="holds one sentence; name a file with --dev"):
        load_data(DataConfig(train=str(path)))


def test_dev_is_of_the_kind_of_train(files: dict[str, str], tmp_path: Path) -> None:
    (tmp_path / "none.tsv").write_text("a\tO\n", encoding="utf-8")
    assert load_data(DataConfig(train=files["train"], dev=str(tmp_path / "none.tsv"))).kind == "spans"
    (tmp_path / "plain.tsv").write_text("a\tO\nb\tNOUN\n", encoding="utf-8")
    with pytest.raises(DatasetError, match=r"plain.tsv:2: the tag NOUN is no tag of spans"):
        load_data(DataConfig(train=files["train"], dev=str(tmp_path / "plain.tsv")))


def test_gzipped_files(files: dict[str, str], tmp_path: Path) -> None:
    packed = tmp_path / "train.tsv.gz"
    packed.write_bytes(gzip.compress(Path(files["train"]).read_bytes()))
    assert load_data(DataConfig(train=str(packed))).sha256() == load_data(DataConfig(train=files["train"])).sha256()
    packed.write_bytes(packed.read_bytes()[:-20])
    with pytest.raises(DatasetError, match=r"train.tsv.gz: cannot be decompressed \(.*\); it was cut off"):
        load_data(DataConfig(train=str(packed)))


@pytest.mark.parametrize(("name", "message"), [("none.tsv", "there is no such file"), ("", "cannot be read")])
def test_missing_files(tmp_path: Path, name: str, message: str) -> None:
    with pytest.raises(DatasetError, match=message):
        load_data(DataConfig(train=str(tmp_path / name)))


def test_a_url_is_downloaded_once(files: dict[str, str], web: Callable[[int, bytes], list[str]]) -> None:
    addresses = web(200, Path(files["train"]).read_bytes())
    address = "https://example.org/a%20b/my%2Ftrain.tsv?raw=1"
    for _ in range(2):
        data = load_data(DataConfig(train=address, dev=files["dev"]))
        assert len(data.splits["train"]) == 25
    assert addresses == [address]
    assert data.splits["train"][0].location == "my%2Ftrain.tsv:1"
    assert [path.name for path in (downloads.cache_folder() / "urls").rglob("*.*")] == ["train.tsv"]


def test_urls_that_are_no_file(web: Callable[[int, bytes], list[str]]) -> None:
    web(404, b"")
    with pytest.raises(DatasetError, match=r"example.org/x answered 404.*get x by other means and name its path"):
        load_data(DataConfig(train="https://example.org/x"))
    web(200, b"\n<!DOCTYPE html><html></html>")
    with pytest.raises(DatasetError, match="is a web page; name the address of the file itself"):
        load_data(DataConfig(train="https://example.org/x"))
    with pytest.raises(DatasetError, match="cannot be reached"):
        load_data(DataConfig(train="https://example.org:port/x"))


@pytest.mark.parametrize(
    ("choices", "message"),
    [
        (
            {"data": "ewt+other"},
            "'other' is no known set; known are ewt, uner-ewt, btc, wnut17, conll2003, joined with",
        ),
        ({"data": "btc+btc"}, "names btc twice"),
        ({"data": "btc", "column": "upos"}, "column is 'upos'; btc has ner only"),
        ({"data": "wnut17", "scheme": "none"}, "scheme is none, but wnut17 has spans"),
    ],
)
def test_unknown_names(choices: dict[str, str], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        load_data(DataConfig(**choices))  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("tagged", "expected"),
    [
        ("hey/O @anna/B-PER !/O", "O O O"),
        ("@/B-PER anna/B-PER :/O", "O O O"),  # both are labelled
        ("@/O anna/B-PER :/O", "O O O"),
        ("@/O Rome/B-LOC", "O B-LOC"),  # the preposition
        ("@/O Royal/B-ORG Albert/I-ORG", "O B-ORG I-ORG"),
        ("@/B-PER anna/B-PER Bodo/I-PER", "O O B-PER"),
        ("@/B-PER anna/I-PER @/B-PER bodo/I-PER", "O O O O"),
        ("Anna/B-PER @/O", "B-PER O"),
    ],
)
def test_handles_are_no_entities(tagged: str, expected: str) -> None:
    words, tags = zip(*(word.split("/") for word in tagged.split()), strict=True)
    result = drop_handles(Sentence(words, tags, "f:1"))
    assert (result.words, " ".join(result.tags), result.location) == (words, expected, "f:1")


def test_types_are_renamed_or_dropped() -> None:
    sentence = Sentence(tuple("abcd"), ("B-group", "I-group", "B-product", "B-person"))
    assert rename_types(sentence, {"group": "ORG", "person": "PER"}).tags == ("B-ORG", "I-ORG", "O", "B-PER")


def test_the_digest_is_of_words_and_tags() -> None:
    def digest(*sentences: Sentence, split: str = "train") -> str:
        return TaggedData(
            name="", kind="tags", splits={split: list(sentences)}, licence="", attribution="", redistributable=True
        ).sha256()

    sentence = Sentence(("a", "b"), ("X", "Y"), "here")
    assert digest(sentence) == digest(Sentence(sentence.words, sentence.tags, "there"))
    others = [
        digest(Sentence(("a", "b"), ("X", "X"))),
        digest(Sentence(("ab",), ("X",))),
        digest(sentence, split="dev"),
    ]
    apart = digest(Sentence(("a",), ("X",)), Sentence(("b",), ("Y",)))
    assert len({digest(sentence), apart, *others}) == 5


REAL = {
    "ewt": {"train": (12_544, 204_577), "dev": (2_001, 25_147), "test": (2_077, 25_094)},
    "uner-ewt": {"train": (12_543, 204_579, 7_005), "dev": (2_001, 25_149, 966), "test": (2_077, 25_097, 1_088)},
    "btc": {"train": (5_872, 95_558, 5_063), "dev": (733, 12_815, 815), "test": (733, 12_532, 774)},
    "wnut17": {"train": (3_394, 62_730, 1_693), "dev": (1_009, 15_733, 617)},
    "conll2003": {
        "train": (14_041, 203_621, 23_499), "dev": (3_250, 51_362, 5_942), "test": (3_453, 46_435, 5_648),
    },
}  # fmt: skip


@pytest.mark.parametrize("name", REAL)
def test_published_sets(name: str, data_dir: Path) -> None:
    """Sentences, words and entities as their publishers count them."""
    data = load_data(DataConfig(data=name))
    assert {split: size[: len(REAL[name]["train"])] for split, size in sizes(data).items()} == REAL[name]
    assert data.kind == ("tags" if name == "ewt" else "spans")
    assert data.redistributable is (name != "conll2003")
    assert len(data.tags("train")) == {"ewt": 17, "conll2003": 9}.get(name, 7)


def test_joined_sets(monkeypatch: pytest.MonkeyPatch) -> None:
    """All train parts are one; dev and test are those of the first."""
    one, two, plain = (tagged_sentences.data(kind).splits for kind in ("spans", "spans", "tags"))
    del two["test"]
    for name, kind, splits, redistributable in (
        ("one", "spans", one, True), ("two", "spans", two, False), ("plain", "tags", plain, True),
    ):  # fmt: skip
        published = sources._PublishedSet(
            name.title(), lambda _, kind=kind, splits=splits: (kind, splits), "CC0", name, redistributable
        )
        monkeypatch.setitem(sources._PUBLISHED, name, published)
    data = load_data(DataConfig(data="one+two"))
    assert data.splits == {**one, "train": one["train"] + two["train"], "dev-two": two["dev"]}
    assert (data.name, data.licence, data.attribution, data.redistributable) == ("One + Two", "CC0", "one; two", False)
    with pytest.raises(ConfigError, match=r"joins one \(spans\) and plain \(tags\): their tags differ in kind"):
        load_data(DataConfig(data="one+plain"))
