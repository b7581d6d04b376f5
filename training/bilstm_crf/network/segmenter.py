"""The segmenter's network: characters, a BiLSTM, labels of characters (Straka and Straková 2017, section 3.1).

Shapes: B texts of T characters, E dimensions of a character, H units.
"""

import torch
from torch import Tensor, nn
from torch.nn import functional

from training.bilstm_crf.data.segmentation_examples import UNLABELED
from training.bilstm_crf.network.model import BiLstm

DIMENSIONS, UNITS = 32, 64
LABELS = 3
_DROPOUT = 0.3


class SegmenterNetwork(nn.Module):
    """Characters [T, B] to the scores of their labels [T, B, 3] and of multiword tokens [T, B].

    Args:
        characters: rows of the table of characters.
    """

    def __init__(self, characters: int) -> None:
        super().__init__()
        self.embedding = nn.Embedding(characters, DIMENSIONS, padding_idx=0)
        self.lstm = BiLstm(DIMENSIONS, UNITS)
        self.output = nn.Linear(2 * UNITS, LABELS + 1)
        self.dropout = nn.Dropout(_DROPOUT)

    def forward(self, characters_TB: Tensor, lengths_B: Tensor) -> tuple[Tensor, Tensor]:
        states_TB2H = self.dropout(self.lstm(self.embedding(characters_TB), lengths_B))
        scores = self.output(states_TB2H)
        return scores[..., :LABELS], scores[..., LABELS]

    def loss(self, characters_TB: Tensor, labels_TB: Tensor, multiword_TB: Tensor, lengths_B: Tensor) -> Tensor:
        """The mean loss of a character: of its label, and at ends of tokens of the multiword token."""
        boundaries, multiword = self(characters_TB, lengths_B)
        loss = functional.cross_entropy(boundaries.flatten(0, 1), labels_TB.flatten(), ignore_index=UNLABELED)
        at_end = labels_TB > 0
        if not bool(at_end.any()):
            return loss
        return loss + functional.binary_cross_entropy_with_logits(multiword[at_end], multiword_TB[at_end])


def initialized(characters: int) -> SegmenterNetwork:
    """A network with new weights from the global random generator."""
    network = SegmenterNetwork(characters)
    with torch.no_grad():
        network.embedding.weight.mul_(0.5)
        network.embedding.weight[0] = 0
    return network
