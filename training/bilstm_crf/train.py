"""Training loop of the taggers."""

import math
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from random import Random
from typing import Any

import torch

from service.tasks.token_classification.features import EMOJI_CHARACTER, WordFeatures
from service.tasks.token_classification.tag_schemes import to_bioes
from training.bilstm_crf.config import DataConfig, TaggerConfig
from training.bilstm_crf.data.augmentation import Augmenter
from training.bilstm_crf.data.batches import Example, make_batches, tensors
from training.bilstm_crf.data.dataset import Sentence, TaggedData
from training.bilstm_crf.data.sources import load_data
from training.bilstm_crf.data.vocabulary import build_lexicon
from training.bilstm_crf.metrics import headline
from training.bilstm_crf.network.model import BiLstmCrf, upgrade_weights
from training.bilstm_crf.objective import TaggerObjective
from training.bilstm_crf.tagger import BEST, LAST, Tagger, build_network
from training.common.checkpoint import load_last_checkpoint, save_checkpoint
from training.common.config import to_dict
from training.common.distributed import from_main, parallel, share_of, summed
from training.common.errors import ConfigError, DatasetError, UserError
from training.common.precision import pick_precision
from training.common.processes import process_count
from training.common.progress import epochs_left, progress_bar
from training.common.run import Run
from training.common.schedule import warmup_cosine
from training.common.seed import derive_seed, generator, process_generator, seed_everything, seed_process

_MIN_STEPS = 20
"""Steps per epoch; small data sets get smaller batches."""
_MIN_RATE = 0.02
"""The learning rate at the beginning and at the end of a run, as a fraction of the maximum."""


def checkpoint_fingerprint(config: TaggerConfig, data: TaggedData) -> dict[str, Any]:
    """The identity that a checkpoint is checked against: the settings and a hash of the data."""
    return {**to_dict(config), "data_sha256": data.sha256()[:16]}


@dataclass
class _State:
    """State of a run that a checkpoint stores: weights, their moving average, optimizer, progress."""

    tagger: Tagger
    """Its network holds the moving average of the weights."""
    network: BiLstmCrf
    objective: torch.nn.Module
    """The loss of a batch for the network, with the gradients of all processes."""
    optimizer: torch.optim.AdamW
    fingerprint: dict[str, Any]
    epoch: int = 0
    best: float | None = None  # dev score of the best epoch
    seconds: float = 0.0
    cpu_seconds: float = 0.0

    def save(self, path: Path) -> None:
        save_checkpoint(
            path, config=self.fingerprint, model=self.network.state_dict(), average=self.tagger.network.state_dict(),
            optimizer=self.optimizer.state_dict(), epoch=self.epoch, best=self.best, seconds=self.seconds,
            cpu_seconds=self.cpu_seconds,
        )  # fmt: skip

    def load(self, stored: Mapping[str, Any]) -> None:
        self.network.load_state_dict(upgrade_weights(stored["model"]))
        self.tagger.network.load_state_dict(upgrade_weights(stored["average"]))
        self.optimizer.load_state_dict(stored["optimizer"])
        self.epoch, self.best = stored["epoch"], stored["best"]
        self.seconds, self.cpu_seconds = stored["seconds"], stored["cpu_seconds"]

    def save_best(self, path: Path, score: float) -> None:
        """Write the averaged weights with everything that tagging needs."""
        tagger = self.tagger
        save_checkpoint(
            path, config=self.fingerprint, model=tagger.network.state_dict(), epoch=self.epoch, score=score,
            labels=list(tagger.labels), kind=tagger.kind, lexicon=tagger.lexicon.state(),
            auxiliary=0 if self.network.auxiliary is None else self.network.auxiliary.out_features,
        )  # fmt: skip


def train(config: TaggerConfig, data: TaggedData, run: Run, device: torch.device) -> None:
    """Train to the last epoch, from the run's checkpoint if there is one; writes the best weights to `best.pt`.

    Everything random derives from (seed, epoch), so an interrupted and resumed run equals an uninterrupted one.

    Raises:
        ConfigError: the data have no auxiliary column, or not the tag of emoji.
        DatasetError: no sentences to train on, or fewer than two labels.
    """
    log = run.logger()
    auxiliary = _auxiliary_tags(config, data)
    auxiliary_labels = sorted({tag for tags in auxiliary for tag in tags})
    if config.auxiliary:
        log.info("auxiliary task %s: labels for %d training sentences", config.auxiliary, sum(map(bool, auxiliary)))
    state = _fresh_state(config, data, device, len(auxiliary_labels))
    tagger = state.tagger
    examples = _examples(data.splits["train"], tagger, auxiliary, auxiliary_labels)
    log.info(
        "%d labels; %d words, %d of them tuned, %d characters; %d trainable parameters",
        len(tagger.labels), len(tagger.lexicon.words), tagger.lexicon.trained_rows - 1, len(tagger.lexicon.characters),
        sum(weights.numel() for weights in state.network.parameters()),
    )  # fmt: skip
    if stored := load_last_checkpoint(run.checkpoints / LAST, config=state.fingerprint, log=log):
        state.load(stored)
        log.info("resuming after epoch %d of %d", state.epoch, config.epochs)
    run.drop_metrics_after(state.epoch)
    while state.epoch < config.epochs:
        wall, cpu = time.monotonic(), time.process_time()
        loss = _epoch(state, config, _augmented(config, tagger, examples, state.epoch), device)
        state.epoch += 1
        score = from_main(lambda: dev_score(tagger, data))
        state.seconds += time.monotonic() - wall
        state.cpu_seconds += time.process_time() - cpu
        run.add_metrics({
            "epoch": state.epoch, "loss": round(loss, 5), "dev_score": round(score, 6),
            "seconds": round(state.seconds, 1), "cpu_seconds": round(state.cpu_seconds, 1),
        })  # fmt: skip
        log.info(
            "epoch %d/%d: loss %.3f, dev %s %.2f %%, %s",
            state.epoch, config.epochs, loss, "F1" if data.kind == "spans" else "accuracy", 100 * score,
            epochs_left(state.epoch, config.epochs, state.seconds),
        )  # fmt: skip
        if config.select == "last" or state.best is None or score > state.best:
            state.best = score
            state.save_best(run.checkpoints / BEST, score)
        state.save(run.checkpoints / LAST)


def dev_score(tagger: Tagger, data: TaggedData) -> float:
    """F1 of the entities, or accuracy of the tags, on the dev split."""
    dev = data.splits["dev"]
    return headline(data.kind, [sentence.tags for sentence in dev], tagger.tag([sentence.words for sentence in dev]))


def labels_of(data: TaggedData) -> tuple[str, ...]:
    """The network's labels: the tags of the training sentences, or BIOES tags for every type of span.

    Raises:
        DatasetError: there are fewer than two.
    """
    tags = sorted({tag for sentence in data.splits["train"] for tag in sentence.tags})
    if data.kind == "spans":
        types = sorted({tag[2:] for tag in tags if tag != "O"})
        tags = ["O", *(f"{prefix}-{kind}" for kind in types for prefix in "BIES")]
    if len(tags) < 2:
        raise DatasetError(
            f"{data.name}: the training sentences have {'no tags but ' + tags[0] if tags else 'no tags'}; "
            "there is nothing to learn. Is it the right --column?"
        )
    return tuple(tags)


def _auxiliary_tags(config: TaggerConfig, data: TaggedData) -> list[tuple[str, ...]]:
    """The auxiliary tags of each training sentence; empty for sentences without."""
    sentences = data.splits["train"]
    if not config.auxiliary:
        return [()] * len(sentences)
    known, colon, column = config.auxiliary.rpartition(":")
    source = DataConfig(data=known) if colon else config.data
    try:
        tagged = load_data(replace(source, column=column, scheme="none")).splits["train"]
    except UserError as error:
        raise ConfigError(f"auxiliary is {config.auxiliary!r}: {error}") from error
    tags = {sentence.words: sentence.tags for sentence in tagged}
    auxiliary = [tags.get(sentence.words, ()) for sentence in sentences]
    if not any(auxiliary):
        raise ConfigError(f"auxiliary is {config.auxiliary!r}: it has none of the training sentences")
    return auxiliary


def _fresh_state(config: TaggerConfig, data: TaggedData, device: torch.device, auxiliary: int) -> _State:
    labels, rank = labels_of(data), config.network.transition_rank
    if rank >= len(labels):
        raise ConfigError(f"transition_rank is {rank}; it must be below the number of labels, {len(labels)}, or 0")
    symbols = EMOJI_CHARACTER if config.emoji_tag else ""
    lexicon = build_lexicon(config.network, data.splits["train"], config.seed, symbols)
    seed_everything(config.seed, "weights")
    network, average = (build_network(config, lexicon, labels, auxiliary).to(device) for _ in range(2))
    average.load_state_dict(network.state_dict())
    features = WordFeatures(
        lexicon.words, lexicon.characters, config.network.max_characters, emoji=bool(config.emoji_tag)
    )
    tagger = Tagger(labels=labels, kind=data.kind, features=features, network=average, lexicon=lexicon)
    decayed = [weights for weights in network.parameters() if weights.ndim > 1]
    others = [weights for weights in network.parameters() if weights.ndim == 1]
    optimizer = torch.optim.AdamW(
        [{"params": decayed, "weight_decay": config.weight_decay}, {"params": others, "weight_decay": 0.0}],
        lr=config.learning_rate,
        betas=(0.9, 0.98),
        fused=True,
    )
    precision = pick_precision(config.precision, device)
    objective = parallel(TaggerObjective(network, config, precision))
    return _State(tagger, network, objective, optimizer, checkpoint_fingerprint(config, data))


def _examples(
    sentences: Sequence[Sentence], tagger: Tagger, auxiliary: Sequence[Sequence[str]], auxiliary_labels: Sequence[str]
) -> list[Example]:
    indices = {label: index for index, label in enumerate(tagger.labels)}
    auxiliary_indices = {label: index for index, label in enumerate(auxiliary_labels)}
    examples = []
    for sentence, auxiliary_tags in zip(sentences, auxiliary, strict=True):
        tags = to_bioes(sentence.tags) if tagger.kind == "spans" else sentence.tags
        examples.append(
            Example(
                sentence.words,
                tuple(indices[tag] for tag in tags),
                tuple(auxiliary_indices[tag] for tag in auxiliary_tags),
            )
        )
    return examples


def _augmented(config: TaggerConfig, tagger: Tagger, examples: list[Example], epoch: int) -> list[Example]:
    """The examples of an epoch."""
    if config.emoji_tag and config.emoji_tag not in tagger.labels:
        raise ConfigError(f"emoji_tag is {config.emoji_tag!r}; the tags are {', '.join(tagger.labels)}")
    augmenter = Augmenter(config.recase, tagger.labels.index(config.emoji_tag) if config.emoji_tag else None)
    random = Random(derive_seed(config.seed, "augmentation", epoch))
    return [augmenter.augment(example, random) for example in examples]


def _epoch(state: _State, config: TaggerConfig, examples: Sequence[Example], device: torch.device) -> float:
    """One pass over the examples; returns the mean loss of a sentence."""
    seed_everything(config.seed, "epoch", state.epoch)  # for dropout
    random = generator(config.seed, "order", state.epoch)
    batch_size = min(config.batch_size * process_count(), math.ceil(len(examples) / _MIN_STEPS))
    batches = make_batches(examples, batch_size, random)
    seed_process(config.seed, "epoch", state.epoch)
    random = process_generator(random, config.seed, "order", state.epoch)
    network, features = state.network.train(), state.tagger.features
    total = torch.zeros((), device=device)
    with progress_bar(
        total=len(batches), description=f"epoch {state.epoch + 1}/{config.epochs}", unit="steps"
    ) as progress:
        for number, batch in enumerate(batches):
            step = state.epoch * len(batches) + number
            done = step / (config.epochs * len(batches))
            rate = warmup_cosine(done, warmup=config.warm_up, floor=_MIN_RATE, end=_MIN_RATE)
            for group in state.optimizer.param_groups:
                group["lr"] = config.learning_rate * rate
            share = share_of(batch)
            arrays, labels, auxiliary = tensors(share.items, features, config.word_dropout, random)
            arrays = {name: values.to(device) for name, values in arrays.items()}
            state.optimizer.zero_grad()
            loss = state.objective(arrays, labels.to(device), auxiliary.to(device))
            (loss * share.weight).backward()
            torch.nn.utils.clip_grad_norm_(network.parameters(), config.clip)
            state.optimizer.step()
            _update_average(state, config.ema, step)
            total += loss.detach() * share.count
            progress.update()
    return float(summed(total)) / len(examples)


@torch.no_grad()
def _update_average(state: _State, decay: float, step: int) -> None:
    """Update the moving average; its decay is smaller at first, so that the initial weights are forgotten."""
    weight = 1 - min(decay, (1 + step) / (10 + step))
    averages: list[torch.Tensor] = list(state.tagger.network.parameters())
    weights: list[torch.Tensor] = list(state.network.parameters())
    torch._foreach_lerp_(averages, weights, weight)
