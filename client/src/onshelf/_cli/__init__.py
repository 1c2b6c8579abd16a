"""The command line `onshelf`, which needs the extra `onshelf[cli]`."""

import sys
from collections.abc import Sequence

from onshelf._cli._usage import BAD_INPUT
from onshelf.console import prepare


def main(argv: Sequence[str] | None = None) -> int:
    """Runs a command; the exit status."""
    prepare(argv)
    try:
        from onshelf._cli._app import run
    except ModuleNotFoundError as error:
        if (error.name or "").partition(".")[0] not in ("cyclopts", "rich"):
            raise
        print('onshelf: the command line needs more packages: pip install "onshelf[cli]"', file=sys.stderr)
        return BAD_INPUT
    return run(sys.argv[1:] if argv is None else argv)
