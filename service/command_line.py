"""The parser of the commands `lectern` and `lectern-train`: short errors that say what was probably meant."""

from __future__ import annotations

import argparse
import difflib
import re
import sys
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, NoReturn

_LONGEST_LIST = 12
"""Names that an error lists; of more it suggests the nearest only."""
_TYPES = {"int": "no whole number", "float": "no number"}


class CommandParser(argparse.ArgumentParser):
    """A parser whose errors are one line, and which lists its commands where none is given.

    Options may be written with `_` in the place of `-`.
    """

    def parse_known_args(  # type: ignore[override]  # the base class has overloads for other namespaces
        self, args: Sequence[str] | None = None, namespace: Any = None
    ) -> tuple[Any, list[str]]:
        """Parse as the base class does; exit with code 2 where a command is missing or an option is unknown."""
        words = list(sys.argv[1:] if args is None else args)
        if subparsers_of(self) is not None:
            if not words:
                self.print_help(sys.stderr)
                self.exit(2)
            if words[0].startswith("-") and words[0] not in self._option_string_actions:
                self._refuse_option(words[0])
        known, rest = super().parse_known_args([self._with_hyphens(word) for word in words], namespace)
        if rest:
            if rest[0].startswith("-"):
                self._refuse_option(rest[0])
            self.error(f"{rest[0]!r} is more than the command takes")
        return known, rest

    def error(self, message: str) -> NoReturn:
        """Print one line that ends with where to find help, and exit with code 2."""
        message = message.removeprefix("argument ").replace("the following arguments are required: ", "missing: ")
        if wrong := re.fullmatch(r"(.*): invalid (\w+) value: (.*)", message, re.DOTALL):
            name, kind, value = wrong.groups()
            message = f"{name}: {value} is {_TYPES.get(kind, f'no {kind}')}"
        self.exit(2, f"{self.prog}: {message}; see `{self.prog} --help`\n")

    def _check_value(self, action: argparse.Action, value: Any) -> None:
        if action.choices is None or value in action.choices:
            return
        choices = list(map(str, action.choices))
        if isinstance(action, argparse._SubParsersAction):
            self.error(f"no command {str(value)!r}{_suggestion(str(value), choices)}")
        name = "/".join(action.option_strings) or action.metavar or action.dest
        self.error(f"{name}: {str(value)!r} is none of its values{_suggestion(str(value), choices)}")

    def _refuse_option(self, word: str) -> NoReturn:
        option = word.partition("=")[0]
        known = [string for action in visible_options(self) for string in action.option_strings]
        self.error(f"no option {option}{_suggestion(option, known, listed=False)}")

    def _with_hyphens(self, word: str) -> str:
        """The argument, with hyphens in the name of an option that was written with underscores."""
        name, equals, value = word.partition("=")
        hyphens = name.replace("_", "-")
        if name.startswith("--") and name not in self._option_string_actions and hyphens in self._option_string_actions:
            return f"{hyphens}{equals}{value}"
        return word


def subparsers_of(parser: argparse.ArgumentParser) -> argparse._SubParsersAction[argparse.ArgumentParser] | None:
    """The commands of a parser; None where it has none."""
    return next((action for action in parser._actions if isinstance(action, argparse._SubParsersAction)), None)


def visible_options(parser: argparse.ArgumentParser) -> Iterator[argparse.Action]:
    """The options of a parser that its help shows."""
    for action in parser._actions:
        if action.option_strings and action.help != argparse.SUPPRESS:
            yield action


def spellings(name: str) -> list[str]:
    """The name of a command with hyphens or underscores, whichever it does not have."""
    return sorted({name.replace("_", "-"), name.replace("-", "_")} - {name})


def _suggestion(word: str, known: Iterable[str], *, listed: bool = True) -> str:
    """`; did you mean X?`, or the list of what there is if that is short; empty for neither."""
    names, plain = list(known), word.strip("-").lower()
    by_plain = {name.strip("-").lower(): name for name in reversed(names)}
    near = [by_plain[name] for name in difflib.get_close_matches(plain, list(by_plain), n=2, cutoff=0.6)]
    near = near or [name for name in names if len(plain) > 2 and plain in name.lower()][:2]
    if near:
        return f"; did you mean {' or '.join(near)}?"
    return f"; there are {', '.join(names)}" if listed and len(names) <= _LONGEST_LIST else ""
