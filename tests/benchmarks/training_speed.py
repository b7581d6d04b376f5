"""Trains one family on made data of a usual size for some time; prints JSON: what it trained on per second.

    python -m tests.benchmarks.training_speed lenet cuda --seconds 60

The networks and batches are those of the default presets. Learning is not the point: the images are noise, the words
random.
"""

from __future__ import annotations

import argparse
import json
import tempfile
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import torch

from training.common.config import merge, to_dict
from training.common.device import pick_device, use_threads, worker_threads
from training.common.run import Run

_WORDS = [f"w{number}" for number in range(5_000)]
_WARM_UP_STEPS = 3


class _TimeIsUp(Exception):
    """The clock ends a training loop; nothing went wrong."""


class Clock:
    """Counts units of work, from the end of the first steps until the time is up."""

    def __init__(self, seconds: float) -> None:
        self._limit = seconds
        self._steps = 0
        self._wall = self._cpu = 0.0
        self.units = 0.0

    def count(self, units: float) -> None:
        """Count the units of a step; raises when the time is up."""
        self._steps += 1
        if self._steps <= _WARM_UP_STEPS:
            _synchronize()
            self._wall, self._cpu = time.perf_counter(), time.process_time()
            return
        self.units += units
        if time.perf_counter() - self._wall > self._limit:
            raise _TimeIsUp

    def figures(self) -> dict[str, float]:
        """Units per second of wall and of CPU time."""
        _synchronize()
        wall, cpu = time.perf_counter() - self._wall, time.process_time() - self._cpu
        return {"per_second": self.units / wall, "per_cpu_second": self.units / cpu, "seconds": wall}


def main(argv: Sequence[str] | None = None) -> int:
    """Train and print; returns the exit code."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("family", choices=tuple(_TRAIN))
    parser.add_argument("device", help="cpu, cuda or cuda:N")
    parser.add_argument("--seconds", type=float, default=60.0)
    parser.add_argument("--precision", default="fp32", choices=("fp32", "bf16"))
    parser.add_argument("--threads", type=int, default=0, help="CPU threads; 0: all available (0)")
    options = parser.parse_args(argv)
    clock = Clock(options.seconds)
    try:
        device = pick_device(options.device)
        use_threads(options.threads)
        with tempfile.TemporaryDirectory() as folder:
            unit = _TRAIN[options.family](Path(folder), clock, device, options)
    except Exception as error:  # Whatever a device does becomes a row of the table.
        print(json.dumps({"error": str(error).partition("\n")[0]}))
        return 0
    memory = torch.cuda.max_memory_allocated() if device.type == "cuda" else None
    print(json.dumps({"unit": unit, **clock.figures(), "device_memory": memory}))
    return 0


def _run(folder: Path, family: str, config: Any, train: Callable[[Run], object]) -> None:
    run = Run.create(folder / "run", family=family, config=to_dict(config))
    try:
        with suppress(_TimeIsUp):
            train(run)
    finally:
        run.close()


def _counted(module: ModuleType, name: str, clock: Clock, units: Callable[..., float]) -> None:
    """Have a function of a training loop, called in each step, count the step's units."""
    function = getattr(module, name)

    def counted(*arguments: Any, **options: Any) -> Any:
        result = function(*arguments, **options)
        clock.count(units(*arguments))
        return result

    setattr(module, name, counted)


def _lenet(folder: Path, clock: Clock, device: torch.device, options: argparse.Namespace) -> str:
    from training.lenet import train as module
    from training.lenet.config import PRESETS
    from training.lenet.data.dataset import ImageData, Split

    random = np.random.default_rng(0)

    def split(count: int) -> Split:
        images = random.integers(0, 256, (count, 28, 28), dtype=np.uint8)
        return Split(images, random.integers(0, 10, count))

    data = ImageData(
        name="made", train=split(20_000), dev=split(100), test=None, labels=tuple("0123456789"),
        licence="", attribution="",
    )  # fmt: skip
    config = merge(PRESETS["default"], {"precision": options.precision})
    _counted(module, "_update_average", clock, lambda *_: float(config.batch_size))
    _run(folder, "lenet", config, lambda run: module.train(config, data, run, device))
    return "images"


def _sentences(count: int) -> list[list[str]]:
    random = np.random.default_rng(0)
    lengths = random.integers(5, 30, count)
    return [[_WORDS[index] for index in random.zipf(1.3, length) % len(_WORDS)] for length in lengths]


def _tagger(folder: Path, clock: Clock, device: torch.device, options: argparse.Namespace) -> str:
    from training.bilstm_crf import train as module
    from training.bilstm_crf.config import PRESETS
    from training.bilstm_crf.data.dataset import Sentence, TaggedData

    def tagged(count: int) -> list[Sentence]:
        tags = [f"T{number}" for number in range(17)]
        return [
            Sentence(tuple(words), tuple(tags[int(word[1:]) % 17] for word in words)) for words in _sentences(count)
        ]

    data = TaggedData(
        name="made", kind="tags", splits={"train": tagged(6_000), "dev": tagged(50)}, licence="", attribution="",
        redistributable=True,
    )  # fmt: skip
    config = merge(PRESETS["default"], {"precision": options.precision})
    _counted(module, "tensors", clock, lambda batch, *_: sum(len(example.words) for example in batch))
    _run(folder, "bilstm_crf", config, lambda run: module.train(config, data, run, device))
    return "words"


def _translator(folder: Path, clock: Clock, device: torch.device, options: argparse.Namespace) -> str:
    from training.seq2seq import train as module
    from training.seq2seq.config import PRESETS
    from training.seq2seq.data.dataset import Pair, ParallelData

    pairs = [Pair(" ".join(words), " ".join(reversed(words))) for words in _sentences(8_000)]
    data = ParallelData(
        name="made", source="en", target="de", splits={"train": pairs[100:], "dev": pairs[:20]}, licence="",
        attribution="",
    )  # fmt: skip
    changes = {"data": "", "train": "made", "source": "en", "target": "de", "precision": options.precision}
    config = merge(PRESETS["default"], {**changes, "phrases": 0.0, "placeholders": 0.0, "rare_words": 0.0})
    _counted(module, "_step", clock, lambda state, config, batch, device: sum(len(pair.target) + 1 for pair in batch))
    _run(folder, "seq2seq", config, lambda run: module.train(config, data, run, device))
    return "target tokens"


def _word2vec(_folder: Path, clock: Clock, device: torch.device, options: argparse.Namespace) -> str:
    from training.word2vec.chunks import Schedule, train_chunks
    from training.word2vec.config import Word2VecConfig
    from training.word2vec.network.cpu_trainer import CpuTrainer
    from training.word2vec.network.torch_trainer import TorchTrainer

    random = np.random.default_rng(0)
    ids = (random.zipf(1.2, 20_000_000) % 50_000).astype(np.int32)
    ids[::25] = -1
    counts = np.maximum(np.bincount(ids[ids >= 0], minlength=50_000), 1)
    config = replace(Word2VecConfig(), epochs=100)
    on_cpu = device.type == "cpu"
    trainer = CpuTrainer(counts, config) if on_cpu else TorchTrainer(counts, config, device)
    schedule = Schedule(config, len(ids))
    words = schedule.chunk_size * 24 / 25
    with suppress(_TimeIsUp):
        train_chunks(
            trainer, ids, schedule, threads=worker_threads(options.threads) if on_cpu else 1,
            on_chunk=lambda done, loss: clock.count(words),
        )  # fmt: skip
    return "words"


def _synchronize() -> None:
    if torch.cuda.is_available():
        torch.cuda.synchronize()


_TRAIN: dict[str, Callable[[Path, Clock, torch.device, argparse.Namespace], str]] = {
    "lenet": _lenet,
    "bilstm_crf": _tagger,
    "seq2seq": _translator,
    "word2vec": _word2vec,
}

if __name__ == "__main__":
    raise SystemExit(main())
