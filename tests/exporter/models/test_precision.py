"""Precision of training: chosen by measuring, kept for whoever goes on, set where somebody wants another."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from onshelf_exporter.process.errors import SettingError
from onshelf_exporter.training import devices
from onshelf_exporter.training.precision import (
    FEW,
    MANY,
    Precision,
    begun,
    choose,
)
from onshelf_exporter.training.recipe import RecipeError, load_recipe

MEASURE = """
import torch
from onshelf_exporter.training import devices
from onshelf_exporter.training.precision import choose, layer_seconds
torch.set_num_threads(1)
chosen = choose("auto", devices.CPU, layer_seconds(devices.CPU))
print(chosen.name, chosen.speedup)
"""


class Machine:
    """A pretended machine whose clock moves by what the work takes."""

    def __init__(self, float32: float, bfloat16: float) -> None:
        self.rates = {False: float32, True: bfloat16}
        self.now = 0.0
        self.asked: list[int] = []

    def seconds(self, bfloat16: bool, tokens: int) -> float:
        taken = tokens * self.rates[bfloat16]
        self.now += taken
        self.asked.append(tokens)
        return taken

    def clock(self) -> float:
        return self.now


@pytest.mark.parametrize(
    ("float32", "bfloat16", "name", "speedup"),
    [
        (3e-5, 1e-5, "bfloat16", 3.0),  # such as a CPU with AMX
        (1e-5, 1e-5, "float32", 1.0),  # no gain, so the digits are kept
        (1e-5, 8e-5, "float32", 0.12),  # such as a CPU with AVX2 alone
        (1e-4, 1e-5, "bfloat16", 10.0),  # such as a GPU
    ],
)
def test_the_faster_precision_is_taken(float32: float, bfloat16: float, name: str, speedup: float) -> None:
    machine = Machine(float32, bfloat16)
    chosen = choose("auto", devices.CPU, machine.seconds, machine.clock)
    assert (chosen.name, chosen.speedup) == (name, speedup)
    assert str(chosen) == f"precision: {name}; bfloat16 is {speedup:.2g} times as fast as float32 here"


def test_a_slow_machine_is_not_measured_for_long() -> None:
    machine = Machine(2e-4, 1.6e-3)
    assert choose("auto", devices.CPU, machine.seconds, machine.clock).name == "float32"
    assert set(machine.asked) == {FEW}, "the first look says enough"
    assert machine.now < 1.0
    slower = Machine(1e-3, 1e-3)
    choose("auto", devices.CPU, slower.seconds, slower.clock)
    assert slower.asked.count(MANY) == 4, "once to prepare, once each to measure"


@pytest.mark.parametrize("name", ["float32", "bfloat16"])
def test_a_setting_is_not_measured(name: str) -> None:
    def never(bfloat16: bool, tokens: int) -> float:
        raise AssertionError

    chosen = choose(name, devices.CPU, never)
    assert (chosen.bfloat16, chosen.speedup, str(chosen)) == (name == "bfloat16", None, f"precision: {name}, as set")


def test_training_goes_on_in_the_precision_in_which_it_began(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    first = begun(tmp_path / "run", "bfloat16")
    assert first == Precision("bfloat16", None, "cpu", torch.get_num_threads())
    assert "precision: bfloat16, as set" in capsys.readouterr().err
    assert begun(tmp_path / "run", "auto") == first
    assert not capsys.readouterr().err, "said once"
    assert begun(tmp_path / "other", "float32").name == "float32"


def test_the_setting_takes_the_place_of_the_recipes_and_makes_a_run_of_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("ONSHELF_PRECISION", raising=False)
    auto = load_recipe("test")
    assert auto.encoder.precision == "auto"
    monkeypatch.setenv("ONSHELF_PRECISION", "float32")
    assert load_recipe("test").encoder.precision == "float32"
    assert load_recipe("test").hash != auto.hash
    monkeypatch.setenv("ONSHELF_PRECISION", "float16")
    with pytest.raises(SettingError, match=r"float16.*must be one of auto, float32, bfloat16"):
        load_recipe("test")


def test_a_recipes_precision_is_checked(tmp_path: Path) -> None:
    (tmp_path / "mine.toml").write_text('[encoder]\nprecision = "int8"\n')
    with pytest.raises(RecipeError, match=r"precision.*'int8'.*must be one of auto, float32, bfloat16"):
        load_recipe(str(tmp_path / "mine.toml"))


def test_a_cpu_without_products_of_bfloat16_trains_in_float32() -> None:
    # instructions as on a CPU with AVX2 alone, whatever this one has
    limited = {"ONEDNN_MAX_CPU_ISA": "AVX2", "ATEN_CPU_CAPABILITY": "avx2", "OMP_NUM_THREADS": "1"}
    out = subprocess.run(
        [sys.executable, "-c", MEASURE], env=os.environ | limited, capture_output=True, text=True, check=True
    )
    name, speedup = out.stdout.split()
    assert name == "float32", out.stdout
    assert float(speedup) < 1
