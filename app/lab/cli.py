"""The console command `atomictickets`. Only the module of the command that was asked for is imported."""

import argparse
import importlib
import sys
from collections.abc import Sequence

from app.errors import AtomicTicketsError

COMMANDS = {
    "lab": ("app.lab.lab_command", "start servers, API and workers here, until Ctrl-C"),
    "blast": ("app.lab.blast_command", "send a burst of purchases to a sale"),
    "bench": ("app.lab.bench.command", "measure the engine against its floors on this machine"),
}
INTERRUPTED = 130  # what a shell reports for a command that Ctrl-C ended


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


def parse(arguments: list[str]) -> argparse.Namespace:
    """`run` of the result carries the command out. A usage error or `--help` ends in SystemExit, as argparse has it."""
    parser = argparse.ArgumentParser(prog="atomictickets", description="A race-condition lab for flash sales.")
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
