"""The file that holds what several graphs of a bundle have in common, which sessions map into memory.

Both graphs of a translator may have the same embeddings, and a variant of a graph for other execution providers has
nearly all its weights.
"""

from collections import Counter
from collections.abc import Mapping
from itertools import chain

import numpy as np
from numpy.typing import NDArray
from onnx import ModelProto, TensorProto, helper, load_model_from_string, numpy_helper
from onnx.external_data_helper import ExternalDataInfo, set_external_data, uses_external_data

SHARED_FILE = "weights.bin"

_LEAST_BYTES = 1024
_PAGE, _CACHE_LINE = 4096, 64
"""Alignment of constants that fill many pages, whose pages then hold nothing else, and of others."""


def share_weights(models: Mapping[str, ModelProto]) -> dict[str, bytes]:
    """Move the constants that several models have into one file beside them.

    Args:
        models: models by file name, with all constants inside; they are changed.

    Returns:
        The contents of the models' files and, if anything is shared, of `SHARED_FILE`, by file name.
    """
    contents = Counter(chain.from_iterable({one.raw_data for one in _large(model)} for model in models.values()))
    shared = bytearray()
    offsets: dict[bytes, int] = {}
    for model in models.values():
        for constant in _large(model):
            content = constant.raw_data
            if contents[content] == 1:
                continue
            if content not in offsets:
                shared.extend(bytes(-len(shared) % (_PAGE if len(content) >= 16 * _PAGE else _CACHE_LINE)))
                offsets[content] = len(shared)
                shared.extend(content)
            set_external_data(constant, SHARED_FILE, offset=offsets[content], length=len(content))
            constant.ClearField("raw_data")
    files = {name: model.SerializeToString() for name, model in models.items()}
    return files | ({SHARED_FILE: bytes(shared)} if shared else {})


def constants_of(files: Mapping[str, bytes], name: str) -> dict[str, NDArray[np.generic]]:
    """The constants of one of the files that `share_weights` returned, by name."""
    arrays = {}
    for constant in load_model_from_string(files[name]).graph.initializer:
        if uses_external_data(constant):
            info = ExternalDataInfo(constant)
            dtype = helper.tensor_dtype_to_np_dtype(constant.data_type)
            shared = np.frombuffer(files[info.location], np.uint8)[info.offset :][: info.length]
            arrays[constant.name] = shared.view(dtype).reshape(constant.dims)
        else:
            arrays[constant.name] = numpy_helper.to_array(constant)
    return arrays


def _large(model: ModelProto) -> list[TensorProto]:
    return [constant for constant in model.graph.initializer if len(constant.raw_data) >= _LEAST_BYTES]
