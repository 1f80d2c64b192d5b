"""The console command `atomictickets`. It imports only the module of the command that is called, to start fast."""

import importlib
import os
import sys
from collections.abc import Sequence
from importlib.metadata import version
from typing import Any

import click

from app.errors import AtomicTicketsError

COMMANDS = {
    "lab": "run servers, API and workers on this machine, until Ctrl-C",
    "blast": "send a burst of purchases to a sale",
    "race": "compare the strategies: sell the same stock to the same crowd",
    "check": "find anomalies in a history of purchases",
    "bench": "measure the service against a plain FastAPI application",
    "completion": "print a script that completes commands and options in a shell",
}
INTERRUPTED = 130  # the exit code of a shell for a command that was ended by Ctrl-C
PIPE_CLOSED = 141  # the exit code of a shell for a command that was ended by SIGPIPE


class LazyGroup(click.Group):
    """The commands by name. The module of each is imported when it is called, not to list it."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002  click's signature
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002  click's signature
        return click.Command(cmd_name, short_help=COMMANDS[cmd_name]) if cmd_name in COMMANDS else None

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        name, listed, rest = super().resolve_command(ctx, args)
        if listed is None:
            return name, listed, rest
        return name, importlib.import_module(f"app.lab.cli.{name}").command, rest

    def invoke(self, ctx: click.Context) -> Any:
        """Run the command. Return its exit code, or raise ClickException with the detail of a known error."""
        try:
            return super().invoke(ctx)
        except AtomicTicketsError as error:
            raise click.ClickException(error.detail) from error
        except KeyboardInterrupt:
            ctx.exit(INTERRUPTED)
        except BrokenPipeError:
            # The reader, such as `head`, has closed the pipe. The rest of the buffer goes to /dev/null, because
            # otherwise it would fail again when the interpreter flushes it.
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            ctx.exit(PIPE_CLOSED)


@click.group(cls=LazyGroup, context_settings={"help_option_names": ["-h", "--help"], "show_default": True})
@click.version_option(version("atomictickets"), message="%(prog)s %(version)s")
def atomictickets() -> None:
    """A race-condition lab for flash sales."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command, and return its exit code. An error is printed as one line on standard error."""
    try:
        return int(atomictickets.main(arguments, "atomictickets", standalone_mode=False) or 0)
    except click.exceptions.NoArgsIsHelpError as error:
        error.show()
        return error.exit_code
    except click.ClickException as error:
        print(f"error: {error.format_message()}", file=sys.stderr)
        return error.exit_code


if __name__ == "__main__":
    sys.exit(main())
