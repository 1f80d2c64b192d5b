"""When processes start the cluster of a kit, and take it down. The kit here is a script that only records its calls."""

from pathlib import Path

import pytest

from tests.cluster.kit import Kit

SCRIPT = """#!/bin/sh
cd "$(dirname "$0")"
echo "$1" >>calls
case $1 in
  status) test -e is-up ;;
  up) touch is-up ;;
  down) rm is-up ;;
esac
"""


@pytest.fixture
def script(tmp_path: Path) -> Path:
    script = tmp_path / "kit"
    script.write_text(SCRIPT)
    script.chmod(0o755)
    return script


@pytest.fixture
def kits(script: Path, tmp_path: Path) -> tuple[Kit, Kit]:
    """Return two kits, as two processes of pytest have them."""
    return Kit(script, tmp_path / "locks"), Kit(script, tmp_path / "locks")


def test_two_processes_start_the_cluster_once_and_the_last_takes_it_down(kits: tuple[Kit, Kit], script: Path) -> None:
    for kit in kits:
        kit.join()
    for kit in kits:
        kit.start()
    kits[0].leave()
    assert is_up(script)
    kits[1].leave()
    assert not is_up(script)
    assert calls(script).count("up") == 1


def test_the_cluster_stays_up_for_a_process_that_has_not_started_it_yet(kits: tuple[Kit, Kit], script: Path) -> None:
    for kit in kits:
        kit.join()
    kits[0].start()
    kits[0].leave()
    kits[1].start()
    kits[1].leave()
    assert not is_up(script)
    assert calls(script).count("up") == 1


def test_a_cluster_that_was_up_before_stays_up(kits: tuple[Kit, Kit], script: Path) -> None:
    (script.parent / "is-up").touch()
    kits[0].join()
    kits[0].start()
    kits[0].leave()
    assert is_up(script)
    assert "up" not in calls(script)


def test_the_cluster_of_a_killed_process_counts_as_up_before(kits: tuple[Kit, Kit], script: Path) -> None:
    (script.parent / "is-up").touch()
    (script.parent / "locks").mkdir()
    (script.parent / "locks" / "users").write_text("ours")  # and no process has it locked
    kits[0].join()
    kits[0].start()
    kits[0].leave()
    assert is_up(script)


def is_up(script: Path) -> bool:
    return (script.parent / "is-up").exists()


def calls(script: Path) -> list[str]:
    return (script.parent / "calls").read_text().split()
