"""What the routes of word vectors read and answer, as JSON."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BaseModel, Field, Strict, model_validator

from service.tasks.base import TaskBody

DEFAULT_K = 10
DEFAULT_ANALOGY_K = 5

Count = Annotated[int, Field(ge=1), Strict()]


class SimilarityBody(TaskBody):
    """The JSON body of /v1/similarity."""

    pairs: list[tuple[str, str]] = Field(description="Pairs of words to compare.")


class NeighborsBody(TaskBody):
    """The JSON body of /v1/neighbors: either `words`, or `vectors`, or `positive` and `negative`."""

    words: list[str] | None = Field(default=None, description="Words whose nearest neighbours are sought.")
    # Typed as Any: one pydantic value per number would cost more than the search.
    vectors: Any = Field(
        default=None,
        description="Vectors whose nearest words are sought, each as wide as the model's and of any length but zero.",
        json_schema_extra={"type": "array", "items": {"type": "array", "items": {"type": "number"}}},
    )
    positive: list[str] | None = Field(default=None, description="Words whose vectors are added up.")
    negative: list[str] | None = Field(default=None, description="Words whose vectors are taken off.")
    k: Count = Field(default=DEFAULT_K, description="How many neighbours each.")

    @model_validator(mode="after")
    def _one_form(self) -> NeighborsBody:
        summed = self.positive is not None or self.negative is not None
        if (self.words is not None) + (self.vectors is not None) + summed != 1:
            raise ValueError("send one of 'words', 'vectors', and 'positive' with or without 'negative'")
        if summed and not (self.positive or self.negative):
            raise ValueError("'positive' and 'negative' hold no word; send at least one")
        return self


class AnalogyBody(TaskBody):
    """The JSON body of /v1/analogy: `a` is to `b` as `c` is to what is sought."""

    a: str
    b: str
    c: str
    k: Count = Field(default=DEFAULT_ANALOGY_K, description="How many answers.")


class ProjectionBody(TaskBody):
    """The JSON body of /v1/projection."""

    words: list[str] = Field(description="Words to draw in a plane.")


class EmbeddingsBody(TaskBody):
    """The JSON body of /v1/embeddings, OpenAI's."""

    # Typed as Any: the errors of a union of four types would name none of them.
    input: Any = Field(
        description="A text, several texts, the numbers of words in the vocabulary, or several lists of such numbers.",
        json_schema_extra={
            "anyOf": [
                {"type": "string"},
                {"type": "array", "minItems": 1, "items": {"type": "string"}},
                {"type": "array", "minItems": 1, "items": {"type": "integer", "minimum": 0}},
                {"type": "array", "minItems": 1, "items": {"type": "array", "items": {"type": "integer"}}},
            ]
        },
    )
    encoding_format: Literal["float", "base64"] = Field(
        default="float", description="Numbers, or the bytes of little-endian float32 in base64."
    )
    dimensions: Count | None = Field(
        default=None, description="How many of the leading dimensions to keep; the vectors have unit norm again then."
    )
    user: str | None = Field(default=None, description="Ignored.")


class Similarity(BaseModel):
    """The cosine of two words; null where one is not known."""

    score: float | None = Field(ge=-1, le=1)
    unknown: list[str] | None = Field(default=None, description="The words that are not known; only where some are.")


class Neighbor(BaseModel):
    """A word and its cosine to what was asked."""

    word: str
    score: float = Field(ge=-1, le=1)


class Neighbors(BaseModel):
    """The nearest words, best first; null where the word is not known."""

    neighbors: list[Neighbor] | None
    unknown: list[str] | None = Field(default=None, description="The words that are not known; only where some are.")


class Point(BaseModel):
    """A word in the plane; null where it is not known."""

    word: str
    x: float | None
    y: float | None
    unknown: list[str] | None = Field(default=None, description="The words that are not known; only where some are.")


class Embedding(BaseModel):
    """The vector of one input."""

    object: Literal["embedding"]
    index: int
    embedding: list[float] | str


class Usage(BaseModel):
    """The words that were read."""

    prompt_tokens: int
    total_tokens: int
