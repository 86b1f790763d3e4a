"""The command ``layerwise``."""

from __future__ import annotations

import argparse
import importlib
import os
import sys
import warnings
from collections.abc import Sequence
from typing import Any

import layerwise

__all__ = ["main"]

_FAILED = 1
_INTERRUPTED = 130  # what shells report for a command that Ctrl-C ended
# Modules of layerwise.commands, each with what it does.
_COMMANDS = {
    "demo": "train a deep belief network on the bundled digits and draw what it learnt",
    "train": "train a model on a data set or a file, and save it",
    "info": "say what is in a saved model; without one, the same as config",
    "draw": "draw what a saved model learnt",
    "reproduce": "reproduce a published result",
    "config": "show version, instruction sets, threads and kernels",
}


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line.

    Parameters
    ----------
    argv : sequence of str, optional
        Arguments; those of the process by default.

    Returns
    -------
    int
        Exit status: 0 done, 1 failed, 130 interrupted. Wrong usage exits with 2.
    """
    argv = sys.argv[1:] if argv is None else argv
    try:
        with warnings.catch_warnings():
            warnings.showwarning = _show_warning
            arguments = _parser(argv).parse_args(argv)
            arguments.run(arguments)
        sys.stdout.flush()
    except KeyboardInterrupt as stop:
        print("; ".join(["layerwise: interrupted", *map(str, stop.args)]), file=sys.stderr)
        return _INTERRUPTED
    except BrokenPipeError:
        # The reader of a pipe has gone; the interpreter must not fail again when it flushes.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return _FAILED
    except (OSError, ValueError, ImportError, MemoryError, RuntimeError) as error:
        print(f"layerwise: {error}", file=sys.stderr)
        return _FAILED
    return 0


def _parser(argv: Sequence[str]) -> argparse.ArgumentParser:
    """Make the parser: all commands have their names in it, the one that is called its arguments.

    The modules of the others, and what they import, are left alone.
    """
    parser = argparse.ArgumentParser(
        prog="layerwise", description="Learn deep representations layer by layer."
    )
    parser.add_argument("--version", action="version", version=f"layerwise {layerwise.__version__}")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    called = next((word for word in argv if not word.startswith("-")), None)
    for name, shown in _COMMANDS.items():
        command = commands.add_parser(name, help=shown)
        if name == called:
            module = importlib.import_module(f"layerwise.commands.{name}")
            command.description = module.DESCRIPTION
            module.add_arguments(command)
            command.set_defaults(run=module.run)
    return parser


def _show_warning(message: Warning | str, category: type[Warning], *_: Any, **__: Any) -> None:
    print(f"layerwise: warning: {message}", file=sys.stderr)


if __name__ == "__main__":
    sys.exit(main())
