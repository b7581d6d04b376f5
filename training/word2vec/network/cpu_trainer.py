"""Trains word2vec on the CPU with the compiled kernels."""

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from training.common.seed import derive_seed
from training.common.vectors.word_rows import WordRows
from training.word2vec.config import Word2VecConfig
from training.word2vec.network import subword_kernels
from training.word2vec.network.huffman import HuffmanTree, huffman_tree
from training.word2vec.network.kernels import KernelSettings, Tables, make_workspace, train_chunk, zero_matrix
from training.word2vec.network.sampling import alias_table, keep_thresholds


class CpuTrainer:
    """The input and output vectors of a run; `train_chunk` may be called from several threads at once.

    Args:
        counts: [V], how often each word occurs in the corpus.
        config: settings of the run.
        word_rows: the rows that each word is the mean of; None where a word has one row.
    """

    def __init__(self, counts: NDArray[np.int64], config: Word2VecConfig, word_rows: WordRows | None = None) -> None:
        words, dimensions = len(counts), config.dimensions
        hierarchical = config.loss == "hierarchical-softmax"
        self._settings = KernelSettings(config.architecture == "cbow", hierarchical, config.window, config.negatives)
        tree = huffman_tree(counts) if hierarchical else _empty_tree()
        threshold, alias = alias_table(counts.astype(np.float64) ** config.negative_exponent)
        self._tables = Tables(
            keep_thresholds(counts, config.sample), threshold, alias, tree.offsets, tree.points, tree.codes
        )
        self._max_path_length = int(tree.lengths.max(initial=1))
        self._word_rows = word_rows
        input_rows = words if word_rows is None else word_rows.matrix_rows
        self._inputs, self._outputs = zero_matrix(input_rows, dimensions), zero_matrix(words, dimensions)
        self.input_vectors: Tensor = torch.from_numpy(self._inputs[:input_rows, :dimensions])
        """[V, D]: the word vectors, or with `word_rows` [V + buckets, D]; shares memory with the kernels."""
        self.output_vectors: Tensor = torch.from_numpy(self._outputs[:words, :dimensions])
        """[V, D]: the vectors of words as targets, or of the tree's inner nodes (the last row is then unused)."""
        self.input_vectors.copy_(initial_vectors(input_rows, config))

    def train_chunk(self, ids: NDArray[np.int32], learning_rate: float, seed: int) -> float:
        """Train on a chunk of the corpus.

        Args:
            ids: word ids, with -1 between sentences.
            learning_rate: learning rate of the chunk.
            seed: of subsampling, window sizes and negative samples.

        Returns:
            The mean loss per input in nats, with `word_rows` per predicted word; NaN if no window was measured.
        """
        ids = np.array(ids)  # a copy, as a read-only memory map would make numba compile the kernels again
        loss, measured = self._train(ids, np.float32(learning_rate), seed)
        return float(loss) / measured if measured else float("nan")

    def _train(self, ids: NDArray[np.int32], rate: np.float32, seed: int) -> tuple[float, int]:
        """Run the kernel; returns the summed loss of the measured inputs and their number."""
        matrices, settings, width = (self._inputs, self._outputs), self._settings, self._inputs.shape[1]
        result: tuple[float, int]
        if self._word_rows is None:
            workspace = make_workspace(settings, self._max_path_length, width, seed)
            result = train_chunk(ids, *matrices, settings, self._tables, workspace, rate)
        else:
            rows = self._word_rows
            subword_workspace = subword_kernels.make_workspace(settings, rows.most_rows, width, seed)
            result = subword_kernels.train_chunk(
                ids, *matrices, settings, self._tables, rows.offsets, rows.rows, subword_workspace, rate
            )
        return result


def initial_vectors(rows: int, config: Word2VecConfig) -> Tensor:
    """Initial input vectors [rows, D], uniform in [-1 / D, 1 / D] as in gensim (word2vec.c uses half of that)."""
    random = torch.Generator().manual_seed(derive_seed(config.seed, "initial"))
    return (2 * torch.rand(rows, config.dimensions, generator=random) - 1) / config.dimensions


def _empty_tree() -> HuffmanTree:
    """Placeholder for the kernels when negative sampling is used."""
    empty = np.zeros(1, np.int32)
    return HuffmanTree(offsets=empty, points=empty, codes=np.zeros(1, np.int8))
