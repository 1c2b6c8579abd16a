"""bench-gpu: its arithmetic, and that it says so where there is no GPU."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from torch import nn
from torch.utils._python_dispatch import TorchDispatchMode

from onshelf_benchmarks import gpu, packed

CPU = torch.device("cpu")


def test_without_a_gpu_it_says_so(tmp_path: Path) -> None:
    blind = os.environ | {"CUDA_VISIBLE_DEVICES": ""}
    command = [sys.executable, "-m", "onshelf_benchmarks.gpu", "--out", str(tmp_path)]
    done = subprocess.run(command, env=blind, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 1
    assert "no GPU here" in done.stderr
    assert not list(tmp_path.iterdir())


def test_the_limit_is_the_larger_of_operations_and_bytes() -> None:
    module = gpu.Vectors(rows=5000, width=64, k=10)
    case = gpu.Case(model=gpu.VECTORS, size="batch 4", precision="fp32", answers=4, inputs=(torch.randn(4, 64),))
    flops, read = 2 * 4 * 64 * 5000, 4 * (64 * 5000 + 4 * 64)
    slow_memory = gpu.measure_case(case, module, CPU, {"fp32_flops": 1e15, "bytes": 1e3}, rounds=2)
    assert slow_memory["bound_by"] == "bytes"
    assert slow_memory["limit_ms"] == pytest.approx(1e3 * read / 1e3)
    slow_math = gpu.measure_case(case, module, CPU, {"fp32_flops": 1e3, "bytes": 1e15}, rounds=2)
    assert slow_math["bound_by"] == "operations"
    assert slow_math["limit_ms"] == pytest.approx(1e3 * flops / 1e3)
    assert slow_math["answers_per_second"] == pytest.approx(4e3 / slow_math["launched_ms"])


def test_packed_models_keep_whole_numbers_and_shapes(tmp_path: Path) -> None:
    module = nn.Sequential(nn.Linear(300, 200), nn.LayerNorm(200))
    module.register_buffer("rows", torch.arange(1000))
    packed.pack({"small": module}, tmp_path / "models.zip")
    assert (tmp_path / "models.zip").stat().st_size < 100_000  # the weights alone are 240 kB
    again = packed.unpack(tmp_path / "models.zip")["small"].eval()
    assert torch.equal(again.rows, torch.arange(1000))
    assert torch.isfinite(again(torch.ones(2, 300))).all()
    assert again[0].weight.shape == (200, 300)
    assert again[0].weight.std() > 0


class Made(TorchDispatchMode):
    """Keeps what is made of Python's numbers: on a GPU each is a copy that a recorded graph may not hold."""

    def __init__(self) -> None:
        super().__init__()
        self.tensors: list[torch.Size] = []

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        result = func(*args, **(kwargs or {}))
        if func is torch.ops.aten.lift_fresh.default:
            self.tensors.append(result.shape)
        return result


def test_a_list_as_an_index_is_noticed() -> None:
    with Made() as made:
        torch.ones(3, 3)[:, [0, 2]]
    assert made.tensors == [torch.Size([2])]


MODELS = [one for one in gpu.cases(quick=True) if one.precision == "fp32" and "vectors" not in one.model]


@pytest.mark.parametrize("case", MODELS, ids=lambda one: one.model)
def test_a_model_can_be_recorded_as_one_graph(case: gpu.Case, small_release) -> None:
    module = packed.load_run(small_release.run.folder / "production")[case.model].eval()
    with torch.inference_mode(), Made() as made:
        module(*case.inputs)
    assert made.tensors == []
