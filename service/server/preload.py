"""Imported by the process that workers are forked from: what they all need, so that they share it in memory."""

import contextlib
import gc

from service.errors import ConfigurationError
from service.runtime.providers import check_installation
from service.server import worker

__all__ = ["worker"]

with contextlib.suppress(ConfigurationError):  # Each worker says so too, where it can be reported.
    check_installation()  # Imports onnxruntime.

# Objects that the collector never visits stay in pages that the forked processes share.
gc.collect()
gc.freeze()
