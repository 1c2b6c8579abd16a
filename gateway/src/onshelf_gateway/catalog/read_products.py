"""Many products read for the catalog: parsed, tokenised, encoded in batches, their categories completed."""

import asyncio
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from onshelf.v1 import types_pb2
from onshelf_gateway.call import side_by_side
from onshelf_gateway.call.call import Call
from onshelf_gateway.call.errors import GatewayError, Violation
from onshelf_gateway.catalog.delta import RECORD, pack
from onshelf_gateway.inference.models import Models
from onshelf_gateway.product.categories import completed
from onshelf_gateway.product.understanding import PreparedProduct, notice_reading, prepare
from onshelf_gateway.releases.model_release import ModelRelease
from onshelf_gateway.requests.checks import Checker
from onshelf_gateway.requests.questions import parse_product
from onshelf_gateway.settings import Settings

AT_ONCE = (
    32  # products of one step: no longer on the event loop, and no longer in the encoder, before others get a turn
)
STEPS = 2  # steps of one call that are under way: one is read while the next one is prepared
_FIELD = "product"


@dataclass(frozen=True)
class Reading:
    """What became of one product: an encoding (a record of `delta.RECORD`), or the rule that it breaks.

    The problem's field is a path that begins with "product".
    """

    encoding: bytes = b""
    problem: Violation | None = None


async def read_products(
    call: Call,
    release: ModelRelease,
    models: Models,
    settings: Settings,
    products: Sequence[types_pb2.Product],
) -> list[Reading]:
    """Read products, in order. Remarks of all of them are counted by kind and become remarks of the call.

    Raises:
        GatewayError: a model failed.
    """
    remarks: dict[types_pb2.NoticeCode, Counter[str]] = {}
    steps = asyncio.Semaphore(STEPS)
    failed = False

    async def step(some: Sequence[types_pb2.Product]) -> list[Reading]:
        nonlocal failed
        async with steps:
            if failed:
                raise asyncio.CancelledError
            try:
                return await _read(call, release, models, settings, some, remarks)
            except BaseException:
                failed = True
                raise

    tasks = [asyncio.create_task(step(products[n : n + AT_ONCE])) for n in range(0, len(products), AT_ONCE)]
    try:
        await asyncio.gather(*tasks)
    finally:
        await side_by_side.end(tasks, call.remaining())
    for code, messages in remarks.items():
        (example, _), count = messages.most_common(1)[0], messages.total()
        call.notice(code, example if count == 1 else f"{count} products, for example: {example}", "products")
    return [reading for task in tasks for reading in task.result()]


async def _read(
    call: Call,
    release: ModelRelease,
    models: Models,
    settings: Settings,
    products: Sequence[types_pb2.Product],
    remarks: dict[types_pb2.NoticeCode, Counter[str]],
) -> list[Reading]:
    readings = [Reading() for _ in products]
    ready: list[tuple[int, PreparedProduct, Call]] = []
    with call.stage("tokenize", len(products)):
        for number, product in enumerate(products):
            own = call.part()
            try:
                check = Checker()
                check.text(f"{_FIELD}.product_id", product.product_id, 128, required=True)
                question = parse_product(check, product, release, _FIELD)
                check.done()
                ready.append((number, prepare(own, release, settings, question), own))
            except GatewayError as error:
                readings[number] = Reading(problem=error.violations[0])
    if ready:
        records = await _encode(call, release, models, ready)
        for (number, _, own), record in zip(ready, records, strict=True):
            readings[number] = Reading(record)
            for notice in own.notices:
                remarks.setdefault(notice.code, Counter())[notice.message] += 1
    return readings


async def _encode(
    call: Call, release: ModelRelease, models: Models, ready: Sequence[tuple[int, PreparedProduct, Call]]
) -> list[bytes]:
    rows = [one.row() for _, one, _ in ready]
    answers = await models.encode_rows(call, release, rows)
    encoded = [models.encoded_product(release, row, said) for row, said in zip(rows, answers, strict=True)]
    categories = []
    for (_, one, own), said in zip(ready, encoded, strict=True):
        categories.append(completed(release.vocabulary, one.named, said.category_ids, said.confidence))
        notice_reading(own, one, categories[-1])
    embeddings = np.stack([said.embedding for said in encoded]).astype(np.float32)
    limits, closest = await models.find_neighbours(call, release, embeddings)
    records = pack(
        {
            "embeddings": embeddings,
            "product_vectors": np.stack([said.product_vector for said in encoded]),
            "categorical_ids": np.array(
                [(*c.ids, one.brand) for c, (_, one, _) in zip(categories, ready, strict=True)]
            ),
            "neighbour_limits": limits,
            "closest": closest,
            "confidence": np.array([category.confidence for category in categories]),
        }
    )
    raw, size = records.tobytes(), RECORD.itemsize
    return [raw[n * size : (n + 1) * size] for n in range(len(records))]
