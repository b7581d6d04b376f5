"""Evaluation of word vectors: analogies, and correlation with human similarity ratings of word pairs."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, TypeVar

import numpy as np

from training.common.data_files import WORDVEC_EVAL
from training.common.downloads import fetch
from training.common.errors import DatasetError
from training.common.files import split_lines
from training.common.run import Run
from training.common.text_decoding import utf_8_lines
from training.common.vectors import WordVectors
from training.word2vec.analogies import AnalogyScore, Question, read_questions, score_analogies
from training.word2vec.similarity import Pair, PairScore, read_pairs, score_pairs

SplitName = Literal["dev", "test", "all"]
"""`dev` has the lines of even index (from 0) of each file, `test` those of odd index; tune settings on `dev` only."""

_ANALOGIES = "questions-words.txt"
_PAIRS = {"WordSim-353": "EN-WS-353-ALL.txt", "SimLex-999": "EN-SIMLEX-999.txt", "MEN": "EN-MEN-TR-3k.txt"}
_BLOCK_ROWS = 1 << 16
_File = tuple[str, list[str]]  # name for error messages, lines
_Item = TypeVar("_Item", Question, Pair)


@dataclass(frozen=True, kw_only=True)
class Evaluation:
    """The scores of one set of vectors on one split."""

    split: SplitName
    words: int
    dimensions: int
    restrict: int
    """The analogies used only this many of the most frequent words."""
    analogies: AnalogyScore | None
    pairs: tuple[PairScore, ...]

    def as_dict(self) -> dict[str, Any]:
        """The scores as JSON."""
        return {
            "words": self.words,
            "dimensions": self.dimensions,
            "restrict": self.restrict,
            "analogies": self.analogies and self.analogies.as_dict(),
            "pairs": {score.name: score.as_dict() for score in self.pairs},
        }

    def summary(self) -> str:
        """The scores on one line: total analogy accuracy, Spearman's rho of each pair file."""
        accuracy = self.analogies.total.accuracy if self.analogies else None
        parts = [] if accuracy is None else [f"analogies {accuracy:.1%}"]
        parts += [f"{score.name} {_rho(score.spearman)}" for score in self.pairs]
        return ", ".join(parts)

    def report(self) -> str:
        """The scores as text, with a line for every section and file."""
        lines = [f"{self.split}: {self.summary()}", f"{self.words:,} words of {self.dimensions} dimensions"]
        if self.analogies:
            lines[-1] += f"; analogies within the {min(self.restrict, self.words):,} most frequent"
            lines += ["", *self.analogies.lines()]
        if self.pairs:
            width = max(len("pairs"), *(len(score.name) for score in self.pairs))
            lines += ["", f"{'pairs':{width}}  Spearman    known  skipped"]
            lines += [
                f"{score.name:{width}}  {_rho(score.spearman):>8}  {score.pairs:7,}  {score.skipped:7,}"
                for score in self.pairs
            ]
            lines += _composed_lines(self.pairs, width)
        return "\n".join(lines)


def evaluate(
    vectors: WordVectors,
    *,
    split: SplitName = "all",
    restrict: int = 30_000,
    fold: bool = True,
    analogies: Path | None = None,
    pairs: Sequence[Path] = (),
) -> Evaluation:
    """Score `vectors` on the Google analogies, WordSim-353, SimLex-999 and MEN, or on the files passed instead.

    Args:
        vectors: most frequent words first.
        split: which lines of the files to use.
        restrict: analogies use only this many of the most frequent words; pairs use all.
        fold: whether to ignore case.
        analogies: a file with four words per line, under headings `: section`.
        pairs: files with two words and a number per line, separated by tabs or spaces.

    Raises:
        DatasetError: a file is missing or malformed, or a vector is not finite.
    """
    _check_finite(vectors)
    if analogies or pairs:
        questions = _read_file(analogies) if analogies else None
        rated = {path.stem: _read_file(path) for path in pairs}
    else:
        questions = _fetch_file(_ANALOGIES)
        rated = {name: _fetch_file(file) for name, file in _PAIRS.items()}
    return Evaluation(
        split=split,
        words=len(vectors),
        dimensions=vectors.dimensions,
        restrict=restrict,
        analogies=questions and _score_analogies(vectors, questions, split, restrict, fold),
        pairs=tuple(
            score_pairs(vectors, _select(read_pairs(*file), split), name, fold=fold) for name, file in rated.items()
        ),
    )


def _score_analogies(vectors: WordVectors, file: _File, split: SplitName, restrict: int, fold: bool) -> AnalogyScore:
    return score_analogies(vectors, _select(read_questions(*file), split), restrict=restrict, fold=fold)


def store(result: Evaluation, run: Run) -> None:
    """Write the result to the run's `evaluation.json`, under the name of its split."""
    run.add_evaluation(result.split, result.as_dict())


def _select(items: Iterable[_Item], split: SplitName) -> list[_Item]:
    return [item for item in items if split == "all" or (item.index % 2 == 0) == (split == "dev")]


def _fetch_file(name: str) -> _File:
    return name, split_lines(fetch(WORDVEC_EVAL[name]).decode("utf-8"))


def _read_file(path: Path) -> _File:
    try:
        content = path.read_bytes()
    except OSError as error:
        raise DatasetError(f"{path}: cannot be read ({error.strerror})") from error
    return str(path), utf_8_lines(content, str(path))


def _check_finite(vectors: WordVectors) -> None:
    for start in range(0, len(vectors), _BLOCK_ROWS):
        bad = np.flatnonzero(~np.isfinite(vectors.matrix[start : start + _BLOCK_ROWS]).all(1))
        if len(bad):
            raise DatasetError(
                f"the vector of {vectors.words[start + int(bad[0])]!r} is not finite; train with a lower learning rate"
            )


def _composed_lines(pairs: Sequence[PairScore], width: int) -> list[str]:
    """The scores of the pairs with words composed of n-grams, if there are any, as lines of a text table."""
    scores = [(score.name, score.composed) for score in pairs if score.composed is not None]
    if not scores:
        return []
    return [
        "",
        f"{'unknown words, from n-grams':{width}}",
        f"{'pairs':{width}}  Spearman    pairs  with the known ones",
        *(
            f"{name:{width}}  {_rho(score.spearman):>8}  {score.pairs:7,}  {_rho(score.spearman_of_all):>19}"
            for name, score in scores
        ),
    ]


def _rho(spearman: float | None) -> str:
    return "-" if spearman is None else f"{spearman:.3f}"
