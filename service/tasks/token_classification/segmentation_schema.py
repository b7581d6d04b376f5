"""The part of a tagger's manifest that describes its learned segmentation."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, StringConstraints

from service.bundle.manifest import FileName

InnerSpaces = Literal["none", "digits", "any"]
"""The tokens that may hold a space: none, numbers such as `10 000`, or any."""


class SegmentationPreprocessing(BaseModel):
    """How the graph `segmenter` reads text."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    characters: Annotated[str, StringConstraints(min_length=1)]
    """The characters that it knows, each once, in the order of their rows; see `CharacterIds`."""
    contractions: FileName | None = None
    """File of multiword tokens with their words; None if the treebank has none."""
    ambiguous: tuple[str, ...] = ()
    """The contractions, in lower case, that may also be one word: the network decides. All others are always split."""
    inner_spaces: InnerSpaces = "none"
    whole_numbers: bool = False
    """Whether numbers with separators are one token whatever the network says, and the signs beside them another."""
    time_letters: str = ""
    """Letters, in lower case, that are tokens of their own in times of day: `h` if `12h30` is cut into three."""
