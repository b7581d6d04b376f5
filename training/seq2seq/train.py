"""The training loop of the translators."""

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

from service.tasks.translation.subwords import Subwords
from service.tasks.translation.text import RareWords
from training.common.checkpoint import load_checkpoint, load_last_checkpoint, save_checkpoint
from training.common.config import to_dict
from training.common.distributed import files_from_main, from_main, parallel, share_of, summed
from training.common.errors import DatasetError
from training.common.files import write_bytes
from training.common.precision import pick_precision
from training.common.processes import is_main, process_count
from training.common.progress import epochs_left, progress_bar
from training.common.run import Run
from training.common.schedule import warmup_cosine
from training.common.seed import derive_seed, seed_everything, seed_process
from training.seq2seq.config import TranslatorConfig
from training.seq2seq.data.augmentation import Augmentation
from training.seq2seq.data.batches import EncodedPair, make_batch, plan_batches
from training.seq2seq.data.dataset import Pair, ParallelData
from training.seq2seq.data.language_profile import language_profile
from training.seq2seq.data.names import learn_names
from training.seq2seq.data.phrase_extraction import extract_phrases
from training.seq2seq.data.truecasing import learn_truecaser
from training.seq2seq.greedy import translate_greedily
from training.seq2seq.initialization import copy_vocabularies, load_initial
from training.seq2seq.metrics import bleu
from training.seq2seq.network.model import Seq2Seq
from training.seq2seq.objective import TranslatorObjective
from training.seq2seq.translator import BEST, CAPITALS, LAST, NAMES, PROFILE, Translator, read_rare_words, vocabularies

_START_RATE, _END_RATE = 1e-3, 0.02  # relative to the peak learning rate
_MIN_STEPS = 20  # per epoch: small training sets get smaller batches


def checkpoint_fingerprint(config: TranslatorConfig, data: ParallelData) -> dict[str, Any]:
    """The settings and the hash of the data, which a checkpoint must match."""
    return {**to_dict(config), "data_sha256": data.sha256()[:16]}


@dataclass
class _State:
    """The content of a checkpoint: weights, optimizer and progress."""

    translator: Translator
    objective: nn.Module
    """The loss of a batch for the translator's network, which it shares with other processes."""
    optimizer: torch.optim.AdamW
    scaler: torch.amp.GradScaler
    fingerprint: dict[str, Any]
    average: AveragedModel | None = None
    """Moving average of the weights; None for none."""
    epoch: int = 0
    best: float | None = None  # dev BLEU of the kept weights
    best_epoch: int = 0
    seconds: float = 0.0
    cpu_seconds: float = 0.0

    @property
    def kept(self) -> Translator:
        """The translator that is evaluated and kept: with the averaged weights if there are some."""
        if self.average is None:
            return self.translator
        network = self.average.module
        assert isinstance(network, Seq2Seq)
        return replace(self.translator, network=network)

    def save(self, path: Path) -> None:
        save_checkpoint(
            path, config=self.fingerprint, model=self.translator.network.state_dict(),
            optimizer=self.optimizer.state_dict(), scaler=self.scaler.state_dict(), epoch=self.epoch, best=self.best,
            best_epoch=self.best_epoch, seconds=self.seconds, cpu_seconds=self.cpu_seconds,
            average=None if self.average is None else self.average.state_dict(),
        )  # fmt: skip

    def load(self, stored: Mapping[str, Any]) -> None:
        self.translator.network.load_state_dict(stored["model"])
        self.optimizer.load_state_dict(stored["optimizer"])
        self.scaler.load_state_dict(stored["scaler"])
        if self.average is not None:
            self.average.load_state_dict(stored["average"])
        self.epoch, self.best, self.best_epoch = stored["epoch"], stored["best"], stored["best_epoch"]
        self.seconds, self.cpu_seconds = stored["seconds"], stored["cpu_seconds"]

    def save_weights(self, path: Path, score: float | None) -> None:
        """Save the weights, without the optimizer, for translation."""
        translator = self.kept
        save_checkpoint(
            path, config=self.fingerprint, model=translator.network.state_dict(), epoch=self.epoch, score=score,
            languages=[translator.source_language, translator.target_language],
        )  # fmt: skip


def train(config: TranslatorConfig, data: ParallelData, run: Run, device: torch.device) -> None:
    """Train to the last epoch, from the run's checkpoint if there is one; the kept weights are in `best.pt`.

    All randomness derives from seed and epoch, so a resumed run equals one that was never interrupted.

    Raises:
        ConfigError: the device cannot compute in the requested precision.
        DatasetError: there are no training or no dev pairs.
    """
    log = run.logger()
    for split in ("train", "dev"):
        if not data.splits.get(split):
            raise DatasetError(f"{data.name}: has no {split} pairs; see the notes above on what was left out")
    precision = pick_precision(config.precision, device, config.network.cell)
    state = _fresh_state(config, data, run, device, precision)
    translator = state.translator
    log.info(
        "%d and %d pieces; %d weights; %s", translator.source.size, translator.target.size,
        sum(weights.numel() for weights in translator.network.parameters()), str(precision).removeprefix("torch."),
    )  # fmt: skip
    if stored := load_last_checkpoint(run.checkpoints / LAST, config=state.fingerprint, log=log):
        state.load(stored)
        log.info("resuming after epoch %d of %d", state.epoch, config.epochs)
    run.drop_metrics_after(state.epoch)
    pairs, phrases = data.splits["train"], {}
    if config.phrases or config.placeholders or config.rare_words:
        # Copies of a pair, as of oversampled ones, say nothing about how reliable its alignment is.
        distinct = list(dict.fromkeys(pairs))
        log.info("aligning the words of %d pairs, to extract words and phrases", len(distinct))
        phrases = extract_phrases(distinct)
    if config.rare_words:
        translator.rare_words = files_from_main(
            run.path, lambda: _rare_words(config, run, data, translator.source, phrases)
        )
    augmentation = Augmentation(
        pairs, config, translator.source, translator.target, phrases, (data.source, data.target), translator.rare_words
    )
    while state.epoch < config.epochs and not _patience_is_over(state, config):
        wall, cpu = time.monotonic(), time.process_time()
        seed_everything(config.seed, "epoch", state.epoch)
        loss = _epoch(state, config, augmentation.epoch_pairs(state.epoch), device)
        state.epoch += 1
        score = from_main(lambda: dev_bleu(state.kept, data))
        state.seconds += time.monotonic() - wall
        state.cpu_seconds += time.process_time() - cpu
        _record(state, config, run, loss, score)
    if config.average > 1 and state.epoch > 1 and is_main():
        _average(state, config, run, data)


def _rare_words(
    config: TranslatorConfig, run: Run, data: ParallelData, source: Subwords, phrases: Mapping[Pair, int]
) -> RareWords | None:
    """What typed placeholders stand for; what is learned of it is written to the run's directory."""
    pairs = data.splits["train"]
    if not all((run.path / name).exists() for name in (NAMES, CAPITALS, PROFILE)):
        sentences = [pair.source for pair in pairs]
        write_bytes(run.path / CAPITALS, learn_truecaser(sentences).write())
        write_bytes(run.path / PROFILE, language_profile(data.source, sentences).write())
        write_bytes(run.path / NAMES, learn_names(pairs, phrases, source).write())
    return read_rare_words(run, config, (data.source, data.target), source)


def dev_bleu(translator: Translator, data: ParallelData) -> float:
    """BLEU in percent of greedy translations of the dev sentences."""
    translator.network.eval()
    pairs = data.splits["dev"]
    translations = translate_greedily(translator, [pair.source for pair in pairs])
    references = [pair.target for pair in pairs]
    return bleu(translations, references, lower_case=translator.config.data.lower_case)


def _fresh_state(
    config: TranslatorConfig, data: ParallelData, run: Run, device: torch.device, precision: torch.dtype
) -> _State:
    # A resumed run has its own weights.
    initial = "" if from_main((run.checkpoints / LAST).exists) else config.init
    if initial:
        copy_vocabularies(initial, run, config)
    source, target = files_from_main(run.path, lambda: vocabularies(config, run, data.splits["train"]))
    seed_everything(config.seed, "weights")
    network = Seq2Seq(config, source.size, target.size).to(device)
    if initial and not load_initial(initial, network, data, config):
        run.logger().info(
            "note: %s was trained on other pairs; whether these dev sentences are among them is not known", initial
        )
    translator = Translator(config, source, target, network, data.source, data.target)
    scaler = torch.amp.GradScaler(device.type, enabled=precision == torch.float16)
    fingerprint = checkpoint_fingerprint(config, data)
    objective = parallel(TranslatorObjective(network, config, precision))
    optimizer, average = _optimizer(network, config), _moving_average(network, config)
    return _State(translator, objective, optimizer, scaler, fingerprint, average)


def _moving_average(network: Seq2Seq, config: TranslatorConfig) -> AveragedModel | None:
    if not config.moving_average:
        return None
    return AveragedModel(network, multi_avg_fn=get_ema_multi_avg_fn(config.moving_average))


def _optimizer(network: Seq2Seq, config: TranslatorConfig) -> torch.optim.AdamW:
    matrices = [weights for weights in network.parameters() if weights.dim() > 1]
    vectors = [weights for weights in network.parameters() if weights.dim() == 1]
    groups = [{"params": matrices, "weight_decay": config.weight_decay}, {"params": vectors, "weight_decay": 0.0}]
    return torch.optim.AdamW(groups, lr=config.learning_rate, betas=(0.9, 0.98), fused=True)


def _epoch(state: _State, config: TranslatorConfig, pairs: Sequence[EncodedPair], device: torch.device) -> float:
    """One pass over the pairs; returns the mean loss of a target token."""
    state.translator.network.train()
    seed_process(config.seed, "epoch", state.epoch)
    target_tokens = sum(len(pair.target) for pair in pairs)
    tokens = min(config.batch_tokens * process_count(), max(1, target_tokens // _MIN_STEPS))
    batches = plan_batches(pairs, tokens, np.random.default_rng(derive_seed(config.seed, "batches", state.epoch)))
    totals = torch.zeros(2, dtype=torch.float64)
    with progress_bar(
        total=len(batches), description=f"epoch {state.epoch + 1}/{config.epochs}", unit="batches"
    ) as progress:
        for number, indices in enumerate(batches):
            done = (state.epoch + number / len(batches)) / config.epochs
            factor = warmup_cosine(done, warmup=config.warm_up, floor=_START_RATE, end=_END_RATE)
            for group in state.optimizer.param_groups:
                group["lr"] = config.learning_rate * factor
            totals += torch.tensor(_step(state, config, [pairs[index] for index in indices], device))
            progress.update()
    total, count = summed(totals).tolist()
    return float(total / count)


def _step(
    state: _State, config: TranslatorConfig, pairs: Sequence[EncodedPair], device: torch.device
) -> tuple[float, int]:
    """One update of the weights by a batch; returns the cross-entropy and the number of target tokens, of this
    process's share."""
    readings = 2 if config.consistency else 1
    share = share_of(pairs)
    all_tokens, tokens = (readings * sum(len(pair.target) + 1 for pair in part) for part in (pairs, share.items))
    counts = bool(share.count)
    state.optimizer.zero_grad()
    total, loss = state.objective(make_batch(share.items, device))
    # Gradients are averaged over the processes; the loss is that of a token of the whole batch.
    state.scaler.scale(total / all_tokens * (process_count() * counts)).backward()
    state.scaler.unscale_(state.optimizer)
    network = state.translator.network
    torch.nn.utils.clip_grad_norm_(network.parameters(), config.clip)
    state.scaler.step(state.optimizer)
    state.scaler.update()
    if state.average is not None:
        state.average.update_parameters(network)
    return float(loss) * counts, tokens * counts


def _record(state: _State, config: TranslatorConfig, run: Run, loss: float, score: float) -> None:
    """Log an epoch and save its weights; delete those that the average no longer needs."""
    run.add_metrics(
        {
            "epoch": state.epoch,
            "loss": loss,
            "dev_score": score,
            "seconds": round(state.seconds, 1),
            "cpu_seconds": round(state.cpu_seconds, 1),
        }
    )
    run.logger().info(
        "epoch %d/%d: loss %.3f, dev BLEU %.2f, %s", state.epoch, config.epochs, loss, score,
        epochs_left(state.epoch, config.epochs, state.seconds),
    )  # fmt: skip
    if state.best is None or score > state.best or config.select == "last":
        state.best, state.best_epoch = score, state.epoch
        state.save_weights(run.checkpoints / BEST, score)
    if config.average > 1:
        state.save_weights(_epoch_path(run, state.epoch), score)
        _epoch_path(run, state.epoch - config.average).unlink(missing_ok=True)
    state.save(run.checkpoints / LAST)


def _average(state: _State, config: TranslatorConfig, run: Run, data: ParallelData) -> None:
    """Average the weights of the last epochs; the average is kept if it is better or `select` demands it."""
    paths = [_epoch_path(run, epoch) for epoch in range(state.epoch - config.average + 1, state.epoch + 1)]
    stored = [load_checkpoint(path, config=state.fingerprint)["model"] for path in paths if path.exists()]
    if not stored:
        return
    mean = {name: sum(weights[name] for weights in stored) / len(stored) for name in stored[0]}
    state.kept.network.load_state_dict(mean)
    score = dev_bleu(state.kept, data)
    run.logger().info("average of the last %d epochs: dev BLEU %.2f", len(stored), score)
    if config.select == "average" or (config.select == "best" and (state.best is None or score > state.best)):
        state.save_weights(run.checkpoints / BEST, score)


def _patience_is_over(state: _State, config: TranslatorConfig) -> bool:
    return bool(config.patience) and state.epoch - state.best_epoch >= config.patience


def _epoch_path(run: Run, epoch: int) -> Path:
    return run.checkpoints / f"epoch-{epoch:03d}.pt"
