"""Parses the curl commands in the documents: the options that they use."""

from __future__ import annotations

import shlex
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

from tests.support.processes import ROOT


@dataclass
class Call:
    """One request."""

    method: str = ""
    path: str = ""
    headers: dict[str, str] = field(default_factory=dict)
    content: bytes | None = None
    form: dict[str, str] = field(default_factory=dict)
    files: list[tuple[str, tuple[str, bytes]]] = field(default_factory=list)

    def arguments(self) -> dict[str, Any]:
        """The arguments of httpx's `request`."""
        body: dict[str, Any] = {"content": self.content} if self.content is not None else {}
        body |= {"files": self.files} if self.files else {}
        body |= {"data": self.form} if self.form else {}
        return {"method": self.method, "url": self.path, "headers": self.headers, **body}


def calls(script: str) -> Iterator[Call]:
    """The requests of a shell script, which may write the files that they send; other lines are left out."""
    written: dict[str, bytes] = {}
    for line in script.replace("\\\n", " ").splitlines():
        words = shlex.split(line, comments=True)
        if words[:1] == ["curl"]:
            yield _call(iter(words[1:]), written)
        elif words[:1] == ["printf"]:
            _, text, _, name = words
            written[name] = text.replace("\\n", "\n").encode()


def _call(words: Iterator[str], written: Mapping[str, bytes]) -> Call:
    call = Call()
    for word in words:
        if word == "-X":
            call.method = next(words)
        elif word == "-H":
            name, _, value = next(words).partition(":")
            call.headers[name] = value.strip()
        elif word == "--data-binary":
            call.content = _file(next(words), written)
        elif word == "-F":
            name, _, value = next(words).partition("=")
            if value.startswith("@"):
                call.files.append((name, (value[1:], _file(value, written))))
            else:
                call.form[name] = value
        elif word == "-d":
            _add_data(call, next(words))
        elif word == "-N":
            continue
        else:
            assert not word.startswith("-"), f"curl {word} is not known here"
            parts = urlsplit(word)
            assert parts.netloc == "127.0.0.1:8080", word
            call.path = parts.path + (f"?{parts.query}" if parts.query else "")
    sends = call.content is not None or call.files or call.form
    call.method = call.method or ("POST" if sends else "GET")
    return call


def _add_data(call: Call, data: str) -> None:
    if data.startswith("{"):
        call.content = data.encode()
    else:
        name, _, value = data.partition("=")
        call.form[name] = value


def _file(argument: str, written: Mapping[str, bytes]) -> bytes:
    assert argument.startswith("@"), argument
    name = argument[1:]
    return written[name] if name in written else (ROOT / name).read_bytes()
