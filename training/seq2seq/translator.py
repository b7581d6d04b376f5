"""A trained translator: the network and its vocabularies, loaded from a run."""

from collections.abc import Iterable
from dataclasses import dataclass

import torch

from service.decoding import Hypothesis
from service.tasks.translation.language_detection import Profile
from service.tasks.translation.subwords import TYPED_PLACEHOLDERS, Subwords, add_pieces, clean
from service.tasks.translation.text import RareWords, SegmentedText, Truecaser
from service.tasks.translation.text.names import NameFinder, NameList
from training.common.checkpoint import load_checkpoint
from training.common.errors import CheckpointError
from training.common.files import write_bytes
from training.common.run import Run
from training.seq2seq.config import TranslatorConfig, stored_config
from training.seq2seq.data.dataset import Pair
from training.seq2seq.data.rare_words import prepare
from training.seq2seq.data.subwords import train_subwords
from training.seq2seq.network.model import Seq2Seq

BEST = "best.pt"
LAST = "last.pt"

JOINT = "pieces.model"
SOURCE = "source.model"
TARGET = "target.model"
"""SentencePiece models in the run's directory."""

NAMES, CAPITALS, PROFILE = "names.json", "capitals.json", "language.json"
"""Names, case statistics and profile of the source language in the run's directory, if rare words have placeholders."""


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
    rare_words: RareWords | None = None
    """What typed placeholders stand for; None if the run has none."""

    @property
    def device(self) -> torch.device:
        """The device of the network."""
        return self.network.output.bias.device

    def encode(self, sentence: str) -> list[int]:
        """The token ids of a source sentence, which is cleaned first, without END."""
        return self.segment(sentence).segments[0]

    def segment(self, sentence: str) -> SegmentedText:
        """A source sentence, which is cleaned first, as one segment, with placeholders as in serving."""
        text = clean(sentence)
        text = text.lower() if self.config.data.lower_case else text
        if self.rare_words is None:
            return SegmentedText(segments=[self.source.encode(text)], separators=["", ""])
        return prepare(text, self.rare_words, self.source)

    def restore(self, text: SegmentedText, hypothesis: Hypothesis) -> str:
        """The translation of a sentence from its best hypothesis, with its rare words put back."""
        if self.rare_words is None:
            return self.target.decode(hypothesis.tokens)
        return text.restore(0, hypothesis, self.source, self.target)


def vocabularies(config: TranslatorConfig, run: Run, pairs: Iterable[Pair]) -> tuple[Subwords, Subwords]:
    """The vocabularies of the run; they are trained on its training pairs if they do not exist yet."""
    settings = config.subwords
    names = (JOINT, JOINT) if settings.joint else (SOURCE, TARGET)
    if not all((run.path / name).exists() for name in names):
        pairs = list(pairs)
        sides = [[pair.source for pair in pairs], [pair.target for pair in pairs]]
        texts = {JOINT: sides[0] + sides[1]} if settings.joint else {SOURCE: sides[0], TARGET: sides[1]}
        for name, sentences in texts.items():
            size = settings.vocabulary - (len(TYPED_PLACEHOLDERS) if config.rare_words else 0)
            model = train_subwords(sentences, size=size, kind=settings.kind, seed=config.seed)
            write_bytes(run.path / name, model)
    if config.rare_words:
        for name in set(names):
            write_bytes(run.path / name, with_typed_placeholders((run.path / name).read_bytes()))
    return _read(run, names)


def with_typed_placeholders(model: bytes) -> bytes:
    """A SentencePiece model with the typed placeholders that it does not have yet."""
    subwords = Subwords(model)
    missing = [symbol for kind, symbol in TYPED_PLACEHOLDERS.items() if subwords.placeholder(kind) != symbol]
    return add_pieces(model, missing)


def read_rare_words(
    run: Run, config: TranslatorConfig, languages: tuple[str, str], source: Subwords
) -> RareWords | None:
    """What typed placeholders stand for, by the files of the run; None if it has no typed placeholders.

    Args:
        run: the run.
        config: its settings.
        languages: source and target.
        source: the subwords of the source language.

    Raises:
        CheckpointError: a file is missing or damaged.
    """
    if not config.rare_words:
        return None
    try:
        names = NameList.read((run.path / NAMES).read_bytes())
        truecaser = Truecaser.read((run.path / CAPITALS).read_bytes())
        frequent_words = Profile.read((run.path / PROFILE).read_bytes()).frequent_words
    except (OSError, ValueError) as error:
        raise CheckpointError(f"{run.path}: its lists of words cannot be read ({error}); train again") from error
    return RareWords(*languages, NameFinder(*languages, source, truecaser, frequent_words, names))


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
    rare_words = read_rare_words(run, config, (languages[0], languages[1]), source)
    return Translator(config, source, target, network, languages[0], languages[1], int(stored["epoch"]), rare_words)


def _read(run: Run, names: tuple[str, str]) -> tuple[Subwords, Subwords]:
    try:
        source = Subwords.read(run.path / names[0])
        return source, source if names[0] == names[1] else Subwords.read(run.path / names[1])
    except (OSError, ValueError) as error:
        raise CheckpointError(f"{run.path}: its SentencePiece model cannot be read ({error}); train again") from error
