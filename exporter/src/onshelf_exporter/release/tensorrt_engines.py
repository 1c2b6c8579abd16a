"""Build native TensorRT engines and their sibling repository, where a GPU and the pinned TensorRT are.

    onshelf-exporter tensorrt-engines --repository model_repository --target model_repository_tensorrt

Run it inside the container that will serve the engines: an engine belongs to one GPU, one TensorRT and one driver. The
target's configurations are derived from those in git: platform tensorrt_plan, the same signature, the profiles of the
TensorRT provider.
Where something is missing it says what, and ends with status 2.
"""

import argparse
import importlib
import os
import shutil
from pathlib import Path
from typing import Any

from google.protobuf import text_format
from tritonclient.grpc import model_config_pb2

from onshelf_exporter.process.errors import ExporterError
from onshelf_exporter.release.publish import STAGING, existing
from onshelf_release.signatures import CPU_ENCODERS, SIGNATURES

MODELS = tuple(name for name in SIGNATURES if name not in CPU_ENCODERS)
WORKSPACE_BYTES = 1 << 30
CONTAINER = "nvcr.io/nvidia/tritonserver:26.07-py3"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the stage's arguments."""
    parser.add_argument("--releases", type=Path, default=Path("var/releases"), help="folder of model releases")
    parser.add_argument("--repository", type=Path, default=Path("model_repository"), help="repository with ONNX models")
    parser.add_argument("--target", type=Path, default=Path("model_repository_tensorrt"), help="repository to write")
    parser.add_argument("--version", type=int, default=0, help="model release to build (default: the newest)")


def run(args: argparse.Namespace) -> int:
    """Build the engines of one model release; prints a line per model."""
    tensorrt = require_tensorrt()
    version = args.version or max(existing(args.releases), default=0)
    if version not in existing(args.releases):
        raise ExporterError(
            f"--version {version}: no such model release below {args.releases}; run `onshelf-exporter publish`"
        )
    for name in MODELS:
        config = read_config(args.repository / name / "config.pbtxt")
        source = args.repository / name / str(version) / "model.onnx"
        staging = args.target / name / f"{STAGING}{version}"
        shutil.rmtree(staging, ignore_errors=True)
        staging.mkdir(parents=True)
        build_engine(tensorrt, source, config, staging / "model.plan")
        (args.target / name / "config.pbtxt").write_text(engine_config(config), encoding="utf-8")
        shutil.rmtree(args.target / name / str(version), ignore_errors=True)
        os.replace(staging, args.target / name / str(version))
        print(f"{name} {version}: {(args.target / name / str(version) / 'model.plan').stat().st_size} bytes")
    return 0


def require_tensorrt() -> Any:
    """The tensorrt module; raises ExporterError that lists everything that is missing."""
    missing = []
    if not any(Path("/dev").glob("nvidia[0-9]*")):
        missing.append("an NVIDIA GPU (no /dev/nvidia0 here)")
    try:
        module: Any = importlib.import_module("tensorrt")
    except ImportError as error:
        module = None
        missing.append(f"Python's tensorrt ({error}); it is in {CONTAINER} or in the extra onshelf-exporter[gpu]")
    if missing:
        raise ExporterError(f"native engines cannot be built here. Missing: {'; '.join(missing)}")
    return module


def read_config(path: Path) -> model_config_pb2.ModelConfig:
    """Parse a config.pbtxt; raises ExporterError where there is none."""
    if not path.is_file():
        raise ExporterError(f"{path}: missing")
    return text_format.Parse(path.read_text(encoding="utf-8"), model_config_pb2.ModelConfig())


def profile(config: model_config_pb2.ModelConfig, key: str) -> dict[str, tuple[int, ...]]:
    """Shapes by input of the profile's end `key` (min, opt, max), from the TensorRT provider's parameters."""
    (accelerator,) = config.optimization.execution_accelerators.gpu_execution_accelerator
    text = accelerator.parameters[f"trt_profile_{key}_shapes"]
    pairs = (part.split(":") for part in text.split(","))
    return {name: tuple(int(n) for n in dims.split("x")) for name, dims in pairs}


def check_precision(config: model_config_pb2.ModelConfig) -> None:
    """Raise ExporterError for another precision than the graph's: TensorRT 11 takes no other."""
    (accelerator,) = config.optimization.execution_accelerators.gpu_execution_accelerator
    if (asked := str(accelerator.parameters["precision_mode"])) != "FP32":
        raise ExporterError(
            f"{config.name}: precision_mode is {asked!r} in config.pbtxt, and must be FP32: TensorRT 11 computes in "
            "the types of the graph, which is exported in FP32"
        )


def engine_config(config: model_config_pb2.ModelConfig) -> str:
    """The configuration of the engine of the same model, as text."""
    own = model_config_pb2.ModelConfig()
    own.CopyFrom(config)
    own.backend = ""
    own.platform = "tensorrt_plan"
    own.ClearField("optimization")
    own.ClearField("parameters")
    text: str = text_format.MessageToString(own)
    return f"# Written by onshelf-exporter tensorrt-engines from model_repository/{config.name}/config.pbtxt.\n{text}"


def build_engine(tensorrt: Any, source: Path, config: model_config_pb2.ModelConfig, target: Path) -> None:
    """Parse an ONNX model and write its serialised engine; raises ExporterError with the parser's words."""
    check_precision(config)
    logger = tensorrt.Logger(tensorrt.Logger.WARNING)
    builder = tensorrt.Builder(logger)
    network = builder.create_network(0)
    parser = tensorrt.OnnxParser(network, logger)
    if not parser.parse(source.read_bytes()):
        reasons = "; ".join(str(parser.get_error(i)) for i in range(parser.num_errors))
        raise ExporterError(f"{source}: TensorRT does not read it: {reasons}")
    settings = builder.create_builder_config()
    settings.set_memory_pool_limit(tensorrt.MemoryPoolType.WORKSPACE, WORKSPACE_BYTES)
    shapes = builder.create_optimization_profile()
    low, best, high = (profile(config, key) for key in ("min", "opt", "max"))
    for name in low:
        shapes.set_shape(name, low[name], best[name], high[name])
    settings.add_optimization_profile(shapes)
    engine = builder.build_serialized_network(network, settings)
    if engine is None:
        raise ExporterError(f"{source}: TensorRT built no engine; its log above says why")
    target.write_bytes(bytes(engine))
