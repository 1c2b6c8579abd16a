"""`onshelf catalog upsert --file` and `onshelf catalog delete`: what is recommended from now on, and what no more."""

import argparse
import json
import sys
from collections.abc import Iterator, Sequence
from typing import TypeVar

from onshelf._cli import _arguments as a
from onshelf._cli._failures import BAD_INPUT, OK, UsageError
from onshelf._cli._json_form import to_json
from onshelf._cli._plan_view import notice_lines
from onshelf._cli._product_file import ProductRow, RowError, read_products, to_product
from onshelf._cli._terminal import clean, terminal_of
from onshelf._client import Client
from onshelf._inputs import Product
from onshelf._results import Notice, ProductError

T = TypeVar("T")
HELP = "add products to the catalogue, replace or delete them"
AT_ONCE = 500  # products or ids of one call


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The commands of `catalog` and their options."""
    commands = parser.add_subparsers(title="commands", metavar="COMMAND", required=True)
    text = "add or replace the products of a file; they are recommended at once"
    upsert = commands.add_parser("upsert", help=text, description=f"{text[0].upper()}{text[1:]}.")
    a.add_file(upsert, "the products, with a product id each", required=True)
    upsert.add_argument("--currency", help="ISO 4217 code of all amounts (default: the model release's)")
    text = "remove products from retrieval, those of the model release, too"
    delete = commands.add_parser("delete", help=text, description=f"{text[0].upper()}{text[1:]}.")
    delete.add_argument("product_ids", nargs="+", metavar="ID", help="product ids; unknown ones are counted")
    for command, run_command in ((upsert, _upsert), (delete, _delete)):
        command.add_argument("--json", action="store_true", help="print the counts as JSON")
        a.add_service(command)
        command.set_defaults(run_command=run_command)


def run(args: argparse.Namespace) -> int:
    """Runs `upsert` or `delete`; the exit status."""
    status: int = args.run_command(args)
    return status


def _upsert(args: argparse.Namespace) -> int:
    file = read_products(args.file, args.encoding, args.decimal)
    rows = file.rows
    if not rows:
        raise UsageError(f"--file {args.file} has no products")
    for note in file.notes:
        print(note, file=sys.stderr)
    added = replaced = 0
    refused: list[tuple[int, ProductError]] = []
    notices: dict[Notice, None] = {}
    with a.connect(args) as client:
        for part in _parts(rows, AT_ONCE):
            ready = _ready(part, args, client, refused)
            if not ready:
                continue
            answer = client.upsert_products([product for _, product in ready])
            added, replaced = added + answer.added, replaced + answer.replaced
            refused += [(ready[error.index][0], error) for error in answer.errors]
            notices |= dict.fromkeys(answer.info.notices)
    if args.json:
        errors = [{"row": row, **to_json(error)} for row, error in refused]
        print(json.dumps({"added": added, "replaced": replaced, "errors": errors}, ensure_ascii=False, indent=2))
    else:
        print(f"{added:,} added, {replaced:,} replaced, {len(refused) + len(file.left_out):,} refused")
        print("\n".join(notice_lines(tuple(notices), terminal_of(sys.stdout))), end="\n" if notices else "")
    for row, error in refused:
        field = error.field.partition("].")[2] or error.field
        print(f"onshelf: row {row}: {field}: {clean(error.message)} [{error.reason}]", file=sys.stderr)
    return BAD_INPUT if refused or file.left_out else OK


def _ready(
    rows: Sequence[ProductRow], args: argparse.Namespace, client: Client, refused: list[tuple[int, ProductError]]
) -> list[tuple[int, Product]]:
    """The rows that can be sent, with their numbers; the others join `refused`."""
    ready = []
    for row in rows:
        try:
            ready.append((row.row, to_product(row, a.currency(args, client))))
        except RowError as error:
            refused.append((row.row, ProductError(reason="INVALID", field=error.field, message=error.message)))
    return ready


def _delete(args: argparse.Namespace) -> int:
    deleted = unknown = 0
    with a.connect(args) as client:
        for part in _parts(args.product_ids, AT_ONCE):
            answer = client.delete_products(part)
            deleted, unknown = deleted + answer.deleted, unknown + answer.unknown
    counts = {"deleted": deleted, "unknown": unknown}
    print(json.dumps(counts, indent=2) if args.json else f"{deleted:,} deleted, {unknown:,} not in the catalogue")
    return OK


def _parts(values: Sequence[T], size: int) -> Iterator[Sequence[T]]:
    for start in range(0, len(values), size):
        yield values[start : start + size]
