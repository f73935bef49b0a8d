"""Entry point of the ``playground`` command.

Only the chosen command's module is imported, and that module imports heavy libraries inside its functions,
so that help is instant. Errors that a person can fix are one line on stderr and exit code 2.
"""

from __future__ import annotations

import argparse
import contextlib
import logging
import os
import sys
import traceback
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any, NoReturn

from playground.core.errors import PlaygroundError, suggest

_ROOT = Path(__file__).resolve().parents[2]


@dataclass(frozen=True)
class Command:
    """One command of the overview.

    Attributes:
        name: what a person types.
        module: module with ``configure(parser)`` and ``run(args)``.
        help: one line for the overview.
        needs: source files without which the command cannot work; the command is then not offered.
    """

    name: str
    module: str
    help: str
    needs: tuple[str, ...] = ()


COMMANDS = (
    Command("play", "apps.cli.play", "play a world in a window, or let a policy play into a folder"),
    Command("worlds", "apps.cli.worlds", "list the worlds that can be played"),
    Command("bench", "apps.cli.bench", "measure how fast a world runs on this machine"),
    Command("doctor", "apps.cli.doctor", "check this installation and say what is missing"),
    Command("collect", "apps.cli.collect", "record training clips from a game", ("playground/data/collect.py",)),
    Command("import", "apps.cli.import_videos", "make clips of your own videos", ("playground/data/importing/run.py",)),
    Command("data", "apps.cli.data", "look into a folder of training clips", ("playground/data/dataset.py",)),
    Command("train", "apps.cli.train", "train the parts of a world", ("playground/training/run.py",)),
    Command("pack", "apps.cli.pack", "turn a training run into a world", ("playground/training/pack.py",)),
    Command("eval", "apps.cli.evaluate", "score a world against real clips", ("playground/evaluation/run.py",)),
)


class LineParser(argparse.ArgumentParser):
    """An argument parser whose mistakes are one clear line, and whose options are never abbreviated."""

    def __init__(self, *args: Any, **options: Any) -> None:
        """Take the arguments of :class:`argparse.ArgumentParser`."""
        # An abbreviation that works today would break when an option with the same start is added.
        super().__init__(*args, **{"allow_abbrev": False, **options})

    def error(self, message: str) -> NoReturn:
        """Report a bad command line (exit code 2)."""
        raise PlaygroundError(f"{message}; see {self.prog} --help")


def available_commands() -> list[Command]:
    """Commands whose parts are in this installation."""
    return [command for command in COMMANDS if all((_ROOT / path).is_file() for path in command.needs)]


def overview(commands: Sequence[Command]) -> str:
    """Text of ``playground --help``."""
    width = max(len(command.name) for command in commands)
    lines = [f"  {command.name:<{width}}  {command.help}" for command in commands]
    return "\n".join(
        [
            "usage: playground COMMAND [options]",
            "",
            "Playable generated worlds: press keys, a model draws the next frame.",
            "",
            "commands:",
            *lines,
            "",
            "playground COMMAND --help explains one command; playground --version prints the version.",
        ]
    )


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line and return its exit code.

    Args:
        argv: arguments without the program name; ``sys.argv[1:]`` when left out.

    Returns:
        0 on success, 2 on bad input, 1 on an unexpected failure, 130 when interrupted.
    """
    debug = os.environ.get("PLAYGROUND_DEBUG", "") not in ("", "0")
    try:
        return _dispatch(list(sys.argv[1:] if argv is None else argv))
    except KeyboardInterrupt:
        return _complain("interrupted", 130, debug)
    except PlaygroundError as error:
        return _complain(f"error: {error}", 2, debug)
    except BrokenPipeError:
        # The reader (for example `head`) went away; keep the interpreter from complaining at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except ModuleNotFoundError as error:
        missing = (error.name or str(error)).partition(".")[0]
        if (_ROOT / missing).is_dir():
            return _complain(f"error: this installation is incomplete, {error.name} is not in it", 2, debug)
        package = {"pygame": "pygame-ce", "PIL": "pillow"}.get(missing, missing)
        return _complain(f"error: this needs the package {package}; install it with: pip install {package}", 2, debug)
    except OSError as error:
        where = f"{error.filename}: " if error.filename else ""
        return _complain(f"error: {where}{error.strerror or error}", 2, debug)
    except Exception as error:
        text = " ".join(str(error).split())
        hint = "" if debug else "; set PLAYGROUND_DEBUG=1 to see where it happened"
        return _complain(f"error: unexpected {type(error).__name__}: {text}{hint}", 1, debug)


def _dispatch(argv: list[str]) -> int:
    commands = available_commands()
    if not argv or argv[0] in ("-h", "--help", "help"):
        print(overview(commands))
        return 0
    if argv[0] in ("-V", "--version"):
        import playground

        print(playground.__version__)
        return 0
    known = {command.name: command for command in commands}
    if argv[0] not in known:
        listed = ", ".join(known)
        raise PlaygroundError(f"unknown command {argv[0]!r}.{suggest(argv[0], known)} Commands: {listed}.")
    from playground.core.device import quiet_waiting

    quiet_waiting()  # must happen before any command imports torch
    command = known[argv[0]]
    module = import_module(command.module)
    parser = LineParser(prog=f"playground {command.name}", description=module.__doc__)
    module.configure(parser)
    try:
        with _messages_shown():
            return int(module.run(parser.parse_args(argv[1:])) or 0)
    except SystemExit as stop:  # argparse leaves through here after --help
        return int(stop.code or 0) if not isinstance(stop.code, str) else 2


@contextlib.contextmanager
def _messages_shown() -> Iterator[None]:
    """Let a person see what the library has to say: estimates before a training, warnings during it."""
    logger, handler = logging.getLogger("playground"), logging.StreamHandler(sys.stderr)
    level = logger.level
    handler.setFormatter(logging.Formatter("%(message)s"))
    logger.addHandler(handler)
    logger.setLevel(logging.INFO)
    try:
        yield
    finally:
        logger.removeHandler(handler)
        logger.setLevel(level)


def _complain(line: str, code: int, debug: bool) -> int:
    if debug:
        traceback.print_exc()
    print(" ".join(line.split()), file=sys.stderr)
    return code


if __name__ == "__main__":
    sys.exit(main())
