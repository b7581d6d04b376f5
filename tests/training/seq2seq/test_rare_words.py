"""Rare words in training: found on both sides, replaced by typed placeholders, put back; names that are learned."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from service.bundle.files import read_bundle
from service.decoding import Hypothesis
from service.tasks.translation import TranslationPredictor
from service.tasks.translation.subwords import TYPED_PLACEHOLDERS, UNKNOWN, Subwords, add_pieces
from service.tasks.translation.text import RareWords
from service.tasks.translation.text.names import NameFinder, NameList
from tests.support import sentence_pairs
from tests.support.predictors import open_predictor
from tests.support.translator_bundles import pieces_model
from training.common.config import merge, to_dict
from training.common.errors import CheckpointError, ConfigError
from training.common.run import Run
from training.seq2seq.config import FAMILY, PRESETS, TranslatorConfig
from training.seq2seq.data.dataset import Pair, ParallelData
from training.seq2seq.data.names import learn_names
from training.seq2seq.data.rare_words import RareWordAugmenter, prepare
from training.seq2seq.evaluate import evaluate
from training.seq2seq.export.bundle import export
from training.seq2seq.train import train
from training.seq2seq.translator import NAMES, load_translator

pytestmark = pytest.mark.torch

CPU = torch.device("cpu")
SYMBOLS = str.maketrans({symbol: kind[0].upper() for kind, symbol in TYPED_PLACEHOLDERS.items()})


@pytest.fixture(scope="module")
def subwords() -> Subwords:
    return Subwords(add_pieces(pieces_model(), TYPED_PLACEHOLDERS.values()))


@pytest.fixture(scope="module")
def rare_words(subwords: Subwords) -> RareWords:
    return RareWords("en", "de", NameFinder("en", "de", subwords, names=NameList(translations={"Zork": "Zorck"})))


@pytest.mark.parametrize(
    ("source", "target", "replaced"),
    [
        ("It costs 49.99 euros.", "Es kostet 49,99 Euro.", ("It costs N euros.", "Es kostet N Euro.")),
        ("1,000 dogs in 2019", "2019 tausend (1.000) Hunde", ("N dogs in N", "N tausend (N) Hunde")),
        ("On May 3, 2020.", "Am 3. Mai 2020.", ("On D.", "Am D.")),
        ("Zork sees Zbigniew.", "Zbigniew sieht Zorck.", None),
        ("We go to Zork.", "Wir gehen nach Zorck.", ("We go to N.", "Wir gehen nach N.")),
        ("I have 3 dogs.", "Ich habe drei Hunde.", None),
        ("I have a dog.", "Ich habe einen Hund.", None),
        ("", "", None),
    ],
)
def test_rare_words_of_both_sides_are_replaced(
    rare_words: RareWords, subwords: Subwords, source: str, target: str, replaced: tuple[str, str] | None
) -> None:
    result = RareWordAugmenter(rare_words, subwords, subwords).replace(Pair(source, target))
    shown = None if result is None else tuple(text.translate(SYMBOLS) for text in result)
    if source.startswith("Zork"):  # two names, in another order
        assert shown == ("N sees N.", "N sieht N.")
    else:
        assert shown == replaced


def test_numbers_and_days_in_words_are_replaced_in_some_pairs(rare_words: RareWords, subwords: Subwords) -> None:
    augmenter = RareWordAugmenter(rare_words, subwords, subwords)
    pair = Pair("We met three dogs on Monday.", "Wir trafen am Montag drei Hunde.")
    written_out = augmenter.replace(pair, written_out=True)
    assert written_out is not None
    assert [text.translate(SYMBOLS) for text in written_out] == ["We met N dogs on D.", "Wir trafen am D N Hunde."]
    assert augmenter.replace(pair) is None
    sampled = augmenter.sample([pair] * 1000, 0.9, np.random.default_rng(0))
    assert 200 < len(sampled) < 340
    assert augmenter.replace(Pair("two and two", "zwei und vier"), written_out=True) is None


def test_adjacent_rare_words_are_one(rare_words: RareWords, subwords: Subwords) -> None:
    result = RareWordAugmenter(rare_words, subwords, subwords).replace(
        Pair("I saw Zbigniew Kowalczyk.", "Ich sah Zbigniew Kowalczyk.")
    )
    assert result is not None
    assert result.source.translate(SYMBOLS) == "I saw N."
    text = prepare("I saw Zbigniew Kowalczyk.", rare_words, subwords)
    assert [one.text for one in text.protected[0]] == ["Zbigniew Kowalczyk"]


@pytest.mark.parametrize(
    ("sentence", "translation", "expected"),
    [
        ("The 49.99 dog", "der \ufff9 Hund", "der 49,99 Hund"),
        ("The dog 李 and 7", "der Hund \ufff9", "der Hund 7"),
        ("The dog", "der Hund", "der Hund"),
        ("Zork sees 12", "\ufff9 sieht \ufffa", "12 sieht Zorck"),
    ],
)
def test_a_prepared_sentence_is_restored(
    rare_words: RareWords, subwords: Subwords, sentence: str, translation: str, expected: str
) -> None:
    text = prepare(sentence, rare_words, subwords)
    tokens = tuple(subwords.encode(translation))
    assert text.restore(0, Hypothesis(tokens, 0.0, None), subwords, subwords) == expected
    for one in text.protected.get(0, ()):
        assert text.segments[0][one.position] in subwords.placeholder_ids - {UNKNOWN}


def test_names_are_learned_from_pairs(subwords: Subwords) -> None:
    phrases = {
        Pair("Boston", "Boston"): 50, Pair("Munich", "München"): 5, Pair("Sunday", "Sonntag"): 90,
        Pair("Smith", "Schmidt"): 2, Pair("Smith", "Smith"): 30, Pair("dog", "Hund"): 9, Pair("Pat", "Klaus"): 3,
        Pair("Kong", "Hongkong"): 9, Pair("Jose", "Josef"): 2,
    }  # fmt: skip
    texts = [
        *(f"Smith lives in Boston {number}" for number in range(30)),
        *(f"It is Sunday {number}" for number in range(90)),
        *(f"Munich, Pat and Jose in Kong {number}" for number in range(12)),
    ]
    learned = learn_names([Pair(text, f"Satz {number}") for number, text in enumerate(texts)], phrases, subwords)
    assert learned.translations == {"Boston": "Boston", "Munich": "München", "Smith": "Smith"}
    assert learned.known_words >= {"Sunday", "Pat", "Jose", "Kong"}


def test_a_name_that_few_sentences_have_is_not_known(subwords: Subwords) -> None:
    pairs = [Pair(f"Priya sees Gdansk {number}", f"Priya sieht Danzig {number}") for number in range(9)]
    learned = learn_names(pairs, {}, subwords)
    assert learned.translations == {"Priya": "Priya"}
    assert not learned.known_words & {"Priya", "Gdansk"}
    words = [Pair(f"Religion, {number}: religion", f"Religion {number}") for number in range(9)]
    assert learn_names(words, {}, subwords).translations == {}
    assert "Gdansk" in learn_names([*pairs, Pair("Gdansk is big", "Danzig ist groß")], {}, subwords).known_words


def test_copies_and_further_translations_of_a_sentence_do_not_make_a_name_known(subwords: Subwords) -> None:
    pairs = [Pair("Priya sees Gdansk", f"Priya sieht Danzig {number}") for number in range(20)]
    further = [Pair(f"Priya looks at Gdansk {number}", pairs[0].target) for number in range(20)]
    learned = learn_names([*pairs, *further, *pairs], {}, subwords)
    assert (learned.translations, learned.known_words) == ({}, frozenset())


def priced(count: int) -> ParallelData:
    """Sentences of which half have a number, which is written in the notation of its language."""
    data, generator = sentence_pairs.data(count), np.random.default_rng(0)
    for split, pairs in data.splits.items():
        amounts = generator.integers(1, 999, len(pairs))
        data.splits[split] = [
            Pair(f"{pair.source} {amount}.25", f"{amount},25 {pair.target}") if number % 2 else pair
            for number, (pair, amount) in enumerate(zip(pairs, amounts, strict=True))
        ]
    return data


def settings(**changes: Any) -> TranslatorConfig:
    made = {
        "epochs": 14, "average": 1, "data": "", "train": "made", "source": "en", "target": "de", "vocabulary": 70,
        "precision": "fp32", "learning_rate": 0.01, "batch_tokens": 200, "rare_words": 1.0, "select": "last",
    }  # fmt: skip
    return merge(PRESETS["debug"], made | changes)


def trained(path: Path, config: TranslatorConfig) -> Run:
    run = Run.create(path, family=FAMILY, config=to_dict(config))
    try:
        train(config, priced(400), run, CPU)
    finally:
        run.close()
    return run


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    return trained(tmp_path_factory.mktemp("typed") / "run", settings())


def test_a_translator_with_typed_placeholders(run: Run, tmp_path: Path) -> None:
    """Trained, evaluated and served: a number that no pair has comes back in the other notation."""
    translator = load_translator(run)
    assert translator.source.size == 70
    assert len(translator.source.placeholder_ids) == 4
    result = evaluate(run, settings(), priced(400), "dev", CPU)
    priced_rows = [row for row in result.rows if row.source.endswith("25")]
    assert sum(row.source.split()[-1].replace(".", ",") in row.translation.split() for row in priced_rows) == len(
        priced_rows
    )
    options: dict[str, Any] = {"repository": tmp_path, "licence": None, "description": "", "weights": "int8"}
    bundle = export(run, settings(), priced(400), name="made", **options).bundle
    assert bundle.manifest.preprocessing["names"] == NAMES
    predictor = open_predictor(TranslationPredictor, read_bundle(bundle.path))
    (answer,) = predictor.answer({"text": "the big house 123456.78"})["results"]
    assert "123456,78" in answer["text"].split()


def test_a_vocabulary_without_them_gets_them(run: Run, tmp_path: Path) -> None:
    plain = trained(tmp_path / "plain", settings(rare_words=0.0, placeholders=0.1, epochs=1))
    config = settings(init=str(plain.path), epochs=1, learning_rate=1e-9)
    second = trained(tmp_path / "second", config)
    before, after = load_translator(plain), load_translator(second)
    assert (before.source.size, after.source.size) == (70, 73)
    rows = after.network.output.weight
    torch.testing.assert_close(rows[:70], before.network.output.weight)
    torch.testing.assert_close(rows[70:], rows[UNKNOWN].expand(3, -1), atol=1e-6, rtol=0)
    assert after.source.encode("the dog") == before.source.encode("the dog")


def test_a_damaged_list_is_named(run: Run, tmp_path: Path) -> None:
    content = (run.path / NAMES).read_bytes()
    try:
        (run.path / NAMES).write_bytes(b"[]")
        with pytest.raises(CheckpointError, match=r"its lists of words cannot be read .* train again"):
            load_translator(run)
    finally:
        (run.path / NAMES).write_bytes(content)


@pytest.mark.parametrize("changes", [{"rare_words": 1.5}, {"epoch_share": 0.0}, {"consistency": -1.0}], ids=str)
def test_impossible_settings_are_named(changes: dict[str, Any]) -> None:
    with pytest.raises(ConfigError, match=next(iter(changes))):
        settings(**changes)
