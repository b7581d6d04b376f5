"""The predictor of translators: two graphs, an encoder and a step; sentences of all requests are decoded together."""

from __future__ import annotations

from collections.abc import Callable, Hashable
from typing import Any, ClassVar

import numpy as np
from pydantic import JsonValue

from service.bundle.files import Bundle
from service.bundle.manifest import Datatype, TensorSpec
from service.decoding import StepLoop, search
from service.errors import InvalidRequest, ModelFailure
from service.limits import Limits
from service.runtime.session import OpenSession, Tensors
from service.runtime.stepper import FOUND, JOBS, Job
from service.tasks.base import Predictor, object_array, read_texts
from service.tasks.translation.language_detection import Profile
from service.tasks.translation.loading import open_translator
from service.tasks.translation.request import TranslateRequest
from service.tasks.translation.schemas import TranslateBody
from service.tasks.translation.streaming import TextStream
from service.tasks.translation.subwords import clean
from service.tasks.translation.text import Results

TEXT = "TEXT"
TRANSLATION = "TRANSLATION"
"""The tensors that the Open Inference Protocol shows: a text, and its translation with the model's default search."""

_ORDINARY_LENGTH = 12


class TranslationPredictor(Predictor[TranslateRequest]):
    """`service.decoding.graph_io` has the graphs' tensors; a row is a sentence, and costs its hypotheses."""

    routes: ClassVar = {"/v1/translate": TranslateBody}
    limiting = ("max_texts", "max_characters", "max_total_characters", "max_beam_size", "max_batch_hypotheses")
    steps = True

    def __init__(self, bundle: Bundle, open_session: OpenSession, limits: Limits) -> None:
        super().__init__(bundle, open_session, limits)
        parts = open_translator(bundle, self.sessions)
        self._parts = parts
        self._results = Results(parts.source, parts.target)
        self.preprocessing = parts.preprocessing

    @property
    def source(self) -> str:
        """The language it reads."""
        return self.preprocessing.source

    @property
    def target(self) -> str:
        """The language it writes."""
        return self.preprocessing.target

    @property
    def profile(self) -> Profile:
        """What the language it reads looks like."""
        return self._parts.profile

    @property
    def inputs(self) -> tuple[TensorSpec, ...]:
        return (TensorSpec(name=TEXT, datatype=Datatype.BYTES, shape=(-1, 1)),)

    @property
    def outputs(self) -> tuple[TensorSpec, ...]:
        return (TensorSpec(name=TRANSLATION, datatype=Datatype.BYTES, shape=(-1, 1)),)

    @property
    def budget(self) -> int:
        return self.limits.max_batch_hypotheses

    @property
    def details(self) -> dict[str, JsonValue]:
        preprocessing = self.preprocessing
        return {
            "source": preprocessing.source,
            "target": preprocessing.target,
            "source_pieces": self._parts.source.size,
            "target_pieces": self._parts.target.size,
            "attention": self._parts.attention,
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
            field="texts[{}]".format if body.texts is not None else lambda index: "text",
        )

    def is_heavy(self, request: TranslateRequest) -> bool:
        return request.is_heavy

    def is_quick(self, tensors: Tensors) -> bool:
        return not len(tensors[JOBS])

    def preprocess(self, request: TranslateRequest) -> Tensors:
        if request.alignment and not self._parts.attention:
            raise InvalidRequest(f"model {self.manifest.name!r} has no attention; leave it out", "alignment")
        parts = self._parts
        settings = request.prepare(
            self.limits, parts.source, self.preprocessing, attention=parts.attention, capitals=parts.capitals
        )
        jobs = [
            Job(ids, settings, request.alignment or text.wants_attention(place))
            for text in request.cut
            for place, ids in enumerate(text.segments)
        ]
        return {JOBS: object_array(jobs)}

    def step_loop(self, on_token: Callable[[Hashable, int], None]) -> StepLoop:
        return StepLoop(self._parts.encoder.run, self._parts.step.run, on_token=on_token)

    def infer(self, tensors: Tensors) -> Tensors:
        """Translate sentences that all have the same settings."""
        jobs: list[Job] = tensors[JOBS].tolist()
        if not jobs:
            return {FOUND: object_array([])}
        found = search(
            self._parts.encoder.run,
            self._parts.step.run,
            [job.tokens for job in jobs],
            jobs[0].settings,
            wants_attention=any(job.wants_attention for job in jobs),
            max_hypotheses=self.budget,
        )
        return {FOUND: object_array(found)}

    def postprocess(self, request: TranslateRequest, outputs: Tensors) -> dict[str, Any]:
        found = outputs[FOUND].tolist()
        results, first = [], 0
        for text in request.cut:
            own = found[first : first + len(text.segments)]
            result = self._results.result(text, own, alternatives=request.alternatives, alignment=request.alignment)
            if result["score"] is not None and not np.isfinite(result["score"]):
                raise ModelFailure("the score of a translation is NaN or infinity")
            results.append(result)
            first += len(own)
        return {"results": results}

    def stream(self, request: TranslateRequest) -> TextStream:
        """What turns the tokens of a streamed request into text."""
        return TextStream(request, self._parts.target)

    def warm_up(self) -> Tensors:
        ids = self._parts.source.encode(clean("This is an ordinary sentence with a few words and a full stop."))
        return {
            JOBS: object_array([Job(ids[:_ORDINARY_LENGTH], self.preprocessing.search(self.preprocessing.beam_size))])
        }

    def read_request(self, tensors: Tensors) -> TranslateRequest:
        return TranslateRequest(read_texts(tensors[TEXT], TEXT), field=f"{TEXT}[{{}}]".format)

    def write_results(self, fields: dict[str, Any]) -> Tensors:
        return {TRANSLATION: object_array([result["text"].encode() for result in fields["results"]]).reshape(-1, 1)}
