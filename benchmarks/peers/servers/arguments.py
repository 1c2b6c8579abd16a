"""What every server is told."""

import argparse
from pathlib import Path


def arguments() -> argparse.Namespace:
    """The folder of the model and the port to listen on."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--model", type=Path, required=True, help="folder with config.json, weights and tokenizer")
    parser.add_argument("--port", type=int, required=True, help="port on 127.0.0.1")
    return parser.parse_args()
