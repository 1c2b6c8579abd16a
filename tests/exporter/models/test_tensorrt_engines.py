from pathlib import Path

import pytest
from google.protobuf import text_format
from tritonclient.grpc import model_config_pb2

from onshelf_exporter.cli import main
from onshelf_exporter.release import tensorrt_engines
from onshelf_exporter.release.tensorrt_engines import (
    MODELS,
    check_precision,
    engine_config,
    profile,
    read_config,
)

REPOSITORY = Path(__file__).parents[3] / "model_repository"


def test_what_is_missing_is_listed(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    def absent(name: str) -> object:
        raise ModuleNotFoundError(f"No module named {name!r}")

    monkeypatch.setattr(tensorrt_engines.importlib, "import_module", absent)
    with pytest.raises(tensorrt_engines.ExporterError, match=r"Missing: .*No module named 'tensorrt'"):
        tensorrt_engines.require_tensorrt()


def test_the_command_says_so_and_ends_with_2(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    if list(Path("/dev").glob("nvidia[0-9]*")):
        pytest.skip("there is a GPU")
    assert main(["tensorrt-engines", "--releases", str(tmp_path)]) == 2
    assert "an NVIDIA GPU" in capsys.readouterr().err


@pytest.mark.parametrize("name", MODELS)
def test_engines_are_built_in_the_precision_of_the_graph(name: str) -> None:
    config = read_config(REPOSITORY / name / "config.pbtxt")
    check_precision(config)
    (accelerator,) = config.optimization.execution_accelerators.gpu_execution_accelerator
    accelerator.parameters["precision_mode"] = "FP16"
    with pytest.raises(tensorrt_engines.ExporterError, match=f"{name}: precision_mode is 'FP16' .* must be FP32"):
        check_precision(config)


@pytest.mark.parametrize("name", MODELS)
def test_configurations_of_engines_keep_signature_and_batching(name: str) -> None:
    config = read_config(REPOSITORY / name / "config.pbtxt")
    engine = text_format.Parse(engine_config(config), model_config_pb2.ModelConfig())
    assert engine.platform == "tensorrt_plan"
    assert engine.backend == ""
    assert list(engine.input) == list(config.input)
    assert list(engine.output) == list(config.output)
    assert engine.dynamic_batching == config.dynamic_batching
    assert engine.version_policy == config.version_policy
    assert not engine.HasField("optimization")
    assert profile(config, "max")[config.input[0].name][0] == config.max_batch_size
