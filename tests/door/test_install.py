"""Where PyTorch comes from, and that what is installed is pinned and a wheel."""

import re
import subprocess
import sys
import tomllib
import zipfile
from collections import defaultdict
from collections.abc import Sequence
from importlib import metadata
from pathlib import Path

import install
import packages
import preflight
import pytest
from packaging.requirements import Requirement

ROOT = Path(__file__).parents[2]
PINS = packages.pins((ROOT / "constraints.txt").read_text())
OWN = {
    "onshelf": "client",
    "onshelf-benchmarks": "benchmarks",
    "onshelf-exporter": "exporter",
    "onshelf-research": "research",
    "onshelf-gateway": "gateway",
    "onshelf-local-triton": "local_triton",
    "onshelf-release": "release",
}


class Index:
    """What pip finds: builds of torch by the words that ask for them. Its words where it finds none."""

    def __init__(self, *has: str) -> None:
        self.has = has
        self.asked: list[str] = []

    def __call__(self, arguments: Sequence[str]) -> str:
        self.asked.append(" ".join(arguments))
        return "" if self.asked[-1] in self.has else f"ERROR: no {self.asked[-1]}"


OWN_SOURCES, CPU, CUDA = "torch==2.1+cpu", f"torch==2.1+cpu --extra-index-url {install.CPU_INDEX}", "torch==2.1"


def test_a_build_without_cuda_in_pips_own_sources_is_taken_and_no_other_index_asked() -> None:
    index = Index(OWN_SOURCES, CPU, CUDA)
    assert install.torch_sources("2.1", index, is_reachable=lambda url: pytest.fail("asked")) == (
        "PyTorch without CUDA, from pip's own sources"
    )
    assert index.asked == [OWN_SOURCES]


def test_else_the_one_of_pytorchs_index() -> None:
    index = Index(CPU, CUDA)
    found = install.torch_sources("2.1", index, is_reachable=lambda url: True, too_small=lambda: pytest.fail("asked"))
    assert found == f"PyTorch without CUDA, from {install.CPU_INDEX}"


def test_else_the_one_with_cuda_and_its_size_is_said(capsys: pytest.CaptureFixture[str]) -> None:
    index = Index(CUDA)
    found = install.torch_sources("2.1", index, is_reachable=lambda url: False, too_small=list)
    assert found == "PyTorch with CUDA, from pip's own sources"
    assert index.asked == [OWN_SOURCES, CUDA]
    assert "the build with CUDA is taken: 2.7 GB to download, 4.7 GB of disk" in capsys.readouterr().out


def test_the_one_with_cuda_is_refused_in_one_line_where_the_disk_is_too_small(
    capsys: pytest.CaptureFixture[str],
) -> None:
    index = Index(CUDA)
    lines = ["too little disk: needs 10.9 GB, has 6.0 GB in /shop", "too little disk: needs 3.4 GB, has 1.0 GB in /tmp"]
    with pytest.raises(install.InstallError) as refused:
        install.torch_sources("2.1", index, is_reachable=lambda url: False, too_small=lambda: lines)
    assert str(refused.value) == (
        f"torch 2.1: no build without CUDA in pip's own sources, nor at {install.CPU_INDEX}, and for the one with CUDA "
        f"{lines[0]}; {lines[1]}"
    )
    assert index.asked == [OWN_SOURCES]
    assert capsys.readouterr().out == ""


def test_a_torch_for_no_such_python_is_an_error_with_the_words_of_pip() -> None:
    with pytest.raises(
        install.InstallError,
        match=r"torch 2\.1: pip finds no wheel of it for this Python and machine(?s:.*)\nERROR: no torch==2\.1$",
    ):
        install.torch_sources("2.1", Index(), is_reachable=lambda url: True, too_small=list)


@pytest.mark.parametrize("constraint", ["", "torch<=99"])
def test_a_build_that_pip_does_not_find_is_no_failure_whatever_its_configuration_constrains(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, constraint: str
) -> None:
    constrain(monkeypatch, tmp_path, constraint)
    assert "98.7+cpu" in install.pip_attempt(("torch==98.7+cpu",))


def test_a_conflict_of_another_package_is_told_and_no_other_build_is_asked_for(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """pip begins as where torch itself is constrained: "Cannot install torch==98.7+cpu because these ..."."""
    constrain(monkeypatch, tmp_path, "board<1")
    write_wheel(tmp_path, "torch", requires="board>=1", version="98.7+cpu")
    write_wheel(tmp_path, "board")
    monkeypatch.setenv("PIP_FIND_LINKS", str(tmp_path))
    with pytest.raises(install.InstallError) as failed:
        install.torch_sources("98.7", install.pip_attempt, is_reachable=lambda url: pytest.fail("asked"))
    said = str(failed.value)
    assert said.startswith("pip install torch==98.7+cpu: ERROR: Cannot install torch==98.7+cpu because these package")
    assert "torch 98.7+cpu depends on board>=1" in said
    assert "The user requested (constraint) board<1" in said


def constrain(monkeypatch: pytest.MonkeyPatch, folder: Path, constraint: str) -> None:
    """Give pip no index and one constraint: in the file of ours and in a file of its configuration."""
    for name in ("constraint", "constraints.txt"):
        (folder / name).write_text(f"{constraint}\n")
    monkeypatch.setattr(install, "CONSTRAINTS", str(folder / "constraints.txt"))
    monkeypatch.setenv("PIP_CONSTRAINT", str(folder / "constraint"))
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_DRY_RUN", "1")


def test_an_index_that_nothing_answers_at_is_not_reachable() -> None:
    assert not install.reachable("http://127.0.0.1:9/simple")


def asked_for(name: str, extras: set[str]) -> list[Requirement]:
    """What a distribution asks for here: ours as its pyproject.toml says, others as they are installed."""
    if name in OWN:
        project = tomllib.loads((ROOT / OWN[name] / "pyproject.toml").read_text())["project"]
        optional = project.get("optional-dependencies", {})
        return [Requirement(text) for text in [*project["dependencies"], *(t for e in extras for t in optional[e])]]
    found = [Requirement(text) for text in metadata.requires(name) or []]
    return [
        asked
        for asked in found
        if asked.marker is None or any(asked.marker.evaluate({"extra": extra}) for extra in extras or {""})
    ]


def closure(requirements: Sequence[Requirement]) -> dict[str, str]:
    """Name -> version of what these ask for, directly and through others, read from what is installed here."""
    todo, seen, extras = list(requirements), {}, defaultdict[str, set[str]](set)
    while todo:
        asked = todo.pop()
        name = packages.normal(asked.name)
        if name in seen and asked.extras <= extras[name]:
            continue
        extras[name] |= asked.extras
        seen[name] = metadata.version(name)
        todo += asked_for(name, extras[name])
    return seen


def named(part: str) -> list[Requirement]:
    """What a requirements file names; our own folders by the names of their distributions."""
    names = {folder: name for name, folder in OWN.items()}
    found = []
    for line in (ROOT / f"requirements{part}.txt").read_text().splitlines():
        text = line.partition("#")[0].strip()
        if text.startswith("-r "):
            found += named(text.removeprefix("-r requirements").removesuffix(".txt"))
        elif text.startswith("--editable "):
            folder, bracket, extra = text.removeprefix("--editable ./").partition("[")
            found.append(Requirement(f"{names[folder]}{bracket}{extra}"))
        elif text:
            found.append(Requirement(text))
    return found


@pytest.mark.parametrize("part", ["", "-evaluate", "-test", "-bench"])
def test_all_that_a_part_brings_along_is_pinned_as_it_is_installed(part: str) -> None:
    """Needs no network: read from what is installed."""
    start = [*named(part), Requirement("torch"), Requirement("setuptools")]
    brought = {name: version for name, version in closure(start).items() if name not in OWN}
    assert {"torch", "setuptools"} < set(brought)
    assert {name: version.partition("+")[0] for name, version in brought.items()}.items() <= PINS.items()


def test_the_default_data_is_pinned() -> None:
    assert {packages.normal(requirement.name) for requirement in named("-data")} <= set(PINS)


def test_what_runs_needs_neither_test_tools_nor_what_evaluations_need() -> None:
    others = {"pytest", "hypothesis", "mypy", "ruff", "grpcio-tools", "matplotlib", "implicit", "pgserver"}
    assert not others & set(closure(named("")))


def reachable() -> bool:
    """Whether pip's index can be asked; it cannot on a machine without a network."""
    command = [sys.executable, "-m", "pip", "--retries", "0", "--timeout", "10", "install", "--dry-run", "--no-deps"]
    command += ["--quiet", "--ignore-installed", f"setuptools=={PINS['setuptools']}"]
    return subprocess.run(command, capture_output=True).returncode == 0


@pytest.fixture(scope="module")
def index() -> None:
    if not reachable():
        pytest.skip("no package index can be asked here")


@pytest.mark.always  # the index changes
@pytest.mark.parametrize("part", ["run", "data", "triton"])
def test_what_make_run_installs_are_wheels_at_the_pinned_versions(part: str, index: None) -> None:
    """Asks the package index what it would install where nothing is there yet, for each Python."""
    result = subprocess.run(
        [sys.executable, ROOT / "setup/packages.py", "--part", part], capture_output=True, text=True, cwd="/"
    )
    assert (result.returncode, result.stderr) == (0, ""), result.stdout
    others = " and ".join(version for version in preflight.PYTHONS if version != packages.HERE)
    assert re.fullmatch(rf"{part}: \d+ packages, all pinned wheels, also on Python {others}\n", result.stdout)


# A small index of its own shows that the check can fail.


def write_wheel(
    folder: Path, name: str, *, requires: str = "", version: str = "1.0", tag: str = "py3-none-any"
) -> None:
    info = f"{name}-{version}.dist-info"
    text = f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n"
    with zipfile.ZipFile(folder / f"{name}-{version}-{tag}.whl", "w") as wheel:
        wheel.writestr(f"{info}/METADATA", text + (f"Requires-Dist: {requires}\n" if requires else ""))
        wheel.writestr(f"{info}/WHEEL", f"Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: {tag}\n")
        wheel.writestr(f"{info}/RECORD", "")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    write_wheel(tmp_path, "shelf", requires="board")
    write_wheel(tmp_path, "board")
    (tmp_path / "source-1.0.tar.gz").write_bytes(b"")
    return tmp_path


def sources(folder: Path) -> list[str]:
    return ["--no-index", "--find-links", str(folder)]


def ask(folder: Path, *names: str) -> list[packages.Package]:
    return packages.resolve([*sources(folder), *names], root=folder)


def test_a_package_that_another_brings_along_must_be_pinned_too(folder: Path) -> None:
    found = ask(folder, "shelf")
    assert packages.complaints(found, {"shelf": "1.0", "board": "1.0"}) == []
    assert packages.complaints(found, {"shelf": "1.0"}) == ["board 1.0 is not pinned"]
    assert packages.complaints(found, {"shelf": "1.0", "board": "2.0"}) == ["board 1.0 is installed, 2.0 is pinned"]


def test_a_package_without_a_wheel_is_an_error(folder: Path) -> None:
    with pytest.raises(packages.ResolutionError, match="No matching distribution found for source"):
        ask(folder, "source")


@pytest.fixture
def other() -> str:
    """A Python that we run on and that does not run this."""
    return next(version for version in preflight.PYTHONS if version != packages.HERE)


def test_a_wheel_for_this_python_alone_is_missing_on_the_other(folder: Path, other: str) -> None:
    write_wheel(folder, "nail", tag=f"cp{packages.HERE.replace('.', '')}-none-any")
    found = ask(folder, "nail", "shelf")
    pinned = {"nail": "1.0", "shelf": "1.0", "board": "1.0"}
    assert packages.complaints(found, pinned) == []
    assert packages.complaints_on(other, found, pinned, sources(folder)) == ["nail 1.0 has no wheel"]
    write_wheel(folder, "nail", tag=f"cp{other.replace('.', '')}-none-any")
    assert packages.complaints_on(other, found, pinned, sources(folder)) == []


def test_what_is_asked_for_on_the_other_python_alone_must_be_pinned_too(folder: Path, other: str) -> None:
    write_wheel(folder, "rack", requires=f'shelf; python_version == "{other}"')
    found = ask(folder, "rack")
    assert [package.name for package in found] == ["rack"]
    assert packages.complaints_on(other, found, {"rack": "1.0"}) == ["shelf is not pinned"]
    assert packages.complaints_on(other, found, {"rack": "1.0", "shelf": "1.0"}, sources(folder)) == []
    assert packages.complaints_on(other, found, {"rack": "1.0", "shelf": "2.0"}, sources(folder)) == [
        "shelf 2.0 has no wheel"
    ]


def test_a_package_says_for_which_pythons_it_is(other: str) -> None:
    package = packages.Package("a", "1", "https://x/a-1-py3-none-any.whl", f"!={other}.*")
    assert packages.complaints_on(other, [package], {"a": "1"}) == [f"a 1 is for Python !={other}.*"]


def test_an_archive_of_sources_is_no_wheel() -> None:
    (line,) = packages.complaints([packages.Package("a", "1", "https://x/a-1.tar.gz")], {"a": "1"})
    assert line == "a 1 is no wheel: https://x/a-1.tar.gz"
    assert packages.Package("ours", "1", "file:///home/anna/my%20shop/client").own
    assert not packages.Package("torch", "1", "file:///opt/torch-1.whl").own
