"""Names and memory of devices; NVIDIA's library is played by an object."""

from __future__ import annotations

import ctypes
from collections.abc import Callable
from typing import Any

import pytest

from service.runtime import devices
from service.runtime.provider_options import COREML, CPU, CUDA, OPENVINO, TENSORRT


class _Library:
    """NVIDIA's management library on a machine with two devices."""

    def nvmlDeviceGetHandleByIndex_v2(self, index: Any, handle: Any) -> int:  # noqa: N802
        if index.value > 1:
            return 2
        handle._obj.value = 100 + index.value
        return 0

    def nvmlDeviceGetName(self, handle: Any, name: Any, size: int) -> int:  # noqa: N802
        name.value = b"NVIDIA A%d" % handle.value
        return 0

    def nvmlDeviceGetMemoryInfo(self, handle: Any, memory: Any) -> int:  # noqa: N802
        memory._obj.used = 5_000_000_000
        return 0


@pytest.fixture
def library(monkeypatch: pytest.MonkeyPatch) -> Callable[[Any], None]:
    return lambda library: monkeypatch.setattr(devices, "_nvml", lambda: library)


def test_the_device_of_the_cpu_is_its_model() -> None:
    assert devices.device_name(CPU, {}) == devices.device_name(OPENVINO, {}) != ""


def test_the_device_of_openvino_is_as_set() -> None:
    assert devices.device_name(OPENVINO, {"device_type": "GPU.1"}) == "GPU.1"


def test_the_device_of_another_provider_is_its_id() -> None:
    assert devices.device_name(COREML, {}) == ""


@pytest.mark.parametrize("provider", [CUDA, TENSORRT])
def test_nvidias_devices(library: Callable[[Any], None], provider: str) -> None:
    library(_Library())
    assert devices.device_name(provider, {}) == "NVIDIA A100 (GPU 0)"
    assert devices.device_name(provider, {"device_id": "1"}) == "NVIDIA A101 (GPU 1)"
    assert devices.device_name(provider, {"device_id": "2"}) == "GPU 2"
    assert devices.used_bytes(provider, {"device_id": "1"}) == 5_000_000_000
    assert devices.used_bytes(provider, {"device_id": "2"}) is None


def test_without_nvidias_library(library: Callable[[Any], None]) -> None:
    library(None)
    assert devices.device_name(CUDA, {}) == "GPU 0"
    assert devices.used_bytes(CUDA, {}) is None
    assert devices.used_bytes(CPU, {}) is None


def test_the_library_is_loaded_where_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    def load(name: str) -> Any:
        raise OSError(name)

    devices._nvml.cache_clear()
    monkeypatch.setattr(ctypes, "CDLL", load)
    assert devices._nvml() is None
    devices._nvml.cache_clear()
