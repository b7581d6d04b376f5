"""The commands of word2vec, as a user types them."""

import importlib.util
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from service.bundle.files import read_bundle
from tests.support.runs import assert_user_error
from training.__main__ import main
from training.common.vectors import load_vectors, read_vectors

pytestmark = pytest.mark.torch

TOPICS = (("paris", "france", "rome", "italy", "madrid", "spain"), ("cat", "dog", "horse", "cow", "sheep", "goat"))
SETTINGS = ["--dimensions", "16", "--min-count", "2", "--sample", "0", "--epochs", "2", "--threads", "1"]


@pytest.fixture(scope="module")
def text(tmp_path_factory: pytest.TempPathFactory) -> Path:
    draw = np.random.default_rng(0)
    lines = [" ".join(draw.choice(TOPICS[number % 2], 8)) + " rare" * (number == 0) for number in range(400)]
    path = tmp_path_factory.mktemp("text") / "my text.txt"
    path.write_text("\n".join(lines))
    return path


@pytest.fixture(scope="module")
def trained(text: Path) -> Path:
    folder = text.parent
    folders = ["--run", str(folder / "run"), "--corpus", str(folder / "corpus"), "--models", str(folder / "models")]
    assert main(["word2vec", "train", "--data", str(text), *folders, *SETTINGS, "--export"]) == 0
    return folder


def test_a_text_becomes_a_bundle(trained: Path) -> None:
    bundle = read_bundle(trained / "models" / "my-text" / "1")
    assert bundle.manifest.task == "word-vectors"
    assert bundle.manifest.preprocessing["normaliser"] == "lower"
    assert bundle.manifest.provenance.config["dimensions"] == 16
    assert sorted(bundle.file("vocabulary.txt").read_text().split()) == sorted(sum(TOPICS, ()))
    assert (trained / "run" / "pictures" / "learning_curve.png").exists()
    assert (
        "2 epochs are few for this amount of data; about --epochs 100 would do"
        in (trained / "run" / "log.txt").read_text()
    )


def test_a_finished_run_is_not_trained_again(trained: Path, capsys: pytest.CaptureFixture[str]) -> None:
    before = load_vectors(trained / "run").matrix
    arguments = ["--resume", str(trained / "run"), "--corpus", str(trained / "corpus"), "--threads", "1"]
    assert main(["word2vec", "train", *arguments]) == 0
    assert np.array_equal(load_vectors(trained / "run").matrix, before)


def test_runs_bundles_and_files_are_read_alike(
    trained: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    bundle = trained / "models" / "my-text" / "1"
    file = tmp_path / "vectors.txt.gz"
    assert main(["word2vec", "convert", str(trained / "run"), str(file), "--format", "word2vec-text"]) == 0
    assert np.array_equal(read_vectors(file).matrix, load_vectors(trained / "run").matrix)
    pairs = tmp_path / "pairs.tsv"
    pairs.write_text("cat\tdog\t9\ncat\tparis\t1\nrome\titaly\t8\nrome\tgoat\t2\n")
    reports = []
    for source in ([str(trained / "run")], ["--run", str(bundle)], [str(file)]):
        capsys.readouterr()
        assert main(["word2vec", "evaluate", *source, "--split", "all", "--pairs", str(pairs)]) == 0
        reports.append(capsys.readouterr().out.splitlines()[0])
    assert reports[0] == reports[2]
    assert "pairs 0." in reports[1]


def test_a_file_becomes_a_bundle(trained: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "Vectors.bin"
    assert main(["word2vec", "convert", str(trained / "run"), str(file)]) == 0
    arguments = ["--models", str(tmp_path / "models"), "--max-words", "8", "--keep-dimensions", "4"]
    assert main(["word2vec", "import", str(file), *arguments, "--licence", "CC0-1.0"]) == 0
    bundle = read_bundle(tmp_path / "models" / "vectors" / "1")
    assert bundle.manifest.provenance.licence == "CC0-1.0"
    assert bundle.manifest.preprocessing["dimensions"] == 4
    assert len(bundle.file("vocabulary.txt").read_text().split()) == 8
    assert "read" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["train", "--data", "absent"], "absent: is neither a file nor a folder; name your text"),
        (["train", "--dimensions", "0"], "dimensions is 0; it must be at least 1"),
        (["train", "--phrases", "3"], "phrases is 3; it can be 0, 1 or 2"),
        (["train", "--loss", "hierarchical-softmax", "--add-context", "1"], "add_context is for negative sampling"),
        (["train", "--learning-rate", "7"], "learning_rate is 7.0; it must lie between"),
        (["train", "--export", "--name", "My Words"], "--name: model name 'My Words': use lower-case"),
        (["train", "--export", "--max-words", "0"], "--max-words 0: must be at least 1"),
        (["train", "--name", "x", "--keep-dimensions", "101"], "--keep-dimensions 101: the vectors have 100"),
        (["train", "--export", "--remove-components", "100"], "--remove-components 100: the vectors have 100"),
        (["train", "--resume", "absent"], "absent: holds no run"),
        (["evaluate"], "evaluate takes one run, bundle or file of vectors"),
        (["evaluate", "absent", "--run", "absent"], "evaluate takes one run, bundle or file of vectors"),
        (["evaluate", "absent"], "absent"),
        (["evaluate", "."], ".: is neither a run nor a version of a bundle"),
        (["export", "--run", "absent"], "absent: holds no run"),
        (["import", "absent.bin"], "absent.bin"),
        (["import", "absent.bin", "--max-words", "0"], "--max-words 0: must be at least 1"),
        (["convert", "absent", "x.bin"], "absent"),
    ],
)
def test_what_a_user_gets_wrong_is_one_line(
    arguments: list[str],
    message: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    assert_user_error(["word2vec", *arguments], message, capsys)
    assert not (tmp_path / "runs").exists()


@pytest.mark.parametrize(
    ("flags", "limit", "message"),
    [
        (["--index", "hnsw"], "none", "an approximate index needs usearch"),
        ([], "ann_index.MAX_EXACT_ROWS", "an approximate index for 12 words needs usearch"),
        (["--precision", "fp32"], "graph.MAX_INSIDE_BYTES", "--precision fp32: a table of 0 MiB is too large for it"),
    ],
)
def test_a_bundle_that_cannot_be_made_is_refused_before_training(
    flags: list[str], limit: str, message: str, text: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    if limit != "none":
        monkeypatch.setattr(f"training.word2vec.export.{limit}", 11)
    find = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None if name == "usearch" else find(name))
    folders = [f"--{name}={tmp_path / name}" for name in ("run", "corpus", "models")]
    assert main(["word2vec", "train", "--data", str(text), *folders, *SETTINGS, "--export", *flags]) == 2
    assert message in capsys.readouterr().err
    assert not (tmp_path / "run").exists()


def test_keeping_more_dimensions_than_there_are(trained: Path, capsys: pytest.CaptureFixture[str]) -> None:
    arguments = ["--run", str(trained / "run"), "--models", str(trained / "models"), "--keep-dimensions", "17"]
    assert main(["word2vec", "export", *arguments]) == 2
    assert "--keep-dimensions 17: the vectors have 16; ask for at most as many" in capsys.readouterr().err


def test_too_little_text(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "a.txt").write_text("these words are all rare")
    assert main(["word2vec", "train", "--data", "a.txt"]) == 2
    assert "use more text, or a lower --min-count" in capsys.readouterr().err


def test_files_are_imported_and_converted_without_pytorch(tmp_path: Path) -> None:
    program = (
        "import sys\n"
        "for name in ('torch', 'matplotlib', 'numba', 'sklearn', 'onnxscript', 'sacrebleu'):\n"
        "    sys.modules[name] = None\n"
        "from training.__main__ import main\n"
        "raise SystemExit(main(sys.argv[1:]))\n"
    )

    def run(*arguments: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-c", program, "word2vec", *arguments]
        return subprocess.run(command, capture_output=True, text=True, timeout=120)

    rows = "".join(f"w{number} {number % 7 + 1}.5 {number % 5 + 0.25} -1.5\n" for number in range(40))
    (tmp_path / "v.txt").write_text(f"50 3\n{rows}</s> 0 0 0\nat x@y.z 1.5 2.5 3.5\nw1 1 2 3\nbad 1 2\n\n")
    arguments = ["import", str(tmp_path / "v.txt"), "--name", "mine", "--models", str(tmp_path)]
    refused = run(*arguments)
    assert refused.returncode == 2
    assert refused.stderr.count("\n") == 3
    assert all(
        place in refused.stderr for place in ("v.txt:44: the word 'w1'", "v.txt:45: the row has 2", "--skip-bad")
    )
    imported = run(*arguments, "--skip-bad")
    assert (imported.returncode, imported.stderr) == (0, "")
    assert "note: the header promises 50 rows, the file has 44" in imported.stdout
    assert "note: </s> is left out: its vector is zero" in imported.stdout
    assert "left out 2 rows:\n  " in imported.stdout
    assert read_bundle(tmp_path / "mine" / "1").file("vocabulary.txt").read_text().split()[-1] == "at_x@y.z"
    (tmp_path / "w.txt").write_text("a 1 2\nb c 3 4\nd 5 6\n")
    target = str(tmp_path / "w.bin")
    assert "--skip-bad" in run("convert", str(tmp_path / "w.txt"), target).stderr
    converted = run("convert", str(tmp_path / "w.txt"), target, "--skip-bad")
    assert "left out 1 word that holds white space: 'b c'" in converted.stdout
    assert read_vectors(Path(target)).words == ["a", "d"]
    assert "torch is not installed" in run("train", "--data", "text8").stderr
