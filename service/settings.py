"""Settings: environment variables with the prefix `LECTERN_`. Read once, by the composition root."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from ipaddress import ip_network
from pathlib import Path
from typing import Annotated, Any, Literal, TypeVar

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict, SettingsError

from service.errors import ConfigurationError
from service.limits import PREFIX, Limits, variable
from service.version_policy import VersionPolicy

T = TypeVar("T")

Names = Annotated[tuple[str, ...], NoDecode]


def _split(value: Any) -> Any:
    if isinstance(value, str):
        return tuple(part.strip() for part in value.split(",") if part.strip())
    return value


class ModelSettings(BaseModel):
    """Settings of one model: `LECTERN_MODEL__<NAME>__<SETTING>`, where None takes the global one."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)

    providers: Names | None = None
    """Execution providers of this model."""
    provider_choice: Literal["latency", "throughput"] | None = None
    """What `auto` chooses this model's provider by: as LECTERN_PROVIDER_CHOICE."""
    provider_options: str | None = None
    """Options of this model's execution providers: as LECTERN_PROVIDER_OPTIONS, which they replace as a whole."""
    max_batch_size: Annotated[int, Field(ge=1, le=4096)] | None = None
    """Maximum number of rows joined into one run of this model."""
    max_queue_delay_us: Annotated[int, Field(ge=0, le=2**62)] | None = None
    """Maximum time a request waits for others to join its batch, in microseconds."""
    inline: Literal["auto", "always", "never"] | None = None
    """Where this model runs: as LECTERN_INLINE."""

    _split_providers = field_validator("providers", mode="before")(_split)


class Settings(Limits, BaseSettings):
    """Everything that can be set, the limits included. Each field is the variable `LECTERN_<FIELD>`."""

    model_config = SettingsConfigDict(
        env_prefix=PREFIX,
        env_nested_delimiter="__",
        # `LECTERN_HOST=` in a compose file means the default, not all addresses.
        env_ignore_empty=True,
        frozen=True,
        extra="forbid",
        use_attribute_docstrings=True,
        protected_namespaces=(),
    )

    host: str = "127.0.0.1"
    """Address to listen on; 0.0.0.0 for all."""
    port: int = Field(default=8080, ge=0, le=65535)
    """Port to listen on; 0 takes a free one."""
    models: Path = Path("models")
    """The model repository: <name>/<version>/ with a manifest.json each."""
    version_policy: str = "latest"
    """Which versions serve: latest, latest:N for the N highest, or the versions themselves as 1,3."""
    cache: Path | None = None
    """Folder for models as they were prepared, so that a restart is quick; empty: a temporary folder."""
    max_cache_bytes: int = Field(default=10 * 2**30, ge=2**20, le=2**62)
    """Maximum bytes of that folder; what was not used for longest is removed, but never what a server serves from."""
    watch: bool = False
    """Load new versions as they are put into the model repository."""
    canary_seconds: float = Field(default=0.0, ge=0, le=86_400)
    """Seconds after which each model answers a stored sample again; if it fails, /readyz answers 503. 0: never."""
    load_seconds: float = Field(default=120.0, gt=0, le=86_400)
    """Maximum time to verify, optimize, warm up and try one version of a model, in seconds; then it is refused."""
    load_memory_bytes: int = Field(default=2 * 2**30, ge=128 * 2**20, le=2**62)
    """Maximum memory that this may take, in bytes; enforced on Linux only."""
    workers: int = Field(default=1, ge=1, le=256)
    """Worker processes that serve; with more than one, another process supervises them."""
    providers: Names = ("auto",)
    """Execution providers in order, separated by commas: auto, cpu, cuda, tensorrt, or onnxruntime's names."""
    provider_choice: Literal["latency", "throughput"] = "latency"
    """What auto takes where several are there: the faster one at batch 1, or at the largest batch (throughput)."""
    provider_options: str = ""
    """Options of execution providers, as cuda.device_id=1,tensorrt.trt_fp16_enable=1, or as JSON by provider."""
    threads: int = Field(default=0, ge=0, le=1024)
    """Threads of one run; 0: 1 in the event loop, else available CPUs (affinity, cgroup) divided by LECTERN_WORKERS."""
    strict: bool = False
    """Refuse to start when any model is bad or runs on another provider than asked."""
    model_control: Literal["auto", "explicit", "none"] = "auto"
    """Loading and unloading over HTTP: explicit (on), none (off), or on only if LECTERN_HOST is loopback (auto)."""
    exit_on_device_error: bool = False
    """End the process when a device fails for good, for its supervisor to start it again; workers are replaced."""
    default_models: Names = ("digits", "pos-en", "words-en")
    """Models that answer requests which name none, separated by commas: the first that has the task of the route."""
    model_aliases: Names = ()
    """Other names of models, separated by commas, as text-embedding-3-small=words-en; a model's own name wins."""
    trusted_hosts: Names = ()
    """Hosts that requests may name, separated by commas: names, *.example.com, addresses, networks, or * for all."""
    trusted_proxies: Names = ()
    """Addresses or networks of proxies whose X-Forwarded-For and -Proto count, separated by commas; * for all."""
    root_path: str = ""
    """Path under which a proxy shows the service, such as /models; the proxy may remove it or leave it."""
    admin_port: str = ""
    """Port, ADDRESS:PORT or path of a Unix socket for repository, metrics and statistics, which then are only there."""
    grpc_port: Annotated[int, Field(ge=0, le=65535)] | None = None
    """Port for gRPC (Triton's and the Open Inference Protocol's), on LECTERN_HOST; 0 takes a free one; empty: none."""
    tls_cert: Path | None = None
    """PEM file of the certificate and its chain; with it and LECTERN_TLS_KEY the server speaks HTTPS."""
    tls_key: Path | None = None
    """PEM file of the certificate's key, without a password."""
    api_keys: Path | None = None
    """File of the API keys that callers need, made by `lectern keys new`; without it no key is needed."""
    rate_limit: str = ""
    """Limit of one address for requests that come without an API key, such as 100/s or 1000/min; none by default."""
    page: bool = True
    """Show the page at / and the documentation at /docs, which work without the internet."""
    cors_origins: Names = ()
    """Origins whose web pages may use the service, separated by commas, such as https://app.example.com; * for all."""
    file_translation: bool = True
    """Translate files (/translate_file), whose results are kept for download in a temporary folder of all workers."""
    file_seconds: float = Field(default=600.0, ge=1, le=86_400)
    """Time for which a translated file can be downloaded, in seconds."""
    file_deadline_seconds: float = Field(default=300.0, gt=0, le=86_400)
    """Maximum time to translate one file, in seconds from the arrival of the request."""
    max_concurrent_files: int = Field(default=4, ge=1, le=1024)
    """Maximum number of files that one process translates at the same time; others wait LECTERN_MAX_QUEUE_SECONDS."""
    max_stored_bytes: int = Field(default=100 * 2**20, ge=2**20, le=2**62)
    """Maximum bytes of all translated files kept for download; the oldest make room, those of the last minute never."""
    suggestions: Path | None = None
    """File to which better translations (/suggest) are appended as JSON lines; without it they are refused."""
    max_suggestions_bytes: int = Field(default=10 * 2**20, ge=1024, le=2**62)
    """Largest size of that file in bytes; beyond it the answer is 503."""
    max_total_body_bytes: int = Field(default=64 * 2**20, ge=2**20, le=2**62)
    """Maximum bytes of all bodies in memory; beyond it sockets are not read, and whoever waits too long gets 503."""
    max_queue_delay_us: int = Field(default=0, ge=0, le=2**62)
    """Maximum time a request waits for others to join its batch, in microseconds; 0 adds no delay."""
    max_queue_size: int = Field(default=512, ge=1, le=2**62)
    """Maximum number of requests in flight per model; beyond it the answer is 503 with Retry-After."""
    max_queue_seconds: float = Field(default=3.0, gt=0, le=3600)
    """Most work, in seconds, that a request may find waiting before it at a model; beyond it the answer is 503."""
    inline: Literal["auto", "always", "never"] = "auto"
    """Where a model runs: event loop (always), thread (never), or event loop if its warm-up took under 1 ms (auto)."""
    deadline_seconds: float = Field(default=30.0, gt=0, le=3600)
    """Maximum time for one request in seconds from its arrival: body, preprocessing, queue and run."""
    drain_seconds: float = Field(default=1.0, ge=0, le=600)
    """Seconds after SIGTERM in which /readyz answers 503 and requests are still accepted; then the socket closes."""
    shutdown_seconds: int = Field(default=30, ge=1, le=3600)
    """Maximum time, in seconds, that requests in flight may still take after the socket is closed."""
    keep_alive_seconds: float = Field(default=75.0, gt=0, le=86_400)
    """Time, in seconds, for which a connection without a request stays open."""
    header_seconds: float = Field(default=10.0, gt=0, le=600)
    """Maximum time for a request's headers from their first byte, and for a new connection's first byte, in seconds."""
    max_header_bytes: int = Field(default=65536, ge=1024, le=1048576)
    """Largest request line with all headers, in bytes; beyond it the answer is 431 or 414."""
    max_connections: int = Field(default=0, ge=0, le=1000000)
    """Maximum number of connections per process; 0: 4096, or less if the limit of open files (ulimit -n) is low."""
    access_log: bool = False
    """Log one line per request."""
    log_level: Literal["debug", "info", "warning", "error"] = "info"
    """Least severe level that is logged."""
    model: dict[str, ModelSettings] = Field(default_factory=dict)
    """Settings of single models, for example LECTERN_MODEL__WORDS_EN__PROVIDERS=cpu for words-en."""

    _split_names = field_validator(
        "providers",
        "default_models",
        "model_aliases",
        "trusted_hosts",
        "cors_origins",
        "trusted_proxies",
        mode="before",
    )(_split)

    @field_validator("model_aliases")
    @classmethod
    def _check_aliases(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        aliases = [alias for alias, _ in map(_split_alias, value)]
        repeated = next((alias for alias in aliases if aliases.count(alias) > 1), None)
        if repeated is not None:
            raise ValueError(f"{repeated!r} is set twice; give each alias one model")
        return value

    @field_validator("trusted_proxies")
    @classmethod
    def _check_proxies(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        for proxy in value:
            if proxy != "*":
                ip_network(proxy)
        return value

    @field_validator("root_path")
    @classmethod
    def _check_root_path(cls, value: str) -> str:
        if not re.fullmatch(r"(/[A-Za-z0-9._~-]+)*", value) or value.split("/")[1:2] in (["v1"], ["v2"]):
            raise ValueError("write it as /models, without a / at the end; it cannot begin with /v1 or /v2")
        return value

    @field_validator("admin_port")
    @classmethod
    def _check_admin_port(cls, value: str) -> str:
        if not value.startswith("/") and not re.fullmatch(r"(.+:)?[0-9]{1,5}|", value):
            raise ValueError("write a port, ADDRESS:PORT, or the path of a Unix socket")
        if not value.startswith("/") and value and int(value.rpartition(":")[2]) > 65535:
            raise ValueError("a port is at most 65535")
        return value

    @field_validator("version_policy")
    @classmethod
    def _check_version_policy(cls, value: str) -> str:
        return VersionPolicy.parse(value).text

    @property
    def models_by_alias(self) -> dict[str, str]:
        """The model of each alias."""
        return dict(map(_split_alias, self.model_aliases))

    @property
    def docs_path(self) -> str:
        """Where the operations are described, behind the prefix of a proxy."""
        return f"{self.root_path}{'/docs' if self.page else '/openapi.json'}"

    def limits_for(self, name: str) -> Limits:
        """The limits of model `name`: the global ones, with its own batch size where one is set."""
        limits = {field: getattr(self, field) for field in Limits.model_fields}
        return Limits(**limits | {"max_batch_size": self.for_model(name).max_batch_size})

    def for_model(self, name: str) -> ModelSettings:
        """The settings of model `name`, its own where set and the global ones elsewhere."""
        own = self.model.get(model_key(name), ModelSettings())
        return ModelSettings(
            providers=own.providers if own.providers is not None else self.providers,
            provider_choice=own.provider_choice or self.provider_choice,
            provider_options=_first(own.provider_options, self.provider_options),
            max_batch_size=own.max_batch_size or self.max_batch_size,
            max_queue_delay_us=_first(own.max_queue_delay_us, self.max_queue_delay_us),
            inline=own.inline or self.inline,
        )

    def variable_for(self, name: str, setting: str) -> str:
        """The environment variable that a setting of model `name` comes from: the model's own where that is set."""
        own = self.model.get(model_key(name))
        is_own = own is not None and getattr(own, setting) is not None
        return variable(f"model__{model_key(name)}__{setting}" if is_own else setting)


def model_key(name: str) -> str:
    """A model's name as variables write it: words-en is WORDS_EN, here in small letters."""
    return re.sub(r"[.-]", "_", name)


def load_settings(**overrides: Any) -> Settings:
    """Read the settings from the environment; `overrides` win.

    Raises:
        ConfigurationError: naming the variable and what is wrong with it.
    """
    try:
        return Settings(**overrides)
    except ValidationError as error:
        first = error.errors()[0]
        name = variable("__".join(str(part) for part in first["loc"]))
        wrong = "is not a setting" if first["type"] == "extra_forbidden" else first["msg"].removeprefix("Value error, ")
        raise ConfigurationError(f"{name}={first['input']!r}: {wrong}; see `lectern serve --help`") from error
    except SettingsError as error:  # Only the one setting that is a table is parsed before it is validated.
        raise ConfigurationError(
            f"{PREFIX}MODEL: set a model's own settings one by one, as in {PREFIX}MODEL__DIGITS__PROVIDERS=cpu; "
            "see `lectern serve --help`"
        ) from error


def unknown_variables() -> list[str]:
    """Variables of the environment that begin with LECTERN_ and set nothing: probably misspelled."""
    known = {variable(name) for name in Settings.model_fields} | {"LECTERN_DATA"}
    return sorted(
        name for name in os.environ if name.startswith(PREFIX) and name not in known and "LECTERN_MODEL__" not in name
    )


def describe_settings() -> Iterator[tuple[str, str, str]]:
    """Yield (variable, default, meaning) of every setting, the limits last."""
    fields = Settings.model_fields
    for name in sorted(fields, key=lambda name: name in Limits.model_fields):
        field = fields[name]
        default = field.get_default(call_default_factory=True)
        text = ",".join(default) if isinstance(default, tuple) else str(default)
        if isinstance(default, bool):
            text = str(int(default))
        suffix = "__<NAME>__<SETTING>" if name == "model" else ""
        yield variable(name) + suffix, "" if default in ({}, None) else text, field.description or ""


def _split_alias(pair: str) -> tuple[str, str]:
    alias, _, model = (part.strip() for part in pair.partition("="))
    if not (alias and model):
        raise ValueError(f"{pair!r} is no alias; write ALIAS=MODEL, as text-embedding-3-small=words-en")
    return alias, model


def _first(own: T | None, other: T) -> T:
    return other if own is None else own
