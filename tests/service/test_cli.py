"""The command `lectern`: exit codes, messages of one line, no tracebacks."""

from __future__ import annotations

import errno
import json
import os
import re
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from service import __version__, cli
from service.bundle.files import versions
from service.bundle.manifest import Metric
from service.cli import main
from service.model_table import figure_text, headline
from service.runtime import providers
from service.server import logs
from service.settings import ModelSettings, Settings
from tests.support.bundle_edits import edit_samples, write_failing_classifier
from tests.support.classifier_bundles import write_classifier
from tests.support.files import flip_bit
from tests.support.hostile_graphs import write_hostile
from tests.support.processes import ROOT, environment, lectern
from tests.support.server import running
from tests.support.translator_bundles import write_translator

ON_CPU = "(cpu, nodes: cpu 3)"
"""What the tiny classifier runs on."""


@pytest.fixture(autouse=True)
def _no_logging(monkeypatch: pytest.MonkeyPatch) -> None:
    """Commands run in this process, so they must not configure its logging, nor leave their options set."""
    monkeypatch.setattr(logs, "configure_logging", lambda level: None)
    for name in ("LECTERN_HOST", "LECTERN_PORT", "LECTERN_MODELS"):
        # The command sets them for its worker processes; monkeypatch puts back what it has touched.
        monkeypatch.setenv(name, os.environ.get(name, ""))


def _serve_fails(capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    assert main(["serve", *arguments]) == 2
    output = capsys.readouterr()
    assert output.out == ""
    assert output.err.startswith("lectern: ")
    assert "Traceback" not in output.err
    return output.err.removeprefix("lectern: ")


def test_help_shows_every_setting(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "120")
    with pytest.raises(SystemExit) as caught:
        main(["serve", "--help"])
    assert caught.value.code == 0
    text = capsys.readouterr().out
    for name in Settings.model_fields:
        assert f"LECTERN_{name.upper()}" in text
    assert re.search(r"LECTERN_PORT +8080 +Port to listen on", text)
    for name in ModelSettings.model_fields:
        assert name.upper() in text or "<SETTING>" in text


def test_version(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        main(["--version"])
    assert caught.value.code == 0
    assert capsys.readouterr().out == f"lectern {__version__}\n"


@pytest.mark.parametrize("arguments", [[], ["models"], ["fly"], ["serve", "--colour"]])
def test_a_wrong_command_line_is_exit_2(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        main(arguments)
    assert caught.value.code == 2
    error = capsys.readouterr().err
    assert error.startswith("lectern" if arguments and arguments != ["models"] else "usage: lectern")


def test_the_list_fits_a_terminal_and_shows_the_figures_of_the_cards(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["models", "list", "--models", str(ROOT / "models")]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert all(len(line) <= 100 for line in lines)
    for line in lines:
        card = (ROOT / "models" / line.split()[0] / "MODEL_CARD.md").read_text()
        figure = re.search(r" (accuracy|F1|BLEU) ([\d.]+)", line)
        assert figure, line
        rows = [row for row in card.splitlines() if row.startswith("|") and figure[2] in row]
        assert any(re.search(r"\btest\b|Google analogies", row) for row in rows), line


def _metric(name: str, value: float, data: str, unit: str = "") -> Metric:
    return Metric(name=name, value=value, unit=unit, data=data)


def test_the_figure_of_a_list_is_the_leading_measure_on_test_data() -> None:
    dev, test = _metric("errors", 19, "x, dev", "images"), _metric("accuracy", 0.996, "x, 10 test images")
    assert headline([dev, _metric("accuracy", 0.9962, "x, dev"), test]) == test
    assert headline([dev]) == dev
    assert headline([]) is None
    assert headline([_metric("F1", 0.5, "latest news"), _metric("recall", 0.9, "x, test")]).value == 0.5  # type: ignore[union-attr]
    figures = [
        test, _metric("F1", 0.763876, "x"), _metric("BLEU", 43.25, "x", "%"), _metric("accuracy", 68.6, "x", "%"),
        _metric("Spearman's rho", 0.745, "x"), _metric("errors", 40, "x", "images"),
    ]  # fmt: skip
    assert [figure_text(figure) for figure in figures] == [
        "accuracy 99.60%", "F1 76.39%", "BLEU 43.25", "accuracy 68.6 %", "Spearman's rho 0.745", "errors 40 images",
    ]  # fmt: skip


def test_a_process_that_cannot_start_prints_one_message_and_exits_with_2(tmp_path: Path) -> None:
    missing = lectern("serve", PORT="0", MODELS=str(tmp_path / "nowhere"))
    assert missing.returncode == 2
    assert missing.stdout == ""
    assert missing.stderr == f"lectern: model repository {tmp_path}/nowhere does not exist; set LECTERN_MODELS\n"


def test_a_port_in_use(models_dir: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
        error = _serve_fails(capsys, "--port", str(port), "--models", str(models_dir))
    assert error == f"cannot listen on 127.0.0.1:{port} (Address already in use); set LECTERN_PORT or LECTERN_HOST\n"


@pytest.mark.parametrize("host", ["203.0.113.7", "no-such-host.invalid", "a" * 300], ids=["other", "unknown", "long"])
def test_an_address_that_is_not_ours(models_dir: Path, capsys: pytest.CaptureFixture[str], host: str) -> None:
    error = _serve_fails(capsys, "--host", host, "--port", "0", "--models", str(models_dir))
    assert error.startswith(f"cannot listen on {host}:0 (")
    assert error.endswith("); set LECTERN_PORT or LECTERN_HOST\n")


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("PORT", "http", "LECTERN_PORT='http': Input should be a valid integer"),
        ("WORKERS", "many", "LECTERN_WORKERS='many': Input should be a valid integer"),
        ("MODEL", "digits", "LECTERN_MODEL: set a model's own settings one by one"),
        ("PROVIDERS", "abacus", "LECTERN_PROVIDERS=abacus: unknown execution provider 'abacus': use auto, cpu, cuda"),
        ("MODEL__DIGITS__PROVIDERS", "abacus", "LECTERN_MODEL__DIGITS__PROVIDERS=abacus: unknown execution provider"),
        ("MODELS", "/dev/null", "model repository /dev/null cannot be read (Not a directory); set LECTERN_MODELS"),
    ],
)
def test_a_bad_setting(
    models_dir: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    name: str,
    value: str,
    message: str,
) -> None:
    settings = {"LECTERN_MODELS": str(models_dir), "LECTERN_PORT": "0", f"LECTERN_{name}": value}
    for variable, text in settings.items():
        monkeypatch.setenv(variable, text)
    error = _serve_fails(capsys)
    assert error.startswith(message)
    assert error.count("\n") == 1


def test_models_that_do_not_serve_are_listed(models_dir: Path, capsys: pytest.CaptureFixture[str]) -> None:
    flip_bit(models_dir / "digits" / "1" / "model.onnx")
    error = _serve_fails(capsys, "--port", "0", "--models", str(models_dir))
    assert error.startswith(f"no model can be served from {models_dir}:\n  digits/1: ")
    assert "model.onnx: sha256 is" in error


def test_strict_with_a_fallback(
    models_dir: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LECTERN_STRICT", "1")
    monkeypatch.setenv("LECTERN_PROVIDERS", "coreml")
    error = _serve_fails(capsys, "--port", "0", "--models", str(models_dir))
    assert "asked for CoreMLExecutionProvider, runs on CPUExecutionProvider" in error
    assert "LECTERN_STRICT=1 allows no fallback" in error


def test_without_onnxruntime_the_command_is_named(
    models_dir: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(providers, "_is_installed", lambda name: False)
    monkeypatch.setitem(sys.modules, "onnxruntime", None)
    error = _serve_fails(capsys, "--port", "0", "--models", str(models_dir))
    assert error.startswith(
        "onnxruntime is not installed: in Lectern's folder run: pip install -c constraints.txt '.[cpu]'"
    )
    assert main(["models", "verify", "--models", str(models_dir)]) == 2
    assert "pip install -c constraints.txt '.[cpu]'" in capsys.readouterr().err
    assert main(["models", "list", "--models", str(models_dir)]) == 0, "a list needs no onnxruntime"


def test_with_both_packages_the_command_is_named(
    models_dir: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(providers, "_is_installed", lambda name: True)
    error = _serve_fails(capsys, "--port", "0", "--models", str(models_dir))
    assert "pip uninstall -y onnxruntime onnxruntime-gpu" in error


def test_health(settings: Settings, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    with running(settings) as url:
        assert main(["health", "--url", url]) == 0
        monkeypatch.setenv("LECTERN_PORT", url.rpartition(":")[2])
        assert main(["health"]) == 0
        monkeypatch.setenv("LECTERN_HOST", "0.0.0.0")
        assert main(["health"]) == 0
        assert capsys.readouterr().out == "ready\n" * 3
    assert main(["health", "--url", url]) == 1
    assert f"lectern: no answer from {url}: " in capsys.readouterr().err
    assert main(["health", "--url", "nonsense"]) == 1
    assert "lectern: no answer from nonsense: " in capsys.readouterr().err


def test_health_of_a_server_that_is_not_ready(models_dir: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (write_classifier(models_dir, "letters").path / "model.onnx").unlink()
    with running(Settings(models=models_dir)) as url:
        assert main(["health", "--url", url]) == 1
    assert "not ready: letters" in capsys.readouterr().out


def test_models_list(models_dir: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write_classifier(models_dir)
    flip_bit(write_classifier(models_dir, "letters").path / "samples.json")
    assert main(["models", "list", "--models", str(models_dir)]) == 1
    first, second, third = capsys.readouterr().out.splitlines()
    assert re.fullmatch(
        r"digits/1 +image-classification +0\.\d\d MB +CC0-1\.0 +accuracy 100 % \(ten templates\)", first
    )
    assert second.startswith("digits/2 ")
    assert re.match(r"letters/1 +BAD +.*samples\.json: sha256 is", third)


def test_models_list_reads_the_setting(
    models_dir: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LECTERN_MODELS", str(models_dir))
    assert main(["models", "list"]) == 0
    assert capsys.readouterr().out.startswith("digits/1 ")


@pytest.mark.parametrize("command", ["list", "verify"])
def test_a_repository_that_holds_nothing(tmp_path: Path, capsys: pytest.CaptureFixture[str], command: str) -> None:
    assert main(["models", command, "--models", str(tmp_path)]) == 2
    assert "holds no bundle; train one with `lectern-train`" in capsys.readouterr().err
    assert main(["models", command, "--models", str(tmp_path / "x")]) == 2
    assert "(No such file or directory); set LECTERN_MODELS" in capsys.readouterr().err


def test_models_verify(models_dir: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["models", "verify", "--models", str(models_dir)]) == 0
    assert capsys.readouterr().out == "digits/1: ok, 2 samples match the stored answers (cpu, nodes: cpu 3)\n"


def test_models_verify_names_what_is_wrong_with_every_bundle(
    models_dir: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    flip_bit(write_classifier(models_dir).path / "model.onnx")
    bundle = write_classifier(models_dir)
    edit_samples(bundle, lambda samples: samples[1]["results"][0]["predictions"][0].update(label="3"))
    write_failing_classifier(models_dir, "broken")
    (write_classifier(models_dir, "half").path / "manifest.json").unlink()
    assert main(["models", "verify", "--models", str(models_dir)]) == 1
    output = capsys.readouterr()
    assert output.err == ""
    lines = {line.partition(": ")[0]: line.partition(": ")[2] for line in output.out.splitlines()}
    assert lines["digits/1"] == lines["digits/3"] == f"ok, 2 samples match the stored answers {ON_CPU}"
    assert "2/model.onnx: sha256 is" in lines["digits/2"]
    assert lines["digits/4"] == (f"samples[1].results[0].predictions[0].label: expected '3', found '7' {ON_CPU}")
    assert lines["broken/1"].startswith("samples[0]: failed with ")
    assert "manifest.json: is missing" in lines["half/1"]


def test_models_verify_ends_what_hangs_and_what_takes_all_memory(
    models_dir: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    write_hostile(models_dir, "endless", "hangs")
    write_hostile(models_dir, "large", "takes memory")
    monkeypatch.setenv("LECTERN_LOAD_SECONDS", "3")
    monkeypatch.setenv("LECTERN_LOAD_MEMORY_BYTES", str(2**30))
    assert main(["models", "verify", "--models", str(models_dir)]) == 1
    lines = dict(line.split(": ", 1) for line in capsys.readouterr().out.splitlines())
    assert lines["digits/1"] == f"ok, 2 samples match the stored answers {ON_CPU}"
    assert "was not ready after 3 s, the limit for loading (LECTERN_LOAD_SECONDS)" in lines["endless/1"]
    if Path("/proc/self/oom_score_adj").exists():
        assert "takes over 1073741824 bytes of memory, the limit (LECTERN_LOAD_MEMORY_BYTES)" in lines["large/1"]
        assert lines["large/1"].endswith("if the model needs more, set it higher")


def test_models_verify_of_one_name(models_dir: Path, capsys: pytest.CaptureFixture[str]) -> None:
    flip_bit(write_classifier(models_dir, "letters").path / "model.onnx")
    assert main(["models", "verify", "digits", "--models", str(models_dir)]) == 0
    assert main(["models", "verify", "letters", "--models", str(models_dir)]) == 1
    assert main(["models", "verify", "words", "--models", str(models_dir)]) == 2
    assert "no model 'words'; `lectern models list` shows them" in capsys.readouterr().err


def test_models_verify_counts_everyday_sentences(models_dir: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write_translator(models_dir)
    assert main(["models", "verify", "--everyday", "--models", str(models_dir)]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].startswith("digits/1: ok")
    assert lines[1].startswith("  no everyday sentences: they are English and German, for translators")
    assert lines[2].startswith("translate-en-de/1: ok")
    assert lines[3] == "  everyday sentences that pass the checks, by kind:"
    assert lines[4].startswith("  greeting ")
    assert re.fullmatch(r"  names, numbers and dates there +\d+ of 140 +[\d.]+%", lines[-1])


def test_openapi_is_printed(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["openapi"]) == 0
    assert "/v1/classify" in json.loads(capsys.readouterr().out)["paths"]


def _damaged_repository(models_dir: Path) -> Path:
    flip_bit(write_classifier(models_dir, "letters").path / "samples.json")
    return models_dir


@pytest.mark.parametrize("command", ["list", "verify"])
def test_what_the_encoding_of_the_output_does_not_have_is_escaped(models_dir: Path, command: str) -> None:
    result = subprocess.run(
        [sys.executable, "-m", "service", "models", command, "--models", str(_damaged_repository(models_dir))],
        env={**environment(), "PYTHONIOENCODING": "ascii"},
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert (result.returncode, result.stderr) == (1, "")
    assert "\\u2026, the manifest says" in result.stdout


def test_a_cache_that_cannot_be_written_is_named_with_the_remedy(models_dir: Path, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    result = subprocess.run(
        [sys.executable, "-m", "service", "models", "providers", "--models", str(models_dir)],
        env=environment(CACHE=str(tmp_path / "file" / "cache")),
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert result.returncode == 0
    assert result.stderr == (
        f"lectern: LECTERN_CACHE cannot be written (folder: {tmp_path}/file/cache; reason: File exists; "
        "instead: a temporary folder, so the next start prepares the models again; "
        f"remedy: let user {os.geteuid()} write to the folder, or set LECTERN_CACHE to another)\n"
    )


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="the system has no device that is always full")
@pytest.mark.parametrize("arguments", [["models", "list"], ["models", "verify"], ["openapi"]])
def test_an_output_that_cannot_be_written_is_named(models_dir: Path, arguments: list[str]) -> None:
    with open("/dev/full", "wb") as full:
        result = subprocess.run(
            [sys.executable, "-m", "service", *arguments],
            env=environment(MODELS=str(models_dir)),
            cwd=ROOT,
            stdout=full,
            stderr=subprocess.PIPE,
            text=True,
            timeout=60,
            check=False,
        )
    assert (result.returncode, result.stderr) == (
        2,
        "lectern: the output cannot be written (No space left on device)\n",
    )


def test_a_bundle_cannot_steer_the_terminal(models_dir: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = write_classifier(models_dir, "letters").path / "manifest.json"
    manifest = json.loads(path.read_text())
    manifest["provenance"]["licence"] = "MIT\u001b[2J\ndigits/9  fine"
    path.write_text(json.dumps(manifest))
    assert main(["models", "list", "--models", str(models_dir)]) == 0
    output = capsys.readouterr().out
    assert "\x1b" not in output
    assert len(output.splitlines()) == 2


@pytest.mark.parametrize("command", ["list", "verify"])
def test_a_folder_that_cannot_be_read_keeps_no_other_from_being_checked(
    models_dir: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, command: str
) -> None:
    (models_dir / "letters").mkdir()

    def versions_of(folder: Path) -> list[int]:
        if folder.name == "letters":
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), str(folder))
        return versions(folder)

    monkeypatch.setattr(cli, "versions", versions_of)  # The superuser may read every folder.
    assert main(["models", command, "--models", str(models_dir)]) == 1
    output = capsys.readouterr().out
    assert re.search(r"^letters.*cannot be read \(Permission denied\)$", output, re.MULTILINE)
    assert re.search(r"^digits/1", output, re.MULTILINE)
