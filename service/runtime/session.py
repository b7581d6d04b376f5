"""One ONNX graph, held against its manifest, ready to run."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from functools import partial
from pathlib import Path
from typing import Any, Protocol, cast

from numpy.typing import NDArray

from service.bundle.files import Bundle, BundleError
from service.bundle.manifest import Graph, ProviderKind, TensorSpec
from service.runtime import run_deadline
from service.runtime.batch_profiles import with_batch_profiles
from service.runtime.device_arrays import Device, DeviceArray, DeviceOperations, bind
from service.runtime.devices import device_id
from service.runtime.engine_cache import check_caches
from service.runtime.inference_session import open_inference_session
from service.runtime.optimization import disable_optimization, session_options
from service.runtime.placement import check_fixed_shapes, check_placement, report_of
from service.runtime.provider_options import CPU, CUDA, TENSORRT, ProviderOptions
from service.runtime.providers import ProviderReport, resolve, runtime_version, session_providers
from service.runtime.variants import conversion_command, kind_of

Tensors = dict[str, NDArray[Any]]
"""Arrays by tensor name; the first axis of each is the batch."""

MixedTensors = dict[str, NDArray[Any] | DeviceArray]
"""The same, where some may be in a device's memory."""

_DATATYPES = {
    "tensor(bool)": "BOOL",
    "tensor(uint8)": "UINT8",
    "tensor(uint16)": "UINT16",
    "tensor(uint32)": "UINT32",
    "tensor(uint64)": "UINT64",
    "tensor(int8)": "INT8",
    "tensor(int16)": "INT16",
    "tensor(int32)": "INT32",
    "tensor(int64)": "INT64",
    "tensor(float16)": "FP16",
    "tensor(float)": "FP32",
    "tensor(double)": "FP64",
    "tensor(string)": "BYTES",
}

_HOST = Device("cpu", 0)


class Session(Protocol):
    """An opened graph, as predictors use it; `OnnxSession` is the one that serves."""

    @property
    def graph(self) -> Graph:
        """The graph as the manifest describes it."""

    @property
    def report(self) -> ProviderReport:
        """The requested execution providers and those in use."""

    @property
    def device(self) -> Device | None:
        """Where the graph runs, if that has memory of its own, so that arrays should stay there; else None."""

    def run(self, feeds: Tensors) -> Tensors:
        """Run the graph once."""

    def run_on_device(self, feeds: MixedTensors, keep: Collection[str]) -> MixedTensors:
        """Run the graph once, and leave the outputs named in `keep` on the device; `feeds` may be there too."""

    def bind_constants(self, constants: Tensors) -> None:
        """Copy inputs that never change to the device once; later calls of `run` omit them."""


OpenSession = Callable[[Bundle, Graph], Session]
"""Opens a graph of a bundle with the providers and threads that are set for the model."""


class OnnxSession:
    """An onnxruntime session whose inputs and outputs are those of the manifest.

    Args:
        path: the ONNX file.
        graph: the description of the graph in the manifest.
        providers: execution providers as set, in order.
        threads: threads within one operator.
        options: options of the providers.
        optimized: the file holds a graph that `optimize_graphs` made: it is opened as it is.
        max_batch_size: the most rows of a run, for providers that compile for a range of shapes; 0: not known.
        strict: raise ConfigurationError if the first requested provider is not the one in use, or if nodes of the
            graph are on one that was not requested, unless the manifest names their operators as those that may be.
        conversion: the command that gives the bundle graphs for accelerators, for messages.

    Raises:
        BundleError: the file is no ONNX model, or its inputs or outputs are not the manifest's.
        ConfigurationError: `strict`, and the session fell back to another provider; or options were set for a
            provider that cannot be used with them.
    """

    def __init__(
        self,
        path: Path,
        graph: Graph,
        *,
        providers: Sequence[str],
        threads: int = 1,
        options: ProviderOptions | None = None,
        strict: bool = False,
        optimized: bool = False,
        max_batch_size: int = 0,
        conversion: str = "",
    ) -> None:
        settings = session_options(threads)
        settings.add_session_config_entry("session.record_ep_graph_assignment_info", "1")
        if optimized:
            disable_optimization(settings)
        resolved = resolve(providers)
        own = {name: of for name, of in (options or {}).items() if name in resolved}
        check_caches(own, runtime_version())
        check_fixed_shapes(path, graph, own)
        complete = session_providers(resolved, with_batch_profiles(own, graph, max_batch_size), threads)
        self._session = open_inference_session(path, settings, resolved, own, complete, strict=strict)
        self.report = report_of(self._session, resolved, own)
        check_placement(path, graph, self.report, own, strict=strict, conversion=conversion)
        _check(path, "input", graph.inputs, self._session.get_inputs())
        _check(path, "output", graph.outputs, self._session.get_outputs())
        self.graph = graph
        self.device = _device_of(self.report)
        self._outputs = [spec.name for spec in graph.outputs]
        self._constants: dict[str, Any] = {}
        self._operations: DeviceOperations | None = None

    def run(self, feeds: Tensors) -> Tensors:
        """Run the graph once. Releases the GIL while it computes.

        Raises:
            DeadlineExceeded: it was stopped at the deadline that `service.runtime.run_deadline` was told.
        """
        if self._constants:
            return cast(Tensors, self.run_on_device(dict(feeds), ()))
        return dict(zip(self._outputs, run_deadline.run(self._session, self._outputs, feeds), strict=True))

    def run_on_device(self, feeds: MixedTensors, keep: Collection[str]) -> MixedTensors:
        """Run the graph once, and leave some outputs in the device's memory.

        Args:
            feeds: arrays of the process, or of the device.
            keep: names of the outputs that stay on the device, as `DeviceArray`; the others come back.

        Raises:
            DeadlineExceeded: as `run`.
        """
        assert self.device is not None
        if self._operations is None:
            self._operations = DeviceOperations(partial(_open_model, report=self.report), self.device)
        binding = bind(self._session, feeds)
        for name, value in self._constants.items():
            binding.bind_ortvalue_input(name, value)
        for name in self._outputs:
            binding.bind_output(name, *(self.device if name in keep else _HOST))
        run_deadline.run(self._session, None, binding, bound=True)
        return {
            name: DeviceArray(value, self._operations) if name in keep else value.numpy()
            for name, value in zip(self._outputs, binding.get_outputs(), strict=True)
        }

    def bind_constants(self, constants: Tensors) -> None:
        """Copy inputs that never change to the device once; later calls of `run` omit them."""
        import onnxruntime

        assert self.device is not None
        copy = onnxruntime.OrtValue.ortvalue_from_numpy
        for name, array in constants.items():
            self._constants[name] = copy(array, *self.device)


def session_opener(
    providers: Sequence[str],
    threads: int,
    strict: bool,
    *,
    options: ProviderOptions | None = None,
    optimized: bool = False,
    max_batch_size: int = 0,
    kind: ProviderKind | None = None,
) -> OpenSession:
    """A function that opens the graphs of a bundle with these providers and threads.

    Args:
        options: options of the providers.
        optimized: the bundle's graphs were optimized by `optimize_graphs`.
        max_batch_size: the most rows of a run; 0: not known.
        kind: opens the variants for this kind of providers; None for that of the provider that runs.
    """

    def open_variant(bundle: Bundle, graph: Graph) -> OnnxSession:
        return OnnxSession(
            bundle.file(graph.file),
            graph,
            providers=providers,
            threads=threads,
            options=options,
            strict=strict,
            optimized=optimized,
            max_batch_size=max_batch_size,
            conversion=conversion_command(bundle.manifest),
        )

    def open_session(bundle: Bundle, graph: Graph) -> OnnxSession:
        chosen = kind or kind_of(providers)
        session = open_variant(bundle, graph.variant(chosen))
        if kind is None and chosen in graph.variants and session.report.actual[:1] == (CPU,):
            # The provider could not be started: the CPU is faster with its own file.
            session = open_variant(bundle, graph.variant(ProviderKind.CPU))
        return session

    return open_session


def _open_model(content: bytes, *, report: ProviderReport) -> Any:
    """A session of a tiny model in memory, on the device of another session."""
    import onnxruntime

    provider, options = report.actual[0], report.options
    if provider == TENSORRT:  # It would compile an engine for each shape.
        provider, options = CUDA, {"device_id": options.get("device_id", "0")}
    providers = session_providers((provider,), {provider: options}, 1)
    return onnxruntime.InferenceSession(content, sess_options=session_options(1), providers=providers)


def _device_of(report: ProviderReport) -> Device | None:
    """The device of the preferred provider, where its memory is not the process's and onnxruntime can bind it."""
    return Device("cuda", device_id(report.options)) if report.actual[0] in (CUDA, TENSORRT) else None


def _check(path: Path, kind: str, specs: Sequence[TensorSpec], nodes: Sequence[Any]) -> None:
    """Raise BundleError unless the graph's tensors are the manifest's, name by name."""
    graph = {node.name: node for node in nodes}
    names = [spec.name for spec in specs]
    if set(names) != set(graph):
        raise BundleError(f"{path}: the graph's {kind}s are {sorted(graph)}, the manifest says {sorted(names)}")
    for spec in specs:
        node = graph[spec.name]
        datatype = _DATATYPES.get(node.type, node.type)
        shape = tuple(size if isinstance(size, int) else -1 for size in node.shape)
        if datatype != spec.datatype or shape != spec.shape:
            raise BundleError(
                f"{path}: {kind} {spec.name!r} is {datatype} {list(shape)}, "
                f"the manifest says {spec.datatype.value} {list(spec.shape)}"
            )
