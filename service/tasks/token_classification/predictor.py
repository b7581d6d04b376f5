"""The predictor of taggers: sentences of all requests that wait run together, in groups of like length."""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np
import orjson
from numpy.typing import NDArray
from pydantic import JsonValue

from service.bundle.files import Bundle
from service.errors import ModelFailure
from service.limits import Limits
from service.runtime.session import OpenSession, Tensors
from service.tasks.base import Check, Predictor, SerializedList
from service.tasks.scheduling import RUN, Scheduling, Work
from service.tasks.tensors import TextTensors, object_array
from service.tasks.token_classification.decoding import Tagging, in_unit
from service.tasks.token_classification.explanation import TagExplainer
from service.tasks.token_classification.length_buckets import length_buckets
from service.tasks.token_classification.loading import open_tagger
from service.tasks.token_classification.request import TagRequest
from service.tasks.token_classification.schemas import TagBody
from service.tasks.token_classification.tag_schemes import OUTSIDE

TAGS = "TAGS"
"""The output that the Open Inference Protocol shows: the result of /v1/tag for each text, as JSON."""

SENTENCES = "sentences"
"""Tensor of a request: an object array [N] of sentences, each a list of words."""
EXPLAIN = "explain"
"""Tensor of a request and of its answer: whether a sentence is to be explained, [N] bool; object array [N] of
`ExplainedSentence`. Requests without it have neither."""
TAGGED = "tagged"
"""Tensor of the answer: an object array [N] of `TaggedSentence`."""

_ORDINARY = (("An", "ordinary", "request", "is", "a", "paragraph", "of", "some", "sentences", "like", "this", "."),) * 8


_INLINE_SEGMENTED_CHARACTERS = 100
"""The longest texts that a learned segmenter splits in the event loop: about a millisecond's work."""


_INLINE_EXPLAINED_TOKENS = 200
"""The most tokens whose tags are explained in the event loop."""
_EXPLAINED_TOKENS = 0.2
"""The work of explaining a token, in tokens."""
_REQUEST_TOKENS, _TEXT_TOKENS, _CHARACTER_TOKENS = 20, 1 / 8, 1 / 300
"""The work beside the tokens: a request, a text and a character each take as long as the run of so many tokens. Fitted
to texts of one word, of whitespace, of one long token and of 5,000 tokens."""


class TagScheduling(Scheduling[TagRequest]):
    """A row is a sentence and costs its tokens.

    Args:
        budget: tokens of a run.
        learned_segmentation: whether a network splits the texts.
    """

    def __init__(self, budget: int, *, learned_segmentation: bool = False) -> None:
        super().__init__(budget)
        self._learned_segmentation = learned_segmentation

    def is_slow(self, request: TagRequest) -> bool:
        if self._learned_segmentation and request.text_characters > _INLINE_SEGMENTED_CHARACTERS:
            return True
        return request.is_large or (request.explain and request.estimated_tokens > _INLINE_EXPLAINED_TOKENS)

    def work(self, request: TagRequest) -> Work:
        tokens = request.estimated_tokens
        overhead = _REQUEST_TOKENS + _TEXT_TOKENS * len(request.texts) + _CHARACTER_TOKENS * request.characters
        if request.explain:
            overhead += _EXPLAINED_TOKENS * tokens
        return Work(overhead + tokens, RUN, int(tokens), "tokens", overhead)

    def is_quick(self, tensors: Tensors) -> bool:
        return not len(tensors[SENTENCES])

    def costs(self, tensors: Tensors) -> NDArray[np.int64]:
        return _lengths(tensors[SENTENCES])

    def warm_up(self) -> Tensors:
        return {SENTENCES: object_array(_ORDINARY)}


class TokenClassificationPredictor(Predictor[TagRequest]):
    """A graph whose tensors `.features` describes, perhaps a segmenter; a row is a sentence and costs its tokens."""

    routes: ClassVar = {"/v1/tag": TagBody}
    limit_names = (
        "max_texts",
        "max_text_bytes",
        "max_sentence_tokens",
        "max_total_tokens",
        "max_explained_inputs",
        "max_explained_tokens",
        "max_batch_tokens",
    )

    def __init__(self, bundle: Bundle, open_session: OpenSession, limits: Limits) -> None:
        super().__init__(bundle, open_session, limits)
        parts = open_tagger(bundle, self.sessions)
        self.emissions = parts.emissions
        """Runs the graphs."""
        self._features = parts.features
        self._preprocessing = parts.preprocessing
        self._labels = parts.labels
        self.tensors = TextTensors(TAGS, lambda texts, field: TagRequest(texts, field=field), orjson.dumps)
        self._segment = parts.segment
        self.scheduling = TagScheduling(
            limits.max_batch_tokens, learned_segmentation=parts.preprocessing.segmentation is not None
        )
        self._tagging = Tagging(parts.labels, parts.preprocessing.kind, parts.transitions)
        self._explainer = TagExplainer(parts.labels, parts.preprocessing.kind, parts.transitions)

    @property
    def details(self) -> dict[str, JsonValue]:
        preprocessing = self._preprocessing
        entities = sorted({label[2:] for label in self._labels if label != OUTSIDE})
        return {
            "kind": preprocessing.kind,
            "entities": list[JsonValue](entities) if preprocessing.kind == "spans" else None,
            "tokenizer": preprocessing.tokenizer,
            "words": self._features.rows - 1,
            "characters": self._features.character_count,
            "max_characters": preprocessing.max_characters,
            "crf": preprocessing.transitions is not None,
        }

    def parse(self, body: TagBody) -> TagRequest:
        if body.tokens is not None:
            texts = [" ".join(tokens) for tokens in body.tokens]
            return TagRequest(texts, body.tokens, "tokens[{}]".format, body.offsets, explain=body.explain)
        if body.texts is not None:
            return TagRequest(body.texts, unit=body.offsets, explain=body.explain)
        assert body.text is not None
        return TagRequest([body.text], field=lambda index: "text", unit=body.offsets, explain=body.explain)

    def preprocess(self, request: TagRequest) -> Tensors:
        return self.preprocess_with_checks(request, lambda: None)

    def preprocess_with_checks(self, request: TagRequest, check: Check) -> Tensors:
        sentences = object_array(request.prepare(self.limits, self._segment, check))
        # Sorted by length, so that when a request is split over several runs the sentences of each run have similar
        # lengths.
        request.order = np.argsort(_lengths(sentences), kind="stable")
        tensors = {SENTENCES: sentences[request.order]}
        return tensors | {EXPLAIN: np.ones(len(sentences), np.bool_)} if request.explain else tensors

    def infer(self, tensors: Tensors) -> Tensors:
        """Tag sentences; those of like length run together, and all are decoded at once."""
        sentences = tensors[SENTENCES]
        lengths = _lengths(sentences)
        emissions = np.zeros((len(sentences), int(lengths.max(initial=0)), len(self._labels)), np.float32)
        for bucket in length_buckets(lengths, self.scheduling.budget):
            batch_emissions = self.emissions(sentences[bucket].tolist())
            if not np.isfinite(batch_emissions).all():
                raise ModelFailure("the model's emissions hold NaN or infinity")
            emissions[bucket, : batch_emissions.shape[1]] = batch_emissions
        outputs: Tensors = {TAGGED: object_array(self._tagging.decode(emissions, lengths))}
        if EXPLAIN in tensors:
            outputs[EXPLAIN] = object_array(self._explainer.explain(emissions, lengths))
        return outputs

    def postprocess(self, request: TagRequest, outputs: Tensors) -> dict[str, Any]:
        # Results are serialized here: for large requests that is in the worker thread and not in the event loop.
        tagged = _in_order(request, outputs[TAGGED])
        explained = _in_order(request, outputs[EXPLAIN]) if request.explain else []
        results: list[bytes] = []
        first = 0
        for text, offsets, multiword in zip(request.texts, request.sentences, request.multiword, strict=True):
            after = first + len(offsets)
            result = self._tagging.result(text, offsets, tagged[first:after], multiword)
            if request.explain:
                result[EXPLAIN] = self._explainer.fields(explained[first:after])
            results.append(orjson.dumps(in_unit(result, text, request.unit)))
            first = after
        return {"results": SerializedList(results)}


def _in_order(request: TagRequest, rows: NDArray[np.object_]) -> list[Any]:
    """The rows in the order of the sentences of the request."""
    in_order = np.empty_like(rows)
    in_order[request.order] = rows
    rows_in_order: list[Any] = in_order.tolist()
    return rows_in_order


def _lengths(sentences: NDArray[np.object_]) -> NDArray[np.int64]:
    return np.fromiter(map(len, sentences), np.int64, len(sentences))
