"""word2vec on the CPU: the compiled kernels with their tables."""

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from training.common.seed import derive
from training.word2vec.config import Word2VecConfig
from training.word2vec.network.huffman import HuffmanTree, huffman_tree
from training.word2vec.network.kernels import Settings, Tables, scratch, table, train_chunk
from training.word2vec.network.sampling import alias_table, keep_limits


class CpuTrainer:
    """The two tables of a run and what changes them. `train_chunk` may be called from several threads at once.

    Args:
        counts: [V], how often each word occurs in the corpus.
        config: of the run.
    """

    def __init__(self, counts: NDArray[np.int64], config: Word2VecConfig) -> None:
        words, dimensions = len(counts), config.dimensions
        hierarchical = config.loss == "hierarchical-softmax"
        self._settings = Settings(config.architecture == "cbow", hierarchical, config.window, config.negatives)
        tree = huffman_tree(counts) if hierarchical else _no_tree()
        threshold, alias = alias_table(counts.astype(np.float64) ** config.negative_exponent)
        self._tables = Tables(
            keep_limits(counts, config.sample), threshold, alias, tree.offsets, tree.points, tree.codes
        )
        self._longest_path = int(tree.lengths.max(initial=1))
        self._inputs, self._targets = table(words, dimensions), table(words, dimensions)
        self.input: Tensor = torch.from_numpy(self._inputs[:words, :dimensions])
        """[V, D]: the words' vectors, shared with the kernels."""
        self.output: Tensor = torch.from_numpy(self._targets[:words, :dimensions])
        """[V, D]: the vectors of words as targets, or of the inner nodes (the last row is not used then)."""
        self.input.copy_(initial_vectors(words, config))

    def train_chunk(self, ids: NDArray[np.int32], learning_rate: float, seed: int) -> float:
        """Train on words of the corpus, with -1 between sentences; the mean loss per input in nats, or NaN."""
        own = scratch(self._settings, self._longest_path, self._inputs.shape[1], seed)
        rate = np.float32(learning_rate)
        ids = np.array(ids)  # a copy of a mapped, read-only file: the kernels are compiled for one kind of array
        loss, measured = train_chunk(ids, self._inputs, self._targets, self._settings, self._tables, own, rate)
        return float(loss) / measured if measured else float("nan")


def initial_vectors(words: int, config: Word2VecConfig) -> Tensor:
    """[V, D], evenly from -1 / D to 1 / D, as gensim begins (word2vec.c: half of that); the targets begin at zero."""
    draw = torch.Generator().manual_seed(derive(config.seed, "initial"))
    return (2 * torch.rand(words, config.dimensions, generator=draw) - 1) / config.dimensions


def _no_tree() -> HuffmanTree:
    """What the kernels are handed where no tree is used."""
    nothing = np.zeros(1, np.int32)
    return HuffmanTree(offsets=nothing, points=nothing, codes=np.zeros(1, np.int8))
