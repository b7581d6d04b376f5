"""What a bundle of word vectors holds besides its graph: names of files and tensors, and the look-up's parameters."""

from __future__ import annotations

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

from service.bundle.manifest import FileName
from service.text import Normalizer, Tokenizer

IDS, WEIGHTS, VECTORS, K = "ids", "weights", "vectors", "k"
"""Inputs of the graph: rows to add up [N, M], their weights [N, M], vectors to add to them [N, D], neighbours [N]."""

TABLE, SCALES = "table", "scales"
"""Further inputs where the table lies outside the graph: [rows, D] int8 or fp16, and its scales FP32 [rows, 1]."""

EMBEDDINGS, SCORES, INDICES = "embeddings", "scores", "indices"
"""Outputs: unit vectors [N, D]; cosines and rows of the K nearest [N, K], best first."""


class ApproximateIndex(BaseModel):
    """A graph index (HNSW, Malkov and Yashunin 2018) over the table's rows, as usearch writes it."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    file: FileName = "index.usearch"
    expansion: Annotated[int, Field(ge=1)] = 128
    """How many candidates a search keeps: more find more of the true neighbours and take longer."""
    recall: Annotated[float, Field(ge=0, le=1)] | None = None
    """Recall@10 against exact search, measured when the index was built."""


class WordVectorsPreprocessing(BaseModel):
    """`preprocessing` in the manifest of a bundle of word vectors."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    dimensions: Annotated[int, Field(ge=1)]
    normaliser: Normalizer
    """What look-ups do to a word before it is sought."""
    tokenizer: Tokenizer
    """How a text is cut into words where its vector is asked for."""
    phrases: bool = False
    """Whether the vocabulary has phrases (`new_york`), to which neighbouring words of a text are joined."""
    vocabulary: FileName = "vocabulary.txt"
    """One word a line, UTF-8, most frequent first: row i of the table is line i."""
    word_weights: FileName = "weights.npy"
    """FP32 [words]: the weight of each word in the mean that is a text's vector."""
    table: FileName | None = None
    """The table, where it is too large for the graph: int8 or fp16 [words, dimensions], rows of unit norm."""
    scales: FileName | None = None
    """FP32 [words, 1]: what makes the norm of each row 1 after rounding."""
    index: ApproximateIndex | None = None
