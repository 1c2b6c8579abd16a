"""The compose files: hardened services, pinned images, health before dependents; no field that is not Compose's."""

import itertools
import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml  # type: ignore[import-untyped]
from compose_spec import PyCompose
from composing import MissingVariableError, composed, filled
from dockerfile import DEPLOY, ROOT, effective, read

BASE = yaml.safe_load((DEPLOY / "compose.yaml").read_text())["services"]
VOLUMES = yaml.safe_load((DEPLOY / "compose.yaml").read_text())["volumes"]
GPU = yaml.safe_load((DEPLOY / "compose.gpu.yaml").read_text())["services"]
WHOLE = {**BASE, **{name: service for name, service in GPU.items() if name not in BASE}}
ADDED = {name: service for name, service in GPU.items() if name in BASE}
PARTS = {"cpu": ["compose.yaml"], "gpu": ["compose.yaml", "compose.gpu.yaml"]}
COMMANDS = re.findall(r"docker compose (--env-file .*?)(?:\n|$)", (ROOT / "docs/deployment.md").read_text())

YAMLLINT = """{extends: default, rules: {
  line-length: {max: 150}, document-start: disable, comments: {min-spaces-from-content: 1}}}"""


def harden(service: dict[str, Any]) -> None:
    """Assert what holds for every service."""
    assert service["read_only"] is True
    assert service["cap_drop"] == ["ALL"]
    assert service["security_opt"] == ["no-new-privileges:true"]
    assert re.fullmatch(r"[1-9]\d*:[1-9]\d*", service["user"])
    assert any(path.startswith("/tmp:size=") for path in service["tmpfs"])
    assert not {"privileged", "cap_add", "devices", "pid", "ipc", "userns_mode"} & set(service)
    assert service.get("network_mode") in (None, "none")
    assert {"cpus", "memory", "pids"} == set(service["deploy"]["resources"]["limits"])


def dockerfile(service: dict[str, Any]) -> tuple[str, str]:
    """The Dockerfile's name, and its stage ("" for an unnamed last one)."""
    build = service["build"]
    assert build["context"] in ("..", str(ROOT))
    return Path(build["dockerfile"]).name.removesuffix(".Dockerfile"), build.get("target", "")


@pytest.mark.parametrize("name", WHOLE)
def test_every_service_is_hardened(name: str) -> None:
    harden(WHOLE[name])


@pytest.mark.parametrize("name", ADDED)
def test_the_gpu_takes_nothing_of_that_back(name: str) -> None:
    assert set(ADDED[name]) <= {"volumes", "healthcheck", "deploy", "environment"}
    assert set(ADDED[name].get("deploy", {}).get("resources", {})) <= {"reservations"}


@pytest.mark.parametrize("name", WHOLE)
def test_images_are_pinned_and_run_as_their_dockerfile_says(name: str, versions: dict[str, str]) -> None:
    service = WHOLE[name]
    image, variable = re.fullmatch(r"([a-z-]+):\$\{([A-Z_]+):\?[^}]+\}", service["image"]).groups()  # type: ignore[union-attr]
    assert image == f"onshelf-{name}"
    assert re.search(r"\d", versions[variable])
    file, target = dockerfile(service)
    defaults, stages = read(file)
    stage = next(stage for stage in stages if stage.name == target)
    assert service["user"] == effective(stages, stage, "USER")
    assert set(service["build"]["args"]) == set(defaults)
    for argument, value in service["build"]["args"].items():
        assert value.startswith(f"${{{argument}")


@pytest.mark.parametrize("name", WHOLE)
def test_every_service_that_stays_has_a_health_check(name: str) -> None:
    service = WHOLE[name]
    file, target = dockerfile(service)
    stages = read(file)[1]
    check = effective(stages, next(stage for stage in stages if stage.name == target), "HEALTHCHECK")
    if service["restart"] == "no":
        assert service["healthcheck"] == {"disable": True}
    else:
        assert "healthcheck" not in service, "the image's own holds"
        assert check not in (None, "NONE")


def test_the_gateway_starts_after_triton_is_healthy() -> None:
    assert BASE["gateway"]["depends_on"] == {"triton": {"condition": "service_healthy"}}
    assert BASE["gateway"]["environment"]["ONSHELF_TRITON"] == "triton:8001"


def test_models_and_releases_are_mounted_read_only_where_the_images_look() -> None:
    gateway, triton = BASE["gateway"]["volumes"], BASE["triton"]["volumes"]
    variables = read("gateway")[1][-1].values("ENV")[0]
    store = variables.split("ONSHELF_STORE=sqlite:///")[1].split()[0]
    assert [(v["target"], v.get("read_only", False)) for v in gateway + triton] == [
        (variables.split("ONSHELF_RELEASES=")[1].split()[0], True),
        (str(Path(store).parent), False),
        ("/models", True),
    ]
    assert [v["source"] for v in gateway if v["type"] == "volume"] == list(VOLUMES), "kept beyond the container"
    engines = {v["target"]: v.get("read_only", False) for v in GPU["triton-engines"]["volumes"]}
    assert engines == {"/models": True, "/releases": True, "/engines": False}
    binds = [v for service in WHOLE.values() for v in service["volumes"] if v["type"] == "bind"]
    assert all(v["bind"] == {"create_host_path": False} for v in binds), (
        "a missing folder is an error, not a new empty one"
    )
    for default in (v["source"].split(":-")[-1].rstrip("}") for v in binds):
        assert default in ("../model_repository", "../var/releases", "../model_repository_tensorrt")


def test_ports_are_open_on_this_machine_alone() -> None:
    ports = [port for service in WHOLE.values() for port in service.get("ports", [])]
    assert ports
    assert all(port.startswith("127.0.0.1:") for port in ports)


def test_only_the_gpu_file_asks_for_a_gpu() -> None:
    assert not any("reservations" in service["deploy"]["resources"] for service in BASE.values())
    wanted = {"devices": [{"driver": "nvidia", "count": 1, "capabilities": ["gpu"]}]}
    assert GPU["triton"]["deploy"]["resources"]["reservations"] == wanted
    assert GPU["triton-engines"]["deploy"]["resources"]["reservations"] == wanted
    assert GPU["triton-engines"]["profiles"] == ["engines"]


def test_the_gateway_is_stopped_only_after_it_has_drained() -> None:
    from onshelf_gateway.settings import Settings

    assert float(BASE["gateway"]["stop_grace_period"].removesuffix("s")) > Settings().drain_seconds


@pytest.mark.parametrize("kind", PARTS)
def test_the_whole_is_hardened_and_has_no_field_that_compose_does_not_know(kind: str, versions: dict[str, str]) -> None:
    whole = composed([(DEPLOY / name).read_text() for name in PARTS[kind]], versions)
    PyCompose.from_json(json.dumps(whole))  # refuses unknown fields and values of another form
    assert set(whole["services"]) == set(BASE if kind == "cpu" else WHOLE)
    for service in whole["services"].values():
        harden(service)
        assert "latest" not in service["image"]
        assert "$" not in str(service)
        targets = [volume["target"] for volume in service["volumes"]]
        assert len(targets) == len(set(targets))
        for volume in service["volumes"]:
            assert volume["type"] != "bind" or (DEPLOY / volume["source"]).resolve().is_relative_to(ROOT)


@pytest.mark.parametrize(
    ("written", "typed", "named"),
    [
        ("read_only: true", "read_onyl: true", "read_onyl"),
        ("pids: 1024", "pid_s: 1024", "pid_s"),
        ("memory: 1g", "memory: 1much", "1?much"),
        ("condition: service_healthy", "condition: service_happy", "service_happy"),
    ],
)
def test_a_slip_in_a_file_is_seen(written: str, typed: str, named: str, versions: dict[str, str]) -> None:
    text = (DEPLOY / "compose.yaml").read_text()
    assert written in text
    with pytest.raises(ValueError, match=named):
        PyCompose.from_json(json.dumps(composed([text.replace(written, typed)], versions)))


@pytest.mark.parametrize("name", PARTS["gpu"])
def test_without_the_pins_a_file_says_what_is_missing(name: str) -> None:
    with pytest.raises(MissingVariableError, match=r"TRITON_TAG: use --env-file deploy/versions\.env"):
        filled((DEPLOY / name).read_text(), {})


@pytest.mark.parametrize("command", COMMANDS)
def test_the_commands_of_the_document_name_files_and_services_that_exist(command: str) -> None:
    words = command.split()
    for flag, value in itertools.pairwise(words):
        if flag in ("--env-file", "--file"):
            assert (ROOT / value).is_file(), value
    verb = next(word for word in words if word in ("up", "run", "down", "restart", "ps"))
    named = [word for word in words[words.index(verb) + 1 :] if not word.startswith("-")]
    assert set(named) <= set(WHOLE)


def test_the_document_has_commands() -> None:
    assert len(COMMANDS) >= 3


def test_yamllint_has_nothing_to_say() -> None:
    files = [str(path) for path in sorted(DEPLOY.glob("*.yaml"))]
    command = [sys.executable, "-m", "yamllint", "--strict", "--config-data", YAMLLINT, *files]
    result = subprocess.run(command, capture_output=True, text=True)
    assert result.returncode == 0, result.stdout
