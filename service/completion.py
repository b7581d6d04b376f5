"""Shell completion: scripts for bash, zsh and fish, made of an argparse parser.

A script knows the commands, options and values of the parser that it was made of. To make it again after an update is
up to the user.
"""

from __future__ import annotations

import argparse
import re
import shlex
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from service.command_line import subparsers_of, visible_options
from service.output import write


@dataclass(frozen=True, kw_only=True)
class _Option:
    name: str
    help: str
    takes_value: bool
    values: tuple[str, ...]
    """What the value can be; empty for anything, such as a file."""


@dataclass(frozen=True, kw_only=True)
class _Branch:
    """A parser of the tree: the program itself, or one of its commands."""

    path: str
    """The commands that lead here, each with a space before it: ` models list`; empty for the program."""
    commands: tuple[tuple[str, str], ...]
    """Names and help."""
    options: tuple[_Option, ...]
    values: tuple[str, ...]
    """What its positional argument can be."""


def add_completion_command(
    commands: argparse._SubParsersAction[Any], program: str, parser: Callable[[], argparse.ArgumentParser]
) -> None:
    """Add `completion` to the commands of a program.

    Args:
        commands: the commands.
        program: name of the program, as users type it.
        parser: makes the whole parser of the program.
    """
    command = commands.add_parser(
        "completion",
        help="print a script that completes commands and options in a shell",
        description="Print a script for shell completion. Write it to a file that the shell reads: "
        f"{program} completion bash > ~/.local/share/bash-completion/completions/{program} "
        f"(zsh: a file _{program} in a folder of $fpath; fish: ~/.config/fish/completions/{program}.fish).",
    )
    command.add_argument("shell", choices=tuple(_SCRIPTS), metavar="SHELL", help="bash, zsh or fish")

    def run(options: argparse.Namespace) -> int:
        write(completion_script(parser(), program, options.shell))
        return 0

    command.set_defaults(run=run)


def completion_script(parser: argparse.ArgumentParser, program: str, shell: str) -> str:
    """The script that completes the arguments of a program in a shell: `bash`, `zsh` or `fish`."""
    return _SCRIPTS[shell](program, list(_branches(parser, "")))


def _branches(parser: argparse.ArgumentParser, path: str) -> Iterator[_Branch]:
    subparsers = subparsers_of(parser)
    positional = next((action for action in parser._actions if not action.option_strings and action.choices), None)
    yield _Branch(
        path=path,
        commands=tuple((action.dest, _first_words(action.help)) for action in subparsers._choices_actions)
        if subparsers
        else (),
        options=tuple(_options(parser)),
        values=tuple(map(str, positional.choices or ())) if positional and positional is not subparsers else (),
    )
    if subparsers is not None:
        for name, child in subparsers.choices.items():  # other spellings of a command too
            yield from _branches(child, f"{path} {name}")


def _options(parser: argparse.ArgumentParser) -> Iterator[_Option]:
    for action in visible_options(parser):
        for name in action.option_strings:
            if name.startswith("--"):
                yield _Option(
                    name=name,
                    help=_first_words(action.help),
                    takes_value=action.nargs != 0,
                    values=tuple(map(str, action.choices or ())),
                )


def _first_words(text: str | None) -> str:
    """The help up to its first semicolon or parenthesis, without what a shell or a format string would read."""
    plain = re.split(r"[;(]", (text or "").replace("%%", "%"))[0].strip()
    return re.sub(r"[^\w ',.%+/=-]", "", plain)[:70]


def _function(program: str) -> str:
    return "_" + program.replace("-", "_")


def _bash(program: str, branches: list[_Branch]) -> str:
    name = _function(program)
    values = [
        f"        {shlex.quote(f'{branch.path} {option.name}')}) words={shlex.quote(' '.join(option.values))}; "
        "values=1 ;;"
        for branch in branches
        for option in branch.options
        if option.takes_value
    ]
    words = [
        f"        {shlex.quote(branch.path)}) words={shlex.quote(' '.join(_candidates(branch)))} ;;"
        for branch in branches
    ]
    return "\n".join(
        [
            f"# bash completion of {program}; made by `{program} completion bash`",
            f"{name}() {{",
            '    local current="${COMP_WORDS[COMP_CWORD]}" previous="${COMP_WORDS[COMP_CWORD-1]}"',
            '    local branch="" words="" values="" i',
            '    [[ "$previous" == "=" ]] && previous="${COMP_WORDS[COMP_CWORD-2]}"',
            '    [[ "$current" == "=" ]] && current=""',
            "    for ((i = 1; i < COMP_CWORD; i++)); do",
            '        case "$branch ${COMP_WORDS[i]}" in',
            f'        {_cases(branches)}) branch="$branch ${{COMP_WORDS[i]}}" ;;',
            "        esac",
            "    done",
            '    case "$branch $previous" in',
            *values,
            "    esac",
            '    if [[ -z "$values" ]]; then',
            '        case "$branch" in',
            *words,
            "        esac",
            "    fi",
            '    [[ -z "$values" && "$current" != -* ]] && words=" $words " && words="${words// --*/}"',
            '    COMPREPLY=($(compgen -W "$words" -- "$current"))',
            "}",
            f"complete -o default -F {name} {program}",
        ]
    )


def _cases(branches: list[_Branch]) -> str:
    return "|".join(shlex.quote(branch.path) for branch in branches if branch.path)


def _candidates(branch: _Branch) -> list[str]:
    """Commands and values first, then options: a word that does not begin with a hyphen is completed by the former."""
    return [*(name for name, _ in branch.commands), *branch.values, *(option.name for option in branch.options)]


def _zsh(program: str, branches: list[_Branch]) -> str:
    name = _function(program)
    lines = [
        f"#compdef {program}",
        f"# zsh completion of {program}; made by `{program} completion zsh`",
        f"{name}() {{",
        '    local branch="" word previous="${words[CURRENT-1]}"',
        "    local -a candidates",
        '    for word in "${words[@]:1:$((CURRENT-2))}"; do',
        '        case "$branch $word" in',
        f'        {_cases(branches)}) branch="$branch $word" ;;',
        "        esac",
        "    done",
        '    case "$branch $previous" in',
    ]
    for branch in branches:
        for option in branch.options:
            if option.takes_value:
                action = f"compadd -- {shlex.join(option.values)}" if option.values else "_files"
                lines.append(f"        {shlex.quote(f'{branch.path} {option.name}')}) {action}; return ;;")
    lines += ["    esac", '    case "$branch" in']
    for branch in branches:
        described = [(command, text) for command, text in branch.commands]
        described += [(value, "") for value in branch.values]
        described += [(option.name, option.help) for option in branch.options]
        entries = " ".join(shlex.quote(f"{word}:{text}" if text else word) for word, text in described)
        lines.append(f"        {shlex.quote(branch.path)}) candidates=({entries}) ;;")
    return "\n".join(
        [
            *lines,
            "    esac",
            f"    _describe {program} candidates || _files",
            "}",
            f'if [ "$funcstack[1]" = "{name}" ]; then {name} "$@"; else compdef {name} {program}; fi',
        ]
    )


def _fish(program: str, branches: list[_Branch]) -> str:
    function = f"_{_function(program)}_branch"
    known = " ".join(shlex.quote(branch.path) for branch in branches if branch.path)
    lines = [
        f"# fish completion of {program}; made by `{program} completion fish`",
        f"function {function}",
        '    set -l branch ""',
        "    for word in (commandline -opc)[2..-1]",
        f'        contains -- "$branch $word" {known}; and set branch "$branch $word"',
        "    end",
        '    test "$branch" = "$argv[1]"',
        "end",
    ]
    for branch in branches:
        start = f"complete -c {program} -n {shlex.quote(f'{function} {shlex.quote(branch.path)}')}"
        lines += [f"{start} -f -a {shlex.quote(command)} -d {shlex.quote(text)}" for command, text in branch.commands]
        if branch.values:
            lines.append(f"{start} -f -a {shlex.quote(' '.join(branch.values))}")
        for option in branch.options:
            value = f" -x -a {shlex.quote(' '.join(option.values))}" if option.values else " -r" * option.takes_value
            lines.append(f"{start} -l {option.name.removeprefix('--')}{value} -d {shlex.quote(option.help)}")
    return "\n".join(lines)


_SCRIPTS: dict[str, Callable[[str, list[_Branch]], str]] = {"bash": _bash, "zsh": _zsh, "fish": _fish}
