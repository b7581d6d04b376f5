"""The binary Huffman tree of hierarchical softmax (Mikolov et al. 2013b, section 2.1)."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, kw_only=True, eq=False)
class HuffmanTree:
    """The paths from the root to each of V words, in compressed sparse row format.

    The inner nodes on the path of word w are `points[offsets[w] : offsets[w + 1]]`, root first; `codes` has the branch
    taken at each of them.
    """

    offsets: NDArray[np.int32]
    """[V + 1]: start of each word's path; the last entry is the end of the last path."""
    points: NDArray[np.int32]
    """[total path length]: inner nodes, 0 to V - 2, heaviest first; 0 is the root."""
    codes: NDArray[np.int8]
    """[total path length]: 0 or 1; the label of the node's logistic regression is 1 - code."""

    @property
    def lengths(self) -> NDArray[np.int32]:
        """[V]: the length of each word's path."""
        return np.diff(self.offsets)

    def padded(self) -> tuple[NDArray[np.int32], NDArray[np.int8]]:
        """Points and codes as matrices [V, longest path]; padding has the point -1 and the code 0."""
        inside = np.arange(max(1, int(self.lengths.max()))) < self.lengths[:, None]
        points = np.full(inside.shape, -1, np.int32)
        codes = np.zeros(inside.shape, np.int8)
        points[inside], codes[inside] = self.points, self.codes
        return points, codes


def huffman_tree(counts: NDArray[np.int64]) -> HuffmanTree:
    """Build the Huffman tree, the prefix code of minimal mean length over the corpus.

    Args:
        counts: [V], occurrences of each word, in any order; a vocabulary of one word gets an empty path.
    """
    words = len(counts)
    assert words > 0
    parents, branches = _merge(counts)
    root = 2 * words - 2
    lengths = np.zeros(words, np.int32)
    steps = []
    nodes = np.arange(words)
    while (climbing := nodes != root).any():
        lengths += climbing
        # Inner nodes are created lightest first; counting from the root keeps those of frequent words together.
        steps.append((root - parents[nodes], branches[nodes], climbing))
        nodes = np.where(climbing, parents[nodes], root)
    offsets = np.zeros(words + 1, np.int32)
    np.cumsum(lengths, out=offsets[1:])
    points, codes = np.empty(offsets[-1], np.int32), np.empty(offsets[-1], np.int8)
    for step, (point, branch, climbing) in enumerate(steps):
        positions = offsets[1:][climbing] - 1 - step
        points[positions], codes[positions] = point[climbing], branch[climbing]
    return HuffmanTree(offsets=offsets, points=points, codes=codes)


def _merge(counts: NDArray[np.int64]) -> tuple[NDArray[np.int64], NDArray[np.int8]]:
    """Merge the two lightest nodes until only the root is left.

    Inner nodes are created in ascending order of weight, so two queues (the words, sorted once, and the inner nodes)
    replace a heap.

    Returns:
        The parent and the branch (0 or 1) of each of 2V - 1 nodes; nodes 0 to V - 1 are the words.
    """
    words = len(counts)
    leaves = np.argsort(counts, kind="stable").tolist()
    weights = counts.tolist() + [0] * (words - 1)
    parents, branches = np.zeros(2 * words - 1, np.int64), np.zeros(2 * words - 1, np.int8)
    leaf, inner = 0, words
    for parent in range(words, 2 * words - 1):
        for branch in (0, 1):
            # Of equally light nodes a word is merged first, which keeps the longest path short.
            if leaf < words and (inner == parent or weights[leaves[leaf]] <= weights[inner]):
                node, leaf = leaves[leaf], leaf + 1
            else:
                node, inner = inner, inner + 1
            weights[parent] += weights[node]
            parents[node], branches[node] = parent, branch
    return parents, branches
