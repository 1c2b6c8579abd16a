import hashlib
import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from onshelf_exporter.process.errors import ExporterError
from onshelf_exporter.release import publish as publishing
from onshelf_exporter.release.publish import existing, load_model, publish
from onshelf_release.candidates import CANDIDATE_COLUMNS, HORIZONS
from onshelf_release.signatures import QUANTILE_LEVELS, SIGNATURES

MANIFEST = {
    "schema_version": 1,
    "currency": "USD",
    "timezone": "Europe/Berlin",
    "week_start": "monday",
    "units_basis": {"description": "all users", "users": 3},
    "horizons_weeks": HORIZONS,
    "quantile_levels": QUANTILE_LEVELS,
    "candidate_columns": CANDIDATE_COLUMNS,
    "tokenizer": {"file": "tokenizer.json"},
    "recipe": "test",
    "recipe_hash": "r",
    "dataset": "d",
    "data_hash": "d",
    "cut_week": 9,
    "as_of": "2018-01-01",
}


class Place:
    """Folders of one test, with a few bytes in place of models."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.releases, self.repository, self.configs = folder / "releases", folder / "repository", folder / "configs"
        for name in SIGNATURES:
            (self.configs / name).mkdir(parents=True)
            (self.configs / name / "config.pbtxt").write_text(f'name: "{name}"\n')

    def exported(self, content: str, role: str = "production") -> Path:
        folder = self.folder / "exports" / f"{role}-{content}"
        folder.mkdir(parents=True, exist_ok=True)
        models: dict[str, Any] = {}
        for name, signature in SIGNATURES.items():
            data = f"{name} {content}".encode()
            (folder / f"{name}.onnx").write_bytes(data)
            models[name] = {
                "file": f"{name}.onnx",
                "sha256": hashlib.sha256(data).hexdigest(),
                "inputs": [tensor.name for tensor in signature.inputs],
                "outputs": [tensor.name for tensor in signature.outputs],
            }
        (folder / "tokenizer.json").write_text("{}")
        (folder / "users.arrow").write_bytes(content.encode())
        manifest = MANIFEST | {"role": role, "models": models, "tables": {"users.arrow": content}}
        (folder / "manifest.json").write_text(json.dumps(manifest))
        return folder

    def publish(self, *exports: Path, keep: int = 4) -> list[int]:
        return publish(list(exports), self.releases, self.repository, self.configs, keep)

    def visible(self) -> dict[str, list[str]]:
        models = {name: sorted(p.name for p in (self.repository / name).glob("*") if p.is_dir()) for name in SIGNATURES}
        return {"": [str(v) for v in existing(self.releases)], **models}


@contextmanager
def changed(path: Path) -> Iterator[dict[str, Any]]:
    """Write a JSON file again as the block leaves its content."""
    content = json.loads(path.read_text())
    yield content
    path.write_text(json.dumps(content))


@pytest.fixture
def place(tmp_path: Path) -> Place:
    return Place(tmp_path)


def test_what_the_gateway_would_not_read_is_not_published(place: Place) -> None:
    folder = place.exported("a")
    with changed(folder / "manifest.json") as manifest:
        manifest["week_start"] = "someday"
    with pytest.raises(ExporterError, match=r"(?s)manifest\.json: .*week_start.*export again"):
        place.publish(folder)
    assert place.visible()[""] == []
    assert not list(place.releases.glob(".staging*"))


def test_versions_count_up_and_carry_everything(place: Place) -> None:
    assert place.publish(place.exported("a", "replay"), place.exported("a")) == [1, 2]
    assert "Model release 2, role production" in (place.releases / "2" / "cards" / "launch_outcome.md").read_text()
    assert place.publish(place.exported("b")) == [3]
    manifest = json.loads((place.releases / "3" / "manifest.json").read_text())
    assert manifest["version"] == 3
    for name, model in manifest["models"].items():
        data = (place.repository / model["file"]).read_bytes()
        assert hashlib.sha256(data).hexdigest() == model["sha256"]
        assert (place.repository / name / "config.pbtxt").is_file()
    assert (place.releases / "3" / "users.arrow").read_bytes() == b"b"


def test_the_same_content_keeps_its_versions(place: Place) -> None:
    first, second = place.exported("a", "replay"), place.exported("a")
    assert place.publish(first, second) == place.publish(first, second) == [1, 2]
    assert place.publish(first, place.exported("b")) == [3, 4]  # together again, or `latest 2` would drop one of them


def test_what_is_published_again_after_another_is_served_again(place: Place) -> None:
    first, second = place.exported("a", "replay"), place.exported("a")
    assert place.publish(first, second) == [1, 2]
    assert place.publish(place.exported("b", "replay"), place.exported("b")) == [3, 4]
    assert place.publish(first, second) == [5, 6], "the highest version is served"
    assert place.publish(first) == [5], "a later version of another role takes no place"


def test_a_newer_configuration_reaches_the_repository_without_a_new_release(place: Place) -> None:
    place.publish(place.exported("a"))
    (place.configs / "user_encoder" / "config.pbtxt").write_text('name: "user_encoder"\nmax_batch_size: 8\n')
    assert place.publish(place.exported("a")) == [1]
    assert "max_batch_size: 8" in (place.repository / "user_encoder" / "config.pbtxt").read_text()


@pytest.mark.parametrize("stop", range(2 * len(SIGNATURES)))
def test_a_crash_at_any_rename_leaves_nothing_visible(place: Place, monkeypatch: pytest.MonkeyPatch, stop: int) -> None:
    place.publish(place.exported("a"))
    before = place.visible()
    real, calls = os.replace, 0

    def crash(source: Path, target: Path) -> None:
        nonlocal calls
        if calls == stop:
            raise KeyboardInterrupt
        calls += 1
        real(source, target)

    monkeypatch.setattr(publishing.os, "replace", crash)
    if stop > len(SIGNATURES) + 1:  # no such rename: publishing goes through
        assert place.publish(place.exported("b")) == [2]
        return
    with pytest.raises(KeyboardInterrupt):
        place.publish(place.exported("b"))
    assert existing(place.releases) == [1]
    monkeypatch.undo()
    assert place.publish(place.exported("a")) == [1]  # clears what was left
    assert place.visible() == before
    assert place.publish(place.exported("b")) == [2]


def test_old_versions_go_with_their_models(place: Place) -> None:
    for content in "abcde":
        place.publish(place.exported(content), keep=2)
    assert place.visible() == {"": ["4", "5"], **{name: ["4", "5"] for name in SIGNATURES}}


@pytest.mark.parametrize("change", ["output", "model"])
def test_a_release_that_triton_cannot_load_any_more_goes(
    place: Place, capsys: pytest.CaptureFixture[str], change: str
) -> None:
    place.publish(place.exported("a"), place.exported("b"))
    with changed(place.releases / "2" / "manifest.json") as manifest:
        if change == "output":
            manifest["models"]["product_encoder"]["outputs"].remove("completed_ids")
        else:
            manifest["models"]["two_tower"] = manifest["models"].pop("user_encoder")
    assert place.publish(place.exported("b")) == [3], "numbers are not used again"
    assert "model release 2: removed" in capsys.readouterr().out
    assert place.visible() == {"": ["1", "3"], **{name: ["1", "3"] for name in SIGNATURES}}


def test_a_release_from_before_a_model_was_added_stays(place: Place, capsys: pytest.CaptureFixture[str]) -> None:
    place.publish(place.exported("a"))
    with changed(place.releases / "1" / "manifest.json") as manifest:
        del manifest["models"]["product_encoder_fp32"]
    (place.repository / "product_encoder_fp32" / "1" / "model.onnx").unlink()
    (place.repository / "product_encoder_fp32" / "1").rmdir()
    assert place.publish(place.exported("b")) == [2]
    assert "removed" not in capsys.readouterr().out
    both = {name: ["1", "2"] for name in ("", *SIGNATURES)}
    assert place.visible() == both | {"product_encoder_fp32": ["2"]}


def test_a_model_without_configuration_is_refused(place: Place) -> None:
    (place.configs / "user_encoder" / "config.pbtxt").unlink()
    with pytest.raises(ExporterError, match=r"user_encoder.*config\.pbtxt"):
        place.publish(place.exported("a"))
    assert existing(place.releases) == []


def test_a_file_changed_after_the_export_is_refused(place: Place) -> None:
    folder = place.exported("a")
    (folder / "launch_outcome.onnx").write_bytes(b"something else")
    with pytest.raises(ExporterError, match="launch_outcome"):
        place.publish(folder)
    assert existing(place.releases) == []


def test_what_is_not_exported_is_named(place: Place) -> None:
    with pytest.raises(ExporterError, match=r"manifest\.json is missing"):
        place.publish(place.folder / "nowhere")


def test_a_triton_that_does_not_answer_is_named() -> None:
    with pytest.raises(ExporterError, match=r"--triton-http 'http://127\.0\.0\.1:1'"):
        load_model("http://127.0.0.1:1", "user_encoder", timeout=2)
