"""Retrieval over large catalogues: exact, equal scores included, at every shape of the construction."""

import json
import subprocess
import sys
from pathlib import Path

import large_retrieval as large
import numpy as np
import pytest
import torch

from onshelf_exporter.release.graphs import run_graph, session


def found_by_graph(vectors: np.ndarray, queries: np.ndarray, k: int, path: Path, **shape: int) -> dict[str, np.ndarray]:
    module = large.ExactRetrieval(torch.from_numpy(vectors), k, **shape)
    return run_graph(session(large.write(module, path)), {"query": queries})


# no rest; a rest; fewer blocks than answers; everything is rest
@pytest.mark.parametrize(("rows", "k"), [(2048, 20), (2000, 20), (2000, 120), (100, 20), (10, 20)])
def test_equal_scores_stand_in_their_order(rows: int, k: int, tmp_path: Path) -> None:
    random = np.random.default_rng(rows + k)
    vectors = random.integers(-1, 2, (rows, large.WIDTH)).astype(np.float32)  # sums are exact, most scores are shared
    vectors[rows // 2 :] = vectors[: rows - rows // 2]
    queries = random.integers(-1, 2, (5, large.WIDTH)).astype(np.float32)
    found = found_by_graph(vectors, queries, k, tmp_path / "graph.onnx", panel=256, block=16)
    best = large.brute_force(vectors, queries, k)
    np.testing.assert_array_equal(found["indices"], best)
    np.testing.assert_array_equal(found["scores"], np.take_along_axis(queries @ vectors.T, best, 1))


def test_one_block_may_hold_all_the_best(tmp_path: Path) -> None:
    vectors, query = large.synthetic(2000, 1), large.synthetic(1, 2)
    vectors[512:528] += 3 * query
    found = found_by_graph(vectors, query, 16, tmp_path / "graph.onnx", panel=256, block=16)
    assert sorted(found["indices"][0]) == list(range(512, 528))


@pytest.mark.parametrize("name", large.VARIANTS)
def test_every_construction_finds_the_same(name: str, tmp_path: Path) -> None:
    vectors, queries = large.synthetic(9000, 3), large.synthetic(4, 4)
    path = large.write(large.VARIANTS[name](torch.from_numpy(vectors), 50), tmp_path / "graph.onnx")
    best = large.brute_force(vectors, queries, 50)
    for batch in (1, 4):
        assert large.recall(run_graph(session(path), {"query": queries[:batch]})["indices"], best[:batch]) == 1.0


def test_int8_rescores_exactly(tmp_path: Path) -> None:
    vectors, queries = large.synthetic(2000, 5), large.synthetic(3, 6)
    found = run_graph(session(large.write_int8(vectors, 20, tmp_path / "graph.onnx")), {"query": queries})
    scores = np.take_along_axis(queries @ vectors.T, found["indices"], 1)
    np.testing.assert_allclose(found["scores"], scores, atol=1e-6)
    assert large.recall(found["indices"], large.brute_force(vectors, queries, 20)) > 0.95


def test_vectors_apart_answer_the_same(tmp_path: Path) -> None:
    path = large.write(large.ExactRetrieval(torch.from_numpy(large.synthetic(9000, 7)), 10), tmp_path / "graph.onnx")
    apart = large.external(path, tmp_path / "apart")
    assert apart.stat().st_size < 1e6 < (apart.parent / "vectors.bin").stat().st_size
    queries = {"query": large.synthetic(2, 8)}
    one, other = run_graph(session(path), queries), run_graph(session(apart), queries)
    np.testing.assert_array_equal(one["indices"], other["indices"])


def test_served_by_triton(triton_environment: Path, tmp_path: Path) -> None:
    vectors = large.synthetic(9000, 9)
    path = large.write(large.ExactRetrieval(torch.from_numpy(vectors), large.K), tmp_path / "graph.onnx")
    apart = large.external(path, tmp_path / "apart")
    assert large.serve(apart, vectors, tmp_path / "served", triton_environment, rounds=2)["recall"] == 1.0


def test_the_result_is_one_document(tmp_path: Path) -> None:
    command = [sys.executable, large.__file__, "--sizes", "2000", "--rounds", "2", "--read-megabytes", "16"]
    done = subprocess.run([*command, "--out", str(tmp_path)], capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr
    result = json.loads(done.stdout.splitlines()[-1])
    assert result == json.loads((tmp_path / "large_retrieval.json").read_text())
    assert result["exact"]
    assert result["ratios"]["retrieval_vs_bandwidth"] > 0
    assert [row["vectors"] for row in result["sweep"]] == [2000]
