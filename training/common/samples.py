"""Samples of a bundle, answered by the predictor that will serve it.

`samples.json` is replayed on other machines, whose floating-point arithmetic differs in the last bits. A request is a
good sample only if such differences cannot change its answer: `is_stable` tries that with noise on the model's outputs.
"""

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from pydantic import JsonValue

from service.bundle.comparison import differences
from service.bundle.files import Bundle, Sample
from service.bundle.manifest import Comparison, Graph, ProviderKind
from service.limits import Limits
from service.runtime.device_arrays import Device
from service.runtime.providers import ProviderReport
from service.runtime.session import MixedTensors, Session, Tensors, session_opener
from service.runtime.variants import kinds_in
from service.tasks import load_predictor
from service.tasks.base import sample_results
from training.common.errors import ExportError

_IGNORE_NUMBERS = Comparison(kind="labels")


@dataclass(frozen=True, kw_only=True)
class Noise:
    """Uniform noise that is added to one output of the bundle's graphs."""

    output: str
    """Name of the output; graphs without it are left as they are."""
    amplitude: float
    """The noise is between minus and plus this."""
    seeds: int
    """How many times a request is answered with noise, with seeds 0, 1, ..."""


class SampleAnswers:
    """Answers requests as the server will, on one CPU thread with the default limits.

    Args:
        bundle: a draft's.
        noise: for `is_stable`; None where it is not used.
        kind: of the execution providers whose graphs answer, which the CPU runs too.

    Raises:
        BundleError: the bundle does not fit its task's predictor.
    """

    def __init__(self, bundle: Bundle, noise: Noise | None = None, kind: ProviderKind = ProviderKind.CPU) -> None:
        self._noise = noise
        self._generator: np.random.Generator | None = None
        self._open_session = session_opener(("cpu",), 1, False, kind=kind)
        self.predictor = load_predictor(bundle, self._open, Limits())
        """The predictor; its `sessions` run the graphs, for instance to compare them with PyTorch."""

    def answer(self, request: Mapping[str, JsonValue], route: str | None = None) -> Any:
        """The results of one request, as `samples.json` stores them.

        Args:
            request: the JSON body.
            route: one of the task's routes; None is its first.

        Raises:
            InvalidRequest: naming the field.
        """
        return sample_results(self.predictor.answer(request, route))

    def sample(self, request: dict[str, JsonValue], route: str | None = None) -> Sample:
        """The request with its answer."""
        return Sample(route=route, request=request, results=self.answer(request, route))

    def is_stable(self, request: Mapping[str, JsonValue], route: str | None = None) -> bool:
        """Whether noise changes nothing but numbers in the answer."""
        assert self._noise is not None
        expected = self.answer(request, route)
        return not any(
            any(differences(expected, self._perturbed_answer(request, route, seed), _IGNORE_NUMBERS))
            for seed in range(self._noise.seeds)
        )

    def _perturbed_answer(self, request: Mapping[str, JsonValue], route: str | None, seed: int) -> Any:
        self._generator = np.random.default_rng(seed)
        try:
            return self.answer(request, route)
        finally:
            self._generator = None

    def _open(self, bundle: Bundle, graph: Graph) -> Session:
        session = self._open_session(bundle, graph)
        if self._noise is None or self._noise.output not in {spec.name for spec in graph.outputs}:
            return session
        return _NoisySession(session, self._perturb)

    def _perturb(self, outputs: Tensors) -> Tensors:
        if self._generator is None or self._noise is None:
            return outputs
        clean = outputs[self._noise.output]
        noise = self._generator.uniform(-self._noise.amplitude, self._noise.amplitude, clean.shape)
        return {**outputs, self._noise.output: clean + noise.astype(clean.dtype)}


def check_answers(bundle: Bundle, samples: Sequence[Sample]) -> None:
    """Answer samples with the graphs of every kind of execution provider.

    Args:
        bundle: a draft's.
        samples: requests with their answers.

    Raises:
        ExportError: an answer is another, beyond the tolerance of the manifest.
    """
    for kind, _, difference in _different_answers(bundle, samples):
        raise ExportError(
            f"{bundle.manifest.name}: the graphs for {kind} answer differently: {difference}; nothing was written. "
            "Check the versions of onnx and onnxruntime"
        )


def agreeing_samples(bundle: Bundle, samples: Sequence[Sample]) -> list[Sample]:
    """The samples that the graphs of every kind of execution provider answer alike.

    A network that is unsure may decide otherwise where numbers are rounded otherwise: such a request is no sample.

    Args:
        bundle: a draft's.
        samples: requests with the answers of the CPU's graphs.

    Raises:
        ExportError: most of them are answered otherwise, so that it is not the rounding.
    """
    wrong = {index for _, index, _ in _different_answers(bundle, samples)}
    if 2 * len(wrong) > len(samples):
        raise ExportError(
            f"{bundle.manifest.name}: the graphs for other execution providers answer {len(wrong)} of {len(samples)} "
            "samples differently; nothing was written. Train longer, or check the versions of onnx and onnxruntime"
        )
    return [sample for index, sample in enumerate(samples) if index not in wrong]


def _different_answers(bundle: Bundle, samples: Sequence[Sample]) -> Iterator[tuple[ProviderKind, int, str]]:
    """The kinds of execution providers and the indices of the samples they answer otherwise; the first difference."""
    for kind in kinds_in(bundle.manifest):
        answers = SampleAnswers(bundle, kind=kind)
        for index, sample in enumerate(samples):
            results = answers.answer(sample.request, sample.route)
            where = f"samples[{index}].results"
            if difference := next(differences(sample.results, results, bundle.manifest.comparison, where), None):
                yield kind, index, difference


class _NoisySession:
    """A session whose outputs are changed after every run."""

    def __init__(self, session: Session, change: Callable[[Tensors], Tensors]) -> None:
        self._session = session
        self._change = change

    @property
    def graph(self) -> Graph:
        return self._session.graph

    @property
    def report(self) -> ProviderReport:
        return self._session.report

    @property
    def device(self) -> Device | None:
        return self._session.device

    def run(self, feeds: Tensors) -> Tensors:
        return self._change(self._session.run(feeds))

    def run_on_device(self, feeds: MixedTensors, keep: Collection[str]) -> MixedTensors:
        raise NotImplementedError("samples are answered on the CPU")

    def bind_constants(self, constants: Tensors) -> None:
        self._session.bind_constants(constants)
