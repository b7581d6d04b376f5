"""A trained segmenter: its network, characters and contractions; raw text in, sentences of tokens out."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from service.tasks.token_classification.contractions import Contractions, Words
from service.tasks.token_classification.segmentation import Segmenter
from service.tasks.token_classification.segmentation_characters import CharacterIds
from service.tasks.token_classification.segmentation_numbers import NumberRules
from service.tasks.token_classification.segmentation_schema import InnerSpaces
from training.bilstm_crf.config import FAMILY, TaggerConfig
from training.bilstm_crf.data.dataset import RawSentence, Sentence, TaggedData
from training.bilstm_crf.network.segmenter import SegmenterNetwork
from training.common.checkpoint import load_checkpoint
from training.common.errors import CheckpointError, ConfigError
from training.common.run import Run

SEGMENTER, UNFINISHED = "segmenter.pt", "segmenter-last.pt"
"""The checkpoints of a finished segmenter, and of one in training."""
_MIN_SHARE = 0.9
"""The least part of the training sentences whose text is known."""


@dataclass(frozen=True, kw_only=True, eq=False)
class TrainedSegmenter:
    """What a bundle needs of a segmenter."""

    network: SegmenterNetwork
    characters: str
    contractions: dict[str, Words]
    ambiguous: tuple[str, ...]
    """The contractions that may also be one word."""
    inner_spaces: InnerSpaces
    numbers: NumberRules

    def segmenter(self) -> Segmenter:
        """The class that serves, with the network in PyTorch."""
        contractions = Contractions(self.contractions, self.ambiguous)
        return Segmenter(self.score, self.characters, contractions, self.inner_spaces, self.numbers)

    @torch.no_grad()
    def score(
        self, characters_BT: NDArray[np.int32], lengths_B: NDArray[np.int32]
    ) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """The scores of labels [B, T, 3] and of multiword tokens [B, T]."""
        network = self.network.eval()
        device = network.output.weight.device
        characters = torch.from_numpy(characters_BT.T.astype(np.int64)).to(device)
        boundaries, multiword = network(characters, torch.from_numpy(lengths_B.astype(np.int64)).to(device))
        return boundaries.transpose(0, 1).cpu().numpy(), multiword.T.cpu().numpy()


def raw_sentences(sentences: Sequence[Sentence]) -> list[RawSentence]:
    """The text of the sentences that have it."""
    return [sentence.raw for sentence in sentences if sentence.raw is not None]


def learns_segmentation(config: TaggerConfig, data: TaggedData) -> bool:
    """Whether a segmenter is trained with the tagger.

    Raises:
        ConfigError: it was asked for, but the training file does not have its text.
    """
    choice = config.segmenter.tokenizer
    has_text = len(raw_sentences(data.splits["train"])) >= _MIN_SHARE * len(data.splits["train"])
    if choice == "learned" and not has_text:
        raise ConfigError(
            f"tokenizer is learned, but {data.name} does not have the text of its sentences; it is learned from "
            "CoNLL-U with `# text` before each sentence. Leave out --tokenizer, or use --tokenizer rules"
        )
    return has_text and (choice == "learned" or (choice == "auto" and bool(config.data.train)))


def load_segmenter(run: Run, config: TaggerConfig, data: TaggedData) -> TrainedSegmenter | None:
    """The segmenter of a run; None if it has none.

    Args:
        run: the run.
        config: its settings.
        data: its data.

    Raises:
        CheckpointError: the run is to have one, and was stopped before it was trained to its end.
    """
    path = run.checkpoints / SEGMENTER
    if not path.exists():
        if _lacks_segmenter(run, config, data):
            raise CheckpointError(
                f"{run.path}: the tokenizer has not been trained to its end; "
                f"go on with: lectern-train {FAMILY} train --resume {run.path}"
            )
        return None
    state = load_checkpoint(path)
    network = SegmenterNetwork(CharacterIds(state["characters"]).rows)
    network.load_state_dict(state["model"])
    return TrainedSegmenter(
        network=network.eval(),
        characters=state["characters"],
        contractions={text: tuple(words) for text, words in state["contractions"].items()},
        ambiguous=tuple(state["ambiguous"]),
        inner_spaces=state["inner_spaces"],
        numbers=NumberRules(**state.get("numbers", {})),
    )


def _lacks_segmenter(run: Run, config: TaggerConfig, data: TaggedData) -> bool:
    """Whether a run without a segmenter is to have one; the training file may have been moved meanwhile."""
    if config.segmenter.tokenizer == "learned" or (run.checkpoints / UNFINISHED).exists():
        return True
    return learns_segmentation(config, data)
