"""Fixtures of the service's own tests."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from service.runtime.session import OnnxSession, Tensors
from tests.support.server import Gate


@pytest.fixture
def token_shapes(monkeypatch: pytest.MonkeyPatch) -> list[tuple[int, ...]]:
    """Shape of the tensor `tokens` in every run of a graph that has one."""
    shapes: list[tuple[int, ...]] = []
    run = OnnxSession.run

    def recording_run(self: OnnxSession, feeds: Tensors) -> Tensors:
        if "tokens" in feeds:
            shapes.append(feeds["tokens"].shape)
        return run(self, feeds)

    monkeypatch.setattr(OnnxSession, "run", recording_run)
    return shapes


@pytest.fixture
def gate(monkeypatch: pytest.MonkeyPatch) -> Iterator[Gate]:
    """Holds the runs of all models on demand."""
    gate = Gate()
    run = OnnxSession.run

    def gated_run(self: OnnxSession, feeds: Tensors) -> Tensors:
        gate.go_through()
        return run(self, feeds)

    monkeypatch.setattr(OnnxSession, "run", gated_run)
    yield gate
    gate.open()
