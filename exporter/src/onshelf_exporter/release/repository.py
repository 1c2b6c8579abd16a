"""config.pbtxt of every model, from its signature and the table SERVING.

    python -m onshelf_exporter.release.repository --write model_repository
    python -m onshelf_exporter.release.repository --check model_repository

One configuration serves CPUs and GPUs: the TensorRT provider with its shape profiles is passed over where there is no
GPU. Warm-ups are the sizes that callers pad to; a profile reaches from the smallest of them to the largest.
"""

import argparse
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from google.protobuf import text_format
from tritonclient.grpc import model_config_pb2

from onshelf_release.signatures import (
    AUDIENCE_RETRIEVAL,
    CANDIDATE_BUCKETS,
    HISTORY_BUCKETS,
    LAUNCH_OUTCOME,
    LAUNCH_RETRIEVAL,
    NEIGHBOURS_AT_ONCE,
    PRODUCT_BUCKETS,
    PRODUCT_ENCODERS,
    PRODUCT_FIT,
    PRODUCT_NEIGHBOURS,
    PRODUCT_RETRIEVAL,
    REVIEW_SENTIMENT,
    SENTENCES_AT_ONCE,
    SIGNATURES,
    TOKEN_BUCKETS,
    USER_ENCODER,
    Tensor,
)

Sizes = Mapping[str, int]  # of the dimensions that vary, by name
VERSIONS = 2  # that Triton keeps: the newest and the one to go back to
WORKSPACE_BYTES = 1 << 30
ENGINE_CACHE = "/var/cache/onshelf/tensorrt"


@dataclass(frozen=True, kw_only=True)
class Serving:
    """How Triton serves a model.

    Attributes:
        about: what it is for, and why it is served so; the file's first lines.
        batch: rows at once, at most. usual_batch: rows for which TensorRT optimises.
        warm: sizes that are computed once before the model serves.
        usual: sizes for which TensorRT optimises.
        instances, threads: copies of the model, and threads of each; see docs/decisions/serving.md.
        on_gpu: whether a GPU may serve it.
    """

    about: str
    batch: int
    usual_batch: int = 1
    warm: tuple[Sizes, ...] = ({},)
    usual: Sizes | None = None
    instances: int = 1
    threads: int = 1
    on_gpu: bool = True


def _each(dimension: str, buckets: Sequence[int]) -> tuple[Sizes, ...]:
    return tuple({dimension: size} for size in buckets)


def _encoder(about: str, *, instances: int, threads: int, on_gpu: bool) -> Serving:
    return Serving(
        about=about,
        batch=64,
        usual_batch=8,
        warm=_each("tokens", TOKEN_BUCKETS),
        usual={"tokens": 32},
        instances=instances,
        threads=threads,
        on_gpu=on_gpu,
    )


FULL, FP32, INT8 = PRODUCT_ENCODERS
SERVING = {
    FULL: _encoder(
        "Text and attributes of a product -> embedding, product vector, past practice.",
        instances=2,
        threads=1,
        on_gpu=True,
    ),
    FP32: _encoder(
        "product_encoder for CPUs without integer dot products: no work for padding. A GPU takes product_encoder.",
        instances=1,
        threads=2,
        on_gpu=False,
    ),
    INT8: _encoder(
        "product_encoder for CPUs: dynamic int8 weights, no work for padding. A GPU takes product_encoder.",
        instances=2,
        threads=1,
        on_gpu=False,
    ),
    LAUNCH_OUTCOME: Serving(
        about="The outcome of a launch for a batch of candidate actions.\n"
        "FP32: expected units above 2048 have no exact FP16, and quantiles must not move between precisions.",
        batch=32,
        usual_batch=8,
        warm=_each("candidates", (1, *CANDIDATE_BUCKETS)),
        usual={"candidates": 256},
    ),
    USER_ENCODER: Serving(
        about="What a user did, and a profile -> user vector, log odds of buying again, weights of events.\n"
        "FP32: what is no candidate has -10000, which FP16 rounds sums with.",
        batch=16,
        usual_batch=4,
        warm=_each("events", HISTORY_BUCKETS),
        usual={"events": 64},
    ),
    PRODUCT_RETRIEVAL: Serving(
        about="What user_encoder says of a user -> the best products, new ones also by themselves, with reasons.\n"
        "k is the release's (at most 1000). FP32: places in the list go beyond what FP16 holds.",
        batch=8,
        usual_batch=4,
        warm=_each("events", HISTORY_BUCKETS),
        usual={"events": 64},
    ),
    PRODUCT_NEIGHBOURS: Serving(
        about="A product's embedding -> how near its neighbours are and its closest user, which product_fit needs.\n"
        "FP32: sums over purchases, and cosines that are compared with each other.",
        batch=NEIGHBOURS_AT_ONCE,
        usual_batch=16,
    ),
    PRODUCT_FIT: Serving(
        about="What user_encoder says of a user, and products that came after the model release -> the score of each,\n"
        "as new_scores of product_retrieval. FP32, as there.",
        batch=4,
        warm=tuple(
            {"events": events, "products": products}
            for events, products in (
                *((events, PRODUCT_BUCKETS[0]) for events in HISTORY_BUCKETS),
                *((HISTORY_BUCKETS[1], products) for products in PRODUCT_BUCKETS[1:-1]),
                (HISTORY_BUCKETS[-1], PRODUCT_BUCKETS[-1]),
            )
        ),
        usual={"events": 64, "products": 256},
    ),
    AUDIENCE_RETRIEVAL: Serving(
        about="A product -> the users most likely to buy, with their reasons. k is all users, at most 3840 (of\n"
        "TensorRT's TopK). FP32: sums over thousands of purchases lose their smaller parts in FP16.",
        batch=4,
        usual_batch=2,
    ),
    LAUNCH_RETRIEVAL: Serving(
        about="Embedding -> the past launches that resemble a product. k is at most 50.",
        batch=64,
        usual_batch=8,
    ),
    REVIEW_SENTIMENT: Serving(
        about="A sentence of a review -> probabilities: negative, neutral, positive.",
        batch=SENTENCES_AT_ONCE,
        usual_batch=32,
        warm=_each("tokens", TOKEN_BUCKETS),
        usual={"tokens": 32},
    ),
}


def configuration(name: str) -> str:
    """The content of a model's config.pbtxt."""
    serving, signature = SERVING[name], SIGNATURES[name]
    pb = model_config_pb2
    config = pb.ModelConfig(name=name, backend="onnxruntime", max_batch_size=serving.batch)
    for kind, inputs, tensors in ((pb.ModelInput, True, signature.inputs), (pb.ModelOutput, False, signature.outputs)):
        for tensor in tensors:
            dims = [-1 if isinstance(dim, str) else dim for dim in tensor.dims]
            described = kind(name=tensor.name, data_type=_type(tensor), dims=dims)
            (config.input if inputs else config.output).append(described)
    config.dynamic_batching.max_queue_delay_microseconds = 0
    group = config.instance_group.add(count=serving.instances)
    if serving.on_gpu:
        provider = config.optimization.execution_accelerators.gpu_execution_accelerator.add(name="tensorrt")
        for key, value in _tensorrt(name, serving).items():
            provider.parameters[key] = value
    else:
        group.kind = pb.ModelInstanceGroup.KIND_CPU
    config.version_policy.latest.num_versions = VERSIONS
    config.parameters["intra_op_thread_count"].string_value = str(serving.threads)
    for sizes in serving.warm:
        sample = "_".join(f"{dimension}_{size}" for dimension, size in sizes.items()) or "one"
        warm_up = config.model_warmup.add(name=sample, batch_size=1)
        for tensor in signature.inputs:
            dims = _dims(tensor, sizes)
            warm_up.inputs[tensor.name].CopyFrom(
                pb.ModelWarmup.Input(data_type=_type(tensor), dims=dims, zero_data=True)
            )
    head = "".join(f"# {line}\n" for line in (*serving.about.splitlines(), "Generated: make repository."))
    return head + text_format.MessageToString(config)


def _tensorrt(name: str, serving: Serving) -> dict[str, str]:
    dimensions = serving.warm[0]
    least = {dimension: min(sizes[dimension] for sizes in serving.warm) for dimension in dimensions}
    most = {dimension: max(sizes[dimension] for sizes in serving.warm) for dimension in dimensions}
    profiles = {"min": (1, least), "opt": (serving.usual_batch, serving.usual or {}), "max": (serving.batch, most)}
    return {
        "precision_mode": "FP32",  # TensorRT 11 computes in the types of the graph
        "max_workspace_size_bytes": str(WORKSPACE_BYTES),
        "trt_engine_cache_enable": "1",
        "trt_engine_cache_path": f"{ENGINE_CACHE}/{name}",
        **{f"trt_profile_{key}_shapes": _shapes(name, batch, sizes) for key, (batch, sizes) in profiles.items()},
    }


def _shapes(name: str, batch: int, sizes: Sizes) -> str:
    return ",".join(
        f"{tensor.name}:{'x'.join(map(str, (batch, *_dims(tensor, sizes))))}" for tensor in SIGNATURES[name].inputs
    )


def _dims(tensor: Tensor, sizes: Sizes) -> list[int]:
    return [sizes[dim] if isinstance(dim, str) else dim for dim in tensor.dims]


def _type(tensor: Tensor) -> int:
    return int(model_config_pb2.DataType.Value(f"TYPE_{tensor.dtype}"))


def write(repository: Path) -> None:
    """Write all configurations below a folder."""
    for name in SIGNATURES:
        (repository / name).mkdir(parents=True, exist_ok=True)
        (repository / name / "config.pbtxt").write_text(configuration(name), encoding="utf-8")


def stale(repository: Path) -> list[str]:
    """What differs: models whose file is not what `write` writes, and folders of no model."""
    found = {path.parent.name: path.read_text(encoding="utf-8") for path in repository.glob("*/config.pbtxt")}
    wanted = {name: configuration(name) for name in SIGNATURES}
    return sorted(name for name in {*found, *wanted} if found.get(name) != wanted.get(name))


def main(argv: Sequence[str] | None = None) -> int:
    """The command; status 1 where a file is stale."""
    parser = argparse.ArgumentParser(description="Write config.pbtxt of every model, or check them.")
    what = parser.add_mutually_exclusive_group(required=True)
    what.add_argument("--write", type=Path, metavar="REPOSITORY")
    what.add_argument("--check", type=Path, metavar="REPOSITORY")
    arguments = parser.parse_args(argv)
    if arguments.write:
        write(arguments.write)
        return 0
    names = stale(arguments.check)
    if names:
        print(f"stale below {arguments.check}: {', '.join(names)}; run `make repository`", file=sys.stderr)
    return 1 if names else 0


if __name__ == "__main__":
    sys.exit(main())
