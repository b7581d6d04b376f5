"""The predictor that every task implements: parse, preprocess, infer, postprocess, without any transport."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Annotated, Any, ClassVar, Generic, TypeVar

import orjson
from pydantic import BaseModel, ConfigDict, FailFast, Field, JsonValue, ValidationError

from service.bundle.comparison import differences
from service.bundle.evaluation import read_evaluation
from service.bundle.files import Bundle, first_line
from service.bundle.manifest import Manifest
from service.bundle.network import load_weights, read_network
from service.errors import InvalidRequest
from service.limits import Limits
from service.runtime.memory import is_out_of_memory
from service.runtime.providers import ProviderReport
from service.runtime.session import OpenSession, Tensors
from service.tasks.scheduling import Scheduling
from service.tasks.tensors import TensorAdapter

RequestT = TypeVar("RequestT")

Check = Callable[[], None]
"""Raises an error if nobody waits for the answer any longer."""

_MAX_NAME = 64
"""Characters of a field's name that an error repeats; a client may send any name."""


class SerializedList(list[orjson.Fragment]):
    """A list of an answer whose items are written as JSON already: in a thread, and each by itself.

    orjson holds the interpreter's lock until it is done, so a large answer that it writes at once stops the event loop.

    Args:
        texts: the items as JSON.
    """

    def __init__(self, texts: Iterable[bytes]) -> None:
        self.texts = list(texts)
        super().__init__(map(orjson.Fragment, self.texts))

    @classmethod
    def of(cls, items: Iterable[Any]) -> SerializedList:
        """Write items, which may hold numpy arrays."""
        return cls(orjson.dumps(item, option=orjson.OPT_SERIALIZE_NUMPY) for item in items)


class StopAtFirst(FailFast):
    """Stop validating a list at its first wrong item, as it may hold millions. pydantic's own class has no hash."""

    __hash__ = object.__hash__


class TaskBody(BaseModel):
    """The fields that the JSON bodies of all task routes share: which model is to answer."""

    model_config = ConfigDict(extra="forbid")

    model: str | None = Field(
        default=None, description="Which model; by default the server's default of the task, or the only one."
    )
    version: Annotated[str, Field(coerce_numbers_to_str=True)] | None = Field(
        default=None,
        description="Which version; by default the one that is served.",
        json_schema_extra={"anyOf": [{"type": "string"}, {"type": "integer"}, {"type": "null"}]},
    )


class Predictor(ABC, Generic[RequestT]):
    """One model at its task: parse, preprocess, infer, postprocess. Stateless between calls and thread-safe.

    A subclass sets `tensors` and `scheduling` when it is made. Neither may refer back to the predictor: a model that is
    unloaded must be freed at once.

    Args:
        bundle: the verified bundle.
        open_session: opens the graphs of the bundle.
        limits: the limits of one request.

    Raises:
        BundleError: the bundle does not fit the task.
    """

    routes: ClassVar[Mapping[str, type[BaseModel]]]
    """The schema of the JSON body of each of the task's routes; a sample that names no route is of the first."""
    limit_names: ClassVar[tuple[str, ...]]
    """The fields of `Limits` that concern the task, besides the batch size."""
    tensors: TensorAdapter[RequestT]
    """The model as the Open Inference Protocol shows it."""
    scheduling: Scheduling[RequestT]
    """The cost of its requests and runs."""

    def __init__(self, bundle: Bundle, open_session: OpenSession, limits: Limits) -> None:
        self.bundle = bundle
        self.manifest: Manifest = bundle.manifest
        self.limits = limits
        self.network = read_network(bundle)
        """The layers of the network, for who looks at it; None where the bundle does not have them."""
        self.weights = load_weights(bundle, self.network) if self.network else {}
        self.evaluation = read_evaluation(bundle)
        """How the model was measured, as far as the bundle has it."""
        self.sessions = {name: open_session(bundle, graph) for name, graph in bundle.manifest.graphs.items()}

    @abstractmethod
    def parse(self, body: Any) -> RequestT:
        """Turn a validated body of one of the `routes` into the request that `preprocess` takes."""

    @abstractmethod
    def preprocess(self, request: RequestT) -> Tensors:
        """Turn a request into tensors; what `postprocess` has to know of their rows stays on the request.

        Raises:
            InvalidRequest: naming the field.
        """

    def preprocess_with_checks(self, request: RequestT, check: Check) -> Tensors:
        """`preprocess` in a thread; what takes long overrides it and calls `check` between its parts."""
        return self.preprocess(request)

    def drop_input(self, request: RequestT) -> None:
        """Take the input, which is in the tensors now, out of a preprocessed request; `postprocess` needs the rest.

        While a request waits, its parsed JSON would take many times the memory of its tensors, and of the processor's
        cache.
        """

    @abstractmethod
    def infer(self, tensors: Tensors) -> Tensors:
        """Run the model on a batch; the first axis of every tensor is the batch."""

    @abstractmethod
    def postprocess(self, request: RequestT, outputs: Tensors) -> dict[str, Any]:
        """Turn outputs into the fields of the answer, `results` above all, ready for JSON (numpy arrays included)."""

    def postprocess_with_checks(self, request: RequestT, outputs: Tensors, check: Check) -> dict[str, Any]:
        """`postprocess` in a thread; what takes long overrides it and calls `check` between its parts."""
        return self.postprocess(request, outputs)

    @property
    def selectors(self) -> Mapping[str, str]:
        """Properties that a request may choose the model by, as `{"source": "en", "target": "de"}`."""
        return {}

    @property
    def details(self) -> dict[str, JsonValue]:
        """The part of the model card that only models of this task have."""
        return {}

    @property
    def reports(self) -> Mapping[str, ProviderReport]:
        """The execution providers of every graph."""
        return {name: session.report for name, session in self.sessions.items()}

    def answer(self, document: Mapping[str, JsonValue], route: str | None = None) -> dict[str, Any]:
        """Answer one JSON body from end to end, without batching; the answer's fields as JSON has them.

        Args:
            document: the body.
            route: one of `routes`; None is the first.

        Raises:
            InvalidRequest: naming the field, or the route that the task does not have.
        """
        body = self.routes.get(route or next(iter(self.routes)))
        if body is None:
            raise InvalidRequest(f"{route!r} is no route of this task; it has {', '.join(self.routes)}", "route")
        try:
            request = self.parse(body.model_validate(document))
        except ValidationError as error:
            raise invalid_body(error) from error
        outputs = self.infer(self.preprocess(request))
        fields = self.postprocess_with_checks(request, outputs, lambda: None)
        answer: dict[str, Any] = orjson.loads(orjson.dumps(fields, option=orjson.OPT_SERIALIZE_NUMPY))
        return answer

    def replay(self) -> Iterator[str]:
        """Answer every sample of the bundle and yield each difference from the stored answers.

        Raises:
            Exception: memory ran out.
        """
        for index, sample in enumerate(self.bundle.samples()):
            try:
                answer = self.answer(sample.request, sample.route)
                results = sample_results(answer)
            except Exception as error:
                if is_out_of_memory(error):  # That says nothing of the answer, and the next sample cannot do better.
                    raise
                # Refused, or the model fails on it: either way the bundle does not do what it promises.
                reason = "refused" if isinstance(error, InvalidRequest) else f"failed with {type(error).__name__}"
                yield f"samples[{index}]: {reason}: {first_line(error)}"
                continue
            yield from differences(sample.results, results, self.manifest.comparison, f"samples[{index}].results")


def sample_results(answer: Mapping[str, Any]) -> JsonValue:
    """The part of an answer that `samples.json` stores: its `results`, on OpenAI's routes its `data`."""
    results: JsonValue = answer.get("results", answer.get("data"))
    return results


def invalid_body(error: ValidationError) -> InvalidRequest:
    """The first error that pydantic found, with the field's path as `texts[3]`."""
    first = error.errors(include_url=False, include_context=False, include_input=False)[0]
    message = first["msg"].removeprefix("Value error, ")
    if first["type"] == "extra_forbidden":
        message = "is not a field of this request"
    return InvalidRequest(message, field_path(first["loc"]) or None)


def field_path(parts: Sequence[str | int]) -> str:
    """Write a location as a path: `("inputs", 0, "shape")` as `inputs[0].shape`."""
    path = ""
    for part in parts:
        if isinstance(part, int):
            path += f"[{part}]"
            continue
        name = part if len(part) <= _MAX_NAME else f"{part[:_MAX_NAME]}…"
        path += f".{name}" if path else name
    return path
