"""The JSON bodies of /v1/translate."""

from __future__ import annotations

from typing import Annotated

from pydantic import BaseModel, Field, Strict, model_validator
from pydantic.json_schema import SkipJsonSchema

from service.tasks.base import StopAtFirst, TaskBody
from service.tasks.body_fields import NullAs, exactly_one_of
from service.tasks.translation.text.invention import Reason
from service.text import OffsetUnit

StrictInt = Annotated[int, Strict()]


class TranslateBody(TaskBody):
    """The request body: `text` or `texts`, and search settings."""

    model_config = exactly_one_of(("text",), ("texts",))

    source: str | None = Field(
        default=None,
        description=(
            "Language of the texts, for example 'en', or 'auto' to identify it; optional if only one served model "
            "matches."
        ),
    )
    target: str | None = Field(default=None, description="Language to translate into.")
    text: str | None = Field(default=None, description="A text; its sentences are translated one by one.")
    texts: Annotated[list[str], StopAtFirst()] | None = Field(default=None, description="Several texts.")
    beam_size: StrictInt | None = Field(
        default=None,
        json_schema_extra={"minimum": 1},
        description="Hypotheses of each sentence; 1 is greedy. The model has a default.",
    )
    alternatives: Annotated[StrictInt, NullAs(lambda: 0)] = Field(
        default=0,
        json_schema_extra={"minimum": 0},
        description="How many other translations of each text; below the beam size.",
    )
    alignment: Annotated[bool, Strict(), NullAs(lambda: False)] = Field(
        default=False, description="Whether to return the attention weights of each target piece."
    )
    alternative_sentences: Annotated[bool, Strict(), NullAs(lambda: False)] = Field(
        default=False,
        description=(
            "Whether to return, with each of the `alternatives`, the sentence in which it differs. Needs `alignment` "
            "or `beam`."
        ),
    )
    beam: Annotated[bool, Strict(), NullAs(lambda: False)] = Field(
        default=False, description="Whether to return every hypothesis of the search for each sentence."
    )
    offsets: Annotated[OffsetUnit, NullAs(lambda: "unicode")] = Field(
        default="unicode",
        description="The unit of all starts and ends: code points, code units of UTF-16, or bytes of UTF-8.",
    )

    @model_validator(mode="after")
    def _text_or_texts(self) -> TranslateBody:
        if (self.text is None) == (self.texts is None):
            raise ValueError("send one of 'text' and 'texts'")
        return self


class Translation(BaseModel):
    """A translation and its mean log-probability."""

    text: str
    score: float | None = Field(le=0, description="Mean log-probability of a target piece; null without any.")


class BeamHypothesis(BaseModel):
    """A hypothesis after one step of the search."""

    id: int = Field(ge=0, description="Its number in the search of the sentence.")
    parent: int | None = Field(description="The hypothesis of the step before that it extends; null in the first step.")
    piece: str = Field(description="What it is extended by; `</s>` completes it.")
    score: float = Field(le=0, description="The log-probability of all its pieces.")


class BeamStep(BaseModel):
    """The hypotheses after one step: those that go on, best first, then those that are complete."""

    step: int = Field(ge=1)
    hypotheses: list[BeamHypothesis]


class ExaminedSentence(BaseModel):
    """One segment of the text: at most a sentence."""

    source_tokens: list[str] = Field(description="Its pieces, `</s>` at the end; `\u2581` is a space.")
    target_tokens: list[str]
    alignment: list[list[float]] | SkipJsonSchema[None] = Field(
        default=None,
        description="Attention weights of each target piece over the source pieces, which sum to 1. With `alignment`.",
    )
    beam: list[BeamStep] | SkipJsonSchema[None] = Field(
        default=None, description="The first 64 steps of the search. With `beam`."
    )
    best: int | None = Field(
        default=None,
        description="With `beam`: the hypothesis that is the translation; null if it is longer than the steps shown.",
    )


class AlternativeSentence(BaseModel):
    """The segment in which an alternative differs from the translation."""

    index: int = Field(ge=0, description="Which of `sentences` it is another translation of.")
    source_tokens: list[str] = Field(description="The source pieces, as in `sentences`.")
    target_tokens: list[str] = Field(description="The pieces of the alternative.")
    alignment: list[list[float]] | SkipJsonSchema[None] = Field(
        default=None, description="Attention weights of each target piece over the source pieces. With `alignment`."
    )


class Alternative(Translation):
    """Another translation of the whole text; it differs from `text` in one segment."""

    sentence: AlternativeSentence | SkipJsonSchema[None] = Field(
        default=None, description="The segment in which it differs. With `alternative_sentences`."
    )


class Identified(BaseModel):
    """The language of a text."""

    language: str
    confidence: float = Field(ge=0, le=100, description="0 to 100; 0 for a text without letters.")


class KeptPart(BaseModel):
    """A part of a text that came back as it was, because its translation would be invented."""

    start: int = Field(ge=0, description="Its first character in the text as it was sent, in the unit `offsets`.")
    end: int = Field(ge=0, description="The character after it.")
    reason: Reason = Field(
        description=(
            "`no_letters`: numbers, signs, single letters or formulas; `language`: code, or words of another language "
            "or of none; `repeats`: it, or its translation, repeats itself; `too_long`: its translation was over three "
            "times as long; `unattended`: the translation left much of it or all its words out, or moved format "
            "specifiers without numbers (`%s`, `{}`)."
        )
    )


class CopiedPart(BaseModel):
    """A part of the translation that was copied, such as a name or a number, or that stands between sentences."""

    start: int = Field(ge=0, description="Its first character in the translation, in the unit `offsets`.")
    end: int = Field(ge=0, description="The character after it.")


class Translated(Translation):
    """One text's translation."""

    alternatives: list[Alternative] = Field(
        description=(
            "Other translations, best score first. The search also weighs the length when it chooses `text`, so one of "
            "them may have a better score."
        )
    )
    sentences: list[ExaminedSentence] | None = Field(
        default=None, description="What was translated at once; only if `alignment` or `beam` was requested."
    )
    copied: list[CopiedPart] | None = Field(
        default=None,
        description="What of `text` was copied; only if `alignment` or `beam` was requested, and anything was.",
    )
    kept: list[KeptPart] | None = Field(
        default=None, description="What came back as it was; only if there is anything."
    )
    detected: Identified | None = Field(default=None, description="Its language; only if `source` is 'auto'.")
