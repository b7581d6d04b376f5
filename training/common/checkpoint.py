"""Training checkpoints: written atomically, and loaded without running code from the file."""

from pathlib import Path
from pickle import UnpicklingError
from typing import Any

import torch

from training.common.config import differences
from training.common.errors import CheckpointError
from training.common.files import atomic_writer


def save_checkpoint(path: Path, *, config: dict[str, Any], **state: Any) -> None:
    """Write a training state and the configuration that it belongs to."""
    with atomic_writer(path) as stream:
        torch.save({"config": config, **state}, stream)


def load_checkpoint(path: Path, *, config: dict[str, Any] | None = None) -> dict[str, Any]:
    """Load what `save_checkpoint` wrote, onto the CPU.

    Args:
        path: the file.
        config: the configuration that it must belong to; None accepts any.

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
    changed = differences(state["config"], config)
    if changed:
        raise CheckpointError(
            f"{path}: was trained with other settings ({'; '.join(changed)}); "
            "resume with the same settings or choose another --run"
        )
    return state
