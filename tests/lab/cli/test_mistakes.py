"""Mistakes at the command line: the exit code, one line on standard error, no traceback, and nothing is started.

2 is a command that is wrong as it was typed, or a history that cannot be judged; 1 is one that could not be carried
out.
"""

import json
import shlex
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from app.lab.cli.main import main
from app.lab.stack.process import ChildProcess, ProcessFailed
from app.lab.stack.servers.ports import free_port
from tests.support.history import History

WRONG, FAILED = 2, 1
NO_DIRECTORY = "Directory 'nowhere' does not exist"
TOO_LONG = 300 * "x"
NO_ADDRESS = "is not of the form http://HOST[:PORT]."


def line(type_: str, function: str, value: Any, **other: Any) -> str:
    return json.dumps({"process": "p", "type": type_, "function": function, "value": value, "time": 1.0} | other)


OPEN = line("ok", "open", {"sale": "drop", "stock": 1})
REQUEST = line("invoke", "buy", {"sale": "drop", "customer": "ada", "key": "k"})
END = line("ok", "ledger-read", {"complete": True})

HISTORIES = {
    "clean.jsonl": "\n".join(History().won("ada", "r1").lines),
    "empty.jsonl": "",
    "text.jsonl": "no history",
    "bytes.jsonl": "\udcff\udcfe\0",  # what no encoding of JSON has
    "list.jsonl": "[]",
    "type.jsonl": line("started", "buy", {}),
    "function.jsonl": line("ok", "sell", {}),
    "nameless.jsonl": line("ok", "open", {}, process=""),
    "timeless.jsonl": line("ok", "open", {}, time="noon"),
    "flat.jsonl": line("ok", "open", 1),
    "keyless.jsonl": line("invoke", "buy", {"sale": "drop", "customer": "ada"}),
    "stockless.jsonl": line("ok", "open", {"sale": "drop", "stock": "ten"}),
    "cut.jsonl": OPEN,
    "longer.jsonl": f"{END}\n{OPEN}",
    "answer.jsonl": line("ok", "buy", {"reservation_id": "r"}),
    "twice.jsonl": f"{REQUEST}\n{REQUEST}",
    "backwards.jsonl": f"{OPEN}\n{line('ok', 'open', {'sale': 'other', 'stock': 1}, time=0.5)}",
    "booking.jsonl": line("ok", "ledger-read", {"bookings": [{}], "complete": True}),
}

OF_THE_GROUP = [
    ("rce", WRONG, "No such command 'rce'. Did you mean 'race'?"),
    ("--bogus", WRONG, "No such option '--bogus'."),
    ("--bogus lab", WRONG, "No such option '--bogus'."),
]
OF_LAB = [
    ("lab surplus", WRONG, "Got unexpected extra argument (surplus)"),
    ("lab --prt 1", WRONG, "No such option '--prt'."),
    ("lab --port", WRONG, "Option '--port' requires an argument."),
    ("lab --port 0", WRONG, "'--port': 0 is not in the range"),
    ("lab --port 65536", WRONG, "'--port': 65536 is not in the range"),
    ("lab --port eight", WRONG, "'--port': 'eight' is not a valid whole number"),
    ("lab --api-processes 0", WRONG, "'--api-processes': 0 is not in the range"),
    ("lab --workers 65", WRONG, "'--workers': 65 is not in the range"),
    ("lab --once=yes", WRONG, "Option '--once' does not take a value."),
    ("lab --home clean.jsonl", WRONG, "Directory 'clean.jsonl' is a file."),
    ("lab --once --json nowhere/report.json", WRONG, NO_DIRECTORY),
    ("lab --json report.json", WRONG, "--json has no effect without --once."),
    ("lab --psql --port 8001", WRONG, "--port has no effect with --psql."),
    ("lab --psql --valkey-cli", WRONG, "--valkey-cli has no effect with --psql."),
    ("lab --psql", FAILED, "No lab runs in "),
    ("lab --psql --home /dev/null/lab", FAILED, "No lab runs in "),
    ("lab --home /dev/null/lab", FAILED, "The directory /dev/null/lab cannot be used: "),
    ("lab --home /proc/lab", FAILED, "The directory /proc/lab cannot be used: "),
    ("lab --host 192.0.2.1", FAILED, "The API cannot listen on 192.0.2.1"),  # an address of no machine (RFC 5737)
]
OF_BLAST = [
    ("blast", WRONG, "Missing argument 'SALE'."),
    ("blast drop other", WRONG, "Got unexpected extra argument (other)"),
    ("blast Not_A_Name", WRONG, "the name of a sale"),
    ("blast drop --requests 0", WRONG, "'--requests': 0 is not in the range"),
    ("blast drop --requests 10000001", WRONG, "'--requests': 10000001 is not in the range"),
    ("blast drop --requests ten", WRONG, "'--requests': 'ten' is not a valid whole number"),
    ("blast drop --concurrency 0", WRONG, "'--concurrency': 0 is not in the range"),
    ("blast drop --customers 0", WRONG, "'--customers': 0 is not in the range"),
    ("blast drop --retries -1", WRONG, "'--retries': -1 is not in the range"),
    ("blast drop --trace-ratio 2", WRONG, "'--trace-ratio': 2.0 is not in the range"),
    ("blast drop --trace-ratio much", WRONG, "'--trace-ratio': 'much' is not a valid number"),
    ("blast drop --json nowhere/blast.json", WRONG, NO_DIRECTORY),
    ("blast drop --json .", WRONG, "'--json': File '.' is a directory."),
    (f"blast drop --json {TOO_LONG}", WRONG, "File name too long"),
    ('blast drop --json ""', WRONG, "'--json': The name is empty."),
    ("blast drop --trace-ratio nan", WRONG, "'--trace-ratio': 'nan' is not a number."),
    ("blast drop --json /proc/blast.json", WRONG, "No file can be written to '/proc': "),
    ("blast drop --url 127.0.0.1:{port}", WRONG, f"'--url': '127.0.0.1:{{port}}' {NO_ADDRESS}"),
    ("blast drop --url https://127.0.0.1:{port}", WRONG, NO_ADDRESS),
    ("blast drop --url http://127.0.0.1:eight", WRONG, NO_ADDRESS),
    ("blast drop --url http://127.0.0.1:{port}", FAILED, "http://127.0.0.1:{port}"),
]
OF_CHECK = [
    ("check", WRONG, "Missing argument 'HISTORY'."),
    ("check nowhere.jsonl", WRONG, "File 'nowhere.jsonl' does not exist."),
    ("check .", WRONG, "File '.' is a directory."),
    ("check clean.jsonl other.jsonl", WRONG, "Got unexpected extra argument (other.jsonl)"),
    ("check clean.jsonl --json nowhere/verdict.json", WRONG, NO_DIRECTORY),
    ("check clean.jsonl --json .", WRONG, "'--json': File '.' is a directory."),
    ("check empty.jsonl", WRONG, "does not end with the ledger's last page"),
    ("check cut.jsonl", WRONG, "does not end with the ledger's last page"),
    ("check text.jsonl", WRONG, "Line 1 is not JSON"),
    ("check bytes.jsonl", WRONG, "Line 1 is not JSON"),
    ("check list.jsonl", WRONG, "Line 1 is not a JSON object."),
    ("check type.jsonl", WRONG, "Line 1: type must be one of"),
    ("check function.jsonl", WRONG, "Line 1: function must be one of"),
    ("check nameless.jsonl", WRONG, "Line 1: process must be a name."),
    ("check timeless.jsonl", WRONG, "Line 1: time must be a number of seconds."),
    ("check flat.jsonl", WRONG, "Line 1: value must be an object."),
    ("check keyless.jsonl", WRONG, "Line 1: value.key must be a string that is not empty."),
    ("check stockless.jsonl", WRONG, "Line 1: value.stock must be a whole number."),
    ("check longer.jsonl", WRONG, "Line 2: nothing may follow the ledger's last page."),
    ("check answer.jsonl", WRONG, "Line 1: p gets an answer without a request."),
    ("check twice.jsonl", WRONG, "Line 2: p still waits for an answer (line 1)."),
    ("check backwards.jsonl", WRONG, "Line 2: requests and answers must be in the order of time."),
    ("check booking.jsonl", WRONG, "Line 1: a booking lacks 'reservation_id'."),
]
OF_RACE = [
    ("race surplus", WRONG, "Got unexpected extra argument (surplus)"),
    ("race --stock 0", WRONG, "'--stock': 0 is not in the range"),
    ("race --requests 0", WRONG, "'--requests': 0 is not in the range"),
    ("race --concurrency 5001", WRONG, "'--concurrency': 5001 is not in the range"),
    ("race --think-ms 10001", WRONG, "'--think-ms': 10001 is not in the range"),
    ("race --repeat 0", WRONG, "'--repeat': 0 is not in the range"),
    ("race --strategies ,", WRONG, "'--strategies': The list is empty."),
    ("race --strategies magic", WRONG, "There is no strategy 'magic'"),
    ("race --scenario flood", WRONG, "There is no scenario 'flood'"),
    ("race --scenario crash --url http://127.0.0.1:{port}", WRONG, "With --url only the scenario crowd is possible"),
    ("race --json nowhere/race.json", WRONG, NO_DIRECTORY),
    ("race --history nowhere/race.jsonl", WRONG, NO_DIRECTORY),
    ("race --write .", WRONG, "'--write': File '.' is a directory."),
    ("race --write clean.jsonl", WRONG, "The page has no place for crowd, think 50 ms"),
    ("race --write bytes.jsonl", WRONG, "The page bytes.jsonl cannot be read: 'utf-8' codec"),
    ("race --write new.md", WRONG, "The page new.md cannot be read: "),
    ("race --home clean.jsonl", WRONG, "Directory 'clean.jsonl' is a file."),
    ("race --home /proc/lab", FAILED, "The directory /proc/lab cannot be used: "),
    ("race --lab nowhere", WRONG, "--lab has no effect if its directory does not exist."),
    (f"race --lab {TOO_LONG}", WRONG, "--lab has no effect if its directory does not exist."),
    ("race --lab taken", WRONG, "No file can be written to 'taken/races': "),
    ("race --history h.jsonl --url http://127.0.0.1:{port}", WRONG, "--history has no effect with --url and without"),
    ("race --url http://127.0.0.1:{port}#here", WRONG, NO_ADDRESS),
    ("race --url 127.0.0.1:{port}", WRONG, NO_ADDRESS),
    ("race --url http://127.0.0.1:eight", WRONG, NO_ADDRESS),
    ("race --url http://127.0.0.1:{port}/sales", WRONG, NO_ADDRESS),
    ("race --workers 2 --url http://127.0.0.1:{port}", WRONG, "--workers has no effect with --url."),
    ("race --home own --url http://127.0.0.1:{port}", WRONG, "--home has no effect with --url."),
    ("race --scenario pause --repeat 2", WRONG, "--repeat has no effect without the scenario crowd."),
    ("race --strategies naive --url http://127.0.0.1:{port}", FAILED, "http://127.0.0.1:{port}"),
]
OF_BENCH = [
    ("bench --rounds 0", WRONG, "'--rounds': 0 is not in the range"),
    ("bench --rounds 31", WRONG, "'--rounds': 31 is not in the range"),
    ("bench --seconds 0", WRONG, "'--seconds': 0.0 is not in the range"),
    ("bench --seconds inf", WRONG, "'--seconds': inf is not in the range"),
    ("bench --arms ,", WRONG, "'--arms': The list is empty."),
    ("bench --arms magic", WRONG, "There is no arm 'magic'"),
    ("bench --json nowhere/bench.json", WRONG, NO_DIRECTORY),
    ("bench --home clean.jsonl", WRONG, "Directory 'clean.jsonl' is a file."),
    ("bench --home /proc/lab", FAILED, "The directory /proc/lab cannot be used: "),
]
OF_COMPLETION = [
    ("completion", WRONG, "Choose from: bash, zsh, fish"),
    ("completion powershell", WRONG, "'powershell' is not one of 'bash', 'zsh', 'fish'."),
]
MISTAKES = [*OF_THE_GROUP, *OF_LAB, *OF_BLAST, *OF_CHECK, *OF_RACE, *OF_BENCH, *OF_COMPLETION]


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Work in a folder that has the histories. A command that starts a process fails at once, and says so."""

    def refuse(process: ChildProcess) -> None:
        raise ProcessFailed(f"The command has started {process.name}.")

    for name, content in HISTORIES.items():
        (tmp_path / name).write_bytes(content.encode(errors="surrogateescape"))
    (tmp_path / "taken").mkdir()
    (tmp_path / "taken" / "races").touch()
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(ChildProcess, "start", refuse)
    for variable in ("REDIS_URL", "BROKER_URL", "DATABASE_URL"):
        monkeypatch.delenv(variable, raising=False)


@pytest.mark.parametrize(("typed", "code", "part"), MISTAKES, ids=[typed for typed, *_ in MISTAKES])
def test_a_mistake_is_one_line_and_an_exit_code(
    typed: str, code: int, part: str, capsys: pytest.CaptureFixture[str]
) -> None:
    port = str(free_port())
    ended = main(shlex.split(typed.replace("{port}", port)))
    printed = capsys.readouterr()
    (line,) = printed.err.splitlines()
    assert line.startswith("error: ")
    assert part.replace("{port}", port) in line
    assert ended == code
    assert code == FAILED or printed.out == ""


@pytest.mark.parametrize(
    ("variable", "value", "typed"),
    [
        ("LEDGER_SCHEMA_NAME", "a b", "race --url http://127.0.0.1:1"),
        ("API_ADMIN_TOKEN", "", "race --url http://127.0.0.1:1"),
        ("LEDGER_SCHEMA_NAME", "a b", "lab --port {port}"),
        ("API_ADMIN_TOKEN", "", "lab --port {port}"),
    ],
)
def test_a_variable_with_a_wrong_value_is_named_in_one_line(
    variable: str, value: str, typed: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv(variable, value)
    assert main(typed.replace("{port}", str(free_port())).split()) == WRONG  # another test may hold the usual port
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith(f"error: {variable}: ")


def test_there_are_enough_of_them() -> None:
    """A table that lost its rows would pass as well."""
    assert len(MISTAKES) >= 40
    assert len({typed for typed, *_ in MISTAKES}) == len(MISTAKES)


def run_in_shell(command: str) -> tuple[int, list[str]]:
    """Run a command line in which `atomictickets` is this project's, and return its exit code and its errors."""
    program = f'atomictickets() {{ "{sys.executable}" -m app.lab.cli.main "$@"; }}'
    shell = ["bash", "-c", f"{program}\n{command}"]
    ran = subprocess.run(shell, capture_output=True, text=True, check=False, timeout=60)
    return ran.returncode, ran.stderr.splitlines()


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="this system has no /dev/full")
@pytest.mark.parametrize(
    "command", ["completion bash >/dev/full", "check clean.jsonl >/dev/full", "check clean.jsonl --json /dev/full"]
)
def test_a_full_disk_is_one_line(command: str) -> None:
    code, (line,) = run_in_shell(f"atomictickets {command}")
    assert (code, line[:7]) == (FAILED, "error: ")
    assert "cannot be written: No space left on device." in line


def test_a_closed_standard_input_is_one_line() -> None:
    code, (line,) = run_in_shell("atomictickets check - <&-")
    assert (code, line[:7]) == (WRONG, "error: ")
