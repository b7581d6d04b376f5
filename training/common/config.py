"""Run configurations: frozen keyword-only dataclasses whose fields are also command-line options.

A field's help stands beside its default. One level of nesting groups fields (`augment`); options have the fields' own
names, so names are unique over the groups. Unknown keys fail.
"""

import argparse
import dataclasses
import types
from collections.abc import Iterator, Mapping
from typing import Any, Literal, NamedTuple, TypeVar, get_args, get_origin, get_type_hints

from training.common.errors import ConfigError

C = TypeVar("C")


def doc(text: str, *, key: str = "") -> dict[str, str]:
    """The metadata of a setting.

    Args:
        text: the sentence that documents it, here and in `--help`.
        key: its name in stored configurations and an older spelling of its option, where the field has another name.
    """
    return {"help": text, "key": key} if key else {"help": text}


def to_dict(config: Any) -> dict[str, Any]:
    """The configuration as plain nested dictionaries, ready for JSON."""
    values = {}
    for field in dataclasses.fields(config):
        value = getattr(config, field.name)
        values[_key(field)] = to_dict(value) if dataclasses.is_dataclass(value) else value
    return values


def from_dict(kind: type[C], values: Mapping[str, Any], *, where: str = "configuration") -> C:
    """Build a configuration from what `to_dict` returned.

    Args:
        kind: its class.
        values: nested dictionaries; a key that is missing gets its default.
        where: where they come from, for the message.

    Raises:
        ConfigError: naming the unknown key or the value that has another type.
    """
    hints = get_type_hints(kind)
    known = {_key(field): field for field in dataclasses.fields(kind)}  # type: ignore[arg-type]  # C is a dataclass
    unknown = sorted(set(values) - set(known))
    if unknown:
        raise ConfigError(f"{where}: unknown setting {', '.join(unknown)}; known: {', '.join(known)}")
    resolved: dict[str, Any] = {}
    for key, value in values.items():
        name = known[key].name
        hint = hints[name]
        if dataclasses.is_dataclass(hint):
            resolved[name] = from_dict(hint, value, where=f"{where}, {key}")  # type: ignore[arg-type]
        else:
            resolved[name] = _checked(value, hint, f"{where}: {key}")
    return kind(**resolved)


def merge(config: C, changes: Mapping[str, Any]) -> C:
    """The configuration with some settings replaced.

    Args:
        config: stays as it is.
        changes: values by setting, which may lie in a nested group.

    Raises:
        ConfigError: a setting is unknown or its value has another type.
    """
    values = to_dict(config)
    settings = {setting.name: setting for setting in _settings(type(config))}
    for name, value in changes.items():
        if name not in settings:
            raise ConfigError(f"unknown setting {name}; known: {', '.join(settings)}")
        setting = settings[name]
        group = values[setting.group] if setting.group else values
        group[setting.key] = value
    return from_dict(type(config), values)


def option_name(name: str) -> str:
    """The command-line option of a setting: `--learning-rate` for `learning_rate`."""
    return "--" + name.replace("_", "-")


def add_options(parser: argparse._ActionsContainer, kind: type, defaults: Any) -> None:
    """Add an option for each setting.

    An option that is not used stays out of the parsed namespace, so that presets keep their values.

    Args:
        parser: a parser, or a group of one.
        kind: the configuration's class.
        defaults: the configuration whose values the help gives as defaults.
    """
    values = to_dict(defaults)
    for setting in _settings(kind):
        default = (values[setting.group] if setting.group else values)[setting.key]
        help_text = f"{setting.help} (default: {default})".replace("%", "%%")
        _add_option(parser, option_name(setting.name), setting, help_text)
        if setting.key != setting.name:
            _add_option(parser, option_name(setting.key), setting, argparse.SUPPRESS)


def settings_from_options(options: argparse.Namespace, kind: type) -> dict[str, Any]:
    """The settings of a configuration's class that are set by options, by name."""
    return {name: getattr(options, name) for name in setting_names(kind) if hasattr(options, name)}


def setting_names(kind: type) -> list[str]:
    """The names of all settings of a configuration's class, those in groups included."""
    return [setting.name for setting in _settings(kind)]


def differences(then: Mapping[str, Any], now: Mapping[str, Any]) -> list[str]:
    """The changes between two stored configurations, such as `epochs was 2, is 3`; empty where nothing changed.

    A setting that is newer than the earlier one cannot differ from it.
    """
    lines: list[str] = []
    for key in sorted(then.keys()):
        left, right = then.get(key), now.get(key)
        if isinstance(left, dict) and isinstance(right, dict):
            lines += differences(left, right)
        elif left != right:
            lines.append(f"{key} was {left}, is {right}")
    return lines


class _Setting(NamedTuple):
    name: str
    key: str
    """Its name in stored configurations."""
    group: str
    """The nested group that it lies in; empty for none."""
    type: Any
    help: str


def _settings(kind: type) -> Iterator[_Setting]:
    hints = get_type_hints(kind)
    for field in dataclasses.fields(kind):
        hint = hints[field.name]
        if dataclasses.is_dataclass(hint):
            for setting in _settings(hint):  # type: ignore[arg-type]
                yield setting._replace(group=field.name)
        else:
            yield _Setting(field.name, _key(field), "", hint, field.metadata["help"])


def _key(field: "dataclasses.Field[Any]") -> str:
    return str(field.metadata.get("key", field.name))


def _add_option(parser: argparse._ActionsContainer, option: str, setting: _Setting, help_text: str) -> None:
    common: dict[str, Any] = {"dest": setting.name, "help": help_text, "default": argparse.SUPPRESS}
    base = _without_none(setting.type)
    if base is bool:
        parser.add_argument(option, action=argparse.BooleanOptionalAction, **common)
    elif get_origin(base) is Literal:
        parser.add_argument(option, choices=get_args(base), **common)
    else:
        parser.add_argument(option, type=base, metavar=base.__name__.upper(), **common)


def _without_none(hint: Any) -> Any:
    """The type X of `X | None`."""
    if isinstance(hint, types.UnionType):
        return _without_none(next(part for part in get_args(hint) if part is not type(None)))
    return hint


def _checked(value: Any, hint: Any, where: str) -> Any:
    """The value, if it has the type; an integer becomes a float where one is expected."""
    base = _without_none(hint)
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
