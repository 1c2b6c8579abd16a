"""Retrieval over large catalogs: exact, equal scores included, at every shape of the construction."""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

from onshelf_benchmarks import retrieval
from onshelf_exporter.release.graphs import run_graph, session


def found_by_graph(vectors: np.ndarray, queries: np.ndarray, k: int, path: Path, **shape: int) -> dict[str, np.ndarray]:
    module = retrieval.ExactRetrieval(torch.from_numpy(vectors), k, **shape)
    return run_graph(session(retrieval.write(module, path)), {"query": queries})


# no rest; a rest; fewer blocks than answers; everything is rest
@pytest.mark.parametrize(("rows", "k"), [(2048, 20), (2000, 20), (2000, 120), (100, 20), (10, 20)])
def test_equal_scores_stand_in_their_order(rows: int, k: int, tmp_path: Path) -> None:
    random = np.random.default_rng(rows + k)
    vectors = random.integers(-1, 2, (rows, retrieval.WIDTH)).astype(np.float32)  # sums are exact, most are shared
    vectors[rows // 2 :] = vectors[: rows - rows // 2]
    queries = random.integers(-1, 2, (5, retrieval.WIDTH)).astype(np.float32)
    found = found_by_graph(vectors, queries, k, tmp_path / "graph.onnx", panel=256, block=16)
    best = retrieval.brute_force(vectors, queries, k)
    np.testing.assert_array_equal(found["indices"], best)
    np.testing.assert_array_equal(found["scores"], np.take_along_axis(queries @ vectors.T, best, 1))


def test_one_block_may_hold_all_the_best(tmp_path: Path) -> None:
    vectors, query = retrieval.synthetic(2000, 1), retrieval.synthetic(1, 2)
    vectors[512:528] += 3 * query
    found = found_by_graph(vectors, query, 16, tmp_path / "graph.onnx", panel=256, block=16)
    assert sorted(found["indices"][0]) == list(range(512, 528))


def test_the_construction_that_is_measured_is_exact(tmp_path: Path) -> None:
    vectors, queries = retrieval.synthetic(9000, 3), retrieval.synthetic(4, 4)
    path = retrieval.write(retrieval.ExactRetrieval(torch.from_numpy(vectors), 50), tmp_path / "graph.onnx")
    best = retrieval.brute_force(vectors, queries, 50)
    for batch in (1, 4):
        found = run_graph(session(path), {"query": queries[:batch]})["indices"]
        assert retrieval.recall(found, best[:batch]) == 1.0


def test_the_result_is_one_document(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "onshelf_benchmarks.retrieval"]
    command += ["--size", "2000", "--rounds", "2", "--read-megabytes", "16"]
    done = subprocess.run([*command, "--out", str(tmp_path)], capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr
    result = json.loads(done.stdout.splitlines()[-1])
    assert result == json.loads((tmp_path / "large_retrieval.json").read_text())
    assert result["command"].startswith("python -m onshelf_benchmarks.retrieval --size 2000 --rounds 2")
    assert result["exact"]
    assert result["ratios"]["retrieval_vs_bandwidth"] > 0
    assert result["vectors"] == 2000
