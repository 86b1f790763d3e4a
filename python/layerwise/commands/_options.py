"""Options of an estimator, made from its constructor: names, types, defaults and documentation."""

from __future__ import annotations

import argparse
import collections.abc
import inspect
import re
import types
import typing
from collections.abc import Collection
from typing import Any

__all__ = ["add_options", "given_options"]

_SCALARS = {int: "an integer", float: "a number", str: "a word"}
_NONE = "none"


def add_options(
    parser: argparse._ActionsContainer,
    estimator: type,
    *,
    prefix: str = "",
    without: Collection[str] = (),
) -> None:
    """Add an option for every parameter of an estimator that can be written in a word.

    Parameters
    ----------
    parser : argparse parser or group
    estimator : class
    prefix : str, default ""
        With which the options begin.
    without : collection of str
        Parameters to leave out.
    """
    documented = _documentation(estimator)
    for name, parameter in _parameters(estimator, without).items():
        choices, sentence = documented.get(name, ("", ""))
        shown = f"{sentence} (default: {_shown(parameter.default)})".replace("%", "%%")
        given: dict[str, Any] = {
            "dest": prefix + name, "default": argparse.SUPPRESS, "help": shown
        }  # fmt: skip
        if isinstance(parameter.default, bool):
            given["action"] = argparse.BooleanOptionalAction
        else:
            parse = _Value(parameter.annotation)
            given |= {"type": parse, "metavar": parse.metavar(choices)}
        parser.add_argument(f"--{prefix}{name}".replace("_", "-"), **given)


def given_options(
    arguments: argparse.Namespace,
    estimator: type,
    *,
    prefix: str = "",
    without: Collection[str] = (),
) -> dict[str, Any]:
    """Return the parameters whose options were given; the others keep their defaults."""
    names = _parameters(estimator, without)
    return {name: getattr(arguments, prefix + name) for name in names if prefix + name in arguments}


def _parameters(estimator: type, without: Collection[str]) -> dict[str, inspect.Parameter]:
    """Find the parameters that have a value in words, with their types resolved."""
    hints = typing.get_type_hints(estimator.__init__)  # type: ignore[misc]
    found = {}
    for name, parameter in inspect.signature(estimator).parameters.items():
        written = isinstance(parameter.default, bool) or _Value(hints[name]).scalars
        if written and name not in without:
            found[name] = parameter.replace(annotation=hints[name])
    return found


class _Value:
    """Parses what an annotation allows: numbers, words, ``none``, and lists with commas."""

    def __init__(self, annotation: Any) -> None:
        union = typing.get_origin(annotation) in (typing.Union, types.UnionType)
        kinds = typing.get_args(annotation) if union else (annotation,)
        self.scalars = [kind for kind in _SCALARS if kind in kinds]
        self.none = type(None) in kinds
        lists = [kind for kind in kinds if typing.get_origin(kind) is collections.abc.Sequence]
        self.item = _Value(typing.get_args(lists[0])[0]) if lists else None
        if self.item is not None and not self.item.scalars:
            self.item = None

    def metavar(self, choices: str) -> str:
        """Name a value in help."""
        name = choices or {int: "N", float: "X"}.get(self.scalars[0], "NAME")
        return name if self.item is None else f"{name}[,{name}...]"

    def __call__(self, text: str) -> Any:
        if self.item is not None and "," in text:
            return tuple(self.item(part) for part in text.split(",") if part)
        if self.none and text.lower() == _NONE:
            return None
        for kind in self.scalars:
            try:
                return kind(text)
            except ValueError:
                continue
        choices = [_SCALARS[kind] for kind in self.scalars] + [_NONE] * self.none
        several = "" if self.item is None else ", or several with commas between them,"
        raise argparse.ArgumentTypeError(
            f"{' or '.join(choices)}{several} is required; got {text!r}"
        )


def _shown(value: Any) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, tuple):
        return ",".join(map(str, value))
    return _NONE if value is None else str(value)


def _documentation(estimator: type) -> dict[str, tuple[str, str]]:
    """Take what the class's numpydoc says of each parameter: words to choose from, first sentence.

    Whether a word that was given is one of them is left to the estimator's own check.
    """
    text = inspect.getdoc(estimator) or ""
    found = re.search(r"^Parameters\n-+\n(.*?)(?=^\w[^\n]*\n-+\n|\Z)", text, re.M | re.S)
    entry = re.compile(r"^(\w+(?:, \w+)*)(?: : ([^\n]*))?\n((?: +[^\n]*\n|\n)*)", re.M)
    documented = {}
    for names, kind, body in entry.findall(found.group(1) if found else ""):
        choices = re.search(r'\{"[^}]*\}', kind)
        words = re.sub(r" \[\d+\]_", "", " ".join(body.replace("`", "").split()))
        sentence = re.split(r"\.(?= |$)", words, maxsplit=1)[0]
        for name in names.split(", "):
            documented[name] = (re.sub('[" ]', "", choices.group()) if choices else "", sentence)
    return documented
