"""Training runs of every family on made data, by one process or by several; `python -m tests.support.parallel_runs`.

Batches are of `BATCH` for all processes together, so that runs by one process and by two can be compared.
"""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch

from tests.support import sentence_pairs, tagged_sentences
from training.bilstm_crf.config import PRESETS as TAGGERS
from training.bilstm_crf.train import train as train_tagger
from training.common.config import merge, to_dict
from training.common.distributed import check_equal, process_group
from training.common.errors import DatasetError
from training.common.interrupts import Interrupted
from training.common.processes import is_main, process_count, process_rank
from training.common.run import Run
from training.lenet import train as lenet_module
from training.lenet.config import PRESETS as LENETS
from training.lenet.data.dataset import ImageData, Split
from training.lenet.train import train as train_lenet
from training.seq2seq.config import PRESETS as TRANSLATORS
from training.seq2seq.train import train as train_translator
from training.word2vec.chunks import Schedule
from training.word2vec.config import Word2VecConfig
from training.word2vec.exchange import train_together
from training.word2vec.network.torch_trainer import TorchTrainer

CPU = torch.device("cpu")
_UNDROPPED = {"dropout": 0.0, "input_dropout": 0.0, "word_dropout": 0.0}
_TAGGER = {"epochs": 2, "data": "", "train": "made", "hidden": 8, "learning_rate": 0.02, **_UNDROPPED}
_TRANSLATOR = {
    "epochs": 2, "data": "", "train": "made", "source": "en", "target": "de", "vocabulary": 60, "precision": "fp32",
    "embedding_dropout": 0.0, "dropout": 0.0, "piece_dropout": 0.0, "learning_rate": 0.01,
}  # fmt: skip


def _images(count: int, seed: int) -> Split:
    random = np.random.default_rng(seed)
    labels = (np.arange(count) % 3).astype(np.int64)
    images = random.integers(0, 60, (count, 28, 28), dtype=np.uint8)
    for image, label in zip(images, labels, strict=True):
        image[4 + 8 * label : 10 + 8 * label, 4:24] = 220
    return Split(images, labels)


def _lenet(folder: Path, batch: int, changes: dict[str, Any]) -> Run:
    config = merge(LENETS["debug"], {"data": "made", "augment": False, "batch_size": batch, **changes})
    # 81 images: the last batch of 4 has one image, and the second process none.
    data = ImageData(
        name="made", train=_images(81, 1), dev=_images(30, 2), test=None, labels=("0", "1", "2"),
        licence="CC0-1.0", attribution="",
    )  # fmt: skip
    return _trained(folder, "lenet", config, lambda run: train_lenet(config, data, run, CPU))


def _tagger(folder: Path, batch: int, changes: dict[str, Any]) -> Run:
    config = merge(TAGGERS["debug"], {**_TAGGER, "batch_size": batch, **changes})
    data = tagged_sentences.data("spans", train=81)
    return _trained(folder, "bilstm_crf", config, lambda run: train_tagger(config, data, run, CPU))


def _translator(folder: Path, batch: int, changes: dict[str, Any]) -> Run:
    config = merge(TRANSLATORS["debug"], {**_TRANSLATOR, "batch_tokens": batch * 10, **changes})
    data = sentence_pairs.data(120)
    return _trained(folder, "seq2seq", config, lambda run: train_translator(config, data, run, CPU))


def _trained(folder: Path, family: str, config: Any, train: Callable[[Run], None]) -> Run:
    own = folder if is_main() else folder.with_name(f"{folder.name}-other")
    run = Run.create(own, family=family, config=to_dict(config))
    train(run)
    run.close()
    return run


CASES: dict[str, Callable[[Path, int], Run]] = {
    "lenet": lambda folder, batch: _lenet(folder, batch, {"pooling": "trainable", "connections": "table1"}),
    "crf": lambda folder, batch: _tagger(folder, batch, {}),
    "softmax": lambda folder, batch: _tagger(
        folder, batch, {"output": "softmax", "characters": "bilstm", "tune_vectors": False, "epochs": 1}
    ),
    "translator": lambda folder, batch: _translator(folder, batch, {"average": 2, "moving_average": 0.9}),
    "patience": lambda folder, batch: _translator(
        folder,
        batch,
        {"attention": "none", "tied": "none", "consistency": 1.0, "epochs": 9, "patience": 1, "learning_rate": 1e-8},
    ),
}
"""Each trains a run in a folder, with batches of a size."""
BATCH = 4


def train_all(folder: Path) -> None:
    """Train a run of every case in a folder of its name."""
    torch.set_num_threads(1)
    for name, train in CASES.items():
        train(folder / name, BATCH // process_count())


def stopped_and_resumed(folder: Path) -> None:
    """Train LeNet's case, stopped after an epoch and resumed."""
    save = lenet_module._save

    def save_and_stop(*arguments: Any) -> None:
        save(*arguments)
        raise Interrupted(2)

    lenet_module._save = save_and_stop
    try:
        CASES["lenet"](folder, BATCH // process_count())
    except Interrupted:
        lenet_module._save = save
    CASES["lenet"](folder, BATCH // process_count())


def trained_vectors(folder: Path) -> None:
    """Train word2vec on made text and write the vectors of this process to a file."""
    draw = np.random.default_rng(0)
    ids = np.repeat(draw.integers(0, 8, 6_000), 2).astype(np.int32)  # every word stands beside itself
    config = replace(Word2VecConfig(), dimensions=8, epochs=3, sample=0.0, min_count=1)
    trainer, schedule = TorchTrainer(np.bincount(ids), config, CPU), Schedule(config, len(ids))
    done: list[int] = []
    train_together(
        trainer, ids, schedule, threads=1, start=0, interval=1e9, on_chunk=lambda done, loss: None, save=done.append
    )
    assert done == [schedule.total_chunks]
    np.save(folder / f"vectors-{process_rank()}.npy", trainer.input_vectors.numpy())


def refusal(fingerprint: dict[str, Any]) -> str:
    """What is said when the processes have different settings."""
    try:
        check_equal(fingerprint)
    except DatasetError as error:
        return str(error)
    return ""


def start_processes(command: Sequence[str], count: int = 2, **environment: str) -> list[subprocess.Popen[str]]:
    """Start the processes of one run as torchrun does, without its supervision."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = str(free.getsockname()[1])
    shared = os.environ | {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": port, "OMP_NUM_THREADS": "1"} | environment
    return [
        subprocess.Popen(
            [sys.executable, *command],
            env=shared | _ranks(rank, count),
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        for rank in range(count)
    ]


def _ranks(rank: int, count: int) -> dict[str, str]:
    names = {"RANK": rank, "LOCAL_RANK": rank, "WORLD_SIZE": count, "LOCAL_WORLD_SIZE": count}
    return {name: str(value) for name, value in names.items()}


def main(folder: Path) -> None:
    """All of it, in each of several processes."""
    with process_group(CPU):
        train_all(folder)
        stopped_and_resumed(folder / "stopped")
        trained_vectors(folder)
        (folder / f"refusal-{process_rank()}.txt").write_text(refusal({"seed": process_rank(), "epochs": 2}))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
