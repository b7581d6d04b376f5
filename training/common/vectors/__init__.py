"""Word vectors: in memory, as a run keeps them, and in the file formats of word2vec, GloVe and fastText.

A file that fits into memory is read with `read_vectors` and written with `write_vectors`; one of any size comes as
blocks of rows from `open_vectors`.
"""

from training.common.vectors.word_vectors import MATRIX, VOCABULARY, WordVectors, load_vectors, save_vectors

__all__ = ["MATRIX", "VOCABULARY", "WordVectors", "load_vectors", "save_vectors"]
