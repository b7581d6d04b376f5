"""Training of one configuration with several seeds: a folder with one run per seed, and their statistics."""

import json
import statistics
from collections.abc import Sequence
from pathlib import Path

from training.bilstm_crf.config import FAMILY, TaggerConfig, with_seed
from training.common.config import differences, to_dict
from training.common.errors import RunError
from training.common.files import write_json
from training.common.run import CONFIG, Run

SEEDS = "seeds.json"


def is_series(path: Path) -> bool:
    """Whether the folder is a series: runs of several seeds."""
    return (path / SEEDS).exists()


def create_series(path: Path, config: TaggerConfig, count: int) -> list[tuple[Path, TaggerConfig]]:
    """Create a series, or continue one; returns the folder and settings of each of `count` runs.

    Seeds count up from the configuration's own.

    Raises:
        RunError: the folder holds something else, or runs with other settings.
    """
    series = {"family": FAMILY, "first": config.seed, "count": count, "config": to_dict(config)}
    if is_series(path):
        changed = differences(_read(path), series)
        if changed:
            raise RunError(
                f"{path}: holds runs with other settings ({'; '.join(changed)}); "
                "continue them with the same settings or choose another --run"
            )
    elif path.exists() and any(path.iterdir()):
        raise RunError(f"{path}: is not empty and holds no runs of several seeds; choose another --run")
    else:
        path.mkdir(parents=True, exist_ok=True)
        write_json(path / SEEDS, series)
    return [(path / f"seed-{seed}", with_seed(config, seed)) for seed in range(config.seed, config.seed + count)]


def series_config(path: Path) -> tuple[dict[str, object], int]:
    """The stored settings, with the first seed, and the number of seeds."""
    stored = _read(path)
    config, count = stored["config"], stored["count"]
    assert isinstance(config, dict)
    assert isinstance(count, int)
    return config, count


def runs_of(path: Path) -> list[Path]:
    """The existing runs of a series, or the run itself."""
    if not is_series(path):
        return [path]
    stored = _read(path)
    first, count = stored["first"], stored["count"]
    assert isinstance(first, int)
    assert isinstance(count, int)
    folders = [path / f"seed-{seed}" for seed in range(first, first + count)]
    return [folder for folder in folders if (folder / CONFIG).exists()]


def best_run(path: Path) -> Path:
    """The run of a series with the best dev score, or the run itself."""
    runs = runs_of(path)
    if not runs:
        raise RunError(f"{path}: none of its runs has begun; train them first")
    return max(runs, key=lambda run: max((record["dev_score"] for record in Run(run).metrics()), default=-1.0))


def summary(name: str, scores: Sequence[float]) -> str:
    """Mean, standard deviation and median of a score in 0..1, as one line in percent."""
    deviation = statistics.stdev(scores) if len(scores) > 1 else 0.0
    return (
        f"{name}, {len(scores)} seeds: mean {100 * statistics.mean(scores):.2f} %, "
        f"standard deviation {100 * deviation:.2f}, median {100 * statistics.median(scores):.2f} %"
    )


def _read(path: Path) -> dict[str, object]:
    try:
        stored = json.loads((path / SEEDS).read_text(encoding="utf-8"))
        family = stored["family"]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise RunError(f"{path / SEEDS}: is damaged; choose another --run") from error
    if family != FAMILY:
        raise RunError(f"{path}: holds runs of {family}, not of {FAMILY}")
    return dict(stored)
