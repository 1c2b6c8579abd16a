"""Make exported models visible as numbered model releases.

    onshelf-exporter publish --recipe default --roles replay production --triton-http http://127.0.0.1:8000

Models go to `<repository>/<model>/<version>/model.onnx`, everything else to `<releases>/<version>/`. The release's
folder, renamed into place last, is the commit: a version without one does not exist, and what a crash left of it is
cleared by the next publishing. The roles of one call are published together: unless all of them are published already
with the same content, and nothing later in their place, each gets a new version: what is asked for last is served.
"""

import argparse
import datetime as dt
import hashlib
import http.client
import json
import os
import shutil
import subprocess
import sys
import urllib.error
import urllib.parse
import urllib.request
from pathlib import Path
from typing import Any

from onshelf_exporter.process.errors import ExporterError
from onshelf_exporter.process.json_file import write_json
from onshelf_exporter.process.locks import exclusive
from onshelf_exporter.process.progress_display import progress_bar, working
from onshelf_exporter.release.cards import write_cards
from onshelf_exporter.release.export import export, is_exported
from onshelf_exporter.release.replay import write_replay
from onshelf_exporter.training.history import load_dataset
from onshelf_exporter.training.run_arguments import add_run_arguments, run_recipe
from onshelf_exporter.training.runs import ROLES, Run, open_run
from onshelf_release.manifest import Manifest
from onshelf_release.signatures import SIGNATURES

STAGING = ".staging-"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the stage's arguments."""
    add_run_arguments(parser)
    parser.add_argument("--releases", type=Path, default=Path("var/releases"), help="folder of model releases")
    parser.add_argument("--repository", type=Path, default=Path("model_repository"), help="Triton's model repository")
    parser.add_argument(
        "--configs", type=Path, default=Path("model_repository"), help="where config.pbtxt files come from"
    )
    parser.add_argument(
        "--replay", type=Path, default=Path("var/replay/launches.json"), help="file of real launches to replay"
    )
    parser.add_argument(
        "--evaluation", type=Path, default=Path("reports/evaluation.json"), help="figures for the model cards, if there"
    )
    parser.add_argument("--train", action="store_true", help="first train and export what is not yet")
    parser.add_argument("--keep", type=int, default=4, help="how many versions to keep (at least 2; default: 4)")
    parser.add_argument("--triton-http", default="", help="URL of a running Triton that shall load the new versions")


def run(args: argparse.Namespace) -> int:
    """Export what is not exported yet, publish, write the replay file; prints a line per model release."""
    if args.keep < 2:
        raise ExporterError(f"--keep {args.keep}: must be at least 2, so that one can go back")
    training = open_run(args.runs, args.data, load_dataset(args.data), run_recipe(args))
    roles = sorted((role for role in args.roles if training.has_role(role)), key=ROLES.index)
    if args.train and not all(is_exported(training.folder / role / "export") for role in roles):
        _make(training, args)
    exports = {role: export(training, role) for role in roles}
    before = existing(args.releases)
    evaluation = json.loads(args.evaluation.read_text(encoding="utf-8")) if args.evaluation.is_file() else None
    with working("publish"):
        versions = publish(list(exports.values()), args.releases, args.repository, args.configs, args.keep, evaluation)
    for role, version in zip(roles, versions, strict=True):
        print(f"model release {version}: {role}, {'already published' if version in before else 'new'}")
    if "replay" in roles:
        count = write_replay(training, versions[roles.index("replay")], args.replay)
        print(f"{count} real launches to replay: {args.replay}")
    if args.triton_http and any(version not in before for version in versions):
        with progress_bar("load", len(SIGNATURES)) as advance:
            for name in SIGNATURES:
                load_model(args.triton_http, name)
                advance(1)
        print(f"loaded by {args.triton_http}")
    return 0


def _make(training: Run, args: argparse.Namespace) -> None:
    """Train and export in processes of their own, so that neither keeps its memory while the next one works."""
    same = ["--recipe", args.recipe, "--data", str(args.data), "--runs", str(args.runs), "--roles", *args.roles]
    same += ["--precision", args.precision] if args.precision is not None else []
    for stage in ("train", "export"):
        ended = subprocess.run([sys.executable, "-m", "onshelf_exporter.cli", stage, *same], check=False).returncode
        if ended != 0:
            raise ExporterError(
                f"step {stage} of {training.folder} ended with status {ended}; what is wrong stands above"
            )


def existing(releases: Path) -> list[int]:
    """Published versions, rising."""
    if not releases.is_dir():
        return []
    return sorted(int(p.name) for p in releases.iterdir() if p.name.isdigit() and (p / "manifest.json").is_file())


def outdated(releases: Path) -> list[int]:
    """Published versions whose models have other inputs or outputs than `SIGNATURES` names; models that came later
    they may lack."""
    wanted = {
        name: ({tensor.name for tensor in signature.inputs}, {tensor.name for tensor in signature.outputs})
        for name, signature in SIGNATURES.items()
    }
    found = []
    for version in existing(releases):
        models = read_manifest(releases / str(version))["models"]
        if any((set(model["inputs"]), set(model["outputs"])) != wanted.get(name) for name, model in models.items()):
            found.append(version)
    return found


def content_hash(folder: Path) -> str:
    """Hash of what a model release is made of: models, tables, tokenizer, recipe, role."""
    manifest = read_manifest(folder)
    files = {name: model["sha256"] for name, model in manifest["models"].items()}
    tokenizer = hashlib.sha256((folder / manifest["tokenizer"]["file"]).read_bytes()).hexdigest()
    parts = [manifest["role"], manifest["recipe_hash"], manifest["data_hash"], files, manifest["tables"], tokenizer]
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()


def read_manifest(folder: Path) -> dict[str, Any]:
    """The manifest of an exported or published folder; raises ExporterError where there is none."""
    path = folder / "manifest.json"
    if not path.is_file():
        raise ExporterError(f"{folder}: not exported (manifest.json is missing); run `onshelf-exporter export`")
    content: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return content


def publish(
    exports: list[Path],
    releases: Path,
    repository: Path,
    configs: Path,
    keep: int,
    evaluation: dict[str, Any] | None = None,
) -> list[int]:
    """Publish exported folders in order; returns their versions (the existing ones where all are the newest already).

    `evaluation` is the content of evaluation.json, whose figures go into the model cards of the same recipe and data.

    Raises ExporterError where a model has no config.pbtxt in `configs`.
    """
    with exclusive(releases):
        clear_leftovers(releases, repository)
        copy_configs(configs, repository)  # also where all is published: they may be newer
        last = max(existing(releases), default=0)
        for old in outdated(releases):  # one version that Triton cannot load keeps it from starting
            print(f"model release {old}: removed, its models have other inputs or outputs than this version serves")
            remove(old, releases, repository)
        newest: dict[str, tuple[str, int]] = {}  # by role
        for version in existing(releases):
            manifest = read_manifest(releases / str(version))
            newest[manifest["role"]] = str(manifest.get("content_hash")), version
        roles = [str(read_manifest(folder)["role"]) for folder in exports]
        hashes = [content_hash(folder) for folder in exports]
        if all(role in newest and newest[role][0] == digest for role, digest in zip(roles, hashes, strict=True)):
            return [newest[role][1] for role in roles]
        versions = [last + number for number in range(1, len(exports) + 1)]
        manifests = [_published(*one) for one in zip(exports, hashes, versions, strict=True)]  # all, or none is
        for folder, manifest in zip(exports, manifests, strict=True):
            publish_one(folder, manifest, releases, repository, evaluation)
        for old in existing(releases)[:-keep]:
            remove(old, releases, repository)
    return versions


def _published(folder: Path, digest: str, version: int) -> dict[str, Any]:
    """The manifest of an exported folder as a version; raises ExporterError where the gateway would not read it."""
    published = {**read_manifest(folder), "version": version, "content_hash": digest}
    published["created_at"] = dt.datetime.now(dt.UTC).isoformat(timespec="seconds")
    try:
        Manifest.model_validate_json(json.dumps(published))  # as the gateway will read it
    except ValueError as error:
        raise ExporterError(f"{folder / 'manifest.json'}: {error}; export again") from error
    return published


def publish_one(
    folder: Path,
    published: dict[str, Any],
    releases: Path,
    repository: Path,
    evaluation: dict[str, Any] | None = None,
) -> None:
    """Put one exported folder in place; `published` is its manifest, with the version."""
    version = published["version"]
    staging = releases / f"{STAGING}{version}"
    staging.mkdir(parents=True)
    for file in sorted(folder.iterdir()):
        if file.suffix == ".arrow" or file.name == published["tokenizer"]["file"]:
            shutil.copyfile(file, staging / file.name)
    for name, model in published["models"].items():
        partial = repository / name / f"{STAGING}{version}"
        partial.mkdir(parents=True)
        shutil.copyfile(folder / model["file"], partial / "model.onnx")
        if hashlib.sha256((partial / "model.onnx").read_bytes()).hexdigest() != model["sha256"]:
            raise ExporterError(f"{folder / model['file']}: not the file that was exported; export again")
        os.replace(partial, repository / name / str(version))
        model["file"] = f"{name}/{version}/model.onnx"
    write_cards(staging / "cards", published, evaluation)
    write_json(staging / "manifest.json", published)
    os.replace(staging, releases / str(version))


def clear_leftovers(releases: Path, repository: Path) -> None:
    """Remove what an interrupted publishing left: staging folders, and model versions without a model release."""
    for path in releases.glob(f"{STAGING}*"):
        shutil.rmtree(path)
    published = set(existing(releases))
    for name in SIGNATURES:
        for path in (repository / name).glob(f"{STAGING}*"):
            shutil.rmtree(path)
        for path in (repository / name).glob("[0-9]*"):
            if path.name.isdigit() and int(path.name) not in published:
                shutil.rmtree(path)


def copy_configs(configs: Path, repository: Path) -> None:
    """Put each model's config.pbtxt into the repository, where it is not there or differs."""
    for name in SIGNATURES:
        source, target = configs / name / "config.pbtxt", repository / name / "config.pbtxt"
        if not source.is_file():
            raise ExporterError(f"{source}: missing; a model is published only with its configuration")
        if target.is_file() and target.read_bytes() == source.read_bytes():
            continue
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(source, target)


def remove(version: int, releases: Path, repository: Path) -> None:
    """Remove a model release: its folder first, so that nobody finds it half there."""
    gone = releases / f"{STAGING}{version}"
    os.replace(releases / str(version), gone)
    shutil.rmtree(gone)
    for name in SIGNATURES:
        shutil.rmtree(repository / name / str(version), ignore_errors=True)


def load_model(url: str, name: str, timeout: float = 120.0) -> None:
    """Ask a Triton in explicit mode to load the versions that its policy names; raises ExporterError where it does
    not."""
    address = f"{url.rstrip('/')}/v2/repository/models/{name}/load"
    request = urllib.request.Request(address, data=b"{}", method="POST", headers={"Content-Type": "application/json"})
    try:
        with _opener(url).open(request, timeout=timeout) as answer:
            answer.read()
    except urllib.error.HTTPError as error:
        detail = error.read().decode("utf-8", "replace")[:500]
        raise ExporterError(f"{address}: Triton answered {error.code}: {detail}") from error
    except (OSError, http.client.HTTPException) as error:
        raise ExporterError(f"--triton-http {url!r}: no answer ({error})") from error


def _opener(url: str) -> urllib.request.OpenerDirector:
    """What asks a server: past any proxy where it is on this machine."""
    here = urllib.parse.urlsplit(url).hostname in ("localhost", "127.0.0.1", "::1")
    return urllib.request.build_opener(*([urllib.request.ProxyHandler({})] if here else []))
