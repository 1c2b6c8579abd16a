"""The gateway's idea of the models agrees with the repository's configurations, and so does the public fake."""

from pathlib import Path

import numpy as np
import pytest
from google.protobuf import text_format
from tritonclient.grpc import model_config_pb2

from onshelf_gateway.inference.backend import DATATYPES
from onshelf_gateway.testing import FakeBackend
from onshelf_release.signatures import SIGNATURES

REPOSITORY = Path(__file__).parents[2] / "model_repository"


def config(model: str) -> model_config_pb2.ModelConfig:
    text = (REPOSITORY / model / "config.pbtxt").read_text(encoding="utf-8")
    return text_format.Parse(text, model_config_pb2.ModelConfig())


@pytest.mark.parametrize("model", SIGNATURES)
def test_names_agree(model):
    parsed = config(model)
    assert parsed.name == model
    assert parsed.max_batch_size > 0
    inputs, outputs = SIGNATURES[model]
    assert {tensor.name for tensor in parsed.input} == set(inputs)
    assert {tensor.name for tensor in parsed.output} >= set(outputs), "a graph may tell more than the gateway reads"
    kinds = {model_config_pb2.DataType.Name(t.data_type).removeprefix("TYPE_") for t in [*parsed.input, *parsed.output]}
    assert kinds <= set(DATATYPES)


def fits(array: np.ndarray, tensor) -> bool:
    kind = model_config_pb2.DataType.Name(tensor.data_type).removeprefix("TYPE_")
    shape = array.shape[1:]
    same = len(shape) == len(tensor.dims) and all(
        want in (-1, have) for want, have in zip(tensor.dims, shape, strict=True)
    )
    return same and array.dtype == DATATYPES[kind]


async def test_the_fake_takes_and_gives_what_the_configurations_say(releases, running, words):
    from onshelf.v1 import catalog_pb2, catalog_pb2_grpc, recommendation_pb2

    catalog = catalog_pb2_grpc.CatalogServiceStub(running.channel)
    seen: dict[str, tuple[dict, dict]] = {}
    original = FakeBackend.infer

    async def record(model, version, inputs, outputs, timeout):
        answer = await original(running.backend, model, version, inputs, outputs, timeout)
        seen[model] = (dict(inputs), answer)
        return answer

    running.backend.infer = record
    try:
        await running.launch.PlanLaunch(words.plan())
        await catalog.UpsertProducts(catalog_pb2.UpsertProductsRequest(products=[words.product(product_id="new")]))
        request = recommendation_pb2.RecommendProductsRequest(user_id="H00003", new_product_share=0.2)
        await running.recommend.RecommendProducts(request)
    finally:
        del running.backend.infer
        await catalog.DeleteProducts(catalog_pb2.DeleteProductsRequest(product_ids=["new"]))
    assert set(seen) == set(SIGNATURES) - {"product_encoder", "product_encoder_fp32"}
    for model, (inputs, outputs) in seen.items():
        parsed = config(model)
        for tensor in parsed.input:
            assert fits(inputs[tensor.name], tensor), (model, tensor.name, inputs[tensor.name].shape)
        for tensor in parsed.output:
            constant_k = tensor.name in {"product_indices", "user_indices", "launch_indices", "scores", "similarities"}
            if tensor.name in SIGNATURES[model][1]:
                shape = outputs[tensor.name].shape
                assert constant_k or fits(outputs[tensor.name], tensor), (model, tensor.name, shape)
