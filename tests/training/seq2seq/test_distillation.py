"""Translating a corpus to train on: by a run and by a bundle, continued after a kill, and read as further pairs."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

import pytest

from tests.support import sentence_pairs
from tests.support.runs import assert_user_error
from tests.support.translator_bundles import write_translator
from training.__main__ import main
from training.common.errors import ConfigError, DatasetError
from training.seq2seq import distillation as module
from training.seq2seq.config import DataConfig
from training.seq2seq.data.dataset import Pair, ParallelData
from training.seq2seq.data.sources import load_data
from training.seq2seq.distillation import NearReference, RoundTrip, near_reference, read_sentences, translate_corpus

pytestmark = pytest.mark.torch


@pytest.fixture(scope="module")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_translator(tmp_path_factory.mktemp("models")).path


def test_a_bundle_translates_a_file(bundle: Path, tmp_path: Path) -> None:
    (tmp_path / "text").write_text("The dog sleeps.\n\n The  cat\nThe dog sleeps.\n")
    output = tmp_path / "pairs.tsv"
    command = ["seq2seq", "translate", str(bundle), "--text", str(tmp_path / "text"), "--output", str(output)]
    assert main(command) == 0
    assert output.read_text() == "The dog sleeps.\tDer Hund schläft.\nThe cat\tDer Katze\n"
    assert main([*command[:-1], str(tmp_path / "back.tsv"), "--swap"]) == 0
    assert (tmp_path / "back.tsv").read_text().splitlines()[0] == "Der Hund schläft.\tThe dog sleeps."


def test_a_run_translates_training_sentences(tmp_path: Path) -> None:
    table = sentence_pairs.write_table(tmp_path / "pairs.tsv", 200)
    languages = ["--source", "en", "--target", "de"]
    run = str(tmp_path / "run")
    train = ["seq2seq", "train", "--preset", "debug", "--train", str(table), *languages, "--vocabulary", "60"]
    assert main([*train, "--epochs", "1", "--run", run]) == 0
    (tmp_path / "text").write_text("the dog sees\nbig house\n")
    output = tmp_path / "made.tsv"
    assert main(["seq2seq", "translate", run, "--text", str(tmp_path / "text"), "--output", str(output)]) == 0
    rows = [line.split("\t") for line in output.read_text().splitlines()]
    assert [row[0] for row in rows] == ["the dog sees", "big house"]
    assert all(len(row) == 2 for row in rows)


def test_a_file_is_continued(tmp_path: Path) -> None:
    path, seen = tmp_path / "pairs.tsv", []

    def translate_batch(sentences: list[str]) -> list[str]:
        seen.extend(sentences)
        return [sentence.upper() for sentence in sentences]

    sentences = [f"sentence {number}" for number in range(600)]
    path.write_text("sentence 0\tSENTENCE 0\nsentence 1\tSENT")
    assert translate_corpus(translate_batch, sentences, path, swap=False) == 599
    assert seen == sentences[1:]
    assert path.read_text() == "".join(f"{sentence}\t{sentence.upper()}\n" for sentence in sentences)
    assert translate_corpus(translate_batch, sentences, path, swap=False) == 0
    with pytest.raises(DatasetError, match="holds other sentences"):
        translate_corpus(translate_batch, sentences[1:], path, swap=False)
    with pytest.raises(DatasetError, match="holds other sentences"):
        translate_corpus(translate_batch, sentences, path, swap=True)


def test_translations_that_do_not_come_back_are_left_out_and_not_made_again(tmp_path: Path) -> None:
    path, sentences = tmp_path / "pairs.tsv", [f"sentence number {number}" for number in range(10)]
    german = {sentence: sentence.replace("sentence", "Satz") for sentence in sentences} | {sentences[3]: ""}
    returned = {german[sentence]: sentence for sentence in sentences} | {german[sentences[5]]: "wholly other words"}
    round_trip = RoundTrip(lambda texts: [returned[text] for text in texts], 60)
    seen: list[str] = []

    def translate_batch(batch: Sequence[str]) -> list[str]:
        seen.extend(batch)
        return [german[sentence] for sentence in batch]

    assert translate_corpus(translate_batch, sentences[:7], path, swap=True, filters=[round_trip]) == 5
    assert translate_corpus(translate_batch, sentences, path, swap=True, filters=[round_trip]) == 3
    assert seen == sentences
    kept = [sentence for number, sentence in enumerate(sentences) if number not in (3, 5)]
    assert path.read_text() == "".join(f"{german[sentence]}\t{sentence}\n" for sentence in kept)


@pytest.mark.parametrize("least", [0, 35])
def test_translations_that_are_like_a_reference_and_none_of_them_are_kept(least: float) -> None:
    references = {"I am tired.": {"Ich bin müde."}, "He sleeps.": {"Er schläft.", "Er schläft gerade."}}
    references["Hotel"] = {"Hotels"}
    filter_ = NearReference(references, least)
    translations = {
        "I am tired.": ["Ich bin müde.", "ich bin müde!", "Ich bin erschöpft.", "Kaufen Sie Brot!", ""],
        "He sleeps.": ["Er schläft gerade.", "Er schläft ja gerade."],
        "She runs.": ["Sie rennt."],
        "Hotel": ["hotel!"],
    }
    pairs = [(sentence, translation) for sentence, texts in translations.items() for translation in texts]
    keeps = filter_.keeps(*map(list, zip(*pairs, strict=True)))
    kept = [translation for (_, translation), keep in zip(pairs, keeps, strict=True) if keep]
    unlike = ["Kaufen Sie Brot!"] if least == 0 else []
    assert kept == ["Ich bin erschöpft.", *unlike, "Er schläft ja gerade."]


def test_references_are_those_of_training() -> None:
    data = ParallelData(
        name="known", source="en", target="de", licence="", attribution="",
        splits={"train": [Pair("a", "b"), Pair("a", "c")], "dev": [Pair("d", "e")]},
    )  # fmt: skip
    assert near_reference(data, 35).references == {"a": {"b", "c"}}


def test_translations_near_the_references_of_a_data_set_are_written(
    bundle: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pairs = [Pair("The dog sleeps.", "Der Hund schläft jetzt."), Pair("The cat", "Der Katze"), Pair("The dog", "Eis!")]
    data = ParallelData(
        name="known", source="en", target="de", licence="", attribution="", splits={"train": pairs, "dev": []}
    )
    monkeypatch.setattr(module, "load_data", lambda config: data)
    output = tmp_path / "pairs.tsv"
    command = ["seq2seq", "translate", str(bundle), "--data", "tatoeba:eng-deu", "--output", str(output)]
    assert main([*command, "--min-reference-chrf", "35"]) == 0
    assert output.read_text() == "The dog sleeps.\tDer Hund schläft.\n"
    assert main([*command, "--min-reference-chrf", "35"]) == 0  # continued after the last line: nothing more is kept
    assert output.read_text() == "The dog sleeps.\tDer Hund schläft.\n"


def test_only_pairs_that_all_filters_keep_are_written(tmp_path: Path) -> None:
    class Longer(NamedTuple):
        least: int

        def keeps(self, sentences: Sequence[str], translations: Sequence[str]) -> list[bool]:
            return [len(sentence) >= self.least for sentence in sentences]

    def translate_batch(batch: Sequence[str]) -> list[str]:
        return [sentence.upper() for sentence in batch]

    path, sentences = tmp_path / "pairs.tsv", ["a", "bcd", "ef"]
    assert translate_corpus(translate_batch, sentences, path, swap=False, filters=[Longer(9), Longer(2)]) == 0
    assert translate_corpus(translate_batch, sentences, path, swap=False, filters=[Longer(3), Longer(2)]) == 1
    assert path.read_text() == "bcd\tBCD\n"


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--min-reference-chrf", "35"], "compares with the translations of --data"),
        (["--min-chrf", "35"], "what --back makes of their translations"),
    ],
)
def test_thresholds_without_what_they_are_for_are_refused(
    options: list[str], message: str, bundle: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "text").write_text("The dog sleeps.\n")
    command = ["seq2seq", "translate", str(bundle), "--text", str(tmp_path / "text"), "--output", str(tmp_path / "out")]
    assert_user_error([*command, *options], message, capsys)


@pytest.mark.parametrize(("value", "message"), [("101", "101 is not from 0 to 100"), ("much", "'much' is no number")])
def test_a_threshold_is_a_percentage(value: str, message: str, capsys: pytest.CaptureFixture[str]) -> None:
    for option in ("--min-chrf", "--min-reference-chrf"):
        with pytest.raises(SystemExit):
            main(["seq2seq", "translate", "model", "--text", "text", "--output", "pairs.tsv", option, value])
        assert f"{option}: {message}" in capsys.readouterr().err


def test_sentences_of_another_data_set_are_left_out(tmp_path: Path) -> None:
    (tmp_path / "text").write_text("I am here.\nTom sleeps!\n")
    known = ParallelData(
        name="known", source="en", target="de", licence="", attribution="", splits={"test": [Pair("tom SLEEPS.", "x")]}
    )
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, "load_data", lambda config: known)
        assert read_sentences(None, str(tmp_path / "text"), "en", "tatoeba:eng-deu") == ["I am here."]
        with pytest.raises(ConfigError, match="--except tatoeba:eng-deu: its source is en; the translator reads de"):
            read_sentences(None, str(tmp_path / "text"), "de", "tatoeba:eng-deu")


def test_short_sentences_are_left_out(tmp_path: Path) -> None:
    (tmp_path / "text").write_text("I am here.\nThank you!\n")
    assert read_sentences(None, str(tmp_path / "text"), "en", min_words=3) == ["I am here."]


def test_the_way_back_needs_the_other_direction(
    bundle: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "text").write_text("The dog sleeps.\n")
    command = ["seq2seq", "translate", str(bundle), "--text", str(tmp_path / "text"), "--output", str(tmp_path / "out")]
    assert_user_error([*command, "--back", str(bundle)], "reads en, as the translator does", capsys)


def test_further_pairs_are_trained_on_but_for_those_of_dev_and_test(tmp_path: Path) -> None:
    table = sentence_pairs.write_table(tmp_path / "pairs.tsv", 200)
    config = DataConfig(train=str(table), source="en", target="de")
    data = load_data(config)
    held = data.splits["dev"][0]
    (tmp_path / "extra.tsv").write_text(
        f"a new sentence\tein neuer satz\n{held.source.upper()}!\tanders\nother\t{held.target}\n"
    )
    more = load_data(DataConfig(train=str(table), source="en", target="de", extra=str(tmp_path / "extra.tsv")))
    assert more.splits["train"] == [*data.splits["train"], ("a new sentence", "ein neuer satz")]
    assert (more.splits["dev"], more.splits["test"]) == (data.splits["dev"], data.splits["test"])
    assert "extra.tsv: 1 further training pairs; 2 left out" in more.notes[-1]
    assert (more.name, more.training_name) == ("pairs.tsv", "pairs.tsv and extra.tsv")


def test_pairs_of_the_domain_are_taken_several_times_in_either_direction(tmp_path: Path) -> None:
    table = sentence_pairs.write_table(tmp_path / "pairs.tsv", 200)
    config = DataConfig(train=str(table), source="en", target="de")
    data = load_data(config)
    held = data.splits["test"][0]
    (tmp_path / "domain.tsv").write_text(f"de\ten\nein neuer satz\ta new sentence\nanders\t{held.source}\n")
    more = load_data(replace(config, in_domain=str(tmp_path / "domain.tsv"), oversampling=4))
    assert more.splits["train"] == [*data.splits["train"], *[("a new sentence", "ein neuer satz")] * 4]
    assert "domain.tsv: 1 further training pairs, each 4 times; 1 left out" in more.notes[-1]


def test_what_cannot_be_translated_is_named(bundle: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    command = ["seq2seq", "translate"]
    output = ["--output", str(tmp_path / "out.tsv")]
    assert_user_error(
        [*command, str(bundle), "--text", str(tmp_path / "none"), *output], "there is no such file", capsys
    )
    assert_user_error([*command, str(tmp_path), "--text", "x", *output], "holds no run", capsys)
