"""What `LECTERN_PROVIDERS=auto` takes where several execution providers are compiled in: the one that runs the model's
own samples fastest.

Measured when a version is prepared, and kept in LECTERN_CACHE by the bundle's hash and everything of the machine that
the figures depend on.
"""

from __future__ import annotations

import time
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict

from service.bundle.files import Bundle, first_line
from service.runtime.devices import device_name
from service.runtime.provider_options import CPU, ProviderOptions, parse_options
from service.runtime.providers import automatic
from service.runtime.session import Tensors, session_opener
from service.serving.cache_entries import CacheEntries, CacheKind
from service.serving.inline import runs_inline
from service.serving.preparation_job import PreparationJob
from service.serving.provider_choice_figures import Figures, ProviderChoice
from service.serving.sample_batches import largest_batch, repeated, row_count, sample_rows
from service.tasks import Predictor, load_predictor

_RUNS, _SECONDS = 9, 0.25
"""Most runs that are timed, and the time after which no further one is."""
_GAIN = 0.9
"""Another provider is taken instead of the CPU's if it takes less than this part of its time: below that, what is
measured is the noise of the machine, and the CPU's is the one that every bundle was made for."""


class _Measured(BaseModel):
    """What is kept: a choice by either figure follows from it."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    figures: dict[str, Figures]
    unusable: dict[str, str]

    def choose(self, by: Literal["latency", "throughput"]) -> ProviderChoice:
        def seconds(provider: str) -> float:
            own = self.figures[provider]
            return own.one_row_seconds if by == "latency" else own.rows_seconds / own.rows

        best = min(self.figures, key=seconds, default=CPU)
        if CPU in self.figures and best != CPU and seconds(best) > _GAIN * seconds(CPU):
            best = CPU
        return ProviderChoice(provider=best, chosen_by=by, figures=self.figures, unusable=self.unusable)


def choose_provider(job: PreparationJob, bundle: Bundle, manifest_sha256: str) -> ProviderChoice | None:
    """Choose the provider of a model; None where the settings name others, or nothing but the CPU's is compiled in.

    Args:
        job: the job, with `auto` among its providers.
        bundle: the verified bundle.
        manifest_sha256: the hash of its manifest, and so of all its files.
    """
    candidates = automatic()
    if [name.lower() for name in job.providers] != ["auto"] or len(candidates) < 2:
        return None
    options = parse_options(job.provider_options)
    devices = [f"{name} {device_name(name, options.get(name, {}))}" for name in candidates]
    settings = job.model_dump_json(exclude={"path", "cache", "strict", "provider_choice"})
    key = ["auto", manifest_sha256, *devices, settings]
    entries = CacheEntries(job.cache, CacheKind.PROVIDERS) if job.cache is not None else None
    measured = _kept(entries, key)
    if measured is None:
        measured = _measure(job, bundle, candidates, options)
        _keep(entries, key, measured)
    return measured.choose(job.provider_choice)


def _kept(entries: CacheEntries | None, key: list[str]) -> _Measured | None:
    entry = entries.find(key) if entries is not None else None
    try:
        return None if entry is None else _Measured.model_validate(entry.content)
    except ValueError:
        return None


def _keep(entries: CacheEntries | None, key: list[str], measured: _Measured) -> None:
    """Keep figures for the next start; where that is not possible, it measures again."""
    if entries is None:
        return
    try:
        with entries.staging() as folder:
            entries.keep(key, folder, measured.model_dump(mode="json"))
    except OSError:
        return


def _measure(job: PreparationJob, bundle: Bundle, candidates: tuple[str, ...], options: ProviderOptions) -> _Measured:
    figures: dict[str, Figures] = {}
    unusable: dict[str, str] = {}
    for provider in candidates:
        try:
            if isinstance(outcome := _measure_one(job, bundle, provider, options), Figures):
                figures[provider] = outcome
            else:
                unusable[provider] = outcome
        except Exception as error:  # Whatever one provider does, another one may serve.
            unusable[provider] = first_line(error)
    return _Measured(figures=figures, unusable=unusable)


def _measure_one(job: PreparationJob, bundle: Bundle, provider: str, options: ProviderOptions) -> Figures | str:
    """The times on one provider; a text where it cannot be used, or answers the samples otherwise."""

    def opened(threads: int) -> Predictor[Any]:
        opener = session_opener((provider,), threads, False, options=options, max_batch_size=job.limits.max_batch_size)
        return load_predictor(bundle, opener, job.limits)

    predictor = opened(job.threads or 1)
    if any(report.fell_back for report in predictor.reports.values()):
        return "it cannot be started"
    rows = sample_rows(predictor)
    one, many = repeated(rows, 1), largest_batch(predictor, rows)
    one_row_seconds = _seconds(predictor, one)
    if not job.threads and not runs_inline(job.inline, one_row_seconds, job.inline_threshold_seconds):
        predictor = opened(job.cpus)  # As it would be served.
        one_row_seconds = _seconds(predictor, one)
    if wrong := next(predictor.replay(), None):
        return f"it answers differently: {wrong}"
    return Figures(one_row_seconds=one_row_seconds, rows=row_count(many), rows_seconds=_seconds(predictor, many))


def _seconds(predictor: Predictor[Any], tensors: Tensors) -> float:
    """The least time of a run after the first, which may compile."""
    predictor.infer(tensors)
    times: list[float] = []
    while not times or (len(times) < _RUNS and sum(times) < _SECONDS):
        started = time.perf_counter()
        predictor.infer(tensors)
        times.append(time.perf_counter() - started)
    return min(times)  # A busy machine adds to all others.
