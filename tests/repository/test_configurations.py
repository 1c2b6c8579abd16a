"""model_repository/*/config.pbtxt is the production configuration: Triton's schema and the graphs agree with it."""

from pathlib import Path

import onnx
import pytest
from google.protobuf import text_format
from small_release import SmallRelease
from tritonclient.grpc import model_config_pb2

from onshelf_exporter.release import repository
from onshelf_exporter.release.graphs import session
from onshelf_release.signatures import (
    CANDIDATE_BUCKETS,
    CPU_ENCODERS,
    HISTORY_BUCKETS,
    NEIGHBOURS_AT_ONCE,
    PRODUCT_BUCKETS,
    SIGNATURES,
    TOKEN_BUCKETS,
)

ROOT = Path(__file__).parents[2]
REPOSITORY = ROOT / "model_repository"
NAMES = sorted(path.parent.name for path in REPOSITORY.glob("*/config.pbtxt"))
QUEUE_POLICY = ("default_queue_policy", "priority_queue_policy", "priority_levels", "default_priority_level")
ONNX_TYPES = {"tensor(int64)": "TYPE_INT64", "tensor(float)": "TYPE_FP32"}


def read(name: str) -> model_config_pb2.ModelConfig:
    return text_format.Parse((REPOSITORY / name / "config.pbtxt").read_text(), model_config_pb2.ModelConfig())


def type_name(value: int) -> str:
    return str(model_config_pb2.DataType.Name(value))


def accelerator(config: model_config_pb2.ModelConfig) -> dict[str, str]:
    (only,) = config.optimization.execution_accelerators.gpu_execution_accelerator
    assert only.name == "tensorrt"
    return dict(only.parameters)


def shapes(text: str) -> dict[str, tuple[int, ...]]:
    pairs = (part.split(":") for part in text.split(","))
    return {name: tuple(int(n) for n in dims.split("x")) for name, dims in pairs}


def test_what_is_not_as_generated_is_named(tmp_path: Path) -> None:
    repository.write(tmp_path)
    assert repository.stale(tmp_path) == []
    changed = tmp_path / "launch_outcome" / "config.pbtxt"
    changed.write_text(changed.read_text().replace("max_batch_size: 32", "max_batch_size: 33"))
    (tmp_path / "gone").mkdir()
    (tmp_path / "gone" / "config.pbtxt").write_text("")
    (tmp_path / "user_encoder" / "config.pbtxt").unlink()
    assert repository.stale(tmp_path) == ["gone", "launch_outcome", "user_encoder"]
    assert repository.main(["--check", str(tmp_path)]) == 1


@pytest.mark.parametrize("name", NAMES)
def test_batching_has_a_delay_and_no_queue_policy(name: str) -> None:
    config = read(name)
    assert config.HasField("dynamic_batching")
    assert config.dynamic_batching.max_queue_delay_microseconds == 0, "a lone request would wait for others"
    assert not config.dynamic_batching.preferred_batch_size
    stated = {field.name for field, _ in config.dynamic_batching.ListFields()}
    assert not stated & set(QUEUE_POLICY)


@pytest.mark.parametrize("name", NAMES)
def test_one_configuration_serves_cpu_and_gpu(name: str) -> None:
    config = read(name)
    kinds = model_config_pb2.ModelInstanceGroup
    (group,) = config.instance_group
    assert group.kind == (kinds.KIND_CPU if name in CPU_ENCODERS else kinds.KIND_AUTO)
    assert config.version_policy.latest.num_versions == 2
    assert int(config.parameters["intra_op_thread_count"].string_value) >= 1


@pytest.mark.parametrize("name", CPU_ENCODERS)
def test_encoders_for_cpus_stay_off_gpus(name: str) -> None:
    """Engines want shapes that are known before the graph runs."""
    assert not read(name).optimization.execution_accelerators.gpu_execution_accelerator


@pytest.mark.parametrize("name", sorted(set(NAMES) - set(CPU_ENCODERS)))
def test_engines_are_cached_and_profiles_cover_the_warm_up(name: str) -> None:
    config = read(name)
    parameters = accelerator(config)
    assert parameters["precision_mode"] == "FP32", "TensorRT 11 computes in the types of the graph"
    assert parameters["trt_engine_cache_enable"] == "1"
    assert parameters["trt_engine_cache_path"].endswith(name)
    low, best, high = (shapes(parameters[f"trt_profile_{key}_shapes"]) for key in ("min", "opt", "max"))
    assert set(low) == set(best) == set(high) == {t.name for t in config.input}
    assert config.model_warmup
    buckets = set()
    for tensor in config.input:
        for profile in (low, best, high):
            assert len(profile[tensor.name]) == len(tensor.dims) + 1
            assert all(d in (-1, s) for d, s in zip(tensor.dims, profile[tensor.name][1:], strict=True))
        assert low[tensor.name][0] == 1
        assert high[tensor.name][0] == config.max_batch_size
        assert all(a <= b <= c for a, b, c in zip(low[tensor.name], best[tensor.name], high[tensor.name], strict=True))
        for sample in config.model_warmup:
            warm = tuple(sample.inputs[tensor.name].dims)
            assert all(a <= b <= c for a, b, c in zip(low[tensor.name][1:], warm, high[tensor.name][1:], strict=True))
            buckets.add((tensor.name, warm))
    for tensor in config.input:  # the ends of a profile are buckets, too
        assert (tensor.name, low[tensor.name][1:]) in buckets
        assert (tensor.name, high[tensor.name][1:]) in buckets


@pytest.mark.parametrize("name", NAMES)
def test_graph_agrees_with_its_configuration(small_release: SmallRelease, name: str) -> None:
    """As the onnxruntime backend checks it: exact outputs, inputs where the graph fixes an axis, a free batch."""
    config = read(name)
    path = small_release.repository / name / str(small_release.version) / "model.onnx"
    running = session(path)
    for stated, found in ((config.input, running.get_inputs()), (config.output, running.get_outputs())):
        assert sorted(t.name for t in stated) == sorted(t.name for t in found)
        by_name = {t.name: t for t in found}
        for tensor in stated:
            graph = by_name[tensor.name]
            assert ONNX_TYPES[graph.type] == type_name(tensor.data_type)
            assert isinstance(graph.shape[0], str), f"{tensor.name}: the batch axis is fixed"
            assert len(graph.shape) == len(tensor.dims) + 1
            for axis, dim in zip(graph.shape[1:], tensor.dims, strict=True):
                assert (dim == -1) if isinstance(axis, str) else (dim == axis), f"{tensor.name}: {graph.shape}"


def test_published_configurations_are_those_in_git(small_release: SmallRelease) -> None:
    for name in NAMES:
        assert (small_release.repository / name / "config.pbtxt").read_bytes() == (
            REPOSITORY / name / "config.pbtxt"
        ).read_bytes()


def test_opsets_name_no_other_domain_that_tensorrt_does_not_know(small_release: SmallRelease) -> None:
    for name in sorted(set(SIGNATURES) - {"product_encoder_int8"}):
        model = onnx.load(str(small_release.repository / name / str(small_release.version) / "model.onnx"))
        assert {node.domain for node in model.graph.node} <= {"", "ai.onnx"}, name


def test_every_bucket_that_callers_pad_to_is_warmed_up_and_fits_the_profile() -> None:
    for name, tensor, buckets in (
        *((name, "input_ids", TOKEN_BUCKETS) for name in ("product_encoder", *CPU_ENCODERS)),
        *((name, "history_products", HISTORY_BUCKETS) for name in ("user_encoder", "product_retrieval", "product_fit")),
        ("product_fit", "embeddings", PRODUCT_BUCKETS),
        ("launch_outcome", "candidates", (1, *CANDIDATE_BUCKETS)),
    ):
        config = read(name)
        assert {warm.inputs[tensor].dims[0] for warm in config.model_warmup} == set(buckets), name
        if name not in CPU_ENCODERS:
            assert shapes(accelerator(config)["trt_profile_max_shapes"])[tensor][1] == max(buckets), name
    assert read("product_neighbours").max_batch_size >= NEIGHBOURS_AT_ONCE
