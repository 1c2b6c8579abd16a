"""Drive the backend's model.py without a server, in the interpreter that runs this file; prints one JSON document.

Run as `<python> backend_driver.py <model.py> <folder of a model> <config as JSON> <scenario>`. It stands in for Triton
at the seam between the two, `triton_python_backend_utils`, for what a real server never hands over on demand: requests
that were cancelled in time and a batch of unequal shapes.
"""

import importlib.util
import json
import sys
import types
from dataclasses import dataclass, field
from typing import Any

import numpy as np


class TritonModelException(Exception):  # noqa: N818  (Triton's name)
    """What initialize raises."""


class TritonError:
    """The error of a response."""

    CANCELLED, INVALID_ARG = "CANCELLED", "INVALID_ARG"

    def __init__(self, message: str, code: str) -> None:
        self.message, self.code = message, code


class Tensor:
    """A named array."""

    def __init__(self, name: str, array: Any) -> None:
        self._name, self._array = name, array

    def name(self) -> str:
        """Its name."""
        return self._name

    def as_numpy(self) -> Any:
        """Its array."""
        return self._array


@dataclass
class InferenceResponse:
    """The answer to one request."""

    output_tensors: list[Tensor] = field(default_factory=list)
    error: TritonError | None = None


class Request:
    """One request, cancelled or not."""

    def __init__(self, cancelled: bool = False, **arrays: Any) -> None:
        self._cancelled, self._arrays = cancelled, arrays

    def is_cancelled(self) -> bool:
        """Whether its client has gone."""
        return self._cancelled

    def inputs(self) -> list[Tensor]:
        """Its tensors."""
        return [Tensor(name, array) for name, array in self._arrays.items()]

    def requested_output_names(self) -> list[str]:
        """All of the model's outputs."""
        return ["y"]


def row(value: float, rows: int = 1) -> Any:
    """Rows for the linear model."""
    return np.full((rows, 4), value, dtype=np.float32)


SCENARIOS = {
    "cancelled": [Request(x=row(1)), Request(cancelled=True, x=row(2)), Request(x=row(3))],
    "rows": [Request(x=row(1, 2)), Request(x=row(2, 1)), Request(x=row(3, 3))],
    "wrong": [Request(x=row(1)), Request(), Request(x=row(1).astype(np.float64)), Request(x=row(2)[:, :3])],
}


def main() -> None:
    """Load the backend, run the scenario and print what came back."""
    path, folder, config, scenario = sys.argv[1:]
    utils: Any = types.ModuleType("triton_python_backend_utils")
    utils.TritonModelException, utils.TritonError, utils.Tensor = TritonModelException, TritonError, Tensor
    utils.InferenceResponse = InferenceResponse
    utils.Logger = types.SimpleNamespace(log_info=lambda message: None)
    sys.modules[utils.__name__] = utils
    spec = importlib.util.spec_from_file_location("backend", path)
    assert spec is not None
    assert spec.loader is not None
    backend = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(backend)
    model = backend.TritonPythonModel()
    try:
        model.initialize({"model_config": config, "model_version": "1", "model_repository": folder})
    except TritonModelException as error:
        print(json.dumps({"refused": str(error)}))
        return
    answers = []
    for response in model.execute(SCENARIOS[scenario]):
        if response.error is not None:
            answers.append([response.error.code, response.error.message])
        else:
            answers.append({tensor.name(): tensor.as_numpy().tolist() for tensor in response.output_tensors})
    print(json.dumps(answers))


if __name__ == "__main__":
    main()
