"""Which file of a graph a session opens: the one for the kind of execution provider that runs it."""

from __future__ import annotations

from collections.abc import Sequence

from service.bundle.manifest import Manifest, ProviderKind, Task
from service.runtime.provider_options import CPU
from service.runtime.providers import first_compiled_in


def kind_of(providers: Sequence[str]) -> ProviderKind:
    """The kind of the provider that runs.

    Raises:
        ConfigurationError: as `resolve`.
    """
    return ProviderKind.CPU if first_compiled_in(providers) == CPU else ProviderKind.ACCELERATOR


def kinds_in(manifest: Manifest) -> tuple[ProviderKind, ...]:
    """The kinds of providers that a bundle has files for."""
    variants = {kind for graph in manifest.graphs.values() for kind in graph.variants}
    return ProviderKind.CPU, *sorted(variants)


_FAMILIES = {Task.TOKEN_CLASSIFICATION: "bilstm_crf", Task.TRANSLATION: "seq2seq"}
"""The families whose graphs have variants, as they are recurrent; the graphs of the others suit every provider."""


def conversion_command(manifest: Manifest) -> str:
    """The command that adds variants to a bundle; empty where it has them or its graphs need none."""
    if kinds_in(manifest) != (ProviderKind.CPU,) or manifest.task not in _FAMILIES:
        return ""
    return f"lectern-train {_FAMILIES[manifest.task]} convert BUNDLE"


def advice_for(manifest: Manifest, providers: Sequence[str]) -> str:
    """What to do about a bundle that fails with these providers; empty where its graphs are for them."""
    kind = kind_of(providers)
    if kind in kinds_in(manifest):
        return ""
    command = conversion_command(manifest)
    if not command:
        return (
            f"; its graphs are the same for every execution provider, and {', '.join(providers)} computes them "
            "otherwise: check the options of the provider (LECTERN_PROVIDER_OPTIONS), or set LECTERN_PROVIDERS=cpu"
        )
    return (
        f"; it has no graphs for the execution providers {', '.join(providers)}, which may compute those for CPUs "
        f"otherwise: convert it ({command}), or set LECTERN_PROVIDERS=cpu"
    )
