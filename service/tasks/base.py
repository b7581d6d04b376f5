"""What every task's predictor is: preprocess, infer, postprocess, without any transport."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Hashable, Iterator, Mapping, Sequence
from typing import Annotated, Any, ClassVar, Generic, TypeVar

import numpy as np
import orjson
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, FailFast, Field, JsonValue, ValidationError

from service.bundle.comparison import differences
from service.bundle.files import Bundle
from service.bundle.manifest import Manifest, TensorSpec
from service.decoding import StepLoop
from service.errors import InvalidRequest
from service.limits import Limits
from service.runtime.providers import ProviderReport
from service.runtime.session import OpenSession, Tensors

RequestT = TypeVar("RequestT")


class AtFirst(FailFast):
    """Stop at the first wrong item: a body may hold millions, and one is told. pydantic's own has no hash."""

    __hash__ = object.__hash__


class TaskBody(BaseModel):
    """What the JSON bodies of all task routes have: who is to answer."""

    model_config = ConfigDict(extra="forbid")

    model: str | None = Field(default=None, description="Which model; may be left out where only one serves the task.")
    version: Annotated[str, Field(coerce_numbers_to_str=True)] | None = Field(
        default=None,
        description="Which version; the newest where left out.",
        json_schema_extra={"anyOf": [{"type": "string"}, {"type": "integer"}, {"type": "null"}]},
    )


class Predictor(ABC, Generic[RequestT]):
    """One model at its task. Stateless between calls and safe to call from several threads.

    Args:
        bundle: the verified bundle.
        open_session: opens its graphs.
        limits: what one request may ask for.
    """

    routes: ClassVar[Mapping[str, type[BaseModel]]]
    """The JSON body of each of the task's routes; a sample that names no route is of the first."""
    limiting: ClassVar[tuple[str, ...]]
    """Which fields of `Limits` concern the task, besides the batch size."""
    steps: ClassVar[bool] = False
    """Whether it decodes step by step: then `preprocess` makes the jobs of `service.runtime.stepper`."""

    def __init__(self, bundle: Bundle, open_session: OpenSession, limits: Limits) -> None:
        self.bundle = bundle
        self.manifest: Manifest = bundle.manifest
        self.limits = limits
        self.sessions = {name: open_session(bundle, graph) for name, graph in bundle.manifest.graphs.items()}

    @property
    @abstractmethod
    def inputs(self) -> tuple[TensorSpec, ...]:
        """The tensors that the Open Inference Protocol shows as inputs."""

    @property
    @abstractmethod
    def outputs(self) -> tuple[TensorSpec, ...]:
        """The tensors that the Open Inference Protocol shows as outputs."""

    @abstractmethod
    def parse(self, body: Any) -> RequestT:
        """Turn a validated body of one of the `routes` into the request that `preprocess` takes."""

    @abstractmethod
    def preprocess(self, request: RequestT) -> Tensors:
        """Turn a request into tensors.

        Raises:
            InvalidRequest: naming the field.
        """

    @abstractmethod
    def infer(self, tensors: Tensors) -> Tensors:
        """Run the model on a batch; the first axis of every tensor is the batch."""

    @abstractmethod
    def postprocess(self, request: RequestT, outputs: Tensors) -> dict[str, Any]:
        """Turn outputs into the fields of the answer, `results` above all, ready for JSON (numpy arrays included)."""

    @abstractmethod
    def is_heavy(self, request: RequestT) -> bool:
        """Whether `preprocess` or `postprocess` may hold the event loop for long: then they go to a thread."""

    @abstractmethod
    def warm_up(self) -> Tensors:
        """Tensors of one ordinary request, to run once before the first caller does."""

    def step_loop(self, on_token: Callable[[Hashable, int], None]) -> StepLoop:
        """A loop for the sentences of all requests together; only where it `steps`.

        Args:
            on_token: gets each token of greedy sentences, END left out.
        """
        raise NotImplementedError

    def is_quick(self, tensors: Tensors) -> bool:
        """Whether a run on these takes microseconds, whatever an ordinary one takes: then it never gets a thread."""
        return False

    @property
    def budget(self) -> int:
        """What one run may cost: rows, or what `costs` says of each."""
        return self.limits.max_batch_size

    def costs(self, tensors: Tensors) -> NDArray[np.int64] | None:
        """What each row costs of the `budget`, [N]; None: one each."""
        return None

    def read_request(self, tensors: Tensors) -> RequestT | None:
        """Turn tensors of `inputs` into a request, where they stand for one; `write_results` makes its tensors.

        None: the tensors are rows of the model's own, for `read_tensors`.

        Raises:
            InvalidRequest: naming the element that is wrong.
        """
        return None

    def write_results(self, fields: dict[str, Any]) -> Tensors:
        """Turn what `postprocess` returned into the tensors of `outputs`; only where `read_request` makes requests."""
        raise NotImplementedError

    def read_tensors(self, tensors: Tensors) -> Tensors:
        """Turn tensors of `inputs` into those that `infer` takes.

        Raises:
            InvalidRequest: of the right type and shape, they hold values that the model cannot take.
        """
        return tensors

    def write_tensors(self, outputs: Tensors) -> Tensors:
        """Turn what `infer` returned for `read_tensors` into the tensors of `outputs`."""
        return outputs

    @property
    def details(self) -> dict[str, JsonValue]:
        """What the model card says of this task's models alone."""
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
        fields = self.postprocess(request, self.infer(self.preprocess(request)))
        answer: dict[str, Any] = orjson.loads(orjson.dumps(fields, option=orjson.OPT_SERIALIZE_NUMPY))
        return answer

    def replay(self) -> Iterator[str]:
        """Answer every sample of the bundle and name what differs from the stored answers."""
        for index, sample in enumerate(self.bundle.samples()):
            try:
                answer = self.answer(sample.request, sample.route)
                results = sample_results(answer)
            except Exception as error:
                # Refused, or the model fails on it: either way the bundle does not do what it says.
                why = "refused" if isinstance(error, InvalidRequest) else f"failed with {type(error).__name__}"
                first_line = str(error).partition("\n")[0]
                yield f"samples[{index}]: {why}: {first_line}"
                continue
            yield from differences(sample.results, results, self.manifest.comparison, f"samples[{index}].results")


def sample_results(answer: Mapping[str, Any]) -> JsonValue:
    """The part of an answer that `samples.json` stores: its `results`, on OpenAI's routes its `data`."""
    results: JsonValue = answer.get("results", answer.get("data"))
    return results


def invalid_body(error: ValidationError) -> InvalidRequest:
    """The first complaint of pydantic, with the field's path as `texts[3]`."""
    first = error.errors()[0]
    message = first["msg"].removeprefix("Value error, ")
    if first["type"] == "extra_forbidden":
        message = "is not a field of this request"
    return InvalidRequest(message, field_path(first["loc"]) or None)


def object_array(items: Sequence[Any]) -> NDArray[np.object_]:
    """An object array [n]; numpy would make a table of sequences."""
    array = np.empty(len(items), object)
    for index, item in enumerate(items):
        array[index] = item
    return array


def read_texts(elements: NDArray[Any], name: str) -> list[str]:
    """The texts of a tensor of BYTES.

    Raises:
        InvalidRequest: naming the element that is not UTF-8.
    """
    texts = []
    for index, element in enumerate(elements.ravel()):
        try:
            texts.append(element.decode())
        except UnicodeDecodeError as error:
            raise InvalidRequest("is not UTF-8", f"{name}[{index}]") from error
    return texts


def field_path(parts: Sequence[str | int]) -> str:
    """Write a location as a path: `("inputs", 0, "shape")` as `inputs[0].shape`."""
    path = ""
    for part in parts:
        path += f"[{part}]" if isinstance(part, int) else f".{part}" if path else part
    return path
