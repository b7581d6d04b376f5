"""Folders in which providers keep what they compiled: each is of one version of onnxruntime, which a file names."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

from service.errors import ConfigurationError
from service.runtime.provider_options import CACHES, ProviderOptions, as_set, cannot_be_written

STAMP = "lectern-runtime.txt"
"""The file in such a folder that names the version of onnxruntime that filled it."""


def check_caches(options: ProviderOptions, version: str) -> None:
    """Refuse the caches of another version: a provider would fail in them, or worse, compute with an old engine.

    Args:
        options: the options of every provider.
        version: the version and build of onnxruntime.

    Raises:
        ConfigurationError: a folder is of another version, or cannot be written.
    """
    for provider, own in options.items():
        for option in CACHES.get(provider, ()):
            if option in own:
                setting = as_set({provider: {option: own[option]}})
                try:
                    _check(setting, Path(own[option]), version)
                except OSError as error:
                    raise ConfigurationError(f"{setting}: {cannot_be_written(error)}") from error


def _check(setting: str, folder: Path, version: str) -> None:
    stamp = folder / STAMP
    try:
        before = stamp.read_text(encoding="utf-8", errors="replace").strip()
    except FileNotFoundError:
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        _write(stamp, version)
        return
    if before != version:
        other = f"onnxruntime {before}" if before.isprintable() and before else "an unknown version of onnxruntime"
        raise ConfigurationError(
            f"{setting}: holds what {other} compiled, this is {version}; empty the folder or name another"
        )


def _write(stamp: Path, version: str) -> None:
    """Write the stamp whole or not at all: several processes may begin at once."""
    descriptor, name = tempfile.mkstemp(dir=stamp.parent, prefix=f".{stamp.name}-")
    with os.fdopen(descriptor, "w", encoding="utf-8") as stream:
        stream.write(version)
    Path(name).replace(stamp)
