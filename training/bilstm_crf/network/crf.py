"""The linear-chain conditional random field: Lafferty, McCallum, Pereira 2001; Lample et al. 2016, section 2.2."""

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from service.tasks.token_classification.crf import FORBIDDEN


class Crf(nn.Module):
    """Scores of label sequences: the sum of emissions and transitions.

    Args:
        allowed: [K + 2, K]: which label may follow which, then which may start and which may end a sentence.
    """

    allowed: Tensor

    def __init__(self, allowed: NDArray[np.bool_]) -> None:
        super().__init__()
        self.register_buffer("allowed", torch.from_numpy(allowed))
        self.weights = nn.Parameter(torch.zeros(allowed.shape))

    def transitions(self) -> Tensor:
        """[K + 2, K], with what is not allowed at `FORBIDDEN`."""
        return self.weights.masked_fill(~self.allowed, FORBIDDEN)

    def forward(self, emissions_TBK: Tensor, labels_TB: Tensor, mask_TB: Tensor) -> Tensor:
        """The mean negative log-likelihood of the sentences' labels; the mask is true where a token is."""
        transitions = self.transitions()
        right = _score(emissions_TBK, labels_TB, mask_TB, transitions)
        return (_log_partition(emissions_TBK, mask_TB, transitions) - right).mean()


def _score(emissions_TBK: Tensor, labels_TB: Tensor, mask_TB: Tensor, transitions: Tensor) -> Tensor:
    """Equation 1 of Lample et al.: the score [B] of each sentence's labels."""
    start, end = len(transitions) - 2, len(transitions) - 1
    emitted = emissions_TBK.gather(2, labels_TB[..., None]).squeeze(2)
    moved = transitions[labels_TB[:-1], labels_TB[1:]]
    last = labels_TB.gather(0, (mask_TB.sum(0) - 1)[None]).squeeze(0)
    inside = (emitted * mask_TB).sum(0) + (moved * mask_TB[1:]).sum(0)
    return inside + transitions[start, labels_TB[0]] + transitions[end, last]


def _log_partition(emissions_TBK: Tensor, mask_TB: Tensor, transitions: Tensor) -> Tensor:
    """The logarithm [B] of the sum over all label sequences, by the forward algorithm."""
    between, start, end = transitions[:-2], transitions[-2], transitions[-1]
    alpha = start + emissions_TBK[0]
    for emission, mask in zip(emissions_TBK[1:], mask_TB[1:], strict=True):
        following = torch.logsumexp(alpha[:, :, None] + between, dim=1) + emission
        alpha = torch.where(mask[:, None], following, alpha)
    return torch.logsumexp(alpha + end, dim=1)
