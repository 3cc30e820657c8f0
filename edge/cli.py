"""The `faceguard` command: finds the floors' commands, runs one, and speaks plainly of errors."""

from __future__ import annotations

import argparse
import errno
import logging
import os
import signal
import sys
from importlib.metadata import entry_points, version
from typing import TYPE_CHECKING, NoReturn, Protocol

from faceguard.edge.leaving import leave
from faceguard.engines.errors import FaceguardError, MissingPackage, OutputError

if TYPE_CHECKING:
    from collections.abc import Sequence
    from types import FrameType

EXIT_INTERRUPTED = 130
EXIT_TERMINATED = 143


class Command(Protocol):
    """What a module in the entry point group `faceguard.commands` holds."""

    HELP: str

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        """Declares the command's options."""
        ...

    def run(self, options: argparse.Namespace) -> int:
        """Does the work and returns the exit code."""
        ...


class Terminated(KeyboardInterrupt):
    """SIGTERM: ends the same way as Ctrl-C, cleaning up, with its own exit code."""


def faceguard() -> NoReturn:
    """The program `faceguard`; ends the process."""
    leave(main)


def convert_engine() -> NoReturn:
    """The program `convert-engine`, which is a command under its own name; ends the process."""
    leave(lambda: main(["convert-engine", *sys.argv[1:]], program="convert-engine"))


def main(arguments: Sequence[str] | None = None, *, program: str = "faceguard") -> int:
    """Runs one command.

    Args:
        arguments: What follows the program's name; `sys.argv[1:]` when None.
        program: What the user called: `faceguard`, or a command that is a program of its own.

    Returns:
        The exit code; `faceguard.engines.errors` lists them. 130 after Ctrl-C, 143 after SIGTERM.
    """
    words = list(sys.argv[1:] if arguments is None else arguments)
    try:
        parser, owner, chosen = _parser(words, program)
    except FaceguardError as error:
        _say(f"{program}: {error}")
        return error.exit_code
    options, unknown = parser.parse_known_args(words)
    if unknown:
        # Told with the usage of the command, and not of the program, as argparse would.
        owner.error(f"unrecognized arguments: {' '.join(unknown)}")
    logging.basicConfig(format="faceguard: %(message)s", level=logging.WARNING)
    if chosen is None:
        parser.print_help()
        return 2
    before = signal.signal(signal.SIGTERM, _terminate)
    try:
        code = chosen.run(options)
        sys.stdout.flush()
        return code
    except FaceguardError as error:
        _say(f"{program}: {error}")
        return error.exit_code
    except Terminated:
        _say(f"{program}: stopped")
        return EXIT_TERMINATED
    except KeyboardInterrupt:
        _say(f"{program}: interrupted")
        return EXIT_INTERRUPTED
    except BrokenPipeError:
        # Whoever read our output has left (`| head`); say nothing more on it.
        _drop_stdout()
        return 0
    except ModuleNotFoundError as error:
        # Heavy packages are loaded when they are needed.
        if (error.name or "").startswith("faceguard"):
            raise
        _say(f"{program}: {_missing(words[0], error)}")
        return MissingPackage.exit_code
    except OSError as error:
        if error.filename is not None or error.errno not in (errno.ENOSPC, errno.EIO):
            raise
        _say(f"{program}: what it had to say cannot be written to its output: {error.strerror}")
        _drop_stdout()
        return OutputError.exit_code
    finally:
        signal.signal(signal.SIGTERM, before)


def _parser(
    words: list[str], program: str
) -> tuple[argparse.ArgumentParser, argparse.ArgumentParser, Command | None]:
    """Builds the parser, and finds the command's own and the command, where one was asked for.

    Only the command that was asked for is loaded.
    """
    parser = argparse.ArgumentParser(
        prog="faceguard", description="Covers every face before a picture leaves the device."
    )
    parser.add_argument(
        "--version", action="version", version=f"faceguard {version('faceguard-edge')}"
    )
    group = parser.add_subparsers(dest="command", metavar="COMMAND")
    points = {point.name: point for point in entry_points(group="faceguard.commands")}
    asked = next((word for word in words if not word.startswith("-")), None)
    wanted = [asked] if asked in points else sorted(points)
    chosen: Command | None = None
    owner = parser
    for name in wanted:
        try:
            command: Command = points[name].load()
        except ModuleNotFoundError as error:
            if (error.name or "").startswith("faceguard"):
                raise
            if name == asked:
                raise MissingPackage(_missing(name, error)) from error
            continue
        own = program if name == program else f"{parser.prog} {name}"
        part = group.add_parser(name, prog=own, help=command.HELP, description=command.HELP)
        command.add_arguments(part)
        if name == asked:
            owner, chosen = part, command
    return parser, owner, chosen


def _missing(command: str, error: ModuleNotFoundError) -> str:
    return (
        f"`faceguard {command}` needs the Python package {error.name!r}; "
        "run: pip install 'faceguard-edge[cpu,convert]'"
    )


def _terminate(_number: int, _frame: FrameType | None) -> None:
    raise Terminated


def _drop_stdout() -> None:
    """Python writes what is left once more at its end; there it shall go nowhere."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _say(line: str) -> None:
    sys.stderr.write(line + "\n")


if __name__ == "__main__":
    faceguard()
