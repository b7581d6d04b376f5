"""The reference for beam search: one sentence at a time with a PyTorch network, its bookkeeping in plain lists.

Wu et al. 2016, section 7. It shares neither code nor constants with `service.decoding`, which is held against it.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from service.decoding import Hypothesis, SearchSettings
from training.seq2seq.network.model import Seq2Seq

_BEGIN, _END = 2, 3
_BLOCK_SIZES = range(1, 9)  # tokens of the blocks that must not repeat
_MAX_REPEATS = 3  # of a block in a row


@torch.inference_mode()
def reference_search(network: Seq2Seq, source: Sequence[int], settings: SearchSettings) -> list[Hypothesis]:
    """The hypotheses of one source (token ids without END), best first, with attention if the network has any."""
    search = _Search(settings, len(source) + 1)
    memory = network.encode(torch.tensor([[*source, _END]]), torch.tensor([len(source) + 1]))
    state_1WZ = memory.state.unsqueeze(1)  # noqa: N806
    while search.unfinished:
        tokens = [one.tokens[-1] if one.tokens else _BEGIN for one in search.unfinished]
        log_probs, state_1WZ, attention = network.step(torch.tensor([tokens]), state_1WZ, memory)  # noqa: N806
        best = log_probs[0].topk(min(settings.beam_size + 3, log_probs.shape[2]), dim=1)
        parents = search.advance(
            best.values.tolist(), best.indices.tolist(), None if attention is None else attention[0].numpy()
        )
        state_1WZ = state_1WZ[:, parents]  # noqa: N806
    hypotheses = search.best()
    return hypotheses if network.decoder.attention else [one._replace(attention=None) for one in hypotheses]


@dataclass
class _Unfinished:
    """A hypothesis without END."""

    tokens: list[int]
    total: float
    """Sum of the log-probabilities."""
    attention: list[NDArray[np.float32]]
    """[S] for each token."""


class _Search:
    """The search of one sentence.

    Args:
        settings: of the search.
        length: tokens S of the source, END included.
    """

    def __init__(self, settings: SearchSettings, length: int) -> None:
        self.unfinished = [_Unfinished([], 0.0, [])]
        self._settings, self._length = settings, length
        self._finished: list[tuple[float, Hypothesis]] = []
        """With END, and their scores by eq. 14."""
        self._truncated: list[tuple[float, Hypothesis]] = []
        """Without END, at the greatest length of a target."""

    def best(self) -> list[Hypothesis]:
        """The answers."""
        lists = [
            sorted(scored, key=lambda entry: entry[0], reverse=True) for scored in (self._finished, self._truncated)
        ]
        return [hypothesis for scored in lists for _, hypothesis in scored][: self._settings.n_best]

    def advance(
        self,
        log_probs: Sequence[Sequence[float]],
        tokens: Sequence[Sequence[int]],
        attention: NDArray[np.float32] | None,
    ) -> list[int]:
        """Extend each hypothesis by its candidates and keep the best; returns the parent of each that goes on.

        Args:
            log_probs: of the candidates of each unfinished hypothesis.
            tokens: the candidates.
            attention: [W, S] of the unfinished hypotheses.
        """
        width = self._settings.beam_size
        candidates = [
            (one.total + value, parent, token)
            for parent, one in enumerate(self.unfinished)
            for value, token in zip(log_probs[parent], tokens[parent], strict=True)
            if math.isfinite(value) and not _repeats_itself([*one.tokens, token])
        ]
        candidates.sort(key=lambda candidate: -candidate[0])
        extended: list[tuple[int, _Unfinished]] = []
        for rank, (total, parent, token) in enumerate(candidates):
            before = self.unfinished[parent]
            weights = np.zeros(self._length, np.float32) if attention is None else attention[parent]
            attended = [*before.attention, weights]
            if token != _END and len(extended) < width:
                extended.append((parent, _Unfinished([*before.tokens, token], total, attended)))
            if token == _END and rank < width:
                score = total / self._length_penalty(len(before.tokens) + 1)
                if attention is not None:
                    score += self._coverage_penalty(attended)
                hypothesis = Hypothesis(tuple(before.tokens), total / (len(before.tokens) + 1), np.stack(attended))
                self._finished.append((score, hypothesis))
        if not extended and not self._finished:  # every candidate was refused
            self._truncate()
        self.unfinished = [one for _, one in extended]
        if extended and len(self.unfinished[0].tokens) >= self._settings.max_target_length(self._length - 1):
            self._truncate()
            self.unfinished = []
        if self._is_done():
            self.unfinished = []
        return [parent for parent, _ in extended]

    def _is_done(self) -> bool:
        """Enough are finished, or none of the unfinished can become one of the answers: totals only fall."""
        settings = self._settings
        if not self.unfinished or len(self._finished) >= settings.beam_size:
            return True
        scores = sorted((score for score, _ in self._finished), reverse=True)
        bound = self.unfinished[0].total / self._length_penalty(settings.max_target_length(self._length - 1) + 1)
        return len(scores) >= settings.n_best and scores[settings.n_best - 1] >= bound

    def _truncate(self) -> None:
        """Take the unfinished hypotheses as they are."""
        for one in self.unfinished:
            if one.tokens:
                hypothesis = Hypothesis(tuple(one.tokens), one.total / len(one.tokens), np.stack(one.attention))
                self._truncated.append((one.total / self._length_penalty(len(one.tokens)), hypothesis))

    def _length_penalty(self, tokens: int) -> float:
        """lp(Y) of eq. 14."""
        return float(((5 + tokens) / 6) ** self._settings.length_penalty)

    def _coverage_penalty(self, attention: Sequence[NDArray[np.float32]]) -> float:
        """cp(X; Y) of eq. 14."""
        coverage = np.sum(attention, axis=0, dtype=np.float64)
        return self._settings.coverage_penalty * float(np.log(np.clip(coverage, 1e-6, 1)).sum())


def _repeats_itself(tokens: Sequence[int]) -> bool:
    """Whether they end with a block that stands in a row more often than it may."""
    for size in _BLOCK_SIZES:
        tail = tokens[-size * (_MAX_REPEATS + 1) :]
        if len(tail) == size * (_MAX_REPEATS + 1) and tail[size:] == tail[:-size]:
            return True
    return False
