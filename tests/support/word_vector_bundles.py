"""Tiny bundles of word vectors, built without torch: tables inside or outside the graph, with or without an index."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal

import numpy as np
import onnx
import orjson
from numpy.typing import NDArray
from onnx import TensorProto, helper

from service.bundle.files import Bundle, write_bundle
from service.bundle.manifest import Comparison, Datatype, Graph, Manifest, Metric, Task, TensorSpec
from tests.support.files import npy
from tests.support.onnx_files import PROVENANCE, onnx_file

Form = Literal["inside", "int8", "fp16"]
"""Location and type of the table: int8 inside the graph, or an int8 or fp16 file."""

_AXES = (
    "person",
    "female",
    "royal",
    "city",
    "country",
    "french",
    "italian",
    "german",
    "fruit",
    "young",
    "place",
    "new",
)

_MEANINGS = {
    "the": "place new",
    "man": "person",
    "woman": "person female",
    "new": "new",
    "king": "person royal",
    "queen": "person female royal",
    "france": "country french place",
    "paris": "city french place",
    "italy": "country italian place",
    "rome": "city italian place",
    "germany": "country german place",
    "berlin": "city german place",
    "york": "city place",
    "new_york": "city place new new",
    "boy": "person young",
    "girl": "person young female",
    "prince": "person young royal",
    "princess": "person young royal female",
    "apple": "fruit",
    "banana": "fruit fruit new",
    "café": "place fruit",
}
WORDS = tuple(_MEANINGS)
DIMENSIONS = len(_AXES)


def word_table() -> tuple[NDArray[np.int8], NDArray[np.float32]]:
    """The table of `WORDS`: int8 [words, D] and scales [words, 1] that make every row a unit vector.

    The first component is 0 for words that are not persons.
    """
    rows = np.random.default_rng(0).normal(0, 0.02, (len(WORDS), DIMENSIONS))
    rows[:, 0] = 0
    for row, meaning in zip(rows, _MEANINGS.values(), strict=True):
        for axis in meaning.split():
            row[_AXES.index(axis)] += 1
    return quantized(rows)


def quantized(rows: NDArray[Any]) -> tuple[NDArray[np.int8], NDArray[np.float32]]:
    """Quantize rows [V, D] of any norm to int8, with scales [V, 1] that make them unit vectors."""
    table = np.rint(rows / np.abs(rows).max(axis=1, keepdims=True) * 127).astype(np.int8)
    return table, (1 / np.linalg.norm(table.astype(np.float64), axis=1, keepdims=True)).astype(np.float32)


def unit_vectors() -> NDArray[np.float32]:
    """The unit vectors that the bundle serves, [words, D]."""
    table, scales = word_table()
    return table * scales


def words_graph(table: NDArray[Any], scales: NDArray[np.float32] | None, *, outside: bool) -> bytes:
    """ONNX graph of look-up and search, with the tensors of `service.tasks.word_vectors.preprocessing`."""
    dimensions = table.shape[1]
    specs = words_spec(table.dtype, dimensions, outside=outside, scaled=scales is not None)
    initializers = {"zero": np.array([0], np.int64), "one": np.array([1], np.int64), "tiny": np.float32(1e-30)}
    if not outside:
        initializers["table"] = table
        if scales is not None:
            initializers["scales"] = scales
    node = helper.make_node
    gathered = [node("Gather", ["table", "ids"], ["codes"]), node("Cast", ["codes"], ["raw"], to=TensorProto.FLOAT)]
    rows = [node("Cast", ["table"], ["raw_rows"], to=TensorProto.FLOAT)]
    if scales is not None:
        gathered += [node("Gather", ["scales", "ids"], ["factors"]), node("Mul", ["raw", "factors"], ["gathered"])]
        rows += [node("Mul", ["raw_rows", "scales"], ["rows"])]
    else:
        gathered += [node("Identity", ["raw"], ["gathered"])]
        rows += [node("Identity", ["raw_rows"], ["rows"])]
    nodes = [
        *(gathered if outside else [*rows, node("Gather", ["rows", "ids"], ["gathered"])]),
        node("Unsqueeze", ["weights", "one"], ["weights_N1M"]),
        node("MatMul", ["weights_N1M", "gathered"], ["sums_N1D"]),
        node("Squeeze", ["sums_N1D", "one"], ["sums"]),
        node("Add", ["vectors", "sums"], ["query"]),
        node("ReduceL2", ["query", "one"], ["norms"], keepdims=1),
        node("Max", ["norms", "tiny"], ["safe"]),
        node("Div", ["query", "safe"], ["embeddings"]),
        node("Shape", ["table"], ["size"], start=0, end=1),
        node("ReduceMax", ["k"], ["largest"], keepdims=1),
        node("Min", ["largest", "size"], ["count"]),
        node("Greater", ["count", "zero"], ["is_search"]),
        node("Squeeze", ["is_search"], ["condition"]),
    ]
    # Inside the graph all rows become float32 on loading; of a file only those that a run needs.
    search = [*(rows if outside else []), node("Gemm", ["embeddings", "rows"], ["all"], transB=1)]
    search += [node("TopK", ["all", "count"], ["some_scores", "some_indices"], axis=1)]
    empty = [
        node("Shape", ["embeddings"], ["batch"], start=0, end=1),
        node("Concat", ["batch", "zero"], ["n0"], axis=0),
    ]
    empty += [
        node("ConstantOfShape", ["n0"], ["no_scores"], value=helper.make_tensor("", TensorProto.FLOAT, [1], [0])),
        node("ConstantOfShape", ["n0"], ["no_indices"], value=helper.make_tensor("", TensorProto.INT64, [1], [0])),
    ]
    branches = {
        "then_branch": helper.make_graph(search, "search", [], _outputs("some_")),
        "else_branch": helper.make_graph(empty, "none", [], _outputs("no_")),
    }
    nodes.append(node("If", ["condition"], ["scores", "indices"], **branches))
    values = {
        kind: [
            helper.make_tensor_value_info(
                spec.name,
                helper.np_dtype_to_tensor_dtype(spec.datatype.numpy),
                [f"{spec.name}_{axis}" if size < 0 else size for axis, size in enumerate(spec.shape)],
            )
            for spec in tensors
        ]
        for kind, tensors in (("inputs", specs.inputs), ("outputs", specs.outputs))
    }
    constants = {name: np.asarray(array) for name, array in initializers.items()}
    return onnx_file("words", nodes, values["inputs"], values["outputs"], constants)


def _outputs(prefix: str) -> list[onnx.ValueInfoProto]:
    """Outputs of a branch of the graph."""
    return [
        helper.make_tensor_value_info(f"{prefix}scores", TensorProto.FLOAT, ["n", "k"]),
        helper.make_tensor_value_info(f"{prefix}indices", TensorProto.INT64, ["n", "k"]),
    ]


def words_spec(dtype: np.dtype[Any], dimensions: int, *, outside: bool, scaled: bool) -> Graph:
    """The manifest's description of `words_graph`."""
    inputs = [
        TensorSpec(name="ids", datatype="INT64", shape=(-1, -1)),
        TensorSpec(name="weights", datatype="FP32", shape=(-1, -1)),
        TensorSpec(name="vectors", datatype="FP32", shape=(-1, dimensions)),
        TensorSpec(name="k", datatype="INT64", shape=(-1,)),
    ]
    if outside:
        datatype = Datatype.INT8 if dtype == np.int8 else Datatype.FP16
        inputs.append(TensorSpec(name="table", datatype=datatype, shape=(-1, dimensions)))
        inputs += [TensorSpec(name="scales", datatype="FP32", shape=(-1, 1))] if scaled else []
    outputs = (
        TensorSpec(name="embeddings", datatype="FP32", shape=(-1, dimensions)),
        TensorSpec(name="scores", datatype="FP32", shape=(-1, -1)),
        TensorSpec(name="indices", datatype="INT64", shape=(-1, -1)),
    )
    return Graph(file="model.onnx", inputs=tuple(inputs), outputs=outputs)


def words_manifest(name: str, graph: Graph, preprocessing: dict[str, Any]) -> Manifest:
    """A manifest of word vectors."""
    return Manifest(
        name=name,
        version=1,
        task=Task.WORD_VECTORS,
        description="Words of a few meanings",
        graphs={"model": graph},
        preprocessing=preprocessing,
        metrics=(Metric(name="analogies", value=100, unit="%", data="two analogies"),),
        provenance=PROVENANCE,
        comparison=Comparison(kind="scores", tolerance=1e-3),
    )


def write_words(
    repository: Path,
    name: str = "words",
    *,
    form: Form = "inside",
    index: bool = False,
    words: tuple[str, ...] = WORDS,
    rows: tuple[NDArray[np.int8], NDArray[np.float32]] | None = None,
    buckets: NDArray[np.float32] | None = None,
    **preprocessing: Any,
) -> Bundle:
    """Write the next version of tiny word vectors into `repository`.

    Args:
        repository: folder to write to.
        name: name of the model.
        form: location and type of the table.
        index: whether to build an approximate index, which needs usearch.
        words: the vocabulary, most frequent first.
        rows: int8 rows and their scales; None uses `word_table()`.
        buckets: vectors of n-grams of 3 and 4 characters [buckets, D], stored in the type of the table; None for none.
        preprocessing: values of the manifest's `preprocessing` that differ from the default.
    """
    codes: NDArray[Any]
    scales: NDArray[np.float32] | None
    codes, scales = rows or word_table()
    if form == "fp16":
        codes, scales = (codes * scales).astype(np.float16), None
    outside = form != "inside"
    files = {
        "model.onnx": words_graph(codes, scales, outside=outside),
        "vocabulary.txt": "".join(f"{word}\n" for word in words).encode(),
        "weights.npy": npy(np.linspace(0.1, 1, len(words), dtype=np.float32)),
        "MODEL_CARD.md": b"# Words\n",
    }
    settings: dict[str, Any] = {
        "dimensions": codes.shape[1], "normaliser": "lower", "tokenizer": "letters", "phrases": True
    }  # fmt: skip
    if outside:
        files["table.npy"] = npy(codes)
        settings["table"] = "table.npy"
        if scales is not None:
            files["scales.npy"] = npy(scales)
            settings["scales"] = "scales.npy"
    if buckets is not None:
        more, settings["subwords"] = _subwords(buckets, in_bytes=form != "fp16")
        files |= more
    if index:
        files["index.usearch"] = _index(codes if scales is None else codes * scales)
        settings["index"] = {"expansion": 16}
    vectors = (codes if scales is None else codes * scales).astype(np.float64)
    files["samples.json"] = orjson.dumps({"samples": _samples(words, vectors, "zzz" if buckets is None else "z" * 200)})
    graph = words_spec(codes.dtype, codes.shape[1], outside=outside, scaled=scales is not None)
    return write_bundle(repository, words_manifest(name, graph, settings | preprocessing), files)


def _subwords(buckets: NDArray[np.float32], *, in_bytes: bool) -> tuple[dict[str, bytes], dict[str, Any]]:
    """The files of the vectors of n-grams [buckets, D], and the manifest's entry."""
    settings = {"min_ngram": 3, "max_ngram": 4, "buckets": len(buckets)}
    if not in_bytes:
        return {"buckets.npy": npy(buckets.astype(np.float16))}, settings
    columns = np.linspace(0.5, 2, buckets.shape[1], dtype=np.float32)[None]
    scaled = buckets / columns
    scales = np.abs(scaled).max(axis=1, keepdims=True) / np.float32(127)
    codes = np.rint(scaled / np.where(scales, scales, 1)).astype(np.int16) + 128
    files = {
        "buckets.npy": npy(codes.astype(np.uint8)),
        "bucket_scales.npy": npy(scales.astype(np.float32)),
        "bucket_columns.npy": npy(columns),
    }
    return files, settings | {"scales": "bucket_scales.npy", "columns": "bucket_columns.npy"}


def _index(vectors: NDArray[Any]) -> bytes:
    """An HNSW index of the vectors, in usearch's format."""
    import onnxruntime  # noqa: F401  (importing usearch before onnxruntime crashes the process)
    from usearch.index import Index

    index = Index(ndim=vectors.shape[1], metric="cos", dtype="f32")
    index.add(np.arange(len(vectors), dtype=np.uint64), vectors.astype(np.float32), threads=1)
    return bytes(index.save(None))


def _samples(words: tuple[str, ...], vectors: NDArray[np.float64], unknown: str) -> list[dict[str, Any]]:
    """One request of each of three routes, answered by numpy alone; `unknown` has no vector."""
    first, second = words[1], words[2]
    cosines = vectors @ vectors[1]
    nearest = [index for index in np.argsort(-cosines, kind="stable").tolist() if index != 1][:2]
    neighbors = [{"word": words[index], "score": round(float(cosines[index]), 6)} for index in nearest]
    embedding = vectors[1] / np.linalg.norm(vectors[1])
    return [
        {
            "route": "/v1/similarity",
            "request": {"pairs": [[first, second], [first, unknown]]},
            "results": [{"score": round(float(cosines[2]), 6)}, {"score": None, "unknown": [unknown]}],
        },
        {
            "route": "/v1/neighbors",
            "request": {"words": [first], "k": 2},
            "results": [{"neighbors": neighbors}],
        },
        {
            "route": "/v1/embeddings",
            "request": {"input": first},
            "results": [{"object": "embedding", "index": 0, "embedding": embedding.tolist()}],
        },
    ]
