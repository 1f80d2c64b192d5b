"""The console command `atomictickets`. Only the module of the command that was asked for is imported."""

import argparse
import importlib
import os
import sys
from collections.abc import Sequence
from importlib.metadata import version

from app.errors import AtomicTicketsError

COMMANDS = {
    "lab": ("app.lab.cli.lab", "start servers, API and workers here, until Ctrl-C"),
    "blast": ("app.lab.cli.blast", "send a burst of purchases to a sale"),
    "race": ("app.lab.cli.race", "sell the same stock to the same crowd in every way"),
    "check": ("app.lab.cli.check", "look for anomalies in a history of purchases"),
    "bench": ("app.lab.cli.bench", "measure the engine against its floors on this machine"),
}
INTERRUPTED = 130  # what a shell reports for a command that Ctrl-C ended
PIPE_CLOSED = 141  # and for one whose reader went away


def main(argv: Sequence[str] | None = None) -> int:
    """Returns the exit code; what goes wrong in a way we know is one line on standard error."""
    try:
        args = parse(list(sys.argv[1:] if argv is None else argv))
        return int(args.run(args))
    except AtomicTicketsError as error:
        print(f"error: {error.detail}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return INTERRUPTED
    except BrokenPipeError:
        # `| head` has read enough. What is left in the buffer must not fail once more when the interpreter flushes it.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return PIPE_CLOSED


def parse(arguments: list[str]) -> argparse.Namespace:
    """`run` of the result carries the command out. A usage error or `--help` ends in SystemExit, as argparse has it."""
    parser = argparse.ArgumentParser(prog="atomictickets", description="A race-condition lab for flash sales.")
    parser.add_argument("--version", action="version", version=f"atomictickets {version('atomictickets')}")
    subparsers = parser.add_subparsers(required=True, metavar="COMMAND")
    asked = arguments[0] if arguments else None
    for name, (module, summary) in COMMANDS.items():
        if name == asked:
            importlib.import_module(module).add_parser(subparsers)
        else:
            subparsers.add_parser(name, help=summary)
    return parser.parse_args(arguments)


if __name__ == "__main__":
    sys.exit(main())
