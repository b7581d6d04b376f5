"""Training loss of a linear-chain CRF: Lafferty, McCallum and Pereira 2001; Lample et al. 2016, section 2.2."""

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

from service.tasks.token_classification.crf import FORBIDDEN

_MAX_KEPT_SCORES = 1 << 20
"""Scores [B, K, K] of a step that are kept for the gradient; more are computed again, or a thousand labels would take
gigabytes."""


class Crf(nn.Module):
    """Scores a label sequence by the sum of its emissions and transitions.

    Args:
        allowed: [K+2, K]. Rows 0..K-1: may follow, from label to label; row K: may start a sentence; row K+1: may end
            it.
    """

    allowed: Tensor

    def __init__(self, allowed: NDArray[np.bool_]) -> None:
        super().__init__()
        self.register_buffer("allowed", torch.from_numpy(allowed))
        self.weights = nn.Parameter(torch.zeros(allowed.shape))

    def transitions(self) -> Tensor:
        """The transition scores [K+2, K]; those not allowed are `FORBIDDEN`."""
        return self.weights.masked_fill(~self.allowed, FORBIDDEN)

    def forward(self, emissions_TBK: Tensor, labels_TB: Tensor, mask_TB: Tensor) -> Tensor:
        """The mean negative log-likelihood of the sentences' labels; the mask is true at tokens, false at padding."""
        transitions = self.transitions()
        gold_score = _score(emissions_TBK, labels_TB, mask_TB, transitions)
        return (_log_partition(emissions_TBK, mask_TB, transitions) - gold_score).mean()


def _score(emissions_TBK: Tensor, labels_TB: Tensor, mask_TB: Tensor, transitions: Tensor) -> Tensor:
    """The score [B] of each sentence's labels: the first equation of Lample et al., section 2.2."""
    start, end = len(transitions) - 2, len(transitions) - 1
    emission = emissions_TBK.gather(2, labels_TB[..., None]).squeeze(2)
    transition = transitions[labels_TB[:-1], labels_TB[1:]]
    last = labels_TB.gather(0, (mask_TB.sum(0) - 1)[None]).squeeze(0)
    within = (emission * mask_TB).sum(0) + (transition * mask_TB[1:]).sum(0)
    return within + transitions[start, labels_TB[0]] + transitions[end, last]


def _log_partition(emissions_TBK: Tensor, mask_TB: Tensor, transitions: Tensor) -> Tensor:
    """The log partition function [B], by the forward algorithm."""
    between, start, end = transitions[:-2], transitions[-2], transitions[-1]
    alpha = start + emissions_TBK[0]
    recompute = alpha.shape[0] * between.numel() > _MAX_KEPT_SCORES and torch.is_grad_enabled()
    for emission, mask in zip(emissions_TBK[1:], mask_TB[1:], strict=True):
        following = checkpoint(_step, alpha, between, use_reentrant=False) if recompute else _step(alpha, between)
        following = following + emission
        alpha = torch.where(mask[:, None], following, alpha)
    return torch.logsumexp(alpha + end, dim=1)


def _step(alpha: Tensor, between: Tensor) -> Tensor:
    """The next messages [B, K], without their emissions."""
    return torch.logsumexp(alpha[:, :, None] + between, dim=1)
