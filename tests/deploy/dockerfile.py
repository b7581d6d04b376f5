"""Parses Dockerfiles: the part of the language that ours uses."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True)
class Instruction:
    """One instruction, its continued lines joined."""

    name: str
    arguments: str

    def words(self, env: Mapping[str, str]) -> list[str]:
        """The arguments as the shell splits them, with variables replaced."""
        return shlex.split(expand(self.arguments, env))


@dataclass
class Stage:
    """The instructions from one FROM to the next."""

    name: str
    base: str
    instructions: list[Instruction] = field(default_factory=list)

    def all(self, name: str) -> list[Instruction]:
        """The instructions called `name`."""
        return [instruction for instruction in self.instructions if instruction.name == name]


def parse(text: str) -> dict[str, Stage]:
    """The stages by name, in order; arguments before the first FROM are replaced by their defaults."""
    stages: dict[str, Stage] = {}
    defaults: dict[str, str] = {}
    for instruction in _instructions(text):
        if instruction.name == "FROM":
            base, *rest = instruction.words(defaults)
            name = rest[1] if rest else base
            stages[name] = Stage(name, base)
        elif stages:
            list(stages.values())[-1].instructions.append(instruction)
        else:
            assert instruction.name == "ARG"
            key, _, value = instruction.arguments.partition("=")
            defaults[key] = value
    return stages


def lineage(stages: Mapping[str, Stage], name: str) -> list[Instruction]:
    """The instructions that make stage `name`, those of the stages it is built on first."""
    if name not in stages:
        return []
    return lineage(stages, stages[name].base) + stages[name].instructions


def expand(text: str, env: Mapping[str, str]) -> str:
    """Replace $NAME and ${NAME}; what is not set becomes nothing."""
    return re.sub(r"\$(?:\{(\w+)\}|(\w+))", lambda match: env.get(match[1] or match[2], ""), text)


def _instructions(text: str) -> Iterator[Instruction]:
    lines = [line for line in text.splitlines() if line.strip() and not line.lstrip().startswith("#")]
    for line in re.sub(r"\\\n\s*", "", "\n".join(lines)).splitlines():
        name, _, arguments = line.partition(" ")
        yield Instruction(name, arguments.strip())
