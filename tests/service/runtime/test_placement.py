"""Where a session's nodes run is counted, and under LECTERN_STRICT held against what was asked for."""

from __future__ import annotations

import logging
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import onnxruntime
import pytest

from service.bundle.manifest import Graph
from service.errors import ConfigurationError
from service.runtime.placement import check_fixed_shapes, check_placement, report_of
from service.runtime.provider_options import CPU, CUDA, OPENVINO
from service.runtime.providers import ProviderReport
from tests.support.classifier_bundles import classifier_manifest

GRAPH = classifier_manifest().graphs["model"]
PATH = Path("model.onnx")


def _session(*parts: tuple[str, tuple[str, ...]], providers: tuple[str, ...] = (CUDA, CPU)) -> Any:
    """A session of onnxruntime that assigned operators to providers; `domain.operator` outside ONNX's own domain."""

    def node(name: str) -> SimpleNamespace:
        domain, _, operator = name.rpartition(".")
        return SimpleNamespace(domain=domain, op_type=operator)

    return SimpleNamespace(
        get_providers=lambda: list(providers),
        get_provider_graph_assignment_info=lambda: [
            SimpleNamespace(ep_name=provider, get_nodes=lambda names=names: list(map(node, names)))
            for provider, names in parts
        ],
    )


MIXED = _session((CUDA, ("MatMul", "Add")), (CPU, ("Shape",)), (CUDA, ("MatMul",)), (CPU, ("com.microsoft.QMatMul",)))


def _check(report: ProviderReport, graph: Graph = GRAPH, *, strict: bool = True, **options: dict[str, str]) -> None:
    check_placement(PATH, graph, report, {CUDA: options} if options else {}, strict=strict)  # type: ignore[dict-item]


def test_nodes_are_counted_by_provider_and_operator() -> None:
    report = report_of(MIXED, (CUDA,), {CUDA: {"device_id": "0"}})
    assert report.nodes == {CUDA: {"Add": 1, "MatMul": 2}, CPU: {"Shape": 1, "com.microsoft.QMatMul": 1}}
    assert report.node_counts == {CUDA: 3, CPU: 2}
    assert report.fallback_nodes == {"Shape": 1, "com.microsoft.QMatMul": 1}
    assert report.describe() == "cuda, nodes: cuda 3, cpu 2"
    assert report.options == {"device_id": "0"}


def test_an_onnxruntime_that_does_not_tell() -> None:
    report = report_of(SimpleNamespace(get_providers=lambda: [CUDA, CPU]), (CUDA,), {})
    assert report.nodes is None
    assert report.node_counts is None
    assert report.describe() == "cuda, nodes unknown"


def test_strict_says_where_it_cannot_check(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING):
        _check(ProviderReport(requested=(CUDA,), actual=(CUDA, CPU)))
    assert "does not tell where nodes run: LECTERN_STRICT=1 checks the first provider only" in caplog.text


def test_nodes_elsewhere_name_the_command_that_converts_where_there_is_one(caplog: pytest.LogCaptureFixture) -> None:
    report, command = report_of(MIXED, (CUDA,), {}), "lectern-train seq2seq convert BUNDLE"
    with pytest.raises(ConfigurationError, match=rf"in LECTERN_PROVIDERS too, or convert the bundle.*\({command}\)$"):
        check_placement(PATH, GRAPH, report, {}, strict=True, conversion=command)
    with pytest.raises(ConfigurationError, match=r"in LECTERN_PROVIDERS too$"):
        check_placement(PATH, GRAPH, report, {}, strict=True)
    with caplog.at_level(logging.WARNING):
        check_placement(PATH, GRAPH, report, {}, strict=False, conversion=command)
        check_placement(PATH, GRAPH, report, {}, strict=False)
    assert [record.message.endswith(f"({command})") for record in caplog.records] == [True, False]


def test_strict_refuses_nodes_elsewhere_by_operator() -> None:
    with pytest.raises(
        ConfigurationError,
        match=r"^model\.onnx: 2 nodes run on another provider than cuda: Shape \(1\), com\.microsoft\.QMatMul \(1\)\. "
        r"LECTERN_STRICT=1 allows that only to operators in the graph's fallback_operators.*; name cpu in",
    ):
        _check(report_of(MIXED, (CUDA,), {}))


def test_strict_allows_the_operators_of_the_manifest() -> None:
    report = report_of(MIXED, (CUDA,), {})
    _check(report, GRAPH.model_copy(update={"fallback_operators": ("Shape", "com.microsoft.QMatMul")}))
    with pytest.raises(ConfigurationError, match=r"1 nodes run .*: com\.microsoft\.QMatMul \(1\)"):
        _check(report, GRAPH.model_copy(update={"fallback_operators": ("Shape",)}))


def test_strict_allows_providers_that_were_asked_for_too() -> None:
    _check(report_of(MIXED, (CUDA, CPU), {}))


def test_without_strict_nodes_may_be_anywhere() -> None:
    _check(report_of(MIXED, (CUDA,), {}), strict=False)


FELL_BACK = ProviderReport(requested=(CUDA,), actual=(CPU,), nodes={CPU: {"MatMul": 1}})


@pytest.mark.parametrize(
    ("provider", "extra"), [(CUDA, r"'\.\[gpu\]' in an env"), (OPENVINO, r"'\.\[openvino\]' in an environment")]
)
def test_a_provider_that_is_not_compiled_in_is_named_with_its_package(
    monkeypatch: pytest.MonkeyPatch, provider: str, extra: str
) -> None:
    monkeypatch.setattr(onnxruntime, "get_available_providers", lambda: [CPU])
    report = ProviderReport(requested=(provider,), actual=(CPU,))
    with pytest.raises(
        ConfigurationError, match=rf"{provider} is not compiled into this onnxruntime: install .*{extra}"
    ):
        _check(report)


def test_a_device_that_cannot_be_used_is_named_with_its_options(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(onnxruntime, "get_available_providers", lambda: [CUDA, CPU])
    with pytest.raises(
        ConfigurationError, match=r"cannot be started with cuda\.device_id=7: check them and the device"
    ):
        _check(FELL_BACK, strict=False, device_id="7")


def test_without_options_and_strict_a_fallback_is_a_warning(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(onnxruntime, "get_available_providers", lambda: [CUDA, CPU])
    with caplog.at_level(logging.WARNING):
        _check(FELL_BACK, strict=False)
    assert "CUDAExecutionProvider cannot be started: check the device and its driver" in caplog.text


@pytest.mark.parametrize(
    ("provider", "option"), [(CUDA, "enable_cuda_graph"), ("TensorrtExecutionProvider", "trt_cuda_graph_enable")]
)
def test_cuda_graphs_need_fixed_shapes(provider: str, option: str) -> None:
    with pytest.raises(
        ConfigurationError, match=rf"\.{option}=1 needs inputs of fixed shapes, image is \[-1, 1, 28, 28\]; leave"
    ):
        check_fixed_shapes(PATH, GRAPH, {provider: {option: "1"}})
    check_fixed_shapes(PATH, GRAPH, {provider: {option: "0"}})
    (spec,) = GRAPH.inputs
    fixed = GRAPH.model_copy(update={"inputs": (spec.model_copy(update={"shape": (1, 1, 28, 28)}),)})
    check_fixed_shapes(PATH, fixed, {provider: {option: "1"}})
