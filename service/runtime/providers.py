"""Execution providers: the ones requested, the ones installed, and the ones that run."""

from __future__ import annotations

import contextlib
import io
import logging
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from importlib.metadata import PackageNotFoundError, distribution
from typing import Any

from service.errors import ConfigurationError
from service.runtime.provider_options import (
    COREML,
    CPU,
    CUDA,
    DIRECTML,
    MIGRAPHX,
    OPENVINO,
    SHORT_NAMES,
    TENSORRT,
    ProviderOptions,
    short_name,
)

log = logging.getLogger(__name__)

# What `auto` may take, where it is compiled in: TensorRT rebuilds engines for new shapes, so it must be asked for.
_AUTO = (CUDA, MIGRAPHX, OPENVINO, COREML, DIRECTML, CPU)

_PACKAGES = (
    "onnxruntime",
    "onnxruntime-gpu",
    "onnxruntime-openvino",
    "onnxruntime-directml",
    "onnxruntime-migraphx",
    "onnxruntime-qnn",
)
"""Distributions that share the module `onnxruntime`."""

_EXTRAS = {CPU: "cpu", CUDA: "gpu", TENSORRT: "gpu", OPENVINO: "openvino"}
"""The extra that installs a provider."""

_INSTALL = (
    "in Lectern's folder run: pip install -c constraints.txt '.[cpu]' (or '.[gpu]' on a machine with an NVIDIA GPU)"
)
_ONE_OF = (
    "uninstall {all} and install one: pip uninstall -y {names}, "
    "then in Lectern's folder pip install -c constraints.txt '.[cpu]'"
)


@dataclass(frozen=True, kw_only=True)
class ProviderReport:
    """The providers of one session."""

    requested: tuple[str, ...]
    """Names as onnxruntime has them, in the order requested."""
    actual: tuple[str, ...]
    """The session's providers, first the preferred one."""
    nodes: Mapping[str, Mapping[str, int]] | None = None
    """Nodes of the graph by provider and operator; None where this onnxruntime does not tell."""
    device: str = ""
    """The device of the preferred provider; empty where it is not known."""
    options: Mapping[str, str] = field(default_factory=dict)
    """The options that the preferred provider was given."""

    @property
    def fell_back(self) -> bool:
        """Whether a provider other than the first requested one runs."""
        return not self.actual or self.actual[0] != self.requested[0]

    @property
    def node_counts(self) -> dict[str, int] | None:
        """Number of nodes by provider; None where this onnxruntime does not tell."""
        if self.nodes is None:
            return None
        return {provider: sum(operators.values()) for provider, operators in self.nodes.items()}

    @property
    def fallback_nodes(self) -> dict[str, int]:
        """Nodes on other providers than the preferred one, by operator."""
        return self._nodes_elsewhere(self.actual[:1])

    def describe(self) -> str:
        """The preferred provider, and the nodes on each where that is known: `openvino, nodes: openvino 41, cpu 2`.

        Where it is not the one asked for, that is said too: `cpu instead of cuda, nodes: cpu 23`.
        """
        if not self.actual:
            return "no provider"
        name = short_name(self.actual[0])
        if self.fell_back:
            name += f" instead of {short_name(self.requested[0])}"
        if (counts := self.node_counts) is None:
            return f"{name}, nodes unknown"
        nodes = ", ".join(f"{short_name(provider)} {count}" for provider, count in counts.items())
        return f"{name}, nodes: {nodes}"

    @property
    def strays(self) -> dict[str, int]:
        """Nodes on providers that were not asked for, by operator."""
        return self._nodes_elsewhere(self.requested)

    def _nodes_elsewhere(self, providers: Sequence[str]) -> dict[str, int]:
        counts: Counter[str] = Counter()
        for provider, operators in (self.nodes or {}).items():
            if provider not in providers:
                counts.update(operators)
        return dict(sorted(counts.items()))


def check_installation() -> None:
    """Raise ConfigurationError unless exactly one onnxruntime distribution is installed and works."""
    installed = [name for name in _PACKAGES if _is_installed(name)]
    suspects = installed if len(installed) > 1 else ["onnxruntime", "onnxruntime-gpu"]
    one_of = _ONE_OF.format(all="both" if len(suspects) == 2 else "all", names=" ".join(suspects))
    if len(installed) > 1:
        names = f"{', '.join(installed[:-1])} and {installed[-1]}"
        raise ConfigurationError(f"{names} share one module: {one_of} (or '.[gpu]')")
    try:
        import onnxruntime
    except ImportError as error:
        if installed:
            raise ConfigurationError(f"{installed[0]} cannot be imported ({error}): {one_of}") from error
        raise ConfigurationError(f"onnxruntime is not installed: {_INSTALL}") from error
    if not hasattr(onnxruntime, "InferenceSession"):
        raise ConfigurationError(f"onnxruntime is broken: {one_of} (or '.[gpu]')")


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


def automatic() -> tuple[str, ...]:
    """The providers that `auto` chooses from, the CPU's last: those that are compiled in."""
    import onnxruntime

    available = onnxruntime.get_available_providers()
    return tuple(provider for provider in _AUTO if provider in available)


def resolve(requested: Sequence[str]) -> tuple[str, ...]:
    """Turn names as set into onnxruntime's, in order, without repeats.

    Raises:
        ConfigurationError: a name that the installed onnxruntime does not know, or no name at all.
    """
    import onnxruntime

    known = onnxruntime.get_all_providers()
    names: list[str] = []
    for name in requested:
        if name.lower() == "auto":
            names += automatic()
            continue
        full = SHORT_NAMES.get(name.lower(), name)
        if full not in known:
            raise ConfigurationError(
                f"unknown execution provider {name!r}: use auto, {', '.join(SHORT_NAMES)} or one of onnxruntime's names"
            )
        names.append(full)
    if not names:
        raise ConfigurationError("no execution provider is named: use auto, cpu, cuda or tensorrt")
    return tuple(dict.fromkeys(names))


def is_compiled_in(provider: str) -> bool:
    """Whether this onnxruntime has a provider, by onnxruntime's name."""
    import onnxruntime

    return provider in onnxruntime.get_available_providers()


def first_compiled_in(requested: Sequence[str]) -> str:
    """The provider that runs: the first of those named that is compiled into onnxruntime; the CPU's if none is.

    Raises:
        ConfigurationError: as `resolve`.
    """
    return next(filter(is_compiled_in, resolve(requested)), CPU)


def first_not_compiled_in(requested: Sequence[str]) -> str | None:
    """That the provider asked for first is not in this onnxruntime, and which runs instead; None where it is.

    Raises:
        ConfigurationError: as `resolve`.
    """
    first, instead = resolve(requested)[0], first_compiled_in(requested)
    if instead == first:
        return None
    return (
        f"{short_name(first)} is not compiled into this onnxruntime, {short_name(instead)} runs instead "
        f"(refused with LECTERN_STRICT=1); {how_to_install(first)}, or set {short_name(instead)}"
    )


def session_providers(
    resolved: Sequence[str], options: ProviderOptions | None = None, threads: int = 0
) -> list[str | tuple[str, dict[str, Any]]]:
    """The `providers` argument of an onnxruntime session: the requested ones that are compiled in, with options.

    The CPU provider is appended if it was not requested. onnxruntime itself only warns about a provider that it lacks;
    `ProviderReport.fell_back` shows it.

    Args:
        resolved: the requested ones, by onnxruntime's names.
        options: options of each.
        threads: threads of one run, for providers that do not take them from the session; 0: as many as they like.
    """
    import onnxruntime

    available = onnxruntime.get_available_providers()
    usable = [name for name in resolved if name in available]
    if any(name in (CUDA, TENSORRT) for name in usable) and hasattr(onnxruntime, "preload_dlls"):
        _load_libraries()
    if CPU not in usable:
        usable.append(CPU)
    own = {name: {**_defaults(name, threads), **(options or {}).get(name, {})} for name in usable}
    return [(name, own[name]) if own[name] else name for name in usable]


def how_to_install(provider: str) -> str:
    """What to do about a provider that is not compiled in."""
    if (extra := _EXTRAS.get(provider)) is None:
        return "install a package of onnxruntime that has it, and no other"
    return (
        f"install the package with that provider (in Lectern's folder: pip install -c constraints.txt '.[{extra}]' "
        "in an environment of its own)"
    )


def _load_libraries() -> None:
    """Load CUDA's and cuDNN's libraries from their packages, where they came as such."""
    import onnxruntime

    with io.StringIO() as output:
        # It prints what it does not find; commands print to the same place.
        with contextlib.redirect_stdout(output):
            onnxruntime.preload_dlls()
        missing = re.findall(r"Failed to load (\S+?):", output.getvalue())
    if missing:
        log.warning("libraries of CUDA are missing", extra={"fields": {"libraries": missing}})


def _defaults(provider: str, threads: int) -> dict[str, str]:
    """The options of a provider where the settings have no others."""
    if provider == CUDA:
        # Shapes vary from batch to batch: an exhaustive search of cuDNN's algorithms would run for every new one.
        return {"cudnn_conv_algo_search": "HEURISTIC"}
    if provider == OPENVINO and threads:
        return {"num_of_threads": str(threads)}  # Else it takes every core, in every worker process.
    return {}
