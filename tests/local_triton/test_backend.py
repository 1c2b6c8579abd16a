"""The backend alone, for what a real server never hands over on demand; `backend_driver.py` stands in for Triton."""

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from onshelf_local_triton.layout import BACKEND

CONFIG = {
    "name": "linear",
    "max_batch_size": 16,
    "input": [{"name": "x", "data_type": "TYPE_FP32", "dims": [4]}],
    "output": [{"name": "y", "data_type": "TYPE_FP32", "dims": [3]}],
}

Drive = Callable[..., Any]


@pytest.fixture
def drive(venv: Path, tmp_path: Path, write_linear: Callable[..., Path]) -> Drive:
    """drive(scenario, python=the local Triton's) -> what came back."""
    folder = write_linear(tmp_path) / "linear"
    driver = Path(__file__).with_name("backend_driver.py")

    def run(scenario: str, python: Path = venv / "bin" / "python") -> Any:
        command = [python, driver, BACKEND, folder, json.dumps(CONFIG), scenario]
        result = subprocess.run(command, capture_output=True, text=True, check=False)
        assert result.returncode == 0, result.stderr
        return json.loads(result.stdout)

    return run


def answer(value: float, rows: int = 1) -> dict[str, list[list[float]]]:
    matrix = np.arange(12, dtype=np.float32).reshape(4, 3) - 5
    return {"y": (np.full((rows, 4), value, dtype=np.float32) @ matrix).tolist()}


def test_numpy_2_is_refused(drive: Drive) -> None:
    assert int(np.__version__.split(".")[0]) >= 2  # the main environment's, with which the backend is run here
    refusal = drive("rows", python=Path(sys.executable))["refused"]
    assert f"numpy {np.__version__} is installed" in refusal
    assert "needs numpy<2" in refusal


def test_a_cancelled_request_is_answered_so_and_not_computed(drive: Drive) -> None:
    first, second, third = drive("cancelled")
    assert (first, third) == (answer(1), answer(3))
    assert second == ["CANCELLED", "cancelled before it was computed"]


def test_requests_of_several_rows_get_their_own_back(drive: Drive) -> None:
    assert drive("rows") == [answer(1, 2), answer(2, 1), answer(3, 3)]


def test_each_wrong_request_gets_its_own_error(drive: Drive) -> None:
    good, missing, typed, shaped = drive("wrong")
    assert good == answer(1)
    assert missing == ["INVALID_ARG", "linear version 1: input 'x' is missing"]
    assert typed == ["INVALID_ARG", "linear version 1: input 'x' is float64, the model wants float32"]
    assert shaped[0] == "INVALID_ARG"
    assert "Got: 3 Expected: 4" in shaped[1]
