"""A user who asked to be forgotten is in nothing that the next model release is made of, nor in the store."""

import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import grpc
import pytest
from google.protobuf.timestamp_pb2 import Timestamp
from holding import holding
from shops import write_shop

from onshelf.v1 import feedback_pb2, feedback_pb2_grpc, recommendation_pb2
from onshelf_exporter.cli import main
from onshelf_exporter.data.prepare import prepare
from onshelf_exporter.training.history import load_dataset
from onshelf_exporter.training.recipe import load_recipe
from onshelf_exporter.training.runs import open_run
from onshelf_gateway.releases.model_release import load_release
from onshelf_gateway.testing import running_gateway, write_fake_release

ROOT = Path(__file__).parents[2]
USERS = 60
GONE = "u0007"  # of the shop's users


@dataclass
class Released:
    """A release made without the user, and where everything is."""

    root: Path
    store: Path
    release: Path
    run: Path
    run_before: Path


@pytest.fixture(scope="module")
async def made(tmp_path_factory: pytest.TempPathFactory) -> Released:
    """A shop's data are prepared, a user is forgotten, the data prepared again, a release trained and published."""
    root = tmp_path_factory.mktemp("forgotten")
    source = write_shop(root / "source", products=120, users=USERS, weeks=40)
    store = root / "store" / "store.db"
    recipe = load_recipe("test")
    before = prepare("shop", root / "before", source=source)
    assert holding(before, GONE)
    run_before = open_run(root / "runs", before, load_dataset(before), recipe).folder
    write_fake_release(root / "fake", 3)
    async with (
        running_gateway(root / "fake", store=f"sqlite:///{store}") as (server, _),
        grpc.aio.insecure_channel(server.address) as channel,
    ):
        feedback = feedback_pb2_grpc.FeedbackServiceStub(channel)
        event = feedback_pb2.Event(
            event_id="e-1",
            kind=recommendation_pb2.EVENT_KIND_PURCHASE,
            user_id=GONE,
            product_id="P0001",
            time=Timestamp(seconds=1_728_000_000),
        )
        await feedback.RecordEvents(feedback_pb2.RecordEventsRequest(events=[event]))
        receipt = await feedback.ForgetUser(feedback_pb2.ForgetUserRequest(user_id=GONE))
        assert receipt.events_deleted == 1
    data = prepare("shop", root / "data", source=source, store=str(store))
    run = open_run(root / "runs", data, load_dataset(data), recipe).folder
    places = {"data": data, "runs": root / "runs", "releases": root / "releases", "repository": root / "repository"}
    places |= {"configs": ROOT / "model_repository", "replay": root / "replay.json"}
    arguments = ["publish", "--train", "--recipe=test", "--roles", "production"]
    arguments += [f"--{name}={path}" for name, path in places.items()]
    subprocess.run([sys.executable, "-m", "onshelf_exporter.cli", *arguments], check=True)
    return Released(root, store, root / "releases" / "1", run, run_before)


def test_no_file_of_the_release_names_the_user(made: Released):
    assert load_release(made.release).users.num_rows == USERS - 1
    assert holding(made.release, "u0008"), "others are there, so the user would be found"
    for place in ("data", "runs", "releases", "repository"):
        assert not holding(made.root / place, GONE), place


def test_the_store_does_not_name_the_user(made: Released):
    assert not holding(made.store.parent, GONE)


def test_stages_that_were_made_with_the_user_are_not_used_again(made: Released):
    assert made.run != made.run_before
    assert made.run.is_dir()


def test_what_still_holds_the_user_is_named_and_removed(made: Released, capsys: pytest.CaptureFixture[str]):
    folders = [f"--{name}={made.root / name}" for name in ("runs", "releases", "repository")]
    stage = ["forgotten", f"--store={made.store}", *folders]
    assert main([*stage, f"--data={made.root / 'data'}"]) == 0
    assert capsys.readouterr().out == "1 forgotten users; 0 folders hold any of them\n"
    old = [*stage, f"--data={made.root / 'before'}"]
    assert main(old) == 1
    assert f"{made.root / 'before' / 'shop'}: 1 users\n" in capsys.readouterr().out
    assert main([*old, "--remove"]) == 0
    assert not (made.root / "before" / "shop").exists()
    assert made.release.is_dir()
