"""Evaluation: the same scores as gensim, splits, case folding, and malformed files."""

import json
import logging
from pathlib import Path

import numpy as np
import pytest

from training.common.errors import DatasetError
from training.common.run import Run
from training.common.vectors import WordVectors
from training.word2vec.evaluate import evaluate, store
from training.word2vec.similarity import spearman

pytestmark = pytest.mark.torch

COUNTRIES = [f"country{number}" for number in range(12)]
CAPITALS = [f"Capital{number}" for number in range(12)]
VARIANTS = ["CAPITAL0", "Country3"]  # rarer spellings of words above


def capital_vectors(noise: float) -> WordVectors:
    """Capitals at one constant offset (plus noise) from their countries, among unrelated words."""
    random = np.random.default_rng(4)
    words = [*COUNTRIES, *CAPITALS, *VARIANTS, *(f"other{number}" for number in range(200))]
    matrix = random.normal(size=(len(words), 10)).astype(np.float32)
    offset = random.normal(size=10) * 2
    matrix[12:24] = matrix[:12] + offset + random.normal(size=(12, 10)) * noise
    matrix[24] = matrix[12] + 0.01
    matrix[25] = matrix[3] + 0.01
    return WordVectors(words=words, matrix=matrix * random.uniform(0.5, 3, (len(words), 1)).astype(np.float32))


def write_questions(path: Path) -> Path:
    """Country to capital in one section, capital to country in a syntactic one; one word is unknown."""
    lines = [": capitals"]
    pairs = list(zip(CAPITALS, COUNTRIES, strict=True))
    pairs.append(("Nowhere", "country2"))
    questions = [(*first, *second) for first in pairs for second in pairs if first != second]
    lines += [" ".join(question) for question in questions]
    lines += [": gram1-back", *(" ".join((b, a, d, c)).upper() for a, b, c, d in questions)]
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path


def write_pairs(path: Path) -> Path:
    """Ratings with many ties; one word is unknown."""
    random = np.random.default_rng(2)
    lines = [f"{CAPITALS[i]}\t{COUNTRIES[j].upper()}\t{random.integers(0, 6)}.5" for i in range(12) for j in range(12)]
    path.write_text("\n".join(["# a comment", *lines, "nowhere\tcountry1\t3"]) + "\n", encoding="utf-8")
    return path


@pytest.mark.parametrize("fold", [True, False])
@pytest.mark.parametrize("restrict", [1000, 60, 20])
def test_scores_equal_those_of_gensim(tmp_path: Path, fold: bool, restrict: int) -> None:
    gensim = pytest.importorskip("gensim.models")
    logging.getLogger("gensim").setLevel(logging.WARNING)
    vectors = capital_vectors(1.2)
    keyed = gensim.KeyedVectors(vectors.dimensions)
    keyed.add_vectors(vectors.words, vectors.matrix)
    questions, pairs = write_questions(tmp_path / "own.txt"), write_pairs(tmp_path / "pairs.tsv")
    result = evaluate(vectors, restrict=restrict, fold=fold, analogies=questions, pairs=[pairs])
    accuracy, sections = keyed.evaluate_word_analogies(questions, restrict_vocab=restrict, case_insensitive=fold)
    assert result.analogies is not None
    for section in sections[:-1]:
        counts = result.analogies.sections[section["section"]]
        assert counts.correct == len(section["correct"])
        assert counts.asked == len(section["correct"]) + len(section["incorrect"])
    assert result.analogies.total.accuracy == (pytest.approx(accuracy) if result.analogies.total.asked else None)
    wrong_counted, _ = keyed.evaluate_word_analogies(questions, restrict, case_insensitive=fold, dummy4unknown=True)
    assert result.analogies.total.accuracy_of_all == pytest.approx(wrong_counted)
    if fold:
        _, rho, unknown = keyed.evaluate_word_pairs(pairs)
        assert result.pairs[0].spearman == pytest.approx(rho[0], abs=1e-6)
        assert result.pairs[0].skipped == pytest.approx(unknown / 100 * 145) == 1
    else:
        assert result.pairs[0].spearman is None


def test_the_split_is_by_line(tmp_path: Path) -> None:
    files = {"analogies": write_questions(tmp_path / "own.txt"), "pairs": [write_pairs(tmp_path / "pairs.tsv")]}
    scores = [evaluate(capital_vectors(1), split=split, **files) for split in ("dev", "test", "all")]
    counts = [score.analogies.total for score in scores if score.analogies]
    for field in ("correct", "asked", "skipped"):
        dev, test, both = (getattr(count, field) for count in counts)
        assert dev + test == both
        assert dev > 0 < test
    assert [score.pairs[0].pairs for score in scores] == [72, 72, 144]
    assert scores[0].pairs[0].spearman != scores[1].pairs[0].spearman
    (tmp_path / "four.txt").write_text(": s\nzero one two three\nfour five six seven\n\neight nine ten eleven\n")
    dev = evaluate(capital_vectors(1), split="dev", analogies=tmp_path / "four.txt")
    assert dev.analogies is not None
    assert dev.analogies.total.skipped == 2  # lines of index 2 and 4


def test_report_and_json(tmp_path: Path) -> None:
    (tmp_path / "own.txt").write_text("Capital0 country0 Capital1 country1\na b c d\n: gram1\na b c d\n")
    (tmp_path / "few.txt").write_text("Capital0 country0 1.5\n")
    result = evaluate(capital_vectors(0), analogies=tmp_path / "own.txt", pairs=[tmp_path / "few.txt"])
    lines = result.report().splitlines()
    assert lines[0] == "all: analogies 100.0%, few -"
    assert lines[1] == "226 words of 10 dimensions; analogies within the 226 most frequent"
    assert [line.split() for line in lines if line.startswith(("gram1", "total", "few"))] == [
        ["gram1", "-", "0", "0", "1", "0.00%"],
        ["total", "100.00%", "1", "1", "2", "33.33%"],
        ["few", "-", "1", "0"],
    ]
    run = Run.create(tmp_path / "run", family="word2vec", config={})
    store(result, run)
    stored = run.evaluations()["all"]
    assert stored == json.loads(json.dumps(result.as_dict()))
    assert stored["analogies"]["semantic"]["accuracy"] == 1
    assert stored["analogies"]["syntactic"] == {
        "accuracy": None, "accuracy_of_all": 0, "correct": 0, "asked": 0, "skipped": 1
    }  # fmt: skip
    assert stored["pairs"] == {"few": {"spearman": None, "pairs": 1, "skipped": 0}}


def test_only_pairs(tmp_path: Path) -> None:
    result = evaluate(capital_vectors(1), pairs=[write_pairs(tmp_path / "mine.tsv")])
    assert result.analogies is None
    assert result.as_dict()["analogies"] is None
    assert result.summary().startswith("mine ")
    assert "analogies" not in result.report()


@pytest.mark.parametrize(
    ("option", "content", "message"),
    [
        ("analogies", b": s\na b c d\na b c\n", "own:3: is 'a b c', neither four words nor"),
        ("pairs", b"a b 1\na b\n", "own:2: is 'a b', not two words and a number"),
        ("pairs", b"a\tb\tmuch\n", "own:1: is 'a.tb.tmuch', not two words and a number"),
        ("pairs", b"a\tb\tnan\n", "own:1: "),
        ("pairs", b"a\tb\xff\t1\n", "own:1: is not UTF-8; save"),
        ("analogies", None, "own: cannot be read .No such file"),
    ],
)
def test_bad_files_are_named(tmp_path: Path, option: str, content: bytes | None, message: str) -> None:
    path = tmp_path / "own"
    if content is not None:
        path.write_bytes(content)
    files = {"analogies": path} if option == "analogies" else {"pairs": [path]}
    with pytest.raises(DatasetError, match=message):
        evaluate(capital_vectors(1), **files)


def test_a_vector_that_is_not_finite_is_named(tmp_path: Path) -> None:
    vectors = capital_vectors(1)
    vectors.matrix[5, 3] = np.nan
    with pytest.raises(DatasetError, match="the vector of 'country5' is not finite"):
        evaluate(vectors, pairs=[write_pairs(tmp_path / "pairs.tsv")])


def test_spearman() -> None:
    assert spearman([1, 2, 3], [10, 20, 30]) == pytest.approx(1)
    assert spearman([1, 2, 3, 4], [4, 3, 2, 1]) == pytest.approx(-1)
    assert spearman([1, 1, 2], [3, 4, 5]) == pytest.approx(3**0.5 / 2)
    assert spearman([], []) is None
    assert spearman([1, 1], [2, 3]) is None


def test_the_published_files(data_dir: Path) -> None:
    words = ["athens", "greece", "baghdad", "iraq", "bangkok", "thailand", "tiger", "cat", "old", "new"]
    matrix = np.random.default_rng(0).normal(size=(len(words), 8)).astype(np.float32)
    result = evaluate(WordVectors(words=words, matrix=matrix))
    assert result.analogies is not None
    assert (result.analogies.total.asked + result.analogies.total.skipped, result.analogies.total.asked) == (19544, 9)
    assert (result.analogies.semantic.skipped, result.analogies.syntactic.skipped) == (8869 - 9, 10675)
    assert [(score.name, score.pairs + score.skipped) for score in result.pairs] == [
        ("WordSim-353", 353), ("SimLex-999", 999), ("MEN", 3000)
    ]  # fmt: skip
