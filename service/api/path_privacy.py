"""Takes the paths of the machine out of texts for callers. The log keeps them."""

from __future__ import annotations

import re
import tempfile
from pathlib import Path

_PART = r"""[^\s/'"`,:;()\[\]]+"""
_ABSOLUTE = re.compile(rf"(?<![\w.~/:-])(?:/{_PART})*/({_PART})/?")
# A path that begins like a route of the service, as in "send it to /v1/tag", is none of the machine.
_ROUTES = (
    *("/v1/", "/v2/", "/docs", "/metrics", "/livez", "/readyz"),
    *("/translate", "/detect", "/languages", "/health", "/frontend/", "/spec"),
)


def hide_paths(text: str, repository: Path) -> str:
    """Shorten the paths in a text: those in the model repository begin there, of others the last part remains.

    Args:
        text: what may name paths, such as the reason why a bundle is bad.
        repository: the model repository.
    """
    if "/" not in text:
        return text
    for folder in {repository, repository.absolute(), repository.resolve()}:
        if folder.is_absolute() and folder != Path("/"):
            start = rf"(?<![\w.~/:-]){re.escape(str(folder))}"
            text = re.sub(rf"{start}/", "", text)
            text = re.sub(rf"{start}(?![\w.-])", "the model repository", text)
    text = text.replace(f"{tempfile.gettempdir()}/", "")
    return _ABSOLUTE.sub(_last_part, text)


def _last_part(match: re.Match[str]) -> str:
    return match[0] if match[0].startswith(_ROUTES) else match[1]
