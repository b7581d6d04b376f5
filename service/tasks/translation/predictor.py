"""The predictor of translators: two graphs, an encoder and a step; sentences of all requests are decoded together."""

from __future__ import annotations

from collections.abc import Iterator
from copy import copy
from dataclasses import replace
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray
from pydantic import JsonValue

from service.bundle.files import Bundle
from service.decoding import StepLoop, search
from service.errors import InvalidRequest, ModelFailure
from service.limits import Limits
from service.runtime.session import OpenSession, Tensors
from service.runtime.stepper import HYPOTHESES, JOBS, Job
from service.tasks.base import Predictor
from service.tasks.scheduling import RUN, Scheduling, Work
from service.tasks.tensors import TextTensors, object_array
from service.tasks.translation.language_detection import Profile
from service.tasks.translation.loading import TranslatorParts, open_translator
from service.tasks.translation.request import TranslateRequest
from service.tasks.translation.schemas import TranslateBody
from service.tasks.translation.streaming import TextStream
from service.tasks.translation.subwords import clean
from service.tasks.translation.text import LONG_NUMBERS, AnswerBuilder
from service.text import convert_offsets

TRANSLATION = "TRANSLATION"
"""The output that the Open Inference Protocol shows: each text's translation, by the model's default search."""

_WARM_UP_PIECES = 12

_CHARACTERS_PER_PIECE = 4
"""About the length of a subword of the source."""
_EXTRA_HYPOTHESES, _EXTRA_STEPS = 2, 5
"""The work of a sentence beside its hypotheses and steps: a step costs as much as so many more hypotheses, its encoding
and its ending as so many more steps. Fitted to greedy and beam searches of sentences of 5 to 60 pieces."""

_REQUEST_UNITS, _TEXT_UNITS, _CHARACTER_UNITS = 20, 1, 1 / 16
"""The work beside the sentences: a request, a text and a character each take as long as so many hypotheses in one step.
Fitted to texts of which much, little and nothing is translated."""


class TranslateScheduling(Scheduling[TranslateRequest]):
    """A row is a sentence and costs its hypotheses; sentences of all requests decode together, step by step.

    Args:
        budget: most hypotheses of one step.
        parts: the translator's graphs, vocabularies and search settings.
    """

    decodes_stepwise = True

    def __init__(self, budget: int, parts: TranslatorParts) -> None:
        super().__init__(budget)
        self._parts = parts

    def is_slow(self, request: TranslateRequest) -> bool:
        return request.is_large

    def work(self, request: TranslateRequest) -> Work:
        beam_size = request.beam_size or max(self._parts.preprocessing.beam_size, request.alternatives + 1)
        beam_size = min(beam_size, self.budget)
        characters = sum(map(len, request.texts))
        steps = characters / _CHARACTERS_PER_PIECE + _EXTRA_STEPS * len(request.texts)
        overhead = _REQUEST_UNITS + _TEXT_UNITS * len(request.texts) + _CHARACTER_UNITS * characters
        units = overhead + (beam_size + _EXTRA_HYPOTHESES) * steps
        return Work(units, RUN, characters, "characters", overhead)

    def row_work(self, tensors: Tensors) -> NDArray[np.float64]:
        jobs: list[Job] = tensors[JOBS].tolist()
        return np.array(
            [(job.settings.beam_size + _EXTRA_HYPOTHESES) * (len(job.tokens) + _EXTRA_STEPS) for job in jobs],
            np.float64,
        )

    def is_quick(self, tensors: Tensors) -> bool:
        return not len(tensors[JOBS])

    def warm_up(self) -> Tensors:
        ids = self._parts.source.encode(clean("This is an ordinary sentence with a few words and a full stop."))
        preprocessing = self._parts.preprocessing
        return {JOBS: object_array([Job(ids[:_WARM_UP_PIECES], preprocessing.search(preprocessing.beam_size))])}

    def step_loop(self) -> StepLoop:
        return StepLoop(*self._parts.graphs)


class TranslationPredictor(Predictor[TranslateRequest]):
    """`service.decoding.graph_io` has the graphs' tensors; a row is a sentence, and costs its hypotheses."""

    routes: ClassVar = {"/v1/translate": TranslateBody}
    limit_names = (
        "max_texts",
        "max_characters",
        "max_total_characters",
        "max_explained_inputs",
        "max_explained_tokens",
        "max_beam_size",
        "max_batch_hypotheses",
    )

    def __init__(self, bundle: Bundle, open_session: OpenSession, limits: Limits) -> None:
        super().__init__(bundle, open_session, limits)
        parts = open_translator(bundle, self.sessions)
        self._parts = parts
        self._answers = AnswerBuilder(parts.source, parts.target, parts.guard)
        self.preprocessing = parts.preprocessing
        self.tensors = TextTensors(
            TRANSLATION,
            lambda texts, field: TranslateRequest(texts, field=field),
            lambda result: result["text"].encode(),
        )
        self.scheduling = TranslateScheduling(limits.max_batch_hypotheses, parts)

    @property
    def selectors(self) -> dict[str, str]:
        return {"source": self.preprocessing.source, "target": self.preprocessing.target}

    @property
    def profile(self) -> Profile:
        """Profile of the source language, for language detection."""
        return self._parts.profile

    @property
    def attention(self) -> bool:
        """Whether it has attention, which alignment needs."""
        return self._parts.attention

    @property
    def details(self) -> dict[str, JsonValue]:
        preprocessing = self.preprocessing
        return {
            **self.selectors,
            "source_pieces": self._parts.source.size,
            "target_pieces": self._parts.target.size,
            "attention": self.attention,
            "beam_size": preprocessing.beam_size,
            "length_penalty": preprocessing.length_penalty,
            "coverage_penalty": preprocessing.coverage_penalty,
            "max_source_tokens": preprocessing.max_source_tokens,
        }

    def parse(self, body: TranslateBody) -> TranslateRequest:
        texts = body.texts
        if texts is None:
            assert body.text is not None
            texts = [body.text]
        return TranslateRequest(
            texts,
            beam_size=body.beam_size,
            alternatives=body.alternatives,
            alignment=body.alignment,
            alternative_sentences=body.alternative_sentences,
            beam=body.beam,
            unit=body.offsets,
            field="texts[{}]".format if body.texts is not None else lambda index: "text",
        )

    def preprocess(self, request: TranslateRequest) -> Tensors:
        if request.alignment and not self.attention:
            raise InvalidRequest(f"model {self.manifest.name!r} has no attention; leave it out", "alignment")
        parts = self._parts
        settings = request.prepare(
            self.limits,
            parts.source,
            self.preprocessing,
            attention=parts.attention,
            truecaser=parts.truecaser,
            rare_words=parts.rare_words,
            guard=parts.guard,
        )
        jobs = [
            Job(ids, settings, request.alignment or text.needs_attention(index))
            for text in request.segmented
            for index, ids in enumerate(text.segments)
        ]
        return {JOBS: object_array(jobs)}

    def infer(self, tensors: Tensors) -> Tensors:
        """Translate sentences that all have the same settings."""
        jobs: list[Job] = tensors[JOBS].tolist()
        if not jobs:
            return {HYPOTHESES: object_array([])}
        hypotheses = search(
            *self._parts.graphs,
            [job.tokens for job in jobs],
            jobs[0].settings,
            wants_attention=any(job.wants_attention for job in jobs),
            max_hypotheses=self.scheduling.budget,
        )
        return {HYPOTHESES: object_array(hypotheses)}

    def postprocess(self, request: TranslateRequest, outputs: Tensors) -> dict[str, Any]:
        hypotheses = outputs[HYPOTHESES].tolist()
        results, first = [], 0
        for sent, text in zip(request.texts, request.segmented, strict=True):
            text_hypotheses = hypotheses[first : first + len(text.segments)]
            result = self._answers.build(
                text,
                text_hypotheses,
                alternatives=request.alternatives,
                alignment=request.alignment,
                alternative_sentences=request.alternative_sentences,
                beam=request.beam,
                streamed=request.is_streamed,
            )
            _check_finite(result)
            convert_offsets(sent, request.unit, result.get("kept", ()))
            convert_offsets(result["text"], request.unit, result.get("copied", ()))
            results.append(result)
            first += len(text_hypotheses)
        for result, detected in zip(results, request.detected, strict=False):
            result["detected"] = detected._asdict()
        return {"results": results}

    def replay(self) -> Iterator[str]:
        if self.preprocessing.rare_words or not self._parts.rare_words:
            yield from super().replay()
            return
        # The samples of a bundle from before were answered without placeholders for names and most numbers.
        as_before = copy(self)
        as_before._parts = replace(self._parts, rare_words=LONG_NUMBERS, guard=None)
        as_before._answers = AnswerBuilder(self._parts.source, self._parts.target)
        yield from Predictor.replay(as_before)

    def stream(self, request: TranslateRequest) -> TextStream:
        """The decoder that turns the tokens of a streamed request into text."""
        return TextStream(request, self._parts.target)


def _check_finite(result: dict[str, Any]) -> None:
    """Raise ModelFailure if a number of an answer is NaN or infinity, which JSON does not have."""
    scores = [result["score"], *(alternative["score"] for alternative in result["alternatives"])]
    if not np.isfinite([score for score in scores if score is not None]).all():
        raise ModelFailure("the score of a translation is NaN or infinity")
    others = [alternative["sentence"] for alternative in result["alternatives"] if "sentence" in alternative]
    for sentence in [*(result.get("sentences") or ()), *others]:
        if "alignment" in sentence and not np.isfinite(np.asarray(sentence["alignment"], np.float64)).all():
            raise ModelFailure("the model's attention weights hold NaN or infinity")
