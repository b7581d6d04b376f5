"""The devices that execution providers compute on: their names, and the memory in use on those of NVIDIA."""

from __future__ import annotations

import ctypes
import platform
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

from service.runtime.provider_options import CPU, CUDA, OPENVINO, TENSORRT

_NAME_BYTES = 96


class _Memory(ctypes.Structure):
    """`nvmlMemory_t`."""

    _fields_ = (("total", ctypes.c_ulonglong), ("free", ctypes.c_ulonglong), ("used", ctypes.c_ulonglong))


def device_name(provider: str, options: Mapping[str, str]) -> str:
    """The device that a provider computes on, as people call it; empty where that cannot be known.

    Args:
        provider: the provider's name.
        options: its options.
    """
    if provider == CPU:
        return _processor()
    if provider in (CUDA, TENSORRT):
        return _nvidia_name(device_id(options))
    if provider == OPENVINO:
        device = options.get("device_type", "CPU")
        return _processor() if device == "CPU" else device
    return options.get("device_id", "")


def device_id(options: Mapping[str, str]) -> int:
    """The index of the device in a provider's options; 0 by default."""
    index = options.get("device_id", "0")
    return int(index) if index.isdecimal() else 0


def used_bytes(provider: str, options: Mapping[str, str]) -> int | None:
    """Memory in use on a provider's device, by all processes; None where the device has none of its own or is unknown.

    Counted by NVIDIA's management library, which numbers all devices, those hidden by CUDA_VISIBLE_DEVICES too.
    """
    if provider not in (CUDA, TENSORRT):
        return None
    handle = _nvidia_handle(device_id(options))
    memory = _Memory()
    if handle is None or _nvml().nvmlDeviceGetMemoryInfo(handle, ctypes.byref(memory)):
        return None
    return int(memory.used)


def _nvidia_name(index: int) -> str:
    handle = _nvidia_handle(index)
    name = ctypes.create_string_buffer(_NAME_BYTES)
    if handle is None or _nvml().nvmlDeviceGetName(handle, name, _NAME_BYTES):
        return f"GPU {index}"
    return f"{name.value.decode(errors='replace')} (GPU {index})"


def _nvidia_handle(index: int) -> ctypes.c_void_p | None:
    library, handle = _nvml(), ctypes.c_void_p()
    if library is None or library.nvmlDeviceGetHandleByIndex_v2(ctypes.c_uint(index), ctypes.byref(handle)):
        return None
    return handle


@cache
def _nvml() -> Any:
    """NVIDIA's management library, which comes with the driver; None without it."""
    try:
        library = ctypes.CDLL("libnvidia-ml.so.1")
    except OSError:
        return None
    return None if library.nvmlInit_v2() else library


@cache
def _processor() -> str:
    """The model of the CPU."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:  # Not on macOS.
        lines = []
    names = (line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    return next(names, "") or platform.processor() or platform.machine()
