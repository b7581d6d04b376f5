"""The `preprocessing` section of a translator's manifest: languages, files and search defaults."""

from __future__ import annotations

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, StringConstraints

from service.bundle.manifest import FileName
from service.decoding import SearchSettings

Language = Annotated[str, StringConstraints(pattern=r"^[a-z]{2,3}$")]
"""An ISO 639-1 code, or the ISO 639-3 code of a language that has none."""

_Number = Annotated[float, Field(ge=0, le=100, allow_inf_nan=False)]


class TranslationPreprocessing(BaseModel):
    """`preprocessing` of a translator's manifest."""

    model_config = ConfigDict(frozen=True, extra="forbid", populate_by_name=True, serialize_by_alias=True)

    source: Language
    target: Language
    source_pieces: FileName = "pieces.model"
    """SentencePiece model of the source language."""
    target_pieces: FileName = "pieces.model"
    """SentencePiece model of the target language; the same file if the vocabulary is shared."""
    profile: FileName = "language.json"
    """Character n-grams of the source language, see `service.tasks.translation.language_detection`."""
    truecasing: FileName | None = Field(default=None, alias="capitals")
    """Case statistics of the source language, see `service.tasks.translation.text.truecasing`."""
    max_source_tokens: int = Field(ge=2)
    """A longer sentence is split, at a space if possible, into segments of at most this many tokens."""
    length_penalty: _Number = 1.0
    coverage_penalty: _Number = 0.0
    beam_size: int = Field(default=5, ge=1)
    """Of requests that do not set one."""
    max_length_factor: _Number = 2.0
    """The longest target is this factor times the source length ..."""
    max_length_extra: int = Field(default=10, ge=1)
    """... plus this many tokens."""
    uses_placeholders: bool = Field(default=False, alias="copies")
    """Whether the model was trained to translate UNKNOWN to UNKNOWN, so that it can stand for a protected span."""

    rare_words: bool = False
    """Whether the samples were answered with placeholders for numbers, dates and names. Every model that copies is
    served with them; samples of bundles from before are replayed without."""
    names: FileName | None = None
    """What training has learned about names, see `service.tasks.translation.text.names`."""

    def search(self, beam_size: int, n_best: int = 1, *, is_recorded: bool = False) -> SearchSettings:
        """The search settings of one sentence."""
        return SearchSettings(
            beam_size=beam_size,
            n_best=n_best,
            length_penalty=self.length_penalty,
            coverage_penalty=self.coverage_penalty,
            max_length_factor=self.max_length_factor,
            max_length_extra=self.max_length_extra,
            is_recorded=is_recorded,
        )
