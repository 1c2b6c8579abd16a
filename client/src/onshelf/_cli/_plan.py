"""`onshelf plan`: one product from options, or a file of products."""

import time
from datetime import timedelta
from pathlib import Path
from typing import Annotated, Any

from onshelf import _inputs
from onshelf._cli import _options as o
from onshelf._cli import _plan_file
from onshelf._cli._plan_view import plan_sections
from onshelf._cli._prices import Prices
from onshelf._cli._trace_view import trace_section
from onshelf._cli._usage import OK, UsageError
from onshelf._cli._values import WHOLE, option
from onshelf._errors import ServiceFault


def plan(
    *,
    product: o.ProductOptions = o.ProductOptions(),
    constraints: o.Constraints = o.Constraints(),
    costs: o.ObjectiveOptions = o.ObjectiveOptions(),
    stock: o.SpreadStockOptions = o.SpreadStockOptions(),
    answer: o.PlanAnswerOptions = o.PlanAnswerOptions(),
    source: o.FileOptions = o.FileOptions(),
    out: Annotated[Path | None, option("plans of --file go here: .csv, .json or .parquet", group=o.FILES)] = None,
    concurrency: Annotated[int, WHOLE, option("products of --file at once (default: 8)", group=o.FILES)] = 8,
    service: o.Service = o.Service(),
) -> int:
    """Plan the launch of a product (--title), or of each product of a file (--file and --out)."""
    if source.file is None and (source.decimal is not None or source.encoding is not None):
        raise UsageError("--decimal and --encoding are of a file: they need --file")
    if source.file is None and out is not None:
        raise UsageError("--out needs --file; for one product use --json and send the output to a file")
    if source.file is not None and (product.title or answer.as_json or answer.trace or product.list_price is not None):
        raise UsageError(
            "--title, --price, --json and --trace are for one product; with --file they come from its columns"
        )
    with service.connect(trace=answer.trace) as client:
        price = Prices(client, product.currency, answer.model_release)

        def asked(about: _inputs.Product) -> dict[str, Any]:
            return {
                "product": about,
                "window": constraints.window(price),
                "constraints": constraints.constraints(price, about),
                "costs": costs.costs(price),
                "objective": costs.objective(),
                "stock_policy": stock.policy(price),
                **answer.asked(),
            }

        horizon = costs.horizon_weeks or 8
        if source.file is not None:
            job = _plan_file.Job(
                client=client, price=price, asked=asked, horizon=horizon, at_once=concurrency, patience=service.timeout
            )
            return job.run(source, out)
        about = product.product(price, costs.unit_cost)
        arguments = asked(about)
        started = time.perf_counter()
        found = client.plan_launch(**arguments)
        seen = timedelta(seconds=time.perf_counter() - started)
    if not found.plans and not answer.as_json:
        raise ServiceFault("the service answered without a plan", address=client.address)
    answer.print(
        found, lambda: [trace_section(found.info, seen)] if answer.trace else plan_sections(found, about, horizon)
    )
    return OK
