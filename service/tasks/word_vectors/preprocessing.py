"""Contents of a word vectors bundle: tensor names of its graph, its files, and the parameters of the look-up."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, SerializerFunctionWrapHandler, model_serializer, model_validator

from service.bundle.manifest import FileName
from service.text import CharacterNgrams, Normalizer, Tokenizer

IDS, WEIGHTS, VECTORS, K = "ids", "weights", "vectors", "k"
"""Inputs of the graph: row ids to sum [N, M], their weights [N, M], vectors to add [N, D], number of neighbors [N]."""

TABLE, SCALES = "table", "scales"
"""Inputs for a table outside the graph: the table [rows, D], uint8 (in older bundles int8) or fp16, and its scales FP32
[rows, 1]."""

EMBEDDINGS, SCORES, INDICES = "embeddings", "scores", "indices"
"""Outputs of the graph: unit vectors [N, D]; cosines and row ids of the K nearest [N, K], best first."""


BUCKET_ZERO = 128
"""The code of zero in the vectors of n-grams, which are stored as unsigned bytes like the table."""


class ApproximateIndex(BaseModel):
    """An HNSW index (Malkov and Yashunin 2018) over the table's rows, in usearch's format."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    file: FileName = "index.usearch"
    expansion: Annotated[int, Field(ge=1)] = 128
    """Candidates that a search keeps; more of them improve the recall and take longer."""
    recall: Annotated[float, Field(ge=0, le=1)] | None = None
    """Recall@10 against exact search, measured when the index was built."""


class Subwords(BaseModel):
    """Vectors of hashed character n-grams, of which unknown words are composed (fastText, Bojanowski et al. 2017)."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    min_ngram: Annotated[int, Field(ge=1)]
    """Characters of the shortest n-grams, the `<` and `>` around the word included."""
    max_ngram: Annotated[int, Field(ge=1)]
    """Characters of the longest n-grams."""
    buckets: Annotated[int, Field(ge=1)]
    """Number of buckets: an n-gram belongs to that of its hash modulo this."""
    file: FileName = "buckets.npy"
    """The vectors, uint8 or without factors fp16 [buckets, dimensions], along the axes of the table. Not of unit norm:
    a word is the mean of its n-grams, normalized. Zero where no word of the training has the n-gram."""
    scales: FileName | None = None
    """Factors of the vectors, FP32 [buckets, 1]."""
    columns: FileName | None = None
    """Factors of the dimensions, FP32 [1, dimensions]."""

    @property
    def ngrams(self) -> CharacterNgrams:
        """The n-grams of words."""
        return CharacterNgrams(min_ngram=self.min_ngram, max_ngram=self.max_ngram, buckets=self.buckets)

    @model_validator(mode="after")
    def _check_lengths(self) -> Subwords:
        if self.max_ngram < self.min_ngram:
            raise ValueError(f"max_ngram is {self.max_ngram}, less than min_ngram, {self.min_ngram}")
        return self


class WordVectorsPreprocessing(BaseModel):
    """The manifest's `preprocessing` for word vectors: how words and texts are looked up, and in which files."""

    model_config = ConfigDict(frozen=True, extra="forbid", populate_by_name=True, serialize_by_alias=True)

    dimensions: Annotated[int, Field(ge=1)]
    normalizer: Annotated[Normalizer, Field(alias="normaliser")]
    """How a word is normalized before it is looked up."""
    tokenizer: Tokenizer
    """How a text is split into words to compute its vector."""
    phrases: bool = False
    """Whether the vocabulary has phrases (`new_york`); adjacent words of a text are joined to them."""
    vocabulary: FileName = "vocabulary.txt"
    """One word per line, UTF-8, most frequent first; line i belongs to row i of the table."""
    word_weights: FileName = "weights.npy"
    """Weight of each word in the mean of a text's vectors, FP32 [words]."""
    table: FileName | None = None
    """The table if it is outside the graph: uint8 (in older bundles int8) or fp16 [words, dimensions], rows of unit
    norm."""
    scales: FileName | None = None
    """Factors that scale the rounded rows of a table of bytes to unit norm, FP32 [words, 1]."""
    index: ApproximateIndex | None = None
    subwords: Subwords | None = None
    """The vectors of n-grams, for words that are not in the vocabulary; None where these are unknown."""

    @model_serializer(mode="wrap")
    def _without_empty(self, serialize: SerializerFunctionWrapHandler) -> dict[str, Any]:
        # Releases without this key refuse it; a bundle that does not need it stays readable there.
        fields: dict[str, Any] = serialize(self)
        return {name: value for name, value in fields.items() if value is not None or name != "subwords"}
