"""Options, caches, measuring and arrays on a device, with a second execution provider that is really there."""

from __future__ import annotations

import re
import shutil
from pathlib import Path
from typing import Any

import pytest

from service.bundle.files import read_bundle, versions
from service.cli import main
from service.errors import ConfigurationError
from service.limits import Limits
from service.runtime import session
from service.runtime.device_arrays import Device
from service.runtime.engine_cache import STAMP
from service.runtime.provider_options import OPENVINO, parse_options
from service.runtime.session import OnnxSession, session_opener
from service.tasks import Predictor, load_predictor
from tests.support.processes import ROOT


def _shipped(name: str) -> Path:
    """The highest version of a shipped model."""
    folder = ROOT / "models" / name
    return folder / str(versions(folder)[-1])


DIGITS, TRANSLATOR = _shipped("digits"), _shipped("translate-en-de")

onnxruntime = pytest.importorskip("onnxruntime")
pytestmark = pytest.mark.skipif(
    OPENVINO not in onnxruntime.get_available_providers(), reason="needs onnxruntime-openvino: make test-openvino"
)


def _open(options: str = "", *, strict: bool = False) -> OnnxSession:
    bundle = read_bundle(DIGITS)
    opener = session_opener(("openvino",), 1, strict, options=parse_options(options))
    opened = opener(bundle, bundle.manifest.graphs["model"])
    assert isinstance(opened, OnnxSession)
    return opened


def test_all_nodes_of_a_classifier_run_there() -> None:
    report = _open("openvino.device_type=CPU,openvino.num_streams=1", strict=True).report
    assert report.nodes is not None
    assert list(report.nodes) == [OPENVINO]
    assert report.fallback_nodes == {}
    assert report.options == {"device_type": "CPU", "num_streams": "1"}
    assert report.device


@pytest.mark.parametrize(
    "options", ["openvino.device_type=NPU", "openvino.precision=FP16", '{"openvino": {"load_config": "no JSON"}}']
)
def test_options_that_it_cannot_start_with_are_named(options: str) -> None:
    with pytest.raises(ConfigurationError, match=r"cannot be started with openvino\.\w+=.*: check them and the device"):
        _open(options)


def test_the_cache_is_filled_and_is_of_one_version(tmp_path: Path) -> None:
    _open(f"openvino.cache_dir={tmp_path}/cache")
    assert list((tmp_path / "cache").glob("*.blob"))
    _open(f"openvino.cache_dir={tmp_path}/cache")
    (tmp_path / "cache" / STAMP).write_text("1.2.3")
    with pytest.raises(
        ConfigurationError, match=r"holds what onnxruntime 1\.2\.3 compiled, this is .*; empty the fold"
    ):
        _open(f"openvino.cache_dir={tmp_path}/cache")


def test_an_unknown_option_ends_the_server_before_it_starts(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("LECTERN_PROVIDER_OPTIONS", "openvino.device=CPU")
    assert main(["models", "verify", "digits", "--models", str(ROOT / "models")]) == 2
    assert "openvino knows no option 'device'" in capsys.readouterr().err


def test_auto_measures_both_and_keeps_the_figures(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    shutil.copytree(DIGITS, tmp_path / "models" / "digits" / DIGITS.name)
    monkeypatch.setenv("LECTERN_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("LECTERN_MODELS", str(tmp_path / "models"))
    lines = []
    for _ in range(2):
        assert main(["models", "providers"]) == 0
        lines.append(capsys.readouterr().out)
    assert lines[0] == lines[1]
    figures = r"[0-9.e+-]+ ms at batch 1, [0-9.e+-]+ ms at 64"
    assert re.fullmatch(
        rf"digits/{DIGITS.name}: (openvino|cpu) by latency \(openvino {figures}; cpu {figures}\); "
        r"to keep it: LECTERN_MODEL__DIGITS__PROVIDERS=(openvino|cpu)\n",
        lines[0],
    )


def test_a_search_gives_the_same_where_its_state_stays_on_the_device(monkeypatch: pytest.MonkeyPatch) -> None:
    bundle = read_bundle(TRANSLATOR)
    texts = ["I have two brothers and a sister.", "Where is the station?"]

    def answer() -> Any:
        predictor: Predictor[Any] = load_predictor(bundle, session_opener(("openvino",), 1, False), Limits())
        return predictor.answer({"texts": texts, "beam_size": 3})

    expected = answer()
    # OpenVINO's CPU has the process's memory; this binds it as if it had its own.
    monkeypatch.setattr(session, "_device_of", lambda report: Device("cpu", 0))
    assert answer() == expected
