"""`onshelf catalog upsert --file` and `onshelf catalog delete`: what is recommended from now on, and what no more."""

import itertools
import json
import sys
from collections.abc import Iterable, Iterator
from typing import Annotated, TypeVar

from cyclopts import App

from onshelf._cli._json_form import to_json
from onshelf._cli._options import AsJson, FileOptions, Service
from onshelf._cli._plan_view import notices
from onshelf._cli._prices import Prices
from onshelf._cli._product_file import RowError, read_products, to_product
from onshelf._cli._terminal import clean, show
from onshelf._cli._usage import BAD_INPUT, OK, UsageError
from onshelf._cli._values import Text, option
from onshelf._inputs import Product
from onshelf._results import Notice, ProductError

T = TypeVar("T")
AT_ONCE = 500  # products or ids of one call

app = App(name="catalog", help="Add products to the catalog, replace or delete them.")


@app.command
def upsert(
    *,
    source: FileOptions = FileOptions(),
    currency: Annotated[Text, option("ISO 4217 code of all amounts (default: the model release's)")] = None,
    as_json: AsJson = False,
    service: Service = Service(),
) -> int:
    """Add or replace the products of a file, each with a product id; they are recommended at once."""
    if source.file is None:
        raise UsageError("--file is required: the products, with a product id each")
    file = read_products(source.file, source.encoding, source.decimal)
    if not file.rows:
        raise UsageError(f"--file {source.file} has no products")
    for note in file.notes:
        print(note, file=sys.stderr)
    added = replaced = 0
    refused: list[tuple[int, ProductError]] = []
    told: dict[Notice, None] = {}
    with service.connect() as client:
        currency = Prices(client, currency).currency
        for part in _parts(file.rows):
            ready: list[tuple[int, Product]] = []
            for row in part:
                try:
                    ready.append((row.row, to_product(row, currency)))
                except RowError as error:
                    refused.append((row.row, ProductError(reason="INVALID", field=error.field, message=error.message)))
            if ready:
                answer = client.upsert_products([product for _, product in ready])
                added, replaced = added + answer.added, replaced + answer.replaced
                refused += [(ready[error.index][0], error) for error in answer.errors]
                told |= dict.fromkeys(answer.info.notices)
    if as_json:
        errors = [{"row": number, **to_json(fault)} for number, fault in refused]
        print(json.dumps({"added": added, "replaced": replaced, "errors": errors}, ensure_ascii=False, indent=2))
    else:
        print(f"{added:,} added, {replaced:,} replaced, {len(refused) + len(file.left_out):,} refused")
        if told:
            show(notices(tuple(told)))
    for number, fault in refused:
        field = fault.field.partition("].")[2] or fault.field
        print(f"onshelf: row {number}: {field}: {clean(fault.message)} [{fault.reason}]", file=sys.stderr)
    return BAD_INPUT if refused or file.left_out else OK


@app.command
def delete(
    *ids: Annotated[str, option("product ids; unknown ones are counted")],
    as_json: AsJson = False,
    service: Service = Service(),
) -> None:
    """Remove products from retrieval, those of the model release, too."""
    if not ids:
        raise UsageError("an ID is required: of each product to remove")
    deleted = unknown = 0
    with service.connect() as client:
        for part in _parts(ids):
            answer = client.delete_products(part)
            deleted, unknown = deleted + answer.deleted, unknown + answer.unknown
    counts = {"deleted": deleted, "unknown": unknown}
    print(json.dumps(counts, indent=2) if as_json else f"{deleted:,} deleted, {unknown:,} not in the catalog")


def _parts(values: Iterable[T]) -> Iterator[list[T]]:
    left = iter(values)
    while part := list(itertools.islice(left, AT_ONCE)):
        yield part
