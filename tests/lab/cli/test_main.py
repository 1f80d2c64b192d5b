"""The command line itself: what it imports, how it reports errors, its exit codes, and what a shell completes."""

import os
import subprocess
import sys
from collections import defaultdict
from importlib.metadata import version
from pathlib import Path
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


@pytest.mark.parametrize(
    ("arguments", "part"),
    [
        ("rce", "No such command 'rce'. Did you mean 'race'?"),
        ("--bogus", "No such option '--bogus'."),
        ("lab --prt 1", "No such option '--prt'."),
        ("lab --port 0", "Invalid value for '--port': 0 is not in the range 1<=x<=65535."),
        ("lab surplus", "Got unexpected extra argument (surplus)"),
        ("blast", "Missing argument 'SALE'."),
        ("completion", "Missing argument 'SHELL'. Choose from: bash, zsh, fish"),
        ("blast drop --json ", "Invalid value for '--json': The name is empty."),
        ("blast drop --trace-ratio nan", "Invalid value for '--trace-ratio': 'nan' is not a number."),
        ("bench --seconds inf", "Invalid value for '--seconds': inf is not in the range 0.5<=x<=60.0."),
    ],
)
def test_a_usage_error_is_one_line_and_ends_with_2(
    arguments: str, part: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(arguments.split(" ")) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("error: ")
    assert part in line


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


def test_a_file_that_could_not_be_written_later_is_refused_now(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["blast", "drop", "--json", str(tmp_path / "nowhere" / "blast.json")]) == 2
    assert capsys.readouterr().err == (
        f"error: Invalid value for '--json': Directory '{tmp_path}/nowhere' does not exist.\n"
    )
