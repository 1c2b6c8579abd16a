"""UpsertProducts: how many a minute, and how long until every gateway process recommends a product.

    python -m onshelf_benchmarks.catalog --triton localhost:8001        a part of `make bench`

Starts gateways of its own, each one process on a port of its own, that share a new store on this disk. Every product
has a title of its own, so that no cache can know it. `upserts_per_minute` counts what was answered, so what is durable
and retrievable, by callers that send to the first gateway. A product is visible where FindSimilarLaunches by its id
answers, which every process is asked every few milliseconds; the time is that of the slowest process, from sending the
upsert and from its answer, while nothing else happens and during the upserts.
"""

import asyncio
import dataclasses
import tempfile
import time
from contextlib import ExitStack
from pathlib import Path

import numpy as np

from onshelf import AsyncClient, NotFound, OnshelfError, Product
from onshelf_benchmarks import servers
from onshelf_benchmarks.command import command
from onshelf_benchmarks.load import Milliseconds, closed_loop, percentiles, whole
from onshelf_benchmarks.products import products_of
from onshelf_benchmarks.record import RELEASES, Document, newest_release

LOOK_S = 0.005  # between two looks whether a product is visible
PAUSE_S = 0.3  # between two products that are looked for, on average
WAIT_S = 30.0
PROCESSES, CALLERS = 2, 2
PERCENTILES = (50, 95)


def named(release: Path, count: int, seed: int) -> list[Product]:
    """Distinct products with ids and category paths."""
    some = products_of(release, count, seed, paths=True)
    return [dataclasses.replace(one, product_id=f"new-{seed}-{number}") for number, one in enumerate(some)]


async def upsert_all(client: AsyncClient, products: list[Product], at_once: int) -> tuple[float, Milliseconds]:
    """Products a minute, and milliseconds of each call; refused products end the measurement."""

    async def ask(part: list[Product]) -> None:
        answer = await client.upsert_products(part)
        if answer.errors:
            raise SystemExit(f"refused: {answer.errors[0]}")

    parts = [products[n : n + at_once] for n in range(0, len(products), at_once)]
    rate, latencies = whole(await closed_loop(ask, parts, CALLERS))
    return 60 * rate * len(products) / len(parts), latencies


async def visible(client: AsyncClient, product_id: str) -> float:
    """time.perf_counter() at which a gateway answers for a product."""
    deadline = time.perf_counter() + WAIT_S
    while time.perf_counter() < deadline:
        try:
            await client.find_similar_launches(product_id=product_id, count=1)
            return time.perf_counter()
        except NotFound:
            await asyncio.sleep(LOOK_S)
        except OnshelfError as error:
            raise SystemExit(f"a gateway failed: {error}") from error
    raise SystemExit(f"{product_id} is not visible after {WAIT_S} s")


async def watch(clients: list[AsyncClient], products: list[Product], ended: asyncio.Event) -> Document:
    """How long each product takes until it is visible in the slowest process, from sending and from the answer."""
    sending: list[float] = []
    answering: list[float] = []
    for product in products:
        if ended.is_set():
            break
        await asyncio.sleep(PAUSE_S * float(np.random.default_rng(len(sending)).uniform(0.5, 1.5)))
        assert product.product_id is not None
        looking = [asyncio.create_task(visible(client, product.product_id)) for client in clients]
        sent = time.perf_counter()
        await clients[0].upsert_products([product])
        answered = time.perf_counter()
        last = max(await asyncio.gather(*looking))
        sending.append(1000 * (last - sent))
        answering.append(1000 * max(0.0, last - answered))
    return {"looks": len(sending)} | {
        name: percentiles(np.array(taken), PERCENTILES) | {"max_ms": max(taken)}
        for name, taken in (("from_sending", sending), ("from_the_answer", answering))
        if taken
    }


async def ask_all(addresses: list[str], release: Path, *, products: int, at_once: int, looks: int) -> Document:
    """All that is asked of gateways that share a store."""
    clients = [AsyncClient(address, timeout=60) for address in addresses]
    first, ended = clients[0], asyncio.Event()
    await first.upsert_products(named(release, 32, 1))  # warm
    idle = await watch(clients, named(release, looks, 2), ended)
    looking = asyncio.create_task(watch(clients, named(release, 1_000, 4), ended))
    rate, calls = await upsert_all(first, named(release, products, 3), at_once)
    ended.set()
    busy = await looking
    for client in clients:
        await client.close()
    return {
        "upserts_per_minute": rate,
        "call": percentiles(calls, PERCENTILES) | {"max_ms": float(calls.max())},
        "visible_everywhere": idle,
        "visible_during_upserts": busy,
    }


def measure(
    *,
    triton: str,
    releases: Path = RELEASES,
    products: int = 10_000,
    at_once: int = 250,
    looks: int = 50,
) -> Document:
    """All of it.

    Args:
        triton: host:port of a Triton that serves the model release.
        releases: folder of model releases.
        products: to upsert.
        at_once: products of a call.
        looks: products whose visibility is timed.
    """
    release = newest_release(releases)
    flags = ["--triton", triton, "--catalog-entries", "1000000"]
    with tempfile.TemporaryDirectory() as made, ExitStack() as running:
        folder = Path(made)
        store = folder / "store.db"
        addresses = [
            running.enter_context(servers.started(f"gateway-{n}", flags, folder, store, releases)).address
            for n in range(PROCESSES)
        ]
        found = asyncio.run(ask_all(addresses, release, products=products, at_once=at_once, looks=looks))
    about = {"model_release": int(release.name), "processes": PROCESSES, "products": products}
    return about | {"products_a_call": at_once, "callers": CALLERS} | found


if __name__ == "__main__":
    command("catalog", measure)
