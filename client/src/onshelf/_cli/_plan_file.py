"""`onshelf plan --file`: plans every product of a file, several at once, in order, and goes on after an
interruption.
"""

import argparse
import collections
import contextlib
import hashlib
import sys
import threading
from collections.abc import Callable, Generator, Mapping
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from pathlib import Path
from typing import Any

from onshelf._cli import _arguments as a
from onshelf._cli import _plan_output as out
from onshelf._cli import _words as w
from onshelf._cli._failures import BAD_INPUT, INTERRUPTED, OK, UNAVAILABLE, UsageError, describe
from onshelf._cli._journal import Journal
from onshelf._cli._product_file import ProductFile, ProductRow, RowError, read_products, to_product
from onshelf._cli._progress import Progress
from onshelf._client import Client
from onshelf._config import build_request
from onshelf._errors import DeadlineExceeded, OnshelfError, Overloaded, Unavailable
from onshelf._inputs import Product
from onshelf._rpcs import PLAN_LAUNCH

Settings = Callable[[argparse.Namespace, Client, Product], Mapping[str, Any]]
_BUSY_ATTEMPTS = 6


class _Run:
    """One run over a file: what each row became."""

    def __init__(
        self, args: argparse.Namespace, client: Client, settings: Settings, journal: Journal, form: str
    ) -> None:
        self.args, self.client, self.settings, self.journal, self.form = args, client, settings, journal, form
        self.records: dict[int, dict[str, Any]] = {}
        self.waiting: list[tuple[ProductRow, str, dict[str, Any]]] = []
        self.planned = self.for_later = 0
        self.stop = threading.Event()

    def prepare(self, rows: tuple[ProductRow, ...]) -> None:
        """Sorts rows into done before, wrong, and waiting."""
        currency = a.currency(self.args, self.client) if rows else ""
        for row in rows:
            try:
                product = to_product(row, currency)
                arguments = {"product": product, **self.settings(self.args, self.client, product)}
                if self.form != "json":  # not in the columns; asking for them would only take time
                    unused = {"audience_size": 0, "similar_launches": 0}
                    arguments |= {name: value for name, value in unused.items() if arguments[name] is None}
                key = fingerprint(arguments)
            except RowError as error:
                self._record(row, failed("INVALID", error.field, error.message))
            except OnshelfError as error:
                self._record(row, failure(error))
            else:
                if key in self.journal.done:
                    self._record(row, self.journal.done[key])
                else:
                    self.waiting.append((row, key, arguments))

    def ask(self, key: str, arguments: dict[str, Any]) -> dict[str, Any]:
        """The record of one row; asks again for a while where the service is busy."""
        attempt = 1
        while True:
            try:
                answer = self.client.plan_launch(request_id=f"{self.journal.run}-{key[:32]}", **arguments)
                return out.record(answer, self.form, self.args.horizon or 8)
            except Overloaded as error:
                if attempt == _BUSY_ATTEMPTS or self.stop.wait(max(0.2 * 2**attempt, error.retry_after or 0.0)):
                    raise
            attempt += 1

    def answers(self) -> Generator[tuple[ProductRow, str, Future[dict[str, Any]]]]:
        """Rows with their answers as they come, at most `concurrency` on the way."""
        left = collections.deque(self.waiting)
        running: dict[Future[dict[str, Any]], tuple[ProductRow, str]] = {}
        pool = ThreadPoolExecutor(self.args.concurrency)
        try:
            while left or running:
                while left and len(running) < self.args.concurrency:
                    row, key, arguments = left.popleft()
                    running[pool.submit(self.ask, key, arguments)] = (row, key)
                for future in wait(running, return_when=FIRST_COMPLETED).done:
                    yield (*running.pop(future), future)
        finally:
            self.stop.set()
            if running:
                self.client.close()  # cancels what is on the way
            pool.shutdown(cancel_futures=True)

    def keep(self, row: ProductRow, key: str, future: Future[dict[str, Any]]) -> None:
        """Records an answer, for good unless asking again could help. Raises Unavailable: then no further row has a
        chance.
        """
        try:
            record = future.result()
        except (Overloaded, DeadlineExceeded) as error:
            self.for_later += 1
            self._record(row, failure(error))
            return
        except Unavailable:
            raise
        except OnshelfError as error:
            record = failure(error)
        self._record(row, record)
        self.journal.add(key, record)

    def _record(self, row: ProductRow, record: dict[str, Any]) -> None:
        self.records[row.row] = record
        self.planned += record["status"] == "ok"


def fingerprint(arguments: Mapping[str, Any]) -> str:
    """What identifies a question: the same product and settings give the same text, in any file and order."""
    return hashlib.sha256(build_request(PLAN_LAUNCH, arguments).SerializeToString(deterministic=True)).hexdigest()


def failed(reason: str, field: str, message: str) -> dict[str, Any]:
    """The record of a row without a plan."""
    return {"status": "error", "error_reason": reason, "error_field": field, "error_message": message}


def failure(error: OnshelfError) -> dict[str, Any]:
    """The record of a row that the service refused or could not answer."""
    field = error.field or ""
    return failed(
        error.reason.name if error.reason else error.code or "", field, error.message.removeprefix(f"{field}: ")
    )


def run(args: argparse.Namespace, settings: Settings) -> int:
    """Plans the file; the exit status. Raises UsageError and Unavailable; what was done until then is kept."""
    if args.out is None:
        raise UsageError("--file needs --out: where to write the plans, as .csv, .json or .parquet")
    if args.title or args.json or args.trace or args.price is not None:
        raise UsageError(
            "--title, --price, --json and --trace are for one product; with --file they come from its columns"
        )
    if args.concurrency < 1:
        raise UsageError(f"--concurrency is {args.concurrency}; give 1 or more")
    form = out.form_of(args.out)
    file = read_products(args.file)
    _report_headers(file)
    journal_path = args.out.with_name(f"{args.out.name}.journal")
    with a.connect(args) as client, Journal(journal_path, form) as journal:
        planning = _Run(args, client, settings, journal, form)
        planning.prepare(file.rows)
        if planning.planned:
            print(f"going on: {planning.planned:,} of {len(file.rows):,} products were planned before", file=sys.stderr)
        try:
            _work(planning, len(file.rows))
        except KeyboardInterrupt:
            print(f"onshelf: interrupted; {_kept(planning, journal_path)}", file=sys.stderr)
            return INTERRUPTED
        except Unavailable as error:
            lines = describe(error)
            print(f"onshelf: {lines[0]}; {_kept(planning, journal_path)}", file=sys.stderr)
            return UNAVAILABLE
        return _finish(planning, file, args.out, form)


def _work(planning: _Run, total: int) -> None:
    progress = Progress("planned", total, len(planning.records))
    try:
        with contextlib.closing(planning.answers()) as answers:  # what is on the way ends here, whatever happens
            for row, key, future in answers:
                planning.keep(row, key, future)
                wrong = len(planning.records) - planning.planned
                progress.step(f"{wrong:,} without a plan" if wrong else "")
    finally:
        progress.leave()


def _finish(planning: _Run, file: ProductFile, path: Path, form: str) -> int:
    rows = [_identity(row) | planning.records[row.row] for row in file.rows]
    out.write(path, form, rows)
    wrong = [row for row in rows if row["status"] != "ok"]
    print(
        f"wrote {path}: {w.counted(len(rows) - len(wrong), 'plan')}, {w.counted(len(wrong), 'row')} without one",
        file=sys.stderr,
    )
    for row in wrong[:5]:
        print(f"  row {row['row']}: {row['error_field']}: {row['error_message']}", file=sys.stderr)
    if len(wrong) > 5:
        print(
            f"  and {len(wrong) - 5:,} more; see the columns error_reason, error_field, error_message", file=sys.stderr
        )
    if planning.for_later:
        print(
            f"onshelf: {w.counted(planning.for_later, 'row')} got no answer in time; run the same command again",
            file=sys.stderr,
        )
        return UNAVAILABLE
    planning.journal.remove()
    releases = {row.get("model_release") or _release(row) for row in rows if row["status"] == "ok"}
    if len(releases) > 1:
        print(f"onshelf: planned by several model releases: {sorted(releases)}", file=sys.stderr)
    return BAD_INPUT if wrong else OK


def _identity(row: ProductRow) -> dict[str, Any]:
    return {"row": row.row, "product_id": row.cells.get("product_id", ""), "title": row.cells.get("title", "")}


def _release(row: dict[str, Any]) -> Any:
    return row["answer"]["info"]["model_release"]["version"]


def _kept(planning: _Run, journal: Path) -> str:
    return f"{w.counted(planning.planned, 'plan')} kept in {journal}; run the same command again to go on"


def _report_headers(file: ProductFile) -> None:
    if file.encoding == "gb18030":
        print("read as GB18030, since it is not UTF-8", file=sys.stderr)
    renamed = [f"{name} as {field}" for name, field in file.understood.items() if name.casefold() != field]
    if renamed:
        print(f"read {', '.join(renamed)}", file=sys.stderr)
    if file.unused:
        print(f"not used: {', '.join(file.unused)}", file=sys.stderr)
