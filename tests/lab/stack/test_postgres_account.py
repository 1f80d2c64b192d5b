"""As root, PostgreSQL runs under an unprivileged account, and no directory is opened to others for that."""

import os
import shutil
from pathlib import Path

import pytest

from app.lab.stack.process import ProcessFailed, own_account
from app.lab.stack.servers.postgres_account import directory_for, postgres_account

only_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root needs another account")


def test_an_ordinary_user_needs_no_other_account_and_no_other_place(tmp_path: Path) -> None:
    assert directory_for(own_account(), tmp_path / "postgres") == tmp_path / "postgres"
    assert (tmp_path / "postgres").stat().st_mode & 0o777 == 0o700


@only_root
def test_data_below_a_closed_directory_go_elsewhere_and_are_found_again(tmp_path: Path) -> None:
    tmp_path.chmod(0o700)
    account = postgres_account()
    elsewhere = directory_for(account, tmp_path / "postgres")
    try:
        assert (elsewhere.stat().st_uid, elsewhere.stat().st_mode & 0o777) == (account.uid, 0o700)
        assert (tmp_path / "postgres").readlink() == elsewhere
        assert directory_for(account, tmp_path / "postgres") == elsewhere
        assert tmp_path.stat().st_mode & 0o777 == 0o700
    finally:
        shutil.rmtree(elsewhere)


@only_root
def test_a_directory_of_another_account_is_refused(tmp_path: Path) -> None:
    planted = tmp_path / "postgres"
    planted.mkdir()
    os.chown(planted, 12_345, 12_345)
    with pytest.raises(ProcessFailed, match="belongs to another account"):
        directory_for(own_account(), planted)
