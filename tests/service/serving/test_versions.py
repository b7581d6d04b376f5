"""Which versions serve: the policy, several at once, the way back, new ones that are put there, and canary samples."""

from __future__ import annotations

import asyncio
import logging
import os
import shutil
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import pytest

from service.app import create_app
from service.bundle.files import Bundle, versions
from service.errors import ConfigurationError, InvalidRequest, UnknownModel
from service.observability import Metrics
from service.runtime.session import OnnxSession, Tensors
from service.serving.canary import Canary
from service.serving.folder_watch import FolderWatch
from service.settings import Settings, load_settings
from service.version_policy import VersionPolicy
from tests.support.classifier_bundles import write_classifier
from tests.support.classify_requests import pixels
from tests.support.event_loop import run_async
from tests.support.files import flip_bit
from tests.support.http import client_of
from tests.support.local_models import LocalModels
from tests.support.server import Gate, serving

Open = Callable[..., LocalModels]


def _write(repository: Path, count: int) -> list[Bundle]:
    return [write_classifier(repository) for _ in range(count)]


def _served(registry: LocalModels) -> list[str]:
    return [served.version for served in registry.all_serving()]


def _reasons(registry: LocalModels) -> dict[str, str]:
    return {entry.version: entry.reason for entry in registry.index()}


@pytest.mark.parametrize(
    ("text", "versions", "candidates"),
    [
        ("latest", [1, 2, 3], ([3, 2, 1], 1)),
        ("latest:2", [1, 2, 3], ([3, 2, 1], 2)),
        (" Latest : 2 ", [1], ([1], 2)),
        ("1,3", [1, 2, 3], ([3, 1], 2)),
        ("3, 1,3", [1, 2], ([1], 2)),
    ],
)
def test_policies(text: str, versions: list[int], candidates: tuple[list[int], int]) -> None:
    policy = VersionPolicy.parse(text)
    assert policy.candidates(versions) == candidates
    assert policy.candidates(versions, pinned=2) == ([2], 1)


@pytest.mark.parametrize("text", ["newest", "latest:0", "latest:-1", "1,", "0", "1;2", "latest,1", "-3"])
def test_a_wrong_policy_is_refused(text: str) -> None:
    with pytest.raises(
        ConfigurationError, match=r"LECTERN_VERSION_POLICY=.*write latest, latest:2 for the two highest"
    ):
        load_settings(version_policy=text)


@pytest.mark.parametrize(
    ("policy", "served", "reasons"),
    [
        ("latest", ["3"], {"1": "a higher version is served", "2": "a higher version is served", "3": ""}),
        ("latest:2", ["2", "3"], {"1": "versions 2, 3 are served", "2": "", "3": ""}),
        ("1,3", ["1", "3"], {"1": "", "2": "versions 1, 3 are served", "3": ""}),
        ("2", ["2"], {"1": "version 2 is served", "2": "", "3": "version 2 is served"}),
    ],
)
def test_the_policy_decides_which_versions_serve(
    tmp_path: Path, make_registry: Open, policy: str, served: list[str], reasons: dict[str, str]
) -> None:
    _write(tmp_path, 3)
    registry = make_registry(tmp_path, version_policy=policy)
    registry.load_all()
    assert _served(registry) == served
    assert _reasons(registry) == reasons
    assert registry.find(name="digits").version == max(served)
    assert registry.ready()


def test_bad_versions_do_not_count_among_the_latest(tmp_path: Path, make_registry: Open) -> None:
    bundles = _write(tmp_path, 4)
    flip_bit(bundles[2].path / "model.onnx")
    registry = make_registry(tmp_path, version_policy="latest:2")
    registry.load_all()
    assert _served(registry) == ["2", "4"]
    assert "sha256 is" in _reasons(registry)["3"]


def test_a_policy_without_any_version_on_disk_is_refused(tmp_path: Path, make_registry: Open) -> None:
    _write(tmp_path, 2)
    with pytest.raises(ConfigurationError, match="digits: no version of LECTERN_VERSION_POLICY=7 is there"):
        make_registry(tmp_path, version_policy="7").load_all()


def test_requests_choose_among_the_versions_that_serve(tmp_path: Path) -> None:
    _write(tmp_path, 3)
    with client_of(Settings(models=tmp_path, version_policy="latest:2")) as client:
        for version, answers in ((None, "3"), ("3", "3"), ("2", "2"), (2, "2")):
            answer = client.post("/v1/classify", json=pixels(7) | {"version": version})
            assert answer.json()["version"] == answers
        inputs = {"inputs": [{"name": "image", "shape": [1, 1, 28, 28], "datatype": "FP32", "data": [0] * 784}]}
        for path, answers in (("", "3"), ("/versions/2", "2"), ("/versions/3", "3")):
            assert client.post(f"/v2/models/digits{path}/infer", json=inputs).json()["model_version"] == answers
        refused = client.post("/v2/models/digits/versions/1/infer", json=inputs)
        assert refused.status_code == 404
        assert refused.json() == {"error": "version 1 of model 'digits' is not served; versions 2, 3 are"}
        assert {line["version"] for line in client.get("/v2/models/stats").json()["model_stats"]} == {"2", "3"}
        metrics = client.get("/metrics").text
        assert 'lectern_requests_total{model="digits",outcome="success",version="2"} 3.0' in metrics
        assert 'lectern_requests_total{model="digits",outcome="success",version="3"} 4.0' in metrics
        for version in ("2", "3"):
            assert f'lectern_model_ready{{model="digits",version="{version}"}} 1.0' in metrics


def test_a_load_with_a_version_is_the_way_back(tmp_path: Path) -> None:
    _write(tmp_path, 2)
    load = "/v2/repository/models/digits/load"
    with client_of(Settings(models=tmp_path)) as client:

        def version() -> str:
            return str(client.post("/v1/classify", json=pixels(7)).json()["version"])

        assert version() == "2"
        for pinned in ("1", 1):
            assert client.post(load, json={"parameters": {"version": pinned}}).status_code == 200
            assert version() == "1"
            lines = {line["version"]: line for line in client.post("/v2/repository/index").json()}
            assert (lines["1"]["state"], lines["2"]["state"]) == ("READY", "UNAVAILABLE")
            assert lines["2"]["reason"] == "version 1 is served"
        for wrong in ("one", 0, -2, 1.5, True, [1]):
            refused = client.post(load, json={"parameters": {"version": wrong}})
            assert refused.status_code == 400
            assert refused.json() == {"error": "parameters.version: must be the number of a version, such as 3"}
        missing = client.post(load, json={"parameters": {"version": "7"}})
        assert missing.status_code == 404
        assert missing.json() == {"error": "no version 7 of model 'digits'; there are: 1, 2"}
        assert version() == "1"
        assert client.post(load, json={}).status_code == 200
        assert version() == "2"


def test_a_bad_version_that_is_asked_for_changes_nothing(tmp_path: Path, make_registry: Open) -> None:
    bundles = _write(tmp_path, 2)
    registry = make_registry(tmp_path)
    registry.load_all()
    flip_bit(bundles[0].path / "model.onnx")

    async def main() -> None:
        with pytest.raises(InvalidRequest, match=r"model 'digits' cannot be loaded: .*sha256 is"):
            await registry.load("digits", 1)
        with pytest.raises(UnknownModel, match="no version 3 of model 'digits'; there are: 1, 2"):
            await registry.load("digits", 3)
        assert _served(registry) == ["2"]
        assert registry.ready()

    run_async(main())


async def _until(condition: Callable[[], bool]) -> None:
    while not condition():
        await asyncio.sleep(0.05)


def test_a_watched_repository_loads_what_is_put_there_once_it_is_complete(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    models, elsewhere = tmp_path / "models", tmp_path / "elsewhere"
    write_classifier(models)
    second = _write(elsewhere, 2)[1]
    other = write_classifier(elsewhere, "letters")

    async def main() -> None:
        async with serving(Settings(models=models, watch=True)) as (client, app):
            registry = app.context.registry

            async def version() -> str:
                return str((await client.post("/v1/classify", json=pixels(7) | {"model": "digits"})).json()["version"])

            await asyncio.sleep(0.5)
            target = models / "digits" / "2"
            target.mkdir()
            for name in ("manifest.json", "samples.json", "MODEL_CARD.md"):
                shutil.copy(second.path / name, target / name)
                await asyncio.sleep(0.3)
            await asyncio.sleep(2)
            assert await version() == "1"
            content = (second.path / "model.onnx").read_bytes()
            (target / "model.onnx").write_bytes(content[:1000])
            await asyncio.sleep(0.3)
            (target / "model.onnx").write_bytes(content)
            await _until(lambda: registry.find(name="digits").version == "2")
            assert not [record for record in caplog.records if record.levelno >= logging.WARNING]
            shutil.copytree(other.path.parent, models / "letters")
            await _until(lambda: "letters" in [served.name for served in registry.serving()])
            assert (await client.get("/readyz")).status_code == 200

    run_async(main(), timeout=45)


def test_a_watched_repository_refuses_a_bad_version_and_takes_it_once_it_is_mended(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    models = tmp_path / "models"
    write_classifier(models)
    second = _write(tmp_path / "elsewhere", 2)[1]

    async def main() -> None:
        async with serving(Settings(models=models, watch=True)) as (client, app):
            registry = app.context.registry
            await asyncio.sleep(0.5)
            good = second.path.with_name("good.onnx")
            shutil.copy(second.path / "model.onnx", good)
            flip_bit(second.path / "model.onnx")
            os.rename(second.path, models / "digits" / "2")
            await _until(lambda: any(record.message == "new version not loaded" for record in caplog.records))
            assert registry.find(name="digits").version == "1"
            assert (await client.get("/readyz")).status_code == 200
            os.replace(good, models / "digits" / "2" / "model.onnx")
            await _until(lambda: registry.find(name="digits").version == "2")

    run_async(main(), timeout=45)


def test_stray_entries_keep_no_version_from_being_seen(tmp_path: Path) -> None:
    bundle = write_classifier(tmp_path)
    (tmp_path / "digits" / "9").touch()
    (tmp_path / "digits" / "1\N{ARABIC-INDIC DIGIT THREE}").mkdir()
    (tmp_path / "digits" / "2").mkdir()
    (tmp_path / "digits" / "2" / "dangling").symlink_to(tmp_path / "nowhere")
    (tmp_path / "letters").symlink_to(tmp_path / "nowhere")
    (tmp_path / "words").touch()
    assert 13 not in versions(tmp_path / "digits")
    seen = FolderWatch(tmp_path, lambda name: asyncio.sleep(0))._look()
    assert set(seen["digits"]) == {1, 2}
    assert len(seen["digits"][1]) == len(bundle.manifest.files) + 1
    assert len(seen["digits"][2]) == 1
    assert not seen["letters"]
    assert not seen["words"]


def test_without_the_setting_nothing_is_watched(tmp_path: Path) -> None:
    write_classifier(tmp_path)

    async def main() -> None:
        async with serving(Settings(models=tmp_path)) as (_, app):
            write_classifier(tmp_path)
            await asyncio.sleep(2)
            assert app.context.registry.find(name="digits").version == "1"

    run_async(main())


@pytest.mark.parametrize("inline", ["always", "never"])
def test_a_canary_that_fails_makes_the_server_not_ready_until_it_recovers(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, inline: Any
) -> None:
    caplog.set_level(logging.INFO)
    write_classifier(tmp_path, "digits")
    write_classifier(tmp_path, "letters")
    run = OnnxSession.run
    wrong: list[str] = []

    def other_run(self: OnnxSession, feeds: Tensors) -> Tensors:
        if wrong == ["raises"]:
            raise RuntimeError("the model raises")
        outputs = run(self, feeds)
        return {name: array[:, ::-1] for name, array in outputs.items()} if wrong == ["differs"] else outputs

    async def main(client: httpx.AsyncClient, canary: Canary) -> None:
        for kind, reason in (("differs", "is answered differently"), ("raises", "failed with ModelFailure")):
            await canary.ask_all()
            assert (await client.get("/readyz")).status_code == 200
            wrong.append(kind)
            await canary.ask_all()
            refused = await client.get("/readyz")
            assert refused.status_code == 503
            assert f"digits (its canary sample {reason}" in refused.json()["detail"]
            assert (await client.get("/v2/models/digits/ready")).status_code == 503
            assert 'lectern_canary_ok{model="digits",version="1"} 0.0' in (await client.get("/metrics")).text
            wrong.clear()
        await canary.ask_all()
        assert (await client.get("/readyz")).status_code == 200
        assert (await client.get("/v2/models/digits/ready")).status_code == 200
        assert 'lectern_canary_ok{model="digits",version="1"} 1.0' in (await client.get("/metrics")).text
        messages = [record.message for record in caplog.records if "canary" in record.message]
        assert (
            messages
            == ["canary failed"] * 2 + ["canary recovered"] * 2 + ["canary failed"] * 2 + ["canary recovered"] * 2
        )

    async def serve() -> None:
        async with serving(Settings(models=tmp_path, inline=inline)) as (client, app):
            monkeypatch.setattr(OnnxSession, "run", other_run)
            await main(client, Canary(app.context.registry, app.context.metrics, 30.0))

    run_async(serve())


def test_a_canary_asks_on_when_the_copy_of_its_model_was_removed(tmp_path: Path, make_registry: Open) -> None:
    write_classifier(tmp_path, "digits")
    registry = make_registry(tmp_path)
    registry.load_all()

    async def main() -> None:
        canary = Canary(registry, Metrics(), 30)
        await canary.ask_all()
        (registry.find(name="digits").predictor.bundle.path / "samples.json").unlink()
        await canary.ask_all()
        assert registry.missing() == []

    run_async(main())


def test_the_watched_folder_is_read_beside_the_event_loop(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    threads: set[int] = set()
    signatures = FolderWatch._signatures

    def note_thread(self: FolderWatch, name: str) -> Any:
        threads.add(threading.get_ident())
        return signatures(self, name)

    async def main() -> None:
        loaded = asyncio.Event()

        async def load(name: str) -> None:
            loaded.set()

        monkeypatch.setattr("service.serving.folder_watch._LOOK_MILLISECONDS", 200)
        watch = FolderWatch(tmp_path, load)
        monkeypatch.setattr(FolderWatch, "_signatures", note_thread)
        running = asyncio.create_task(watch.run())
        write_classifier(tmp_path)
        await asyncio.wait_for(loaded.wait(), 60)
        running.cancel()

    run_async(main())
    assert threads
    assert threading.get_ident() not in threads


def test_a_canary_that_is_late_makes_the_server_not_ready(tmp_path: Path, make_registry: Open, gate: Gate) -> None:
    write_classifier(tmp_path)
    registry = make_registry(tmp_path, inline="never")
    registry.load_all()

    async def main() -> None:
        gate.shut()
        await Canary(registry, Metrics(), 0.2).ask_all()
        assert registry.missing() == ["digits (its canary sample was not answered within 0.2 s)"]
        assert not registry.ready()
        gate.open()
        await Canary(registry, Metrics(), 30).ask_all()
        assert registry.ready()

    run_async(main())


def test_a_reload_forgets_that_a_canary_failed(tmp_path: Path, make_registry: Open) -> None:
    write_classifier(tmp_path)
    registry = make_registry(tmp_path)
    registry.load_all()

    async def main() -> None:
        registry.set_failing(registry.find(name="digits"), "it is wrong")
        assert not registry.ready()
        await registry.load("digits")
        assert registry.ready()

    run_async(main())


def test_the_setting_starts_the_canary(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    write_classifier(tmp_path)
    app = create_app(Settings(models=tmp_path, canary_seconds=0.05))

    async def main() -> None:
        async with app.router.lifespan_context(app):
            metric = app.context.metrics.canary_ok.labels("digits", "1")._value
            await _until(lambda: metric.get() == 1)

    run_async(main())
    assert not caplog.records or all(record.levelno < logging.ERROR for record in caplog.records)
