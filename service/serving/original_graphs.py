"""The graphs of a served model as they were exported: what runs are optimized copies, with other nodes."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path

from service.bundle.files import is_unaltered
from service.bundle.manifest import Manifest
from service.bundle.onnx_nodes import GraphNodes, read_nodes
from service.errors import NotReady


def read_original_graphs(models: Path, manifest: Manifest) -> dict[str, GraphNodes]:
    """The nodes of every graph of a version, by the graph's name.

    Args:
        models: the model repository.
        manifest: the version's.

    Raises:
        NotReady: its files in the repository are no longer those that were loaded.
        BundleError: a file cannot be read, or has far too many nodes.
    """
    folder = models / manifest.name / str(manifest.version)
    return {name: _read(folder / graph.file, manifest.files[graph.file]) for name, graph in manifest.graphs.items()}


@lru_cache(maxsize=64)
def _read(path: Path, sha256: str) -> GraphNodes:
    if not is_unaltered(path.parent, {path.name: sha256}):
        name, version = path.parts[-3:-1]
        raise NotReady(f"the files of {name}/{version} were changed or removed since it was loaded; load it again")
    return read_nodes(path)
