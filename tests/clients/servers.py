"""A real server, started by the program `lectern` of the environment that it is installed in."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

from tests.support.processes import ROOT, server


class Address(NamedTuple):
    """Where a server listens."""

    url: str
    grpc: str
    """Host and port."""

    @property
    def openai(self) -> str:
        """What OpenAI's clients call the base URL."""
        return f"{self.url}/v1"


class KeyedServer(NamedTuple):
    """A server that needs an API key, and a key that it accepts."""

    address: Address
    key: str


@contextmanager
def serving(program: Path, **settings: str) -> Iterator[Address]:
    """Serve the shipped models over HTTP and gRPC.

    Args:
        program: the program `lectern`; the Python of its environment lies beside it.
        settings: settings, without their prefix.
    """
    python, command = str(program.parent / "python"), (str(program), "serve")
    with server(ROOT / "models", python=python, program=command, STRICT="1", GRPC_PORT="0", **settings) as process:
        line = process.wait_for("serving")
        yield Address(line["address"], line["grpc"])
