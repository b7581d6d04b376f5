"""The decoder loop: runs the step graph for all active sentences at once; sentences join and leave between steps.

This is continuous batching. The server's stepper, the predictor on its own, and training (which measures exported
graphs) all drive the same loop. It knows the two graphs only as functions.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Sequence
from itertools import chain
from typing import NamedTuple

import numpy as np

from service.decoding.arrays import reorder
from service.decoding.base import Hypothesis, Search
from service.decoding.batch import Batch
from service.decoding.beam_search import BeamSearch
from service.decoding.graph_io import (
    ATTENTION,
    CANDIDATES,
    END,
    KEYS,
    LENGTHS,
    LOG_PROBS,
    NEXT_STATE,
    PAD,
    SOURCE,
    GraphFunction,
)
from service.decoding.greedy_search import GreedySearch
from service.decoding.search_settings import SearchSettings

OnTicketToken = Callable[[Hashable, int], None]
"""Called in the thread of the loop with the ticket of a sentence and its next token."""


class Finished(NamedTuple):
    """The result of a sentence that left the loop."""

    ticket: Hashable
    hypotheses: list[Hypothesis]
    """Best first; empty if there is an error."""
    error: Exception | None = None
    """The error of this sentence's run, if it failed."""


class _Kind(NamedTuple):
    """What the sentences of one batch have in common."""

    width: int
    """The beam size."""
    greedy: bool
    """Whether `GreedySearch` does; it keeps no record of itself."""


class StepLoop:
    """The decoder loop: decodes sentences step by step. Not thread-safe; in the server a `Stepper` drives it.

    Args:
        encode: runs the encoder graph.
        step: runs the step graph.
    """

    def __init__(self, encode: GraphFunction, step: GraphFunction) -> None:
        self._encode, self._step = encode, step
        self._batches: dict[_Kind, Batch] = {}

    @property
    def active(self) -> int:
        """Number of sentences in the loop."""
        return sum(len(batch) for batch in self._batches.values())

    @property
    def active_hypotheses(self) -> int:
        """Number of hypotheses in the loop, which is what a step costs."""
        return sum(len(batch) * kind.width for kind, batch in self._batches.items())

    @property
    def tickets(self) -> list[Hashable]:
        """The tickets of the sentences in the loop."""
        return list(chain.from_iterable(batch.tickets for batch in self._batches.values()))

    def add(
        self,
        sentences: Sequence[Sequence[int]],
        settings: SearchSettings | Sequence[SearchSettings],
        tickets: Sequence[Hashable],
        wants_attention: bool | Sequence[bool] = False,
    ) -> None:
        """Encode sentences in one run and add them to the loop. If the run raises, none of them is added.

        Args:
            sentences: source tokens of each sentence, without END.
            settings: one for all sentences, or one per sentence; beam sizes may differ.
            tickets: an identifier per sentence; several sentences may share one.
            wants_attention: whether hypotheses are returned with attention weights if the model has attention; for all
                sentences, or per sentence.
        """
        if not sentences:
            return
        each = [settings] * len(sentences) if isinstance(settings, SearchSettings) else list(settings)
        requested = [wants_attention] * len(sentences) if isinstance(wants_attention, bool) else list(wants_attention)
        lengths = np.array([len(sentence) + 1 for sentence in sentences], np.int32)
        source = np.full((len(sentences), int(lengths.max())), PAD, np.int32)
        for row, sentence in zip(source, sentences, strict=True):
            row[: len(sentence) + 1] = [*sentence, END]
        outputs = self._encode({SOURCE: source, LENGTHS: lengths})
        kinds = [_Kind(one.beam_size, one.beam_size == 1 and not one.is_recorded) for one in each]
        batches = []
        for kind in sorted(set(kinds)):
            indices = [index for index, other in enumerate(kinds) if other == kind]
            search: Search = (GreedySearch if kind.greedy else BeamSearch)(
                lengths[indices].tolist(),
                [each[index] for index in indices],
                [requested[index] and KEYS in outputs for index in indices],
                has_attention=KEYS in outputs,
            )
            batches.append(Batch.start(search, [tickets[index] for index in indices], indices, lengths, outputs))
        self._merge(batches)

    def step(self, on_token: OnTicketToken | None = None) -> list[Finished]:
        """Decode one token of every sentence, with one run per beam size; returns the sentences that finished.

        If a run raises, its sentences are run in halves, and so on, so that only those fail that cannot be run: a
        faulty one, or, where memory ran out, one that is too large by itself.

        Args:
            on_token: called with the ticket and each new token of sentences of beam size 1; it must not raise, nor
                call the loop.
        """
        finished: list[Finished] = []
        batches, self._batches = list(self._batches.values()), {}
        for batch in batches:
            try:
                done, remaining = self._advance(batch, on_token)
            except Exception as error:
                done, remaining = self._advance_halves(batch, error, on_token)
            finished += done
            self._merge(remaining)
        return finished

    def drop(self, ticket: Hashable) -> None:
        """Remove a ticket's sentences without a result; unknown tickets are ignored."""
        batches, self._batches = list(self._batches.values()), {}
        for batch in batches:
            kept = [index for index, other in enumerate(batch.tickets) if other != ticket]
            self._merge([batch if len(kept) == len(batch) else batch.select(kept)])

    def _merge(self, batches: Sequence[Batch]) -> None:
        for batch in filter(len, batches):
            kind = _Kind(batch.search.width, isinstance(batch.search, GreedySearch))
            self._batches[kind] = self._batches[kind].join(batch) if kind in self._batches else batch

    def _advance_halves(
        self, batch: Batch, error: Exception, on_token: OnTicketToken | None
    ) -> tuple[list[Finished], list[Batch]]:
        """Advance a batch whose run failed in two runs, and so on down to the sentences that cannot be run."""
        if len(batch) == 1:
            return [Finished(batch.tickets[0], [], error)], []
        finished: list[Finished] = []
        remaining: list[Batch] = []
        half = len(batch) // 2
        for indices in (range(half), range(half, len(batch))):
            part = batch.select(list(indices))
            try:
                done, rest = self._advance(part, on_token)
            except Exception as own_error:
                done, rest = self._advance_halves(part, own_error, on_token)
            finished += done
            remaining += rest
        return finished, remaining

    def _advance(self, batch: Batch, on_token: OnTicketToken | None) -> tuple[list[Finished], list[Batch]]:
        """Run the step once; returns the finished sentences and the batch of the others."""
        outputs = self._step(batch.step_inputs())
        parents, tokens, done = batch.search.advance(outputs[LOG_PROBS], outputs[CANDIDATES], outputs.get(ATTENTION))
        batch.tokens = tokens
        batch.state = reorder(outputs[NEXT_STATE], parents)
        finished = []
        results = {index: batch.search.hypotheses(index) for index in np.nonzero(done)[0].tolist()}
        for index, hypotheses in results.items():
            error = None if hypotheses else ValueError("the graph's log-probabilities are not numbers")
            finished.append(Finished(batch.tickets[index], hypotheses, error))
        if on_token is not None and batch.search.width == 1:
            lengths = batch.search.target_lengths
            for index in range(len(batch)):
                # A sentence that ended with END got no new token in this step.
                if index not in results or [len(one.tokens) for one in results[index]] == [lengths[index]]:
                    on_token(batch.tickets[index], int(tokens[index, 0]))
        if results:
            batch.remove(done)
        return finished, [batch]


def search(
    encode: GraphFunction,
    step: GraphFunction,
    sentences: Sequence[Sequence[int]],
    settings: SearchSettings,
    *,
    wants_attention: bool = False,
    max_hypotheses: int = 160,
) -> list[list[Hypothesis]]:
    """Translate sentences to the end.

    Args:
        encode: runs the encoder graph.
        step: runs the step graph.
        sentences: source tokens of each sentence, without END.
        settings: the settings of all sentences.
        wants_attention: whether hypotheses are returned with attention weights if the model has attention.
        max_hypotheses: largest number of hypotheses in one step.

    Returns:
        The hypotheses of each sentence, best first.

    Raises:
        Exception: whatever the graphs raise.
    """
    loop = StepLoop(encode, step)
    capacity = max(1, max_hypotheses // settings.beam_size)
    waiting = sorted(range(len(sentences)), key=lambda index: len(sentences[index]))
    results: list[list[Hypothesis]] = [[] for _ in sentences]
    while waiting or loop.active:
        free = capacity - loop.active
        if waiting and 4 * free >= capacity:  # the encoder is faster with several sentences than with one
            joining = [waiting.pop() for _ in range(min(free, len(waiting)))]
            loop.add([sentences[index] for index in joining], settings, joining, wants_attention)
        for finished in loop.step():
            if finished.error is not None:
                raise finished.error
            assert isinstance(finished.ticket, int)
            results[finished.ticket] = finished.hypotheses
    return results
