"""Bundles with other files or samples than those they were written with."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import orjson

from service.bundle.files import Bundle, read_bundle, write_bundle
from tests.support.classifier_bundles import classifier_graph, write_classifier


def rewrite(bundle: Bundle, files: Mapping[str, bytes], repository: Path | None = None) -> Bundle:
    """The next version of a bundle, with some files replaced and every hash right."""
    old = {name: bundle.file(name).read_bytes() for name in bundle.manifest.files}
    return write_bundle(repository or bundle.path.parent.parent, bundle.manifest, {**old, **files})


def edit_samples(bundle: Bundle, change: Callable[[list[dict[str, Any]]], object]) -> Bundle:
    """The next version of a bundle, with other samples."""
    samples = orjson.loads(bundle.file("samples.json").read_bytes())["samples"]
    change(samples)
    return rewrite(bundle, {"samples.json": orjson.dumps({"samples": samples})})


def write_failing_classifier(repository: Path, name: str = "digits") -> Bundle:
    """A bundle that is whole and answers no sample: the graph fails on every ink."""
    good = read_bundle(write_classifier(repository.parent / f"source-of-{name}", name).path)
    return rewrite(good, {"model.onnx": classifier_graph(fails_above=0.5)}, repository)
