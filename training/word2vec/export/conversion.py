"""int8 tables of earlier releases in the present form: the same values as unsigned bytes, of which 128 is zero."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from service.bundle.checks import load_array, read_preprocessing
from service.bundle.files import Bundle
from service.bundle.manifest import Graph
from service.tasks.word_vectors.preprocessing import SCALES, TABLE, WordVectorsPreprocessing
from service.tasks.word_vectors.vocabulary import Vocabulary
from training.common.conversion import Conversion
from training.common.errors import ConfigError
from training.common.files import new_memory_map
from training.common.onnx_models import read_constants
from training.word2vec.export.graph import COLUMNS, build_graph, graph_spec, is_outside
from training.word2vec.export.quantized_table import Table, to_bytes

_GRAPH = "model"
_BLOCK = 16_384
"""Rows in memory at a time, of a table outside the graph."""


def converted(bundle: Bundle, folder: Path) -> Conversion:
    """The table of a bundle as unsigned bytes, and the graph that searches them by integer products.

    The vectors stay the same bit for bit.

    Args:
        bundle: a bundle whose table is int8, inside the graph or in a file beside it.
        folder: a folder for the file of a table outside the graph.

    Raises:
        BundleError: a file is not what the manifest says.
        ConfigError: the table has this form already, or is not int8; or the bundle was not exported by this family.
    """
    graph = bundle.manifest.graphs.get(_GRAPH)
    if graph is None:
        raise _foreign(bundle, f"it has no graph {_GRAPH!r}")
    preprocessing = read_preprocessing(bundle, WordVectorsPreprocessing)
    old = _read_table(bundle, graph, preprocessing)
    if old.codes.dtype == np.uint8:
        raise ConfigError(f"{bundle.path}: its table is stored as unsigned bytes already; there is nothing to do")
    if old.codes.dtype != np.int8:
        raise ConfigError(
            f"{bundle.path}: its table is {old.codes.dtype}, only int8 is converted; there is nothing to do"
        )
    files: dict[str, bytes | Path] = {}
    if preprocessing.table is None:
        codes: NDArray[np.uint8] = to_bytes(old.codes)
    else:
        files[preprocessing.table] = folder / preprocessing.table
        codes = _write_codes(old.codes, folder / preprocessing.table)
    table = Table(codes=codes, column_scales=old.column_scales, row_scales=old.row_scales)
    if is_outside(table) != bool(files):
        raise _foreign(bundle, "a table of its size is stored elsewhere")
    return Conversion(
        graphs={_GRAPH: graph_spec(table).model_copy(update={"file": graph.file})},
        files={**files, graph.file: build_graph(table)},
        note="the table has the same values, stored as unsigned bytes of which 128 is zero, and the graph searches "
        "these by integer products, without a copy of them in float32.",
    )


def _read_table(bundle: Bundle, graph: Graph, preprocessing: WordVectorsPreprocessing) -> Table:
    """The table of a bundle as it is stored; a file of it is memory-mapped."""
    constants = read_constants(bundle.file(graph.file))
    codes, row_scales = constants.get(TABLE), constants.get(SCALES)
    if preprocessing.table is not None:
        datatype = next((spec.datatype for spec in graph.inputs if spec.name == TABLE), None)
        if datatype is None:
            raise _foreign(bundle, f"its graph has no input {TABLE!r}")
        rows = len(Vocabulary(bundle.file(preprocessing.vocabulary)))
        shape = (rows, preprocessing.dimensions)
        codes = load_array(bundle.file(preprocessing.table), shape, datatype.numpy, mapped=True)
        if preprocessing.scales is not None:
            row_scales = load_array(bundle.file(preprocessing.scales), (rows, 1), np.float32, mapped=True)
    if codes is None or codes.ndim != 2:
        raise _foreign(bundle, f"its graph has no table {TABLE!r}")
    for name, scales, shape in (
        (COLUMNS, constants.get(COLUMNS), (1, codes.shape[1])),
        (SCALES, row_scales, (len(codes), 1)),
    ):
        if scales is not None and (scales.dtype != np.float32 or scales.shape != shape):
            raise _foreign(bundle, f"its graph has no {name!r} of the shape {list(shape)}")
    return Table(codes=codes, column_scales=constants.get(COLUMNS), row_scales=row_scales)


def _write_codes(values: NDArray[np.int8], path: Path) -> NDArray[np.uint8]:
    """Write int8 values [V, D] to a `.npy` file as unsigned bytes, and return these, memory-mapped."""
    codes = new_memory_map(path, np.uint8, values.shape)
    for start in range(0, len(values), _BLOCK):
        codes[start : start + _BLOCK] = to_bytes(values[start : start + _BLOCK])
    codes.flush()
    return codes


def _foreign(bundle: Bundle, reason: str) -> ConfigError:
    return ConfigError(f"{bundle.path}: was not exported by lectern-train word2vec ({reason}); import its vectors anew")
