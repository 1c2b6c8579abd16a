"""The models that the gateway serves by Triton's protocol: a table of their tensors, and how each answers.

`launch_plan` is PlanLaunch: one row, one plan. `audience` is FindAudience. `product_text` is a text's embedding alone.
"""

import asyncio
from collections.abc import Awaitable, Callable, Iterator, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

import numpy as np
from numpy.typing import NDArray

from onshelf.v1 import launch_pb2, recommendation_pb2, types_pb2
from onshelf_gateway.call import side_by_side
from onshelf_gateway.call.call import Call
from onshelf_gateway.call.errors import refuse
from onshelf_gateway.inference.models import encoder_row
from onshelf_gateway.product.text import tokenize
from onshelf_gateway.releases.model_release import ModelRelease
from onshelf_gateway.requests import money
from onshelf_gateway.requests.checks import MAX_AMOUNT, Checker
from onshelf_gateway.requests.questions import ProductQuestion
from onshelf_gateway.services.gateway import Gateway
from onshelf_gateway.services.kserve.tensors import Spec
from onshelf_gateway.services.launch.plan_launch import plan_launch
from onshelf_gateway.services.recommendation.find_audience import find_audience
from onshelf_release.signatures import AUDIENCE_RETRIEVAL, LAUNCH_OUTCOME, LAUNCH_RETRIEVAL

Array = NDArray[Any]
Arrays = dict[str, Array]
MAX_TEXT, MAX_PATH = 512, 1_100  # characters; a path is 8 names of at most 128
ENCODER = "product_encoder"  # stands for the encoder of the setting
BAND = (0.1, 0.5, 0.9)

PRODUCT = (
    Spec("title", "BYTES", (1,)),
    Spec("category", "BYTES", (1,), optional=True),
    Spec("brand", "BYTES", (1,), optional=True),
    Spec("list_price", "FP64", (1,), optional=True),
)


@dataclass(frozen=True, kw_only=True)
class ServedModel:
    """One model of the gateway.

    Attributes:
        batch: largest batch; 0: no batch dimension.
        composing: models of Triton that it asks.
        answer: gateway, call, version (0: the one in service), inputs by name [rows, ...], names of the outputs that
            are wanted -> at least those outputs by name [rows, ...].
    """

    inputs: tuple[Spec, ...]
    outputs: tuple[Spec, ...]
    batch: int
    composing: tuple[str, ...]
    answer: Callable[[Gateway, Call, int, Arrays, Sequence[str]], Awaitable[Arrays]]


async def _launch_plan(gateway: Gateway, call: Call, version: int, given: Arrays, wanted: Sequence[str]) -> Arrays:
    release = gateway.release(call, version)
    requests = [_plan_request(release, row, "response" in wanted) for row in _rows(given)]
    if len(requests) == 1:
        return _plan_outputs([await plan_launch(gateway, call, requests[0])], wanted)
    with gateway.permits.hold_some(call, len(requests)) as permits:
        return _plan_outputs(await _batch(gateway, call, requests, asyncio.Semaphore(permits)), wanted)


async def _batch(
    gateway: Gateway, call: Call, requests: Sequence[launch_pb2.PlanLaunchRequest], permits: asyncio.Semaphore
) -> list[launch_pb2.PlanLaunchResponse]:
    """The answers to several requests, as many at once as there are permits; none begins after one has failed."""
    calls = [call.part() for _ in requests]
    failed = False

    async def answer(own: Call, request: launch_pb2.PlanLaunchRequest) -> launch_pb2.PlanLaunchResponse:
        nonlocal failed
        with own.stage("admit"):
            await permits.acquire()
        try:
            if failed:
                raise asyncio.CancelledError
            return await plan_launch(gateway, own, request, admitted=True)
        except BaseException:
            failed = True
            raise
        finally:
            permits.release()

    tasks = [asyncio.create_task(answer(own, request)) for own, request in zip(calls, requests, strict=True)]
    try:
        return await asyncio.gather(*tasks)
    finally:
        await side_by_side.end(tasks, call.remaining())  # their permits are given back next
        for own in calls:
            call.stages.extend(own.stages)
            call.degraded |= own.degraded


def _plan_request(release: ModelRelease, row: dict[str, Any], whole: bool) -> launch_pb2.PlanLaunchRequest:
    """One row as a request; without its audience unless the `whole` response is wanted, as no other output has it."""
    request = launch_pb2.PlanLaunchRequest(
        product=_product(release, row),
        model_release=release.version,
        max_candidates=row.get("max_candidates", 0),
    )
    if not whole:
        request.audience_size = 0
    if row.get("start_date") or row.get("end_date"):
        request.window.start_date, request.window.end_date = row.get("start_date", ""), row.get("end_date", "")
    return request


def _product(release: ModelRelease, row: dict[str, Any]) -> types_pb2.Product:
    if len(row.get("category", "")) > MAX_PATH:
        raise refuse("TEXT_TOO_LONG", "inputs.category", f"has {len(row['category'])} characters; at most {MAX_PATH}")
    product = types_pb2.Product(
        title=row["title"],
        brand=row.get("brand", ""),
        category_path=[name.strip() for name in row["category"].split(">")] if row.get("category") else [],
    )
    for name in ("list_price", "unit_cost"):
        amount = float(row.get(name, 0.0))
        if not abs(amount) <= MAX_AMOUNT:
            message = f"{amount} is no amount of at most {MAX_AMOUNT:,}; 0 stands for an unknown one"
            raise refuse("PRICE_INVALID", f"inputs.{name}", message)
        if amount:
            unit = money.minor_unit(release.manifest.currency)
            getattr(product, name).CopyFrom(
                money.to_money(Decimal(repr(amount)).quantize(unit), release.manifest.currency)
            )
    return product


def _plan_outputs(answers: Sequence[launch_pb2.PlanLaunchResponse], wanted: Sequence[str]) -> Arrays:
    best = [answer.plans[0] for answer in answers]
    last = [plan.forecasts[-1] for plan in best]

    def texts(values: Sequence[str | bytes]) -> Array:
        return np.array([[value] for value in values], dtype=object)

    def numbers(values: Sequence[float | Sequence[float]], dtype: type[np.generic] = np.float64) -> Array:
        return np.array(values, dtype=dtype).reshape(len(best), -1)

    outputs = {
        "plan_id": texts([answer.plan_id for answer in answers]),
        "launch_date": texts([plan.action.launch_date for plan in best]),
        "channels": texts([",".join(use.channel_id for use in plan.action.channels) for plan in best]),
        "discount": numbers([plan.action.discount for plan in best]),
        "coupon": numbers([plan.action.coupon for plan in best], np.bool_),
        "price": numbers([float(money.to_decimal(plan.action.sale_price)) for plan in best]),
        "units": numbers([forecast.units.mean for forecast in last]),
        "units_quantiles": numbers([_band(forecast.units) for forecast in last]),
        "stock_units": numbers([plan.stock.units for plan in best], np.int64),
        "objective_value": numbers([plan.objective_value for plan in best]),
        "summary": texts([plan.summary for plan in best]),
    }
    if "response" in wanted:
        outputs["response"] = texts([answer.SerializeToString() for answer in answers])
    return outputs


def _band(units: types_pb2.CountForecast) -> list[float]:
    levels, values = zip(*((point.level, point.value) for point in units.quantiles), strict=True)
    return [float(np.interp(level, levels, values)) for level in BAND]


async def _audience(gateway: Gateway, call: Call, version: int, given: Arrays, wanted: Sequence[str]) -> Arrays:  # noqa: ARG001
    release = gateway.release(call, version)
    row = next(_rows(given))
    request = recommendation_pb2.FindAudienceRequest(product=_product(release, row), model_release=release.version)
    if "count" in row:
        request.count = row["count"]
    answer = await find_audience(gateway, call, request)
    return {
        "user_ids": np.array([[user.user_id for user in answer.users]], dtype=object),
        "scores": np.array([[user.score for user in answer.users]], dtype=np.float32),
    }


async def _product_text(gateway: Gateway, call: Call, version: int, given: Arrays, wanted: Sequence[str]) -> Arrays:  # noqa: ARG001
    with call.stage("validate"):
        release = gateway.release(call, version)
        check = Checker()
        texts = [check.text("inputs.text", text, MAX_TEXT, required=True) for text in given["text"][:, 0].tolist()]
        check.done()
    with gateway.permits.hold(call):
        with call.stage("tokenize", len(texts)):
            tokens = [tokenize(release, ProductQuestion(title=text)) for text in texts]
            rows = [encoder_row(one.input_ids, one.mask, (0, 0, 0, 0), (0.0, -1.0)) for one in tokens]
        found = await gateway.models.encode_rows(call, release, rows)
    return {"embedding": np.stack([one["embedding"] for one in found])}


def _rows(given: Arrays) -> Iterator[dict[str, Any]]:
    columns = {name: array[:, 0].tolist() for name, array in given.items()}
    return (dict(zip(columns, values, strict=True)) for values in zip(*columns.values(), strict=True))


MODELS: dict[str, ServedModel] = {
    "launch_plan": ServedModel(
        inputs=(
            *PRODUCT,
            Spec("unit_cost", "FP64", (1,), optional=True),
            Spec("start_date", "BYTES", (1,), optional=True),
            Spec("end_date", "BYTES", (1,), optional=True),
            Spec("max_candidates", "INT32", (1,), optional=True),
        ),
        outputs=(
            Spec("plan_id", "BYTES", (1,)),
            Spec("launch_date", "BYTES", (1,)),
            Spec("channels", "BYTES", (1,)),
            Spec("discount", "FP64", (1,)),
            Spec("coupon", "BOOL", (1,)),
            Spec("price", "FP64", (1,)),
            Spec("units", "FP64", (1,)),
            Spec("units_quantiles", "FP64", (len(BAND),)),
            Spec("stock_units", "INT64", (1,)),
            Spec("objective_value", "FP64", (1,)),
            Spec("summary", "BYTES", (1,)),
            Spec("response", "BYTES", (1,)),
        ),
        batch=16,
        composing=(ENCODER, LAUNCH_OUTCOME, AUDIENCE_RETRIEVAL, LAUNCH_RETRIEVAL),
        answer=_launch_plan,
    ),
    "audience": ServedModel(
        inputs=(*PRODUCT, Spec("count", "INT32", (1,), optional=True)),
        outputs=(Spec("user_ids", "BYTES", (-1,)), Spec("scores", "FP32", (-1,))),
        batch=0,
        composing=(ENCODER, AUDIENCE_RETRIEVAL),
        answer=_audience,
    ),
    "product_text": ServedModel(
        inputs=(Spec("text", "BYTES", (1,)),),
        outputs=(Spec("embedding", "FP32", (128,)),),
        batch=64,
        composing=(ENCODER,),
        answer=_product_text,
    ),
}
