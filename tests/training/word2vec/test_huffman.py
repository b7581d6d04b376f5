"""The Huffman tree: an optimal prefix code, and paths from the root to each word."""

import heapq
import itertools

import numpy as np
import pytest
from numpy.typing import NDArray

from training.word2vec.network.huffman import HuffmanTree, huffman_tree

pytestmark = pytest.mark.torch


def minimal_length(counts: list[int]) -> int:
    """The minimal sum of count times code length, which is the total weight of all inner nodes."""
    heap, total = list(counts), 0
    heapq.heapify(heap)
    while len(heap) > 1:
        merged = heapq.heappop(heap) + heapq.heappop(heap)
        total += merged
        heapq.heappush(heap, merged)
    return total


def path(tree: HuffmanTree, word: int) -> tuple[list[int], str]:
    part = slice(tree.offsets[word], tree.offsets[word + 1])
    return tree.points[part].tolist(), "".join(map(str, tree.codes[part]))


def zipf(words: int) -> NDArray[np.int64]:
    return (1e6 / np.arange(1, words + 1)).astype(np.int64)


@pytest.mark.parametrize(
    "counts",
    [zipf(500), np.ones(37, np.int64), np.array([3, 2]), 2 ** np.arange(20), np.random.default_rng(0).permutation(300)],
    ids=["zipf", "equal", "two", "powers", "unsorted"],
)
def test_the_code_is_optimal_prefix_free_and_a_tree(counts: NDArray[np.int64]) -> None:
    tree = huffman_tree(counts)
    assert int((tree.lengths * counts).sum()) == minimal_length(counts.tolist())
    paths = [path(tree, word) for word in range(len(counts))]
    codes = sorted(code for _, code in paths)
    assert not any(later.startswith(earlier) for earlier, later in itertools.pairwise(codes))
    nodes: dict[str, int] = {}  # code prefix -> inner node
    for points, code in paths:
        for step, point in enumerate(points):
            assert nodes.setdefault(code[:step], point) == point
    assert nodes[""] == 0
    assert sorted(nodes.values()) == list(range(len(counts) - 1))


def test_types_and_padding() -> None:
    tree = huffman_tree(np.array([5, 2, 1, 1]))
    assert (tree.offsets.dtype, tree.points.dtype, tree.codes.dtype) == (np.int32, np.int32, np.int8)
    assert tree.lengths.tolist() == [1, 2, 3, 3]
    points, codes = tree.padded()
    assert points.tolist() == [[0, -1, -1], [0, 1, -1], [0, 1, 2], [0, 1, 2]]
    assert codes[:, 0].tolist() == [1, 0, 0, 0]
    assert points[points >= 0].tolist() == tree.points.tolist()


def test_one_word_has_an_empty_path() -> None:
    tree = huffman_tree(np.array([7]))
    assert tree.offsets.tolist() == [0, 0]
    assert tree.padded()[0].tolist() == [[-1]]
