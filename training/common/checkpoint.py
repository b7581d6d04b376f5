"""Training checkpoints: written atomically, and loaded without running code from the file."""

import io
import logging
from pathlib import Path
from pickle import UnpicklingError
from typing import Any, BinaryIO

import torch

from training.common.config import differences
from training.common.distributed import check_equal, from_main
from training.common.errors import CheckpointError
from training.common.files import atomic_writer
from training.common.processes import is_main, process_count


def save_checkpoint(path: Path, *, config: dict[str, Any], **state: Any) -> None:
    """Write a training state and the configuration that it belongs to; of several processes the main one does."""
    if is_main():
        with atomic_writer(path) as stream:
            torch.save({"config": config, "processes": process_count(), **state}, stream)


def load_last_checkpoint(path: Path, *, config: dict[str, Any], log: logging.Logger) -> dict[str, Any] | None:
    """The state to go on from, that of the main process's file in every process; None where there is none yet.

    Args:
        path: the file.
        config: the configuration that it must belong to, the same in every process.
        log: is told where the number of processes has changed.

    Raises:
        CheckpointError: the file is damaged, or belongs to another configuration.
    """
    check_equal(config)
    content = from_main(lambda: _content(path))
    if content is None:
        return None
    state = _loaded(path, path if content == b"" else io.BytesIO(content), config)
    before = state.get("processes", 1)
    if before != process_count():
        log.info("note: trained by %d processes until now, by %d from here on", before, process_count())
    return state


def _content(path: Path) -> bytes | None:
    """The content of a file, or where a single process can read it by itself, nothing; None for no file."""
    if not path.exists():
        return None
    return path.read_bytes() if process_count() > 1 else b""


def load_checkpoint(path: Path, *, config: dict[str, Any] | None = None) -> dict[str, Any]:
    """Load what `save_checkpoint` wrote, onto the CPU.

    Args:
        path: the file.
        config: the configuration that it must belong to; None accepts any.

    Raises:
        CheckpointError: the file is missing or damaged, or belongs to another configuration.
    """
    return _loaded(path, path, config)


def _loaded(path: Path, source: Path | BinaryIO, config: dict[str, Any] | None) -> dict[str, Any]:
    try:
        state: dict[str, Any] = torch.load(source, map_location="cpu", weights_only=True)
    except FileNotFoundError as error:
        raise CheckpointError(f"{path}: is missing; train the run first") from error
    except (RuntimeError, UnpicklingError, EOFError, OSError, ValueError) as error:
        raise CheckpointError(f"{path}: is no checkpoint or is damaged; remove it and train again") from error
    if not isinstance(state, dict) or "config" not in state:
        raise CheckpointError(f"{path}: is no checkpoint of Lectern; remove it and train again")
    if config is None:
        return state
    changed = differences(state["config"], config)
    if changed:
        raise CheckpointError(
            f"{path}: was trained with other settings ({'; '.join(changed)}); "
            "resume with the same settings or choose another --run"
        )
    return state
