"""Every acknowledged event is in the store exactly once, although the gateway is killed while events flow."""

import pytest

from onshelf_benchmarks.chaos_events import complaint, measure


@pytest.mark.parametrize("kind", ["sqlite", "postgresql"])
def test_nothing_acknowledged_is_lost_or_doubled(kind: str, request: pytest.FixtureRequest) -> None:
    store = "" if kind == "sqlite" else request.getfixturevalue("postgresql")
    found = measure(kills=3, events=3_000, store=store)
    assert found["kills"] >= 3
    assert found["acknowledged"] >= 3_000
    assert (found["lost"], found["doubled"]) == (0, 0)
    assert not complaint(found)


def test_a_loss_is_told() -> None:
    assert complaint({"lost": 2, "doubled": 1}) == "2 acknowledged events are lost, 1 are there twice"
