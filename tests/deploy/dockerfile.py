"""As much of the Dockerfile's and the .dockerignore's language as the files in deploy/ use."""

import fnmatch
import json
import re
from dataclasses import dataclass, field
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
DEPLOY = ROOT / "deploy"
NAMES = ("gateway", "triton")


@dataclass
class Stage:
    """One FROM and what follows it."""

    name: str
    base: str
    instructions: list[tuple[str, str]] = field(default_factory=list)

    def values(self, instruction: str) -> list[str]:
        return [value for name, value in self.instructions if name == instruction]


def read(name: str) -> tuple[dict[str, str], list[Stage]]:
    """The defaults of all ARGs, and the stages in order."""
    text = re.sub(r"^\s*#.*\n", "", (DEPLOY / f"{name}.Dockerfile").read_text(), flags=re.MULTILINE)
    defaults: dict[str, str] = {}
    stages: list[Stage] = []
    for line in re.sub(r"\\\n", " ", text).splitlines():
        if not line.strip():
            continue
        instruction, value = re.split(r"\s+", line.strip(), maxsplit=1)
        if instruction == "ARG" and "=" in value:
            argument, default = value.split("=", 1)
            assert defaults.setdefault(argument, default) == default, f"{name}: two defaults of {argument}"
        if instruction == "FROM":
            base, _, stage = value.partition(" AS ")
            stages.append(Stage(stage, base))
        elif stages:
            stages[-1].instructions.append((instruction, value))
    return defaults, stages


def lineage(stages: list[Stage], stage: Stage) -> list[Stage]:
    """A stage and those that it is built on, itself first."""
    base = next((other for other in stages if other.name == stage.base), None)
    return [stage] if base is None else [stage, *lineage(stages, base)]


def effective(stages: list[Stage], stage: Stage, instruction: str) -> str | None:
    """The last value of an instruction, the one of the base where the stage has none."""
    return next((values[-1] for part in lineage(stages, stage) if (values := part.values(instruction))), None)


def served(stages: list[Stage]) -> list[Stage]:
    """The stages that are run as containers: those that no later stage takes up."""
    used = {other.base for other in stages}
    copied = {
        match for other in stages for value in other.values("COPY") for match in re.findall(r"--from=(\S+)", value)
    }
    return [stage for stage in stages if stage.name not in used | copied]


def sources(stage: Stage) -> list[str]:
    """What a stage copies out of the build's context."""
    copies = [value.split() for value in stage.values("COPY") if "--from=" not in value]
    return [source for words in copies for source in words[:-1]]


def environment(stages: list[Stage], stage: Stage) -> dict[str, str]:
    """The variables that the image sets."""
    found: dict[str, str] = {}
    for part in reversed(lineage(stages, stage)):
        for value in part.values("ENV"):
            found |= dict(re.findall(r"(\w+)=(\S+)", value))
    return found


def words(value: str | None) -> list[str]:
    """An instruction in exec form."""
    assert value is not None
    found = json.loads(value[value.index("[") :])
    assert all(isinstance(word, str) for word in found)
    return list(found)


def ignored(name: str, path: str) -> bool:
    """Whether a Dockerfile's own .dockerignore keeps a path of the repository out; the last rule that fits decides."""
    verdict = False
    for line in (DEPLOY / f"{name}.Dockerfile.dockerignore").read_text().splitlines():
        rule = line.strip()
        if not rule or rule.startswith("#"):
            continue
        pattern = rule.removeprefix("!").removeprefix("**/")
        parts = path.split("/")
        heads = ["/".join(parts[:end]) for end in range(1, len(parts) + 1)]
        candidates = parts if "**/" in rule else heads
        depth = pattern.count("/")
        if any(
            fnmatch.fnmatchcase(head, pattern) and (pattern == "*" or head.count("/") == depth) for head in candidates
        ):
            verdict = not rule.startswith("!")
    return verdict
