"""The command line itself: what it imports, its exit codes, and what a shell completes. test_mistakes.py has errors."""

import os
import subprocess
import sys
from collections import defaultdict
from importlib.metadata import version
from typing import Any

import click
import pytest

from app.lab.cli.completion import SHELLS, VARIABLE
from app.lab.cli.main import COMMANDS, INTERRUPTED, PIPE_CLOSED, atomictickets, main

LIST_COMMANDS = """
import sys
from app.lab.cli.main import main
main(["--help"])
print([name for name in sys.modules if name.startswith("app.lab.cli.") or name == "sqlalchemy"])
"""


def test_the_version(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--version"]) == 0
    assert capsys.readouterr().out == f"atomictickets {version('atomictickets')}\n"


def test_the_commands_are_listed_without_importing_any() -> None:
    listed = subprocess.run([sys.executable, "-c", LIST_COMMANDS], capture_output=True, text=True, check=True).stdout
    assert all(f"  {name} " in listed for name in COMMANDS)
    assert listed.splitlines()[-1] == "['app.lab.cli.main']"


@pytest.mark.parametrize("name", COMMANDS)
def test_each_command_has_a_help_text(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([name, "-h"]) == 0
    assert capsys.readouterr().out.startswith(f"Usage: atomictickets {name} [OPTIONS]")


def test_without_a_command_the_help_is_an_error(capsys: pytest.CaptureFixture[str]) -> None:
    assert main([]) == 2
    assert "Commands:" in capsys.readouterr().err


def test_ctrl_c_ends_with_130(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    def interrupted(_: Any) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("app.lab.cli.check.check", interrupted)
    assert main(["check", os.devnull]) == INTERRUPTED
    assert capsys.readouterr().err == "interrupted\n"


@pytest.mark.parametrize("arguments", [["completion", "zsh"], ["--help"]])
def test_a_closed_pipe_ends_with_141_and_no_traceback(arguments: list[str]) -> None:
    reader, writer = os.pipe()
    os.close(reader)
    try:
        command = [sys.executable, "-m", "app.lab.cli.main", *arguments]
        ended = subprocess.run(command, stdout=writer, stderr=subprocess.PIPE, check=False)
    finally:
        os.close(writer)
    assert (ended.returncode, ended.stderr) == (PIPE_CLOSED, b"")


@pytest.mark.parametrize("shell", SHELLS)
def test_a_shell_is_told_how_to_complete(shell: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["completion", shell]) == 0
    assert f"{VARIABLE}={shell}_complete" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("typed", "completed"),
    [
        ("atomictickets r", "plain,race"),
        ("atomictickets race --str", "plain,--strategies"),
        ("atomictickets completion z", "plain,zsh"),
        ("atomictickets check --json ver", "file,ver"),
    ],
)
def test_commands_options_and_values_are_completed(
    typed: str, completed: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv(VARIABLE, "bash_complete")
    monkeypatch.setenv("COMP_WORDS", typed)
    monkeypatch.setenv("COMP_CWORD", str(typed.count(" ")))
    with pytest.raises(SystemExit, match="0"):
        main([])
    assert capsys.readouterr().out.splitlines() == [completed]


def test_an_option_takes_the_same_value_in_every_command() -> None:
    values: dict[str, set[str]] = defaultdict(set)
    for name in COMMANDS:
        _, command, _ = atomictickets.resolve_command(click.Context(atomictickets), [name])
        assert command is not None
        for parameter in command.params:
            if isinstance(parameter, click.Option):
                values[parameter.opts[0]].add(f"{parameter.type.to_info_dict()} {parameter.metavar}")
    assert {option: taken for option, taken in values.items() if len(taken) > 1} == {}


@pytest.mark.parametrize("environment", [{}, {"NO_COLOR": "1"}, {"FORCE_COLOR": "1", "TERM": "xterm"}])
def test_without_a_terminal_there_are_no_escapes(environment: dict[str, str]) -> None:
    command = [sys.executable, "-m", "app.lab.cli.main", "race", "--help"]
    ended = subprocess.run(command, capture_output=True, text=True, check=False, env=os.environ | environment)
    assert (ended.returncode, "\x1b" in ended.stdout + ended.stderr) == (0, False)
