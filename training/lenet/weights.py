"""Networks of runs: built as configured, and with the weights that a run kept."""

from pathlib import Path

from training.common.checkpoint import load_checkpoint
from training.common.errors import ConfigError
from training.lenet.config import LenetConfig
from training.lenet.network.model import LeNet5

LAST, BEST = "last.pt", "best.pt"
"""Checkpoints of a run: its latest state, and the weights that it kept."""


def build_model(config: LenetConfig, classes: int) -> LeNet5:
    """Build the configured network, with initial weights from PyTorch's global generator."""
    return LeNet5(
        classes,
        activation=config.activation,
        pooling=config.pooling,
        connections=config.connections,
        output=config.output,
        width=config.width,
    )


def load_weights(run: Path, model: LeNet5, option: str) -> None:
    """Load the weights that another run kept into a network.

    Args:
        run: directory of that run.
        model: the network, which gets them.
        option: the option that names the run, for the message.

    Raises:
        CheckpointError: the run kept none.
        ConfigError: it has another network or another number of labels.
    """
    stored = load_checkpoint(run / "checkpoints" / BEST)
    try:
        model.load_state_dict(stored["model"])
    except RuntimeError as error:
        raise ConfigError(f"{option} {run}: that run has another network or another number of labels") from error
