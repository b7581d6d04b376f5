"""Preparing a version: verify it, optimize its graphs, warm it up, choose where it runs, and replay its samples.

`prepare` runs in a helper process (`service.serving.helper_process`), as any of these steps may hang or take all memory
with a bundle that means harm or is broken. What it leaves is opened by the server in little time.
"""

from __future__ import annotations

import hashlib
import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from service.bundle.files import MANIFEST, Bundle, BundleError, read_bundle, sha256_of_plain_file
from service.errors import ConfigurationError
from service.runtime.devices import used_bytes
from service.runtime.memory import known_resident_bytes
from service.runtime.optimization import optimize_graphs
from service.runtime.provider_options import CPU, parse_options
from service.runtime.providers import first_compiled_in, resolve
from service.runtime.session import session_opener
from service.runtime.variants import advice_for, kind_of, kinds_in
from service.serving.inline import runs_inline
from service.serving.preparation_job import PreparationJob, Verification
from service.serving.prepared_cache import PreparedCache
from service.serving.provider_choice import choose_provider
from service.serving.provider_choice_figures import ProviderChoice
from service.serving.states import PreparedVersion
from service.serving.warm_up import warm_up
from service.tasks import Predictor, load_predictor


def prepare(job: PreparationJob) -> PreparedVersion:
    """Verify the bundle, open it, warm it up and replay its samples.

    Raises:
        BundleError: the bundle is bad, or answers its samples otherwise than it did.
        ConfigurationError: strict, and another execution provider runs than was asked for.
    """
    manifest = _manifest_sha256(job.path)  # Before it is read: the bundle may be replaced at any time.
    bundle = read_bundle(job.path)
    choice = choose_provider(job, bundle, manifest)
    if choice is None:
        return _prepare(job, bundle, manifest)
    job = _with_provider(job, choice)
    prepared = _prepare(job, bundle, manifest)
    return prepared.model_copy(update={"providers": job.providers, "provider_choice": choice})


def _with_provider(job: PreparationJob, choice: ProviderChoice) -> PreparationJob:
    """The job with the provider that was chosen; the CPU's may run what it lacks, as `auto` asks for both."""
    return job.model_copy(update={"providers": tuple(dict.fromkeys((choice.provider, CPU)))})


def _prepare(job: PreparationJob, bundle: Bundle, manifest: str) -> PreparedVersion:
    if job.cache is None:
        return _try(job, bundle, optimized=False)
    cache = PreparedCache(job.cache)
    key = _key(job, manifest)
    if (known := cache.find(key)) is not None:
        return known
    try:
        with cache.staging() as folder, _texts_name(job.path, folder):
            copy = _copy(bundle, folder, manifest)
            graphs = [copy.file(graph.file) for graph in copy.manifest.graphs.values()]
            optimized = resolve(job.providers) == (CPU,) and optimize_graphs(graphs)
            prepared = _try(job, copy, optimized=optimized)
            return cache.keep(key, folder, prepared)
    except OSError as error:  # Whatever it is about: if it is the bundle itself, opening that says so.
        notice = f"{job.cache} cannot be written ({error.strerror}): the bundle itself is opened"
    return _try(job, bundle, optimized=False).model_copy(update={"notice": notice})


def verify(job: PreparationJob) -> Verification:
    """Verify the bundle, open it where it is, and compare all its answers to the stored ones.

    The graphs for other kinds of execution providers answer too, on the CPU.

    Raises:
        BundleError: the bundle is bad.
        ConfigurationError: as `prepare`.
    """
    manifest = _manifest_sha256(job.path)
    bundle = read_bundle(job.path)
    choice = choose_provider(job, bundle, manifest)
    if choice is not None:
        job = _with_provider(job, choice)
    predictor = _open(job, bundle, job.threads or job.cpus, optimized=False)
    problems = [f"{one}{advice_for(bundle.manifest, job.providers)}" for one in predictor.replay()]
    for kind in set(kinds_in(bundle.manifest)) - {kind_of(job.providers)}:
        opener = session_opener(("cpu",), job.threads or job.cpus, job.strict, kind=kind)
        problems += [f"graphs for {kind.value}: {one}" for one in load_predictor(bundle, opener, job.limits).replay()]
    return Verification(
        samples=len(bundle.samples()),
        problems=tuple(problems),
        placement={name: report.describe() for name, report in predictor.reports.items()},
    )


def _try(job: PreparationJob, bundle: Bundle, *, optimized: bool) -> PreparedVersion:
    """Open a bundle as the server would, measure it, and compare its answers to the stored ones."""
    threads = job.threads or 1
    before = _memory(job)
    predictor = _open(job, bundle, threads, optimized)
    seconds = warm_up(predictor)
    memory_bytes, device_memory_bytes = map(_growth, before, _memory(job))
    inline = not predictor.scheduling.decodes_stepwise and runs_inline(
        job.inline, seconds, job.inline_threshold_seconds
    )
    if not job.threads and not inline:
        # Waking threads would cost a tiny model more than its whole run; only slow ones are served with several.
        threads = job.cpus
    if wrong := next(predictor.replay(), None):
        remedy = advice_for(bundle.manifest, job.providers)
        raise BundleError(f"{bundle.path}: the samples are answered differently: {wrong}{remedy}")
    return PreparedVersion(
        name=bundle.manifest.name,
        version=bundle.manifest.version,
        task=bundle.manifest.task,
        selectors=dict(predictor.selectors),
        folder=bundle.path,
        optimized=optimized,
        manifest_sha256=(manifest_sha256 := _sha256(bundle.path / MANIFEST)),
        files={**bundle.manifest.files, MANIFEST: manifest_sha256},
        threads=threads,
        inline=inline,
        warm_up_seconds=seconds,
        memory_bytes=memory_bytes,
        device_memory_bytes=device_memory_bytes,
    )


def _memory(job: PreparationJob) -> tuple[int | None, int | None]:
    """Memory in use of this process, and of the device of the provider that runs; None where that is not known."""
    provider = first_compiled_in(job.providers)
    return known_resident_bytes(), used_bytes(provider, parse_options(job.provider_options).get(provider, {}))


def _growth(before: int | None, after: int | None) -> int | None:
    return None if before is None or after is None else max(0, after - before)


def _open(job: PreparationJob, bundle: Bundle, threads: int, optimized: bool) -> Predictor[Any]:
    options = parse_options(job.provider_options)
    opener = session_opener(
        job.providers,
        threads,
        job.strict,
        options=options,
        optimized=optimized,
        max_batch_size=job.limits.max_batch_size,
    )
    return load_predictor(bundle, opener, job.limits)


def _copy(bundle: Bundle, folder: Path, manifest: str) -> Bundle:
    """Copy a bundle, so that whatever happens to its files afterwards cannot touch what is served."""
    for name in (MANIFEST, *bundle.manifest.files):
        shutil.copyfile(bundle.path / name, folder / name)
    for name, expected in {MANIFEST: manifest, **bundle.manifest.files}.items():
        if _sha256(folder / name) != expected:
            raise BundleError(f"{folder / name}: was changed while it was read; load the model again")
    return Bundle(path=folder, manifest=bundle.manifest)


@contextmanager
def _texts_name(path: Path, folder: Path) -> Iterator[None]:
    """Make errors name the files of the bundle instead of those of its copy."""
    try:
        yield
    except (BundleError, ConfigurationError) as error:
        raise type(error)(str(error).replace(str(folder), str(path))) from error


def _manifest_sha256(path: Path) -> str:
    try:
        return sha256_of_plain_file(path / MANIFEST)[0]
    except OSError:
        return ""  # `read_bundle` says what is wrong with it.


def _key(job: PreparationJob, manifest: str) -> Sequence[str]:
    """Everything that the result of a preparation depends on."""
    return [manifest, job.model_dump_json(exclude={"cache", "provider_choice"})]


def _sha256(path: Path) -> str:
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()
