"""A session is held against its manifest before it serves."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
import pytest

from service.bundle.files import BundleError
from service.bundle.manifest import Graph, TensorSpec
from service.errors import ConfigurationError
from service.runtime.device_arrays import Device
from service.runtime.session import OnnxSession
from tests.support.classifier_bundles import classifier_graph, classifier_manifest, template

GRAPH = classifier_manifest().graphs["model"]


@pytest.fixture
def onnx_file(tmp_path: Path) -> Path:
    """The tiny classifier's graph."""
    path = tmp_path / "model.onnx"
    path.write_bytes(classifier_graph())
    return path


def _open(path: Path, graph: Graph = GRAPH, **settings: Any) -> OnnxSession:
    return OnnxSession(path, graph, **{"providers": ("cpu",)} | settings)


def _with(kind: str, **changes: Any) -> Graph:
    (spec,) = getattr(GRAPH, kind)
    return GRAPH.model_copy(update={kind: (TensorSpec.model_validate(spec.model_dump() | changes),)})


def test_it_runs(onnx_file: Path) -> None:
    session = _open(onnx_file, threads=2)
    outputs = session.run({"image": template(7)[None, None]})
    assert outputs.keys() == {"probabilities"}
    assert outputs["probabilities"].shape == (1, 10)
    assert int(np.argmax(outputs["probabilities"])) == 7
    assert session.report.actual == ("CPUExecutionProvider",)
    assert not session.report.fell_back


def test_it_keeps_no_memory_of_its_largest_run(onnx_file: Path) -> None:
    options = _open(onnx_file)._session.get_session_options()
    assert not options.enable_cpu_mem_arena
    assert not options.enable_mem_pattern


@pytest.mark.parametrize(
    ("graph", "message"),
    [
        (_with("inputs", name="picture"), r"the graph's inputs are \['image'\], the manifest says \['picture'\]"),
        (_with("outputs", name="y"), r"the graph's outputs are \['probabilities'\], the manifest says \['y'\]"),
        (_with("inputs", datatype="FP64"), r"input 'image' is FP32 \[-1, 1, 28, 28\], the manifest says FP64"),
        (_with("inputs", shape=(1, 1, 28, 28)), r"input 'image' is .*, the manifest says FP32 \[1, 1, 28, 28\]"),
        (_with("outputs", shape=(-1, 11)), r"output 'probabilities' is .*, the manifest says FP32 \[-1, 11\]"),
        (_with("outputs", datatype="INT64"), r"output 'probabilities' is FP32"),
        (GRAPH.model_copy(update={"outputs": ()}), r"the graph's outputs are .*, the manifest says \[\]"),
    ],
)
def test_inputs_and_outputs_must_be_the_manifests(onnx_file: Path, graph: Graph, message: str) -> None:
    with pytest.raises(BundleError, match=message) as caught:
        _open(onnx_file, graph)
    assert str(onnx_file) in str(caught.value)


@pytest.mark.parametrize("content", [b"", b"not onnx", classifier_graph()[:500]])
def test_a_broken_graph_is_a_bundle_error_of_one_line(onnx_file: Path, content: bytes) -> None:
    onnx_file.write_bytes(content)
    with pytest.raises(BundleError, match=r"model\.onnx: onnxruntime cannot load it \(.+\)") as caught:
        _open(onnx_file)
    assert "\n" not in str(caught.value)


def test_an_error_without_a_text_is_told_by_its_name(onnx_file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*args: Any, **kwargs: Any) -> None:
        raise MemoryError

    monkeypatch.setattr(onnxruntime, "InferenceSession", fail)
    with pytest.raises(BundleError, match=r"cannot load it \(MemoryError\)"):
        _open(onnx_file)


def test_an_unknown_provider_is_a_configuration_error(onnx_file: Path) -> None:
    with pytest.raises(ConfigurationError, match="unknown execution provider 'abacus'"):
        _open(onnx_file, providers=("abacus",))


def test_a_fallback_is_reported_and_logged(onnx_file: Path, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING):
        session = _open(onnx_file, providers=("coreml", "cpu"))
    assert session.report.requested[0] == "CoreMLExecutionProvider"
    assert session.report.actual == ("CPUExecutionProvider",)
    assert session.report.fell_back
    assert "asked for CoreMLExecutionProvider, CPUExecutionProvider, runs on CPUExecutionProvider" in caplog.text


def test_strict_refuses_a_fallback(onnx_file: Path) -> None:
    with pytest.raises(ConfigurationError, match=r"asked for CoreML.*, runs on CPU.*LECTERN_STRICT=1 allows no"):
        _open(onnx_file, providers=("coreml",), strict=True)


class _Opened:
    """What onnxruntime was asked for, by a build with CUDA and TensorRT that can start neither or only CUDA."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, startable: tuple[str, ...]) -> None:
        self.asked: list[list[str]] = []
        opened = onnxruntime.InferenceSession
        available = ["TensorrtExecutionProvider", "CUDAExecutionProvider", "CPUExecutionProvider"]
        monkeypatch.setattr(onnxruntime, "get_available_providers", lambda: available)
        monkeypatch.setattr(onnxruntime, "preload_dlls", lambda: print("Failed to load libcublas.so.13: no such file"))

        def open_session(path: str, sess_options: Any, providers: list[Any], enable_fallback: bool) -> Any:
            assert not enable_fallback
            names = [provider if isinstance(provider, str) else provider[0] for provider in providers]
            self.asked.append(names)
            if names[0] not in startable:
                raise RuntimeError(
                    "/src/python/state.cc:729 void Register(PySessionOptions&, const Options&) Please install"
                )
            session = opened(path, sess_options=sess_options, providers=["CPUExecutionProvider"])
            monkeypatch.setattr(session, "get_providers", lambda: names)
            return session

        monkeypatch.setattr(onnxruntime, "InferenceSession", open_session)


def test_a_provider_that_cannot_be_started_leaves_its_place_to_the_next(
    onnx_file: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    capsys: pytest.CaptureFixture[str],
) -> None:
    opened = _Opened(monkeypatch, ("CUDAExecutionProvider",))
    session = _open(onnx_file, providers=("tensorrt", "cuda"))
    assert session.report.actual == ("CUDAExecutionProvider", "CPUExecutionProvider")
    assert session.device == Device("cuda", 0)
    assert len(opened.asked) == 2
    assert "tensorrt cannot be started (Please install)" in caplog.text
    assert "libraries of CUDA are missing" in caplog.text
    assert capsys.readouterr().out == ""


@pytest.mark.parametrize(
    ("settings", "advice"),
    [
        ({"strict": True}, "check the device and its driver"),
        (
            {"options": {"CUDAExecutionProvider": {"device_id": "3"}}},
            r"check the options cuda\.device_id=3 and the device",
        ),
    ],
)
def test_a_provider_that_cannot_be_started_is_refused_if_strict_or_with_options(
    onnx_file: Path, monkeypatch: pytest.MonkeyPatch, settings: dict[str, Any], advice: str
) -> None:
    _Opened(monkeypatch, ("CPUExecutionProvider",))
    with pytest.raises(
        ConfigurationError,
        match=rf"model\.onnx: cuda cannot be started \(Please install\); {advice}, or set LECTERN_PROVIDERS=cpu$",
    ):
        _open(onnx_file, providers=("cuda",), **settings)
