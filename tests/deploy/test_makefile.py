"""The Makefile and what CI runs."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.benchmarks import gpu_check

ROOT = Path(__file__).parents[2]
TARGETS = (
    "serve",
    "test",
    "test-service",
    "test-clients",
    "test-page",
    "page-vendor",
    "check",
    "format",
    "bench",
    "gpu-check",
    "bench-peers",
    "bench-page",
    "bench-vectors",
    "bench-taggers",
    "bench-translators",
    "chaos",
    "fuzz",
    "docs",
    "openapi",
    "help",
    "clean",
)
PEERS_PINS = "tests/benchmarks/peers/requirements"
CI_TARGETS = ("check", "test", "docs", "fuzz", "test-clients", "test-openvino", "test-page")


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """A folder as a fresh clone has it, as far as make can see."""
    for name in ("Makefile", "pyproject.toml", "constraints.txt"):
        shutil.copy(ROOT / name, tmp_path)
    (tmp_path / "docs").mkdir()
    shutil.copy(ROOT / "docs/requirements.txt", tmp_path / "docs")
    (tmp_path / "tests/fuzz").mkdir(parents=True)
    shutil.copy(ROOT / "tests/fuzz/requirements.txt", tmp_path / "tests/fuzz")
    (tmp_path / "tests/clients").mkdir()
    for path in (ROOT / "tests/clients").glob("*.txt"):
        shutil.copy(path, tmp_path / "tests/clients")
    shutil.copytree(ROOT / PEERS_PINS, tmp_path / PEERS_PINS)
    (tmp_path / "tests/page").mkdir()
    for name in ("requirements.txt", "constraints.txt", "package.json", "package-lock.json"):
        shutil.copy(ROOT / "tests/page" / name, tmp_path / "tests/page")
    return tmp_path


def make(folder: Path, *arguments: str, **env: str) -> subprocess.CompletedProcess[str]:
    command = [shutil.which("make") or "make", *arguments]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False, env=environment() | env)


def environment() -> dict[str, str]:
    """This process's variables, without those that a `make` which runs the tests passes on."""
    inherited = {"MAKEFLAGS", "MFLAGS", "MAKELEVEL", "MAKEOVERRIDES", "ARGS", "EXTRA", "PYTHON", "VENV"}
    return {name: value for name, value in os.environ.items() if name not in inherited}


def test_help_lists_the_targets(checkout: Path) -> None:
    text = make(checkout).stdout
    assert all(f"make {target} " in text for target in TARGETS)
    assert "make train-<family>" in text


def test_serve_installs_neither_pytorch_nor_the_checks(checkout: Path) -> None:
    plan = make(checkout, "-n", "serve").stdout
    assert "--constraint constraints.txt" in plan
    assert "'.[cpu]'" in plan
    assert "torch" not in plan
    assert plan.rstrip().endswith("exec .venv/bin/lectern serve")


def test_the_server_s_tests_need_no_pytorch(checkout: Path) -> None:
    plan = make(checkout, "-n", "test-service").stdout
    assert "'.[cpu,dev]'" in plan
    assert "train," not in plan
    assert '-m "not torch"' in plan


def test_a_family_is_trained_with_its_arguments(checkout: Path) -> None:
    plan = make(checkout, "-n", "train-lenet", "ARGS=--device cpu --export").stdout
    assert plan.rstrip().endswith(".venv/bin/lectern-train lenet train --device cpu --export")


def test_the_documentation_has_an_environment_of_its_own(checkout: Path) -> None:
    plan = make(checkout, "-n", "docs").stdout
    assert "-m venv --clear .venv-docs" in plan
    assert "--constraint constraints.txt --requirement docs/requirements.txt" in plan
    assert "mkdocs build --strict" in plan
    assert ".venv/" not in plan
    for target in ("serve", "test", "check"):
        assert "mkdocs" not in make(checkout, "-n", target).stdout


def test_fuzzing_has_an_environment_of_its_own(checkout: Path) -> None:
    plan = make(checkout, "-n", "fuzz", "ARGS=--quick --seed 3").stdout
    assert "-m venv --clear .venv-fuzz" in plan
    assert "--constraint constraints.txt --requirement tests/fuzz/requirements.txt" in plan
    command = ".venv/bin/python -m tests.fuzz --schemathesis .venv-fuzz/bin/schemathesis --quick --seed 3"
    assert plan.rstrip().endswith(command)
    for target in ("serve", "test", "check"):
        assert "fuzz" not in make(checkout, "-n", target).stdout


def test_other_people_s_clients_have_environments_of_their_own(checkout: Path) -> None:
    plan = make(checkout, "-n", "test-clients").stdout
    assert "'.[cpu,dev]'" in plan
    for suffix in ("", "-mlserver"):
        assert f"-m venv --clear .venv-clients{suffix}\n" in plan
        files = [f"tests/clients/{kind}{suffix}.txt" for kind in ("constraints", "requirements")]
        assert f"--constraint {files[0]} --requirement {files[1]}" in plan
    command = "-m pytest -c tests/clients/pytest.ini --lectern .venv/bin/lectern"
    assert f".venv-clients/bin/python {command} --ignore tests/clients/test_mlserver.py tests/clients" in plan
    assert f".venv-clients-mlserver/bin/python {command} tests/clients/test_mlserver.py" in plan
    for target in ("serve", "test", "check", "fuzz"):
        assert "clients" not in make(checkout, "-n", target).stdout
    assert ".venv-clients .venv-clients-mlserver" in make(checkout, "-n", "clean").stdout


def test_the_page_s_tests_have_environments_of_their_own(checkout: Path) -> None:
    plan = make(checkout, "-n", "test-page", "ARGS=-k tag").stdout
    assert "'.[cpu]'" in plan
    assert "-m venv --clear .venv-page\n" in plan
    assert "--constraint tests/page/constraints.txt --requirement tests/page/requirements.txt" in plan
    assert "npm ci" in plan
    command = "-m pytest -c tests/page/pytest.ini --lectern .venv/bin/lectern tests/page -k tag"
    assert plan.rstrip().endswith(f".venv-page/bin/python {command}")
    assert plan.index("vendor.js --check") < plan.index("tsc --project") < plan.index(command)
    for target in ("serve", "test", "test-service", "check"):
        assert "page" not in make(checkout, "-n", target).stdout
    assert ".venv-page tests/page/node_modules" in make(checkout, "-n", "clean").stdout


def test_openvino_has_an_environment_of_its_own_which_serves_too(checkout: Path) -> None:
    plan = make(checkout, "-n", "test-openvino").stdout
    assert "-m venv --clear .venv-openvino\n" in plan
    assert "--constraint constraints.txt" in plan
    assert "'.[openvino,grpc,documents]' pytest onnx" in plan
    assert "torch" not in plan
    assert plan.rstrip().endswith(".venv-openvino/bin/python -m pytest -c tests/openvino/pytest.ini tests/openvino")
    serving = make(checkout, "-n", "serve", "EXTRA=openvino")
    assert not serving.stderr
    assert serving.stdout.count("-m venv --clear .venv-openvino\n") == 1
    assert "'.[openvino]'" in serving.stdout
    assert serving.stdout.rstrip().endswith("exec .venv-openvino/bin/lectern serve")
    for target in ("serve", "test", "check", "fuzz"):
        assert "openvino" not in make(checkout, "-n", target).stdout
    assert ".venv-openvino" in make(checkout, "-n", "clean").stdout


def test_taggers_and_translators_are_measured_beside_their_peers(checkout: Path) -> None:
    for version in ("pos-en/3", "pos-en/12", "translate-en-de/7"):
        (checkout / "models" / version).mkdir(parents=True)
    plan = make(checkout, "-n", "bench-taggers", "ARGS=--rounds 1").stdout
    assert "-m venv --clear .venv-spacy\n" in plan
    assert "train-spacy .venv-spacy/ewt --spacy-python .venv-spacy/bin/python" in plan
    measure = plan.rstrip().splitlines()[-1]
    assert "measure --bundle models/pos-en/12 --spacy .venv-spacy/ewt --spacy-python" in measure
    assert measure.endswith("--rounds 1")
    plan = make(checkout, "-n", "bench-translators", "ARGS=--rounds 1").stdout
    assert plan.rstrip().endswith("translation.py --bundle models/translate-en-de/7 --compile --rounds 1")
    assert ".venv-spacy" in make(checkout, "-n", "clean").stdout


def test_every_peer_of_the_benchmark_has_an_environment_of_its_own(checkout: Path) -> None:
    plan = make(checkout, "-n", "bench-peers", "ARGS=--rounds 1").stdout
    names = sorted(path.stem for path in (checkout / PEERS_PINS).glob("*.txt"))
    for name in names:
        assert f"-m venv --clear .venv-peers/{name}\n" in plan
        assert f".venv-peers/{name}/bin/python -m pip" in plan
        assert f"--requirement {PEERS_PINS}/{name}.txt" in plan
    command = plan.rstrip().splitlines()[-1].split()
    assert command[:5] == [".venv/bin/python", "-m", "tests.benchmarks.peers", "--only", "lectern"]
    assert sorted(command[6:-2]) == names
    assert command[-2:] == ["--rounds", "1"]
    assert "peers/ray" not in make(checkout, "-n", "bench-peers", "PEERS=triton fastapi").stdout
    for target in ("serve", "test", "check", "bench"):
        assert "peers" not in make(checkout, "-n", target).stdout
    assert ".venv-peers" in make(checkout, "-n", "clean").stdout


def test_a_peer_that_cannot_be_installed_leaves_its_reason(checkout: Path) -> None:
    python = checkout / ".venv-peers/ray/bin/python"
    python.parent.mkdir(parents=True)
    python.write_text("#!/bin/sh\necho ERROR: no ray for you >&2\nexit 1\n")
    python.chmod(0o755)
    result = make(checkout, ".venv-peers/ray/.lectern-peer")
    assert result.returncode == 0
    assert "ray cannot be installed: see .venv-peers/ray.log" in result.stdout
    assert (checkout / ".venv-peers/ray.log").read_text() == "ERROR: no ray for you\n"
    assert not python.parent.exists()


def test_set_up_is_done_once_and_again_after_a_change(checkout: Path) -> None:
    venv = checkout / ".venv"
    (venv / "bin").mkdir(parents=True)
    (venv / "bin/python").touch()
    for stamp in (".lectern-serve-cpu", ".lectern-service-cpu", ".lectern-full-cpu"):
        (venv / stamp).touch()
    for target in ("serve", "test", "test-service", "check"):
        assert "install" not in make(checkout, "-n", target).stdout
    later = (venv / ".lectern-serve-cpu").stat().st_mtime + 10
    os.utime(checkout / "constraints.txt", (later, later))
    for target in ("serve", "test", "test-service", "check"):
        assert "install" in make(checkout, "-n", target).stdout


@pytest.mark.parametrize("python", ["", "/nowhere/python"])
def test_without_a_python_the_message_says_what_to_do(checkout: Path, tmp_path: Path, python: str) -> None:
    tools = tmp_path / "tools"
    tools.mkdir()
    (tools / "sh").symlink_to("/bin/sh")
    result = make(checkout, "serve", f"PYTHON={python}", PATH=str(tools))
    assert result.returncode == 2
    assert "Lectern needs Python 3.11 to 3.14 and found none" in result.stderr
    assert "make serve PYTHON=/path/to/python3" in result.stderr
    assert not (checkout / ".venv").exists()


@pytest.mark.parametrize(("broken", "code"), [((), 0), *(((target,), 1) for target in CI_TARGETS)])
def test_ci_runs_all_and_reports_all(tmp_path: Path, broken: tuple[str, ...], code: int) -> None:
    (tmp_path / "checkout/.ci").mkdir(parents=True)
    (tmp_path / "shared/data").mkdir(parents=True)
    shutil.copy(ROOT / ".ci/run", tmp_path / "checkout/.ci/run")
    recipes = [
        f"{target}:\n\t@echo {target} $(ARGS) with $$LECTERN_DATA{'; false' if target in broken else ''}"
        for target in CI_TARGETS
    ]
    (tmp_path / "checkout/Makefile").write_text("\n".join(recipes) + "\n")
    env = {name: value for name, value in environment().items() if name != "LECTERN_DATA"}
    for program in ("npm", "chromium"):
        (tmp_path / program).write_text("")
        (tmp_path / program).chmod(0o755)
    env["PATH"] = f"{tmp_path}:{env['PATH']}"
    result = subprocess.run(
        [tmp_path / "checkout/.ci/run"],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
        env=env | {"CI": "true"},
    )
    assert result.returncode == code
    for target in CI_TARGETS:
        call = f"{target} --quick --seed 1" if target == "fuzz" else target
        assert f"{call} with {tmp_path}/shared/data" in result.stdout
        assert f"make {target}: {'FAILED' if target in broken else 'passed'}" in result.stdout


def test_the_benchmark_names_the_package_it_lacks(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "tests.benchmarks.http_floor"]
    result = subprocess.run(
        command, capture_output=True, text=True, check=False, cwd=ROOT, env=environment() | {"PATH": str(tmp_path)}
    )
    assert result.returncode == 2
    assert result.stderr.startswith("bench: wrk is not installed: apt-get install wrk")
    assert result.stderr.count("\n") == 1


def test_gpu_check_takes_pytorch_for_cuda_and_without_a_gpu_no_pytorch(checkout: Path) -> None:
    plan = make(checkout, "-n", "gpu-check").stdout
    assert "whl/cu130" in plan
    assert "'.[gpu,train,dev]'" in plan
    assert ".venv-gpu/bin/python -m tests.benchmarks.gpu_check --providers cuda tensorrt" in plan
    plan = make(checkout, "-n", "gpu-check", "PROVIDERS=openvino", "ARGS=--batches 1").stdout
    assert "'.[openvino]'" in plan
    assert "train,dev" not in plan
    assert (
        ".venv-openvino/bin/python -m tests.benchmarks.gpu_check --providers openvino --no-training --batches 1" in plan
    )


@pytest.mark.parametrize("providers", ["vulkan", "cuda vulkan", "openvino cuda"])
def test_gpu_check_refuses_other_providers_before_it_installs_anything(checkout: Path, providers: str) -> None:
    result = subprocess.run(
        ["make", "-n", "gpu-check", f"PROVIDERS={providers}"],
        cwd=checkout,
        env=environment(),
        capture_output=True,
        text=True,
        check=False,
    )
    assert result.returncode == 2
    assert f"PROVIDERS={providers}: write cuda, tensorrt or both, or openvino alone" in result.stderr
    assert "install" not in result.stdout


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--providers", "vulkan"], "argument --providers: invalid choice: 'vulkan'"),
        (["--batches", "0"], "argument --batches: '0' is no number above 0"),
        (["--seconds", "nan"], "argument --seconds: 'nan' is no number above 0"),
        (["--models", "nowhere"], "--models nowhere: holds no bundle; name a model repository"),
    ],
)
def test_gpu_check_refuses_what_it_could_not_measure(
    capsys: pytest.CaptureFixture[str], arguments: list[str], message: str
) -> None:
    with pytest.raises(SystemExit) as exit_code:
        gpu_check.main(arguments)
    assert exit_code.value.code == 2
    assert message in capsys.readouterr().err


def test_gpu_check_shows_no_times_of_a_fallback_and_counts_samples_not_fields() -> None:
    figures = {
        "samples": 3,
        "differences": ["samples[0].results[0].score: a", "samples[0].results[1].score: b"],
        "fell_back": False,
        "nodes": {"CPUExecutionProvider": 2},
        "batches": {"1": {"wall": 0.001}},
        "loading": 0.1,
        "memory": None,
        "device_memory": None,
    }
    row = gpu_check._model_row("m/1", "openvino", figures, [1], "", "wall")
    assert row.startswith("| m/1 | OpenVINO | 2 of 3 | CPU 2 | 1, 1,000 |")
    row = gpu_check._model_row("m/1", "cuda", figures | {"fell_back": True}, [1], "fell back to CPU", "wall")
    assert row == "| m/1 | CUDA | fell back to CPU |" + " |" * 5


def test_the_image_for_gpus_is_built_only_if_asked_for(checkout: Path) -> None:
    assert "TEST_IMAGE=1 " in make(checkout, "-n", "test-image").stdout
    assert "TEST_IMAGE=gpu " in make(checkout, "-n", "test-image", "TEST_IMAGE=gpu").stdout
