"""Word vectors: in memory, as a run keeps them, and in the file formats of word2vec, GloVe and fastText.

A file that fits into memory is read with `read_vectors` and written with `write_vectors`; one of any size comes as
blocks of rows from `open_vectors`.
"""

from training.common.vectors.reader import (
    FORMATS,
    READABLE_FORMATS,
    Format,
    ReadableFormat,
    VectorFile,
    open_vectors,
    read_vectors,
)
from training.common.vectors.rows import Block
from training.common.vectors.subword_vectors import BucketMatrix, SubwordVectors
from training.common.vectors.word_vectors import MATRIX, VOCABULARY, WordVectors, load_vectors, save_vectors
from training.common.vectors.writer import write_vectors

__all__ = [
    "FORMATS",
    "MATRIX",
    "READABLE_FORMATS",
    "VOCABULARY",
    "Block",
    "BucketMatrix",
    "Format",
    "ReadableFormat",
    "SubwordVectors",
    "VectorFile",
    "WordVectors",
    "load_vectors",
    "open_vectors",
    "read_vectors",
    "save_vectors",
    "write_vectors",
]
