"""The step loop of models that decode: every sentence one piece further, in one run; who is finished leaves.

Continuous batching: sentences join between steps, whatever the others have come to. Driven by the server's stepper, by
a predictor alone, and by training where it measures an exported graph. Knows the graphs as two functions only.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Sequence
from itertools import chain
from typing import NamedTuple

import numpy as np

from service.decoding.batch import Group
from service.decoding.beam_search import BeamSearch, Hypothesis, SearchSettings
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
    Run,
)

OnToken = Callable[[Hashable, int], None]


class Finished(NamedTuple):
    """A sentence that left the loop."""

    ticket: Hashable
    hypotheses: list[Hypothesis]
    """Best first; empty with an error."""
    error: Exception | None = None
    """Why it has no answer: what the run raised for this sentence alone."""


class StepLoop:
    """The sentences being translated. Not for several threads at once, nor for what `on_token` calls.

    Args:
        encode: the encoder.
        step: the step.
        on_token: called with the ticket and each piece, as it comes, of sentences of beam size 1; it must not raise.
    """

    def __init__(self, encode: Run, step: Run, *, on_token: OnToken | None = None) -> None:
        self._encode, self._step, self._on_token = encode, step, on_token
        self._groups: dict[int, Group] = {}

    @property
    def active(self) -> int:
        """Sentences in the loop."""
        return sum(len(group) for group in self._groups.values())

    @property
    def rows(self) -> int:
        """Hypotheses in the loop: what a step costs."""
        return sum(len(group) * width for width, group in self._groups.items())

    @property
    def tickets(self) -> list[Hashable]:
        """Whose sentences are in the loop."""
        return list(chain.from_iterable(group.tickets for group in self._groups.values()))

    def add(
        self,
        sentences: Sequence[Sequence[int]],
        settings: SearchSettings | Sequence[SearchSettings],
        tickets: Sequence[Hashable],
        wants_attention: bool | Sequence[bool] = False,
    ) -> None:
        """Encode sentences in one run and take them in; where that raises, none is in.

        Args:
            sentences: the pieces of each, without END.
            settings: of all of them, or of each; beam sizes may differ.
            tickets: by which each is known; a ticket may stand for several sentences.
            wants_attention: whether hypotheses come with attention, where the model has any; of all, or of each.
        """
        if not sentences:
            return
        each = [settings] * len(sentences) if isinstance(settings, SearchSettings) else list(settings)
        wanted = [wants_attention] * len(sentences) if isinstance(wants_attention, bool) else list(wants_attention)
        lengths = np.array([len(sentence) + 1 for sentence in sentences], np.int32)
        source = np.full((len(sentences), int(lengths.max())), PAD, np.int32)
        for row, sentence in zip(source, sentences, strict=True):
            row[: len(sentence) + 1] = [*sentence, END]
        outputs = self._encode({SOURCE: source, LENGTHS: lengths})
        widths = [one.beam_size for one in each]
        groups = []
        for width in sorted(set(widths)):
            places = [place for place, other in enumerate(widths) if other == width]
            search = BeamSearch(
                lengths[places].tolist(),
                [each[place] for place in places],
                [wanted[place] and KEYS in outputs for place in places],
            )
            groups.append(Group.fresh(search, [tickets[place] for place in places], places, lengths, outputs))
        self._put_back(groups)

    def step(self) -> list[Finished]:
        """One piece further for every sentence, a run for each beam size there is; returns who is finished.

        Where a run raises, its sentences are run one by one, so that only those leave that cannot be run.
        """
        finished: list[Finished] = []
        groups, self._groups = list(self._groups.values()), {}
        for group in groups:
            try:
                left, stay = self._advance(group)
            except Exception as error:
                left, stay = self._one_by_one(group, error)
            finished += left
            self._put_back(stay)
        return finished

    def drop(self, ticket: Hashable) -> None:
        """Leave out a ticket's sentences; one that is not there is nothing to do."""
        groups, self._groups = list(self._groups.values()), {}
        for group in groups:
            kept = [place for place, other in enumerate(group.tickets) if other != ticket]
            self._put_back([group if len(kept) == len(group) else group.select(kept)])

    def _put_back(self, groups: Sequence[Group]) -> None:
        for group in filter(len, groups):
            width = group.search.width
            self._groups[width] = self._groups[width].join(group) if width in self._groups else group

    def _one_by_one(self, group: Group, error: Exception) -> tuple[list[Finished], list[Group]]:
        if len(group) == 1:
            return [Finished(group.tickets[0], [], error)], []
        finished: list[Finished] = []
        staying: list[Group] = []
        for place in range(len(group)):
            alone = group.select([place])
            try:
                left, stay = self._advance(alone)
            except Exception as its_own:
                left, stay = [Finished(alone.tickets[0], [], its_own)], []
            finished += left
            staying += stay
        return finished, staying

    def _advance(self, group: Group) -> tuple[list[Finished], list[Group]]:
        """One run: who leaves, and the others."""
        outputs = self._step(group.feeds())
        parents, tokens, done = group.search.advance(outputs[LOG_PROBS], outputs[CANDIDATES], outputs.get(ATTENTION))
        group.tokens = tokens
        group.state = outputs[NEXT_STATE][np.arange(len(group))[:, None], parents]
        finished = []
        leaving = {place: group.search.hypotheses(place) for place in np.nonzero(done)[0].tolist()}
        for place, hypotheses in leaving.items():
            error = None if hypotheses else ValueError("the graph's log-probabilities are not numbers")
            finished.append(Finished(group.tickets[place], hypotheses, error))
        if self._on_token is not None and group.search.width == 1:
            for place in range(len(group)):
                # A sentence that ended took no piece in this step.
                if place not in leaving or [len(one.tokens) for one in leaving[place]] == [group.search.made[place]]:
                    self._on_token(group.tickets[place], int(tokens[place, 0]))
        if leaving:
            group.leave(done)
        return finished, [group]


def search(
    encode: Run,
    step: Run,
    sentences: Sequence[Sequence[int]],
    settings: SearchSettings,
    *,
    wants_attention: bool = False,
    rows: int = 160,
) -> list[list[Hypothesis]]:
    """The hypotheses of each sentence (pieces without END), at most `rows` of them in a step.

    Raises:
        Exception: what the graphs raise.
    """
    loop = StepLoop(encode, step)
    room = max(1, rows // settings.beam_size)
    waiting = sorted(range(len(sentences)), key=lambda place: len(sentences[place]))
    found: list[list[Hypothesis]] = [[] for _ in sentences]
    while waiting or loop.active:
        free = room - loop.active
        if waiting and 4 * free >= room:  # some at a time: the encoder is quicker with them than one by one
            chosen = [waiting.pop() for _ in range(min(free, len(waiting)))]
            loop.add([sentences[place] for place in chosen], settings, chosen, wants_attention)
        for finished in loop.step():
            if finished.error is not None:
                raise finished.error
            assert isinstance(finished.ticket, int)
            found[finished.ticket] = finished.hypotheses
    return found
