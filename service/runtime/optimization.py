"""The options that every session has, and graphs optimized for this machine's CPU."""

from __future__ import annotations

import errno
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from service.bundle.files import BundleError, first_line
from service.runtime.provider_options import CPU


def session_options(threads: int) -> Any:
    """The options that every session has."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    # Spinning threads burn the quota of a shared CPU while they wait.
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    # An arena keeps the memory of the largest run of each session, in pieces that fit no other length.
    options.enable_cpu_mem_arena = False
    options.enable_mem_pattern = False  # A plan would be kept for every shape that ever ran, and there are thousands.
    options.log_severity_level = 4  # Its errors are exceptions already; lines of its own would not be JSON.
    return options


def optimize_graphs(paths: Sequence[Path]) -> bool:
    """Replace ONNX files by the graphs that onnxruntime makes of them for the CPU of this machine: all or none.

    Their weights go into files beside them, which sessions map into memory instead of copying them.

    Returns:
        Whether they were replaced. They are not where onnxruntime cannot read what it wrote of one of them: 1.24 cannot
        where a branch of a graph has a constant of its own.

    Raises:
        BundleError: onnxruntime cannot load a file.
        OSError: there is no room for the graphs.
    """
    results = [_optimized(path) for path in paths]
    if not all(_opens(result, optimized=True) for result in results):
        for path, result in zip(paths, results, strict=True):
            result.unlink()
            _weights(path).unlink(missing_ok=True)
        return False
    for path, result in zip(paths, results, strict=True):
        result.replace(path)
    return True


def disable_optimization(options: Any) -> None:
    """Make a session open a graph of `optimize_graphs` as it is."""
    import onnxruntime

    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL


def _optimized(path: Path) -> Path:
    """Write what onnxruntime makes of a graph beside its file."""
    import onnxruntime

    result = path.with_name(f"{path.name}.optimized")
    options = session_options(threads=1)
    options.optimized_model_filepath = str(result)
    for key, value in (("file_name", _weights(path).name), ("min_size_in_bytes", "4096")):
        options.add_session_config_entry(f"session.optimized_model_external_initializers_{key}", value)
    try:
        onnxruntime.InferenceSession(str(path), sess_options=options, providers=[CPU])
    except Exception as error:  # onnxruntime raises a class of its own per failure, all bare Exceptions.
        if _opens(path):
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(result)) from error
        raise BundleError(f"{path}: onnxruntime cannot load it ({first_line(error)})") from error
    return result


def _weights(path: Path) -> Path:
    return path.with_name(f"{path.name}.weights")


def _opens(path: Path, *, optimized: bool = False) -> bool:
    """Whether onnxruntime can load a file, without writing another."""
    import onnxruntime

    options = session_options(threads=1)
    if optimized:
        disable_optimization(options)
    try:
        onnxruntime.InferenceSession(str(path), sess_options=options, providers=[CPU])
    except Exception:
        return False
    return True
