"""The commands `lectern keys new` and `lectern keys list`."""

from __future__ import annotations

import argparse
import contextlib
import errno
import os
import sys
from pathlib import Path
from typing import Any

from service.access.key_file import read_keys
from service.access.keys import ApiKey, check_name, hash_key, new_key, parse_scopes
from service.access.rates import parse_rates
from service.access.scopes import KeyScope
from service.errors import ConfigurationError
from service.limits import variable
from service.output import write
from service.settings import load_settings

_FILE = variable("api_keys")


def add_key_commands(commands: argparse._SubParsersAction[Any]) -> None:
    """Add `keys` to the commands of `lectern`."""
    keys = commands.add_parser("keys", help="make and list API keys").add_subparsers(required=True, metavar="COMMAND")
    new = keys.add_parser("new", help="make a key, print it once, and add its hash to the file")
    new.add_argument("name", metavar="NAME", help="whose key it is; the log shows this name")
    scopes = ", ".join(scope.value for scope in KeyScope)
    new.add_argument("--scope", action="append", required=True, help=f"what it may do: {scopes}; may be repeated")
    new.add_argument("--limit", help="100/s, 1000/min, 30000ms/min (milliseconds of model time), several by commas")
    new.set_defaults(run=_new)
    listing = keys.add_parser("list", help="list the keys of the file, without what opens the door")
    listing.set_defaults(run=_list)
    for command in (new, listing):
        command.add_argument("--file", type=Path, metavar="FILE", help=f"the same as {_FILE}")


def _new(arguments: argparse.Namespace) -> int:
    path = arguments.file or load_settings().api_keys
    text = new_key()
    try:
        key = ApiKey(
            name=check_name(arguments.name),
            scopes=frozenset().union(*map(parse_scopes, arguments.scope)),
            digest=hash_key(text),
            rates=parse_rates(arguments.limit) if arguments.limit else (),
        )
        if path is not None:
            _append(path, key)
    except (OSError, ValueError) as error:
        raise ConfigurationError(_describe(path, error)) from error
    write(text)
    if path is None:
        write(str(key))
        print(f"lectern: the second line is for the key file, which {_FILE} names", file=sys.stderr)
    else:
        print(f"lectern: added to {path}; the key above is not stored anywhere", file=sys.stderr)
    return 0


def _list(arguments: argparse.Namespace) -> int:
    path = arguments.file or load_settings().api_keys
    if path is None:
        raise ConfigurationError(f"which file? Give --file, or set {_FILE}")
    try:
        keys = read_keys(path)
    except (OSError, ValueError) as error:
        raise ConfigurationError(_describe(path, error)) from error
    for key in keys:
        scopes = ",".join(scope.value for scope in KeyScope if scope in key.scopes)
        write(f"{key.name:24} {scopes:20} {','.join(map(str, key.rates))}".rstrip())
    return 0


def _append(path: Path, key: ApiKey) -> None:
    """Add a key to a file by one write; a new file is readable for its owner only.

    Raises:
        OSError: the file cannot be written.
        ValueError: it is bad already, or has a key of this name.
    """
    descriptor = os.open(path, os.O_RDWR | os.O_APPEND | os.O_CREAT, 0o600)
    with open(descriptor, "rb") as stream:
        with contextlib.suppress(ImportError):  # Windows has none.
            import fcntl

            fcntl.flock(stream, fcntl.LOCK_EX)  # Two commands at once could otherwise both add the name.
        if any(other.name == key.name for other in read_keys(path)):
            raise ValueError(f"has a key named {key.name!r} already; remove its line first, or choose another name")
        content = stream.read()
        separator = "" if not content or content.endswith(b"\n") else "\n"
        line = f"{separator}{key}\n".encode()
        if os.write(descriptor, line) < len(line):  # No server starts with half a line in its file.
            os.ftruncate(descriptor, len(content))
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        os.fsync(descriptor)


def _describe(path: Path | None, error: OSError | ValueError) -> str:
    reason = (error.strerror or type(error).__name__) if isinstance(error, OSError) else str(error)
    return f"{path}: {reason}" if path is not None else reason
