"""Graphs optimized for this machine's CPU."""

from __future__ import annotations

from pathlib import Path

import pytest

from service.bundle.files import BundleError
from service.runtime import optimization
from service.runtime.optimization import optimize_graphs
from tests.support.classifier_bundles import write_classifier


@pytest.fixture
def graph(tmp_path: Path) -> Path:
    return write_classifier(tmp_path).path / "model.onnx"


def test_graphs_are_replaced(graph: Path) -> None:
    before = graph.read_bytes()
    assert optimize_graphs([graph])
    assert graph.read_bytes() != before


def test_what_onnxruntime_cannot_read_of_its_own_replaces_none(
    graph: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = graph.with_name("other.onnx")
    other.write_bytes(graph.read_bytes())
    before = {path: path.read_bytes() for path in graph.parent.iterdir()}
    write = optimization._optimized

    def write_badly(path: Path) -> Path:
        result = write(path)
        if path == other:
            result.write_bytes(b"no graph")
        return result

    monkeypatch.setattr(optimization, "_optimized", write_badly)
    assert not optimize_graphs([graph, other])
    assert {path: path.read_bytes() for path in graph.parent.iterdir()} == before


def test_what_is_no_graph_is_named(graph: Path) -> None:
    graph.write_bytes(b"no graph")
    with pytest.raises(BundleError, match=r"model\.onnx: onnxruntime cannot load it"):
        optimize_graphs([graph])
