"""Fixtures of the service's own tests."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from service.runtime.session import OnnxSession, Tensors
from tests.support.server import Gate


@pytest.fixture
def gate(monkeypatch: pytest.MonkeyPatch) -> Iterator[Gate]:
    """Holds the runs of all models on demand."""
    gate = Gate()
    run = OnnxSession.run

    def held(self: OnnxSession, feeds: Tensors) -> Tensors:
        gate.go_through()
        return run(self, feeds)

    monkeypatch.setattr(OnnxSession, "run", held)
    yield gate
    gate.open()
