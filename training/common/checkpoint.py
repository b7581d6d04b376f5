"""Checkpoints: written whole or not at all, loaded without running code."""

import os
from pathlib import Path
from pickle import UnpicklingError
from typing import Any

import torch

from training.common.config import differences
from training.common.errors import CheckpointError


def save_checkpoint(path: Path, *, config: dict[str, Any], **state: Any) -> None:
    """Write `state` and the configuration it belongs to; a kill at any moment leaves the older file."""
    partial = path.with_name(f".{path.name}.partial")
    with partial.open("wb") as stream:
        torch.save({"config": config, **state}, stream)
        stream.flush()
        os.fsync(stream.fileno())
    partial.replace(path)


def load_checkpoint(path: Path, *, config: dict[str, Any] | None = None) -> dict[str, Any]:
    """The state written by `save_checkpoint`, on the CPU; it must belong to `config` where one is given.

    Raises:
        CheckpointError: the file is missing or damaged, or belongs to another configuration.
    """
    try:
        state: dict[str, Any] = torch.load(path, map_location="cpu", weights_only=True)
    except FileNotFoundError as error:
        raise CheckpointError(f"{path}: is missing; train the run first") from error
    except (RuntimeError, UnpicklingError, EOFError, OSError, ValueError) as error:
        raise CheckpointError(f"{path}: is no checkpoint or is damaged; remove it and train again") from error
    if not isinstance(state, dict) or "config" not in state:
        raise CheckpointError(f"{path}: is no checkpoint of Lectern; remove it and train again")
    if config is None:
        return state
    known = {key: value for key, value in config.items() if key in state["config"]}  # it may be older than a setting
    different = differences(state["config"], known)
    if different:
        raise CheckpointError(
            f"{path}: was trained with other settings ({'; '.join(different)}); "
            "resume with the same settings or choose another --run"
        )
    return state
