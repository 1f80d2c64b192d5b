"""The command line itself: what it imports, its exit codes, and what a shell completes. test_mistakes.py has errors."""

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
from tests.support.history import History

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
        ("completion", "Choose from: bash, zsh, fish"),
        ("blast drop --url https://127.0.0.1", "'https://127.0.0.1' is not of the form http://HOST[:PORT]."),
        ("race --url http://127.0.0.1/sales", "is not of the form http://HOST[:PORT]."),
        ("lab --json lab.json", "--json has no effect without --once."),
        ("lab --psql --port 8001", "--port has no effect with --psql."),
        ("lab --psql --valkey-cli", "--valkey-cli has no effect with --psql."),
        ("race --url http://127.0.0.1:1 --workers 2", "--workers has no effect with --url."),
        ("race --url http://127.0.0.1:1 --home x", "--home has no effect with --url."),
        ("race --lab /no/such/lab", "--lab has no effect if its directory does not exist."),
        ("race --scenario pause --stock 5", "--stock has no effect without the scenario crowd."),
        ("blast drop --json /proc/blast.json", "No file can be written to '/proc'"),
    ],
)
def test_a_usage_error_is_one_line_and_ends_with_2(
    arguments: str, part: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(arguments.split()) == 2
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


def run_command(*arguments: str, **options: Any) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "app.lab.cli.main", *arguments]
    return subprocess.run(command, stderr=subprocess.PIPE, text=True, check=False, **options)


@pytest.mark.parametrize("way", ["standard output", "--json"])
def test_a_full_disk_is_one_line_and_ends_with_1(way: str, tmp_path: Path) -> None:
    history = tmp_path / "history.jsonl"
    history.write_text("\n".join(History().won("ada", "r1").lines))
    with Path("/dev/full").open("w") as full:
        if way == "--json":
            ended = run_command("check", str(history), "--json", "/dev/full", stdout=subprocess.PIPE)
        else:
            ended = run_command("check", str(history), stdout=full)
    (line,) = ended.stderr.splitlines()
    assert (ended.returncode, "cannot be written: No space left on device." in line) == (1, True)


def test_a_closed_standard_input_is_an_empty_one() -> None:
    ended = run_command("check", "-", stdout=subprocess.PIPE, preexec_fn=lambda: os.close(0))
    assert ended.returncode == 2
    assert ended.stderr.startswith("error: ")
    assert len(ended.stderr.splitlines()) == 1


@pytest.mark.parametrize("environment", [{}, {"NO_COLOR": "1"}, {"FORCE_COLOR": "1", "TERM": "xterm"}])
def test_without_a_terminal_there_are_no_escapes(environment: dict[str, str]) -> None:
    ended = run_command("race", "--help", stdout=subprocess.PIPE, env=os.environ | environment)
    assert (ended.returncode, "\x1b" in ended.stdout + ended.stderr) == (0, False)


@pytest.mark.parametrize("command", ["lab", "race", "bench"])
def test_a_home_that_cannot_be_written_is_one_line(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([command, "--home", "/proc/lab"]) == 1
    (line,) = capsys.readouterr().err.splitlines()
    assert line == "error: The directory /proc/lab cannot be used: No such file or directory."
