"""The run directory: configuration, log, metrics, evaluations, checkpoints and pictures of one training run."""

import json
import logging
import sys
from contextlib import suppress
from pathlib import Path
from typing import Any

from training.common.config import differences
from training.common.errors import RunError
from training.common.files import append_text, split_lines, write_json, write_text
from training.common.processes import is_main

CONFIG, LOG, METRICS, EVALUATION = "config.json", "log.txt", "metrics.jsonl", "evaluation.json"


class _LogFile(logging.FileHandler):
    """A log whose errors of writing end the run with the file's name, instead of a traceback for every line."""

    def handleError(self, record: logging.LogRecord) -> None:  # noqa: N802  - logging's own name
        error = sys.exc_info()[1]
        if isinstance(error, OSError) and error.errno is not None:
            raise OSError(error.errno, error.strerror, self.baseFilename) from error
        super().handleError(record)

    def close(self) -> None:
        with suppress(OSError):  # What could not be written before cannot be now.
            super().close()


class Run:
    """One training run's directory.

    It holds `config.json`, `log.txt`, `metrics.jsonl`, `evaluation.json`, `checkpoints/` and `pictures/`.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.checkpoints = path / "checkpoints"
        self.pictures = path / "pictures"

    @classmethod
    def create(cls, path: Path, *, family: str, config: dict[str, Any]) -> "Run":
        """Make the directory, or return the run in it if that has the same family and settings.

        Raises:
            RunError: the directory holds something else.
        """
        run = cls(path)
        if (path / CONFIG).exists():
            changed = differences(run.config(family), config)
            if changed:
                raise RunError(
                    f"{path}: holds a run with other settings ({'; '.join(changed)}); "
                    "continue it with the same settings or choose another --run"
                )
            return run
        if path.exists() and any(path.iterdir()):
            raise RunError(f"{path}: is not empty and holds no run; choose another --run")
        for folder in (path, run.checkpoints, run.pictures):
            folder.mkdir(parents=True, exist_ok=True)
        write_json(path / CONFIG, {"family": family, "config": config})
        return run

    @classmethod
    def open(cls, path: Path, *, family: str) -> "Run":
        """Return the existing run of a family.

        Raises:
            RunError: there is none, it is damaged, or it is of another family.
        """
        run = cls(path)
        run.config(family)
        return run

    @property
    def family(self) -> str:
        """The family that the run is of.

        Raises:
            RunError: there is no run, or it is damaged.
        """
        return self._stored()[0]

    def config(self, family: str) -> dict[str, Any]:
        """Read the stored configuration.

        Raises:
            RunError: there is none, it is damaged, or it is of another family.
        """
        stored_family, config = self._stored()
        if stored_family != family:
            raise RunError(f"{self.path}: is a run of {stored_family}, not of {family}")
        return config

    def _stored(self) -> tuple[str, dict[str, Any]]:
        """Family and configuration of `config.json`."""
        path = self.path / CONFIG
        try:
            stored = json.loads(path.read_text(encoding="utf-8"))
            family, config = stored["family"], stored["config"]
        except FileNotFoundError as error:
            raise RunError(f"{self.path}: holds no run ({CONFIG} is missing)") from error
        except (ValueError, KeyError, TypeError) as error:
            raise RunError(f"{path}: is damaged; choose another --run") from error
        assert isinstance(config, dict)
        return family, config

    def metrics(self) -> list[dict[str, Any]]:
        """Read `metrics.jsonl`, oldest record first; a line that a kill left incomplete is skipped."""
        path = self.path / METRICS
        lines = split_lines(path.read_text(encoding="utf-8")) if path.exists() else []
        records = []
        for line in lines:
            try:
                records.append(json.loads(line))
            except ValueError:
                continue
        return records

    def drop_metrics_after(self, epoch: float) -> None:
        """Delete the records after `epoch` (may be a fraction), which a resumed run measures again."""
        kept = [record for record in self.metrics() if record["epoch"] <= epoch]
        write_text(self.path / METRICS, "".join(json.dumps(record) + "\n" for record in kept))

    def add_metrics(self, record: dict[str, Any]) -> None:
        """Append a record to `metrics.jsonl`."""
        append_text(self.path / METRICS, json.dumps(record) + "\n")

    def evaluations(self) -> dict[str, Any]:
        """Read `evaluation.json`, results by split; empty before the first evaluation."""
        path = self.path / EVALUATION
        return dict(json.loads(path.read_text(encoding="utf-8"))) if path.exists() else {}

    def add_evaluation(self, split: str, results: dict[str, Any]) -> None:
        """Store a split's results in `evaluation.json`, replacing earlier ones."""
        write_json(self.path / EVALUATION, {**self.evaluations(), split: results})

    def logger(self) -> logging.Logger:
        """Return a logger that writes to `log.txt`, with the time, and to standard error."""
        logger = logging.getLogger(f"training.{self.path.resolve()}")
        if not logger.handlers:
            logger.setLevel(logging.INFO)
            logger.propagate = False
            to_file = _LogFile(self.path / LOG, encoding="utf-8")
            to_file.setFormatter(logging.Formatter("%(asctime)s %(message)s"))
            logger.addHandler(to_file)
            if is_main():
                logger.addHandler(logging.StreamHandler())
        return logger

    def close(self) -> None:
        """Close the log."""
        logger = logging.getLogger(f"training.{self.path.resolve()}")
        for handler in list(logger.handlers):
            logger.removeHandler(handler)
            handler.close()
