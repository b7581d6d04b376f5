"""Where a session's nodes run: counted by provider, and refused where the settings are strict."""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from service.bundle.manifest import Graph
from service.errors import ConfigurationError
from service.runtime.devices import device_name
from service.runtime.provider_options import CPU, CUDA, TENSORRT, ProviderOptions, as_set, short_name
from service.runtime.providers import ProviderReport, how_to_install, is_compiled_in

log = logging.getLogger(__name__)


def report_of(session: Any, requested: Sequence[str], options: ProviderOptions) -> ProviderReport:
    """What an onnxruntime session runs on.

    Args:
        session: the session, opened with `session.record_ep_graph_assignment_info`.
        requested: the providers that were asked for, by onnxruntime's names.
        options: the options of each.
    """
    actual = tuple(session.get_providers())
    own = options.get(actual[0], {})
    return ProviderReport(
        requested=tuple(requested),
        actual=actual,
        nodes=_nodes(session),
        device=device_name(actual[0], own),
        options=own,
    )


def _nodes(session: Any) -> dict[str, dict[str, int]] | None:
    """Nodes of the session's graph by provider and operator; None where this onnxruntime does not tell."""
    if not hasattr(session, "get_provider_graph_assignment_info"):  # onnxruntime before 1.24.
        return None
    nodes: dict[str, Counter[str]] = {}
    for part in session.get_provider_graph_assignment_info():
        operators = nodes.setdefault(part.ep_name, Counter())
        operators.update(f"{node.domain}.{node.op_type}" if node.domain else node.op_type for node in part.get_nodes())
    return {provider: dict(sorted(operators.items())) for provider, operators in nodes.items()}


def check_placement(
    path: Path,
    graph: Graph,
    report: ProviderReport,
    options: ProviderOptions,
    *,
    strict: bool,
    conversion: str = "",
) -> None:
    """Say where a session fell back to another provider, and refuse it where that was not allowed.

    Args:
        path: the ONNX file.
        graph: its description; `fallback_operators` may run on other providers.
        report: what the session runs on.
        options: the options of the providers that were asked for.
        strict: nothing else may.
        conversion: the command that gives the bundle graphs for accelerators; empty where there is none.

    Raises:
        ConfigurationError: `strict`, and the first provider or some nodes are not as asked; or a provider that options
            were set for is not used.
    """
    if report.fell_back:
        _check_fallback(path, report, options, strict=strict)
    strays = {operator: n for operator, n in report.strays.items() if operator not in graph.fallback_operators}
    if strays:
        named = ", ".join(f"{operator} ({count})" for operator, count in sorted(strays.items()))
        text = f"{path}: {sum(strays.values())} nodes run on another provider than {_names(report.requested)}: {named}"
        remedy = f"convert the bundle for this provider ({conversion})"
        if strict:
            raise ConfigurationError(
                f"{text}. LECTERN_STRICT=1 allows that only to operators in the graph's fallback_operators "
                f"(manifest.json); name {_names(_others(report))} in LECTERN_PROVIDERS too"
                + (f", or {remedy}" if conversion else "")
            )
        if report.actual[0] != CPU:
            log.warning(f"{text}; where that is slow, {remedy}" if conversion else text)
    if strict and report.nodes is None and report.requested != (CPU,):
        log.warning("this onnxruntime does not tell where nodes run: LECTERN_STRICT=1 checks the first provider only")


def _check_fallback(path: Path, report: ProviderReport, options: ProviderOptions, *, strict: bool) -> None:
    missing = report.requested[0]
    text = f"{path}: asked for {', '.join(report.requested)}, runs on {', '.join(report.actual)}; "
    if not is_compiled_in(missing):
        text += f"{missing} is not compiled into this onnxruntime: {how_to_install(missing)}"
    else:
        pairs = as_set({missing: options.get(missing, {})})
        text += f"{missing} cannot be started"
        text += f" with {pairs}: check them and the device" if pairs else ": check the device and its driver"
    text += ", or set LECTERN_PROVIDERS=cpu"
    if strict:
        raise ConfigurationError(f"{text}. LECTERN_STRICT=1 allows no fallback")
    if options.get(missing):
        raise ConfigurationError(f"{text}. Options are set for it, so no other provider takes its place")
    log.warning(text)


def _others(report: ProviderReport) -> list[str]:
    return [provider for provider in report.nodes or () if provider not in report.requested]


def _names(providers: Sequence[str]) -> str:
    return ", ".join(map(short_name, providers))


_CUDA_GRAPHS = {CUDA: "enable_cuda_graph", TENSORRT: "trt_cuda_graph_enable"}


def check_fixed_shapes(path: Path, graph: Graph, options: ProviderOptions) -> None:
    """Refuse CUDA graphs for a graph whose inputs vary: they would replay the shapes of the first run.

    Raises:
        ConfigurationError: naming the option and the input.
    """
    for provider, option in _CUDA_GRAPHS.items():
        if options.get(provider, {}).get(option, "0").lower() in ("0", "false"):
            continue
        for spec in graph.inputs:
            if -1 in spec.shape:
                raise ConfigurationError(
                    f"{path}: {short_name(provider)}.{option}=1 needs inputs of fixed shapes, {spec.name} is "
                    f"{list(spec.shape)}; leave the option out"
                )
