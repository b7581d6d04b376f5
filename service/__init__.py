"""Lectern: a small model service on onnxruntime."""

__version__ = "0.1.0"
