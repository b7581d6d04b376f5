"""The manifest refuses what it does not know."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from pydantic import ValidationError

from service.bundle.manifest import Datatype, Manifest, TensorSpec, is_model_name
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
