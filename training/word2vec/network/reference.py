"""The four models of word2vec as the papers write them, for autograd: what the fast backends are held against.

Every window is the same problem: some input rows, some target rows, and one logistic regression for each pair of them.

* Skip-gram: every context word is an input (it predicts the centre word, as in word2vec.c); CBOW: their mean is the one
  input (Mikolov et al. 2013a, sections 3.1 and 3.2).
* Negative sampling: the targets are the centre word and K sampled words; hierarchical softmax: the inner nodes on the
  centre word's Huffman path (Mikolov et al. 2013b, sections 2.2 and 2.1).

The K sampled words are shared by all inputs of a window: word2vec.c draws others for each.
"""

import torch
from torch import Tensor
from torch.nn.functional import logsigmoid

from training.word2vec.config import Architecture


def window_inputs(rows: Tensor, architecture: Architecture, *, undivided: bool = True) -> Tensor:
    """The inputs of a window: the rows [C, D] of its context words themselves, or their mean [1, D].

    Args:
        rows: the vectors of the context words.
        architecture: skip-gram or CBOW.
        undivided: CBOW's error goes whole to each row, as in word2vec.c and gensim, and not divided by C, as the
            derivative of a mean is.
    """
    if architecture == "skip-gram":
        return rows
    if undivided and rows.requires_grad:
        rows = rows * 1.0  # the hook belongs to this use of the rows, not to the caller's tensor
        rows.register_hook(lambda gradient: gradient * len(rows))
    return rows.mean(0, keepdim=True)


def negative_sampling_loss(inputs: Tensor, centre: Tensor, negatives: Tensor) -> Tensor:
    """Minus equation 4 of Mikolov et al. 2013b, summed over the inputs; in nats.

    Args:
        inputs: [N, D].
        centre: [D], the centre word as a target.
        negatives: [K, D], the sampled words as targets.
    """
    return -logsigmoid(inputs @ centre).sum() - logsigmoid(-inputs @ negatives.T).sum()


def hierarchical_softmax_loss(inputs: Tensor, nodes: Tensor, codes: Tensor) -> Tensor:
    """Minus the logarithm of equation 3 of Mikolov et al. 2013b, summed over the inputs; in nats.

    Args:
        inputs: [N, D].
        nodes: [L, D], the inner nodes from the root to the centre word.
        codes: [L], 0 or 1: the turns taken there; a turn 0 is the equation's `ch(n)`.
    """
    return -logsigmoid((1 - 2 * codes) * (inputs @ nodes.T)).sum()


def descend(loss: Tensor, tables: tuple[Tensor, ...], learning_rate: float) -> None:
    """One step of stochastic gradient descent on the `tables` the loss was computed from."""
    with torch.no_grad():
        for table, gradient in zip(tables, torch.autograd.grad(loss, tables), strict=True):
            table -= learning_rate * gradient
