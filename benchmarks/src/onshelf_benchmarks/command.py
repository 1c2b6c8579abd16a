"""A benchmark as a command: the arguments of a function are its options, the module's docstring is its help."""

import json
import shlex
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any

from cyclopts import App, Parameter

from onshelf_benchmarks.record import RESULTS, Document, NotMeasuredError, circumstances, rounded


def application(function: Callable[..., Any]) -> App:
    """A command that calls the function and returns what it returns; a list is given as `--callers 1 4 16`."""
    app = App(
        name=f"python -m {_module()}",
        help=sys.modules["__main__"].__doc__,
        default_parameter=Parameter(consume_multiple=True),
        help_format="plaintext",
        result_action="return_value",
    )
    app.default(function)
    return app


def command(
    name: str,
    measure: Callable[..., Any],
    page: Callable[[Document], str] | None = None,
    complaint: Callable[[Document], str] = lambda _: "",
) -> None:
    """Measure with the options given; keep what was measured as NAME.json, and as a page NAME.md; print it last.

    Args:
        name: of the files.
        measure: returns a document; machine, commit and date are added.
        page: the document for people.
        complaint: why the exit status is 1; empty where it is 0.
    """
    app = application(measure)

    @app.meta.default
    def keep(
        *words: Annotated[str, Parameter(show=False, allow_leading_hyphen=True)],
        out: Path = RESULTS,
    ) -> None:
        """Measure, write, print.

        Args:
            words: the benchmark's own options.
            out: folder of the result.
        """
        here = circumstances()
        try:
            measured = app(words)
        except NotMeasuredError as error:
            raise SystemExit(str(error)) from error
        result: Document = {"command": shlex.join(["python", "-m", _module(), *words]), **here}
        result |= rounded(measured)
        out.mkdir(parents=True, exist_ok=True)
        (out / f"{name}.json").write_text(json.dumps(result, indent=2) + "\n")
        if page is not None:
            (out / f"{name}.md").write_text(page(result))
            print(page(result))
        print(json.dumps(result))
        if said := complaint(result):
            raise SystemExit(said)

    app.meta()


def _module() -> str:
    spec = sys.modules["__main__"].__spec__
    return spec.name if spec else __package__
