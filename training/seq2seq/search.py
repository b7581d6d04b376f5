"""Beam search in PyTorch, hypotheses chosen sentence by sentence: what `service.decoding` must equal.

Wu et al. 2016, section 7, as there; the network's steps are batched, the bookkeeping is plain lists.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from service.decoding import Hypothesis, SearchSettings
from service.tasks.translation.subwords import BEGIN, END
from training.seq2seq.data.batches import source_tensors
from training.seq2seq.network.model import Memory, Seq2Seq
from training.seq2seq.translator import Translator

_ROWS = 320  # hypotheses in a step
_BLOCKS = range(1, 9)  # pieces of what must not repeat itself
_IN_A_ROW = 3  # how often it may stand


def translate(translator: Translator, sentences: Sequence[str], settings: SearchSettings) -> list[list[Hypothesis]]:
    """The hypotheses of each sentence, best first, with attention where the network has any."""
    sources = [translator.encode(sentence) for sentence in sentences]
    return search(translator.network, sources, settings, translator.device)


@torch.inference_mode()
def search(
    network: Seq2Seq, sources: Sequence[Sequence[int]], settings: SearchSettings, device: torch.device
) -> list[list[Hypothesis]]:
    """The hypotheses of each source (pieces without END), best first; those of like length are searched together."""
    found: list[list[Hypothesis]] = [[] for _ in sources]
    order = sorted(range(len(sources)), key=lambda place: len(sources[place]))
    size = max(1, _ROWS // settings.beam_size)
    for start in range(0, len(order), size):
        places = order[start : start + size]
        for place, best in zip(
            places, _one_batch(network, [sources[place] for place in places], settings, device), strict=True
        ):
            found[place] = best
    return found


@dataclass
class _Partial:
    """A hypothesis that is not finished."""

    tokens: list[int]
    total: float
    coverage: NDArray[np.float64]
    """[S]: attention so far."""
    attention: list[NDArray[np.float32]]


@dataclass
class _Sentence:
    """What is known of one sentence's search."""

    settings: SearchSettings
    length: int
    """Of the source, END included."""
    partial: list[_Partial]
    finished: list[tuple[float, Hypothesis]] = field(default_factory=list)
    """With END, by eq. 14."""
    cut: list[tuple[float, Hypothesis]] = field(default_factory=list)
    """At the longest that a target may be."""

    def best(self) -> list[Hypothesis]:
        both = [sorted(some, key=lambda one: one[0], reverse=True) for some in (self.finished, self.cut)]
        return [hypothesis for some in both for _, hypothesis in some][: self.settings.n_best]

    def advance(
        self, log_probs: Sequence[Sequence[float]], tokens: Sequence[Sequence[int]], seen: NDArray[np.float32] | None
    ) -> list[int]:
        """One piece further, by the candidates of each row; returns which row each hypothesis goes on from."""
        settings, width = self.settings, self.settings.beam_size
        offered = [
            (one.total + value, row, token)
            for row, one in enumerate(self.partial)
            for value, token in zip(log_probs[row], tokens[row], strict=True)
            if math.isfinite(value) and not _repeats([*one.tokens, token])
        ]
        offered.sort(key=lambda one: -one[0])
        going: list[tuple[int, _Partial]] = []
        for rank, (total, row, token) in enumerate(offered):
            before = self.partial[row]
            weights = np.zeros(self.length, np.float32) if seen is None else seen[row, : self.length]
            coverage, attention = before.coverage + weights, [*before.attention, weights]
            if token != END and len(going) < width:
                going.append((row, _Partial([*before.tokens, token], total, coverage, attention)))
            if token == END and rank < width:
                value = total / self._normaliser(len(before.tokens) + 1)
                if seen is not None:
                    value += settings.coverage_penalty * float(np.log(np.clip(coverage, 1e-6, 1)).sum())
                self.finished.append((value, self._hypothesis(before.tokens, total, len(before.tokens) + 1, attention)))
        if not going and not self.finished:  # every candidate was refused
            self._cut_here()
        self.partial = [one for _, one in going]
        if going and len(self.partial[0].tokens) >= settings.max_target_length(self.length - 1):
            self._cut_here()
            self.partial = []
        if self._is_done():
            self.partial = []
        return [row for row, _ in going]

    def _is_done(self) -> bool:
        """Enough are finished, or none can come to be among the answers: totals only fall."""
        if not self.partial or len(self.finished) >= self.settings.beam_size:
            return True
        values = sorted((value for value, _ in self.finished), reverse=True)
        hope = self.partial[0].total / self._normaliser(self.settings.max_target_length(self.length - 1) + 1)
        return len(values) >= self.settings.n_best and values[self.settings.n_best - 1] >= hope

    def _cut_here(self) -> None:
        for one in self.partial:
            if one.tokens:
                hypothesis = self._hypothesis(one.tokens, one.total, len(one.tokens), one.attention)
                self.cut.append((one.total / self._normaliser(len(one.tokens)), hypothesis))

    def _normaliser(self, pieces: int) -> float:
        """lp(Y) of eq. 14."""
        return float(((5 + pieces) / 6) ** self.settings.length_penalty)

    def _hypothesis(
        self, tokens: list[int], total: float, pieces: int, attention: list[NDArray[np.float32]]
    ) -> Hypothesis:
        return Hypothesis(tuple(tokens), total / pieces, np.stack(attention))


def _repeats(tokens: list[int]) -> bool:
    """Whether they end with a block that stands four times in a row."""
    for size in _BLOCKS:
        length = size * (_IN_A_ROW + 1)
        end = tokens[-length:]
        if len(end) == length and all(end[place] == end[place - size] for place in range(size, length)):
            return True
    return False


def _one_batch(
    network: Seq2Seq, sources: Sequence[Sequence[int]], settings: SearchSettings, device: torch.device
) -> list[list[Hypothesis]]:
    source, lengths = source_tensors(sources, device)
    memory = network.encode(source, lengths)
    width = settings.beam_size
    state = memory.state.unsqueeze(1).repeat(1, width, 1)
    sentences = [
        _Sentence(settings, len(source) + 1, [_Partial([], 0.0, np.zeros(len(source) + 1), [])]) for source in sources
    ]
    active = list(range(len(sources)))
    while active:
        tokens = torch.full((len(active), width), BEGIN, device=device)
        for row, place in enumerate(active):
            for column, one in enumerate(sentences[place].partial):
                if one.tokens:
                    tokens[row, column] = one.tokens[-1]
        scores, state, seen = network.step(tokens, state, memory)
        best = scores.topk(min(width + 3, scores.shape[2]), dim=2)
        values, pieces = best.values.tolist(), best.indices.tolist()
        weights = None if seen is None else seen.float().cpu().numpy()
        parents = torch.arange(width).repeat(len(active), 1)
        for row, place in enumerate(active):
            rows = sentences[place].advance(values[row], pieces[row], None if weights is None else weights[row])
            parents[row, : len(rows)] = torch.tensor(rows, dtype=torch.int64)
        state = state.gather(1, parents.to(device).unsqueeze(2).expand_as(state))
        staying = [row for row, place in enumerate(active) if sentences[place].partial]
        if len(staying) < len(active):
            chosen = torch.tensor(staying, dtype=torch.int64, device=device)
            state, memory = state[chosen], _only(memory, chosen)
            active = [active[row] for row in staying]
    if network.decoder.attention is None:
        return [[one._replace(attention=None) for one in sentence.best()] for sentence in sentences]
    return [sentence.best() for sentence in sentences]


def _only(memory: Memory, chosen: Tensor) -> Memory:
    """Of some of the sources."""
    keys = None if memory.keys is None else memory.keys[chosen]
    return Memory(values=memory.values[chosen], keys=keys, mask=memory.mask[chosen], state=memory.state[chosen])
