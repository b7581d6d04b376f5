"""Training loss of a linear-chain CRF: Lafferty, McCallum and Pereira 2001; Lample et al. 2016, section 2.2.

Shapes: T tokens of B sentences, K labels, R the rank of the transitions.
"""

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

from service.tasks.token_classification.crf import FORBIDDEN

_MAX_KEPT_SCORES = 1 << 20
"""Scores [B, K, K] of a step that are kept for the gradient; more are computed again, or a thousand labels would take
gigabytes."""
_ROWS_AT_A_TIME = 32
"""Rows of the transitions that are computed from their factors at a time."""


class Crf(nn.Module):
    """Scores a label sequence by the sum of its emissions and transitions.

    With a rank the transitions from label to label are `log(exp(outgoing) @ exp(incoming))`: their exponentials have
    that rank (Chiu, Deng and Rush 2021, "Low-Rank Constraints for Fast Inference in Structured Models"). Then the
    forward algorithm goes from K labels to R values and on to K labels, in O(KR) instead of O(K^2) a token. Factors of
    the scores themselves would have fewer parameters too, but no cheaper forward algorithm.

    Args:
        allowed: [K+2, K]. Rows 0..K-1: may follow, from label to label; row K: may start a sentence; row K+1: may end
            it.
        rank: R; 0 for a parameter for each pair of labels.
    """

    allowed: Tensor

    def __init__(self, allowed: NDArray[np.bool_], rank: int = 0) -> None:
        super().__init__()
        self.register_buffer("allowed", torch.from_numpy(allowed))
        labels = allowed.shape[1]
        self.weights = nn.Parameter(torch.zeros(2 if rank else labels + 2, labels))
        """All transitions; with a rank those at the start and the end only."""
        self.factors = nn.ParameterList()
        """With a rank: outgoing [K, R] and incoming [R, K]. They are random, as equal columns would remain equal."""
        if rank:
            self.factors.extend([torch.randn(labels, rank), torch.randn(rank, labels)])
        self._uses_factors = rank > 0 and bool(allowed[:-2].all())  # forbidden transitions need the whole matrix

    def transitions(self) -> Tensor:
        """The transition scores [K+2, K]; those not allowed are `FORBIDDEN`."""
        weights: Tensor = self.weights
        if self.factors:
            outgoing, incoming = self.factors
            rows = [_step(some, [incoming]) for some in outgoing.split(_ROWS_AT_A_TIME)]
            weights = torch.cat([*rows, weights])
        return weights.masked_fill(~self.allowed, FORBIDDEN)

    def forward(self, emissions_TBK: Tensor, labels_TB: Tensor, mask_TB: Tensor) -> Tensor:
        """The mean negative log-likelihood of the sentences' labels; the mask is true at tokens, false at padding."""
        if self._uses_factors:
            between = list(self.factors)
            start, end = self.weights.masked_fill(~self.allowed[-2:], FORBIDDEN)
        else:
            scores, (start, end) = self.transitions().split([len(self.allowed) - 2, 2])
            between = [scores]
        gold_score = _score(emissions_TBK, labels_TB, mask_TB, between, start, end)
        return (_log_partition(emissions_TBK, mask_TB, between, start, end) - gold_score).mean()


def _score(
    emissions_TBK: Tensor, labels_TB: Tensor, mask_TB: Tensor, between: Sequence[Tensor], start: Tensor, end: Tensor
) -> Tensor:
    """The score [B] of each sentence's labels: the first equation of Lample et al., section 2.2.

    Args:
        emissions_TBK: the emissions.
        labels_TB: the labels.
        mask_TB: true at tokens.
        between: the transitions [K, K], or their factors [K, R] and [R, K].
        start: the scores [K] of the first label.
        end: the scores [K] of the last label.
    """
    emission = emissions_TBK.gather(2, labels_TB[..., None]).squeeze(2)
    previous, following = labels_TB[:-1], labels_TB[1:]
    if len(between) == 1:
        transition = between[0][previous, following]
    else:
        outgoing, incoming = between
        transition = torch.logsumexp(outgoing[previous] + incoming.T[following], dim=2)
    last = labels_TB.gather(0, (mask_TB.sum(0) - 1)[None]).squeeze(0)
    within = (emission * mask_TB).sum(0) + (transition * mask_TB[1:]).sum(0)
    return within + start[labels_TB[0]] + end[last]


def _log_partition(
    emissions_TBK: Tensor, mask_TB: Tensor, between: Sequence[Tensor], start: Tensor, end: Tensor
) -> Tensor:
    """The log partition function [B], by the forward algorithm; arguments as for `_score`."""
    alpha = start + emissions_TBK[0]
    scores = len(alpha) * sum(matrix.numel() for matrix in between)
    recompute = scores > _MAX_KEPT_SCORES and torch.is_grad_enabled()
    for emission, mask in zip(emissions_TBK[1:], mask_TB[1:], strict=True):
        following = checkpoint(_step, alpha, between, use_reentrant=False) if recompute else _step(alpha, between)
        following = following + emission
        alpha = torch.where(mask[:, None], following, alpha)
    return torch.logsumexp(alpha + end, dim=1)


def _step(alpha: Tensor, between: Sequence[Tensor]) -> Tensor:
    """The next messages [B, K], without their emissions."""
    for matrix in between:
        alpha = torch.logsumexp(alpha[:, :, None] + matrix, dim=1)
    return alpha
