"""``layerwise reproduce``: published results, each by one command."""

from __future__ import annotations

import argparse
from pathlib import Path

from layerwise.reproduce import find_recipes

from ._arguments import add_threads, report, seed, thread_count

DESCRIPTION = (
    "Reproduce a published result: train as described there and compare the numbers. Without a "
    "name, list what can be reproduced."
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add which result, and how much of it."""
    parser.add_argument("name", metavar="NAME", nargs="?", help="what to reproduce")
    parser.add_argument(
        "--output", metavar="DIR", type=Path,
        help="folder of results, made where it is missing (default: layerwise-NAME)",
    )  # fmt: skip
    parser.add_argument(
        "--seeds", "--seed", metavar="N", type=seed, nargs="+",
        help="a run for each of these seeds (default: those of the recipe)",
    )  # fmt: skip
    parser.add_argument(
        "--quick", action="store_true",
        help="a smaller run, to see that everything works; its numbers are not the result",
    )  # fmt: skip
    add_threads(parser)


def run(arguments: argparse.Namespace) -> None:
    """List the recipes, or run one."""
    recipes = find_recipes()
    if arguments.name is None:
        width = max((len(name) for name in recipes), default=0) + 2
        for name, recipe in recipes.items():
            report(f"{name:<{width}}{recipe.summary}")
        if not recipes:
            report("nothing can be reproduced yet")
        return
    if arguments.name not in recipes:
        known = ", ".join(recipes) or "nothing yet"
        raise ValueError(f"reproduce: NAME must be one of: {known}; got {arguments.name!r}")
    recipe = recipes[arguments.name]
    output = arguments.output or Path(f"layerwise-{arguments.name}")
    output.mkdir(parents=True, exist_ok=True)
    with thread_count(arguments):
        recipe.run(
            output.resolve(),  # worker processes may have been started in another folder
            seeds=tuple(arguments.seeds or recipe.seeds),
            quick=arguments.quick,
            report=report,
        )
