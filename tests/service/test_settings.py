"""Settings come from the environment; errors name the variable."""

from __future__ import annotations

from pathlib import Path

import pytest

from service.errors import ConfigurationError
from service.settings import (
    ModelSettings,
    Settings,
    describe_settings,
    load_settings,
    model_key,
    unknown_variables,
)


def test_defaults() -> None:
    settings = load_settings()
    assert (settings.host, settings.port, settings.models) == ("127.0.0.1", 8080, Path("models"))
    assert settings.workers == 1
    assert settings.providers == ("auto",)
    assert not settings.strict
    assert settings.max_body_bytes == 16 * 2**20
    assert settings.max_images == 64
    assert settings.max_pixels == 20_000_000
    assert settings.deadline_seconds == 30
    assert not settings.access_log


def test_connections_may_be_kept_for_longer_than_any_proxy_keeps_them(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LECTERN_KEEP_ALIVE_SECONDS", "4000")  # Envoy's default is an hour.
    assert load_settings().keep_alive_seconds == 4000


def test_variables_are_read(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in {
        "LECTERN_PORT": "9000",
        "LECTERN_STRICT": "1",
        "LECTERN_PROVIDERS": " cuda, cpu ,",
        "LECTERN_INLINE": "never",
        "LECTERN_MODEL__DIGITS__PROVIDERS": "cpu",
        "LECTERN_MODEL__WORDS_EN__MAX_BATCH_SIZE": "7",
    }.items():
        monkeypatch.setenv(name, value)
    settings = load_settings()
    assert (settings.port, settings.strict, settings.providers) == (9000, True, ("cuda", "cpu"))
    digits, words = settings.for_model("digits"), settings.for_model("words-en")
    assert (digits.providers, digits.max_batch_size, digits.inline) == (("cpu",), 64, "never")
    assert (words.providers, words.max_batch_size, words.max_queue_delay_us) == (("cuda", "cpu"), 7, 0)
    assert settings.for_model("words.en") == words


def test_an_empty_variable_is_the_default(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("HOST", "PORT", "MODELS", "PROVIDERS", "STRICT"):
        monkeypatch.setenv(f"LECTERN_{name}", "")
    assert load_settings() == Settings()
    assert load_settings().host == "127.0.0.1"


def test_arguments_win_over_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LECTERN_PORT", "9000")
    assert load_settings(port=9001).port == 9001


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("PORT", "http", r"LECTERN_PORT='http': Input should be a valid integer.*; see `lectern serve --help`"),
        ("PORT", "65536", r"LECTERN_PORT='65536': Input should be less than or equal to 65535"),
        ("WORKERS", "0", r"LECTERN_WORKERS='0': Input should be greater than or equal to 1"),
        ("INLINE", "sometimes", r"LECTERN_INLINE='sometimes': Input should be 'auto', 'always' or 'never'"),
        ("STRICT", "maybe", r"LECTERN_STRICT='maybe': Input should be a valid boolean"),
        ("DEADLINE_SECONDS", "nan", r"LECTERN_DEADLINE_SECONDS='nan': "),
        ("MODEL_ALIASES", "words", r"LECTERN_MODEL_ALIASES=.*: 'words' is no alias; write ALIAS=MODEL"),
        ("MODEL_ALIASES", "a=words,=b", r"LECTERN_MODEL_ALIASES=.*: '=b' is no alias; write ALIAS=MODEL"),
        ("MODEL_ALIASES", "a=b, a =c", r"LECTERN_MODEL_ALIASES=.*: 'a' is set twice; give each alias one model"),
        ("MODEL", "digits", r"LECTERN_MODEL: set a model's own settings one by one"),
        ("MODEL__DIGITS", "cpu", r"LECTERN_MODEL__DIGITS='cpu': "),
        ("MODEL__DIGITS__PROVIDER", "cpu", r"LECTERN_MODEL__DIGITS__PROVIDER='cpu': is not a setting"),
        ("MODEL__DIGITS__MAX_BATCH_SIZE", "0", r"LECTERN_MODEL__DIGITS__MAX_BATCH_SIZE='0': Input should be"),
    ],
)
def test_a_bad_value_is_told_by_its_variable(
    monkeypatch: pytest.MonkeyPatch, name: str, value: str, message: str
) -> None:
    monkeypatch.setenv(f"LECTERN_{name}", value)
    with pytest.raises(ConfigurationError, match=message):
        load_settings()


NUMBERS = [
    *(name for name, field in Settings.model_fields.items() if field.annotation in (int, float)),
    *(f"model__digits__{name}" for name, field in ModelSettings.model_fields.items() if "int" in str(field.annotation)),
]


@pytest.mark.parametrize("name", NUMBERS)
def test_a_number_out_of_bounds_is_refused_by_its_variable(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    for value in ("9" * 20, "-" + "9" * 20, "1e400", "nan"):
        monkeypatch.setenv(f"LECTERN_{name.upper()}", value)
        with pytest.raises(ConfigurationError, match=f"LECTERN_{name.upper()}="):
            load_settings()


def test_settings_do_not_change(settings: Settings) -> None:
    with pytest.raises(ValueError, match="frozen"):
        settings.port = 1  # type: ignore[misc]


def test_misspelt_variables_are_found(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("LECTERN_PORTT", "LECTERN_MODELS__DIGITS", "LECTERN_PORT", "LECTERN_MODEL__A__PROVIDERS", "LECTERNX"):
        monkeypatch.setenv(name, "1")
    monkeypatch.setenv("LECTERN_DATA", "/data")
    assert unknown_variables() == ["LECTERN_MODELS__DIGITS", "LECTERN_PORTT"]


def test_every_setting_is_described() -> None:
    rows = {variable: (default, meaning) for variable, default, meaning in describe_settings()}
    assert len(rows) == len(Settings.model_fields)
    assert all(meaning for _, meaning in rows.values())
    assert rows["LECTERN_PORT"][0] == "8080"
    assert rows["LECTERN_STRICT"][0] == "0"
    assert rows["LECTERN_PROVIDERS"][0] == "auto"
    assert "LECTERN_MODEL__<NAME>__<SETTING>" in rows


def test_a_models_name_as_variables_write_it() -> None:
    assert model_key("words-en.v2") == "words_en_v2"


def test_the_variable_that_a_setting_of_a_model_comes_from(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LECTERN_MODEL__WORDS_EN__PROVIDERS", "cpu")
    monkeypatch.setenv("LECTERN_MODEL__WORDS_EN__PROVIDER_OPTIONS", "cuda.device_id=1")
    settings = load_settings()
    assert settings.variable_for("words-en", "providers") == "LECTERN_MODEL__WORDS_EN__PROVIDERS"
    assert settings.variable_for("words-en", "provider_options") == "LECTERN_MODEL__WORDS_EN__PROVIDER_OPTIONS"
    assert settings.variable_for("words-en", "inline") == "LECTERN_INLINE"
    assert settings.variable_for("digits", "providers") == "LECTERN_PROVIDERS"
