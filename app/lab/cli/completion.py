"""Print a script that completes the commands and options of `atomictickets` in a shell.

Load it at the start of each shell, for example with `eval "$(atomictickets completion bash)"` in ~/.bashrc.
"""

import click
from click.shell_completion import get_completion_class

from app.lab.cli.main import atomictickets

VARIABLE = "_ATOMICTICKETS_COMPLETE"  # click derives it from the name of the program


@click.command(help=__doc__)
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
def command(shell: str) -> None:
    completion = get_completion_class(shell)
    assert completion is not None, "click completes all three"
    click.echo(completion(atomictickets, {}, "atomictickets", VARIABLE).source())
