"""Training runs of tests: their checkpoints, and the errors of `lectern-train`."""

from __future__ import annotations

import pytest
import torch

from training.__main__ import main
from training.common.run import Run


def checkpoint_weights(run: Run, name: str = "best.pt") -> dict[str, torch.Tensor]:
    """The network's weights in a checkpoint of a run."""
    weights: dict[str, torch.Tensor] = torch.load(run.checkpoints / name, weights_only=True)["model"]
    return weights


def equal_weights(left: dict[str, torch.Tensor], right: dict[str, torch.Tensor]) -> bool:
    """Whether two networks have the same weights, bit for bit."""
    return left.keys() == right.keys() and all(torch.equal(left[name], right[name]) for name in left)


def assert_user_error(arguments: list[str], message: str, capsys: pytest.CaptureFixture[str]) -> None:
    """Run `lectern-train`; it must exit with 2, print nothing and write one line of error that holds the message."""
    assert main(arguments) == 2
    output = capsys.readouterr()
    assert message in output.err
    assert len(output.err.splitlines()) == 1
    assert not output.out
