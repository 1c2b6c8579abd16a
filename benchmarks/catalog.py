"""UpsertProducts: how many a minute, and how long until every gateway process recommends a product.

    python benchmarks/catalog.py --triton localhost:8001        a part of `make bench`

Starts gateways of its own, each one process on a port of its own, that share a new store on this disk. Every product
has a title of its own, so that no cache can know it. `upserts_per_minute` counts what was answered, so what is durable
and retrievable, by callers that send to the first gateway; products have their category path, or the department alone,
so that the encoder finds the rest. A product is visible where FindSimilarLaunches by its id
answers, which every process is asked every few milliseconds; the time is that of the slowest process, from sending the
upsert and from its answer, while nothing else happens and during the upserts. The last line printed is one JSON
document.
"""

import argparse
import asyncio
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.feather as feather
from plan_latency import ROOT, machine, rounded

from onshelf import AsyncClient, Money, NotFound, OnshelfError, Product

LEVELS = ("department", "category", "type")
LOOK_S = 0.005  # between two looks whether a product is visible
WAIT_S = 30.0


@contextmanager
def gateway(releases: Path, triton: str, folder: Path, number: int) -> Iterator[str]:
    """host:port of a gateway on the common store."""
    state = folder / f"gateway-{number}.json"
    words = ["--releases", releases, "--triton", triton, "--listen", "127.0.0.1:0", "--metrics-port", -1]
    words += ["--address-file", state, "--store", f"sqlite:///{folder / 'store.db'}", "--catalogue-entries", 1_000_000]
    with (folder / f"gateway-{number}.log").open("w") as log:
        process = subprocess.Popen([sys.executable, "-m", "onshelf_gateway", *map(str, words)], stderr=log)
        try:
            deadline = time.monotonic() + 60
            while not state.exists():
                if process.poll() is not None or time.monotonic() > deadline:
                    raise SystemExit(f"the gateway did not start: {(folder / f'gateway-{number}.log').read_text()}")
                time.sleep(0.1)
            yield str(json.loads(state.read_text())["address"])
        finally:
            process.terminate()
            process.wait()


def titles(release: Path, count: int, seed: int, levels: int = 3) -> list[Product]:
    """Products with distinct titles and ids; of their category path so many levels are given, from the broadest on."""
    names = [f"{level}_id" for level in LEVELS]
    table = feather.read_table(release / "products.arrow", columns=["title", "price", *names]).to_pandas()
    words = feather.read_table(release / "vocabulary.arrow", columns=["level", "id", "readable_name"]).to_pandas()
    known = {(row.level, row.id): row.readable_name for row in words.itertuples()}
    rows = table.drop_duplicates("title").sample(n=count, random_state=seed, replace=True)
    return [
        Product(
            product_id=f"new-{seed}-{n}",
            title=f"{row.title} no. {n}",
            category_path=tuple(
                known[level, number] for level in LEVELS[:levels] if (number := getattr(row, f"{level}_id"))
            ),
            list_price=Money(f"{max(float(row.price), 0.5):.2f}", "USD") if row.price > 0 else None,
        )
        for n, row in enumerate(rows.itertuples())
    ]


async def upsert_all(
    client: AsyncClient, products: list[Product], at_once: int, callers: int
) -> tuple[float, list[float]]:
    """Seconds for all, and those of each call; refused products end the measurement."""
    parts = iter([products[n : n + at_once] for n in range(0, len(products), at_once)])
    seconds: list[float] = []

    async def caller() -> None:
        for part in parts:
            start = time.perf_counter()
            answer = await client.upsert_products(part)
            seconds.append(time.perf_counter() - start)
            if answer.errors:
                raise SystemExit(f"refused: {answer.errors[0]}")

    start = time.perf_counter()
    await asyncio.gather(*(caller() for _ in range(callers)))
    return time.perf_counter() - start, seconds


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


async def watch(
    clients: list[AsyncClient], products: list[Product], pause: float, ended: asyncio.Event | None = None
) -> list[tuple[float, float]]:
    """Seconds from sending and from the answer until each product is visible in the slowest process; until `ended`."""
    found: list[tuple[float, float]] = []
    for product in products:
        if ended is not None and ended.is_set():
            break
        await asyncio.sleep(pause * float(np.random.default_rng(len(found)).uniform(0.5, 1.5)))
        assert product.product_id is not None
        looking = [asyncio.create_task(visible(client, product.product_id)) for client in clients]
        sent = time.perf_counter()
        await clients[0].upsert_products([product])
        answered = time.perf_counter()
        last = max(await asyncio.gather(*looking))
        found.append((last - sent, max(0.0, last - answered)))
    return found


async def recommend(client: AsyncClient, users: list[str], share: float) -> dict[str, float]:
    """Latency of RecommendProducts, one caller."""
    latencies = []
    for user in users:
        start = time.perf_counter()
        await client.recommend_products(user, count=20, new_product_share=share)
        latencies.append(1000 * (time.perf_counter() - start))
    return {f"p{p}_ms": float(np.percentile(latencies, p)) for p in (50, 95)}


def spread(seconds: list[float]) -> dict[str, float]:
    """Percentiles in milliseconds."""
    return {f"p{p}_ms": 1000 * float(np.percentile(seconds, p)) for p in (50, 95)} | {"max_ms": 1000 * max(seconds)}


async def measure(arguments: argparse.Namespace, addresses: list[str]) -> dict[str, Any]:
    """All of it."""
    folders = [path for path in arguments.releases.iterdir() if path.name.isdigit()]
    release = max(folders, key=lambda path: int(path.name))
    users = feather.read_table(release / "users.arrow", columns=["user_id"])["user_id"].to_pylist()[: arguments.looks]
    clients = [AsyncClient(address, timeout=60) for address in addresses]
    probe = await clients[0].find_similar_launches(Product(title="probe"), count=1)
    await clients[0].upsert_products(titles(release, 32, 1))  # warm
    recommended = {"32": await recommend(clients[0], users, 0.2)}
    idle = await watch(clients, titles(release, arguments.looks, 2), 0.3)
    products = titles(release, arguments.products, 3)
    ended = asyncio.Event()
    looking = asyncio.create_task(watch(clients, titles(release, 1_000, 4), 0.3, ended))
    seconds, calls = await upsert_all(clients[0], products, arguments.at_once, arguments.callers)
    ended.set()
    busy = await looking
    inferred = titles(release, max(len(products) // 4, arguments.at_once), 5, levels=1)
    longer, _ = await upsert_all(clients[0], inferred, arguments.at_once, arguments.callers)
    recommended[str(len(products) + len(inferred))] = await recommend(clients[0], users, 0.2)
    for client in clients:
        await client.close()
    return {
        "model_release": probe.info.model_release.version,
        "processes": len(addresses),
        "products": len(products),
        "products_a_call": arguments.at_once,
        "callers": arguments.callers,
        "upserts_per_minute": 60 * len(products) / seconds,
        "upserts_per_minute_department_only": 60 * len(inferred) / longer,
        "call": spread(calls),
        "visible_everywhere": {
            "looks": len(idle),
            "from_sending": spread([one[0] for one in idle]),
            "from_the_answer": spread([one[1] for one in idle]),
        },
        "visible_during_upserts": {
            "looks": len(busy),
            "from_sending": spread([one[0] for one in busy]),
            "from_the_answer": spread([one[1] for one in busy]),
        }
        if busy
        else None,
        "recommend_products_by_entries": recommended,
    }


def main() -> None:
    """Measure, write, print."""
    parser = argparse.ArgumentParser(description="Measure UpsertProducts.")
    parser.add_argument("--triton", required=True, help="host:port of a Triton that serves the model release")
    parser.add_argument("--releases", type=Path, default=ROOT / "var/releases")
    parser.add_argument("--processes", type=int, default=2)
    parser.add_argument("--products", type=int, default=10_000)
    parser.add_argument("--at-once", type=int, default=250)
    parser.add_argument("--callers", type=int, default=2)
    parser.add_argument("--looks", type=int, default=50, help="products whose visibility is timed, and users asked for")
    parser.add_argument("--out", type=Path, help="folder for catalog.json")
    given = parser.parse_args()
    commit = subprocess.run(["git", "describe", "--always", "--dirty"], cwd=ROOT, capture_output=True, text=True)
    with tempfile.TemporaryDirectory() as folder, ExitStack() as stack:
        addresses = [
            stack.enter_context(gateway(given.releases, given.triton, Path(folder), n)) for n in range(given.processes)
        ]
        measured = asyncio.run(measure(given, addresses))
    result = {
        "command": "python benchmarks/catalog.py",
        "machine": f"{machine()}, load {os.getloadavg()[0]:.1f} at the end",
        "commit": commit.stdout.strip(),
        "date": time.strftime("%Y-%m-%d"),
        **rounded(measured),
    }
    if given.out is not None:
        given.out.mkdir(parents=True, exist_ok=True)
        (given.out / "catalog.json").write_text(json.dumps(result, indent=2) + "\n")
    print(json.dumps(result))


if __name__ == "__main__":
    main()
