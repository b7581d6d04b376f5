"""Run configurations: frozen keyword-only dataclasses whose fields are also the command line's flags.

A field's help stands beside its default. One level of nesting groups fields (`augment`); flags have the fields' own
names, so names are unique over the groups. Unknown keys fail.
"""

import argparse
import dataclasses
import types
from collections.abc import Iterator, Mapping
from typing import Any, Literal, TypeVar, get_args, get_origin, get_type_hints

from training.common.errors import ConfigError

C = TypeVar("C")


def doc(text: str) -> dict[str, str]:
    """The metadata of a setting: the sentence that documents it, here and in `--help`."""
    return {"help": text}


def to_dict(config: Any) -> dict[str, Any]:
    """The configuration as plain nested dictionaries, ready for JSON."""
    return dataclasses.asdict(config)


def from_dict(kind: type[C], values: Mapping[str, Any], *, where: str = "configuration") -> C:
    """Build `kind` from `values`; a key or a value that it does not know raises ConfigError naming it."""
    hints = get_type_hints(kind)
    known = {field.name: field for field in dataclasses.fields(kind)}  # type: ignore[arg-type]  # C is a dataclass
    unknown = sorted(set(values) - set(known))
    if unknown:
        raise ConfigError(f"{where}: unknown setting {', '.join(unknown)}; known: {', '.join(known)}")
    resolved: dict[str, Any] = {}
    for name, value in values.items():
        hint = hints[name]
        if dataclasses.is_dataclass(hint):
            resolved[name] = from_dict(hint, value, where=f"{where}, {name}")  # type: ignore[arg-type]
        else:
            resolved[name] = _checked(value, hint, f"{where}: {name}")
    return kind(**resolved)


def merge(config: C, changes: Mapping[str, Any]) -> C:
    """`config` with fields replaced by flat `changes`, whose names may lie in a nested group."""
    values = to_dict(config)
    places = {name: place for name, place, _, _ in _leaves(type(config))}
    for name, value in changes.items():
        if name not in places:
            raise ConfigError(f"unknown setting {name}; known: {', '.join(places)}")
        target = values[places[name]] if places[name] else values
        target[name] = value
    return from_dict(type(config), values)


def add_flags(parser: argparse._ActionsContainer, kind: type, defaults: Any) -> None:
    """One `--flag` per setting; what is not given stays out of the namespace, so presets keep their values."""
    values = to_dict(defaults)
    for name, place, hint, help_text in _leaves(kind):
        default = (values[place] if place else values)[name]
        flag = "--" + name.replace("_", "-")
        text = f"{help_text} (default: {default})".replace("%", "%%")
        common: dict[str, Any] = {"dest": name, "help": text, "default": argparse.SUPPRESS}
        base = _plain(hint)
        if base is bool:
            parser.add_argument(flag, action=argparse.BooleanOptionalAction, **common)
        elif get_origin(base) is Literal:
            parser.add_argument(flag, choices=get_args(base), **common)
        else:
            parser.add_argument(flag, type=base, metavar=base.__name__.upper(), **common)


def flag_names(kind: type) -> list[str]:
    """The names of all settings, nested ones included."""
    return [name for name, _, _, _ in _leaves(kind)]


def differences(then: Mapping[str, Any], now: Mapping[str, Any]) -> list[str]:
    """What changed between two stored configurations, as `epochs was 2, is 3`; empty where nothing did."""
    lines: list[str] = []
    for key in sorted(then.keys() | now.keys()):
        left, right = then.get(key), now.get(key)
        if isinstance(left, dict) and isinstance(right, dict):
            lines += differences(left, right)
        elif left != right:
            lines.append(f"{key} was {left}, is {right}")
    return lines


def _leaves(kind: type) -> Iterator[tuple[str, str, Any, str]]:
    """(name, group it lies in or "", type, help) of every setting."""
    hints = get_type_hints(kind)
    for field in dataclasses.fields(kind):
        hint = hints[field.name]
        if dataclasses.is_dataclass(hint):
            for name, _, inner, text in _leaves(hint):  # type: ignore[arg-type]
                yield name, field.name, inner, text
        else:
            yield field.name, "", hint, field.metadata["help"]


def _plain(hint: Any) -> Any:
    """The type behind `X | None`."""
    if isinstance(hint, types.UnionType):
        return _plain(next(part for part in get_args(hint) if part is not type(None)))
    return hint


def _checked(value: Any, hint: Any, where: str) -> Any:
    base = _plain(hint)
    if value is None and isinstance(hint, types.UnionType):
        return None
    if get_origin(base) is Literal:
        if value not in get_args(base):
            raise ConfigError(f"{where} is {value!r}; it can be {', '.join(map(str, get_args(base)))}")
        return value
    if base is float and isinstance(value, int) and not isinstance(value, bool):
        return float(value)
    if not isinstance(value, base) or (base is int and isinstance(value, bool)):
        raise ConfigError(f"{where} is {value!r}, not of type {base.__name__}")
    return value
