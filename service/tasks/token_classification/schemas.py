"""What the route of taggers reads and answers, as JSON."""

from __future__ import annotations

from typing import Annotated

from pydantic import BaseModel, Field, model_validator

from service.tasks.base import AtFirst, TaskBody

Texts = Annotated[list[str], AtFirst()]


class TagBody(TaskBody):
    """The JSON body of /v1/tag: one of `text`, `texts` and `tokens`."""

    text: str | None = Field(default=None, description="A text; sentences and tokens are found in it.")
    texts: Texts | None = Field(default=None, description="Several texts.")
    tokens: Annotated[list[Texts], AtFirst()] | None = Field(
        default=None, description="The tokens of sentences, one list a sentence: nothing is cut any further."
    )

    @model_validator(mode="after")
    def _one_form(self) -> TagBody:
        if (self.text is not None) + (self.texts is not None) + (self.tokens is not None) != 1:
            raise ValueError("send one of 'text', 'texts' and 'tokens'")
        return self


class Sentence(BaseModel):
    """Where a sentence is, in code points of the text."""

    start: int
    end: int


class Token(BaseModel):
    """A token, its tag and the tag's probability."""

    text: str
    start: int
    end: int
    tag: str = Field(description="Names are tagged in IOB2: B-PER, I-PER, O.")
    score: float = Field(ge=0, le=1)


class Entity(BaseModel):
    """A span of tokens that is a name, and its probability."""

    text: str
    label: str
    start: int
    end: int
    score: float = Field(ge=0, le=1)


class Tagged(BaseModel):
    """One text. Offsets are code points of it; of `tokens` joined by one blank where those were sent."""

    sentences: list[Sentence]
    tokens: list[Token]
    entities: list[Entity] | None = Field(default=None, description="Only of models that find names.")
