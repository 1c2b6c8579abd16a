"""`onshelf replay`: forecasts real past launches with a model release that ended before them, then reveals what
happened.
"""

import argparse
import json
import random
import sys
from collections.abc import Sequence
from pathlib import Path

from onshelf import _inputs
from onshelf._cli import _arguments as a
from onshelf._cli import _words as w
from onshelf._cli._failures import OK, UsageError
from onshelf._cli._json_form import to_json
from onshelf._cli._progress import Progress
from onshelf._cli._replay_chart import chart
from onshelf._cli._replay_file import PastCase, Replayed, ReplayFile, read_replay
from onshelf._cli._replay_view import replay_lines, totals
from onshelf._cli._terminal import terminal_of
from onshelf._client import Client
from onshelf._enums import ObjectiveMetric
from onshelf._errors import NoFeasiblePlan
from onshelf._money import Money

HELP = "forecast real past launches blind, then reveal what happened"
_LAUNCHES = Path("var/replay/launches.json")
# Without costs and budget there is no winner but a frontier; what limits promotion here is that of the past launch.
_AMPLE = 1_000_000


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The options of `replay`."""
    parser.add_argument(
        "--launches", type=Path, default=_LAUNCHES, metavar="FILE", help=f"past launches (default: {_LAUNCHES})"
    )
    parser.add_argument("-n", type=int, default=10, metavar="N", help="launches to replay (default: 10)")
    parser.add_argument("--seed", type=int, metavar="S", help="draw others than the first of the file")
    parser.add_argument("--no-plans", action="store_true", help="only forecast what was done, without planning it anew")
    parser.add_argument(
        "--svg", type=Path, metavar="FILE", help="draw the forecasts and what happened as a picture, too"
    )
    parser.add_argument("--json", action="store_true", help="print the forecasts and what happened as JSON")
    a.add_service(parser)


def run(args: argparse.Namespace) -> int:
    """Replays launches; 0 however good or bad the forecasts were."""
    file = read_replay(args.launches)
    cases = _choose(file, args.n, args.seed)
    with a.connect(args) as client:
        info = client.find_similar_launches(
            _inputs.Product(title="product"), count=1, model_release=file.model_release
        ).info
        progress = Progress("replayed", len(cases))
        replayed = []
        for case in cases:
            replayed.append(_replay(client, file, case, info.model_release.currency, not args.no_plans))
            progress.step()
    if args.svg is not None:
        _write_svg(args.svg, replayed, file)
    if args.json:
        summary = {"model_release": file.model_release, "as_of": file.as_of, "launches": replayed, **totals(replayed)}
        print(json.dumps(to_json(summary), ensure_ascii=False, indent=2))
    else:
        print("\n".join(replay_lines(replayed, file, info, terminal_of(sys.stdout))))
    return OK


def _choose(file: ReplayFile, count: int, seed: int | None) -> Sequence[PastCase]:
    if not 1 <= count <= len(file.launches):
        raise UsageError(f"-n is {count}; the file holds {len(file.launches)} launches, give 1 to {len(file.launches)}")
    drawn = file.launches[:count] if seed is None else random.Random(seed).sample(file.launches, count)
    return sorted(drawn, key=lambda case: (case.launch_date, case.product.product_id or ""))


def _replay(client: Client, file: ReplayFile, case: PastCase, currency: str, plan: bool) -> Replayed:
    price = None if case.price is None else Money(case.price, currency)
    product = case.product_at(price)
    done = client.evaluate_plan(
        product, case.action_at(price), model_release=file.model_release, similar_launches=0
    ).plan
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
    return Replayed(case=case, forecast=done.forecast(8), planned=planned)


def _write_svg(path: Path, replayed: Sequence[Replayed], file: ReplayFile) -> None:
    unfinished = path.with_name(f".{path.name}.unfinished")
    try:
        unfinished.write_text(chart(replayed, f"data to {w.day(file.as_of)}"), encoding="utf-8")
        unfinished.replace(path)
    except OSError as error:
        raise UsageError(f"--svg {path}: {error.strerror}") from None
