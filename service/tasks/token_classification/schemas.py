"""JSON bodies and answers of /v1/tag."""

from __future__ import annotations

from typing import Annotated

from pydantic import BaseModel, Field, Strict, model_validator
from pydantic.json_schema import SkipJsonSchema

from service.tasks.base import StopAtFirst, TaskBody
from service.tasks.body_fields import NullAs, Word, exactly_one_of
from service.text import OffsetUnit

Texts = Annotated[list[str], StopAtFirst()]
Tokens = Annotated[list[Word], StopAtFirst()]


class TagBody(TaskBody):
    """The JSON body of /v1/tag: one of `text`, `texts` and `tokens`."""

    model_config = exactly_one_of(("text",), ("texts",), ("tokens",))

    text: str | None = Field(default=None, description="A text; it is split into sentences and tokens.")
    texts: Texts | None = Field(default=None, description="Several texts.")
    tokens: Annotated[list[Tokens], StopAtFirst()] | None = Field(
        default=None, description="Sentences of tokens, one list per sentence; they are not split any further."
    )
    offsets: Annotated[OffsetUnit, NullAs(lambda: "unicode")] = Field(
        default="unicode",
        description="The unit of all starts and ends: code points, code units of UTF-16, or bytes of UTF-8.",
    )
    explain: Annotated[bool, Strict(), NullAs(lambda: False)] = Field(
        default=False,
        description="Answer with the probability of every tag, the CRF's transitions, and the tags without the CRF.",
    )

    @model_validator(mode="after")
    def _one_form(self) -> TagBody:
        if (self.text is not None) + (self.texts is not None) + (self.tokens is not None) != 1:
            raise ValueError("send one of 'text', 'texts' and 'tokens'")
        return self


class Sentence(BaseModel):
    """A sentence: its start and end in the text."""

    start: int
    end: int


class Token(BaseModel):
    """A token with its tag and the tag's probability."""

    text: str
    start: int
    end: int
    tag: str = Field(description="Names are tagged in IOB2: B-PER, I-PER, O.")
    score: float = Field(ge=0, le=1)


class Entity(BaseModel):
    """A named entity: a span of tokens with its type and probability."""

    text: str
    label: str
    start: int
    end: int
    score: float = Field(ge=0, le=1)


class MultiwordToken(BaseModel):
    """A token that stands for several words, such as French `du` for `de` and `le`."""

    text: str
    start: int
    end: int
    tokens: list[int] = Field(description="Its words, as indices into `tokens`; they share its start and end.")


class TagExplanation(BaseModel):
    """Why the tokens of a text have their tags. Spans are tagged in IOB2 here too, whatever the network has inside."""

    tags: list[str] = Field(description="All tags of the model: the columns of the rest.")
    marginals: list[list[float]] = Field(description="Of each token the probability of each tag under the CRF.")
    transitions: list[list[float | None]] | None = Field(
        description=(
            "The CRF's score of going from one tag (row) to the next (column), null where it never does; null if "
            "there is no CRF. Where several tags of the network stand behind one, it is the best of their scores."
        )
    )
    starts: list[float | None] | None = Field(description="The score of beginning a sentence with each tag.")
    ends: list[float | None] | None = Field(description="The score of ending a sentence with each tag.")
    without_crf: list[str] = Field(description="The tag that each token would have without the CRF.")


class Tagged(BaseModel):
    """The answer for one text. Offsets are into the text, or into the tokens joined by single spaces."""

    sentences: list[Sentence]
    tokens: list[Token]
    entities: list[Entity] | None = Field(default=None, description="Only of models that find names.")
    explain: TagExplanation | SkipJsonSchema[None] = Field(default=None, description="With `explain`.")
    multiword: list[MultiwordToken] | None = Field(
        default=None, description="Only of models whose tokenizer was learned from a treebank; may be empty."
    )
