"""What every task's predictor is: preprocess, infer, postprocess, without any transport."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Generic, TypeVar

from pydantic import BaseModel, JsonValue, ValidationError

from service.artifacts.bundle import Bundle
from service.artifacts.comparison import differences
from service.artifacts.manifest import Graph, Manifest, TensorSpec
from service.errors import InvalidRequest
from service.runtime.providers import ProviderReport
from service.runtime.session import OnnxSession, Tensors

RequestT = TypeVar("RequestT")

OpenSession = Callable[[Bundle, Graph], OnnxSession]
"""Opens a graph of a bundle with the providers and threads that are set for the model."""


@dataclass(frozen=True, kw_only=True)
class Limits:
    """What one request may ask for."""

    max_images: int = 64
    max_pixels: int = 20_000_000
    max_batch_size: int = 64


class Predictor(ABC, Generic[RequestT]):
    """One model at its task. Stateless between calls and safe to call from several threads.

    Args:
        bundle: the verified bundle.
        open_session: opens its graphs.
        limits: what one request may ask for.
    """

    body: ClassVar[type[BaseModel]]
    """The JSON body of the task's route."""

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
        """Turn a validated `body` into the request that `preprocess` takes."""

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
    def postprocess(self, request: RequestT, outputs: Tensors) -> list[Any]:
        """Turn outputs into the `results` of the answer, ready for JSON."""

    @abstractmethod
    def is_heavy(self, request: RequestT) -> bool:
        """Whether `preprocess` may take longer than the event loop should be held: then it goes to a thread."""

    @abstractmethod
    def warm_up(self) -> Tensors:
        """Tensors of one ordinary request, to run once before the first caller does."""

    def check_tensors(self, tensors: Tensors) -> None:
        """Raise InvalidRequest where tensors of the right type and shape hold values that the model cannot take."""

    @property
    def reports(self) -> Mapping[str, ProviderReport]:
        """The execution providers of every graph."""
        return {name: session.report for name, session in self.sessions.items()}

    def answer(self, document: Mapping[str, JsonValue]) -> list[Any]:
        """Answer one JSON body from end to end, without batching."""
        try:
            request = self.parse(self.body.model_validate(document))
        except ValidationError as error:
            raise invalid_body(error) from error
        return self.postprocess(request, self.infer(self.preprocess(request)))

    def replay(self) -> Iterator[str]:
        """Answer every sample of the bundle and name what differs from the stored answers."""
        for index, sample in enumerate(self.bundle.samples()):
            try:
                results: JsonValue = self.answer(sample.request)
            except Exception as error:
                # Refused, or the model fails on it: either way the bundle does not do what it says.
                why = "refused" if isinstance(error, InvalidRequest) else f"failed with {type(error).__name__}"
                first_line = str(error).partition("\n")[0]
                yield f"samples[{index}]: {why}: {first_line}"
                continue
            yield from differences(sample.results, results, self.manifest.comparison, f"samples[{index}].results")


def invalid_body(error: ValidationError) -> InvalidRequest:
    """The first complaint of pydantic, with the field's path as `texts[3]`."""
    first = error.errors()[0]
    message = first["msg"].removeprefix("Value error, ")
    if first["type"] == "extra_forbidden":
        message = "is not a field of this request"
    return InvalidRequest(message, field_path(first["loc"]) or None)


def field_path(parts: Sequence[str | int]) -> str:
    """Write a location as a path: `("inputs", 0, "shape")` as `inputs[0].shape`."""
    path = ""
    for part in parts:
        path += f"[{part}]" if isinstance(part, int) else f".{part}" if path else part
    return path
