"""Print a script that completes the commands and options of `atomictickets` in a shell.

Load it at the start of each shell, for example with `eval "$(atomictickets completion bash)"` in ~/.bashrc, or with
`atomictickets completion fish | source`.
"""

import click
from click.shell_completion import BashComplete, FishComplete, ShellComplete, ZshComplete

from app.lab.cli.main import atomictickets

SHELLS: dict[str, type[ShellComplete]] = {"bash": BashComplete, "zsh": ZshComplete, "fish": FishComplete}
VARIABLE = "_ATOMICTICKETS_COMPLETE"  # click reads it; its name comes from that of the program


@click.command(help=__doc__)
@click.argument("shell", type=click.Choice(list(SHELLS)))
def command(shell: str) -> None:
    click.echo(SHELLS[shell](atomictickets, {}, "atomictickets", VARIABLE).source(), nl=False)
