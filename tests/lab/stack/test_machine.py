"""The facts about the machine of a measurement."""

import shutil
from pathlib import Path

import pytest

from app.lab.stack import machine

COMMIT = ("-c", "user.name=they", "-c", "user.email=they@example.com", "commit", "--quiet", "--no-gpg-sign")


@pytest.mark.skipif(shutil.which("git") is None, reason="no git: the commit of a measurement is not known")
def test_the_commit_is_that_of_the_checkout_that_has_the_source(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = tmp_path / "venv" / "machine.py"
    source.parent.mkdir()
    source.touch()
    monkeypatch.setattr(machine, "__file__", str(source))
    machine.git(tmp_path, "init", "--quiet")
    machine.git(tmp_path, *COMMIT, "--allow-empty", "--message=another project")
    assert machine.commit() == "unknown"  # installed in a venv of that project
    machine.git(tmp_path, "add", "venv")
    machine.git(tmp_path, *COMMIT, "--message=this project")
    assert machine.commit() == machine.git(tmp_path, "rev-parse", "--short=12", "HEAD")
