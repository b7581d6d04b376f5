"""A trained network with its words and labels: sentences in, tags out."""

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
from training.bilstm_crf.network.model import BiLstmCrf
from training.common.checkpoint import load_checkpoint
from training.common.run import Run

LAST, BEST = "last.pt", "best.pt"
_BUDGET = 4096


@dataclass(frozen=True, kw_only=True, eq=False)
class Tagger:
    """Inner labels are BIOES tags for spans; what goes out is IOB2."""

    labels: tuple[str, ...]
    kind: Kind
    features: WordFeatures
    network: BiLstmCrf
    lexicon: Lexicon
    epoch: int = 0

    def transitions(self) -> NDArray[np.float32] | None:
        """[K + 2, K] as `service.decoding` takes them; None without a CRF."""
        crf = self.network.crf
        return None if crf is None else crf.transitions().detach().cpu().numpy()

    @torch.no_grad()
    def emissions(self, sentences: Sequence[Sequence[str]]) -> tuple[NDArray[np.float32], NDArray[np.int32]]:
        """Emissions [B, T, K] and lengths [B] of sentences of which none is empty."""
        batch = self.features.batch(sentences)
        self.network.eval()
        device = self.network.output.weight.device
        return self.network(**inputs(batch, device)).cpu().numpy(), batch.lengths

    def tag(self, sentences: Sequence[Sequence[str]]) -> list[list[str]]:
        """The tags of every sentence: IOB2 for spans."""
        found: list[list[str]] = [[] for _ in sentences]
        transitions = self.transitions()
        for group in chunks([len(sentence) for sentence in sentences], _BUDGET):
            group = [place for place in group if sentences[place]]
            if not group:
                continue
            emissions, lengths = self.emissions([sentences[place] for place in group])
            for place, numbers in zip(group, viterbi(emissions, lengths, transitions), strict=True):
                tags = [self.labels[number] for number in numbers[: len(sentences[place])].tolist()]
                found[place] = to_iob2(tags) if self.kind == "spans" else tags
        return found


def build_network(config: TaggerConfig, lexicon: Lexicon, labels: Sequence[str], auxiliary: int = 0) -> BiLstmCrf:
    """The network that the configuration describes, with fresh weights drawn from the global generator."""
    network = BiLstmCrf(
        config.network,
        lexicon.table,
        lexicon.trained if config.network.tune_vectors else 1,
        len(lexicon.characters) + 2,
        allowed_transitions(labels),
        auxiliary=auxiliary,
        input_dropout=config.input_dropout,
        dropout=config.dropout,
    )
    with torch.no_grad():
        network.words.difference.copy_(torch.from_numpy(lexicon.start[: len(network.words.difference)]))
    return network


def load_tagger(run: Run) -> Tagger:
    """The tagger with the weights that a run kept.

    Raises:
        CheckpointError: the run has no weights yet.
    """
    config = stored_config(run)
    state = load_checkpoint(run.checkpoints / BEST)
    table = state["model"]["words.given"].numpy()
    trained = state["lexicon"]["trained"]
    lexicon = Lexicon(
        table=np.zeros_like(table), start=np.zeros((trained, table.shape[1]), np.float32), **state["lexicon"]
    )
    network = build_network(config, lexicon, state["labels"], state["auxiliary"])
    network.load_state_dict(state["model"])
    features = WordFeatures(lexicon.words, lexicon.characters, config.network.max_characters)
    return Tagger(
        labels=tuple(state["labels"]), kind=state["kind"], features=features, network=network.eval(), lexicon=lexicon,
        epoch=int(state["epoch"]),
    )  # fmt: skip
