"""Bundles made to harm: altered, lying, endless, too large. Each is written as version 1 of the model `hostile`."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import orjson
from numpy.typing import NDArray
from onnx import TensorProto, helper

from tests.support.classifier_bundles import SIZE, classifier_graph, write_classifier
from tests.support.files import npy
from tests.support.tagger_bundles import write_tagger
from tests.support.translator_bundles import write_translator
from tests.support.word_vector_bundles import write_words

NAME = "hostile"

Write = Callable[[Path], None]


@dataclass(frozen=True)
class HostileBundle:
    """A bundle, and what the refusal has to name: a part of its text."""

    name: str
    write: Write
    """Writes it into a model repository."""
    names: str


def write_good(repository: Path) -> None:
    """Write one good model of each task."""
    write_classifier(repository, "digits")
    write_tagger(repository, "pos-en")
    write_words(repository, "words-en")
    write_translator(repository)


def _edit(change: Callable[[Path], object], write: Callable[..., object] = write_classifier) -> Write:
    """A good bundle with a change in its folder."""

    def apply(repository: Path) -> None:
        write(repository, NAME)
        change(repository / NAME / "1")

    return apply


def _replace(file: str, content: bytes, write: Callable[..., object] = write_classifier) -> Write:
    """A good bundle with another file in it, whose hash is right."""

    def change(folder: Path) -> None:
        (folder / file).write_bytes(content)
        _manifest(folder, lambda manifest: manifest["files"].update({file: hashlib.sha256(content).hexdigest()}))

    return _edit(change, write)


def _manifest(folder: Path, change: Callable[[dict[str, Any]], object]) -> None:
    path = folder / "manifest.json"
    manifest = orjson.loads(path.read_bytes())
    change(manifest)
    path.write_bytes(orjson.dumps(manifest))


def _lies(change: Callable[[dict[str, Any]], object], write: Callable[..., object] = write_classifier) -> Write:
    """A good bundle with another manifest."""
    return _edit(lambda folder: _manifest(folder, change), write)


def _raw_manifest(content: bytes) -> Write:
    return _edit(lambda folder: (folder / "manifest.json").write_bytes(content))


def _swap_for(make: Callable[[Path], object], file: str = "model.onnx") -> Write:
    """A good bundle in which a file is replaced by something that is no plain file."""

    def change(folder: Path) -> None:
        (folder / file).rename(folder.parent / "moved")
        make(folder / file)

    return _edit(change)


def _graph(content: bytes) -> Write:
    return _replace("model.onnx", content)


def _samples(samples: Any) -> Write:
    return _replace("samples.json", samples if isinstance(samples, bytes) else orjson.dumps({"samples": samples}))


def _model(
    nodes: list[onnx.NodeProto], *, constants: dict[str, NDArray[Any]] | None = None, opsets: tuple[str, ...] = ("",)
) -> bytes:
    """An unchecked graph with the inputs and outputs of the tiny classifier."""
    graph = helper.make_graph(
        nodes,
        "hostile",
        [helper.make_tensor_value_info("image", TensorProto.FLOAT, ["batch", 1, SIZE, SIZE])],
        [helper.make_tensor_value_info("probabilities", TensorProto.FLOAT, ["batch", 10])],
        initializer=[onnx.numpy_helper.from_array(array, name) for name, array in (constants or {}).items()],
    )
    imports = [helper.make_opsetid(domain, 17 if not domain else 1) for domain in opsets]
    return bytes(helper.make_model(graph, opset_imports=imports, ir_version=9).SerializeToString())


def _head(*nodes: onnx.NodeProto) -> list[onnx.NodeProto]:
    """The tiny classifier behind other nodes, which make the scalar `zero`; it is added to the picture."""
    return [
        *nodes,
        helper.make_node("Add", ["image", "zero"], ["checked"]),
        helper.make_node("Flatten", ["checked"], ["flat"], axis=1),
        helper.make_node("MatMul", ["flat", "weights"], ["logits"]),
        helper.make_node("Softmax", ["logits"], ["probabilities"], axis=1),
    ]


_WEIGHTS = {"weights": np.zeros((SIZE * SIZE, 10), np.float32)}


def _endless_loop() -> bytes:
    """A Loop of 10^15 trips, whose body depends on the picture, so that no optimizer can leave it out."""
    body = helper.make_graph(
        [
            helper.make_node("Identity", ["go"], ["go_on"]),
            helper.make_node("Sin", ["carried"], ["next"]),
        ],
        "body",
        [
            helper.make_tensor_value_info("trip", TensorProto.INT64, []),
            helper.make_tensor_value_info("go", TensorProto.BOOL, []),
            helper.make_tensor_value_info("carried", TensorProto.FLOAT, []),
        ],
        [
            helper.make_tensor_value_info("go_on", TensorProto.BOOL, []),
            helper.make_tensor_value_info("next", TensorProto.FLOAT, []),
        ],
    )
    nodes = _head(
        helper.make_node("ReduceMax", ["image"], ["start"], keepdims=0),
        helper.make_node("Loop", ["trips", "", "start"], ["zero"], body=body),
    )
    return _model(nodes, constants=_WEIGHTS | {"trips": np.array(10**15, np.int64)})


def _memory_hog(elements: int) -> bytes:
    """A run that fills a tensor of so many floats."""
    nodes = _head(
        helper.make_node("Shape", ["image"], ["shape"]),
        helper.make_node("ReduceProd", ["shape"], ["size"], keepdims=1),
        helper.make_node("Div", ["size", "size"], ["one"]),
        helper.make_node("Mul", ["one", "elements"], ["length"]),
        helper.make_node(
            "ConstantOfShape", ["length"], ["large"], value=onnx.numpy_helper.from_array(np.zeros(1, "f4"))
        ),
        helper.make_node("Sin", ["large"], ["larger"]),
        helper.make_node("ReduceMax", ["larger"], ["zero"], keepdims=0),
    )
    return _model(nodes, constants=_WEIGHTS | {"elements": np.array([elements], np.int64)})


def _external(location: str) -> bytes:
    """Weights that lie in another file."""
    model = onnx.load_from_string(classifier_graph())
    tensor = next(entry for entry in model.graph.initializer if entry.name == "weights")
    tensor.ClearField("raw_data")
    tensor.data_location = TensorProto.EXTERNAL
    for key, value in (("location", location), ("offset", "0"), ("length", str(SIZE * SIZE * 40))):
        entry = tensor.external_data.add()
        entry.key, entry.value = key, value
    return bytes(model.SerializeToString())


def _with_weights(value: float) -> bytes:
    return _model(
        _head(helper.make_node("ReduceMin", ["weights"], ["zero"], keepdims=0)),
        constants={"weights": np.full((SIZE * SIZE, 10), value, np.float32)},
    )


def _nested_graphs(depth: int) -> bytes:
    """A graph in an attribute of a node of a graph, and so on, as bytes: onnx itself refuses to write it."""
    graph = b""
    for _ in range(depth):
        graph = _message(1, _message(5, _message(6, graph)))
    return _message(7, graph)


def _message(field: int, content: bytes) -> bytes:
    """A field of a protobuf message, with its length."""
    length, number = bytearray(), len(content)
    while number > 127:
        length.append(number & 127 | 128)
        number >>= 7
    return bytes([field << 3 | 2, *length, number]) + content


def _lying_initializer() -> bytes:
    """Weights of 10^24 elements, by their shape."""
    model = onnx.load_from_string(classifier_graph())
    tensor = next(entry for entry in model.graph.initializer if entry.name == "weights")
    tensor.dims[:] = [2**40, 2**40]
    return bytes(model.SerializeToString())


def _lying_npy(shape: tuple[int, ...]) -> bytes:
    head = f"{{'descr': '<f4', 'fortran_order': False, 'shape': {shape}, }}".encode()
    head += b" " * (64 - (len(head) + 11) % 64) + b"\n"
    return b"\x93NUMPY\x01\x00" + len(head).to_bytes(2, "little") + head + bytes(64)


def _pickled_npy() -> bytes:
    import io

    stream = io.BytesIO()
    np.save(stream, np.array([{"a": 1}, None], object), allow_pickle=True)
    return stream.getvalue()


def _link_whole_version(repository: Path) -> None:
    write_classifier(repository / ".elsewhere", NAME)
    (repository / NAME).mkdir()
    target = repository / ".elsewhere" / NAME / "1"
    _replace_manifest_file(target)
    (repository / NAME / "1").symlink_to(target)


def _replace_manifest_file(folder: Path) -> None:
    (folder / "model.onnx").write_bytes(b"altered")


def _version_that_is_a_file(repository: Path) -> None:
    (repository / NAME).mkdir()
    (repository / NAME / "1").write_bytes(b"x")


def _odd_versions(repository: Path) -> None:
    for name in ("01", "-1", "1e3", "1.5", "99999999999", "\u0661", " 1", "latest"):
        (repository / NAME / name).mkdir(parents=True)
        (repository / NAME / name / "manifest.json").write_bytes(b"{}")


_ITEM = {"request": {"pixels": [[[0.0] * SIZE] * SIZE]}, "results": [{"predictions": [{"label": "3", "score": 0.9}]}]}

CASES: tuple[HostileBundle, ...] = (
    HostileBundle("file is missing", _edit(lambda folder: (folder / "model.onnx").unlink()), "model.onnx"),
    HostileBundle("manifest is missing", _edit(lambda folder: (folder / "manifest.json").unlink()), "manifest.json"),
    HostileBundle("file too many", _edit(lambda folder: (folder / "extra.bin").write_bytes(b"x")), "extra.bin"),
    HostileBundle("hidden file", _edit(lambda folder: (folder / ".hidden").write_bytes(b"x")), ".hidden"),
    HostileBundle("altered file", _edit(lambda folder: (folder / "model.onnx").write_bytes(b"x" * 99)), "model.onnx"),
    HostileBundle("file cut short", _edit(lambda folder: os.truncate(folder / "samples.json", 9)), "samples.json"),
    HostileBundle("link", _swap_for(lambda path: path.symlink_to(path.parent.parent / "moved")), "model.onnx"),
    HostileBundle("dangling link", _swap_for(lambda path: path.symlink_to("/nowhere")), "model.onnx"),
    HostileBundle("pipe instead of a graph", _swap_for(lambda path: os.mkfifo(path)), "model.onnx"),
    HostileBundle(
        "pipe instead of the manifest", _swap_for(lambda path: os.mkfifo(path), "manifest.json"), "manifest.json"
    ),
    HostileBundle(
        "device instead of the manifest",
        _swap_for(lambda path: path.symlink_to("/dev/zero"), "manifest.json"),
        "manifest.json",
    ),
    HostileBundle("folder instead of a file", _swap_for(lambda path: path.mkdir(), "MODEL_CARD.md"), "MODEL_CARD.md"),
    HostileBundle("version is a link to an altered one", _link_whole_version, "model.onnx"),
    HostileBundle("version folders of odd names", _odd_versions, NAME),
    HostileBundle(
        "version is a file",
        _version_that_is_a_file,
        "1",
    ),
    HostileBundle(
        "path escapes",
        _lies(lambda manifest: manifest["files"].update({"../../digits/1/model.onnx": "0" * 64})),
        "files",
    ),
    HostileBundle(
        "absolute path of a graph",
        _lies(lambda manifest: manifest["graphs"]["model"].update(file="/etc/passwd")),
        "file",
    ),
    HostileBundle("manifest is no JSON", _raw_manifest(b"{"), "manifest.json"),
    HostileBundle("manifest is empty", _raw_manifest(b""), "manifest.json"),
    HostileBundle("manifest is not UTF-8", _raw_manifest(b'{"name":"\xff"}'), "manifest.json"),
    HostileBundle("manifest is deep", _raw_manifest(b"[" * 200_000), "manifest.json"),
    HostileBundle("manifest of 64 MB", _raw_manifest(b'{"a":[' + b"[]," * 21_000_000 + b"[]]}"), "manifest.json"),
    HostileBundle("manifest of another model", _lies(lambda manifest: manifest.update(name="digits")), "manifest.json"),
    HostileBundle("manifest of another version", _lies(lambda manifest: manifest.update(version=2)), "manifest.json"),
    HostileBundle("unknown format", _lies(lambda manifest: manifest.update(format_version=99)), "format_version"),
    HostileBundle("unknown key", _lies(lambda manifest: manifest.update(hook="os:system")), "hook"),
    HostileBundle("unknown task", _lies(lambda manifest: manifest.update(task="shell")), "task"),
    HostileBundle("equal labels", _lies(lambda manifest: manifest.update(labels=["1"] * 10)), "labels"),
    HostileBundle(
        "a million labels", _lies(lambda manifest: manifest.update(labels=[str(i) for i in range(10**6)])), "hostile"
    ),
    HostileBundle("no labels", _lies(lambda manifest: manifest.update(labels=None)), "labels"),
    HostileBundle(
        "wrong shape",
        _lies(lambda manifest: manifest["graphs"]["model"]["inputs"][0].update(shape=[-1, 3, 28, 28])),
        "image",
    ),
    HostileBundle(
        "wrong datatype",
        _lies(lambda manifest: manifest["graphs"]["model"]["inputs"][0].update(datatype="INT64")),
        "image",
    ),
    HostileBundle(
        "output that is not there",
        _lies(lambda manifest: manifest["graphs"]["model"]["outputs"][0].update(name="scores")),
        "scores",
    ),
    HostileBundle(
        "absurd preprocessing", _lies(lambda manifest: manifest["preprocessing"].update(height=10**9)), "height"
    ),
    HostileBundle("unknown preprocessing", _lies(lambda manifest: manifest["preprocessing"].update(exec="rm")), "exec"),
    HostileBundle("graph of random bytes", _graph(bytes(range(256)) * 20), "model.onnx"),
    HostileBundle("empty graph", _graph(b""), "model.onnx"),
    HostileBundle("graph cut short", _graph(classifier_graph()[:2000]), "model.onnx"),
    HostileBundle("external data of the machine", _graph(_external("/etc/passwd")), "model.onnx"),
    HostileBundle("external data of another model", _graph(_external("../../digits/1/model.onnx")), "model.onnx"),
    HostileBundle(
        "operators of another domain",
        _graph(
            _model(
                _head(helper.make_node("Evil", ["image"], ["zero"], domain="evil.example")),
                constants=_WEIGHTS,
                opsets=("", "evil.example"),
            )
        ),
        "model.onnx",
    ),
    HostileBundle(
        "unknown operator",
        _graph(_model(_head(helper.make_node("Nonsense", ["image"], ["zero"])), constants=_WEIGHTS)),
        "model.onnx",
    ),
    HostileBundle(
        "cycle of nodes",
        _graph(_model(_head(helper.make_node("Neg", ["checked"], ["zero"])), constants=_WEIGHTS)),
        "model.onnx",
    ),
    HostileBundle("weights of 10^24 elements", _graph(_lying_initializer()), "model.onnx"),
    HostileBundle("5,000 nested graphs", _graph(_nested_graphs(5000)), "model.onnx"),
    HostileBundle("NaN weights", _graph(_with_weights(float("nan"))), "samples"),
    HostileBundle("infinite weights", _graph(_with_weights(float("inf"))), "samples"),
    HostileBundle("loop of 10^15 trips", _graph(_endless_loop()), "hostile"),
    HostileBundle("tensor of 16 GB", _graph(_memory_hog(4 * 10**9)), "hostile"),
    HostileBundle("tensor of 400 TB", _graph(_memory_hog(10**14)), "hostile"),
    HostileBundle("run that always fails", _graph(classifier_graph(fails_above=-1.0)), "hostile"),
    HostileBundle("wrong samples", _samples([_ITEM]), "samples"),
    HostileBundle("no samples", _samples([]), "samples.json"),
    HostileBundle("samples are deep", _samples(b"[" * 200_000), "samples.json"),
    HostileBundle("samples that are refused", _samples([{"request": {"pixels": "x"}, "results": []}]), "samples"),
    HostileBundle(
        "samples of another route", _samples([{"route": "/v1/tag", "request": {"text": "x"}, "results": []}]), "samples"
    ),
    HostileBundle("20,000 wrong samples", _samples([_ITEM] * 20_000), "samples"),
    HostileBundle("vocabulary is not UTF-8", _replace("vocabulary.txt", b"\xff\xfe\n", write_tagger), "vocabulary.txt"),
    HostileBundle("vocabulary is empty", _replace("vocabulary.txt", b"", write_tagger), "samples"),
    HostileBundle(
        "transitions are a pickle", _replace("transitions.npy", _pickled_npy(), write_tagger), "transitions.npy"
    ),
    HostileBundle(
        "transitions of another shape",
        _replace("transitions.npy", npy(np.zeros((2, 2), np.float32)), write_tagger),
        "transitions.npy",
    ),
    HostileBundle(
        "transitions of NaN",
        _replace("transitions.npy", npy(np.full((99, 99), np.nan, np.float32)), write_tagger),
        "transitions.npy",
    ),
    HostileBundle(
        "weights that claim 4 TB", _replace("weights.npy", _lying_npy((10**12,)), write_words), "weights.npy"
    ),
    HostileBundle(
        "weights of another length", _replace("weights.npy", npy(np.ones(3, np.float32)), write_words), "weights.npy"
    ),
    HostileBundle("words twice", _replace("vocabulary.txt", b"king\n" * 12, write_words), "vocabulary.txt"),
    HostileBundle(
        "subwords of random bytes", _replace("pieces.model", bytes(range(256)) * 9, write_translator), "pieces.model"
    ),
    HostileBundle(
        "language profile is deep", _replace("language.json", b"[" * 100_000, write_translator), "language.json"
    ),
)
