"""The command ``layerwise``."""

from __future__ import annotations

import argparse
import contextlib
import os
import sys
from collections.abc import Sequence
from pathlib import Path

import layerwise

__all__ = ["main"]

_FAILED = 1
_INTERRUPTED = 130  # what shells report for a command that Ctrl-C ended


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
    arguments = _parser().parse_args(argv)
    try:
        arguments.run(arguments)
        sys.stdout.flush()
    except KeyboardInterrupt:
        print("layerwise: interrupted", file=sys.stderr)
        return _INTERRUPTED
    except BrokenPipeError:
        # The reader of a pipe has gone; the interpreter must not fail again when it flushes.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return _FAILED
    except (OSError, ValueError, ImportError, MemoryError, RuntimeError) as error:
        print(f"layerwise: {error}", file=sys.stderr)
        return _FAILED
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="layerwise", description="Learn deep representations layer by layer."
    )
    parser.add_argument("--version", action="version", version=f"layerwise {layerwise.__version__}")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")

    demo = commands.add_parser(
        "demo",
        help="train a deep belief network on the bundled digits and draw what it learnt",
        description="Train a deep belief network on the bundled handwritten digits, compare its "
        "test error with that of the same net without pretraining, and write its filters, "
        "samples and reconstructions as PNG files.",
    )
    demo.add_argument(
        "--output", metavar="DIR", type=Path, default=Path("layerwise-demo"),
        help="folder of the pictures, made where it is missing (default: %(default)s)",
    )  # fmt: skip
    demo.add_argument(
        "--seed", type=_seed, default=0, help="seed of all random numbers (default: 0)"
    )
    demo.add_argument("--threads", metavar="N", type=_positive, help="threads (default: one a CPU)")
    demo.add_argument(
        "--quick", action="store_true",
        help="a smaller net on fewer digits in seconds: to see that everything works",
    )  # fmt: skip
    demo.set_defaults(run=_demo)

    for name, shown in (("config", "show version, instruction sets, threads and kernels"),
                        ("info", "the same as config")):  # fmt: skip
        config = commands.add_parser(name, help=shown, description=f"{shown.capitalize()}.")
        config.set_defaults(run=lambda arguments: layerwise.show_config())
    return parser


def _demo(arguments: argparse.Namespace) -> None:
    from layerwise.demo import run_demo  # brings scikit-learn, which takes a second

    threads = arguments.threads
    with layerwise.num_threads(threads) if threads else contextlib.nullcontext():
        run_demo(arguments.output, seed=arguments.seed, quick=arguments.quick, report=_report)


def _report(line: str) -> None:
    print(line, flush=True)


def _positive(text: str) -> int:
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"an integer >= 1 is required; got {text!r}")
    return int(text)


def _seed(text: str) -> int:
    if not text.isdecimal() or int(text) >= 2**64:
        raise argparse.ArgumentTypeError(
            f"an integer from 0 to 2**64 - 1 is required; got {text!r}"
        )
    return int(text)


if __name__ == "__main__":
    sys.exit(main())
