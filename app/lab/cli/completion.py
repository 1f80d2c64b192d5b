"""Print a script that completes the commands and options of `atomictickets` in a shell."""

import click
from click.shell_completion import BashComplete, FishComplete, ShellComplete, ZshComplete

from app.lab.cli.main import atomictickets

SHELLS: dict[str, type[ShellComplete]] = {"bash": BashComplete, "zsh": ZshComplete, "fish": FishComplete}
VARIABLE = "_ATOMICTICKETS_COMPLETE"  # click reads it; its name comes from that of the program
# The line of \b keeps click from wrapping the paragraph.
EPILOG = """
\b
At the start of each shell:
  bash  eval "$(atomictickets completion bash)"
  zsh   eval "$(atomictickets completion zsh)"     after compinit
  fish  atomictickets completion fish | source
"""


@click.command(help=__doc__, epilog=EPILOG)
@click.argument("shell", type=click.Choice(list(SHELLS)), metavar="SHELL", help=f"one of {', '.join(SHELLS)}")
def command(shell: str) -> None:
    click.echo(SHELLS[shell](atomictickets, {}, "atomictickets", VARIABLE).source(), nl=False)
