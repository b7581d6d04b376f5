"""What greedy and beam search have in common: how they are started and asked, and what they answer."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import NamedTuple, Self

import numpy as np
from numpy.typing import NDArray

from service.decoding.repetition import RepetitionGuard
from service.decoding.search_record import SearchRecord
from service.decoding.search_settings import SearchSettings


class Hypothesis(NamedTuple):
    """A translation as target tokens."""

    tokens: tuple[int, ...]
    """T target tokens, without END."""
    score: float
    """Mean log-probability per token, END included."""
    attention: NDArray[np.float32] | None
    """[T + 1, S]: attention weights of each token and of END; [T, S] if the target was truncated at its longest."""
    coverage: NDArray[np.float32] | None = None
    """[S]: the attention that each source token and END received in all; None if the model has no attention."""
    record: SearchRecord | None = None
    """The whole search, of the best hypothesis if that was asked for."""
    has_end: bool = True
    """Whether END follows the tokens; otherwise it was truncated at the longest target."""


class SearchStep(NamedTuple):
    """The hypotheses after one step of N sentences with W hypotheses each."""

    parents: NDArray[np.int64]
    """[N, W]: index of the previous hypothesis that each one extends."""
    tokens: NDArray[np.int32]
    """[N, W]: the token it is extended by."""
    done: NDArray[np.bool_]
    """[N]: whether the search of the sentence is over."""


class Search(ABC):
    """A search of N sentences with `width` hypotheses each.

    Args:
        lengths: N source lengths, END included.
        settings: one per sentence, all with the same beam size.
        wants_attention: per sentence, whether its hypotheses are returned with attention weights; default: none.
        has_attention: whether the model has attention, whose sum for each source token is kept.
    """

    def __init__(
        self,
        lengths: Sequence[int],
        settings: Sequence[SearchSettings],
        wants_attention: Sequence[bool] | None = None,
        *,
        has_attention: bool = True,
    ) -> None:
        self.width = settings[0].beam_size
        self._repetition = RepetitionGuard.start(len(lengths), self.width)
        max_lengths = [one.max_target_length(length - 1) for one, length in zip(settings, lengths, strict=True)]
        self._start(
            np.array(lengths),
            settings,
            wants_attention or [False] * len(lengths),
            np.array(max_lengths, np.int64),
            max(lengths) if has_attention else 0,
        )

    @abstractmethod
    def _start(
        self,
        lengths: NDArray[np.int64],
        settings: Sequence[SearchSettings],
        wants_attention: Sequence[bool],
        max_lengths: NDArray[np.int64],
        attended: int,
    ) -> None:
        """Set the state before the first token.

        Args:
            lengths: source lengths [N], END included.
            settings: one per sentence.
            wants_attention: one per sentence.
            max_lengths: longest targets [N], END not counted.
            attended: the longest source, or 0 without attention.
        """

    @abstractmethod
    def __len__(self) -> int:
        """The number of sentences."""

    @property
    @abstractmethod
    def target_lengths(self) -> NDArray[np.int64]:
        """[N]: target tokens of each sentence so far."""

    def select(self, indices: NDArray[np.int64]) -> Self:
        """The search of the sentences at these indices."""
        selected = type(self).__new__(type(self))
        selected.width, selected._repetition = self.width, self._repetition.select(indices)
        return selected

    def join(self, other: Self) -> Self:
        """The search of these sentences followed by the other's, which has the same width."""
        joined = type(self).__new__(type(self))
        joined.width, joined._repetition = self.width, self._repetition.join(other._repetition)
        return joined

    @abstractmethod
    def advance(
        self,
        log_probs_NWk: NDArray[np.float32],  # noqa: N803
        candidates_NWk: NDArray[np.int32],  # noqa: N803
        attention_NWS: NDArray[np.float32] | None = None,  # noqa: N803
    ) -> SearchStep:
        """Extend every sentence by one token.

        Args:
            log_probs_NWk: of the k best next tokens of each hypothesis; k is `width` + `SPARE_CANDIDATES`, or the size
                of the vocabulary if that is smaller.
            candidates_NWk: ids of those tokens.
            attention_NWS: attention weights of this step, if the model has attention.
        """

    @abstractmethod
    def hypotheses(self, index: int) -> list[Hypothesis]:
        """The n best hypotheses of one sentence, best first; empty if the graph returned no finite number."""

    def _total_log_probs(
        self, before: NDArray[np.float64], log_probs: NDArray[np.float32], candidates: NDArray[np.int32]
    ) -> NDArray[np.float64]:
        """[N, W, k]: of the hypotheses [N, W] and a candidate each; -inf for NaN and what would only repeat itself."""
        totals: NDArray[np.float64] = before[:, :, None] + log_probs
        totals[np.isnan(totals)] = -np.inf
        blocked = self._repetition.blocked(candidates)
        if blocked is not None:
            totals[blocked] = -np.inf
        return totals
