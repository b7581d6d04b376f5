"""Reference implementation: the four models of word2vec as in the papers, for autograd; the tests compare to it.

A window has input vectors and target vectors, with a logistic regression for each pair of them.

* Skip-gram: every context word is an input that predicts the center word, as in word2vec.c. CBOW: the mean of the
  context words is the only input (Mikolov et al. 2013a, sections 3.1 and 3.2).
* Negative sampling: the targets are the center word and K sampled words. Hierarchical softmax: the targets are the
  inner nodes on the center word's Huffman path (Mikolov et al. 2013b, sections 2.2 and 2.1).

All inputs of a window share the same K samples; word2vec.c draws new ones for each input.
"""

import torch
from torch import Tensor
from torch.nn.functional import logsigmoid

from training.word2vec.config import Architecture


def window_inputs(rows: Tensor, architecture: Architecture, *, undivided: bool = True) -> Tensor:
    """The inputs of a window: the vectors of its context words [C, D] for skip-gram, their mean [1, D] for CBOW.

    Args:
        rows: [C, D], the vectors of the context words.
        architecture: skip-gram or CBOW.
        undivided: whether CBOW's full gradient goes to each context word, as in word2vec.c and gensim; the derivative
            of a mean would divide it by C.
    """
    if architecture == "skip-gram":
        return rows
    if undivided and rows.requires_grad:
        rows = rows * 1.0  # a new tensor, so that the hook is not registered on the caller's
        rows.register_hook(lambda gradient: gradient * len(rows))
    return rows.mean(0, keepdim=True)


def negative_sampling_loss(inputs: Tensor, center: Tensor, negatives: Tensor) -> Tensor:
    """Negative of equation 4 of Mikolov et al. 2013b, summed over the inputs; in nats.

    Args:
        inputs: [N, D], input vectors.
        center: [D], output vector of the center word.
        negatives: [K, D], output vectors of the negative samples.
    """
    return -logsigmoid(inputs @ center).sum() - logsigmoid(-inputs @ negatives.T).sum()


def hierarchical_softmax_loss(inputs: Tensor, nodes: Tensor, codes: Tensor) -> Tensor:
    """Negative logarithm of equation 3 of Mikolov et al. 2013b, summed over the inputs; in nats.

    Args:
        inputs: [N, D], input vectors.
        nodes: [L, D], vectors of the inner nodes from the root to the center word.
        codes: [L], 0 or 1: the branch taken at each node; 0 is the equation's `ch(n)`.
    """
    return -logsigmoid((1 - 2 * codes) * (inputs @ nodes.T)).sum()


def descend(loss: Tensor, tables: tuple[Tensor, ...], learning_rate: float) -> None:
    """Take one step of stochastic gradient descent on `tables`, in place."""
    with torch.no_grad():
        for table, gradient in zip(tables, torch.autograd.grad(loss, tables), strict=True):
            table -= learning_rate * gradient
