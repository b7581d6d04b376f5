"""Word vectors from a training run, from a bundle, or from a file of word2vec, GloVe or fastText."""

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from service.bundle.files import MANIFEST, BundleError, read_bundle
from service.bundle.manifest import Task
from service.runtime.session import Tensors, session_opener
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
from service.tasks.word_vectors.subwords import open_subwords
from training.common.errors import DatasetError
from training.common.run import CONFIG, Run
from training.common.vectors import MATRIX, SubwordVectors, WordVectors, load_vectors, read_vectors

_ROWS_PER_RUN = 16_384


def load_vectors_from(path: Path) -> WordVectors:
    """Load word vectors from wherever they are.

    Args:
        path: a run that trained vectors, a version of a bundle (`models/<name>/<version>`), or a file, whose format is
            recognized by its content.

    Raises:
        DatasetError: it is none of these, or the run has no vectors yet.
        RunError: the run is damaged.
    """
    if (path / CONFIG).exists():
        family = Run(path).family
        if not (path / MATRIX).exists():
            raise DatasetError(
                f"{path}: this run of {family} has no vectors; if it trains word vectors, finish it with: "
                f"lectern-train {family} train --resume {path}"
            )
        return load_vectors(path)
    if (path / MANIFEST).exists():
        return bundle_vectors(path)
    if path.is_dir():
        raise DatasetError(f"{path}: is neither a run nor a version of a bundle; name one, or a file of vectors")
    return read_vectors(path)


def bundle_vectors(path: Path) -> WordVectors:
    """Load the unit vectors that a bundle serves, looked up through its graph.

    Raises:
        DatasetError: the bundle cannot be used, or is of another task.
    """
    try:
        bundle = read_bundle(path)
    except BundleError as error:
        raise DatasetError(str(error)) from error
    if bundle.manifest.task is not Task.WORD_VECTORS:
        raise DatasetError(f"{path}: is a bundle for {bundle.manifest.task.value}, not of word vectors")
    preprocessing = WordVectorsPreprocessing.model_validate(bundle.manifest.preprocessing)
    words = bundle.file(preprocessing.vocabulary).read_bytes().decode().removesuffix("\n").split("\n")
    mapped_tables: Tensors = {
        name: np.load(bundle.file(file), mmap_mode="r")
        for name, file in ((TABLE, preprocessing.table), (SCALES, preprocessing.scales))
        if file is not None
    }
    session = session_opener(("cpu",), 1, False)(bundle, bundle.manifest.graphs["model"])
    matrix = np.empty((len(words), preprocessing.dimensions), np.float32)
    for start in range(0, len(words), _ROWS_PER_RUN):
        ids: NDArray[np.int64] = np.arange(start, min(start + _ROWS_PER_RUN, len(words)))[:, None]
        feeds: Tensors = {
            IDS: ids,
            WEIGHTS: np.ones(ids.shape, np.float32),
            VECTORS: np.zeros((len(ids), preprocessing.dimensions), np.float32),
            K: np.zeros(len(ids), np.int64),
        }
        matrix[start : start + len(ids)] = session.run(feeds | mapped_tables)[EMBEDDINGS]
    subwords = None
    try:
        table = open_subwords(bundle, preprocessing)
    except BundleError as error:
        raise DatasetError(str(error)) from error
    if table is not None:
        dimensions = preprocessing.dimensions
        subwords = SubwordVectors(ngrams=table.ngrams, table=table, dimensions=dimensions, unit=True)
    return WordVectors(words=words, matrix=matrix, subwords=subwords)
