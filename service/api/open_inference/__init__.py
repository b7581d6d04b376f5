"""The Open Inference Protocol v2, with the extensions that `metadata.EXTENSIONS` names.

Sources: KServe's open-inference-protocol, specification/protocol/inference_rest.md, and Triton's docs/protocol.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from service.api.open_inference import infer, metadata, repository, statistics
from service.api.operation import Operation


def _with_version(*operations: Operation) -> Iterator[Operation]:
    """Yield each operation, and the same operation with a version in its path."""
    for operation in operations:
        yield operation
        yield replace(operation, path=operation.path.replace("{model}", "{model}/versions/{version}"))


OPERATIONS: tuple[Operation, ...] = (
    *_with_version(infer.OPERATION),
    # Before the operations of models, whose metadata route would take it for a model named "stats".
    statistics.ALL,
    *_with_version(*metadata.MODEL, statistics.MODEL),
    metadata.SERVER,
    repository.INDEX,
    repository.LOAD,
    repository.UNLOAD,
)
"""In the order in which they are matched; the fast path comes first."""
