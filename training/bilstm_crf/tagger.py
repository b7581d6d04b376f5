"""A network with its vocabulary and labels: sentences in, tags out."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from service.tasks.token_classification.crf import viterbi
from service.tasks.token_classification.features import Kind, WordFeatures
from service.tasks.token_classification.tag_schemes import allowed_transitions, to_iob2
from training.bilstm_crf.config import TaggerConfig, stored_config
from training.bilstm_crf.data.batches import chunks, inputs
from training.bilstm_crf.data.vocabulary import Lexicon
from training.bilstm_crf.network.model import BiLstmCrf, upgrade_weights
from training.common.checkpoint import load_checkpoint
from training.common.run import Run

LAST, BEST = "last.pt", "best.pt"
_MAX_BATCH_TOKENS = 4096


@dataclass(frozen=True, kw_only=True, eq=False)
class Tagger:
    """A network that tags sentences. For spans its labels are BIOES tags, and its answers IOB2 tags."""

    labels: tuple[str, ...]
    kind: Kind
    features: WordFeatures
    network: BiLstmCrf
    lexicon: Lexicon
    epoch: int = 0

    def transitions(self) -> NDArray[np.float32] | None:
        """The transitions [K+2, K] for `service.tasks.token_classification.crf`; None without a CRF."""
        crf = self.network.crf
        return None if crf is None else crf.transitions().detach().cpu().numpy()

    @torch.no_grad()
    def emissions(self, sentences: Sequence[Sequence[str]]) -> tuple[NDArray[np.float32], NDArray[np.int32]]:
        """Emissions [B, T, K] and lengths [B] of sentences, none of them empty."""
        batch = self.features.batch(sentences)
        self.network.eval()
        device = self.network.output.weight.device
        return self.network(**inputs(batch, device)).cpu().numpy(), batch.lengths

    def tag(self, sentences: Sequence[Sequence[str]]) -> list[list[str]]:
        """The tags of each sentence; IOB2 for spans."""
        tags: list[list[str]] = [[] for _ in sentences]
        transitions = self.transitions()
        for indices in chunks([len(sentence) for sentence in sentences], _MAX_BATCH_TOKENS):
            nonempty = [index for index in indices if sentences[index]]
            if not nonempty:
                continue
            emissions, lengths = self.emissions([sentences[index] for index in nonempty])
            for index, path in zip(nonempty, viterbi(emissions, lengths, transitions), strict=True):
                decoded = [self.labels[label] for label in path[: len(sentences[index])].tolist()]
                tags[index] = to_iob2(decoded) if self.kind == "spans" else decoded
        return tags


def build_network(config: TaggerConfig, lexicon: Lexicon, labels: Sequence[str], auxiliary: int = 0) -> BiLstmCrf:
    """The network that the configuration describes, with new weights from the global random generator."""
    network = BiLstmCrf(
        config.network,
        lexicon.table,
        lexicon.trained_rows if config.network.tune_vectors else 1,
        len(lexicon.characters) + 2,
        allowed_transitions(labels),
        auxiliary=auxiliary,
        input_dropout=config.input_dropout,
        dropout=config.dropout,
    )
    with torch.no_grad():
        network.words.difference.copy_(torch.from_numpy(lexicon.initial_difference[: len(network.words.difference)]))
    return network


def load_tagger(run: Run) -> Tagger:
    """Load the tagger with the best weights of a run.

    Raises:
        CheckpointError: the run has no weights yet.
    """
    config = stored_config(run)
    state = load_checkpoint(run.checkpoints / BEST)
    weights = upgrade_weights(state["model"])
    table, stored = weights["words.pretrained"].numpy(), state["lexicon"]
    lexicon = Lexicon(
        words=stored["words"],
        characters=stored["characters"],
        trained_rows=stored["trained"],
        table=np.zeros_like(table),
        initial_difference=np.zeros((stored["trained"], table.shape[1]), np.float32),
    )
    network = build_network(config, lexicon, state["labels"], state["auxiliary"])
    network.load_state_dict(weights)
    features = WordFeatures(
        lexicon.words, lexicon.characters, config.network.max_characters, emoji=bool(config.emoji_tag)
    )
    return Tagger(
        labels=tuple(state["labels"]), kind=state["kind"], features=features, network=network.eval(), lexicon=lexicon,
        epoch=int(state["epoch"]),
    )  # fmt: skip
