"""Variants of a bundle's graphs for execution providers other than the CPU's.

What differs is in the graphs only: their weights are those of the graphs for CPUs, in one file that both map.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from onnx import ModelProto

from service.bundle.files import Bundle
from service.bundle.manifest import Graph, GraphVariant, ProviderKind
from training.common.conversion import Conversion
from training.common.errors import ConfigError
from training.common.onnx_models import read_model
from training.common.recurrent_padding import without_lengths
from training.common.shared_weights import SHARED_FILE, share_weights


def accelerator_file(file: str) -> str:
    """The name of the variant of an ONNX file."""
    return f"{file.removesuffix('.onnx')}-accelerator.onnx"


def with_variants(
    graphs: Mapping[str, Graph],
    models: Mapping[str, ModelProto],
    variants: Mapping[str, ModelProto] | None = None,
    fallback_operators: Mapping[str, tuple[str, ...]] | None = None,
) -> tuple[dict[str, Graph], dict[str, bytes]]:
    """Add variants to the graphs of a bundle, where accelerators need one.

    Args:
        graphs: descriptions of the graphs for CPUs, by name.
        models: their models by name, with all weights inside; they are changed.
        variants: models to make the variants of, where they differ in more than recurrent layers.
        fallback_operators: operators that may run on the CPU all the same, by name of the graph.

    Returns:
        The descriptions by name, and the content of all files by file name.
    """
    described, files = {}, {}
    for name, graph in graphs.items():
        variant = ModelProto()
        variant.CopyFrom((variants or models)[name])
        without_lengths(variant)
        files[graph.file] = models[name]
        operators = (fallback_operators or {}).get(name, ())
        if variant == models[name]:
            described[name] = graph.model_copy(update={"fallback_operators": operators})
            continue
        file = accelerator_file(graph.file)
        files[file] = variant
        own = GraphVariant(file=file, fallback_operators=operators)
        described[name] = graph.model_copy(update={"variants": {ProviderKind.ACCELERATOR: own}})
    return described, share_weights(files)


def accelerated(bundle: Bundle, _folder: Path) -> Conversion:
    """The graphs of a bundle with recurrent layers, with variants for accelerators; see `Family.convert`.

    Raises:
        ConfigError: it has them already, or needs none.
    """
    check_convertible(bundle)
    graphs = bundle.manifest.graphs
    models = {name: read_model(bundle.file(graph.file)) for name, graph in graphs.items()}
    described, files = with_variants(graphs, models)
    if not any(graph.variants for graph in described.values()):
        raise ConfigError(f"{bundle.path}: its graphs suit every execution provider; there is nothing to do")
    return Conversion(
        graphs=described,
        files=files,
        note="the graphs for CPUs are the same, and there are graphs for other execution providers, not all of which "
        f"heed the lengths that recurrent layers get. Both read their weights from {SHARED_FILE}.",
    )


def check_convertible(bundle: Bundle) -> None:
    """Raise ConfigError where a bundle has variants already."""
    if any(graph.variants for graph in bundle.manifest.graphs.values()):
        raise ConfigError(f"{bundle.path}: has graphs for other execution providers already; there is nothing to do")
