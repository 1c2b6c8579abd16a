"""The gateway at saturation: the arithmetic, the repository that is driven, a client on a server of known rate."""

import asyncio
from pathlib import Path

import grpc
import pytest
from google.protobuf import text_format
from tritonclient.grpc import model_config_pb2

from onshelf.v1 import launch_pb2, launch_pb2_grpc
from onshelf_benchmarks import pages, saturation
from onshelf_benchmarks.products import CatalogProduct
from onshelf_release.signatures import asked_outputs


def test_the_models_allow_one_over_the_sum() -> None:
    assert saturation.allowed([100.0, 100.0]) == pytest.approx(50.0)
    assert saturation.allowed([30.0, 60.0, 20.0]) == pytest.approx(10.0)


def one_round(plans: float, alone: float, batch: float) -> dict:
    return {
        "alone": {
            name: {"alone_per_second": alone, "alone_batch": 4.0, "load_generator_cores": 0.1}
            for name in saturation.PLAN
        },
        "plans": {"per_second": plans, "cores": 0.05, "degraded": 0},
        "planned": {name: {"asked_by_a_plan": 1.0, "executed_batch": batch} for name in saturation.PLAN},
    }


def test_the_ratio_is_the_median_of_those_of_the_rounds() -> None:
    rounds = [one_round(plans, 4 * 50.0, batch) for plans, batch in ((40, 1.0), (45, 1.0), (10, 2.0))]
    found = saturation.summary(rounds, 16)
    assert found["models_allow_per_second"] == pytest.approx(50)
    assert found["gateway_saturation"] == pytest.approx(0.8)
    assert found["models"]["launch_outcome"]["alone_per_second"] == 200
    assert found["never_batched"] == list(saturation.PLAN)
    printed = pages.saturation(found)
    assert "0.80 of the 50.0 that the models allow" in printed
    assert "Not batched: product_encoder_int8" in printed


def test_batches_are_of_what_was_counted_between() -> None:
    before = {"launch_outcome": {"inferences": 5, "executions": 5}}
    after = {"launch_outcome": {"inferences": 45, "executions": 15}}
    (found,) = saturation.batches(before, after, 20).values()
    assert found == {"asked_by_a_plan": 2.0, "executed_batch": 4.0}


def test_a_model_stands_beside_itself_with_the_outputs_that_are_asked_for(small_release, tmp_path: Path) -> None:
    driven = saturation.repository(small_release.repository, tmp_path)
    assert set(driven) == set(saturation.PLAN)
    for name, model in driven.items():
        config = text_format.Parse((tmp_path / model / "config.pbtxt").read_text(), model_config_pb2.ModelConfig())
        assert config.name == model
        assert {output.name for output in config.output} == set(asked_outputs(name))
        assert any((version / "model.onnx").exists() for version in (tmp_path / model).iterdir() if version.is_dir())
    assert driven["launch_outcome"] != "launch_outcome"


def test_plans_say_category_and_price() -> None:
    about = {"title": "Tea", "category": "Grocery > Tea", "brand": "", "list_price": 3.49}
    (made,) = saturation.plans([CatalogProduct(**about, ids=(1, 2, 3, 4), private_label=0.0)])
    request = launch_pb2.PlanLaunchRequest.FromString(made)
    assert list(request.product.category_path) == ["Grocery", "Tea"]
    assert (request.product.list_price.units, request.product.list_price.nanos) == (3, 490_000_000)
    assert request.max_candidates == saturation.CANDIDATES


class Slow(launch_pb2_grpc.LaunchServiceServicer):
    async def PlanLaunch(self, request, context):
        await asyncio.sleep(0.05)
        answer = launch_pb2.PlanLaunchResponse()
        answer.info.degraded = request.max_candidates == 7
        return answer


def test_a_product_without_a_category_says_none() -> None:
    product = CatalogProduct(title="thing", category="", brand="", list_price=1.0, ids=(0, 0, 0, 0), private_label=0.0)
    (plan,) = saturation.plans([product])
    assert list(launch_pb2.PlanLaunchRequest.FromString(plan).product.category_path) == []


async def test_plans_a_second_once_all_are_under_way() -> None:
    server = grpc.aio.server()
    launch_pb2_grpc.add_LaunchServiceServicer_to_server(Slow(), server)
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    asked = [launch_pb2.PlanLaunchRequest(max_candidates=7 if n == 0 else 1).SerializeToString() for n in range(1000)]
    try:
        row, answers = await saturation.plan_rate(f"127.0.0.1:{port}", asked, 4, seconds=0.6, settle=0.1)
    finally:
        await server.stop(0)
    assert 0 < row["per_second"] <= 1.3 * 4 / 0.05
    assert row["answers"] == len(answers) < 100
    assert row["cores"] > 0
    assert sum(launch_pb2.PlanLaunchResponse.FromString(answer).info.degraded for answer in answers) == 1
