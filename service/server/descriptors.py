"""How many connections the descriptors of this process allow."""

from __future__ import annotations

import logging
import os
from contextlib import suppress
from pathlib import Path

log = logging.getLogger(__name__)

RESERVED = 32
"""Descriptors kept for everything but connections: models that load, logs, pipes."""

_MOST_DESCRIPTORS = 65_536
_MOST_CONNECTIONS = 4_096
"""Most connections by default: with the largest headers, each of them may take 64 kB."""
_LEAST_CONNECTIONS = 8


def raise_limit() -> None:
    """Raise the soft limit of open descriptors to the hard one, as far as it is of use."""
    with suppress(ImportError, OSError, ValueError):  # There is none on Windows.
        import resource

        soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        wanted = _MOST_DESCRIPTORS if hard == resource.RLIM_INFINITY else min(hard, _MOST_DESCRIPTORS)
        if soft != resource.RLIM_INFINITY and soft < wanted:
            resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))


def descriptor_limit() -> int:
    """Most descriptors that this process may have open."""
    try:
        import resource
    except ImportError:
        return _MOST_DESCRIPTORS
    soft = resource.getrlimit(resource.RLIMIT_NOFILE)[0]
    return _MOST_DESCRIPTORS if soft == resource.RLIM_INFINITY else soft


def max_connections(wanted: int) -> int:
    """Most connections at the same time.

    Args:
        wanted: the setting; 0 takes what the descriptors allow.

    Returns:
        At most `wanted`, or 4,096 for 0; less where the descriptors that are free now, but for a reserve, are fewer.
    """
    free = max(descriptor_limit() - _open_descriptors() - RESERVED, _LEAST_CONNECTIONS)
    if wanted > free:
        fields = {"LECTERN_MAX_CONNECTIONS": wanted, "connections": free, "descriptors": descriptor_limit()}
        log.warning(
            "fewer connections than LECTERN_MAX_CONNECTIONS: raise the limit of open files (ulimit -n)",
            extra={"fields": fields},
        )
    return min(wanted or _MOST_CONNECTIONS, free)


def _open_descriptors() -> int:
    for folder in ("/proc/self/fd", "/dev/fd"):
        with suppress(OSError):
            return len(os.listdir(Path(folder)))
    return RESERVED
