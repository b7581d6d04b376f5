"""Cross-entropy with label smoothing, and the consistency of R-Drop, computed together with their gradients."""

from typing import Any

import torch
from torch import Tensor

_CHUNK = 64  # rows of scores that stay in a CPU's cache during all passes


class _SmoothedCrossEntropy(torch.autograd.Function):
    """Sum over N tokens; the gradient is computed in the forward pass, in the type of the scores."""

    @staticmethod
    def forward(ctx: Any, scores_NV: Tensor, targets_N: Tensor, smoothing: float) -> Tensor:
        gradient_NV = torch.empty_like(scores_NV)
        rows = _CHUNK if scores_NV.device.type == "cpu" else len(scores_NV)
        loss = torch.zeros((), device=scores_NV.device)
        for start in range(0, len(scores_NV), rows):
            chunk = slice(start, start + rows)
            loss += _chunk_loss(scores_NV[chunk], targets_N[chunk].unsqueeze(1), smoothing, gradient_NV[chunk])
        ctx.save_for_backward(gradient_NV)
        return loss

    @staticmethod
    def backward(ctx: Any, *outputs: Tensor) -> tuple[Tensor, None, None]:
        (gradient_NV,) = ctx.saved_tensors
        return gradient_NV * outputs[0].to(gradient_NV.dtype), None, None


def _chunk_loss(scores_RV: Tensor, targets_R1: Tensor, smoothing: float, gradient_RV: Tensor) -> Tensor:
    """The loss of R rows; its gradient is written to `gradient_RV`."""
    size = scores_RV.shape[1]
    values = scores_RV.float() if scores_RV.dtype != torch.float32 else scores_RV.clone()
    values -= values.amax(dim=1, keepdim=True)
    target, every = values.gather(1, targets_R1), values.sum(dim=1, keepdim=True)
    total = values.exp_().sum(dim=1, keepdim=True)
    loss = (total.log() - (1 - smoothing) * target - smoothing / size * every).sum()
    values /= total
    values -= smoothing / size
    values.scatter_add_(1, targets_R1, values.new_full(targets_R1.shape, smoothing - 1))
    gradient_RV.copy_(values)
    return loss


class _Consistency(torch.autograd.Function):
    """Sum over N tokens; the gradient is computed in the forward pass, in the type of the scores."""

    @staticmethod
    def forward(ctx: Any, scores_2NV: Tensor) -> Tensor:
        gradient_2NV = torch.empty_like(scores_2NV)
        first_NV, second_NV = scores_2NV.chunk(2)
        first_gradient_NV, second_gradient_NV = gradient_2NV.chunk(2)
        rows = _CHUNK if scores_2NV.device.type == "cpu" else len(first_NV)
        loss = torch.zeros((), device=scores_2NV.device)
        for start in range(0, len(first_NV), rows):
            chunk = slice(start, start + rows)
            loss += _chunk_divergence(
                first_NV[chunk], second_NV[chunk], first_gradient_NV[chunk], second_gradient_NV[chunk]
            )
        ctx.save_for_backward(gradient_2NV)
        return loss

    @staticmethod
    def backward(ctx: Any, *outputs: Tensor) -> tuple[Tensor]:
        (gradient_2NV,) = ctx.saved_tensors
        return (gradient_2NV * outputs[0].to(gradient_2NV.dtype),)


def _chunk_divergence(
    first_RV: Tensor, second_RV: Tensor, first_gradient_RV: Tensor, second_gradient_RV: Tensor
) -> Tensor:
    """The divergences of R tokens; their gradients are written to the last two arguments.

    With p and q the predictions and d = log p - log q, the loss is (p - q) d / 2; its gradient by the scores of p is
    (p (d - p d) + p - q) / 2, where p d is summed over the vocabulary.
    """
    logarithms = [scores.float().log_softmax(1) for scores in (first_RV, second_RV)]
    p, q = (values.exp() for values in logarithms)
    d = logarithms[0].sub_(logarithms[1])
    p_minus_q = p - q
    loss = (p_minus_q * d).sum() / 2
    p_d, q_d = ((values * d).sum(1, keepdim=True) for values in (p, q))
    first_gradient_RV.copy_(p.mul_(d - p_d).add_(p_minus_q).div_(2))
    second_gradient_RV.copy_(q.mul_(q_d - d).sub_(p_minus_q).div_(2))
    return loss


def consistency_loss(scores_2NV: Tensor) -> Tensor:
    """R-Drop: the Kullback-Leibler divergences, both ways, between two predictions of N tokens (Wu et al. 2021, eq. 2).

    Can be differentiated once, by the scores.

    Args:
        scores_2NV: scores of all tokens in the first reading, then of all in the second.

    Returns:
        The mean of both divergences, summed over the tokens.
    """
    loss: Tensor = _Consistency.apply(scores_2NV)  # type: ignore[no-untyped-call]
    return loss


def smoothed_cross_entropy(scores_NV: Tensor, targets_N: Tensor, smoothing: float) -> Tensor:
    """The summed cross-entropy of N tokens; `smoothing` is spread over all V tokens (Szegedy et al. 2016, section 7).

    Equal to PyTorch's `cross_entropy(..., label_smoothing=smoothing, reduction="sum")`, in half the time on a CPU and
    with less memory. Can be differentiated once, by the scores.
    """
    loss: Tensor = _SmoothedCrossEntropy.apply(scores_NV, targets_N, smoothing)  # type: ignore[no-untyped-call]
    return loss
