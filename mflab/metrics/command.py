"""The command `python -m mflab.metrics`: one module per subcommand, told apart here."""

import argparse
import sys
from collections.abc import Sequence
from typing import Any, Protocol

from rich.console import Console

from mflab.errors import MflabError
from mflab.metrics import cameras_command, golden_command, list_command
from mflab.metrics.ladder import command as ladder_command


class Command(Protocol):
    """A module that is one subcommand."""

    def add_parser(self, commands: Any) -> None:
        """Adds the subcommand to what `argparse.ArgumentParser.add_subparsers` returned."""
        ...

    def run(self, args: argparse.Namespace, console: Console) -> int:
        """Does it and returns the exit status."""
        ...


# Under the name that each module's parser has.
COMMANDS: dict[str, Command] = {
    "list": list_command,
    "check-golden": golden_command,
    "cameras": cameras_command,
    "ladder": ladder_command,
}


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs one command and returns its exit status: 0 fine, 1 beyond a limit, 2 unusable input, 130 interrupted.

    Args:
        arguments: what follows the module's name; None takes the command line.
    """
    parser = argparse.ArgumentParser(prog="python -m mflab.metrics", description="Image metrics of mflab.")
    commands = parser.add_subparsers(dest="command", required=True)
    for command in COMMANDS.values():
        command.add_parser(commands)
    args = parser.parse_args(arguments)
    try:
        return COMMANDS[args.command].run(args, Console())
    except MflabError as error:
        sys.stderr.write(f"{error}\n")
        return 2
    except KeyboardInterrupt:
        sys.stderr.write("Interrupted.\n")
        return 130
