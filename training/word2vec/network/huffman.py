"""The binary Huffman tree of hierarchical softmax (Mikolov et al. 2013b, section 2.2): frequent words, short paths."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, kw_only=True, eq=False)
class HuffmanTree:
    """The path from the root to each of V words, as compressed sparse rows.

    The path of word w is `points[offsets[w] : offsets[w + 1]]`, root first, and `codes` holds the turn taken at each.
    """

    offsets: NDArray[np.int32]
    """[V + 1]: where each word's path begins and ends."""
    points: NDArray[np.int32]
    """[paths]: inner nodes, 0 to V - 2, the heaviest first; 0 is the root."""
    codes: NDArray[np.int8]
    """[paths]: 0 or 1; the logistic regression at the node has the label 1 - code."""

    @property
    def lengths(self) -> NDArray[np.int32]:
        """[V]: the length of each word's path."""
        return np.diff(self.offsets)

    def padded(self) -> tuple[NDArray[np.int32], NDArray[np.int8]]:
        """Points and codes as [V, longest path]; beyond a path's end the point is -1 and the code 0."""
        inside = np.arange(max(1, int(self.lengths.max()))) < self.lengths[:, None]
        points = np.full(inside.shape, -1, np.int32)
        codes = np.zeros(inside.shape, np.int8)
        points[inside], codes[inside] = self.points, self.codes
        return points, codes


def huffman_tree(counts: NDArray[np.int64]) -> HuffmanTree:
    """The tree for words with these counts [V], in any order; a vocabulary of one word has an empty path.

    Of all prefix-free codes it has the least mean length over the corpus.
    """
    words = len(counts)
    assert words > 0
    parents, turns = _merge(counts)
    root = 2 * words - 2
    lengths = np.zeros(words, np.int32)
    steps = []
    nodes = np.arange(words)
    while (climbing := nodes != root).any():
        lengths += climbing
        # Nodes are made lightest first: counted from the root, the frequent ones lie together in memory.
        steps.append((root - parents[nodes], turns[nodes], climbing))
        nodes = np.where(climbing, parents[nodes], root)
    offsets = np.zeros(words + 1, np.int32)
    np.cumsum(lengths, out=offsets[1:])
    points, codes = np.empty(offsets[-1], np.int32), np.empty(offsets[-1], np.int8)
    for step, (point, turn, climbing) in enumerate(steps):
        places = offsets[1:][climbing] - 1 - step
        points[places], codes[places] = point[climbing], turn[climbing]
    return HuffmanTree(offsets=offsets, points=points, codes=codes)


def _merge(counts: NDArray[np.int64]) -> tuple[NDArray[np.int64], NDArray[np.int8]]:
    """Join the two lightest nodes until one is left; the parent and turn (0 or 1) of each of 2V - 1 nodes.

    Nodes 0 to V - 1 are the words, later ones the inner nodes in the order of their making. As their weights only
    grow, both the words (sorted once) and the inner nodes are queues, and no heap is needed.
    """
    words = len(counts)
    leaves = np.argsort(counts, kind="stable").tolist()
    weights = counts.tolist() + [0] * (words - 1)
    parents, turns = np.zeros(2 * words - 1, np.int64), np.zeros(2 * words - 1, np.int8)
    leaf, inner = 0, words
    for made in range(words, 2 * words - 1):
        for turn in (0, 1):
            # Of equally light nodes the word goes first: that keeps the longest path short.
            if leaf < words and (inner == made or weights[leaves[leaf]] <= weights[inner]):
                node, leaf = leaves[leaf], leaf + 1
            else:
                node, inner = inner, inner + 1
            weights[made] += weights[node]
            parents[node], turns[node] = made, turn
    return parents, turns
