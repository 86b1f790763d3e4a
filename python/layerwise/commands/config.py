"""``layerwise config``: what this installation is."""

from __future__ import annotations

import argparse

import layerwise

DESCRIPTION = "Show version, instruction sets, threads and kernels."


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add none."""


def run(arguments: argparse.Namespace) -> None:
    """Show it."""
    layerwise.show_config()
