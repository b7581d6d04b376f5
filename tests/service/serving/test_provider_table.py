"""What `lectern models providers` prints."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from service.cli import main
from service.runtime.provider_options import CPU, OPENVINO
from service.serving import provider_table
from service.serving.helper_process import HelperProcess
from service.serving.provider_choice_figures import Figures, ProviderChoice
from tests.support.classifier_bundles import write_classifier
from tests.support.files import flip_bit

FIGURES = Figures(one_row_seconds=0.001, rows=64, rows_seconds=0.064)


@pytest.fixture
def models(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    write_classifier(tmp_path)
    monkeypatch.setenv("LECTERN_MODELS", str(tmp_path))
    return tmp_path


def test_one_provider_is_shown_as_it_is(models: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["models", "providers"]) == 0
    assert capsys.readouterr().out == "digits/1: cpu (the only provider of this onnxruntime)\n"


@pytest.mark.parametrize(
    ("variable", "value"), [("LECTERN_PROVIDERS", "cpu"), ("LECTERN_MODEL__DIGITS__PROVIDERS", "cpu,cuda")]
)
def test_a_provider_that_is_set_is_shown_with_its_variable(
    models: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, variable: str, value: str
) -> None:
    monkeypatch.setenv(variable, value)
    assert main(["models", "providers", "digits"]) == 0
    assert capsys.readouterr().out == f"digits/1: {value} (set by {variable})\n"


@pytest.mark.parametrize(("strict", "code"), [("0", 0), ("1", 1)])
def test_a_provider_that_is_not_compiled_in_is_not_shown_as_the_one_that_runs(
    models: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, strict: str, code: int
) -> None:
    monkeypatch.setenv("LECTERN_PROVIDERS", "migraphx,cpu")
    monkeypatch.setenv("LECTERN_STRICT", strict)
    assert main(["models", "providers"]) == code
    assert capsys.readouterr().out == (
        "digits/1: LECTERN_PROVIDERS=migraphx,cpu: migraphx is not compiled into this onnxruntime, cpu runs instead "
        "(refused with LECTERN_STRICT=1); install a package of onnxruntime that has it, and no other, or set cpu\n"
    )


@pytest.mark.parametrize("command", ["providers", "verify"])
@pytest.mark.parametrize(
    ("variable", "value", "message"),
    [
        ("LECTERN_PROVIDERS", "gpu", "LECTERN_PROVIDERS=gpu: unknown execution provider 'gpu'"),
        ("LECTERN_PROVIDER_OPTIONS", '{"cuda": 1}', "LECTERN_PROVIDER_OPTIONS: is no JSON object by provider"),
        (
            "LECTERN_MODEL__DIGITS__PROVIDER_OPTIONS",
            "cuda.device_id=x",
            "LECTERN_MODEL__DIGITS__PROVIDER_OPTIONS: cuda.device_id=x: write a whole number",
        ),
    ],
)
def test_a_wrong_setting_is_named_and_no_bundle_blamed(
    models: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    command: str,
    variable: str,
    value: str,
    message: str,
) -> None:
    monkeypatch.setenv(variable, value)
    assert main(["models", command]) == 2
    output = capsys.readouterr()
    assert output.out == ""
    assert output.err.startswith(f"lectern: {message}")


def test_verify_says_where_another_provider_runs_than_was_asked_for(
    models: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LECTERN_PROVIDERS", "migraphx")
    assert main(["models", "verify"]) == 0
    assert "match the stored answers (cpu instead of migraphx, nodes: cpu " in capsys.readouterr().out


def test_a_choice_is_shown_with_its_figures_and_how_to_keep_it(
    models: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    choice = ProviderChoice(provider=OPENVINO, chosen_by="latency", figures={OPENVINO: FIGURES})
    prepare = HelperProcess.prepare

    async def prepared(self: HelperProcess, job: Any, **limits: Any) -> Any:
        assert job.cache == tmp_path / "cache"
        return (await prepare(self, job, **limits)).model_copy(update={"provider_choice": choice})

    monkeypatch.setattr(provider_table, "automatic", lambda: (OPENVINO, CPU))
    monkeypatch.setattr(HelperProcess, "prepare", prepared)
    monkeypatch.setenv("LECTERN_CACHE", str(tmp_path / "cache"))
    assert main(["models", "providers", "digits"]) == 0
    assert capsys.readouterr().out == (
        "digits/1: openvino by latency (openvino 1 ms at batch 1, 64 ms at 64); "
        "to keep it: LECTERN_MODEL__DIGITS__PROVIDERS=openvino\n"
    )


def test_a_bad_bundle_is_told(
    models: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(provider_table, "automatic", lambda: (OPENVINO, CPU))
    flip_bit(models / "digits" / "1" / "model.onnx")
    assert main(["models", "providers"]) == 1
    assert "model.onnx: sha256 is" in capsys.readouterr().out


def test_an_unknown_model_is_refused(models: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["models", "providers", "letters"]) == 2
    assert "no model 'letters'; `lectern models list` shows them" in capsys.readouterr().err
