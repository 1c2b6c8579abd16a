"""`onshelf replay`."""

import argparse

HELP = "forecast real past launches blind, then reveal what happened"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The options of `replay`."""


def run(args: argparse.Namespace) -> int:
    """Nothing yet."""
    return 1
