"""Requests and answers of LibreTranslate's routes, as JSON."""

from __future__ import annotations

from typing import Annotated

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, RootModel

from service.tasks.body_fields import NullAs


def _check_all_are_texts(value: object) -> object:
    """Raise one error for all items: pydantic would make one for each, and a list may hold millions."""
    items = value if isinstance(value, list) else [value]
    index = next((index for index, item in enumerate(items) if not isinstance(item, str)), None)
    if index is not None:
        raise ValueError(
            "must be a text or a list of texts" + (f"; item {index} is not a text" if items is value else "")
        )
    return value


Texts = Annotated[
    str | list[str], BeforeValidator(_check_all_are_texts), Field(description="One text, or a list of them.")
]


def _check_is_a_count(value: object) -> object:
    """An empty text, which forms send for a field without a value, is not given; true and false are no numbers."""
    if isinstance(value, bool):
        raise ValueError("must be a whole number")
    return None if value == "" else value


def _empty_is_not_given(value: object) -> object:
    return None if value == "" else value


class LibreTranslateBody(BaseModel):
    """The request of /translate. Unknown fields are ignored."""

    model_config = ConfigDict(extra="ignore")

    q: Texts
    source: str = Field(
        json_schema_extra={"minLength": 1}, description="ISO 639-1 code of the language, or `auto` to detect it."
    )
    target: str = Field(
        json_schema_extra={"minLength": 1}, description="ISO 639-1 code of the language to translate to."
    )
    format: Annotated[str, NullAs(lambda: "text"), BeforeValidator(_empty_is_not_given)] = Field(
        default="text", description="`text`, or `html`: then entities are decoded."
    )
    alternatives: Annotated[Annotated[int, Field(ge=0)], NullAs(lambda: 0), BeforeValidator(_check_is_a_count)] = Field(
        default=0, description="Number of alternative translations of each text."
    )
    model: str | None = Field(default=None, description="Lectern's own: the model, if several translate the pair.")
    api_key: str | None = Field(default=None, description="The API key, where the server needs one.")


class DetectBody(BaseModel):
    """The request of /detect. Unknown fields are ignored."""

    model_config = ConfigDict(extra="ignore")

    q: Texts
    api_key: str | None = Field(default=None, description="The API key, where the server needs one.")


class Detection(BaseModel):
    """A language that a text may be in, with its confidence."""

    language: str
    confidence: float
    """0 to 100."""


class LibreTranslateAnswer(BaseModel):
    """The answer of /translate; its fields are lists if `q` is a list."""

    translatedText: str | list[str]  # noqa: N815
    detectedLanguage: Detection | list[Detection] | None = None  # noqa: N815
    """Only if `source` is `auto`."""
    alternatives: list[str] | list[list[str]] | None = None
    """Only if requested."""


class Detections(RootModel[list[Detection]]):
    """The answer of /detect: source languages of the served translators, most likely first."""


class Language(BaseModel):
    """A language that a model translates from or to."""

    code: str
    name: str
    targets: list[str]
    """Codes of the languages that it can be translated to."""


class Languages(RootModel[list[Language]]):
    """The answer of /languages."""
