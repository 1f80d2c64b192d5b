"""The commands of the pages, run as they stand in a copy of the repository, beside a lab.

They end with 0 and print what the page shows. An HTML comment directly above a block says what differs:

    not run: REASON   the commands cannot run in a test
    thorough          they run only in the thorough tier, because they take long
    needs: PROGRAM    they run only if the PATH has this program
    exits: N          the command, which is alone in its block, ends with this code
    file: NAME        the block is the content of a file, which its reader saves
    same as: PATH     the block is this file of the repository
    prints            the block is what the commands before it print; three dots stand for any text
"""

import os
import re
import shutil
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from app.lab.stack.home import LabHome
from tests.support.docs_blocks import Block, blocks_of, outside_blocks
from tests.support.docs_pages import PAGES
from tests.support.project import PROJECT
from tests.support.running_lab import RunningLab

PORT = 8000  # that of the pages
PROGRAMS = r"make|curl|kubectl|helm|docker|kind|git|pip|psql|celery|node|python3?|atomictickets|\.venv/bin/\S+"
COMMAND = re.compile(rf"^ *(?:[A-Z_]+=\S+ )*(?:{PROGRAMS})(?: |$)", re.MULTILINE)
SHELLS = {"", "bash", "console", "shell", "shell-session", "text", "zsh"}  # other names that a block might have
WITH_COMMANDS = [page for page in PAGES if any(block.is_run for block in blocks_of(page))]


@pytest.fixture(scope="module")
def environment() -> dict[str, str]:
    """Return the environment of a reader, who has no stores of their own."""
    given = {name: value for name, value in os.environ.items() if not name.endswith("_URL")}
    return given | {"MAKEFLAGS": ""}  # those of `make test` would be passed on


@pytest.fixture(scope="module")
def checkout(
    tmp_path_factory: pytest.TempPathFactory, environment: dict[str, str], *, thorough: bool
) -> Iterator[Path]:
    """Yield a copy of what git knows of the repository, changes that are not committed included.

    In the thorough tier `make install` gives it a venv of its own. Otherwise it has that of the tests, because packages
    take a minute to install; no `make` may run there then, as it could install the copy into that venv.
    """
    directory = tmp_path_factory.mktemp("checkout")
    list_files = ("git", "ls-files", "-z", "--cached", "--others", "--exclude-standard")
    names = subprocess.run(list_files, cwd=PROJECT, capture_output=True, text=True, check=True).stdout.split("\0")
    for name in filter(None, names):
        if (PROJECT / name).is_file():
            (directory / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(PROJECT / name, directory / name)
    if not thorough:
        (directory / ".venv").symlink_to(sys.prefix)
    elif subprocess.run(("make", "install"), cwd=directory, env=environment, check=False).returncode:
        pytest.skip("no package registry: make install failed in a copy of the repository")
    yield directory
    for home in (directory / ".lab", directory / "build" / "race", directory / "build" / "bench"):
        LabHome(home).discard_data()  # as root, PostgreSQL's data is elsewhere


@pytest.fixture(scope="module")
def lab(checkout: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningLab]:
    """Yield a lab in the copy, at the port of the pages."""
    with socket.socket() as probe:
        if probe.connect_ex(("127.0.0.1", PORT)) == 0:
            pytest.skip(f"port {PORT} is in use, at which the pages expect their lab")
    command = [str(checkout / ".venv" / "bin" / "atomictickets"), "lab"]
    output = tmp_path_factory.mktemp("lab") / "output"
    lab = RunningLab(command, checkout / ".lab", output, checkout, PORT)
    try:
        lab.wait_ready()
        yield lab
    finally:
        if lab.process.poll() is None:
            lab.end(signal.SIGTERM)


# This takes 10 s, because a lab is started. In the thorough tier all strategies race, some of them in every scenario.
@pytest.mark.timeout(1800)
@pytest.mark.usefixtures("lab")
@pytest.mark.parametrize("page", WITH_COMMANDS, ids=lambda page: page.name)
def test_the_commands_of_a_page_do_what_it_says(
    page: Path, checkout: Path, environment: dict[str, str], *, thorough: bool
) -> None:
    printed: str | None = None
    for block in blocks_of(page):
        if "file" in block.marks:
            (checkout / block.marks["file"]).write_text(block.text)
        elif "prints" in block.marks and printed is not None:
            assert matches(block.text, printed), f"{block.place} shows:\n{block.text}\nprinted was:\n{printed}"
        elif block.language == "sh":
            printed = run(block, checkout, environment) if runs_here(block, thorough=thorough) else None


def test_the_commands_that_a_lab_prints_run_as_they_stand_from_any_directory(
    lab: RunningLab, environment: dict[str, str], tmp_path: Path
) -> None:
    banner = lab.printed.split("\nprocess ")[0].replace("\\\n", " ")
    commands = [line for line in banner.splitlines() if line.startswith("  ")]
    printed = {}
    for command in commands:
        if "--valkey-cli" not in command:  # no Python package has the program
            ran = subprocess.run(
                ("bash", "-c", command),
                cwd=tmp_path,
                env=environment,
                input="SELECT 6 * 7;",  # for psql
                capture_output=True,
                text=True,
                check=False,
            )
            assert ran.returncode == 0, f"{command}\n{ran.stdout}\n{ran.stderr}"
            printed[command] = ran.stdout
    oversold = ["oversold" in output for command, output in printed.items() if " blast " in command]
    assert oversold == [True, False]
    assert sum('"status":"Ticket Reserved"' in output for output in printed.values()) == 1
    assert ["42" in output for command, output in printed.items() if "--psql" in command] == [True]


def runs_here(block: Block, *, thorough: bool) -> bool:
    program = block.marks.get("needs")
    return block.is_run and (thorough or "thorough" not in block.marks) and not (program and not shutil.which(program))


def run(block: Block, directory: Path, environment: dict[str, str]) -> str:
    """Run the commands, assert their exit code, and return what they print."""
    command = ("bash", "-o", "errexit", "-c", block.text)
    ran = subprocess.run(
        command, cwd=directory, env=environment, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False
    )
    report = f"{block.place}:\n{block.text}\n{ran.stdout[-4000:]}\n{ran.stderr[-4000:]}"
    assert ran.returncode == int(block.marks.get("exits", "0")), report
    assert not re.search("Traceback|^ERROR:", ran.stderr, re.MULTILINE), report  # psql ends with 0 after an error
    return ran.stdout


def matches(shown: str, printed: str) -> bool:
    """Return whether this was printed, but for blanks: long lines are wrapped on a page."""
    parts = "".join(shown.split()).split("...")
    return re.fullmatch(".*".join(map(re.escape, parts)), "".join(printed.split())) is not None


def test_an_output_that_differs_would_be_noticed() -> None:
    assert matches('{"sold": 10,\n ...}\n', '{"sold":10,"left":0}')
    assert not matches('{"sold": 10, ...}', '{"sold":11,"left":0}')


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_commands_are_in_blocks_of_sh(page: Path) -> None:
    """Otherwise no test would run them."""
    indented = [line for line in outside_blocks(page).splitlines() if line.startswith("    ") and COMMAND.match(line)]
    elsewhere = [each.place for each in blocks_of(page) if each.language in SHELLS and COMMAND.search(each.text)]
    assert (indented, elsewhere) == ([], [])


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_a_block_that_is_not_run_has_a_reason(page: Path) -> None:
    reasons = {block.place: block.marks["not run"] for block in blocks_of(page) if "not run" in block.marks}
    assert [place for place, reason in reasons.items() if len(reason.split()) < 3] == []


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_a_command_that_fails_on_purpose_is_alone(page: Path) -> None:
    """Another one in its block could end with the same code."""
    blocks = [block for block in blocks_of(page) if "exits" in block.marks]
    assert [block.place for block in blocks if len(block.text.strip().splitlines()) > 1] == []


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_a_block_that_shows_a_file_is_that_file(page: Path) -> None:
    for block in blocks_of(page):
        if path := block.marks.get("same as"):
            assert block.text == (PROJECT / path).read_text(encoding="utf-8"), block.place
