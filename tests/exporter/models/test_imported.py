"""What is kept goes stale when code that made it changes, and only then."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import onshelf_release
from onshelf_exporter.process.imported import (
    NAME,
    PACKAGE,
    WITHOUT_EFFECT,
    code_hash,
    sources,
)
from onshelf_exporter.training.runs import ENCODER, TRAINING

EXPORT = "onshelf_exporter.release.export"
STAGES = {"encoder": ENCODER, "train": TRAINING, "export": EXPORT, "data": "onshelf_exporter.data.prepare"}
RUN = """
import json, sys
from pathlib import Path
from onshelf_exporter.data.prepare import prepare_code
from onshelf_exporter.training.recipe import load_recipe
from onshelf_exporter.training.runs import open_run
folder = Path(sys.argv[1])
run = open_run(folder / "runs", folder, {"data_hash": "x", "last_week": 53}, load_recipe("test"))
found = {"run": run.folder.name, "encoder": run.encoder_folder.name, "done": run.is_done("production")}
print(json.dumps(found | {name: prepare_code(name) for name in ("complete_journey", "parquet")}))
"""


@pytest.fixture
def package(tmp_path: Path) -> Path:
    """A copy of the package that a test may change."""
    return Path(shutil.copytree(PACKAGE, tmp_path / NAME, ignore=shutil.ignore_patterns("__pycache__")))


def hashes(package: Path) -> dict[str, str]:
    """The hash of each stage's code."""
    return {stage: code_hash(module, package=package) for stage, module in STAGES.items()}


def append(package: Path, name: str, text: str) -> None:
    path = package / name
    path.write_text(path.read_text(encoding="utf-8") + text, encoding="utf-8")


@pytest.mark.parametrize(
    ("file", "text", "changed"),
    [
        ("data/features.py", "\nX = 1\n", {"train"}),
        ("training/towers.py", "\nX = 1\n", {"train"}),
        ("training/texts.py", "\nX = 1\n", {"encoder", "train", "export"}),
        ("models/unpadding.py", "\nX = 1\n", {"encoder", "train", "export"}),
        ("data/build.py", "\nX = 1\n", {"data"}),
        ("data/abbreviations.csv", "zz,zzz\n", {"encoder", "train", "export", "data"}),
        ("doctor/stage.py", "\nX = 1\n", set()),
        ("cli.py", "\nX = 1\n", set()),
        ("evaluation/metrics.py", "\nX = 1\n", set()),
        ("data/features.py", "\n# nothing but a remark\n", set()),
    ],
)
def test_a_change_counts_where_it_is_imported(package: Path, file: str, text: str, changed: set[str]) -> None:
    append(package, file, text)
    before, after = hashes(PACKAGE), hashes(package)
    assert {stage for stage in STAGES if before[stage] != after[stage]} == changed


def test_it_is_the_same_wherever_the_packages_are(tmp_path: Path) -> None:
    code = f"from onshelf_exporter.process.imported import code_hash; print(code_hash({TRAINING!r}))"
    found = set()
    for folders in (("a", "b"), ("b", "a")):
        for name, package in zip(folders, (PACKAGE, Path(onshelf_release.__file__).parent), strict=True):
            shutil.rmtree(tmp_path / name, ignore_errors=True)
            shutil.copytree(package, tmp_path / name / package.name, ignore=shutil.ignore_patterns("__pycache__"))
        path = os.pathsep.join(str(tmp_path / name) for name in folders)
        environment = os.environ | {"PYTHONPATH": path}
        out = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True)
        found.add(out.stdout)
    assert found == {code_hash(TRAINING) + "\n"}


@pytest.mark.parametrize("stage", ["export", "publish"])
def test_exporting_loads_nothing_that_only_training_needs(stage: str) -> None:
    found = sources([f"onshelf_exporter.release.{stage}"], within=(NAME,), without=())
    loaded = {path.relative_to(PACKAGE).as_posix() for path in found}
    assert f"release/{stage}.py" in loaded
    names = "__init__ calibration devices distributed encode history packed precision recipe run_arguments runs texts"
    names += " review_model vocabulary workers"
    assert {path for path in loaded if path.startswith("training/")} <= {
        f"training/{name}.py" for name in names.split()
    }


def test_what_was_trained_is_trained_again_after_a_change_that_counts(package: Path, tmp_path: Path) -> None:
    (tmp_path / "features").mkdir()
    pq.write_table(pa.table({"launch_week": [9, 10, 30]}), tmp_path / "features" / "launches.parquet")
    first = run_in(package, tmp_path)
    done = tmp_path / "runs" / first["run"] / "production" / "done.json"
    done.parent.mkdir(parents=True)
    done.write_text("{}")
    append(package, "doctor/stage.py", "\nX = 1\n")
    assert run_in(package, tmp_path) == first | {"done": True}
    append(package, "data/features.py", "\nX = 1\n")
    again = run_in(package, tmp_path)
    assert not again["done"]
    assert again["encoder"] == first["encoder"], "the text encoder does not read features.py"
    append(package, "data/adapters/parquet.py", "\nX = 1\n")
    last = run_in(package, tmp_path)
    assert last["complete_journey"] == first["complete_journey"], "another adapter's code is none of its own"
    assert last["parquet"] != first["parquet"]


def run_in(package: Path, folder: Path) -> dict[str, str]:
    """What the copied package says of the run of a recipe."""
    out = subprocess.run(
        [sys.executable, "-c", RUN, str(folder)],
        env=os.environ | {"PYTHONPATH": str(package.parent)},
        capture_output=True,
        text=True,
        check=True,
    )
    found: dict[str, str] = json.loads(out.stdout)
    return found


def test_imports_inside_functions_count_and_those_for_type_checks_do_not(tmp_path: Path) -> None:
    (tmp_path / "__init__.py").write_text("")
    (tmp_path / "one.py").write_text(
        "from typing import TYPE_CHECKING\n"
        "if TYPE_CHECKING:\n    from onshelf_exporter import types_only\n"
        "def late():\n    from onshelf_exporter.two import thing\n    return thing, 'words.txt'\n"
    )
    (tmp_path / "two.py").write_text("thing = 1\n")
    (tmp_path / "types_only.py").write_text("")
    (tmp_path / "words.txt").write_text("a b\n")
    found = [path.name for path in sources(["onshelf_exporter.one"], package=tmp_path)]
    assert found == ["__init__.py", "one.py", "two.py", "words.txt"]


def test_a_module_that_is_not_there_is_refused() -> None:
    with pytest.raises(ValueError, match="no source of module"):
        code_hash("onshelf_exporter.gone")


def test_modules_said_to_be_without_effect_exist() -> None:
    for name in WITHOUT_EFFECT:
        place = PACKAGE / name.partition(".")[2].replace(".", "/")
        assert place.is_dir() or place.with_suffix(".py").is_file(), name
