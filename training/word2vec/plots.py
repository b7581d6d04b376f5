"""Plots of a word2vec run: projections of words to two dimensions, and the learning curve."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray

from training.common.errors import DatasetError
from training.common.files import write_text
from training.common.plots import save_figure
from training.common.run import Run
from training.common.vectors import WordVectors
from training.word2vec.case_folding import FoldedVocabulary
from training.word2vec.neighbors import neighbors_table

Method = Literal["pca", "tsne"]

CAPITALS: Mapping[str, Sequence[str]] = {
    "country": (
        "China", "Russia", "Japan", "Turkey", "Poland", "Germany", "France", "Italy", "Greece", "Spain", "Portugal",
    ),
    "capital": (
        "Beijing", "Moscow", "Tokyo", "Ankara", "Warsaw", "Berlin", "Paris", "Rome", "Athens", "Madrid", "Lisbon",
    ),
}  # fmt: skip
"""The countries and capitals of figure 2 of Mikolov et al. 2013b, in matching order."""

TOPICS: Mapping[str, Sequence[str]] = {
    "animals": ("dog", "cat", "horse", "cow", "sheep", "wolf", "lion", "bird", "fish", "rabbit"),
    "colors": ("red", "blue", "green", "yellow", "black", "white", "brown", "purple"),
    "numbers": ("one", "two", "three", "four", "five", "six", "seven", "eight"),
    "months": ("january", "february", "march", "april", "june", "july", "october", "december"),
    "family": ("mother", "father", "sister", "brother", "daughter", "son", "wife", "husband"),
    "music": ("guitar", "piano", "violin", "drums", "song", "album", "concert", "orchestra"),
    "science": ("physics", "chemistry", "biology", "mathematics", "theory", "experiment"),
    "sports": ("football", "basketball", "tennis", "hockey", "baseball", "team", "player"),
}
"""Groups of words that good vectors separate."""

_MIN_WORDS = 3  # per plot
_TABLE_WORDS = (
    "king", "paris", "physics", "football", "python", "music", "red", "three", "monday", "good", "quickly", "walked",
)  # fmt: skip


def draw_run(run: Run, vectors: WordVectors, *, method: Method = "pca") -> list[Path]:
    """Write the plots of a run to its `pictures/`; those whose words are not in the vocabulary are skipped.

    Returns:
        The files written: learning curve, capitals, topics, nearest neighbors (Markdown).
    """
    made = []
    if metrics := run.metrics():
        made.append(run.pictures / "learning_curve.png")
        draw_learning_curve(made[-1], metrics)
    for name, groups, linked in (("capitals", CAPITALS, True), ("topics", TOPICS, False)):
        if len(_rows(vectors, groups)) >= _MIN_WORDS:
            made.append(run.pictures / f"{name}_{method}.png")
            draw_words(made[-1], vectors, groups, method=method, linked=linked)
    if _rows(vectors, {"words": _TABLE_WORDS}):
        made.append(run.pictures / "neighbors.md")
        write_text(made[-1], neighbors_table(vectors, _TABLE_WORDS))
    return made


def draw_words(
    path: Path,
    vectors: WordVectors,
    groups: Mapping[str, Sequence[str]],
    *,
    method: Method = "pca",
    linked: bool = False,
) -> None:
    """Plot words projected to two dimensions, each group in its own color; unknown words are skipped.

    Args:
        path: path of the PNG.
        vectors: searched for the words without regard to case.
        groups: words by group name.
        method: the first two principal components, or t-SNE (van der Maaten and Hinton 2008), of the unit vectors.
        linked: draw a line from each word of the first group to the word of the same index in the second.

    Raises:
        DatasetError: fewer than three of the words are in the vocabulary.
    """
    rows = _rows(vectors, groups)
    if len(rows) < _MIN_WORDS:
        requested = ", ".join(word for words in groups.values() for word in words)
        raise DatasetError(
            f"only {len(rows)} of {requested} are in the vocabulary of {len(vectors):,} words; "
            f"a picture needs at least {_MIN_WORDS}"
        )
    points = dict(zip(rows, project(vectors.matrix[list(rows.values())], method), strict=True))
    figure = Figure(figsize=(9, 7), layout="constrained")
    axes = figure.add_subplot()
    if linked:
        _link(axes, points, groups)
    for number, (name, words) in enumerate(groups.items()):
        known = [word for word in words if word in points]
        if known:
            x, y = np.array([points[word] for word in known]).T
            axes.scatter(x, y, s=18, color=f"C{number % 10}", label=name)
        for word in known:
            axes.annotate(
                vectors.words[rows[word]], tuple(points[word]), xytext=(4, 3), textcoords="offset points", fontsize=9
            )
    axes.set_title("t-SNE" if method == "tsne" else "first two principal components")
    axes.legend(loc="best", fontsize=8)
    axes.margins(0.1)
    save_figure(figure, path)


def project(matrix: NDArray[np.float32], method: Method) -> NDArray[np.float64]:
    """Project the unit vectors of `matrix` [N, D] to two dimensions, [N, 2]; deterministic."""
    rows = matrix.astype(np.float64)
    rows /= np.maximum(np.linalg.norm(rows, axis=1, keepdims=True), np.finfo(np.float64).tiny)
    if method == "tsne":
        from sklearn.manifold import TSNE  # slow to import, and rarely used

        plane: NDArray[np.float64] = TSNE(
            perplexity=min(30.0, (len(rows) - 1) / 3), init="pca", random_state=0
        ).fit_transform(rows)
        return plane
    centered = rows - rows.mean(0)
    _, _, components = np.linalg.svd(centered, full_matrices=False)
    first_two: NDArray[np.float64] = centered @ components[:2].T
    return first_two


def draw_learning_curve(path: Path, metrics: Sequence[dict[str, Any]]) -> None:
    """Plot training loss (nats per input) and speed (words per second) by epoch, from the run's metrics."""
    epochs = [record["epoch"] for record in metrics]
    figure = Figure(figsize=(8, 4.5), layout="constrained")
    left = figure.add_subplot()
    left.plot(epochs, [np.nan if record["loss"] is None else record["loss"] for record in metrics], color="tab:orange")
    left.set_xlabel("epoch")
    left.set_ylabel("training loss, nats per input", color="tab:orange")
    left.grid(alpha=0.3)
    right = left.twinx()
    right.plot(epochs, [record["words_per_second"] / 1e3 for record in metrics], color="tab:blue", linewidth=0.8)
    right.set_ylim(bottom=0)
    right.set_ylabel("thousand words a second", color="tab:blue")
    save_figure(figure, path)


def _rows(vectors: WordVectors, groups: Mapping[str, Sequence[str]]) -> dict[str, int]:
    """The row of each word that is in the vocabulary."""
    vocabulary = FoldedVocabulary(vectors.words)
    return {word: match[0] for group in groups.values() for word in group if (match := vocabulary.rows([word]))}


def _link(axes: Axes, points: Mapping[str, NDArray[np.float64]], groups: Mapping[str, Sequence[str]]) -> None:
    """Draw a line between the words of the same index in the first two groups."""
    first, second = list(groups.values())[:2]
    for pair in zip(first, second, strict=True):
        if all(word in points for word in pair):
            x, y = np.array([points[word] for word in pair]).T
            axes.plot(x, y, color="0.7", linestyle="--", linewidth=0.8, zorder=0)
