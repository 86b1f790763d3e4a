"""The command line in a process of its own."""

import subprocess
import sys

COMMAND = [sys.executable, "-m", "layerwise.cli"]

# Started in the background of a shell the test may have inherited an ignored SIGINT.
INTERRUPTIBLE = [
    sys.executable,
    "-c",
    "import signal, sys; signal.signal(signal.SIGINT, signal.default_int_handler); "
    "from layerwise.cli import main; sys.exit(main(sys.argv[1:]))",
]


def run(*arguments, **options):
    return subprocess.run(
        [*COMMAND, *map(str, arguments)], capture_output=True, text=True, timeout=120, **options
    )
