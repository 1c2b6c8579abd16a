"""The images' recipes: what they copy is there, nothing else is sent, and what they run exists and has no rights."""

import argparse
import re
import subprocess
import tomllib

import pytest
from dockerfile import DEPLOY, NAMES, ROOT, effective, environment, ignored, read, served, sources, words

from onshelf_release.signatures import CPU_ENCODERS

FLAG = re.compile(r"^--[a-z0-9-]+=\S+$|^--[a-z0-9-]+$")
IMAGES = [(name, stage.name) for name in NAMES for stage in served(read(name)[1])]


def console_scripts() -> set[str]:
    """The commands that the project's distributions install."""
    found: set[str] = set()
    for part in ("client", "gateway", "exporter"):
        found |= set(tomllib.loads((ROOT / part / "pyproject.toml").read_text())["project"]["scripts"])
    return found


def test_these_images_are_made() -> None:
    assert IMAGES == [("gateway", ""), ("triton", "engines"), ("triton", "baked"), ("triton", "mounted")]
    assert read("triton")[1][-1].name == "mounted", "a build without a target mounts the repository"


@pytest.mark.parametrize("name", NAMES)
def test_what_is_copied_is_there_and_is_sent(name: str) -> None:
    copied = [source for stage in read(name)[1] for source in sources(stage)]
    assert copied
    for source in copied:
        assert (ROOT / source).exists(), source
        assert not ignored(name, source), source


@pytest.mark.parametrize("name", NAMES)
def test_nothing_else_is_sent(name: str) -> None:
    copied = {source.rstrip("/") for stage in read(name)[1] for source in sources(stage)}
    listed = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=True).stdout.split()
    local = [".git/config", ".venv/bin/python", "var/releases/1/manifest.json", ".env", "reports/evaluation.md"]
    for path in [*listed, *local]:
        wanted = any(path == source or path.startswith(f"{source}/") for source in copied)
        assert ignored(name, path) != wanted, path
    for path in (
        "client/src/onshelf/__pycache__/x.pyc",
        "gateway/src/a.egg-info/PKG-INFO",
        "exporter/src/__pycache__/x",
    ):
        assert ignored(name, path), path
    assert ignored("triton", "model_repository/user_encoder/.staging-3/model.onnx")
    assert not ignored("triton", "model_repository/user_encoder/3/model.onnx")


@pytest.mark.parametrize(("name", "stage_name"), IMAGES)
def test_an_image_runs_without_rights(name: str, stage_name: str) -> None:
    stages = read(name)[1]
    stage = next(stage for stage in stages if stage.name == stage_name)
    user = effective(stages, stage, "USER")
    assert user is not None
    assert re.fullmatch(r"[1-9]\d*:[1-9]\d*", user)


@pytest.mark.parametrize(("name", "stage_name"), IMAGES)
def test_an_image_starts_a_command_that_exists(name: str, stage_name: str) -> None:
    stages = read(name)[1]
    stage = next(stage for stage in stages if stage.name == stage_name)
    program, *arguments = words(effective(stages, stage, "ENTRYPOINT"))
    assert program in console_scripts() | {"tritonserver"}
    own = next(part for part in (stage, *stages) if part.values("ENTRYPOINT"))
    for command in own.values("CMD"):
        arguments += words(command)
    assert all(FLAG.match(word) for word in arguments if word.startswith("-"))


@pytest.mark.parametrize(("name", "stage_name"), IMAGES)
def test_a_server_has_a_health_check_and_a_stage_that_ends_has_none(name: str, stage_name: str) -> None:
    stages = read(name)[1]
    stage = next(stage for stage in stages if stage.name == stage_name)
    check = effective(stages, stage, "HEALTHCHECK")
    assert check is not None
    if stage_name == "engines":
        assert check == "NONE"
        return
    assert {"interval", "timeout", "start-period", "retries"} == set(re.findall(r"--([a-z-]+)=", check.split("CMD")[0]))
    assert words(check)


def test_the_exporter_knows_the_arguments_of_the_engines_image() -> None:
    from onshelf_exporter.release.tensorrt_engines import add_arguments

    stages = read("triton")[1]
    stage = next(stage for stage in stages if stage.name == "engines")
    assert words(effective(stages, stage, "ENTRYPOINT")) == ["onshelf-exporter", "tensorrt-engines"]
    parser = argparse.ArgumentParser()
    add_arguments(parser)
    parsed = parser.parse_args(words(effective(stages, stage, "CMD")))
    assert (str(parsed.repository), str(parsed.releases), str(parsed.target)) == ("/models", "/releases", "/engines")


def test_triton_runs_as_the_local_one_does() -> None:
    """The flags that decide what is served are those of the local Triton, which the tests of the system use."""
    server = (ROOT / "local_triton/src/onshelf_local_triton/server.py").read_text()
    stages = read("triton")[1]
    flags = words(effective(stages, stages[-1], "CMD"))
    assert flags[0] == "--model-repository=/models"
    for flag in flags[1:]:
        assert flag.split("=*")[0] in server, flag


def test_the_engine_cache_is_where_the_configurations_put_it() -> None:
    (folder,) = re.findall(r"install --directory \S+ 1000 \S+ 1000 (\S+)", (DEPLOY / "triton.Dockerfile").read_text())
    for path in sorted((ROOT / "model_repository").glob("*/config.pbtxt")):
        if path.parent.name in CPU_ENCODERS:
            continue  # they have no engine
        (cache,) = re.findall(r'"trt_engine_cache_path"\s+value: "([^"]+)"', path.read_text())
        assert cache == f"{folder}/{path.parent.name}"


def test_the_gateway_image_sets_settings_that_exist() -> None:
    from onshelf_gateway.settings import ENV_PREFIX, Settings, rows

    stages = read("gateway")[1]
    variables = environment(stages, stages[-1])
    chosen = {name.removeprefix(ENV_PREFIX).lower(): value for name, value in variables.items() if ENV_PREFIX in name}
    assert set(chosen) <= {name for name, _ in rows()}
    settings = Settings(**chosen)  # type: ignore[arg-type]
    exposed = {int(port) for port in stages[-1].values("EXPOSE")[0].split()}
    assert settings.listen.split(":")[0] == settings.metrics_host == "0.0.0.0"
    assert exposed == {int(settings.listen.split(":")[1]), settings.metrics_port}


@pytest.mark.parametrize("name", NAMES)
def test_hadolint_has_nothing_to_say(name: str, hadolint: str) -> None:
    result = subprocess.run([hadolint, str(DEPLOY / f"{name}.Dockerfile")], capture_output=True, text=True)
    assert (result.returncode, result.stdout) == (0, ""), result.stdout + result.stderr
