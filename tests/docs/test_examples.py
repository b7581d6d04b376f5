"""The commands in the documents run, and answer what is printed below them."""

from __future__ import annotations

import ast
import contextlib
import io
import re
import shlex
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

import orjson
import pytest
from starlette.testclient import TestClient

from service.app import create_app
from service.bundle.comparison import differences
from service.bundle.manifest import Comparison
from service.settings import Settings
from tests.docs.curl import Call, calls
from tests.docs.markdown import DOCUMENTS, Block, blocks, code_spans, name
from tests.support.processes import ROOT, server
from tests.support.server import running

README = ROOT / "README.md"


def _settings() -> Settings:
    if not any((ROOT / "models").glob("*/*/manifest.json")):
        pytest.skip("no bundle under models/")
    return Settings(models=ROOT / "models")


@pytest.fixture(scope="module")
def shipped() -> Iterator[TestClient]:
    """The shipped models, served."""
    with TestClient(create_app(_settings())) as client:
        yield client


def _examples() -> Iterator[tuple[str, Call, str]]:
    """(id, request, printed answer or "") of every curl command."""
    for document in DOCUMENTS:
        fenced = [*blocks(document), Block("", "")]
        for block, after in pairwise(fenced):
            requests = list(calls(block.text)) if block.language == "sh" else []
            for number, call in enumerate(requests, 1):
                printed = after.text if after.language == "json" and number == len(requests) else ""
                call.path = re.sub(r"(/|=)letters\b", r"\1digits", call.path)  # A model of the reader's own.
                yield f"{name(document)}:{call.path}", call, printed


EXAMPLES = list(_examples())


@pytest.mark.parametrize(
    ("call", "printed"), [example[1:] for example in EXAMPLES], ids=[example[0] for example in EXAMPLES]
)
def test_a_curl_command_answers_what_is_printed(shipped: TestClient, call: Call, printed: str) -> None:
    response = shipped.request(**call.arguments())
    expected = orjson.loads(printed or b"{}")
    assert response.status_code == expected.get("status", 200), response.text
    if printed:
        answer = response.json()
        if "request_id" in expected:  # Of an error, and another each time.
            assert len(answer["request_id"]) == len(expected["request_id"])
            answer["request_id"] = expected["request_id"]
        if "translatedFileUrl" in expected:  # With a random name.
            for each in (expected, answer):
                each["translatedFileUrl"] = re.sub(
                    r"^http://[^/]+/(.*/)[\w-]{43}\.", r"\1*.", each["translatedFileUrl"]
                )
        assert not list(differences(expected, answer, Comparison(tolerance=1e-3)))


def test_the_readme_shows_every_task_with_its_answer() -> None:
    routes = {
        identity.partition(":")[2] for identity, _, printed in EXAMPLES if identity.startswith("README.md:") and printed
    }
    assert routes == {"/v1/classify", "/v1/tag", "/v1/neighbors", "/v1/translate"}


def test_every_printed_answer_is_compared() -> None:
    printed = sum(block.language == "json" for document in DOCUMENTS for block in blocks(document))
    assert printed == sum(bool(answer) for _, _, answer in EXAMPLES)


@pytest.fixture(scope="module")
def grpc_address() -> Iterator[str]:
    """The gRPC address of a server of the shipped models."""
    with server(ROOT / "models", GRPC_PORT="0") as process:
        yield process.wait_for("serving")["grpc"]


PROGRAMS = [block.text for block in blocks(ROOT / "docs/api.md") if block.language == "python"]


@pytest.fixture(scope="module")
def address() -> Iterator[str]:
    """The address of a server of the shipped models."""
    with running(_settings()) as url:
        yield url


@pytest.mark.parametrize("program", PROGRAMS, ids=["openai", "libretranslatepy", "tritonclient", "tritonclient.grpc"])
@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_a_client_program_runs(request: pytest.FixtureRequest, program: str) -> None:
    if "tritonclient.grpc" in program:
        program = program.replace("127.0.0.1:8001", request.getfixturevalue("grpc_address"))
    else:
        program = program.replace("127.0.0.1:8080", request.getfixturevalue("address").removeprefix("http://"))
    output = io.StringIO()
    with contextlib.redirect_stdout(output):
        exec(compile(program, "docs/api.md", "exec"), {})
    assert output.getvalue().strip()


@pytest.mark.parametrize("document", DOCUMENTS, ids=name)
def test_python_blocks_are_python(document: Path) -> None:
    for block in blocks(document):
        if block.language == "python":
            ast.parse(block.text)


def _training_commands() -> Iterator[tuple[str, list[str]]]:
    """(family and command, its options) of every `lectern-train` command and `make train-…` in the documents."""
    for document in DOCUMENTS:
        if name(document) == "training/RESULTS.md":
            continue  # A log of what was run, with the names of then.
        for block in blocks(document):
            for line in block.text.replace("\\\n", " ").splitlines():
                words = shlex.split(line, comments=True)
                if len(words) > 2 and words[0].endswith("lectern-train") and not words[1].startswith("<"):
                    yield f"{words[1]} {words[2]}", [word for word in words if word.startswith("--")]
                if words[:1] == ["make"] and len(words) > 2 and words[1].startswith("train-") and "<" not in words[1]:
                    arguments = words[2].removeprefix("ARGS=").split()
                    yield f"{words[1][6:]} train", [word for word in arguments if word.startswith("--")]


def _known_options(command: str, capsys: pytest.CaptureFixture[str]) -> set[str]:
    """The options that the help of a training command lists."""
    from training.__main__ import main

    with pytest.raises(SystemExit):
        main([*command.split(), "--help"])
    return set(re.findall(r"--[a-z][a-z-]*", capsys.readouterr().out))


@pytest.mark.torch
@pytest.mark.parametrize(("command", "options"), list(_training_commands()))
def test_training_commands_have_these_options(
    command: str, options: list[str], capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "200")
    assert set(options) <= _known_options(command, capsys)


@pytest.mark.torch
def test_options_in_the_text_about_training_exist(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "200")
    commands = {command for command, _ in _training_commands()}
    known = set().union(*(_known_options(command, capsys) for command in sorted(commands)))
    text = " ".join(code_spans(ROOT / "docs/training.md") + code_spans(ROOT / "docs/glossary.md"))
    of_torchrun = {"--max-restarts", "--nnodes", "--nproc-per-node"}
    assert set(re.findall(r"--[a-z][a-z-]*", text)) <= known | of_torchrun | {"--help"}
