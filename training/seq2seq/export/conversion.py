"""Graphs for every execution provider from the weights of a translator's bundle."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np
from onnx import ModelProto, numpy_helper

from service.bundle.files import Bundle
from service.bundle.manifest import Graph
from training.common.accelerator_graphs import accelerated, check_convertible
from training.common.conversion import Conversion
from training.common.errors import ExportError
from training.common.onnx_models import read_model
from training.common.shared_weights import SHARED_FILE, constants_of
from training.seq2seq.export.graph import build_graphs
from training.seq2seq.export.quantize import CPU_OPERATOR
from training.seq2seq.initialization import read_network


def converted(bundle: Bundle, folder: Path) -> Conversion:
    """The graphs of a translator with variants for other execution providers than the CPU's; see `Family.convert`.

    Raises:
        ConfigError: the bundle has them already, or was not written by this project.
        ExportError: the weights would not be the same.
    """
    check_convertible(bundle)
    models = {name: read_model(bundle.file(graph.file)) for name, graph in bundle.manifest.graphs.items()}
    if not any(node.op_type == CPU_OPERATOR for model in models.values() for node in model.graph.node):
        return accelerated(bundle, folder)
    specs, files = build_graphs(read_network(bundle), "int8")
    _check_weights(bundle, models, specs, files)
    return Conversion(
        graphs=specs,
        files=files,
        note="the graphs for CPUs are the same, and there are graphs in standard ONNX for other execution providers, "
        f"which do not have the operator of the integer products. All read their weights from {SHARED_FILE}.",
    )


def _check_weights(
    bundle: Bundle, models: Mapping[str, ModelProto], specs: Mapping[str, Graph], files: Mapping[str, bytes]
) -> None:
    """Raise ExportError unless the new graphs for CPUs have the integers of the old ones."""
    for name, spec in specs.items():
        new = constants_of(files, spec.file)
        for constant in models[name].graph.initializer:
            before = numpy_helper.to_array(constant)
            after = new.get(constant.name)
            if before.dtype == np.int8 and (after is None or not np.array_equal(before, after)):
                raise ExportError(
                    f"{bundle.path}: {constant.name} of {name} would be rounded otherwise; nothing was written. It was "
                    "exported by a release that stored weights differently: export its run again"
                )
