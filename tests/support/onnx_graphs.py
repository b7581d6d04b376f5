"""Opening ONNX graphs without the service, as an independent reference."""

from __future__ import annotations

import onnxruntime


def open_graph(content: bytes | str) -> onnxruntime.InferenceSession:
    """Open an ONNX file, by its content or path, on one CPU thread."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    return onnxruntime.InferenceSession(content, options, providers=["CPUExecutionProvider"])
