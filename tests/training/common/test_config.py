"""Configurations: what is unknown or of a wrong type is refused by name; options are the fields."""

import argparse
import json
from dataclasses import dataclass, field

import pytest

from training.common.config import add_options, differences, doc, from_dict, merge, setting_names, to_dict
from training.common.errors import ConfigError
from training.lenet.config import PRESETS, LenetConfig

pytestmark = pytest.mark.torch


@pytest.mark.parametrize("preset", list(PRESETS))
def test_a_configuration_survives_json(preset: str) -> None:
    stored = json.loads(json.dumps(to_dict(PRESETS[preset])))
    assert from_dict(LenetConfig, stored) == PRESETS[preset]


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"epoch": 3}, "unknown setting epoch; known: data,"),
        ({"augment": {"rotations": 3}}, "augment: unknown setting rotations"),
        ({"epochs": "3"}, "epochs is '3', not of type int"),
        ({"epochs": True}, "epochs is True, not of type int"),
        ({"pooling": "min"}, "pooling is 'min'; it can be max, avg, trainable"),
        ({"epochs": 0}, "epochs is 0; it must be at least 1"),
        ({"batch_size": -1}, "batch_size is -1; it must be at least 1"),
        ({"learning_rate": 0}, "learning_rate is 0.0; it must be above 0"),
        ({"ema": 1.0}, "ema is 1.0; it must be at least 0 and below 1"),
        ({"dev": 0.0}, "dev is 0.0; it must be above 0"),
        ({"label_smoothing": 1.0}, "label_smoothing is 1.0; it must be at least 0 and below 1"),
        ({"augment": {"blur": 0.7, "low_resolution": 0.7}}, "blur and low_resolution are fractions of one batch"),
        ({"augment": {"rotation": -1.0}}, "rotation is -1.0; it must not be below 0"),
    ],
)
def test_bad_values_are_named(values: dict[str, object], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        from_dict(LenetConfig, values)


def test_merge_reaches_into_groups() -> None:
    changed = merge(LenetConfig(), {"rotation": 3.0, "epochs": 2})
    assert (changed.augment.rotation, changed.epochs) == (3.0, 2)
    with pytest.raises(ConfigError, match="unknown setting rotations"):
        merge(LenetConfig(), {"rotations": 3.0})


def test_options_are_the_settings_and_absent_ones_stay_absent() -> None:
    parser = argparse.ArgumentParser()
    add_options(parser, LenetConfig, LenetConfig())
    options = vars(parser.parse_args(["--label-smoothing", "0.1", "--no-augment", "--pooling", "avg"]))
    assert options == {"label_smoothing": 0.1, "augment": False, "pooling": "avg"}
    names = setting_names(LenetConfig)
    assert len(names) == len(set(names))
    assert {"epochs", "rotation", "augment"} <= set(names)


def test_differences_are_listed_by_name() -> None:
    then, now = to_dict(LenetConfig()), to_dict(merge(LenetConfig(), {"epochs": 2, "blur": 0.5}))
    assert differences(then, now) == [
        f"blur was {LenetConfig().augment.blur}, is 0.5",
        f"epochs was {LenetConfig().epochs}, is 2",
    ]


@dataclass(frozen=True, kw_only=True)
class _Renamed:
    color: str = field(default="red", metadata=doc("what it looks like", key="colour"))


def test_a_renamed_setting_keeps_its_key_and_its_old_option() -> None:
    assert to_dict(_Renamed()) == {"colour": "red"}
    assert from_dict(_Renamed, {"colour": "blue"}) == merge(_Renamed(), {"color": "blue"}) == _Renamed(color="blue")
    parser = argparse.ArgumentParser()
    add_options(parser, _Renamed, _Renamed())
    assert parser.parse_args(["--color", "blue"]) == parser.parse_args(["--colour", "blue"])
    assert "--color " in parser.format_help()
    assert "--colour" not in parser.format_help()
