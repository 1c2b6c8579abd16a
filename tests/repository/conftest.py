from pathlib import Path

import pytest
from small_release import SmallRelease
from small_release import small_release as build


@pytest.fixture(scope="session")
def small_release(complete_journey: Path) -> SmallRelease:
    """The small model release, trained once for all tests."""
    return build(complete_journey)
