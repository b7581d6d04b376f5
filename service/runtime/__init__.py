"""Running graphs: the only layer that knows onnxruntime."""
