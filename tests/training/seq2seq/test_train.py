"""Batches, vocabularies, the training loop, resuming, averaging."""

from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from service.tasks.translation.subwords import BEGIN, END, PAD, PLACEHOLDER, UNKNOWN
from tests.support import sentence_pairs
from tests.support.runs import checkpoint_weights, equal_weights
from training.common import precision
from training.common.config import merge, to_dict
from training.common.errors import CheckpointError, ConfigError, DatasetError
from training.common.interrupts import Interrupted
from training.common.precision import pick_precision
from training.common.run import Run
from training.seq2seq import train as module
from training.seq2seq.config import FAMILY, PRESETS, Cell, TranslatorConfig, stored_config
from training.seq2seq.data.augmentation import Augmentation
from training.seq2seq.data.batches import EncodedPair, make_batch, plan_batches
from training.seq2seq.data.dataset import Pair, ParallelData
from training.seq2seq.greedy import greedy, translate_greedily
from training.seq2seq.train import dev_bleu, train
from training.seq2seq.translator import BEST, JOINT, LAST, SOURCE, TARGET, load_translator

pytestmark = pytest.mark.torch

CPU = torch.device("cpu")
SETTINGS: dict[str, Any] = {
    "epochs": 3, "data": "", "train": "made", "source": "en", "target": "de", "vocabulary": 60, "precision": "fp32",
    "embedding_dropout": 0.0, "dropout": 0.0, "learning_rate": 0.01, "batch_tokens": 200,
}  # fmt: skip


def settings(**changes: Any) -> TranslatorConfig:
    return merge(PRESETS["debug"], {**SETTINGS, **changes})


@pytest.fixture
def run(tmp_path: Path) -> Iterator[Run]:
    run = Run.create(tmp_path / "run", family=FAMILY, config=to_dict(settings()))
    yield run
    run.close()


def test_a_small_language_is_learned(run: Run) -> None:
    data = sentence_pairs.data(500)
    train(settings(epochs=12, average=3), data, run, CPU)
    translator = load_translator(run)
    assert dev_bleu(translator, data) > 90
    assert translate_greedily(translator, ["dog sees cat", "the big house"]) == ["katze sieht hund", "haus groß das"]
    assert (translator.source_language, translator.target_language) == ("en", "de")
    assert translator.source is translator.target
    assert (run.path / JOINT).exists()
    assert {path.name for path in run.checkpoints.glob("epoch-*")} == {f"epoch-0{n}.pt" for n in (10, 11, 12)}


@pytest.mark.parametrize(
    "changes",
    [
        {"input_feeding": True},
        {"attention": "none"},
        {"cell": "gru", "attention": "additive"},
        {"residual": True, "encoder_layers": 2, "decoder_layers": 2},
    ],
    ids=str,
)
def test_every_kind_learns(changes: dict[str, Any], tmp_path: Path) -> None:
    config = settings(epochs=4, **changes)
    run = Run.create(tmp_path / "run", family=FAMILY, config=to_dict(config))
    train(config, sentence_pairs.data(200), run, CPU)
    run.close()
    losses = [record["loss"] for record in run.metrics()]
    assert losses[-1] < 0.8 * losses[0]


def test_two_vocabularies_and_sampled_segmentations(tmp_path: Path) -> None:
    config = settings(epochs=1, joint=False, tied="target", sampling=0.1, fragments=0.5, lower_case=True)
    run = Run.create(tmp_path / "run", family=FAMILY, config=to_dict(config))
    train(config, marked(100), run, CPU)
    run.close()
    assert (run.path / SOURCE).exists()
    assert (run.path / TARGET).exists()
    translator = load_translator(run)
    assert translator.encode("DOG ") == translator.encode("dog")


def marked(count: int) -> ParallelData:
    """Sentences with full stops."""
    data = sentence_pairs.data(count)
    splits = {name: [Pair(f"{one}.", f"{other}.") for one, other in pairs] for name, pairs in data.splits.items()}
    return replace(data, splits=splits)


def test_words_are_learned_from_phrases_and_unknown_words_are_copied(tmp_path: Path) -> None:
    config = settings(epochs=16, average=1, phrases=1, placeholders=0.5, select="last")
    run = Run.create(tmp_path / "run", family=FAMILY, config=to_dict(config))
    train(config, marked(500), run, CPU)
    run.close()
    translator = load_translator(run)
    assert translate_greedily(translator, ["big house.", "house", "tree"]) == ["haus groß.", "haus", "baum"]
    (tokens,) = greedy(translator.network, [translator.encode(f"big {PLACEHOLDER}.")], CPU)
    assert translator.target.decode([token for token in tokens if token != UNKNOWN]).split() == ["groß."]
    assert list(tokens).count(UNKNOWN) == 1


def test_pairs_with_the_placeholder_are_refused(run: Run) -> None:
    data = sentence_pairs.data(60)
    data.splits["train"].append(Pair(f"a {PLACEHOLDER}", f"ein {PLACEHOLDER}"))
    with pytest.raises(ConfigError, match=r"--placeholders puts U\+FFFC"):
        train(settings(placeholders=0.1), data, run, CPU)


def test_unknown_is_not_generated_without_placeholders(run: Run) -> None:
    train(settings(epochs=1), sentence_pairs.data(100), run, CPU)
    translator = load_translator(run)
    (tokens,) = greedy(translator.network, [translator.encode(f"big {PLACEHOLDER}")], CPU)
    assert UNKNOWN not in tokens


def test_fragments_are_learned(tmp_path: Path) -> None:
    config = settings(epochs=16, average=1, fragments=0.5, select="last")
    run = Run.create(tmp_path / "run", family=FAMILY, config=to_dict(config))
    train(config, marked(500), run, CPU)
    run.close()
    assert translate_greedily(load_translator(run), ["big house.", "big house"]) == ["haus groß.", "haus groß"]


@pytest.fixture(scope="module")
def first(tmp_path_factory: pytest.TempPathFactory) -> Run:
    """A run that others begin with."""
    run = Run.create(tmp_path_factory.mktemp("init") / "first", family=FAMILY, config=to_dict(settings()))
    train(settings(), sentence_pairs.data(150), run, CPU)
    run.close()
    return run


class TestInit:
    """Runs that begin with the weights of another."""

    def second(self, path: Path, data: ParallelData | None = None, **changes: Any) -> Run:
        config = settings(**{"epochs": 1, "average": 1, "learning_rate": 1e-12, **changes})
        run = Run.create(path / "second", family=FAMILY, config=to_dict(config))
        try:
            train(config, data or sentence_pairs.data(150), run, CPU)
        finally:
            run.close()
        return run

    def test_weights_and_vocabulary_are_the_others(self, first: Run, tmp_path: Path) -> None:
        second = self.second(tmp_path, init=str(first.path), vocabulary=70, dropout=0.2)
        assert (second.path / JOINT).read_bytes() == (first.path / JOINT).read_bytes()
        for name, values in checkpoint_weights(second).items():
            torch.testing.assert_close(values, checkpoint_weights(first)[name])
        assert "trained on other pairs" not in (second.path / "log.txt").read_text()
        # To resume it takes no other run.
        moved = first.path.rename(tmp_path / "moved")
        train(stored_config(second), sentence_pairs.data(150), second, CPU)
        moved.rename(first.path)

    def test_other_pairs_are_noted(self, first: Run, tmp_path: Path) -> None:
        second = self.second(tmp_path, sentence_pairs.data(100), init=str(first.path))
        assert f"note: {first.path} was trained on other pairs" in (second.path / "log.txt").read_text()

    @pytest.mark.parametrize(
        ("changes", "message"),
        [
            ({"hidden": 32}, "that run has another network"),
            ({"joint": False, "tied": "none"}, "has no (source|target).model to go on with"),
        ],
    )
    def test_another_network_is_refused(
        self, first: Run, tmp_path: Path, changes: dict[str, Any], message: str
    ) -> None:
        with pytest.raises(ConfigError, match=f"--init {first.path}: {message}"):
            self.second(tmp_path, init=str(first.path), **changes)

    def test_other_languages_are_refused(self, first: Run, tmp_path: Path) -> None:
        data = replace(sentence_pairs.data(150), target="fr")
        with pytest.raises(ConfigError, match="that run translates en to de, not these languages"):
            self.second(tmp_path, data, init=str(first.path))

    def test_a_run_that_is_not_there_is_named(self, tmp_path: Path) -> None:
        with pytest.raises(ConfigError, match=r"--init .*absent: has no pieces.model to go on with"):
            self.second(tmp_path, init=str(tmp_path / "absent"))


@pytest.mark.parametrize("sampling", [0.0, 0.2])
def test_a_killed_run_resumes_exactly(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, sampling: float
) -> None:
    config, data = settings(fragments=0.3, phrases=0.2, placeholders=0.2, sampling=sampling), marked(150)
    uninterrupted = Run.create(tmp_path / "uninterrupted", family=FAMILY, config=to_dict(config))
    train(config, data, uninterrupted, CPU)
    uninterrupted.close()
    step, calls = module._step, 0

    def interrupted_step(*arguments: Any) -> tuple[float, int]:
        nonlocal calls
        calls += 1
        if calls == 30:
            raise Interrupted(2)
        return step(*arguments)

    monkeypatch.setattr(module, "_step", interrupted_step)
    with pytest.raises(Interrupted):
        train(config, data, run, CPU)
    assert len(run.metrics()) == 1
    train(config, data, run, CPU)
    assert equal_weights(checkpoint_weights(run, LAST), checkpoint_weights(uninterrupted, LAST))
    assert equal_weights(checkpoint_weights(run), checkpoint_weights(uninterrupted))
    assert [record["dev_score"] for record in run.metrics()] == [
        record["dev_score"] for record in uninterrupted.metrics()
    ]


def test_other_data_or_settings_are_refused(run: Run) -> None:
    train(settings(epochs=1), sentence_pairs.data(100), run, CPU)
    with pytest.raises(CheckpointError, match="data_sha256"):
        train(settings(epochs=2), sentence_pairs.data(110), run, CPU)
    with pytest.raises(CheckpointError, match="hidden was 64, is 32"):
        train(settings(epochs=1, hidden=32), sentence_pairs.data(100), run, CPU)


def test_the_average_is_the_mean_of_the_last_epochs(tmp_path: Path) -> None:
    config = settings(average=2, select="average")
    run = Run.create(tmp_path / "run", family=FAMILY, config=to_dict(config))
    train(config, sentence_pairs.data(100), run, CPU)
    run.close()
    second, third = (checkpoint_weights(run, f"epoch-00{number}.pt") for number in (2, 3))
    for name, mean in checkpoint_weights(run).items():
        torch.testing.assert_close(mean, (second[name] + third[name]) / 2)
    assert not (run.checkpoints / "epoch-001.pt").exists()


def test_short_epochs_take_every_pair_once_in_turn(run: Run) -> None:
    pairs = sentence_pairs.data(150).splits["train"]
    config = settings(epoch_share=0.3)
    train(replace(config, epochs=1), sentence_pairs.data(150), run, CPU)
    translator = load_translator(run)
    augmentation = Augmentation(pairs, config, translator.source, translator.target, {}, ("en", "de"))
    seen = [tuple(pair.source) for epoch in range(10) for pair in augmentation.epoch_pairs(epoch)]
    assert Counter(seen) == Counter(tuple(translator.encode(pair.source)) for pair in pairs * 3)
    assert [len(augmentation.epoch_pairs(epoch)) for epoch in (0, 3)] == [36, 36]


@pytest.mark.parametrize("changes", [{"consistency": 2.0}, {"moving_average": 0.9}], ids=str)
def test_options_learn_and_resume(changes: dict[str, Any], tmp_path: Path) -> None:
    config, data = settings(epochs=4, average=1, dropout=0.1, **changes), sentence_pairs.data(200)
    whole, parts = (Run.create(tmp_path / name, family=FAMILY, config=to_dict(config)) for name in ("whole", "parts"))
    train(config, data, whole, CPU)
    epoch, calls = module._epoch, 0

    def stopped(*arguments: Any) -> float:
        nonlocal calls
        calls += 1
        if calls == 3:
            raise Interrupted(2)
        return epoch(*arguments)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, "_epoch", stopped)
        with pytest.raises(Interrupted):
            train(config, data, parts, CPU)
    train(config, data, parts, CPU)
    whole.close()
    parts.close()
    losses = [record["loss"] for record in whole.metrics()]
    assert losses[-1] < 0.8 * losses[0]
    assert whole.metrics()[-1]["dev_score"] == parts.metrics()[-1]["dev_score"]
    assert equal_weights(checkpoint_weights(whole), checkpoint_weights(parts))


def test_the_moving_average_is_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    config = settings(epochs=1, average=1, moving_average=0.5)
    run = Run.create(tmp_path / "run", family=FAMILY, config=to_dict(config))
    weights: list[torch.Tensor] = []
    step = module._step

    def watched(state: Any, *arguments: Any) -> Any:
        result = step(state, *arguments)
        weights.append(state.translator.network.bridge.weight.detach().clone())
        return result

    monkeypatch.setattr(module, "_step", watched)
    train(config, sentence_pairs.data(100), run, CPU)
    run.close()
    average = weights[0]
    for one in weights[1:]:
        average = (average + one) / 2
    torch.testing.assert_close(checkpoint_weights(run)["bridge.weight"], average)


def test_patience_ends_a_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    config = settings(epochs=9, patience=2, average=1)
    run = Run.create(tmp_path / "run", family=FAMILY, config=to_dict(config))
    scores = iter([5.0, 9.0, 8.0, 7.0, 6.0])
    monkeypatch.setattr(module, "dev_bleu", lambda *_: next(scores))
    train(config, sentence_pairs.data(60), run, CPU)
    assert [record["dev_score"] for record in run.metrics()] == [5.0, 9.0, 8.0, 7.0]
    train(config, sentence_pairs.data(60), run, CPU)
    run.close()
    assert torch.load(run.checkpoints / BEST, weights_only=True)["epoch"] == 2


@pytest.mark.parametrize("split", ["train", "dev"])
def test_a_split_that_is_missing_is_named(split: str, run: Run) -> None:
    data = sentence_pairs.data(60)
    data.splits[split] = []
    with pytest.raises(DatasetError, match=f"has no {split} pairs"):
        train(settings(), data, run, CPU)


def test_batches_have_each_pair_once_within_the_token_limit() -> None:
    generator = np.random.default_rng(0)
    pairs = [EncodedPair([5] * generator.integers(1, 30), [6] * generator.integers(1, 30)) for _ in range(500)]
    batches = plan_batches(pairs, 200, np.random.default_rng(1))
    assert sorted(index for batch in batches for index in batch) == list(range(500))
    for batch in batches:
        longest = max(max(len(pairs[index].source), len(pairs[index].target)) + 1 for index in batch)
        assert len(batch) * longest <= 200
    repeated = plan_batches(pairs, 200, np.random.default_rng(1))
    assert all(np.array_equal(left, right) for left, right in zip(batches, repeated, strict=True))
    (alone,) = plan_batches([EncodedPair([5] * 99, [6])], 10, np.random.default_rng(1))
    assert alone.tolist() == [0]


def test_a_batch_is_padded_and_shifted() -> None:
    batch = make_batch([EncodedPair([5, 6], [7]), EncodedPair([8], [9, 10, 11])], CPU)
    assert batch.source.tolist() == [[5, 6, END], [8, END, PAD]]
    assert batch.lengths.tolist() == [3, 2]
    assert batch.decoder_input.tolist() == [[BEGIN, 7, PAD, PAD], [BEGIN, 9, 10, 11]]
    assert batch.target.tolist() == [[7, END, PAD, PAD], [9, 10, 11, END]]


def test_greedy_translations_end(run: Run) -> None:
    train(settings(epochs=1), sentence_pairs.data(60), run, CPU)
    network = load_translator(run).network
    with torch.no_grad():
        network.output.bias[END] = -1e4
    results = greedy(network, [[5, 6, 7], []], CPU)
    assert [len(tokens) for tokens in results] == [16, 10]


def test_precision_that_is_asked_for() -> None:
    assert pick_precision("fp32", CPU) == torch.float32
    with pytest.raises(ConfigError, match="needs a GPU"):
        pick_precision("fp16", CPU)


@pytest.mark.parametrize(
    ("units", "expected"),
    [
        ([], torch.float32),
        (["_is_amx_tile_supported"], torch.bfloat16),
        (["_is_avx512_bf16_supported"], torch.bfloat16),
    ],
)
def test_automatic_precision_by_the_units_of_the_cpu(
    units: list[str], expected: torch.dtype, monkeypatch: pytest.MonkeyPatch
) -> None:
    for query in ("_is_amx_tile_supported", "_is_avx512_bf16_supported"):
        monkeypatch.setattr(torch.cpu, query, lambda answer=query in units: answer)
    monkeypatch.setattr(precision, "bf16_error", lambda device, cell: None)
    assert pick_precision("auto", CPU) == expected
    assert pick_precision("bf16", CPU) == torch.bfloat16


@pytest.mark.parametrize("cell", ["lstm", "gru"])
def test_bf16_is_probed(cell: Cell, monkeypatch: pytest.MonkeyPatch) -> None:
    def no_primitive(*arguments: Any) -> None:
        raise RuntimeError("could not create a primitive. Run with ONEDNN_VERBOSE=all")

    monkeypatch.setattr(torch.cpu, "_is_amx_tile_supported", lambda: True)
    monkeypatch.setattr(torch.nn.LSTM, "forward", no_primitive)
    monkeypatch.setattr(torch.nn.GRU, "forward", no_primitive)
    monkeypatch.setattr(precision, "bf16_error", precision.bf16_error.__wrapped__)  # without its cache
    assert pick_precision("auto", CPU, cell) == torch.float32
    message = rf"precision is bf16, but PyTorch cannot train {cell.upper()} layers .* \(could not create a primitive\)"
    with pytest.raises(ConfigError, match=message):
        pick_precision("bf16", CPU, cell)


@pytest.mark.parametrize("cell", ["lstm", "gru"])
def test_bf16_trains_too(cell: Cell, tmp_path: Path) -> None:
    if reason := precision.bf16_error(CPU, cell):
        pytest.skip(f"this CPU cannot train {cell.upper()} layers in bf16: {reason}")
    config = settings(epochs=3, precision="bf16", cell=cell)
    run = Run.create(tmp_path / "run", family=FAMILY, config=to_dict(config))
    train(config, sentence_pairs.data(150), run, CPU)
    run.close()
    losses = [record["loss"] for record in run.metrics()]
    assert losses[-1] < 0.8 * losses[0]
