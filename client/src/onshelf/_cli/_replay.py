"""`onshelf replay`: forecasts real past launches with a model release that ended before them, then reveals what
happened.
"""

import json
import random
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

from onshelf import _inputs
from onshelf._cli import _words as w
from onshelf._cli._json_form import to_json
from onshelf._cli._options import Service
from onshelf._cli._prices import release_info
from onshelf._cli._replay_chart import chart
from onshelf._cli._replay_file import PastCase, Replayed, ReplayFile, read_replay
from onshelf._cli._replay_view import replay_sections, totals
from onshelf._cli._terminal import progress, show
from onshelf._cli._usage import UsageError
from onshelf._cli._values import WHOLE, Count, option
from onshelf._client import Client
from onshelf._enums import ObjectiveMetric
from onshelf._errors import NoFeasiblePlan
from onshelf._money import Money
from onshelf._results import ResponseInfo, UnitsBasis

_LAUNCHES = Path("var/replay/launches.json")
# Without costs and budget there is no winner but a frontier; what limits promotion here is that of the past launch.
_AMPLE = 1_000_000


def replay(
    *,
    launches: Annotated[Path, option(f"file of past launches (default: {_LAUNCHES})")] = _LAUNCHES,
    count: Annotated[int, WHOLE, option("launches to replay (default: 10)", "-n")] = 10,
    seed: Annotated[Count, option("draw others than the first of the file")] = None,
    no_plans: Annotated[bool, option("only forecast what was done, without planning it anew")] = False,
    svg: Annotated[Path | None, option("draw the forecasts and what happened as a picture in this file, too")] = None,
    as_json: Annotated[bool, option("print the forecasts and what happened as JSON", "--json")] = False,
    service: Service = Service(),
) -> None:
    """Forecast real past launches blind, then reveal what happened, however good or bad the forecasts were."""
    file = read_replay(launches)
    cases = _choose(file, count, seed)
    with service.connect() as client:
        info = release_info(client, file.model_release)
        with progress("replayed", len(cases)) as step:
            replayed = []
            for case in cases:
                one, basis = _replay(client, file, case, info.currency, not no_plans)
                replayed.append(one)
                step("")
    if svg is not None:
        _write_svg(svg, chart(replayed, f"data to {w.day(file.as_of)}"))
    if as_json:
        summary = {"model_release": file.model_release, "as_of": file.as_of, "launches": replayed, **totals(replayed)}
        print(json.dumps(to_json(summary), ensure_ascii=False, indent=2))
    else:
        show(*replay_sections(replayed, file, ResponseInfo(model_release=info, units_basis=basis)))


def _choose(file: ReplayFile, count: int, seed: int | None) -> Sequence[PastCase]:
    if not 1 <= count <= len(file.launches):
        raise UsageError(f"-n is {count}; the file holds {len(file.launches)} launches, give 1 to {len(file.launches)}")
    drawn = file.launches[:count] if seed is None else random.Random(seed).sample(file.launches, count)
    return sorted(drawn, key=lambda case: (case.launch_date, case.product.product_id or ""))


def _replay(client: Client, file: ReplayFile, case: PastCase, currency: str, plan: bool) -> tuple[Replayed, UnitsBasis]:
    price = None if case.price is None else Money(case.price, currency)
    product = case.product_at(price)
    done = client.evaluate_plan(product, case.action_at(price), model_release=file.model_release, similar_launches=0)
    planned = None
    if plan:
        try:
            planned = client.plan_launch(
                product,
                # As much promotion as was done and the same price, so that the difference is the choice of week and
                # channels.
                constraints=_inputs.PlanConstraints(
                    prices=() if price is None else (price,),
                    promotion_budget=Money(_AMPLE, currency),
                    max_channels=len(case.channels),
                    max_discount=case.discount,
                    allow_coupon=case.coupon,
                ),
                objective=_inputs.Objective(metric=ObjectiveMetric.UNITS),
                model_release=file.model_release,
                max_plans=1,
                audience_size=0,
                similar_launches=0,
            ).plans[0]
        except NoFeasiblePlan:
            planned = None
    return Replayed(case=case, forecast=done.plan.forecast(8), planned=planned), done.info.units_basis


def _write_svg(path: Path, picture: str) -> None:
    unfinished = path.with_name(f".{path.name}.unfinished")
    try:
        unfinished.write_text(picture, encoding="utf-8")
        unfinished.replace(path)
    except OSError as error:
        raise UsageError(f"--svg {path}: {error.strerror}") from None
