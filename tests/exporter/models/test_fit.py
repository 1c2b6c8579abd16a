"""Products that came after the release: the graphs say of them what the release's own graphs would."""

from pathlib import Path

import numpy as np
import pytest
import torch
from test_towers import NEW, catalog, history, parts
from test_user_tables import asked, shop
from torch import Tensor

from onshelf_exporter.models.fit import ProductFit, ProductNeighbours
from onshelf_exporter.models.neighbourhood import neighbour_limits
from onshelf_exporter.models.towers import ProductRetrieval, closest_users
from onshelf_exporter.release import graphs
from onshelf_exporter.training.user_tables import distinct, user_tables


def fit_of(retrieval: ProductRetrieval) -> ProductFit:
    contents, content = (torch.from_numpy(part) for part in distinct(catalog()))
    return ProductFit(catalog(), contents, content, retrieval.new).eval()


def own(retrieval: ProductRetrieval) -> tuple[Tensor, ...]:
    """The release's own new products, as upserted ones are described."""
    names = ("own", "own_ids", "vectors", "limits", "closest")
    return tuple(retrieval.new.get_buffer(name).unsqueeze(0) for name in names)


@pytest.mark.parametrize("padding", [0, 11])
def test_an_upserted_product_gets_the_score_and_reasons_of_a_new_one(padding: int) -> None:
    encoder, retrieval, _ = parts()
    past = history(padding)
    with torch.no_grad():
        vector, repeat, weights = encoder(*past)
        user = (vector, past[4], past[0], repeat, weights)
        _, _, _, new, wanted, named = retrieval(*user, torch.zeros(1, 1))
        scores, reasons = fit_of(retrieval)(*user, *own(retrieval))
    place = [NEW.index(product) for product in new[0].tolist()]
    assert torch.allclose(scores[0, place], wanted[0], atol=1e-4)  # but for the order of equal ones
    assert reasons.reshape(-1, 2)[place].tolist() == named.reshape(-1, 2).tolist()


def test_products_do_not_know_of_each_other_nor_of_padding() -> None:
    encoder, retrieval, _ = parts()
    past = history(0)
    with torch.no_grad():
        vector, repeat, weights = encoder(*past)
        user = (vector, past[4], past[0], repeat, weights)
        fit, products = fit_of(retrieval), own(retrieval)
        together, _ = fit(*user, *products)
        alone, _ = fit(*user, *(part[:, 2:3] for part in products))
        padded, _ = fit(*user, *(torch.cat([part, torch.zeros_like(part)], dim=1) for part in products))
    assert torch.allclose(together[:, 2:3], alone, atol=1e-5)
    assert torch.allclose(together, padded[:, : len(NEW)], atol=1e-5)
    assert bool(torch.isfinite(padded).all())


@pytest.mark.parametrize(("products", "bought"), [(1, 3), (40, 300), (1900, 4000)])
def test_neighbours_are_those_of_the_releases_own_graphs(products: int, bought: int) -> None:
    state, shelves = shop(products, bought)
    tables = user_tables(state.catalog, shelves.products, shelves.weights, shelves.start, 4)
    embedding = asked(state, torch.arange(1, products + 1)[:: max(1, products // 12)])[0]
    limits, closest = ProductNeighbours(tables.similar)(embedding)
    sold = state.catalog.get_buffer("embeddings")
    wanted = neighbour_limits(embedding @ sold.T)
    inside = wanted > 0  # what was never sold has a cosine of 0 there; nothing below counts
    assert torch.allclose(limits[inside], wanted[inside], atol=1e-5)
    assert torch.allclose(closest[:, 0], closest_users(tables, embedding), atol=1e-4)


def test_the_exported_graphs_answer_alike_whatever_the_batch(tmp_path: Path) -> None:
    state, shelves = shop(300, 2000)
    tables = user_tables(state.catalog, shelves.products, shelves.weights, shelves.start, 4)
    module = ProductNeighbours(tables.similar).eval()
    rows = {"embedding": asked(state, torch.arange(1, 20))[0].numpy().astype(np.float32)}
    path = tmp_path / "product_neighbours.onnx"
    graphs.export_graph("product_neighbours", module, {"embedding": rows["embedding"][:3]}, path)
    assert graphs.parity("product_neighbours", module, path, rows)["rows"] == 19
    one = graphs.run_graph(graphs.session(path, 1), {"embedding": rows["embedding"][4:5]})
    every = graphs.run_graph(graphs.session(path, 1), rows)
    assert np.allclose(one["closest"][0], every["closest"][4], atol=1e-5)


def test_the_gateway_shares_places_by_the_graphs_rule() -> None:
    from onshelf_gateway.catalog.shelf import shared
    from onshelf_gateway.inference.outputs import Retrieved

    encoder, retrieval, _ = parts()
    past = history(3)
    with torch.no_grad():
        vector, repeat, weights = encoder(*past)
        user = (vector, past[4], past[0], repeat, weights)

        def listed(share: float) -> list[np.ndarray]:
            return [part[0].numpy() for part in retrieval(*user, torch.tensor([[share]]))]

        for share in (0.0, 0.1, 0.25, 0.4, 0.7, 1.0):
            indices, scores, reasons, *_ = listed(share)
            plain = listed(0.0)
            everything = Retrieved(plain[0], plain[1].astype(np.float64), plain[2].reshape(-1, 2))
            new = Retrieved(plain[3], plain[4].astype(np.float64), plain[5].reshape(-1, 2))
            found = shared(everything, new, share)
            assert sorted(found.indices.tolist()) == sorted(indices.tolist())
            assert np.allclose(np.sort(found.scores), np.sort(scores), atol=1e-5)
            # places that are equal may be exchanged
            same = found.indices == indices
            assert same.mean() > 0.8
            assert found.reasons is not None
            assert np.array_equal(found.reasons[same], reasons.reshape(-1, 2)[same])
