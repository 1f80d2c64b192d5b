"""The console command `atomictickets`. It imports only the module of the command that is called, to start fast."""

import argparse
import importlib
import os
import sys
from collections.abc import Sequence
from importlib.metadata import version

from app.errors import AtomicTicketsError

COMMANDS = {
    "lab": ("app.lab.cli.lab", "run servers, API and workers on this machine, until Ctrl-C"),
    "blast": ("app.lab.cli.blast", "send a burst of purchases to a sale"),
    "race": ("app.lab.cli.race", "compare the strategies: sell the same stock to the same crowd"),
    "check": ("app.lab.cli.check", "find anomalies in a history of purchases"),
    "bench": ("app.lab.cli.bench", "measure the service against a plain FastAPI application"),
}
INTERRUPTED = 130  # the exit code of a shell for a command that was ended by Ctrl-C
PIPE_CLOSED = 141  # the exit code of a shell for a command that was ended by SIGPIPE


def main(argv: Sequence[str] | None = None) -> int:
    """Run a command, and return its exit code. A known error is printed as one line on standard error."""
    try:
        args = parse(list(sys.argv[1:] if argv is None else argv))
        return int(args.run(args))
    except AtomicTicketsError as error:
        print(f"error: {error.detail}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return INTERRUPTED
    except BrokenPipeError:
        # The reader, such as `head`, has closed the pipe. The rest of the buffer goes to /dev/null, because otherwise
        # it would fail again when the interpreter flushes it.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return PIPE_CLOSED


def parse(arguments: list[str]) -> argparse.Namespace:
    """Parse the arguments. Calling `run` of the result with the result executes the command.

    Raise SystemExit after a usage error or `--help`, as argparse does.
    """
    parser = argparse.ArgumentParser(prog="atomictickets", description="A race-condition lab for flash sales.")
    parser.add_argument("--version", action="version", version=f"atomictickets {version('atomictickets')}")
    subparsers = parser.add_subparsers(required=True, metavar="COMMAND")
    command = arguments[0] if arguments else None
    for name, (module, summary) in COMMANDS.items():
        if name == command:
            importlib.import_module(module).add_parser(subparsers)
        else:
            subparsers.add_parser(name, help=summary)
    return parser.parse_args(arguments)


if __name__ == "__main__":
    sys.exit(main())
