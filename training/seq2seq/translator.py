"""A trained translator: the network and its vocabularies, loaded from a run."""

from collections.abc import Iterable
from dataclasses import dataclass

import torch

from service.tasks.translation.subwords import Subwords, clean
from training.common.checkpoint import load_checkpoint
from training.common.errors import CheckpointError
from training.common.files import write_bytes
from training.common.run import Run
from training.seq2seq.config import TranslatorConfig, stored_config
from training.seq2seq.data.dataset import Pair
from training.seq2seq.data.subwords import train_subwords
from training.seq2seq.network.model import Seq2Seq

BEST = "best.pt"
LAST = "last.pt"

JOINT = "pieces.model"
SOURCE = "source.model"
TARGET = "target.model"
"""SentencePiece models in the run's directory."""


@dataclass
class Translator:
    """A network with its vocabularies; `source` and `target` are one object if the vocabulary is joint."""

    config: TranslatorConfig
    source: Subwords
    target: Subwords
    network: Seq2Seq
    source_language: str
    target_language: str
    epoch: int = 0
    """Epoch after which the weights were saved."""

    @property
    def device(self) -> torch.device:
        """The device of the network."""
        return self.network.output.bias.device

    def encode(self, sentence: str) -> list[int]:
        """The token ids of a source sentence, which is cleaned first, without END."""
        text = clean(sentence)
        return self.source.encode(text.lower() if self.config.data.lower_case else text)


def vocabularies(config: TranslatorConfig, run: Run, pairs: Iterable[Pair]) -> tuple[Subwords, Subwords]:
    """The vocabularies of the run; they are trained on its training pairs if they do not exist yet."""
    settings = config.subwords
    names = (JOINT, JOINT) if settings.joint else (SOURCE, TARGET)
    if not all((run.path / name).exists() for name in names):
        pairs = list(pairs)
        sides = [[pair.source for pair in pairs], [pair.target for pair in pairs]]
        texts = {JOINT: sides[0] + sides[1]} if settings.joint else {SOURCE: sides[0], TARGET: sides[1]}
        for name, sentences in texts.items():
            model = train_subwords(sentences, size=settings.vocabulary, kind=settings.kind, seed=config.seed)
            write_bytes(run.path / name, model)
    return _read(run, names)


def load_translator(run: Run, which: str = BEST) -> Translator:
    """Load the translator of a run.

    Args:
        run: a trained run.
        which: name of the checkpoint.

    Raises:
        CheckpointError: the run has no such checkpoint yet, or a file of it is damaged.
    """
    config = stored_config(run)
    stored = load_checkpoint(run.checkpoints / which)
    source, target = _read(run, (JOINT, JOINT) if config.subwords.joint else (SOURCE, TARGET))
    network = Seq2Seq(config, source.size, target.size)
    network.load_state_dict(stored["model"])
    network.eval()
    languages = stored["languages"]
    return Translator(config, source, target, network, languages[0], languages[1], int(stored["epoch"]))


def _read(run: Run, names: tuple[str, str]) -> tuple[Subwords, Subwords]:
    try:
        source = Subwords.read(run.path / names[0])
        return source, source if names[0] == names[1] else Subwords.read(run.path / names[1])
    except (OSError, ValueError) as error:
        raise CheckpointError(f"{run.path}: its SentencePiece model cannot be read ({error}); train again") from error
