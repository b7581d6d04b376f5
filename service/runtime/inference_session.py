"""Opens a graph with onnxruntime, by the first of the execution providers that can be started."""

from __future__ import annotations

import logging
import re
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from service.bundle.files import BundleError, first_line
from service.errors import ConfigurationError
from service.runtime.provider_options import CPU, ProviderOptions, as_set, short_name

log = logging.getLogger(__name__)


def open_inference_session(
    path: Path,
    settings: Any,
    resolved: Sequence[str],
    options: ProviderOptions,
    providers: Sequence[Any],
    *,
    strict: bool,
) -> Any:
    """Open a session with the providers that were asked for; where the first cannot be started, with those after it.

    Args:
        path: the ONNX file.
        settings: onnxruntime's `SessionOptions`.
        resolved: the providers that were asked for, by onnxruntime's names, in order.
        options: the options that are set for them.
        providers: the same providers as onnxruntime takes them, with all of their options.
        strict: no provider may take the place of another.

    Raises:
        BundleError: no provider can load the file.
        ConfigurationError: the first provider cannot be started, and `strict`, or options are set.
    """
    import onnxruntime

    def open_with(providers: Sequence[Any]) -> Any:
        # Its own fallback would write to standard output and hide the reason.
        return onnxruntime.InferenceSession(
            str(path), sess_options=settings, providers=providers, enable_fallback=False
        )

    try:
        return open_with(providers)
    except Exception as error:  # onnxruntime raises a class of its own per failure, all bare Exceptions.
        if providers != [CPU] and (fallback := _open_with_others(open_with, providers)) is not None:
            text = f"{path}: {short_name(resolved[0])} cannot be started ({_without_source(first_line(error))})"
            if options or strict:
                raise ConfigurationError(f"{text}; {_what_to_check(options)}, or set LECTERN_PROVIDERS=cpu") from error
            log.warning(text)
            return fallback
        raise BundleError(f"{path}: onnxruntime cannot load it ({first_line(error)})") from error


def _open_with_others(open_with: Callable[[Sequence[Any]], Any], providers: Sequence[Any]) -> Any:
    """A session with the first provider after the one that fails which does not; None if the graph opens on none."""
    for first in range(1, len(providers)):
        try:
            return open_with(providers[first:])
        except Exception:
            continue
    return None


def _without_source(text: str) -> str:
    """An error of onnxruntime without the place in its source code, which it may begin with."""
    return re.sub(r"^\S+\.(?:cc|cpp|h):\d+ .*\) (?=[A-Z])", "", text)


def _what_to_check(options: ProviderOptions) -> str:
    return (
        f"check the options {pairs} and the device" if (pairs := as_set(options)) else "check the device and its driver"
    )
