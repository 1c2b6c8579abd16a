"""`onshelf plan --file`: plans every product of a file on one stream, several at once, writes them in the file's order,
and goes on after an interruption.
"""

import contextlib
import hashlib
import sys
import time
from collections.abc import Callable, Generator, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from onshelf._cli import _plan_output as out
from onshelf._cli import _words as w
from onshelf._cli._failures import describe
from onshelf._cli._journal import Journal
from onshelf._cli._options import FileOptions
from onshelf._cli._prices import Prices
from onshelf._cli._product_file import ProductFile, ProductRow, RowError, Rows, read_products, to_product
from onshelf._cli._terminal import progress
from onshelf._cli._usage import BAD_INPUT, INTERRUPTED, OK, UNAVAILABLE, UsageError
from onshelf._client import Client
from onshelf._config import build_request
from onshelf._errors import DeadlineExceeded, InvalidRequest, OnshelfError, Overloaded, Unavailable
from onshelf._inputs import PlanRequest, Product
from onshelf._results import StreamedPlan
from onshelf._rpcs import PLAN_LAUNCH

_BUSY_ATTEMPTS = 6
_LOST_ATTEMPTS = 3  # streams in a row that bring nothing
_PATIENCE_SECONDS = 1.0  # beyond --timeout, without any answer


@dataclass(frozen=True, kw_only=True)
class Job:
    """How the products of a file are planned: what is asked for one, over which horizon, how many at once, and the
    seconds that an answer may take.
    """

    client: Client
    price: Prices
    asked: Callable[[Product], Mapping[str, Any]]
    horizon: int
    at_once: int
    patience: float

    def run(self, source: FileOptions, path: Path | None) -> int:
        """Plans the file; the exit status. Raises UsageError and Unavailable; what was done until then is kept."""
        if path is None:
            raise UsageError("--file needs --out: where to write the plans, as .csv, .json or .parquet")
        if self.at_once < 1:
            raise UsageError(f"--concurrency is {self.at_once}; give 1 or more")
        form = out.form_of(path)
        assert source.file is not None
        file = read_products(source.file, source.encoding, source.decimal)
        _report_headers(file)
        currency = self.price.currency  # a service that is away ends the run here, before any row is judged
        with Journal(path.with_name(f"{path.name}.journal"), form) as journal:
            running = _Run(job=self, currency=currency, journal=journal, form=form, rows=file.rows)
            if running.planned:
                _tell(f"going on: {running.planned:,} of {len(file.rows):,} products were planned before")
            try:
                _work(running, len(file.rows))
            except KeyboardInterrupt:
                _tell(f"onshelf: interrupted; {_kept(running)}")
                return INTERRUPTED
            except Unavailable as error:
                _tell(f"onshelf: {describe(error)[0]}; {_kept(running)}")
                return UNAVAILABLE
            return _finish(running, file, path)


@dataclass(kw_only=True)
class _Run:
    """One run over a file: what each row became. Results lie in the journal; rows refused here lie in memory."""

    job: Job
    currency: str
    journal: Journal
    form: str
    rows: Rows
    keys: dict[int, str] = field(default_factory=dict)
    refused: dict[int, dict[str, Any]] = field(default_factory=dict)
    waiting: dict[str, list[int]] = field(
        default_factory=dict
    )  # rows by number: each is made again when its turn comes
    planned: int = 0
    settled: int = 0
    for_later: int = 0
    releases: set[Any] = field(default_factory=set)

    def __post_init__(self) -> None:
        """Sorts rows into done before, wrong, and waiting; equal questions wait together. Raises OnshelfError where
        the service is asked and does not answer: no row is wrong for that.
        """
        for row in self.rows:
            try:
                key = fingerprint(self._arguments(row))
            except RowError as error:
                self._refuse(row.row, failed("INVALID", error.field, error.message))
            except InvalidRequest as error:
                self._refuse(row.row, failure(error))
            else:
                self.keys[row.row] = key
                if key in self.journal:
                    self._settle(self.journal[key])
                else:
                    self.waiting.setdefault(key, []).append(row.row)

    def _arguments(self, row: ProductRow) -> dict[str, Any]:
        """What is asked for a row. Raises RowError or OnshelfError where it cannot be."""
        arguments = dict(self.job.asked(to_product(row, self.currency)))
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
                    PlanRequest(request_id=name, **self._arguments(self.rows[self.waiting[key][0] - 1]))
                    for name, key in tuple(left.items())
                )
                patience = self.job.patience + _PATIENCE_SECONDS
                stream = self.job.client.stream_plans(requests, at_once=self.job.at_once, patience=patience)
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

    def keep(self, key: str, answer: StreamedPlan) -> int:
        """Records an answer, for good unless asking again could help; the number of its rows."""
        rows = self.waiting[key]
        if answer.error is None:
            assert answer.plan is not None
            record = out.record(answer.plan, self.form, self.job.horizon)
        else:
            record = failure(answer.error)
        if isinstance(answer.error, Overloaded | DeadlineExceeded):
            self.for_later += len(rows)
            for row in rows:
                self._refuse(row, record)
        else:
            self.journal.add(key, record)
            for _ in rows:
                self._settle(record)
        return len(rows)

    def results(self) -> Iterator[dict[str, Any]]:
        """What became of each row, in the file's order."""
        for row in self.rows:
            record = self.refused.get(row.row)
            named = {name: row.cells.get(name, "") for name in ("product_id", "title")}
            yield {"row": row.row, **named, **(self.journal[self.keys[row.row]] if record is None else record)}

    def _refuse(self, row: int, record: dict[str, Any]) -> None:
        self.refused[row] = record
        self.settled += 1

    def _settle(self, record: dict[str, Any]) -> None:
        self.settled += 1
        if record["status"] == "ok":
            self.planned += 1
            self.releases.add(record.get("model_release") or record["answer"]["info"]["model_release"]["version"])


def fingerprint(arguments: Mapping[str, Any]) -> str:
    """What identifies a question: the same product and settings give the same text, in any file and order."""
    return hashlib.sha256(build_request(PLAN_LAUNCH, arguments).SerializeToString(deterministic=True)).hexdigest()


def failed(reason: str, where: str, message: str) -> dict[str, Any]:
    """The record of a row without a plan."""
    return {"status": "error", "error_reason": reason, "error_field": where, "error_message": message}


def failure(error: OnshelfError) -> dict[str, Any]:
    """The record of a row that the service refused or could not answer."""
    where = error.field or ""
    return failed(
        error.reason.name if error.reason else error.code or "", where, error.message.removeprefix(f"{where}: ")
    )


def _work(running: _Run, total: int) -> None:
    with (
        contextlib.closing(running.answers()) as answers,  # what is on the way ends here, whatever happens
        progress("planned", total, running.settled) as step,
    ):
        for key, answer in answers:
            for _ in range(running.keep(key, answer)):
                wrong = running.settled - running.planned
                step(f"{wrong:,} without a plan" if wrong else "")


def _finish(running: _Run, file: ProductFile, path: Path) -> int:
    wrong: list[dict[str, Any]] = []

    def passing() -> Iterator[dict[str, Any]]:
        for row in running.results():
            if row["status"] != "ok":
                wrong.append(row)
            yield row

    out.write(path, running.form, passing())
    without = len(wrong) + len(file.left_out)
    plans = w.counted(len(file.rows) - len(wrong), "plan")
    _tell(f"wrote {path}: {plans}, {w.counted(without, 'row')} without one")
    for row in wrong[:5]:
        _tell(f"  row {row['row']}: {row['error_field']}: {row['error_message']}")
    if len(wrong) > 5:
        _tell(f"  and {len(wrong) - 5:,} more; see the columns error_reason, error_field, error_message")
    if running.for_later:
        _tell(f"onshelf: {w.counted(running.for_later, 'row')} got no answer in time; run the same command again")
        return UNAVAILABLE
    running.journal.remove()
    if len(running.releases) > 1:
        _tell(f"onshelf: planned by several model releases: {sorted(running.releases)}")
    return BAD_INPUT if without else OK


def _kept(running: _Run) -> str:
    return f"{w.counted(running.planned, 'plan')} kept in {running.journal.path}; run the same command again to go on"


def _report_headers(file: ProductFile) -> None:
    renamed = [f"{name} as {field}" for name, field in file.understood.items() if name.casefold() != field]
    for note in (
        *file.notes,
        *([f"read {', '.join(renamed)}"] if renamed else []),
        *([f"not used: {', '.join(file.unused)}"] if file.unused else []),
    ):
        _tell(note)


def _tell(line: str) -> None:
    print(line, file=sys.stderr)
