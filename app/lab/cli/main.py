"""The console command `atomictickets`. It imports only the module of the command that is called, to start fast."""

import errno
import importlib
import os
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
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
INVALID = 422  # the status of an error in what was typed or set, such as the name of a strategy that does not exist


@contextmanager
def ending_as_in_a_shell() -> Iterator[None]:
    """Raise Exit after Ctrl-C, and if standard output can't be written. click itself would end with 1 after each."""
    try:
        yield
        sys.stdout.flush()  # what cannot be written is an error now, and not a note of the ending interpreter
    except KeyboardInterrupt:
        print("interrupted", file=sys.stderr)
        raise click.exceptions.Exit(INTERRUPTED) from None
    except BrokenPipeError:
        discard_output()  # the reader, such as `head`, has closed the pipe
        raise click.exceptions.Exit(PIPE_CLOSED) from None
    except OSError as error:
        if error.errno != errno.ENOSPC:
            raise
        try:
            sys.stdout.flush()
        except OSError:
            discard_output()
            file = "Standard output"
        else:
            file = error.filename or "A file"
        print(f"error: {file} cannot be written: {error.strerror}.", file=sys.stderr)
        raise click.exceptions.Exit(1) from None


class LazyGroup(click.Group):
    """Commands that are listed in the order of their definition, and imported only to be run or completed."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002  click's signature
        return list(self.commands)

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        name, listed, rest = super().resolve_command(ctx, args)
        return name, importlib.import_module(f"app.lab.cli.{name}").command if listed else None, rest

    def make_context(self, *arguments: Any, **options: Any) -> click.Context:
        """Parse the options of `atomictickets` itself, of which some print."""
        with ending_as_in_a_shell():
            return super().make_context(*arguments, **options)

    def invoke(self, ctx: click.Context) -> Any:
        """Run the command, and return its exit code."""
        with ending_as_in_a_shell():
            return super().invoke(ctx)


def discard_output() -> None:
    """Send the rest of the buffer to /dev/null: it would fail again when the interpreter flushes it."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def open_missing_streams() -> None:
    """Open /dev/null in place of standard streams that the caller has closed.

    Otherwise the next file or socket gets their number, and a child process reads or writes it as its own stream.
    """
    for name, mode in (("stdin", "r"), ("stdout", "w"), ("stderr", "w")):
        if getattr(sys, name) is None:
            setattr(sys, name, Path(os.devnull).open(mode))  # noqa: SIM115  open until the process ends


@click.group(
    cls=LazyGroup,
    commands=[click.Command(name, short_help=summary) for name, summary in COMMANDS.items()],
    context_settings={"help_option_names": ["-h", "--help"], "show_default": True},
)
@click.version_option(package_name="atomictickets", message="%(prog)s %(version)s")
def atomictickets() -> None:
    """A race-condition lab for flash sales."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command, and return its exit code: 2 if it is wrong as it was typed.

    A known error is printed on standard error, a usage error in one line.
    """
    open_missing_streams()
    try:
        return int(atomictickets.main(arguments, "atomictickets", standalone_mode=False) or 0)
    except click.exceptions.NoArgsIsHelpError as error:
        error.show()
        return error.exit_code
    except click.ClickException as error:
        print("error:", " ".join(error.format_message().split()), file=sys.stderr)
        return error.exit_code
    except AtomicTicketsError as error:
        print("error:", error.detail, file=sys.stderr)
        return 2 if error.status == INVALID else 1


if __name__ == "__main__":
    sys.exit(main())
