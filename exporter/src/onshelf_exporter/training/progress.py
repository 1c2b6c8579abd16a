"""Progress bars: one line per piece of work, on stderr; where that is no terminal, a line at the start and at the
end."""

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn


@contextmanager
def progress_bar(name: str, total: int, done: int = 0) -> Iterator[Callable[[int], None]]:
    """Show progress towards `total`; yields a function that advances by so many."""
    console = Console(stderr=True)
    if not console.is_terminal:
        started = time.monotonic()
        print(f"{name}: {total - done} steps", file=sys.stderr, flush=True)
        yield lambda _: None
        print(f"{name}: done in {time.monotonic() - started:.1f} s", file=sys.stderr, flush=True)
        return
    columns = (
        TextColumn("{task.description:32}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=console) as progress:
        task = progress.add_task(name, total=total, completed=done)
        yield lambda steps: progress.advance(task, steps)
