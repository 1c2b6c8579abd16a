"""`onshelf events import|export|refused` and `onshelf forget`: what users did."""

import csv
import hashlib
import itertools
import json
import sys
from collections import Counter
from collections.abc import Iterable, Iterator
from datetime import datetime
from decimal import Decimal
from pathlib import Path
from typing import Annotated, Any

from cyclopts import App

from onshelf._cli import _words as w
from onshelf._cli._json_form import to_json
from onshelf._cli._options import AsJson, Service, print_answer
from onshelf._cli._prices import Prices
from onshelf._cli._product_file import read_raw
from onshelf._cli._terminal import bold, clean, progress, table
from onshelf._cli._usage import BAD_INPUT, OK, UsageError
from onshelf._cli._values import InputFile, Text, option
from onshelf._client import Client
from onshelf._enums import EventKind
from onshelf._feedback_results import RefusedEvent
from onshelf._inputs import Event
from onshelf._money import Money

TOGETHER = 2_000  # events of one call
PAGE = 10_000
COLUMNS = (
    "event_id", "kind", "user_id", "product_id", "time", "attribution_token", "quantity", "revenue", "discount",
    "currency", "rating", "text", "site_id", "channel_id",
)  # fmt: skip
REQUIRED = ("kind", "product_id", "time")
NUMBERS = ("quantity", "rating")
_Wrong = tuple[int, dict[str, str], str, str]  # number of the row, the row, reason, rule

app = App(name="events", help="Record what users did, read it back, and see what was refused.")


@app.command(name="import")
def import_file(
    file: InputFile,
    /,
    *,
    refused: Annotated[Path | None, option("refused rows go here, with the reason (default: FILE.refused.csv)")] = None,
    currency: Annotated[Text, option("ISO 4217 code of all amounts (default: the model release's)")] = None,
    as_json: AsJson = False,
    service: Service = Service(),
) -> int:
    """Record the events of a file: CSV, JSON lines or Parquet.

    Columns are named as the contract's fields: event_id, kind, user_id, product_id, time (ISO 8601 with its zone),
    quantity, revenue, discount, rating, text, ... A row without an event_id gets one from its content. An import that
    was interrupted goes on where it was when it is started again: what is recorded is not recorded twice.
    """
    if file is None:
        raise UsageError("a FILE is required: the events")
    raw = read_raw(file)
    rows = raw.table
    missing = [name for name in REQUIRED if name not in rows.column_names]
    if missing:
        raise UsageError(
            f"{file} has no column {' and no column '.join(missing)}; it has {', '.join(rows.column_names)}"
        )
    unknown = [name for name in rows.column_names if name not in COLUMNS]
    if unknown:
        print(f"onshelf: not read: {', '.join(unknown)}", file=sys.stderr)
    counts = {"stored": 0, "duplicates": 0, "refused": 0}
    parts = -(-rows.num_rows // TOGETHER)
    with service.connect() as client:
        journal = _Journal(file, client.address)
        bad = _RefusedRows(refused or file.with_name(f"{file.name}.refused.csv"), goes_on=journal.done > 0)
        if not journal.done:
            bad.add([(0, {}, "INVALID", f"line {line.line}: {line.why}: {line.text[:80]}") for line in raw.rejected])
        code = Prices(client, currency).currency
        seen: Counter[str] = Counter()
        with progress("events, in parts", parts, journal.done // TOGETHER) as tell:
            for part in _parts(enumerate(_dicts(rows), start=1), TOGETHER):
                ready, wrong = _events(part, code, seen)
                end = part[-1][0]
                if end <= journal.done:
                    continue
                if ready:
                    answer = client.record_events([event for _, _, event in ready])
                    counts["stored"] += answer.stored
                    counts["duplicates"] += answer.duplicates
                    wrong += [(*ready[e.index][:2], e.reason, f"{e.field}: {e.message}") for e in answer.errors]
                bad.add(wrong)
                journal.reached(end)
                tell(f"row {end:,}")
    counts["refused"] = bad.count
    if bad.count:
        print(f"onshelf: {bad.count:,} refused, see {bad.path}", file=sys.stderr)
    journal.ended()
    print_answer(counts, lambda: [[_counted(counts)]], as_json)
    return BAD_INPUT if bad.count else OK


def _events(
    part: list[tuple[int, dict[str, str]]], currency: str, seen: Counter[str]
) -> tuple[list[tuple[int, dict[str, str], Event]], list[_Wrong]]:
    """The events of numbered rows, and the rows that are none."""
    ready: list[tuple[int, dict[str, str], Event]] = []
    wrong: list[_Wrong] = []
    for number, row in part:
        try:
            ready.append((number, row, _event(row, currency, seen)))
        except ValueError as error:
            wrong.append((number, row, "INVALID", str(error)))
    return ready, wrong


@app.command
def export(
    file: Annotated[Path, option("CSV (.csv) or JSON lines (.jsonl)")],
    /,
    *,
    product_id: Annotated[Text, option("only events of this product")] = None,
    service: Service = Service(),
) -> None:
    """Write the recorded events to a file, in the order in which they were recorded."""
    if file.suffix not in (".csv", ".jsonl"):
        raise UsageError(f"{file}: write a .csv or a .jsonl")
    with service.connect() as client, file.open("w", encoding="utf-8", newline="") as out:
        total = 0
        writer = csv.DictWriter(out, COLUMNS)
        if file.suffix == ".csv":
            writer.writeheader()
        for event in _all_events(client, product_id):
            row = _row(event)
            if file.suffix == ".csv":
                writer.writerow(row)
            else:
                out.write(
                    json.dumps({name: value for name, value in row.items() if value != ""}, ensure_ascii=False) + "\n"
                )
            total += 1
    print(f"{total:,} events in {file}", file=sys.stderr)


@app.command
def refused(
    *,
    again: Annotated[bool, option("send them again: those that keep the rules now leave the list")] = False,
    as_json: AsJson = False,
    service: Service = Service(),
) -> int:
    """List the events that were refused, newest first, or send them again."""
    found: list[RefusedEvent] = []
    with service.connect() as client:
        token, total, dropped = "", 0, 0
        while True:
            page = client.list_refused_events(page_size=1000, page_token=token)
            found += page.events
            token, total, dropped = page.next_page_token, page.total, page.dropped
            if not token:
                break
        if again:
            whole = [
                one.event for one in reversed(found) if one.error.field != "user_id"
            ]  # whose user was not left out
            counts = {"stored": 0, "duplicates": 0, "refused": len(found) - len(whole)}
            for part in _parts(whole, TOGETHER):
                answer = client.record_events(part)
                counts["stored"] += answer.stored
                counts["duplicates"] += answer.duplicates
                counts["refused"] += len(answer.errors)
            print_answer(counts, lambda: [[_counted(counts)]], as_json)
            return BAD_INPUT if counts["refused"] else OK
    rows = [
        [
            f"{one.refused_at:%Y-%m-%d %H:%M}",
            clean(one.event.event_id),
            one.error.reason,
            clean(f"{one.error.field}: {one.error.message}"),
        ]
        for one in found
    ]
    more = f"; {dropped:,} older ones had to leave the list" if dropped else ""
    head = bold(f"{w.counted(total, 'event')} refused{more}.")
    listed = table(["refused (UTC)", "event", "reason", "~what to do"], rows) if rows else ""
    print_answer(found, lambda: [[head, listed] if rows else [head]], as_json)
    return OK


def forget(
    user: Annotated[str, option("the user's pseudonym")],
    /,
    *,
    as_json: AsJson = False,
    service: Service = Service(),
) -> None:
    """Delete a user's events and answers at once; audiences and the next model release leave the user out."""
    with service.connect() as client:
        receipt = client.forget_user(user)
    facts = [
        f"{w.counted(receipt.events_deleted, 'event')}, "
        f"{w.counted(receipt.refused_events_deleted, 'refused event')} and "
        f"{w.counted(receipt.answers_deleted, 'recommendation')} deleted; taken out of "
        f"{w.counted(receipt.audiences_changed, 'audience')}.",
        f"The user's history is in model release {', '.join(map(str, receipt.model_releases))}, and not used any more. "
        "`onshelf-exporter data --store` prepares data without the user; `onshelf-exporter forgotten` names all that "
        "still holds the user."
        if receipt.model_releases
        else "The model releases that are loaded do not know the user.",
    ]
    head = bold(f"Forgotten at {receipt.forgotten_at:%Y-%m-%d %H:%M} UTC. Receipt {clean(receipt.receipt_id)}.")
    print_answer(receipt, lambda: [[head, *facts]], as_json)


class _Journal:
    """How far the import of a file into a service came: FILE.progress, there until it has ended.

    It is void once the file changed, or for another service.
    """

    def __init__(self, file: Path, address: str) -> None:
        self._path = file.with_name(f"{file.name}.progress")
        about = file.stat()
        self._of = {"size": about.st_size, "modified": about.st_mtime_ns, "service": address}
        self.done = 0
        if self._path.exists():
            try:
                kept = json.loads(self._path.read_text(encoding="utf-8"))
                self.done = int(kept["rows"]) if kept["of"] == self._of else 0
            except (ValueError, KeyError, TypeError):
                raise UsageError(f"{self._path} is no record of an import; delete it to begin anew") from None

    def reached(self, rows: int) -> None:
        self.done = rows
        staging = self._path.with_name(f"{self._path.name}.new")
        staging.write_text(json.dumps({"of": self._of, "rows": rows}), encoding="utf-8")
        staging.replace(self._path)

    def ended(self) -> None:
        self._path.unlink(missing_ok=True)


class _RefusedRows:
    """The refused rows as they were, with number, reason and rule: to be mended and imported again."""

    def __init__(self, path: Path, goes_on: bool) -> None:
        self.path, self.count = path, 0
        if path.exists() and goes_on:
            with path.open(encoding="utf-8", newline="") as file:
                self.count = sum(1 for _ in csv.DictReader(file))
        else:
            path.unlink(missing_ok=True)

    def add(self, rows: list[_Wrong]) -> None:
        if not rows:
            return
        new = not self.path.exists()
        with self.path.open("a", encoding="utf-8", newline="") as out:
            writer = csv.writer(out)
            if new:
                writer.writerow(["row", "refused_because", "rule", *COLUMNS])
            for number, row, reason, rule in rows:
                writer.writerow([number, reason, rule, *(row.get(name, "") for name in COLUMNS)])
        self.count += len(rows)


def _dicts(rows: Any) -> Iterator[dict[str, str]]:
    for batch in rows.to_batches(max_chunksize=TOGETHER):
        for row in batch.to_pylist():
            yield {name: str(value).strip() for name, value in row.items() if name in COLUMNS and value is not None}


def _event(row: dict[str, str], currency: str, seen: Counter[str]) -> Event:
    """The event of a row. Raises ValueError, naming the column, for a value that cannot be read."""
    values: dict[str, Any] = {name: value for name, value in row.items() if value and name != "currency"}
    code = row.get("currency") or currency
    if "event_id" not in values:
        content = hashlib.blake2b(json.dumps(sorted(row.items())).encode(), digest_size=12).hexdigest()
        seen[content] += 1  # equal rows are different events, the same ones each time that the file is read
        values["event_id"] = f"row-{content}-{seen[content]}"
    for name in REQUIRED:
        if name not in values:
            raise ValueError(f"{name}: is empty and required")
    try:
        values["kind"] = EventKind(values["kind"].casefold())
    except ValueError:
        known = ", ".join(kind.value for kind in EventKind if kind.value != "unknown")
        raise ValueError(f"kind: {values['kind']!r} is none of {known}") from None
    try:
        time = datetime.fromisoformat(values["time"])
    except ValueError:
        raise ValueError(f"time: {values['time']!r} is no ISO 8601 time such as 2018-03-05T12:00:00+00:00") from None
    if time.tzinfo is None:
        raise ValueError(f"time: {values['time']!r} has no zone; write it like 2018-03-05T12:00:00+00:00")
    values["time"] = time
    for name in NUMBERS:
        if name in values:
            try:
                values[name] = float(values[name])
            except ValueError:
                raise ValueError(f"{name}: {values[name]!r} is no number; write it like 2.5") from None
    for name in ("revenue", "discount"):
        if name in values:
            try:
                values[name] = Money(values[name], code)
            except ValueError:
                raise ValueError(f"{name}: {values[name]!r} is no amount of money; write it like 3.99") from None
    return Event(**values)


def _row(event: Event) -> dict[str, Any]:
    """The columns of an event, as they are read again."""
    row: dict[str, Any] = {name: to_json(getattr(event, name)) for name in COLUMNS if name != "currency"}
    row["currency"] = ""
    for name in ("revenue", "discount"):
        amount: Money | None = getattr(event, name)
        if amount is not None:
            row[name], row["currency"] = f"{Decimal(amount.amount):f}", amount.currency
    return {name: "" if row[name] is None else row[name] for name in COLUMNS}


def _all_events(client: Client, product_id: str | None) -> Iterator[Event]:
    token = ""
    while True:
        page = client.list_events(product_id=product_id, page_size=PAGE, page_token=token)
        yield from page.events
        token = page.next_page_token
        if not token:
            return


def _counted(counts: dict[str, int]) -> str:
    return f"{counts['stored']:,} recorded, {counts['duplicates']:,} there already, {counts['refused']:,} refused"


def _parts(values: Iterable[Any], size: int) -> Iterator[list[Any]]:
    left = iter(values)
    while part := list(itertools.islice(left, size)):
        yield part
