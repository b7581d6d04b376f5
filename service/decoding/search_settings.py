"""The settings of the search for one sentence."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class SearchSettings:
    """Settings of the search for one sentence.

    Raises:
        ValueError: the beam size is below 1, or `n_best` is not between 1 and the beam size.
    """

    beam_size: int = 5
    """Number of hypotheses; 1 is greedy search."""
    n_best: int = 1
    """Number of translations to return, at most `beam_size`."""
    length_penalty: float = 1.0
    """alpha of eq. 14; 0 favors short translations."""
    coverage_penalty: float = 0.0
    """beta of eq. 14; penalizes source tokens that received little attention."""
    max_length_factor: float = 2.0
    """The longest target is this factor times the source length ..."""
    max_length_extra: int = 10
    """... plus this many tokens."""
    is_recorded: bool = False
    """Whether the best hypothesis brings the record of the search."""

    def __post_init__(self) -> None:
        if self.beam_size < 1:
            raise ValueError(f"beam_size is {self.beam_size}; it must be at least 1")
        if not 1 <= self.n_best <= self.beam_size:
            raise ValueError(f"n_best is {self.n_best}; it must be from 1 to beam_size, {self.beam_size}")

    def max_target_length(self, source_length: int) -> int:
        """Longest target, in tokens, for a source of this many tokens; END is not counted in either."""
        return max(1, int(self.max_length_factor * source_length) + self.max_length_extra)
