"""Execution providers: names, what is there, what runs, and how onnxruntime is installed."""

from __future__ import annotations

import sys
from importlib.metadata import PackageNotFoundError
from types import ModuleType

import onnxruntime
import pytest

from service.errors import ConfigurationError
from service.runtime import providers
from service.runtime.providers import CPU, ProviderReport, check_installation, resolve, session_providers

CUDA = "CUDAExecutionProvider"
TENSORRT = "TensorrtExecutionProvider"


@pytest.fixture
def gpu_build(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """An onnxruntime that was compiled with CUDA and TensorRT; the list counts calls of preload_dlls."""
    loaded: list[str] = []
    monkeypatch.setattr(onnxruntime, "get_available_providers", lambda: [TENSORRT, CUDA, CPU])
    monkeypatch.setattr(onnxruntime, "preload_dlls", lambda: loaded.append("dlls"), raising=False)
    return loaded


@pytest.fixture
def cpu_build(monkeypatch: pytest.MonkeyPatch) -> None:
    """An onnxruntime that was compiled for the CPU alone."""
    monkeypatch.setattr(onnxruntime, "get_available_providers", lambda: [CPU])


@pytest.mark.usefixtures("gpu_build")
@pytest.mark.parametrize(
    ("requested", "resolved"),
    [
        (("auto",), (CUDA, CPU)),
        (("cpu",), (CPU,)),
        (("CUDA",), (CUDA,)),
        (("tensorrt", "cuda", "cpu"), (TENSORRT, CUDA, CPU)),
        ((CUDA, "cuda", "auto"), (CUDA, CPU)),
    ],
)
def test_names_are_resolved_in_order_without_repeats(requested: tuple[str, ...], resolved: tuple[str, ...]) -> None:
    assert resolve(requested) == resolved


@pytest.mark.usefixtures("cpu_build")
def test_auto_takes_what_is_there() -> None:
    assert resolve(("auto",)) == (CPU,)


@pytest.mark.parametrize("requested", [("gpu",), ("cpu", "Cuda9ExecutionProvider"), ("",)])
def test_an_unknown_name_is_refused_with_those_there_are(requested: tuple[str, ...]) -> None:
    with pytest.raises(ConfigurationError, match=r"unknown execution provider '.*': use auto, cpu, cuda, tensorrt"):
        resolve(requested)


def test_no_name_at_all_is_refused() -> None:
    with pytest.raises(ConfigurationError, match="no execution provider is named"):
        resolve(())


@pytest.mark.usefixtures("cpu_build")
def test_a_session_is_not_asked_for_what_is_not_compiled_in() -> None:
    assert session_providers((CUDA,)) == [CPU]


def test_cuda_comes_with_options_its_libraries_and_the_cpu_behind_it(gpu_build: list[str]) -> None:
    first, last = session_providers((CUDA,))
    assert first == (CUDA, {"cudnn_conv_algo_search": "HEURISTIC"})
    assert last == CPU
    assert gpu_build == ["dlls"]


def test_the_cpu_alone_loads_no_cuda_libraries(gpu_build: list[str]) -> None:
    assert session_providers((CPU,)) == [CPU]
    assert gpu_build == []


@pytest.mark.parametrize(
    ("requested", "actual", "fell_back"),
    [((CUDA, CPU), (CPU,), True), ((CUDA, CPU), (CUDA, CPU), False), ((CPU,), (CPU,), False), ((CPU,), (), True)],
)
def test_a_report_tells_of_a_fallback(requested: tuple[str, ...], actual: tuple[str, ...], fell_back: bool) -> None:
    assert ProviderReport(requested=requested, actual=actual).fell_back is fell_back


def _install(monkeypatch: pytest.MonkeyPatch, *names: str) -> None:
    def distribution(name: str) -> str:
        if name not in names:
            raise PackageNotFoundError(name)
        return name

    monkeypatch.setattr(providers, "distribution", distribution)


@pytest.mark.parametrize("name", ["onnxruntime", "onnxruntime-gpu"])
def test_one_package_is_right(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    _install(monkeypatch, name)
    check_installation()


def test_no_package_names_the_command(monkeypatch: pytest.MonkeyPatch) -> None:
    _install(monkeypatch)
    monkeypatch.setitem(sys.modules, "onnxruntime", None)
    with pytest.raises(ConfigurationError, match=r"folder run: pip install .* '\.\[cpu\]' \(or '\.\[gpu\]'"):
        check_installation()


def test_two_packages_name_the_command(monkeypatch: pytest.MonkeyPatch) -> None:
    _install(monkeypatch, "onnxruntime", "onnxruntime-gpu")
    with pytest.raises(ConfigurationError, match=r"share one module: .*pip uninstall -y onnxruntime onnxruntime-gpu"):
        check_installation()


def test_a_package_that_cannot_be_imported_is_told_with_the_cause(monkeypatch: pytest.MonkeyPatch) -> None:
    _install(monkeypatch, "onnxruntime-gpu")
    monkeypatch.setitem(sys.modules, "onnxruntime", None)
    with pytest.raises(ConfigurationError, match=r"onnxruntime-gpu cannot be imported \(.*onnxruntime.*\): uninstall"):
        check_installation()


def test_what_uninstalling_one_of_two_leaves_behind_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    _install(monkeypatch, "onnxruntime")
    monkeypatch.setitem(sys.modules, "onnxruntime", ModuleType("onnxruntime"))
    with pytest.raises(ConfigurationError, match="onnxruntime is broken: uninstall both and install one"):
        check_installation()
