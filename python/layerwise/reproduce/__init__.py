"""Recipes of published results, for ``layerwise reproduce``.

A recipe is a module of this package that has a `Recipe` called ``RECIPE``; its name is all that
`find_recipes` needs to find it.
"""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

__all__ = ["Recipe", "RecipeRun", "find_recipes"]


class RecipeRun(Protocol):
    """What carries a recipe out."""

    def __call__(
        self, output: Path, *, seeds: Sequence[int], quick: bool, report: Callable[[str], None]
    ) -> object:
        """Train, measure and report.

        Parameters
        ----------
        output : Path
            A folder, there already, for whatever the recipe writes.
        seeds : sequence of int
            A run for each.
        quick : bool
            Whether to run only so much that everything is seen to work.
        report : function
            Takes each line of text there is to show.
        """
        ...


@dataclass(frozen=True)
class Recipe:
    """A published result and how to get it.

    Attributes
    ----------
    name : str
        By which the command line calls it.
    summary : str
        One line: what is reproduced, from which paper.
    run : RecipeRun
    seeds : tuple of int
        The runs that the result is a mean over.
    """

    name: str
    summary: str
    run: RecipeRun
    seeds: tuple[int, ...] = (0,)


def find_recipes() -> dict[str, Recipe]:
    """Find all recipes, by name, in alphabetical order.

    Returns
    -------
    dict of str to Recipe

    Raises
    ------
    ValueError
        If two of them have one name.
    """
    found: dict[str, Recipe] = {}
    for module in pkgutil.iter_modules(__path__, f"{__name__}."):
        recipe = getattr(importlib.import_module(module.name), "RECIPE", None)
        if isinstance(recipe, Recipe):
            if recipe.name in found:
                raise ValueError(
                    f"reproduce: names of recipes must differ; {recipe.name} is there twice"
                )
            found[recipe.name] = recipe
    return dict(sorted(found.items()))
