"""What `make run` imports is what it installs."""

import ast
import re
import sys
import tomllib
from collections import defaultdict
from importlib import metadata
from pathlib import Path

import packages
from packaging.requirements import Requirement

ROOT = Path(__file__).parents[2]
SOURCES = {
    "onshelf": "client",
    "onshelf_exporter": "exporter",
    "onshelf_gateway": "gateway",
    "onshelf_local_triton": "local_triton",
    "onshelf_release": "release",
    "onshelf_research": "research",
    "onshelf_benchmarks": "benchmarks",
}
# The stages and servers that the menu's `run` starts. Stages name adapters and models by import alone.
STARTS = [
    "onshelf._cli",
    "onshelf_gateway.__main__",
    "onshelf_local_triton.__main__",
    *(f"onshelf_exporter.{stage}" for stage in ("cli", "data.prepare", "training.train", "doctor.stage")),
    *(f"onshelf_exporter.release.{stage}" for stage in ("export", "publish")),
]
# Modules of others that a module of ours takes as they come, with the distribution that our requirement names.
BROUGHT = {
    "google": "protobuf",
    "duckdb": "duckdb",
    "grpc_status": "grpcio-status",
    "torch.utils.tensorboard": "tensorboard",
}


def file_of(module: str) -> Path | None:
    """The file of one of our modules; None for others."""
    top, *rest = module.split(".")
    if top not in SOURCES:
        return None
    path = ROOT.joinpath(SOURCES[top], "src", top, *rest)
    return next((found for found in (path / "__init__.py", path.with_suffix(".py")) if found.is_file()), None)


def imported(path: Path) -> set[str]:
    """What a file imports, wherever in it; our own use no relative imports."""
    found: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module and node.level == 0:
            found |= {node.module, *(f"{node.module}.{alias.name}" for alias in node.names)}
    return found


def reached() -> tuple[set[str], dict[str, set[str]]]:
    """Our modules that the starts reach, and modules of others -> the distributions of ours that import them."""
    todo, ours, others = list(STARTS), set[str](), defaultdict[str, set[str]](set)
    while todo:
        module = todo.pop()
        path = file_of(module)
        if module in ours or path is None:
            continue
        ours.add(module)
        for name in imported(path):
            parts = name.split(".")
            if parts[0] in SOURCES:
                todo += [".".join(parts[:end]) for end in range(1, len(parts) + 1)]
            elif parts[0] not in sys.stdlib_module_names:
                others[parts[0]].add(SOURCES[module.split(".")[0]])
    return ours, others


OURS, OTHERS = reached()


def test_the_walk_reaches_the_models() -> None:
    assert {"onshelf_exporter.training.boosting", "onshelf_exporter.training.forest"} <= OURS
    assert {"lightgbm", "sklearn", "torch", "onnxruntime"} <= set(OTHERS)


def test_nothing_of_evaluations_is_reached() -> None:
    assert not [module for module in OURS if re.match(r"onshelf_exporter\.(evaluat|baselines|studies)", module)]
    assert not {"implicit", "matplotlib"} & set(OTHERS)


def test_each_distribution_asks_for_what_it_imports() -> None:
    distributions = metadata.packages_distributions()
    for module, importers in OTHERS.items():
        if module == "triton_python_backend_utils":
            continue  # the server's own
        names = {packages.normal(name) for name in [*distributions.get(module, []), BROUGHT.get(module, module)]}
        for part in importers:
            project = tomllib.loads((ROOT / part / "pyproject.toml").read_text())["project"]
            texts = [
                *project["dependencies"],
                *(t for ts in project.get("optional-dependencies", {}).values() for t in ts),
            ]
            asked = {packages.normal(Requirement(text).name) for text in texts}
            assert names & asked, f"{part} imports {module} and asks for none of {sorted(names)}"
