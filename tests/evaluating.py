"""The arguments of the stage `evaluate`."""

import argparse
from pathlib import Path

from onshelf_research import evaluate


def evaluate_arguments(*words: str, **places: Path) -> argparse.Namespace:
    """evaluate_arguments("--quick", data=...) is `evaluate --data=... --quick`."""
    parser = argparse.ArgumentParser()
    evaluate.add_arguments(parser)
    return parser.parse_args([*(f"--{name}={place}" for name, place in places.items()), *words])
