"""What a translator's manifest says of its languages, its files and its search."""

from __future__ import annotations

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, StringConstraints

from service.bundle.manifest import FileName
from service.decoding import SearchSettings

Language = Annotated[str, StringConstraints(pattern=r"^[a-z]{2,3}$")]
"""An ISO 639-1 code; of a language without one that of ISO 639-3."""

_Number = Annotated[float, Field(ge=0, le=100, allow_inf_nan=False)]


class TranslationPreprocessing(BaseModel):
    """`preprocessing` of a translator's manifest."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    source: Language
    target: Language
    source_pieces: FileName = "pieces.model"
    """The SentencePiece model of the source."""
    target_pieces: FileName = "pieces.model"
    """That of the target; the same file where the vocabulary is joint."""
    profile: FileName = "language.json"
    """What the source language looks like, see `service.tasks.translation.language_detection`."""
    capitals: FileName | None = None
    """Words of the source that are capitalized only at the start of a sentence, see `.text.truecasing`."""
    max_source_tokens: int = Field(ge=2)
    """A longer sentence is cut, at blanks where it can be, into parts of at most so many ids."""
    length_penalty: _Number = 1.0
    coverage_penalty: _Number = 0.0
    beam_size: int = Field(default=5, ge=1)
    """Of requests that name none."""
    max_length_factor: _Number = 2.0
    """A target has at most so many times the ids of its source …"""
    max_length_extra: int = Field(default=10, ge=1)
    """… and so many more."""
    copies: bool = False
    """Whether the model was taught to write UNKNOWN for what its source has an UNKNOWN for, which is then copied."""

    def search(self, beam_size: int, n_best: int = 1) -> SearchSettings:
        """How a sentence is searched for."""
        return SearchSettings(
            beam_size=beam_size,
            n_best=n_best,
            length_penalty=self.length_penalty,
            coverage_penalty=self.coverage_penalty,
            max_length_factor=self.max_length_factor,
            max_length_extra=self.max_length_extra,
        )
