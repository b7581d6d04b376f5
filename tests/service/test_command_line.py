"""What both programs have in common on the command line: lists of commands, suggestions, completion in shells."""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from service import __version__, cli
from service.command_line import CommandParser, spellings
from service.completion import completion_script
from training.__main__ import FAMILIES
from training.__main__ import main as train

Captured = pytest.CaptureFixture[str]


def parser() -> CommandParser:
    """A program with two levels of commands, and options of every kind."""
    program = CommandParser(prog="box")
    program.add_argument("--version", action="version", version="box 1")
    commands = program.add_subparsers(required=True, metavar="COMMAND")
    lid = commands.add_parser("lid", help="open; or (not) shut").add_subparsers(required=True, metavar="COMMAND")
    lift = lid.add_parser("lift_up", aliases=spellings("lift_up"), help="the box's 100%% lid")
    lift.add_argument("--how", choices=("slowly", "quickly"), help="speed")
    lift.add_argument("--how-far", type=int, required=True)
    lift.add_argument("--greet", action=argparse.BooleanOptionalAction)
    lift.add_argument("--secret", help=argparse.SUPPRESS)
    paint = commands.add_parser("paint", help="color it")
    paint.add_argument("color", choices=("red", "green"), metavar="COLOR")
    paint.add_argument("files", nargs="*")
    return program


def refused(*arguments: str, capsys: Captured) -> str:
    """The message of a command line that is refused."""
    with pytest.raises(SystemExit) as caught:
        parser().parse_args(arguments)
    assert caught.value.code == 2
    output = capsys.readouterr()
    assert not output.out
    return output.err


@pytest.mark.parametrize(("arguments", "listed"), [((), ["lid", "paint"]), (("lid",), ["lift_up"])])
def test_without_a_command_the_commands_are_listed(
    arguments: tuple[str, ...], listed: list[str], capsys: Captured
) -> None:
    text = refused(*arguments, capsys=capsys)
    assert text.startswith("usage: box")
    assert all(f"    {name}" in text for name in listed)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ("lit", "box: no command 'lit'; did you mean lid?; see `box --help`"),
        ("fly", "box: no command 'fly'; there are lid, paint; see `box --help`"),
        ("--verion", "box: no option --verion; did you mean --version?; see `box --help`"),
        ("--quiet lid", "box: no option --quiet; see `box --help`"),
        ("lid lift", "box lid: no command 'lift'; did you mean lift_up or lift-up?; see `box lid --help`"),
        ("lid lift-up --how-far 1 --greeet", "box lid lift_up: no option --greeet; did you mean --greet"),
        ("lid lift-up --how-far 1 --secrets", "box lid lift_up: no option --secrets; see "),
        ("lid lift-up --how-far 1 x", "box lid lift_up: 'x' is more than the command takes; see "),
        ("lid lift-up --how-far x", "box lid lift_up: --how-far: 'x' is no whole number; see "),
        ("lid lift-up", "box lid lift_up: missing: --how-far; see `box lid lift_up --help`"),
        ("lid lift-up --how slow", "box lid lift_up: --how: 'slow' is none of its values; did you mean slowly?"),
        ("paint blue", "box paint: COLOR: 'blue' is none of its values; there are red, green; see `box paint --help`"),
        ("paint", "box paint: missing: COLOR"),
    ],
)  # fmt: skip
def test_an_error_is_one_line_that_says_what_was_meant(arguments: str, message: str, capsys: Captured) -> None:
    text = refused(*arguments.split(), capsys=capsys)
    assert text.startswith(message)
    assert text.count("\n") == 1


def test_underscores_are_hyphens() -> None:
    options = parser().parse_args(["lid", "lift_up", "--how_far=3", "--no_greet", "--how", "slowly"])
    assert (options.how_far, options.greet, options.how) == (3, False, "slowly")
    assert spellings("bilstm_crf") == ["bilstm-crf"]
    assert spellings("uner-ewt") == ["uner_ewt"]
    assert spellings("lenet") == []


def completed(*words: str, program: str, script: str) -> list[str]:
    """What bash offers for the last of the words."""
    function = f"_{program.replace('-', '_')}"
    commands = f'COMP_WORDS=("$@"); COMP_CWORD=$(( $# - 1 )); {function}; printf "%s\\n" "${{COMPREPLY[@]}}"'
    result = subprocess.run(
        ["bash", "--norc", "-c", f"{script}\n{commands}", "bash", program, *words],
        capture_output=True, text=True, check=True, timeout=60,
    )  # fmt: skip
    assert not result.stderr
    return result.stdout.split()


@pytest.mark.skipif(shutil.which("bash") is None, reason="there is no bash")
@pytest.mark.parametrize(
    ("words", "offered"),
    [
        (("",), ["lid", "paint"]),
        (("p",), ["paint"]),
        (("--v",), ["--version"]),
        (("lid", ""), ["lift_up"]),
        (("lid", "lift-up", "--how-"), ["--how-far"]),
        (("lid", "lift-up", "--g"), ["--greet"]),
        (("lid", "lift-up", "--s"), []),
        (("lid", "lift_up", "--how", ""), ["slowly", "quickly"]),
        (("lid", "lift_up", "--how", "=", "q"), ["quickly"]),
        (("lid", "lift_up", "--how", "="), ["slowly", "quickly"]),
        (("lid", "lift_up", "--how", "slowly", "--no"), ["--no-greet"]),
        (("lid", "lift_up", "--how-far", "l"), []),
        (("paint", ""), ["red", "green"]),
    ],
)
def test_bash_completes(words: tuple[str, ...], offered: list[str]) -> None:
    assert completed(*words, program="box", script=completion_script(parser(), "box", "bash")) == offered


def test_the_programs_complete_their_own_commands(capsys: Captured) -> None:
    assert cli.main(["completion", "bash"]) == 0
    script = capsys.readouterr().out
    assert completed("mo", program="lectern", script=script) == ["models"]
    assert completed("models", "", program="lectern", script=script) == ["list", "verify", "providers"]
    assert completed("serve", "--p", program="lectern", script=script) == ["--port"]


@pytest.mark.torch
def test_lectern_train_completes_families_and_their_settings(capsys: Captured) -> None:
    assert train(["completion", "bash"]) == 0
    script = capsys.readouterr().out
    assert completed("", program="lectern-train", script=script) == [*FAMILIES, "completion"]
    assert completed("bilstm-crf", "train", "--tokenizer", "", program="lectern-train", script=script) == [
        "auto", "learned", "rules",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("shell", "command"),
    [
        ("zsh", ["-f", "-n", "SCRIPT"]),
        ("fish", ["-c", 'source SCRIPT; complete -C "box lid lift-up --how "; complete -C "box lid "']),
    ],
)
def test_other_shells_read_their_script(shell: str, command: list[str], tmp_path: Path) -> None:
    if shutil.which(shell) is None:
        pytest.skip(f"there is no {shell}")
    script = tmp_path / "script"
    script.write_text(completion_script(parser(), "box", shell))
    arguments = [word.replace("SCRIPT", str(script)) for word in command]
    result = subprocess.run([shell, *arguments], capture_output=True, text=True, check=True, timeout=60)
    assert not result.stderr
    if shell == "fish":
        assert [line.split("\t")[0] for line in result.stdout.splitlines()] == ["quickly", "slowly", "lift_up"]


def test_scripts_hold_nothing_that_a_shell_would_run() -> None:
    program = CommandParser(prog="box")
    program.add_subparsers().add_parser("lid", help="$(touch x) `touch x` 'quoted' \"double\" \\ 50%% [a:b]")
    for shell in ("bash", "zsh", "fish"):
        script = completion_script(program, "box", shell)
        assert "touch x)" not in script
        assert "`touch" not in script


def run_training(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run `python -m training` to its end."""
    return subprocess.run(
        [sys.executable, "-m", "training", *arguments],
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )


def test_lectern_train_lists_its_families_without_pytorch() -> None:
    result = run_training()
    assert result.returncode == 2
    assert all(f"    {family}" in result.stderr for family in FAMILIES)
    assert "bilstm_crf (bilstm-crf)" in result.stderr
    assert run_training("--version").stdout == f"lectern-train {__version__}\n"
    wrong = run_training("lennet", "train")
    assert (wrong.returncode, wrong.stderr) == (
        2, "lectern-train: no command 'lennet'; did you mean lenet?; see `lectern-train --help`\n",
    )  # fmt: skip


@pytest.mark.torch
@pytest.mark.parametrize("family", ["bilstm_crf", "bilstm-crf"])
def test_families_by_either_spelling(family: str, capsys: Captured) -> None:
    with pytest.raises(SystemExit) as caught:
        train([family])
    assert caught.value.code == 2
    assert "train, or continue a run that was stopped" in capsys.readouterr().err
