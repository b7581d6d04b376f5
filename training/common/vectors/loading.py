"""Word vectors from wherever they are: a run, a bundle, or a file of word2vec, GloVe or fastText."""

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from service.bundle.files import MANIFEST, BundleError, read_bundle
from service.bundle.manifest import Task
from service.tasks.word_vectors.preprocessing import (
    EMBEDDINGS,
    IDS,
    SCALES,
    TABLE,
    VECTORS,
    WEIGHTS,
    K,
    WordVectorsPreprocessing,
)
from training.common.errors import DatasetError
from training.common.export import open_graph
from training.common.run import CONFIG, Run
from training.common.vectors import MATRIX, WordVectors, load_vectors, read_vectors

_FAMILY = "word2vec"
_BLOCK = 16_384


def open_vectors_of(path: Path) -> WordVectors:
    """The vectors of a run, of a bundle (`models/<name>/<version>`), or of a file whose format its content tells.

    Raises:
        DatasetError: none of these, or its vectors are not there yet.
        RunError: a run of another family.
    """
    if (path / CONFIG).exists():
        Run.open(path, family=_FAMILY)
        if not (path / MATRIX).exists():
            raise DatasetError(
                f"{path}: has no vectors yet; finish the run with: lectern-train word2vec train --resume {path}"
            )
        return load_vectors(path)
    if (path / MANIFEST).exists():
        return bundle_vectors(path)
    if path.is_dir():
        raise DatasetError(f"{path}: is neither a run nor a version of a bundle; name one, or a file of vectors")
    return read_vectors(path)


def bundle_vectors(path: Path) -> WordVectors:
    """The unit vectors that a bundle serves, looked up through its graph."""
    try:
        bundle = read_bundle(path)
    except BundleError as error:
        raise DatasetError(str(error)) from error
    if bundle.manifest.task is not Task.WORD_VECTORS:
        raise DatasetError(f"{path}: is a bundle for {bundle.manifest.task.value}, not of word vectors")
    held = WordVectorsPreprocessing.model_validate(bundle.manifest.preprocessing)
    words = bundle.file(held.vocabulary).read_text(encoding="utf-8").splitlines()
    beside = {
        name: np.load(bundle.file(file), mmap_mode="r")
        for name, file in ((TABLE, held.table), (SCALES, held.scales))
        if file is not None
    }
    session = open_graph(bundle.file(bundle.manifest.graphs["model"].file).read_bytes())
    matrix = np.empty((len(words), held.dimensions), np.float32)
    for start in range(0, len(words), _BLOCK):
        ids: NDArray[np.int64] = np.arange(start, min(start + _BLOCK, len(words)))[:, None]
        none = np.zeros((len(ids), held.dimensions), np.float32)
        feeds = {IDS: ids, WEIGHTS: np.ones(ids.shape, np.float32), VECTORS: none, K: np.zeros(len(ids), np.int64)}
        matrix[start : start + len(ids)] = session.run([EMBEDDINGS], feeds | beside)[0]
    return WordVectors(words=words, matrix=matrix)
