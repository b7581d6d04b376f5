"""Loads that hang, take all memory or lose their files harm no other model, and end with a reason."""

from __future__ import annotations

import asyncio
import errno
import os
import shutil
import signal
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import pytest

from service.bundle.files import Bundle, read_bundle
from service.errors import ConfigurationError, InvalidRequest, NotReady
from service.observability import Timings
from service.runtime.provider_options import COREML, CPU
from service.serving import preparation
from service.serving.cache_folder import CacheFolder
from service.serving.preparation import prepare
from service.settings import Settings
from service.tasks import Predictor
from service.tasks.image_classification.request import ClassifyRequest
from tests.support.classifier_bundles import template, write_classifier
from tests.support.event_loop import run_async
from tests.support.hostile_graphs import write_hostile
from tests.support.http import client_of
from tests.support.local_models import LocalModels
from tests.support.processes import server, session_members
from tests.support.raw_http import Connection, connected
from tests.support.server import Gate
from tests.support.tagger_bundles import write_tagger
from tests.support.translator_bundles import write_translator
from tests.support.word_vector_bundles import write_words

Open = Callable[..., LocalModels]


def _reason(registry: LocalModels, name: str) -> str:
    return next(entry.reason for entry in registry.index() if entry.name == name)


async def _ask(registry: LocalModels, name: str) -> str:
    answer = await registry.find(name=name).predict(ClassifyRequest(pixels=[template(7).tolist()]), Timings())
    label: str = answer["results"][0]["predictions"][0]["label"]
    return label


def test_a_bundle_that_hangs_is_refused_and_stops_no_other(tmp_path: Path, make_registry: Open) -> None:
    write_hostile(tmp_path, "digits", "hangs")
    write_classifier(tmp_path, "letters")
    registry = make_registry(tmp_path, load_seconds=2.0)
    registry.load_all()
    assert _reason(registry, "digits").endswith("was not ready after 2 s, the limit for loading (LECTERN_LOAD_SECONDS)")
    assert registry.missing() == ["digits"]
    run_async(_answers(registry, "letters"))


async def _answers(registry: LocalModels, name: str) -> None:
    assert await _ask(registry, name) == "7"


@pytest.mark.skipif(not Path("/proc/self/oom_score_adj").exists(), reason="memory is limited on Linux only")
def test_a_bundle_that_takes_all_memory_is_refused(tmp_path: Path, make_registry: Open) -> None:
    write_hostile(tmp_path, "digits", "takes memory")
    write_classifier(tmp_path, "letters")
    registry = make_registry(tmp_path, load_memory_bytes=2**30)
    registry.load_all()
    reason = _reason(registry, "digits")
    assert "takes over 1073741824 bytes of memory, the limit (LECTERN_LOAD_MEMORY_BYTES)" in reason
    run_async(_answers(registry, "letters"))


def test_a_load_that_hangs_keeps_no_other_load_waiting(tmp_path: Path, make_registry: Open) -> None:
    write_classifier(tmp_path, "letters")
    registry = make_registry(tmp_path, load_seconds=300.0)
    registry.load_all()

    async def main() -> None:
        for name in ("first", "second", "third"):
            write_hostile(tmp_path, name, "hangs")
        hanging = [asyncio.create_task(registry.load(name)) for name in ("first", "second", "third")]
        again = asyncio.create_task(registry.load("first"))
        await asyncio.sleep(0.1)
        await registry.load("letters")
        await registry.unload("letters")
        assert not any(task.done() for task in [*hanging, again])
        registry.repository.stop()
        for task in [*hanging, again]:
            with pytest.raises(NotReady, match="the server is shutting down"):
                await task
        assert registry.ready()

    run_async(main())


def test_an_unload_that_waits_for_a_request_keeps_no_other_model_waiting(
    tmp_path: Path, make_registry: Open, gate: Gate
) -> None:
    write_classifier(tmp_path, "digits")
    write_classifier(tmp_path, "letters")
    registry = make_registry(tmp_path, inline="never")
    registry.load_all()

    async def main() -> None:
        gate.shut()
        answer = asyncio.create_task(_ask(registry, "digits"))
        await gate.wait_entered()
        unloading = asyncio.create_task(registry.unload("digits"))
        await registry.unload("letters")
        assert not unloading.done()
        gate.open()
        await registry.load("letters")
        assert await answer == "7"
        await unloading

    run_async(main())


def _begin_load(connection: Connection, name: str, cache: Path) -> None:
    """Ask for a load, and wait until the model is being tried."""
    connection.send(f"POST /v2/repository/models/{name}/load HTTP/1.1\nhost: localhost\ncontent-length: 0")
    until = time.monotonic() + 180
    while not any(cache.rglob(".partial-*")):
        assert time.monotonic() < until
        time.sleep(0.02)


def test_a_signal_during_a_load_that_hangs_ends_the_server(tmp_path: Path) -> None:
    models, cache = tmp_path / "models", tmp_path / "cache"
    write_classifier(models)
    with server(models, LOAD_SECONDS="600", DRAIN_SECONDS="0", CACHE=str(cache)) as running:
        with connected(running.url) as connection:
            write_hostile(models, "bad", "hangs")
            _begin_load(connection, "bad", cache)
            assert httpx.get(f"{running.url}/livez", timeout=60).status_code == 200
            running.signal(signal.SIGTERM)
            assert running.wait() == 0
        assert "Traceback" not in running.text


@pytest.mark.skipif(not Path("/proc/self/oom_score_adj").exists(), reason="needs a signal that only Linux has")
def test_a_killed_server_leaves_no_process_behind(tmp_path: Path) -> None:
    models, cache = tmp_path / "models", tmp_path / "cache"
    write_classifier(models)
    with server(models, LOAD_SECONDS="600", CACHE=str(cache)) as running, connected(running.url) as connection:
        write_hostile(models, "bad", "hangs")
        _begin_load(connection, "bad", cache)
        group = running.process.pid
        running.process.kill()
        running.process.wait(10)
        until = time.monotonic() + 180
        while session_members(group) and time.monotonic() < until:
            time.sleep(0.1)
        assert session_members(group) == []


WRITERS: dict[str, tuple[Callable[[Path], Any], str, dict[str, Any]]] = {
    "digits": (write_classifier, "/v1/classify", {"pixels": [template(7).tolist()]}),
    "tagger": (write_tagger, "/v1/tag", {"text": "the dog sleeps ."}),
    "words": (lambda path: write_words(path, form="int8"), "/v1/neighbors", {"words": ["king"]}),
    "translator": (write_translator, "/v1/translate", {"text": "The dog sleeps."}),
}


def test_what_happens_to_bundles_touches_nothing_that_serves(tmp_path: Path) -> None:
    bundles = [write(tmp_path / "models") for write, _, _ in WRITERS.values()]

    def answers(client: httpx.Client) -> list[Any]:
        responses = [client.post(route, json=request) for _, route, request in WRITERS.values()]
        assert {response.status_code for response in responses} == {200}
        return [response.json()["results"] for response in responses]

    # A process of its own: reading a truncated mapping kills it.
    with server(tmp_path / "models") as running, httpx.Client(base_url=running.url, timeout=60) as client:
        before = answers(client)
        for bundle in bundles:
            for file in bundle.path.iterdir():
                os.truncate(file, 1)
        assert answers(client) == before
        for bundle in bundles:
            shutil.rmtree(bundle.path)
        assert answers(client) == before
        assert client.get("/v1/models").status_code == 200
        assert client.get("/readyz").status_code == 200
        for bundle in bundles:
            refused = client.post(f"/v2/repository/models/{bundle.manifest.name}/load")
            assert refused.status_code == 400
            assert "it has no version" in refused.json()["error"]
        lines = client.post("/v2/repository/index").json()
        assert [(line["version"], line["state"]) for line in lines] == [("1", "READY")] * len(WRITERS)
        assert answers(client) == before


def test_what_was_prepared_is_found_again_unless_it_is_damaged(
    tmp_path: Path, make_registry: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    bundle = write_classifier(tmp_path / "models")
    registry = make_registry(tmp_path / "models", cache=tmp_path / "cache")
    registry.load_all()
    job = registry.job(bundle.path)
    replays: list[None] = []
    replay = Predictor.replay

    def counting_replay(self: Predictor[Any]) -> Any:
        replays.append(None)
        return replay(self)

    monkeypatch.setattr(Predictor, "replay", counting_replay)
    first = prepare(job)
    assert replays == []
    assert (tmp_path / "cache").stat().st_mode & 0o777 == 0o700
    damaged = first.folder / "model.onnx"
    content = damaged.read_bytes()
    damaged.write_bytes(content[:-1] + bytes([content[-1] ^ 1]))
    again = prepare(job)
    measured = {"warm_up_seconds": again.warm_up_seconds, "memory_bytes": again.memory_bytes}
    assert again == first.model_copy(update=measured)
    assert len(replays) == 1
    (first.folder / "entry.json").write_bytes(b"{}")
    prepare(job)
    assert len(replays) == 2
    assert damaged.read_bytes() == content
    prepare(job.model_copy(update={"threads": 3}))
    assert len(replays) == 3
    assert not list((tmp_path / "cache").rglob(".partial-*"))


def test_the_memory_of_a_device_is_that_of_the_provider_that_runs(
    tmp_path: Path, make_registry: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    used = iter((1000, 3000))
    monkeypatch.setattr(preparation, "used_bytes", lambda provider, options: None if provider == CPU else next(used))
    job = make_registry(tmp_path, providers=("coreml", "cpu")).job(write_classifier(tmp_path).path)
    assert prepare(job).device_memory_bytes is None
    monkeypatch.setattr(preparation, "first_compiled_in", lambda providers: COREML)
    assert prepare(job.model_copy(update={"cache": None})).device_memory_bytes == 2000


def test_a_cache_that_others_may_write_is_refused(tmp_path: Path, make_registry: Open) -> None:
    write_classifier(tmp_path / "models")
    (tmp_path / "cache").mkdir()
    (tmp_path / "cache").chmod(0o777)
    with pytest.raises(ConfigurationError, match=r"LECTERN_CACHE=.*: others could write to it"):
        make_registry(tmp_path / "models", cache=tmp_path / "cache").load_all()


def test_without_a_cache_that_can_be_written_a_temporary_folder_is_used(
    tmp_path: Path, make_registry: Open, caplog: pytest.LogCaptureFixture
) -> None:
    write_classifier(tmp_path / "models")
    registry = make_registry(tmp_path / "models", cache=tmp_path / "models" / "digits" / "1" / "manifest.json" / "x")
    registry.load_all()
    assert any(record.message == "LECTERN_CACHE cannot be written" for record in caplog.records)
    folder = registry.repository.cache
    assert folder is not None
    assert folder.stat().st_mode & 0o777 == 0o700
    run_async(_answers(registry, "digits"))
    run_async(registry.repository.close())
    assert not folder.exists()


def test_on_a_full_disk_a_model_loads_from_its_bundle(
    tmp_path: Path, make_registry: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    bundle = write_classifier(tmp_path)
    job = make_registry(tmp_path).job(bundle.path)

    def full_disk(*_: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(shutil, "copyfile", full_disk)
    prepared = prepare(job)
    assert (prepared.folder, prepared.optimized) == (bundle.path, False)
    assert "cannot be written (No space left on device)" in prepared.notice


def test_folders_of_killed_servers_are_removed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    abandoned = tmp_path / "lectern-prepared-abandoned"
    abandoned.mkdir()
    in_use = CacheFolder(None, 2**30)
    assert in_use.path is not None
    for folder in (abandoned, in_use.path):
        os.utime(folder, (0, 0))
    other = CacheFolder(None, 2**30)
    assert not abandoned.exists()
    assert in_use.path.exists()
    other.close()
    in_use.close()
    assert list(tmp_path.iterdir()) == []


def test_a_bundle_changed_while_it_is_read_is_refused(
    tmp_path: Path, make_registry: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    bundle = write_classifier(tmp_path)
    job = make_registry(tmp_path).job(bundle.path)
    copy = shutil.copyfile

    def changing_copy(source: Path, target: Path) -> None:
        copy(source, target)
        if target.name == "samples.json":
            target.write_bytes(b"{}")

    monkeypatch.setattr(shutil, "copyfile", changing_copy)
    with pytest.raises(ValueError, match=r"samples\.json: was changed while it was read"):
        prepare(job)


def test_a_bundle_replaced_after_its_manifest_was_read_is_refused(
    tmp_path: Path, make_registry: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    bundle = write_classifier(tmp_path)
    job = make_registry(tmp_path).job(bundle.path)
    path = bundle.path / "manifest.json"
    manifest = path.read_bytes()

    def read_and_replace(folder: Path) -> Bundle:
        read = read_bundle(folder)
        path.write_bytes(manifest + b"\n")
        return read

    monkeypatch.setattr(preparation, "read_bundle", read_and_replace)
    with pytest.raises(ValueError, match=r"manifest\.json: was changed while it was read"):
        prepare(job)


def test_a_load_goes_on_when_its_client_leaves(tmp_path: Path, make_registry: Open) -> None:
    write_classifier(tmp_path)
    registry = make_registry(tmp_path)
    registry.load_all()

    async def main() -> None:
        write_classifier(tmp_path)
        loading = asyncio.create_task(registry.load("digits"))
        await asyncio.sleep(0.01)
        loading.cancel()
        while registry.find(name="digits").version == "1":
            await asyncio.sleep(0.01)

    run_async(main())


def test_an_unreadable_folder_is_named(tmp_path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: Any) -> None:
    write_classifier(tmp_path)
    (tmp_path / "letters").mkdir()

    def denied(folder: Path) -> list[int]:
        if folder.name == "letters":
            raise PermissionError(13, "Permission denied")
        return [1]

    monkeypatch.setattr("service.serving.preparer.versions", denied)
    with client_of(Settings(models=tmp_path)) as client:
        answer = client.get("/readyz")
        assert answer.status_code == 503
        assert answer.json()["detail"] == "not ready: letters"
        lines = {line["name"]: line for line in client.post("/v2/repository/index").json()}
        assert lines["letters"]["reason"].endswith("letters cannot be read (Permission denied)")
    assert any(record.message == "model folder refused" for record in caplog.records)


def test_a_folder_that_was_emptied_leaves_what_serves_in_the_index(tmp_path: Path, make_registry: Open) -> None:
    bundle = write_classifier(tmp_path)
    registry = make_registry(tmp_path)
    registry.load_all()
    shutil.rmtree(bundle.path)

    async def main() -> None:
        with pytest.raises(InvalidRequest, match="cannot be loaded: it has no version"):
            await registry.load("digits")
        assert [(entry.version, entry.state.value) for entry in registry.index()] == [("1", "READY")]
        assert await _ask(registry, "digits") == "7"

    run_async(main())
