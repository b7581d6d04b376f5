"""Training by several processes: the same result as by one with batches as large, and what happens if one is killed."""

from __future__ import annotations

import math
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from tests.support.parallel_runs import CASES, start_processes, train_all, trained_vectors
from tests.support.runs import checkpoint_weights, equal_weights
from tests.training.conftest import write_idx
from training.__main__ import main
from training.common import processes
from training.common.checkpoint import load_checkpoint
from training.common.config import to_dict
from training.common.distributed import share_of
from training.common.progress import progress_bar
from training.common.run import Run
from training.lenet import cli
from training.word2vec import exchange
from training.word2vec.chunks import Schedule
from training.word2vec.config import Word2VecConfig

pytestmark = pytest.mark.torch

ROOT = Path(__file__).parents[3]


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """The runs of all cases, trained by one process and by two."""
    one, two = tmp_path_factory.mktemp("one"), tmp_path_factory.mktemp("two")
    started = start_processes(["-m", "tests.support.parallel_runs", str(two)], PYTHONPATH=str(ROOT))
    train_all(one)
    trained_vectors(one)
    for process in started:
        output, _ = process.communicate(timeout=3000)
        assert process.returncode == 0, output
    return one, two


@pytest.mark.parametrize("case", list(CASES))
def test_two_processes_get_the_losses_of_one_with_the_doubled_batch(folders: tuple[Path, Path], case: str) -> None:
    one, two = (Run(folder / case).metrics() for folder in folders)
    assert len(one) == len(two) == (1 if case == "softmax" else 2)
    for left, right in zip(one, two, strict=True):
        assert left["loss"] == pytest.approx(right["loss"], abs=1e-5)
        for figure in ("dev_score", "dev_errors"):
            assert left.get(figure) == pytest.approx(right.get(figure), abs=0.1)
    for name in ("last.pt", "best.pt"):
        weights = [checkpoint_weights(Run(folder / case), name) for folder in folders]
        for name, values in weights[0].items():
            torch.testing.assert_close(values, weights[1][name], rtol=1e-3, atol=1e-3)


@pytest.mark.parametrize("case", list(CASES))
def test_only_the_main_process_writes_checkpoints(folders: tuple[Path, Path], case: str) -> None:
    assert (folders[1] / case / "checkpoints" / "last.pt").exists()
    assert not list((folders[1] / f"{case}-other" / "checkpoints").iterdir())


def test_two_processes_resume_exactly(folders: tuple[Path, Path]) -> None:
    whole, stopped = (checkpoint_weights(Run(folders[1] / name), "last.pt") for name in ("lenet", "stopped"))
    assert equal_weights(whole, stopped)


def test_processes_with_other_settings_are_refused_in_every_process(folders: tuple[Path, Path]) -> None:
    messages = {(folders[1] / f"refusal-{rank}.txt").read_text() for rank in (0, 1)}
    (message,) = messages
    assert message.startswith("process 2 on ")
    assert "has other settings or data than process 1 (seed was 0, is 1)" in message


def test_vectors_of_two_processes_are_equal_and_no_shorter_than_half_of_one_s(folders: tuple[Path, Path]) -> None:
    own, other = (np.load(folders[1] / f"vectors-{rank}.npy") for rank in (0, 1))
    assert np.array_equal(own, other)
    alone = np.load(folders[0] / "vectors-0.npy")
    norms = [float(np.linalg.norm(vectors, axis=1).mean()) for vectors in (alone, own)]
    assert norms[1] > 0.5 * norms[0]


def test_a_killed_process_ends_the_others_and_the_run_goes_on(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write_idx(tmp_path / "data", "train", 60)
    script = tmp_path / "killed.py"
    script.write_text(
        "import os, signal, sys\n"
        "from training.__main__ import main\n"
        "from training.lenet import train\n"
        "save = train._save\n"
        "def save_and_die(state, *rest):\n"
        "    save(state, *rest)\n"
        "    if state.epoch == 2 and os.environ['RANK'] == '1': os.kill(os.getpid(), signal.SIGKILL)\n"
        "train._save = save_and_die\n"
        "sys.exit(main(sys.argv[1:]))\n"
    )
    run = tmp_path / "run"
    arguments = ["--preset", "debug", "--data", str(tmp_path / "data"), "--run", str(run), "--epochs", "4"]
    launch = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2", "--", str(script)]
    environment = os.environ | {"PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
    result = subprocess.run(
        [*launch, "lenet", "train", *arguments, "--device", "cpu"],
        env=environment, capture_output=True, text=True, timeout=3000, check=False,
    )  # fmt: skip
    assert result.returncode != 0
    log = (run / "log.txt").read_text()
    assert "2 processes train" in log
    assert "another process" in log
    assert f"the last checkpoint is kept. Go on with: torchrun … -m -- training lenet train --resume {run}" in log
    assert load_checkpoint(run / "checkpoints" / "last.pt")["epoch"] in (1, 2)
    assert not list(run.rglob("*.partial"))
    assert result.stderr.count("epoch 1/4") == 1
    assert main(["lenet", "train", "--resume", str(run), "--threads", "1"]) == 0
    assert "note: trained by 2 processes until now, by 1 from here on" in capsys.readouterr().err
    assert [record["epoch"] for record in Run(run).metrics()] == [1, 2, 3, 4]


def test_a_lost_connection_is_one_line_and_says_how_to_go_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    from training.common import distributed

    def lose(*arguments: Any) -> None:
        raise RuntimeError("[gloo/transport/tcp/pair.cc:547] Connection closed by peer [127.0.0.1]:4242\nmore")

    write_idx(tmp_path / "data", "train", 60)
    monkeypatch.setenv("WORLD_SIZE", "2")
    monkeypatch.setattr(distributed.distributed, "init_process_group", lambda *arguments, **options: None)
    monkeypatch.setattr(distributed.distributed, "broadcast_object_list", lambda message, **options: None)
    monkeypatch.setattr(distributed, "check_equal", lambda fingerprint: None)
    monkeypatch.setattr(distributed, "_wait_for_all", lambda: None)
    family = replace(cli.FAMILY, train=lose)
    monkeypatch.setattr(cli, "FAMILY", family)
    run = tmp_path / "run"
    assert main(["lenet", "train", "--preset", "debug", "--data", str(tmp_path / "data"), "--run", str(run)]) == 1
    error = capsys.readouterr().err
    assert "stopped, as another process of the run ended ([gloo/transport/tcp/pair.cc:547] Connection closed" in error
    assert "the last checkpoint is kept. Go on with: torchrun" in error
    assert "Traceback" not in error


@pytest.mark.parametrize(("rank", "items", "count", "weight"), [(0, [0, 3], 2, 1.2), (2, [2], 1, 0.6)])
def test_shares_are_every_nth_item(
    monkeypatch: pytest.MonkeyPatch, rank: int, items: list[int], count: int, weight: float
) -> None:
    monkeypatch.setenv("WORLD_SIZE", "3")
    monkeypatch.setenv("RANK", str(rank))
    share = share_of(list(range(5)))
    assert (share.items, share.count) == (items, count)
    assert share.weight == pytest.approx(weight)


def test_a_process_without_an_item_holds_one_that_does_not_count(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WORLD_SIZE", "3")
    monkeypatch.setenv("RANK", "2")
    share = share_of(torch.tensor([7, 8]))
    assert (share.items.tolist(), share.count, share.weight) == ([7], 0, 0.0)


def test_orthogonal_changes_are_added_and_equal_ones_averaged(monkeypatch: pytest.MonkeyPatch) -> None:
    own, other = torch.tensor([[2.0, 0], [1, 1], [0, 0]]), torch.tensor([[0.0, 3], [1, 1], [0, 0]])
    others = iter([other.square().sum(1, keepdim=True), other])
    monkeypatch.setattr(exchange, "summed", lambda values: values + next(others))
    before = torch.ones(3, 2)
    (shared,) = exchange.combined([before], [before + own])
    torch.testing.assert_close(shared, torch.tensor([[3.0, 4], [2, 2], [1, 1]]))


def test_rounds_are_short_enough_for_small_texts(monkeypatch: pytest.MonkeyPatch) -> None:
    config = Word2VecConfig()
    assert exchange._chunks_per_round(Schedule(config, 100_000_000), 2) == 5
    assert exchange._chunks_per_round(Schedule(config, 100_000), 2) == 5
    assert exchange._chunks_per_round(Schedule(config, 100_000), 64) == 1
    assert math.isclose(to_dict(config)["exchange_every"], 1e6)


def test_other_processes_are_silent_and_do_nothing_but_train(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    monkeypatch.setenv("WORLD_SIZE", "2")
    monkeypatch.setenv("RANK", "1")
    assert processes.process_label() == " (process 2 of 2)"
    with progress_bar(total=2, description="made", unit="steps") as progress:
        progress.update(2)
    assert main(["lenet", "evaluate", "--run", str(tmp_path / "absent")]) == 0
    output = capsys.readouterr()
    assert (output.out, output.err) == ("", "")
