"""Training loop of the segmenter."""

import math
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from service.tasks.token_classification.segmentation_characters import CharacterIds
from training.bilstm_crf.config import TaggerConfig
from training.bilstm_crf.data.contractions import ambiguous_contractions, learn_contractions
from training.bilstm_crf.data.dataset import TaggedData
from training.bilstm_crf.data.raw_text import inner_spaces, number_rules
from training.bilstm_crf.data.segmentation_examples import batches, known_characters, label_sentence, pieces, tensors
from training.bilstm_crf.network.segmenter import SegmenterNetwork, initialized
from training.bilstm_crf.segmentation import SEGMENTER, UNFINISHED, raw_sentences
from training.common.checkpoint import load_checkpoint, save_checkpoint
from training.common.progress import epochs_left, progress_bar
from training.common.run import Run
from training.common.schedule import warmup_cosine
from training.common.seed import seed_everything

_BATCH_SIZE, _MIN_STEPS = 16, 20
"""Pieces per step; fewer for small data sets, so that an epoch has at least this many steps."""
_LEARNING_RATE = 4e-3
_WARM_UP, _MIN_RATE = 0.05, 0.02
_CLIP = 2.0


@dataclass
class _State:
    network: SegmenterNetwork
    optimizer: torch.optim.Adam
    fingerprint: dict[str, Any]
    epoch: int = 0

    def save(self, path: Path) -> None:
        save_checkpoint(
            path, config=self.fingerprint, model=self.network.state_dict(), optimizer=self.optimizer.state_dict(),
            epoch=self.epoch,
        )  # fmt: skip

    def load(self, path: Path) -> None:
        stored = load_checkpoint(path, config=self.fingerprint)
        self.network.load_state_dict(stored["model"])
        self.optimizer.load_state_dict(stored["optimizer"])
        self.epoch = stored["epoch"]


def train_segmenter(config: TaggerConfig, data: TaggedData, run: Run, device: torch.device) -> None:
    """Train to the last epoch, from the run's checkpoint if there is one; writes `segmenter.pt`.

    Everything random derives from (seed, epoch), so an interrupted and resumed run equals an uninterrupted one.
    """
    if (run.checkpoints / SEGMENTER).exists():
        return
    log = run.logger()
    sentences = raw_sentences(data.splits["train"])
    characters = known_characters(sentences)
    ids = CharacterIds(characters)
    labeled = [label_sentence(sentence, ids) for sentence in sentences]
    contractions = learn_contractions(sentences)
    log.info(
        "tokenizer: %d sentences of text, %d characters known, %d contractions",
        len(sentences), len(characters), len(contractions),
    )  # fmt: skip
    state = _fresh_state(config, data, ids.rows, device)
    if (run.checkpoints / UNFINISHED).exists():
        state.load(run.checkpoints / UNFINISHED)
    epochs = config.segmenter.tokenizer_epochs
    first, start = state.epoch, time.monotonic()
    while state.epoch < epochs:
        random = np.random.default_rng((config.seed, state.epoch))
        shuffled = bool(state.epoch % 2)
        texts = list(pieces(sentences, labeled, ids[" "], random, shuffled=shuffled))
        size = min(_BATCH_SIZE, math.ceil(len(texts) / _MIN_STEPS))
        loss = _epoch(state, config, batches(texts, size, random), random, device)
        state.epoch += 1
        state.save(run.checkpoints / UNFINISHED)
        log.info(
            "tokenizer: epoch %d/%d: loss %.5f, %s", state.epoch, epochs, loss,
            epochs_left(state.epoch - first, epochs - first, time.monotonic() - start),
        )  # fmt: skip
    save_checkpoint(
        run.checkpoints / SEGMENTER, config=state.fingerprint, model=state.network.state_dict(), characters=characters,
        contractions={text: list(words) for text, words in contractions.items()},
        ambiguous=list(ambiguous_contractions(sentences, contractions)), inner_spaces=inner_spaces(sentences),
        numbers=number_rules(sentences)._asdict(),
    )  # fmt: skip
    (run.checkpoints / UNFINISHED).unlink()


def _fresh_state(config: TaggerConfig, data: TaggedData, rows: int, device: torch.device) -> _State:
    seed_everything(config.seed, "segmenter")
    network = initialized(rows).to(device)
    optimizer = torch.optim.Adam(network.parameters(), lr=_LEARNING_RATE, betas=(0.9, 0.98))
    fingerprint = {
        "seed": config.seed,
        "tokenizer_epochs": config.segmenter.tokenizer_epochs,
        "data_sha256": data.sha256()[:16],
    }
    return _State(network, optimizer, fingerprint)


def _epoch(
    state: _State, config: TaggerConfig, all_batches: list[Any], random: np.random.Generator, device: torch.device
) -> float:
    """One pass over the batches; returns the mean loss."""
    seed_everything(config.seed, "segmenter epoch", state.epoch)  # for dropout
    network, epochs = state.network.train(), config.segmenter.tokenizer_epochs
    total = 0.0
    with progress_bar(
        total=len(all_batches), description=f"tokenizer, epoch {state.epoch + 1}/{epochs}", unit="steps"
    ) as progress:
        for number, batch in enumerate(all_batches):
            done = (state.epoch + number / len(all_batches)) / epochs
            rate = warmup_cosine(done, warmup=_WARM_UP, floor=_MIN_RATE, end=_MIN_RATE)
            for group in state.optimizer.param_groups:
                group["lr"] = _LEARNING_RATE * rate
            arrays = [values.to(device) for values in tensors(batch, random)]
            state.optimizer.zero_grad()
            loss = network.loss(*arrays)
            loss.backward()
            torch.nn.utils.clip_grad_norm_(network.parameters(), _CLIP)
            state.optimizer.step()
            total += float(loss.detach())
            progress.update()
    return total / len(all_batches)
