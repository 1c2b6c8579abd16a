"""Image tags and versions are pinned in versions.env; whatever else names one agrees with it."""

import subprocess
import sys
import tomllib

from dockerfile import DEPLOY, NAMES, ROOT, read
from packaging.requirements import Requirement
from packaging.version import Version

from onshelf_exporter.release.tensorrt_engines import CONTAINER


def project(part: str) -> dict[str, object]:
    found: dict[str, object] = tomllib.loads((ROOT / part / "pyproject.toml").read_text())["project"]
    return found


def test_the_defaults_of_the_dockerfiles_are_the_pins(versions: dict[str, str]) -> None:
    defaults = {name: value for part in NAMES for name, value in read(part)[0].items()}
    assert defaults == {name: value for name, value in versions.items() if name != "ONSHELF_VERSION"}


def test_no_base_image_floats(versions: dict[str, str]) -> None:
    for name in NAMES:
        stages = read(name)[1]
        own = {stage.name for stage in stages}
        for base in {stage.base for stage in stages} - own:
            image, _, tag = base.partition(":")
            assert image in ("python", "nvcr.io/nvidia/tritonserver")
            assert tag in ("${PYTHON_TAG}", "${TRITON_TAG}")
    assert all(any(character.isdigit() for character in pin) and "latest" not in pin for pin in versions.values())


def too_low(tag: str) -> list[str]:
    """The bulletins that a release of Triton is below."""
    floors = tomllib.loads((DEPLOY / "floors.toml").read_text())["triton"]
    return [
        f"bulletin {floor['bulletin']} ({floor['severity']}) asks for {floor['release']}"
        for floor in floors
        if Version(tag.split("-")[0]) < Version(floor["release"])
    ]


def test_the_image_of_triton_is_not_below_what_security_bulletins_ask_for(versions: dict[str, str]) -> None:
    assert too_low(versions["TRITON_TAG"]) == []
    assert len(too_low("24.10-py3")) == 7
    assert too_low("26.06-py3") == ["bulletin 5875 (high) asks for 26.07"]


def test_the_exporter_names_the_same_triton(versions: dict[str, str]) -> None:
    assert f"nvcr.io/nvidia/tritonserver:{versions['TRITON_TAG']}" == CONTAINER
    for document in ("operations.md", "deployment.md"):
        assert CONTAINER in (ROOT / "docs" / document).read_text()


def test_the_exporters_gpu_extra_allows_the_pinned_tensorrt(versions: dict[str, str]) -> None:
    extras = project("exporter")["optional-dependencies"]
    assert isinstance(extras, dict)
    (tensorrt,) = [found for text in extras["gpu"] if (found := Requirement(text)).name.startswith("tensorrt")]
    major, minor, patch = Version(versions["TENSORRT_VERSION"]).release
    assert tensorrt.specifier.contains(Version(f"{major}.{minor}.{patch}.106"))
    assert not tensorrt.specifier.contains(
        Version(f"{major}.{minor}.{patch + 1}.2")
    )  # its engines are another version's


def test_the_gateways_image_has_the_gateways_version(versions: dict[str, str]) -> None:
    assert versions["ONSHELF_VERSION"] == project("gateway")["version"] == project("client")["version"]


def test_the_image_has_a_python_that_the_gateway_accepts(versions: dict[str, str]) -> None:
    requirement = Requirement(f"python{project('gateway')['requires-python']}")
    assert requirement.specifier.contains(versions["PYTHON_TAG"].split("-")[0])
    assert versions["PYTHON_TAG"].startswith("3.11.")


def test_a_build_stops_where_tensorrt_is_not_the_pinned_one(versions: dict[str, str]) -> None:
    script = DEPLOY / "check_tensorrt.py"
    code = "import runpy; print(*map(runpy.run_path('check_tensorrt.py')['version'], (110100, 100500, 101303)))"
    numbers = subprocess.run([sys.executable, "-c", code], cwd=DEPLOY, capture_output=True, text=True, check=True)
    assert numbers.stdout.split() == ["11.1.0", "10.5.0", "10.13.3"]
    refused = subprocess.run([sys.executable, str(script), "0.0.0"], capture_output=True, text=True)
    assert refused.returncode == 1
    assert "TensorRT 0.0.0 is wanted" in refused.stderr
    assert "Traceback" not in refused.stderr
