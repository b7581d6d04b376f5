"""The shapes that TensorRT compiles an engine for, from a graph's description: its options `trt_profile_…_shapes`."""

from __future__ import annotations

from service.bundle.manifest import Graph
from service.runtime.provider_options import TENSORRT, ProviderOptions


def with_batch_profiles(options: ProviderOptions, graph: Graph, max_batch_size: int) -> ProviderOptions:
    """The options of providers, with shapes for TensorRT where none are set and only the batch varies.

    Without them it compiles an engine again with each batch that is larger than all before. Where other sizes vary,
    such as the length of sentences, their range is not in the manifest, and TensorRT takes the shapes as they come.

    Args:
        options: the options as set.
        graph: the description of the graph.
        max_batch_size: the most rows of a run; 0: not known.
    """
    own = options.get(TENSORRT, {})
    varies = any(-1 in spec.shape[1:] for spec in graph.inputs)
    if not max_batch_size or varies or any(option.startswith("trt_profile_") for option in own):
        return options
    profiles = {
        f"trt_profile_{name}_shapes": ",".join(
            f"{spec.name}:{'x'.join(map(str, (rows if spec.shape[0] == -1 else spec.shape[0], *spec.shape[1:])))}"
            for spec in graph.inputs
        )
        for name, rows in (("min", 1), ("opt", max_batch_size), ("max", max_batch_size))
    }
    return {**options, TENSORRT: {**profiles, **own}}
