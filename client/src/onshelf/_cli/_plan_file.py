"""`onshelf plan --file`: plans every product of a file on one stream, several at once, writes them in the file's order,
and goes on after an interruption.
"""

import argparse
import contextlib
import hashlib
import sys
import time
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
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
from onshelf._inputs import PlanRequest, Product
from onshelf._results import StreamedPlan
from onshelf._rpcs import PLAN_LAUNCH

Settings = Callable[[argparse.Namespace, Client, Product], Mapping[str, Any]]
_BUSY_ATTEMPTS = 6
_LOST_ATTEMPTS = 3  # streams in a row that bring nothing
_PATIENCE_SECONDS = 1.0  # beyond --timeout, without any answer


class _Run:
    """One run over a file: what each row became. Results lie in the journal; rows refused here lie in memory."""

    def __init__(
        self, args: argparse.Namespace, client: Client, settings: Settings, journal: Journal, form: str
    ) -> None:
        self.args, self.client, self.settings, self.journal, self.form = args, client, settings, journal, form
        self.keys: dict[int, str] = {}
        self.refused: dict[int, dict[str, Any]] = {}
        self.rows_read: Sequence[ProductRow] = ()
        self.waiting: dict[str, list[int]] = {}  # numbers of rows; what is asked is made of a row when its turn comes
        self.currency = ""
        self.planned = self.for_later = self.settled = 0
        self.releases: set[Any] = set()

    def prepare(self, rows: Sequence[ProductRow]) -> None:
        """Sorts rows into done before, wrong, and waiting; equal questions wait together."""
        self.rows_read = rows
        self.currency = a.currency(self.args, self.client) if rows else ""
        for row in rows:
            try:
                key = fingerprint(self._arguments(row))
            except RowError as error:
                self._refuse(row.row, failed("INVALID", error.field, error.message))
            except OnshelfError as error:
                self._refuse(row.row, failure(error))
            else:
                self.keys[row.row] = key
                if key in self.journal:
                    self._settle(self.journal[key])
                else:
                    self.waiting.setdefault(key, []).append(row.row)

    def _arguments(self, row: ProductRow) -> dict[str, Any]:
        """What is asked for a row. Raises RowError or OnshelfError where it cannot be."""
        product = to_product(row, self.currency)
        arguments = {"product": product, **self.settings(self.args, self.client, product)}
        if self.form != "json":  # not in the columns; asking for them would only take time
            unused = {"audience_size": 0, "similar_launches": 0}
            arguments |= {name: value for name, value in unused.items() if arguments[name] is None}
        return arguments

    def answers(self) -> Generator[tuple[str, StreamedPlan]]:
        """Questions with their answers as they come. Raises Unavailable when the service stays away."""
        left = {f"{self.journal.run}-{key[:32]}": key for key in self.waiting}
        attempt = 0
        while left:
            before, pause = len(left), 0.0
            lost: OnshelfError | None = None
            try:
                requests = (
                    PlanRequest(request_id=name, **self._arguments(self.rows_read[self.waiting[key][0] - 1]))
                    for name, key in tuple(left.items())
                )
                stream = self.client.stream_plans(
                    requests, at_once=self.args.concurrency, patience=self.args.timeout + _PATIENCE_SECONDS
                )
                with contextlib.closing(stream) as answers:
                    for answer in answers:
                        if isinstance(answer.error, Unavailable):  # a gateway that drains, a model that is away
                            lost = answer.error
                            break
                        if isinstance(answer.error, Overloaded) and attempt < _BUSY_ATTEMPTS:
                            pause = max(pause, answer.error.retry_after or 0.0)
                        else:
                            yield left.pop(answer.request_id), answer
            except (Unavailable, DeadlineExceeded) as error:
                lost = error
            if lost is not None and len(left) == before and attempt >= _LOST_ATTEMPTS:
                raise lost if isinstance(lost, Unavailable) else Unavailable(lost.message)
            attempt = 0 if len(left) < before else attempt + 1
            if left:
                time.sleep(max(pause, 0.2 * 2**attempt))

    def keep(self, key: str, answer: StreamedPlan) -> None:
        """Records an answer, for good unless asking again could help. Raises Unavailable: then no further row has a
        chance.
        """
        rows = self.waiting[key]
        if answer.error is None:
            assert answer.plan is not None
            record = out.record(answer.plan, self.form, self.args.horizon or 8)
        else:
            record = failure(answer.error)
            if isinstance(answer.error, Overloaded | DeadlineExceeded):
                self.for_later += len(rows)
                for row in rows:
                    self._refuse(row, record)
                return
        self.journal.add(key, record)
        for _ in rows:
            self._settle(record)

    def rows(self, file: ProductFile) -> Iterator[dict[str, Any]]:
        """What became of each row, in the file's order."""
        for row in file.rows:
            record = self.refused.get(row.row)
            yield _identity(row) | (self.journal[self.keys[row.row]] if record is None else record)

    def _refuse(self, row: int, record: dict[str, Any]) -> None:
        self.refused[row] = record
        self.settled += 1

    def _settle(self, record: dict[str, Any]) -> None:
        self.settled += 1
        if record["status"] == "ok":
            self.planned += 1
            self.releases.add(record.get("model_release") or _release(record))


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
    file = read_products(args.file, args.encoding, args.decimal)
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
    progress = Progress("planned", total, planning.settled)
    try:
        with contextlib.closing(planning.answers()) as answers:  # what is on the way ends here, whatever happens
            for key, answer in answers:
                planning.keep(key, answer)
                wrong = planning.settled - planning.planned
                for _ in planning.waiting[key]:
                    progress.step(f"{wrong:,} without a plan" if wrong else "")
    finally:
        progress.leave()


def _finish(planning: _Run, file: ProductFile, path: Path, form: str) -> int:
    wrong: list[dict[str, Any]] = []

    def passing() -> Iterator[dict[str, Any]]:
        for row in planning.rows(file):
            if row["status"] != "ok":
                wrong.append(row)
            yield row

    out.write(path, form, passing())
    without = len(wrong) + len(file.left_out)
    print(
        f"wrote {path}: {w.counted(len(file.rows) - len(wrong), 'plan')}, {w.counted(without, 'row')} without one",
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
    if len(planning.releases) > 1:
        print(f"onshelf: planned by several model releases: {sorted(planning.releases)}", file=sys.stderr)
    return BAD_INPUT if without else OK


def _identity(row: ProductRow) -> dict[str, Any]:
    return {"row": row.row, "product_id": row.cells.get("product_id", ""), "title": row.cells.get("title", "")}


def _release(row: dict[str, Any]) -> Any:
    return row["answer"]["info"]["model_release"]["version"]


def _kept(planning: _Run, journal: Path) -> str:
    return f"{w.counted(planning.planned, 'plan')} kept in {journal}; run the same command again to go on"


def _report_headers(file: ProductFile) -> None:
    for note in file.notes:
        print(note, file=sys.stderr)
    renamed = [f"{name} as {field}" for name, field in file.understood.items() if name.casefold() != field]
    if renamed:
        print(f"read {', '.join(renamed)}", file=sys.stderr)
    if file.unused:
        print(f"not used: {', '.join(file.unused)}", file=sys.stderr)
