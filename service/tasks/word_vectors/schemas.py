"""JSON bodies and answers of the word vector routes."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BaseModel, Field, Strict, WithJsonSchema, field_validator, model_validator

from service.tasks.base import StopAtFirst, TaskBody
from service.tasks.body_fields import NullAs, Word, exactly_one_of, nullable

DEFAULT_K = 10
DEFAULT_ANALOGY_K = 5

Words = Annotated[list[Word], StopAtFirst()]
Count = Annotated[int, Field(ge=1), Strict()]
COMPOSED = "The words that are not in the vocabulary, and composed of their n-grams; absent if there are none."
Ignored = Annotated[Any, Field(description="Ignored: other servers' field, which changes nothing here.")]


class SimilarityBody(TaskBody):
    """The JSON body of /v1/similarity."""

    pairs: Annotated[list[tuple[Word, Word]], StopAtFirst()] = Field(description="Pairs of words to compare.")


class NeighborsBody(TaskBody):
    """The JSON body of /v1/neighbors: either `words`, or `vectors`, or `positive` and `negative`."""

    model_config = exactly_one_of(("words",), ("vectors",), ("positive", "negative"))

    words: Words | None = Field(default=None, description="Words to find the nearest neighbors of.")
    # Typed as Any: validating each number with pydantic would cost more than the search.
    vectors: Any = Field(
        default=None,
        description="Vectors to find the nearest words of: as many dimensions as the model, any norm but zero.",
        json_schema_extra=nullable({"type": "array", "items": {"type": "array", "items": {"type": "number"}}}),
    )
    positive: Words | None = Field(default=None, description="Words whose vectors are added.")
    negative: Words | None = Field(default=None, description="Words whose vectors are subtracted.")
    k: Annotated[Count, NullAs(lambda: DEFAULT_K)] = Field(
        default=DEFAULT_K, description="Number of neighbors of each."
    )

    @model_validator(mode="after")
    def _one_form(self) -> NeighborsBody:
        summed = self.positive is not None or self.negative is not None
        if (self.words is not None) + (self.vectors is not None) + summed != 1:
            raise ValueError("send one of 'words', 'vectors', and 'positive' with or without 'negative'")
        if summed and not (self.positive or self.negative):
            raise ValueError("'positive' and 'negative' hold no word; send at least one")
        return self


class AnalogyBody(TaskBody):
    """The JSON body of /v1/analogy: `a` is to `b` as `c` is to the answer."""

    a: Word
    b: Word
    c: Word
    k: Annotated[Count, NullAs(lambda: DEFAULT_ANALOGY_K)] = Field(
        default=DEFAULT_ANALOGY_K, description="Number of answers."
    )


class ProjectionBody(TaskBody):
    """The JSON body of /v1/projection."""

    words: Words = Field(description="Words to project.")
    dimensions: Annotated[Literal[2, 3], NullAs(lambda: 2)] = Field(
        default=2, description="Onto a plane, or into space."
    )


class OddOneOutBody(TaskBody):
    """The JSON body of /v1/odd-one-out."""

    words: Words = Field(
        description="At least three words, one of which does not belong to the others.",
        json_schema_extra={"minItems": 3},
    )


class EmbeddingsBody(TaskBody):
    """The JSON body of /v1/embeddings, in the format of OpenAI's API."""

    # Typed as Any: token ids get an error of their own, and pydantic's for a union would be unclear.
    input: Any = Field(
        description="A text, or several. Token ids are refused: they belong to the tokenizer of another model.",
        json_schema_extra={
            "anyOf": [{"type": "string"}, {"type": "array", "minItems": 1, "items": {"type": "string"}}],
        },
    )
    encoding_format: Annotated[Literal["float", "base64"], NullAs(lambda: "float")] = Field(
        default="float", description="Numbers, or base64 of the little-endian float32 bytes."
    )
    dimensions: Count | None = Field(
        default=None,
        description="Number of leading dimensions to keep; vectors are then scaled to unit norm again.",
    )
    user: str | None = Field(default=None, description="Ignored.")
    stream: Annotated[bool, Strict(), WithJsonSchema({"const": False, "type": "boolean"})] | None = Field(
        default=None, description="Must not be true."
    )
    stream_options: Ignored = None
    metadata: Ignored = None
    store: Ignored = None
    service_tier: Ignored = None
    safety_identifier: Ignored = None
    prompt_cache_key: Ignored = None
    request_id: Ignored = None
    priority: Ignored = None
    timeout: Ignored = None
    input_type: Ignored = None
    strict: Annotated[bool, Strict(), NullAs(lambda: False)] = Field(
        default=False,
        description=(
            "Lectern's own: refuse a text without a known word; otherwise its vector is zero, and `lectern.unknown` of "
            "the answer has its index."
        ),
    )

    @field_validator("stream")
    @classmethod
    def _no_stream(cls, value: bool | None) -> bool | None:
        if value:
            raise ValueError("vectors are not streamed; leave it out")
        return value


class Similarity(BaseModel):
    """Cosine similarity of two words; null if one is unknown."""

    score: float | None = Field(ge=-1, le=1)
    unknown: list[str] | None = Field(default=None, description="The unknown words; absent if all are known.")
    composed: list[str] | None = Field(default=None, description=COMPOSED)


class Neighbor(BaseModel):
    """A word and its cosine similarity to the query."""

    word: str
    score: float = Field(ge=-1, le=1)


class Neighbors(BaseModel):
    """The nearest words, best first; null if the word is unknown."""

    neighbors: list[Neighbor] | None
    unknown: list[str] | None = Field(default=None, description="The unknown words; absent if all are known.")
    composed: list[str] | None = Field(default=None, description=COMPOSED)
    suggestions: list[str] | None = Field(
        default=None, description="Known words spelled like the unknown one, the closest first; absent if it is known."
    )


class Point(BaseModel):
    """Coordinates of a word; null if the word is unknown."""

    word: str
    x: float | None
    y: float | None
    z: float | None = Field(default=None, description="Only with three dimensions.")
    unknown: list[str] | None = Field(default=None, description="The unknown words; absent if all are known.")
    composed: list[str] | None = Field(default=None, description=COMPOSED)


class OddOneOut(BaseModel):
    """Which word does not belong to the others."""

    word: str | None = Field(
        description="The one farthest from the mean; null if fewer than three are known, or they cancel each other out."
    )
    scores: list[float | None] = Field(
        description="Cosine of each word with the mean of the known ones; null of an unknown word."
    )
    unknown: list[str] | None = Field(default=None, description="The unknown words; absent if all are known.")
    composed: list[str] | None = Field(default=None, description=COMPOSED)


class Embedding(BaseModel):
    """The embedding of one input."""

    object: Literal["embedding"]
    index: int
    embedding: list[float] | str


class InputNotes(BaseModel):
    """Lectern's own addition to the answer of /v1/embeddings."""

    unknown: list[int] = Field(description="Indices of the inputs without a known word, whose vectors are zero.")
    composed: list[int] | None = Field(
        default=None,
        description="Indices of the inputs with a word that is not in the vocabulary, and composed of its n-grams; "
        "absent if there are none.",
    )


class Usage(BaseModel):
    """Number of words in the input."""

    prompt_tokens: int
    total_tokens: int
