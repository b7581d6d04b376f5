"""Which versions serve, and how they come and go."""

from __future__ import annotations

import asyncio
import logging
import os
import shutil
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from service.bundle.manifest import Task
from service.errors import ConfigurationError, InvalidRequest, NotReady, UnknownModel
from service.observability import Timings
from service.runtime.session import OnnxSession
from service.serving.helper_process import HelperProcess
from service.serving.preparation import prepare
from service.serving.preparation_job import PreparationJob
from service.serving.served_model import ServedModel
from service.serving.states import PreparedVersion, State
from service.settings import ModelSettings
from service.tasks.image_classification.request import ClassifyRequest
from tests.support.bundle_edits import edit_samples, rewrite, write_failing_classifier
from tests.support.classifier_bundles import classifier_graph, template, write_classifier
from tests.support.event_loop import run_async
from tests.support.files import flip_bit
from tests.support.local_models import LocalModels
from tests.support.server import Gate

Open = Callable[..., LocalModels]


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    """An empty model repository."""
    path = tmp_path / "models"
    path.mkdir()
    return path


@pytest.fixture
def registry_of(repository: Path, make_registry: Open) -> Open:
    """Makes a registry over `repository`, not yet loaded."""
    return partial(make_registry, repository)


@pytest.fixture
def loaded(registry_of: Open) -> Callable[..., LocalModels]:
    """Makes a registry over `repository` and loads it."""

    def make(**settings: Any) -> LocalModels:
        registry = registry_of(**settings)
        registry.load_all()
        return registry

    return make


def _states(registry: LocalModels) -> dict[str, str]:
    return {f"{entry.name}/{entry.version}": entry.state.value for entry in registry.index()}


def _reasons(registry: LocalModels) -> dict[str, str]:
    return {f"{entry.name}/{entry.version}": entry.reason for entry in registry.index()}


def _ready_gauge(registry: LocalModels) -> dict[str, float]:
    return {
        f"{labels['model']}/{labels['version']}": value
        for name, labels, value in registry._metrics.samples()
        if name == "lectern_model_ready"
    }


async def _ask(served: ServedModel, digit: int = 7) -> str:
    answer = await served.predict(ClassifyRequest(pixels=[template(digit).tolist()]), Timings())
    label: str = answer["results"][0]["predictions"][0]["label"]
    return label


def test_the_highest_version_serves(repository: Path, loaded: Open) -> None:
    write_classifier(repository)
    write_classifier(repository)
    registry = loaded()
    assert registry.find(name="digits").version == "2"
    assert _states(registry) == {"digits/1": "UNAVAILABLE", "digits/2": "READY"}
    assert _reasons(registry) == {"digits/1": "a higher version is served", "digits/2": ""}
    assert registry.versions("digits") == ["1", "2"]
    assert registry.ready()


def test_a_bad_version_is_unavailable_with_its_reason_and_the_next_lower_serves(
    repository: Path, loaded: Open, caplog: pytest.LogCaptureFixture
) -> None:
    write_classifier(repository)
    flip_bit(write_classifier(repository).path / "model.onnx")
    registry = loaded()
    assert registry.find(name="digits").version == "1"
    assert registry.ready()
    assert _states(registry) == {"digits/1": "READY", "digits/2": "UNAVAILABLE"}
    assert "2/model.onnx: sha256 is" in _reasons(registry)["digits/2"]
    assert _ready_gauge(registry) == {"digits/1": 1, "digits/2": 0}
    (record,) = (record for record in caplog.records if record.message == "bundle refused")
    assert record.levelno == logging.ERROR
    assert record.exc_info is None


def test_a_model_without_a_good_version_makes_the_server_not_ready_and_the_others_serve(
    repository: Path, loaded: Open
) -> None:
    write_classifier(repository)
    (write_classifier(repository, "letters").path / "manifest.json").unlink()
    registry = loaded()
    assert not registry.ready()
    assert registry.missing() == ["letters"]
    assert registry.find(name="digits").version == "1"
    with pytest.raises(NotReady, match=r"'letters' is not ready: .*manifest\.json: is missing"):
        registry.find(name="letters")


def _nothing(repository: Path) -> None:
    repository.rmdir()


def _empty(repository: Path) -> None:
    pass


def _a_file(repository: Path) -> None:
    repository.rmdir()
    repository.touch()


def _a_model_without_versions(repository: Path) -> None:
    (repository / "digits").mkdir()


def _half_copied(repository: Path) -> None:
    bundle = write_classifier(repository)
    (bundle.path / "manifest.json").unlink()
    (bundle.path / "samples.json").unlink()


def _interrupted_write(repository: Path) -> None:
    bundle = write_classifier(repository)
    bundle.path.rename(bundle.path.parent / ".partial-abc")


def _a_file_for_a_version(repository: Path) -> None:
    (repository / "digits").mkdir()
    (repository / "digits" / "1").touch()


@pytest.mark.parametrize(
    ("prepare", "message"),
    [
        (_nothing, r"model repository .*models does not exist; set LECTERN_MODELS"),
        (_empty, r"model repository .*models holds no model; train one with `lectern-train` or set LECTERN_MODELS"),
        (_a_file, r"model repository .*models cannot be read \(Not a directory\); set LECTERN_MODELS"),
        (
            _a_model_without_versions,
            r"no model can be served from .*models:\n  digits: has no version folder \(1, 2, …",
        ),
        (_half_copied, r"no model can be served from .*models:\n  digits/1: .*manifest\.json: is missing; copy the"),
        (_interrupted_write, r"no model can be served from .*models:\n  digits: has no version folder"),
        (_a_file_for_a_version, r"digits/1: .*manifest\.json: cannot be read \(Not a directory\)"),
    ],
)
def test_a_repository_that_serves_nothing_is_refused_with_the_reason(
    repository: Path, registry_of: Open, prepare: Callable[[Path], None], message: str
) -> None:
    prepare(repository)
    with pytest.raises(ConfigurationError, match=message):
        registry_of().load_all()


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_an_unreadable_repository_is_refused(repository: Path, registry_of: Open) -> None:
    repository.chmod(0)
    try:
        with pytest.raises(ConfigurationError, match=r"cannot be read \(Permission denied\)"):
            registry_of().load_all()
    finally:
        repository.chmod(0o755)


def test_a_repository_that_may_not_be_listed_is_refused(
    repository: Path, registry_of: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    def denied_iterdir(self: Path) -> Iterator[Path]:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "iterdir", denied_iterdir)
    with pytest.raises(ConfigurationError, match=r"models cannot be read \(Permission denied\); set LECTERN_MODELS"):
        registry_of().load_all()


def test_strict_refuses_one_bad_version_beside_good_ones(repository: Path, registry_of: Open) -> None:
    write_classifier(repository)
    flip_bit(write_classifier(repository).path / "samples.json")
    with pytest.raises(
        ConfigurationError, match=r"LECTERN_STRICT=1 and not every bundle is good:\n  digits/2: .*sampl"
    ):
        registry_of(strict=True).load_all()


def test_strict_refuses_a_fallback_to_another_provider(repository: Path, registry_of: Open) -> None:
    write_classifier(repository)
    with pytest.raises(ConfigurationError, match=r"digits/1: .*asked for CoreML.*runs on CPU.*allows no fallback"):
        registry_of(strict=True, providers=("coreml",)).load_all()


def test_a_fallback_that_is_refused_names_the_bundle_and_no_copy_of_it(
    repository: Path, tmp_path: Path, registry_of: Open
) -> None:
    path = write_classifier(repository).path
    registry = registry_of(strict=True, providers=("coreml",), cache=tmp_path / "cache")
    with pytest.raises(ConfigurationError, match=rf"digits/1: {path}/model\.onnx: asked for CoreML"):
        registry.load_all()


def test_options_of_a_provider_that_no_model_asks_for_are_warned_of(
    repository: Path, loaded: Open, caplog: pytest.LogCaptureFixture
) -> None:
    write_classifier(repository)
    write_classifier(repository, "letters-en")
    own = ModelSettings(provider_options="tensorrt.device_id=1")
    with caplog.at_level("WARNING"):
        loaded(model={"letters_en": own}, providers=("cpu",), provider_options="cuda.device_id=1")
    message = "options of an execution provider that no model asks for"
    assert [vars(record)["fields"] for record in caplog.records if record.getMessage() == message] == [
        {"variable": "LECTERN_MODEL__LETTERS_EN__PROVIDER_OPTIONS", "provider": "tensorrt", "compiled_in": False},
        {"variable": "LECTERN_PROVIDER_OPTIONS", "provider": "cuda", "compiled_in": False},
    ]


def test_without_strict_a_fallback_serves_and_is_reported(repository: Path, loaded: Open) -> None:
    write_classifier(repository)
    registry = loaded(providers=("coreml", "cpu"))
    assert registry.find(name="digits").provider == "CPUExecutionProvider"
    (labels,) = (labels for name, labels, _ in registry._metrics.samples() if name == "lectern_execution_provider")
    assert labels == {
        "model": "digits",
        "requested": "CoreMLExecutionProvider,CPUExecutionProvider",
        "actual": "CPUExecutionProvider",
    }


def test_an_unknown_provider_is_refused_with_its_variable(repository: Path, registry_of: Open) -> None:
    write_classifier(repository)
    with pytest.raises(ConfigurationError, match=r"^LECTERN_PROVIDERS=cpu,abacus: unknown execution provider 'abacus'"):
        registry_of(providers=("cpu", "abacus")).load_all()
    own = {"words_en": ModelSettings(providers=("abacus",))}
    with pytest.raises(ConfigurationError, match=r"^LECTERN_MODEL__WORDS_EN__PROVIDERS=abacus: unknown execution"):
        registry_of(model=own).load_all()


def test_settings_of_one_model_are_its_own(repository: Path, loaded: Open) -> None:
    for name in ("digits", "letters-en"):
        write_classifier(repository, name)
    own = ModelSettings(inline="never", max_batch_size=5, providers=("cpu",))
    registry = loaded(model={"letters_en": own}, inline="always", max_batch_size=9)
    digits, letters = registry.find(name="digits"), registry.find(name="letters-en")
    assert (digits.inline, digits.max_batch_size) == (True, 9)
    assert (letters.inline, letters.max_batch_size) == (False, 5)


@pytest.mark.parametrize(
    ("settings", "tried", "served"),
    [
        ({"inline": "always"}, 1, 1),
        ({"inline": "never"}, 1, 6),
        ({"inline": "never", "workers": 3}, 1, 2),
        ({"inline": "never", "workers": 6}, 1, 1),
        ({"inline": "never", "threads": 4}, 4, 4),
        ({"inline": "always", "threads": 4}, 4, 4),
    ],
)
def test_threads_are_for_slow_models_and_shared_by_the_processes(
    repository: Path,
    registry_of: Open,
    monkeypatch: pytest.MonkeyPatch,
    settings: dict[str, Any],
    tried: int,
    served: int,
) -> None:
    bundle = write_classifier(repository)
    opened: list[int] = []
    init = OnnxSession.__init__

    def recording_init(self: OnnxSession, *args: Any, **options: Any) -> None:
        opened.append(options["threads"])
        init(self, *args, **options)

    monkeypatch.setattr(OnnxSession, "__init__", recording_init)
    monkeypatch.setattr("service.serving.preparer.available_cpus", lambda: 6)
    prepared = prepare(registry_of(**settings).job(bundle.path))
    assert opened == [tried]  # Once: opening and warming up again would double the time of a load.
    assert prepared.threads == served


def test_settings_for_a_model_that_is_not_there_are_warned_about(
    repository: Path, loaded: Open, caplog: pytest.LogCaptureFixture
) -> None:
    write_classifier(repository)
    loaded(model={"digit": ModelSettings(max_batch_size=5)})
    (record,) = (record for record in caplog.records if record.levelno == logging.WARNING)
    assert record.fields["variable"] == "LECTERN_MODEL__DIGIT__…"  # type: ignore[attr-defined]


def _another_label(samples: list[dict[str, Any]]) -> None:
    samples[1]["results"][0]["predictions"][0]["label"] = "3"


def _another_score(samples: list[dict[str, Any]]) -> None:
    samples[0]["results"][0]["predictions"][0]["score"] -= 0.01


def _a_bad_request(samples: list[dict[str, Any]]) -> None:
    samples[0]["request"]["colour"] = "red"


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (
            _another_label,
            r"answered differently: samples\[1\]\.results\[0\]\.predictions\[0\]\.label: expected '3', fou",
        ),
        (_another_score, r"answered differently: samples\[0\]\.results\[0\]\.predictions\[0\]\.score: expected"),
        (_a_bad_request, r"answered differently: samples\[0\]: refused: colour: is not a field of this request"),
    ],
)
def test_a_model_that_answers_its_samples_differently_does_not_serve(
    repository: Path, registry_of: Open, change: Callable[[list[dict[str, Any]]], None], reason: str
) -> None:
    edit_samples(write_classifier(repository), change)
    shutil.rmtree(repository / "digits" / "1")
    with pytest.raises(ConfigurationError, match=reason):
        registry_of().load_all()


def test_a_model_that_fails_on_its_samples_does_not_serve_and_stops_no_other(repository: Path, loaded: Open) -> None:
    write_failing_classifier(repository, "broken")
    write_classifier(repository)
    registry = loaded()
    assert _states(registry) == {"broken/1": "UNAVAILABLE", "digits/1": "READY"}
    assert "samples[0]: failed with" in _reasons(registry)["broken/1"]


def test_a_model_that_fails_unforeseen_does_not_serve_and_stops_no_other(
    repository: Path, loaded: Open, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_classifier(repository, "broken")
    write_classifier(repository)
    ask = HelperProcess.prepare

    async def failing_prepare(self: HelperProcess, job: PreparationJob, **limits: Any) -> PreparedVersion:
        if job.path.parent.name == "broken":
            raise ZeroDivisionError("division by zero")
        return await ask(self, job, **limits)

    monkeypatch.setattr(HelperProcess, "prepare", failing_prepare)
    registry = loaded()
    assert _reasons(registry) == {"broken/1": "it fails with ZeroDivisionError: division by zero", "digits/1": ""}
    assert any(record.exc_info for record in caplog.records if record.message == "bundle refused")


def test_loading_twice_does_nothing(repository: Path, loaded: Open) -> None:
    write_classifier(repository)
    registry = loaded()
    served = registry.find(name="digits")
    registry.load_all()
    assert registry.find(name="digits") is served


def test_looking_up(repository: Path, loaded: Open) -> None:
    write_classifier(repository)
    write_classifier(repository)
    registry = loaded()
    served = registry.find(name="digits")
    assert registry.find(Task.IMAGE_CLASSIFICATION) is served
    assert registry.find(name="digits", version=2) is registry.find(name="digits", version="2") is served
    assert [served.name for served in registry.serving()] == ["digits"]
    with pytest.raises(UnknownModel, match=r"no model 'digit'; there are: digits"):
        registry.find(name="digit")
    with pytest.raises(UnknownModel, match=r"no version 3 of model 'digits'; there are: 1, 2"):
        registry.find(name="digits", version=3)
    with pytest.raises(UnknownModel, match=r"version 1 of model 'digits' is not served; version 2 is"):
        registry.find(name="digits", version="1")
    with pytest.raises(InvalidRequest, match=r"model: model 'digits' is of the task 'image-classification', not 'tran"):
        registry.find(Task.TRANSLATION, "digits")
    with pytest.raises(UnknownModel, match=r"no model for the task 'translation' is served"):
        registry.find(Task.TRANSLATION)


def test_one_of_several_models_must_be_named(repository: Path, loaded: Open) -> None:
    for name in ("signs", "letters"):
        write_classifier(repository, name)
    with pytest.raises(InvalidRequest, match=r"model: several models serve this task, name one of: letters, signs"):
        loaded().find(Task.IMAGE_CLASSIFICATION)


def test_of_several_models_a_default_answers(repository: Path, loaded: Open) -> None:
    for name in ("digits", "letters", "signs"):
        write_classifier(repository, name)
    assert loaded().find(Task.IMAGE_CLASSIFICATION).name == "digits"
    registry = loaded(default_models="words,signs,digits")
    assert registry.find(Task.IMAGE_CLASSIFICATION).name == "signs"
    with pytest.raises(UnknownModel, match=r"no model for the task 'translation' is served"):
        registry.find(Task.TRANSLATION)


def test_an_alias_names_a_model(repository: Path, loaded: Open) -> None:
    for name in ("digits", "signs"):
        write_classifier(repository, name)
    registry = loaded(model_aliases="lenet = digits, signs=digits")
    assert registry.find(Task.IMAGE_CLASSIFICATION, "lenet", "1").name == "digits"
    assert registry.find(name="signs").name == "signs", "a model's own name comes first"
    with pytest.raises(UnknownModel, match=r"no model 'lenett'; there are: digits, signs"):
        registry.find(name="lenett")


def test_no_other_model_answers_for_a_default_that_does_not_serve(repository: Path, loaded: Open) -> None:
    for name in ("digits", "letters"):
        write_classifier(repository, name)
    registry = loaded()
    run_async(registry.unload("digits"))
    with pytest.raises(NotReady, match=r"model 'digits' is not ready"):
        registry.find(Task.IMAGE_CLASSIFICATION)
    assert registry.find(Task.IMAGE_CLASSIFICATION, "letters").name == "letters"


def test_no_other_model_answers_for_a_default_that_cannot_be_loaded(repository: Path, loaded: Open) -> None:
    write_classifier(repository, "letters")
    broken = write_classifier(repository)
    next(broken.path.glob("*.onnx")).unlink()
    registry = loaded()
    with pytest.raises(NotReady, match=r"model 'digits' is not ready: .*\.onnx"):
        registry.find(Task.IMAGE_CLASSIFICATION)
    assert registry.find(Task.IMAGE_CLASSIFICATION, "letters").name == "letters"


def test_load_takes_the_new_version_and_retires_the_old(repository: Path, loaded: Open) -> None:
    write_classifier(repository)
    registry = loaded()

    async def main() -> None:
        write_classifier(repository)
        await registry.load("digits")
        assert registry.find(name="digits").version == "2"
        assert await _ask(registry.find(name="digits")) == "7"
        assert _ready_gauge(registry) == {"digits/1": 0, "digits/2": 1}
        assert registry.ready()

    run_async(main())


def test_what_was_found_once_is_looked_for_again_after_a_change(repository: Path, loaded: Open) -> None:
    write_classifier(repository, "signs")
    registry = loaded(default_models="letters,signs", model_aliases="digits=signs")

    def found() -> list[str]:
        asked = ((None, None), ("signs", None), ("signs", "latest"), ("digits", None))
        models = [registry.find(Task.IMAGE_CLASSIFICATION, name, version) for name, version in asked]
        return [f"{model.name}/{model.version}" for model in models]

    async def main() -> None:
        assert found() == found() == ["signs/1"] * 4
        write_classifier(repository, "signs")
        await registry.load("signs")
        assert found() == found() == ["signs/2"] * 4
        write_classifier(repository, "letters")
        write_classifier(repository, "digits")
        await registry.load("letters")
        await registry.load("digits")
        assert found() == found() == ["letters/1", "signs/2", "signs/2", "digits/1"]
        await registry.unload("letters")
        for _ in range(2):
            with pytest.raises(NotReady):
                registry.find(Task.IMAGE_CLASSIFICATION)

    run_async(main())


def test_load_takes_a_model_that_was_not_there(repository: Path, loaded: Open) -> None:
    write_classifier(repository)
    registry = loaded()

    async def main() -> None:
        write_classifier(repository, "letters")
        await registry.load("letters")
        assert registry.find(name="letters").version == "1"

    run_async(main())


def test_load_of_a_bad_version_keeps_the_old_one(repository: Path, loaded: Open) -> None:
    first = write_classifier(repository)
    registry = loaded()
    served = registry.find(name="digits")

    async def main() -> None:
        flip_bit(write_classifier(repository).path / "model.onnx")
        with pytest.raises(InvalidRequest, match=r"version 2 of model 'digits' .* version 1 serves"):
            await registry.load("digits")
        assert registry.find(name="digits").version == "1"
        flip_bit(first.path / "model.onnx")
        current = registry.find(name="digits")
        with pytest.raises(InvalidRequest, match=r"model 'digits' cannot be loaded: .*2/model\.onnx: sha256 is"):
            await registry.load("digits")
        assert registry.find(name="digits") is current
        assert await _ask(current) == "7"
        assert registry.ready()
        assert _states(registry) == {"digits/1": "READY", "digits/2": "UNAVAILABLE"}
        assert _ready_gauge(registry) == {"digits/1": 1, "digits/2": 0}

    run_async(main())
    assert served.version == "1"


@pytest.mark.parametrize("name", ["letters", "../models/digits", ".", "", "digits/1", "digits\n"])
def test_load_of_what_is_not_there_is_refused(repository: Path, loaded: Open, name: str) -> None:
    write_classifier(repository)
    registry = loaded()
    with pytest.raises(UnknownModel, match="no model "):
        run_async(registry.load(name))


def test_load_of_a_new_bad_model_leaves_the_server_ready(repository: Path, loaded: Open) -> None:
    write_classifier(repository)
    registry = loaded()
    write_failing_classifier(repository, "broken")
    with pytest.raises(InvalidRequest, match=r"cannot be loaded: .*failed with"):
        run_async(registry.load("broken"))
    assert registry.ready()


def test_unload_and_load_again(repository: Path, loaded: Open) -> None:
    write_classifier(repository)
    registry = loaded()

    async def main() -> None:
        await registry.unload("digits")
        assert _states(registry) == {"digits/1": "UNAVAILABLE"}
        assert _reasons(registry) == {"digits/1": "unloaded"}
        assert _ready_gauge(registry) == {"digits/1": 0}
        assert registry.ready(), "a model taken out on purpose does not make the server not ready"
        with pytest.raises(NotReady, match="'digits' is not ready: unloaded"):
            registry.find(name="digits")
        await registry.unload("digits")
        await registry.load("digits")
        assert await _ask(registry.find(name="digits")) == "7"
        assert _ready_gauge(registry) == {"digits/1": 1}

    run_async(main())


def test_unload_of_an_unknown_model_is_refused(repository: Path, loaded: Open) -> None:
    write_classifier(repository)
    registry = loaded()
    with pytest.raises(UnknownModel, match="no model 'letters'"):
        run_async(registry.unload("letters"))


@pytest.mark.parametrize("inline", ["always", "never"])
def test_no_request_fails_while_versions_are_swapped(repository: Path, loaded: Open, inline: str) -> None:
    write_classifier(repository)
    registry = loaded(inline=inline, max_queue_size=10_000)
    answers: list[str] = []

    async def client(stop: asyncio.Event) -> None:
        while not stop.is_set():
            answers.append(await _ask(registry.find(name="digits")))
            await asyncio.sleep(0)

    async def main() -> None:
        stop = asyncio.Event()
        clients = [asyncio.create_task(client(stop)) for _ in range(8)]
        for _ in range(4):
            write_classifier(repository)
            before = len(answers)
            await registry.load("digits")
            while len(answers) < before + 20:
                await asyncio.sleep(0)
        stop.set()
        await asyncio.gather(*clients)
        assert registry.find(name="digits").version == "5"

    run_async(main())
    assert set(answers) == {"7"}


def test_requests_in_flight_are_answered_before_a_model_goes(repository: Path, loaded: Open, gate: Gate) -> None:
    write_classifier(repository)
    registry = loaded(inline="never")

    async def main() -> None:
        gate.shut()
        answer = asyncio.create_task(_ask(registry.find(name="digits")))
        await gate.wait_entered()
        unloading = asyncio.create_task(registry.unload("digits"))
        while registry.serving():
            await asyncio.sleep(0)
        assert [entry.state for entry in registry.index()] == [State.UNLOADING]
        with pytest.raises(NotReady, match="it is unloading"):
            registry.find(name="digits")
        assert not unloading.done()
        gate.open()
        assert await answer == "7"
        await unloading
        assert [entry.state for entry in registry.index()] == [State.UNAVAILABLE]

    run_async(main())


def test_a_replaced_version_answers_what_it_has_begun(repository: Path, loaded: Open, gate: Gate) -> None:
    write_classifier(repository)
    registry = loaded(inline="never")

    async def main() -> None:
        old = registry.find(name="digits")
        write_classifier(repository)
        loading = asyncio.create_task(registry.load("digits"))
        answers = [asyncio.create_task(_ask(old, digit)) for digit in range(4)]
        await loading
        assert registry.find(name="digits") is not old
        assert await asyncio.gather(*answers) == ["0", "1", "2", "3"]

    run_async(main())


def test_a_graph_that_does_not_fit_the_task_is_refused(repository: Path, registry_of: Open) -> None:
    good = write_classifier(repository.parent / "good")
    manifest = good.manifest.model_copy(update={"labels": good.manifest.labels and good.manifest.labels[:9]})
    good = good.__class__(path=good.path, manifest=manifest)
    rewrite(good, {"model.onnx": classifier_graph()}, repository)
    with pytest.raises(ConfigurationError, match=r"manifest\.json: the outputs of model\.onnx do not fit the task"):
        registry_of().load_all()
