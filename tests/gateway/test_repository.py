"""The gateway sends, and the public fake takes and gives, what the models' signatures say."""

import time

import numpy as np

from onshelf.v1 import catalog_pb2, recommendation_pb2
from onshelf_gateway.call.call import Call
from onshelf_gateway.inference.backend import DATATYPES
from onshelf_gateway.testing import FakeBackend
from onshelf_release.signatures import SIGNATURES, Tensor, asked_outputs


def fits(array: np.ndarray, tensor: Tensor) -> bool:
    shape = array.shape[1:]
    same = len(shape) == len(tensor.dims) and all(
        isinstance(want, str) or want == have for want, have in zip(tensor.dims, shape, strict=True)
    )
    return same and array.dtype == DATATYPES[tensor.dtype]


async def test_the_fake_takes_and_gives_what_the_signatures_say(releases, running, words):
    seen: dict[str, tuple[dict, dict]] = {}
    original = FakeBackend.infer

    async def record(model, version, inputs, outputs, timeout):
        answer = await original(running.backend, model, version, inputs, outputs, timeout)
        seen[model] = (dict(inputs), answer)
        return answer

    running.backend.infer = record
    try:
        await running.launch.PlanLaunch(words.plan())
        await running.catalog.UpsertProducts(
            catalog_pb2.UpsertProductsRequest(products=[words.product(product_id="new")])
        )
        request = recommendation_pb2.RecommendProductsRequest(user_id="H00003", new_product_share=0.2)
        await running.recommend.RecommendProducts(request)
        call = Call(call_id="test", deadline=time.monotonic() + 30, caller_deadline=False)
        tokens = np.ones((2, 16), dtype=np.int64)
        await running.server.models.read_sentences(call, running.server.releases.serving, tokens, tokens)
    finally:
        del running.backend.infer
        await running.catalog.DeleteProducts(catalog_pb2.DeleteProductsRequest(product_ids=["new"]))
    assert set(seen) == set(SIGNATURES) - {"product_encoder", "product_encoder_fp32"}
    for model, (inputs, outputs) in seen.items():
        for tensor in SIGNATURES[model].inputs:
            assert fits(inputs[tensor.name], tensor), (model, tensor.name, inputs[tensor.name].shape)
        for tensor in SIGNATURES[model].outputs:
            if tensor.name in asked_outputs(model):
                assert fits(outputs[tensor.name], tensor), (model, tensor.name, outputs[tensor.name].shape)
