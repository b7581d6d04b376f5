"""Tiny bundles of word vectors, built without torch: a table in the graph or beside it, with or without an index."""

from __future__ import annotations

import io
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal

import numpy as np
import onnx
import orjson
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

from service.bundle.files import Bundle, write_bundle
from service.bundle.manifest import Comparison, Datatype, Graph, Manifest, Metric, Provenance, Task, TensorSpec

Form = Literal["inside", "int8", "fp16"]
"""Where the table lies: int8 in the graph, or as a file of int8 or fp16."""

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

    The first number of a vector is zero where the word is no person.
    """
    rows = np.random.default_rng(0).normal(0, 0.02, (len(WORDS), DIMENSIONS))
    rows[:, 0] = 0
    for row, meaning in zip(rows, _MEANINGS.values(), strict=True):
        for axis in meaning.split():
            row[_AXES.index(axis)] += 1
    return quantised(rows)


def quantised(rows: NDArray[Any]) -> tuple[NDArray[np.int8], NDArray[np.float32]]:
    """Rows [V, D] of any norm as int8 with scales [V, 1] that make them unit vectors."""
    table = np.rint(rows / np.abs(rows).max(axis=1, keepdims=True) * 127).astype(np.int8)
    return table, (1 / np.linalg.norm(table.astype(np.float64), axis=1, keepdims=True)).astype(np.float32)


def unit_vectors() -> NDArray[np.float32]:
    """The vectors that the bundle serves, [words, D]."""
    table, scales = word_table()
    return table * scales


def words_graph(table: NDArray[Any], scales: NDArray[np.float32] | None, *, outside: bool) -> bytes:
    """ONNX of look-up and search, as `service.tasks.word_vectors.preprocessing` describes its tensors."""
    wide = table.shape[1]
    specs = words_spec(table.dtype, wide, outside=outside, scaled=scales is not None)
    kept = {"zero": np.array([0], np.int64), "one": np.array([1], np.int64), "tiny": np.float32(1e-30)}
    if not outside:
        kept["table"] = table
        if scales is not None:
            kept["scales"] = scales
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
        node("Greater", ["count", "zero"], ["wanted"]),
        node("Squeeze", ["wanted"], ["condition"]),
    ]
    # In the graph the rows become float32 when it loads; of a file only those that are needed, when they are.
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
        "then_branch": helper.make_graph(search, "search", [], _found("some_")),
        "else_branch": helper.make_graph(empty, "none", [], _found("no_")),
    }
    nodes.append(node("If", ["condition"], ["scores", "indices"], **branches))
    values = {
        kind: [
            helper.make_tensor_value_info(
                spec.name,
                helper.np_dtype_to_tensor_dtype(spec.datatype.numpy),
                [f"{spec.name}_{axis}" if size < 0 else size for axis, size in enumerate(spec.shape)],
            )
            for spec in found
        ]
        for kind, found in (("inputs", specs.inputs), ("outputs", specs.outputs))
    }
    initialisers = [numpy_helper.from_array(np.asarray(array), name) for name, array in kept.items()]
    graph = helper.make_graph(nodes, "words", values["inputs"], values["outputs"], initialisers)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)], ir_version=9)
    onnx.checker.check_model(model)
    return bytes(model.SerializeToString())


def _found(prefix: str) -> list[onnx.ValueInfoProto]:
    return [
        helper.make_tensor_value_info(f"{prefix}scores", TensorProto.FLOAT, ["n", "found"]),
        helper.make_tensor_value_info(f"{prefix}indices", TensorProto.INT64, ["n", "found"]),
    ]


def words_spec(dtype: np.dtype[Any], wide: int, *, outside: bool, scaled: bool) -> Graph:
    """The tensors of `words_graph`, as the manifest has them."""
    inputs = [
        TensorSpec(name="ids", datatype="INT64", shape=(-1, -1)),
        TensorSpec(name="weights", datatype="FP32", shape=(-1, -1)),
        TensorSpec(name="vectors", datatype="FP32", shape=(-1, wide)),
        TensorSpec(name="k", datatype="INT64", shape=(-1,)),
    ]
    if outside:
        inputs.append(
            TensorSpec(name="table", datatype=Datatype.INT8 if dtype == np.int8 else Datatype.FP16, shape=(-1, wide))
        )
        inputs += [TensorSpec(name="scales", datatype="FP32", shape=(-1, 1))] if scaled else []
    outputs = (
        TensorSpec(name="embeddings", datatype="FP32", shape=(-1, wide)),
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
        provenance=Provenance(
            data="made up", licence="CC0-1.0", attribution="nobody", created=datetime(2026, 1, 1, tzinfo=UTC)
        ),
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
    **preprocessing: Any,
) -> Bundle:
    """Write the next version of tiny word vectors into `repository`.

    Args:
        repository: where to.
        name: the model's.
        form: where the table lies.
        index: with an approximate index, which needs usearch.
        words: most frequent first.
        rows: int8 and scales; None takes `word_table()`.
        preprocessing: what the manifest says otherwise.
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
    if index:
        files["index.usearch"] = _index(codes if scales is None else codes * scales)
        settings["index"] = {"expansion": 16}
    vectors = (codes if scales is None else codes * scales).astype(np.float64)
    files["samples.json"] = orjson.dumps({"samples": _samples(words, vectors)})
    graph = words_spec(codes.dtype, codes.shape[1], outside=outside, scaled=scales is not None)
    return write_bundle(repository, words_manifest(name, graph, settings | preprocessing), files)


def npy(array: NDArray[Any]) -> bytes:
    """The bytes of a .npy file."""
    stream = io.BytesIO()
    np.save(stream, array)
    return stream.getvalue()


def _index(vectors: NDArray[Any]) -> bytes:
    import onnxruntime  # noqa: F401  (usearch before onnxruntime ends the process)
    from usearch.index import Index

    index = Index(ndim=vectors.shape[1], metric="cos", dtype="f32")
    index.add(np.arange(len(vectors), dtype=np.uint64), vectors.astype(np.float32), threads=1)
    return bytes(index.save(None))


def _samples(words: tuple[str, ...], vectors: NDArray[np.float64]) -> list[dict[str, Any]]:
    """One request of each route, answered by numpy alone."""
    first, second = words[1], words[2]
    cosines = vectors @ vectors[1]
    near = [index for index in np.argsort(-cosines, kind="stable").tolist() if index != 1][:2]
    listed = [{"word": words[index], "score": round(float(cosines[index]), 6)} for index in near]
    point = vectors[1] / np.linalg.norm(vectors[1])
    return [
        {
            "route": "/v1/similarity",
            "request": {"pairs": [[first, second], [first, "zzz"]]},
            "results": [{"score": round(float(cosines[2]), 6)}, {"score": None, "unknown": ["zzz"]}],
        },
        {
            "route": "/v1/neighbors",
            "request": {"words": [first], "k": 2},
            "results": [{"neighbors": listed}],
        },
        {
            "route": "/v1/embeddings",
            "request": {"input": first},
            "results": [{"object": "embedding", "index": 0, "embedding": point.tolist()}],
        },
    ]
