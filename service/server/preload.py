"""Imported by the process that workers are forked from: what they all need, so that they share it in memory."""

import contextlib
import gc

gc.disable()  # Importing makes no garbage worth looking for.

from service.errors import ConfigurationError  # noqa: E402
from service.runtime.providers import check_installation  # noqa: E402
from service.server import worker  # noqa: E402

__all__ = ["worker"]

with contextlib.suppress(ConfigurationError):  # Each worker says so too, where it can be reported.
    check_installation()  # Imports onnxruntime.

# Objects that the collector never visits stay in pages that the forked processes share.
gc.collect()
gc.freeze()
gc.enable()
