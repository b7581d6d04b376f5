"""Execution providers: the ones requested, the ones installed, and the ones that run."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, distribution
from typing import Any

from service.errors import ConfigurationError

log = logging.getLogger(__name__)

CPU = "CPUExecutionProvider"
_SHORT = {
    "cpu": CPU,
    "cuda": "CUDAExecutionProvider",
    "tensorrt": "TensorrtExecutionProvider",
    "rocm": "ROCMExecutionProvider",
    "openvino": "OpenVINOExecutionProvider",
    "coreml": "CoreMLExecutionProvider",
    "directml": "DmlExecutionProvider",
}
# What `auto` takes, where it is compiled in: TensorRT rebuilds engines for new shapes, so it must be asked for.
_AUTO = ("CUDAExecutionProvider", CPU)

_INSTALL = (
    "in Lectern's folder run: pip install -c constraints.txt '.[cpu]' (or '.[gpu]' on a machine with an NVIDIA GPU)"
)
_ONE_OF = (
    "uninstall both and install one: pip uninstall -y onnxruntime onnxruntime-gpu, "
    "then in Lectern's folder pip install -c constraints.txt '.[cpu]'"
)


@dataclass(frozen=True, kw_only=True)
class ProviderReport:
    """The providers of one session."""

    requested: tuple[str, ...]
    """Names as onnxruntime has them, in the order requested."""
    actual: tuple[str, ...]
    """The session's providers, first the preferred one."""

    @property
    def fell_back(self) -> bool:
        """Whether a provider other than the first requested one runs."""
        return not self.actual or self.actual[0] != self.requested[0]


def check_installation() -> None:
    """Raise ConfigurationError unless exactly one onnxruntime distribution is installed and works."""
    installed = [name for name in ("onnxruntime", "onnxruntime-gpu") if _is_installed(name)]
    if len(installed) > 1:
        raise ConfigurationError(f"onnxruntime and onnxruntime-gpu share one module: {_ONE_OF} (or '.[gpu]')")
    try:
        import onnxruntime
    except ImportError as error:
        if installed:
            raise ConfigurationError(f"{installed[0]} cannot be imported ({error}): {_ONE_OF}") from error
        raise ConfigurationError(f"onnxruntime is not installed: {_INSTALL}") from error
    if not hasattr(onnxruntime, "InferenceSession"):
        raise ConfigurationError(f"onnxruntime is broken: {_ONE_OF} (or '.[gpu]')")


def runtime_version() -> str:
    """The version of onnxruntime and the way it was built."""
    import onnxruntime

    return f"{onnxruntime.__version__} {onnxruntime.get_build_info()}"


def _is_installed(name: str) -> bool:
    try:
        distribution(name)
    except PackageNotFoundError:
        return False
    return True


def resolve(requested: Sequence[str]) -> tuple[str, ...]:
    """Turn names as set into onnxruntime's, in order, without repeats.

    Raises:
        ConfigurationError: a name that the installed onnxruntime does not know, or no name at all.
    """
    import onnxruntime

    known = onnxruntime.get_all_providers()
    available = onnxruntime.get_available_providers()
    names: list[str] = []
    for name in requested:
        if name.lower() == "auto":
            names += [provider for provider in _AUTO if provider in available]
            continue
        full = _SHORT.get(name.lower(), name)
        if full not in known:
            raise ConfigurationError(
                f"unknown execution provider {name!r}: use auto, {', '.join(_SHORT)} or one of onnxruntime's names"
            )
        names.append(full)
    if not names:
        raise ConfigurationError("no execution provider is named: use auto, cpu, cuda or tensorrt")
    return tuple(dict.fromkeys(names))


def session_providers(resolved: Sequence[str]) -> list[str | tuple[str, dict[str, Any]]]:
    """The `providers` argument of an onnxruntime session: the requested ones that are compiled in, with options.

    The CPU provider is appended if it was not requested. onnxruntime itself only warns about a provider that it lacks;
    `ProviderReport.fell_back` shows it.
    """
    import onnxruntime

    available = onnxruntime.get_available_providers()
    usable = [name for name in resolved if name in available]
    if any(name in ("CUDAExecutionProvider", "TensorrtExecutionProvider") for name in usable):
        onnxruntime.preload_dlls()
    if CPU not in usable:
        usable.append(CPU)
    return [(name, _OPTIONS[name]) if name in _OPTIONS else name for name in usable]


# Shapes vary from batch to batch: an exhaustive search of cuDNN's algorithms would run for every new one.
_OPTIONS: dict[str, dict[str, Any]] = {"CUDAExecutionProvider": {"cudnn_conv_algo_search": "HEURISTIC"}}
