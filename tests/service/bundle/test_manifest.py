"""The manifest refuses what it does not know."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from pydantic import ValidationError

from service.bundle.manifest import Datatype, Graph, Manifest, ProviderKind, TensorSpec, is_model_name
from tests.support.classifier_bundles import classifier_manifest


def _document(**changes: Any) -> dict[str, Any]:
    return classifier_manifest().model_dump(mode="json") | changes


def test_json_round_trip() -> None:
    manifest = classifier_manifest()
    assert Manifest.model_validate_json(manifest.model_dump_json()) == manifest


@pytest.mark.parametrize("name", ["digits", "a", "7", "words-en", "pos.v2", "ner_de", "a" * 64])
def test_good_names(name: str) -> None:
    assert is_model_name(name)
    assert Manifest.model_validate(_document(name=name)).name == name


@pytest.mark.parametrize("name", ["", "Digits", ".hidden", "-x", "a/b", "..", "a b", "digits\n", "é", "a" * 65])
def test_bad_names(name: str) -> None:
    assert not is_model_name(name)
    with pytest.raises(ValidationError, match="name"):
        Manifest.model_validate(_document(name=name))


@pytest.mark.parametrize(
    ("changes", "named"),
    [
        ({"colour": "red"}, "colour"),
        ({"version": 0}, "version"),
        ({"task": "mind-reading"}, "task"),
        ({"graphs": {}}, "graphs"),
        ({"files": {"../model.onnx": "0" * 64}}, "files"),
        ({"files": {".hidden": "0" * 64}}, "files"),
        ({"files": {"model.onnx": "beef"}}, "files"),
        ({"comparison": {"kind": "roughly"}}, "comparison"),
        ({"comparison": {"tolerance": -1}}, "comparison"),
    ],
)
def test_bad_fields_are_named(changes: dict[str, Any], named: str) -> None:
    with pytest.raises(ValidationError, match=named):
        Manifest.model_validate(_document(**changes))


def test_a_graph_file_needs_a_hash() -> None:
    with pytest.raises(ValidationError, match=r"model\.onnx' has no sha256"):
        Manifest.model_validate(_document(files={"samples.json": "0" * 64}))


def test_labels_are_unique() -> None:
    with pytest.raises(ValidationError, match="labels are not unique"):
        Manifest.model_validate(_document(labels=["a", "b", "a"]))


def test_a_datatype_must_be_known() -> None:
    with pytest.raises(ValidationError, match="datatype"):
        TensorSpec.model_validate({"name": "x", "datatype": "FP128", "shape": [-1]})


@pytest.mark.parametrize("datatype", list(Datatype))
def test_every_datatype_is_little_endian_numpy(datatype: Datatype) -> None:
    assert datatype.numpy == np.dtype(object) if datatype is Datatype.BYTES else datatype.numpy.newbyteorder("<")


def _graph(**changes: Any) -> dict[str, Any]:
    return _document()["graphs"]["model"] | changes


ACCELERATED = _graph(
    fallback_operators=["TopK"],
    variants={"accelerator": {"file": "other.onnx", "fallback_operators": ["com.microsoft.MatMulNBits"]}},
)


def test_a_graph_has_a_file_for_each_kind_of_provider() -> None:
    graph = Graph.model_validate(ACCELERATED)
    cpu, accelerator = graph.variant(ProviderKind.CPU), graph.variant(ProviderKind.ACCELERATOR)
    assert (cpu.file, cpu.fallback_operators) == ("model.onnx", ("TopK",))
    assert (accelerator.file, accelerator.fallback_operators) == ("other.onnx", ("com.microsoft.MatMulNBits",))
    assert cpu.inputs == accelerator.inputs == graph.inputs
    assert not accelerator.variants
    assert graph.files == ("model.onnx", "other.onnx")


def test_a_graph_without_variants_is_the_same_for_every_kind() -> None:
    graph = classifier_manifest().graphs["model"]
    assert all(graph.variant(kind) == graph for kind in ProviderKind)


def test_what_a_graph_does_not_need_is_not_written_as_older_releases_would_refuse_it() -> None:
    assert not {"fallback_operators", "variants"} & set(_graph())
    assert Graph.model_validate(ACCELERATED).model_dump(mode="json") == ACCELERATED


@pytest.mark.parametrize(
    ("changes", "named"),
    [
        ({"variants": {"cpu": {"file": "other.onnx"}}}, "'cpu' is no variant"),
        ({"variants": {"accelerator": {"file": "model.onnx"}}}, "'model.onnx' stands there twice"),
        ({"variants": {"abacus": {"file": "other.onnx"}}}, "abacus"),
        ({"variants": {"accelerator": {}}}, "file"),
        ({"fallback_operators": ["Top K"]}, "fallback_operators"),
    ],
)
def test_bad_variants_are_named(changes: dict[str, Any], named: str) -> None:
    with pytest.raises(ValidationError, match=named):
        Graph.model_validate(_graph(**changes))


def test_the_file_of_a_variant_needs_a_hash() -> None:
    files = {"model.onnx": "0" * 64, "samples.json": "0" * 64}
    with pytest.raises(ValidationError, match=r"other\.onnx' has no sha256"):
        Manifest.model_validate(_document(files=files, graphs={"model": ACCELERATED}))
