"""Write trained models as ONNX, checked against PyTorch on real rows.

    onshelf-exporter export --recipe default --roles replay production

Leaves `<run>/<role>/export/` with one .onnx per model, the tables, the tokenizer and manifest.json (without a version:
publishing gives it). What this code exported already is not exported again.
"""

import argparse
import datetime as dt
import hashlib
import importlib.metadata
import json
import os
import platform
import shutil
import subprocess
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import torch
from numpy.typing import NDArray
from tokenizers import Tokenizer
from torch import nn

import onshelf_release
from onshelf_exporter.data.weeks import as_of_cut
from onshelf_exporter.models.product_encoder import ProductEncoder
from onshelf_exporter.models.unpadding import unpadded
from onshelf_exporter.process import threads
from onshelf_exporter.process.errors import ExporterError
from onshelf_exporter.process.imported import PACKAGE, code_hash
from onshelf_exporter.process.json_file import write_json
from onshelf_exporter.process.locks import exclusive
from onshelf_exporter.process.progress_display import working
from onshelf_exporter.release import graphs as onnx_graphs
from onshelf_exporter.release.graphs import Arrays
from onshelf_exporter.training.encode import load_bert
from onshelf_exporter.training.history import load_dataset
from onshelf_exporter.training.review_model import load_reviews, review_folder
from onshelf_exporter.training.run_arguments import add_run_arguments, run_recipe
from onshelf_exporter.training.runs import Run, open_run
from onshelf_exporter.training.texts import load_tokenizer, model_folder, pad_token
from onshelf_exporter.training.workers import side_by_side
from onshelf_release.candidates import CANDIDATE_COLUMNS, CHANNEL_SLOTS, HORIZONS
from onshelf_release.signatures import (
    CPU_ENCODERS,
    EMBEDDING_DIM,
    PRODUCT_FIT,
    QUANTILE_LEVELS,
    REVIEW_SENTIMENT,
    SIGNATURES,
    VECTOR_DIM,
)
from onshelf_release.tables import COLUMNS

# A decided launch's odds rise as its expected buyers do; of the weights tried on launches of weeks 21-32 it was best.
DECIDED_LIFT_WEIGHT = 1.0
TOOLS = (
    "torch",
    "transformers",
    "onnx",
    "onnxscript",
    "onnxruntime",
    "tokenizers",
    "numpy",
    "scipy",
    "duckdb",
    "ibis-framework",
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the stage's arguments."""
    add_run_arguments(parser)


def run(args: argparse.Namespace) -> int:
    """Export the trained roles of a run; prints their folders."""
    training = open_run(args.runs, args.data, load_dataset(args.data), run_recipe(args))
    roles = [role for role in args.roles if training.has_role(role)]
    for folder in side_by_side(partial(export, training), roles, threads.usable(training.recipe.threads)):
        print(folder)
    return 0


def export(training: Run, role: str) -> Path:
    """Export one role; returns its folder. Raises ExporterError where it is not trained or a check fails."""
    if not training.is_done(role):
        raise ExporterError(f"role {role!r} of {training.folder} is not trained; run `onshelf-exporter train` first")
    target = training.folder / role / "export"
    with exclusive(training.folder / role):
        if not is_exported(target):
            _export(training, role, target)
    return target


def is_exported(folder: Path) -> bool:
    """Whether a folder holds graphs that this code wrote with these versions of its tools."""
    manifest = folder / "manifest.json"
    if not manifest.exists():
        return False
    content = json.loads(manifest.read_text(encoding="utf-8"))
    return (content.get("export_code"), content["tool_versions"]) == (code_hash(__name__), tool_versions())


def _export(training: Run, role: str, target: Path) -> None:
    staging = training.folder / role / "export.staging"
    shutil.rmtree(staging, ignore_errors=True)
    staging.mkdir(parents=True)
    with working(f"export {role}: loading"):
        modules = _modules(training, role)
        rows = _rows(training, role)
    models: dict[str, Any] = {}
    with working(f"export {role}", len(modules) + len(CPU_ENCODERS)) as step:
        for name, module in modules.items():
            step(name)
            path = staging / f"{name}.onnx"
            onnx_graphs.export_graph(name, module, _few(rows[name], 3), path)
            models[name] = _describe(name, path) | {"parity": onnx_graphs.parity(name, module, path, rows[name])}
        models |= _encoders_for_cpus(modules["product_encoder"], rows["product_encoder"], staging, step)
    for table in COLUMNS:
        shutil.copyfile(training.folder / role / "tables" / f"{table}.arrow", staging / f"{table}.arrow")
    load_tokenizer(training.recipe.encoder).save(str(staging / "tokenizer.json"))
    write_json(staging / "manifest.json", _manifest(training, role, models, staging))
    earlier = target.with_suffix(".earlier")
    shutil.rmtree(earlier, ignore_errors=True)
    if target.exists():
        os.replace(target, earlier)  # never half there
    os.replace(staging, target)
    shutil.rmtree(earlier, ignore_errors=True)


def _encoders_for_cpus(module: nn.Module, rows: Arrays, folder: Path, step: Callable[[str], None]) -> dict[str, Any]:
    """Write CPU_ENCODERS: without work for padding where the text encoder's architecture allows it ("unpadded")."""
    assert isinstance(module, ProductEncoder)
    fp32, int8 = (folder / f"{name}.onnx" for name in CPU_ENCODERS)
    step("product_encoder_fp32")
    without_padding = unpadded(module)
    onnx_graphs.export_graph("product_encoder_fp32", without_padding or module, _few(rows, 3), fp32)
    parity = onnx_graphs.parity("product_encoder_fp32", module, fp32, rows)
    step("product_encoder_int8")
    matrices = folder / "product_encoder_matrices.onnx"
    onnx_graphs.quantise(fp32, matrices)
    onnx_graphs.quantise_words(matrices, int8)
    matrices.unlink()
    cosine = onnx_graphs.int8_cosine(fp32, int8, rows)
    says = {"unpadded": without_padding is not None}
    return {
        "product_encoder_fp32": _describe("product_encoder_fp32", fp32) | says | {"parity": parity},
        "product_encoder_int8": _describe("product_encoder_int8", int8) | says | {"int8": cosine},
    }


def _modules(training: Run, role: str) -> dict[str, nn.Module]:
    modules: dict[str, nn.Module] = torch.load(training.folder / role / "graphs.pt", weights_only=False)
    text = load_bert(model_folder(training.recipe.encoder))
    text.load_state_dict(torch.load(training.encoder_folder / "text.pt", weights_only=True))
    encoder = modules["product_encoder"]
    assert isinstance(encoder, ProductEncoder)
    encoder.text = text.eval().requires_grad_(False)
    modules[REVIEW_SENTIMENT] = load_reviews(training)
    return {name: module.eval() for name, module in modules.items()}


def _rows(training: Run, role: str) -> dict[str, Arrays]:
    """Real inputs of each model, from the samples that training kept."""
    samples = dict(np.load(training.folder / role / "samples.npz"))
    tokenizer = load_tokenizer(training.recipe.encoder)
    tokenizer.enable_padding(pad_id=pad_token(tokenizer))
    samples |= _tokens(tokenizer, samples["texts"])
    n = len(samples["candidates"])
    # every launch is scored under the actions of seven others, too
    actions = (np.arange(n)[:, None] + np.arange(8)[None, :]) % n
    samples["candidates"] = np.ascontiguousarray(samples["candidates"][actions])
    modules = torch.load(training.folder / role / "graphs.pt", weights_only=False)
    with torch.no_grad():
        user = [torch.from_numpy(samples[tensor.name]) for tensor in SIGNATURES["user_encoder"].inputs]
        said = modules["user_encoder"](*user)
    samples |= {t.name: value.numpy() for t, value in zip(SIGNATURES["user_encoder"].outputs, said, strict=True)}
    own = {
        PRODUCT_FIT: _fit_rows(samples, modules["product_neighbours"]),
        REVIEW_SENTIMENT: _tokens(tokenizer, np.load(review_folder(training) / "samples.npz")["texts"]),
    }
    return {
        name: own.get(name) or {t.name: samples[t.name] for t in signature.inputs}
        for name, signature in SIGNATURES.items()
    }


def _tokens(tokenizer: Tokenizer, texts: NDArray[np.str_]) -> Arrays:
    """Ids and masks of texts, padded to the longest."""
    encoded = tokenizer.encode_batch([str(text) for text in texts])
    return {
        "input_ids": np.array([e.ids for e in encoded], dtype=np.int64),
        "attention_mask": np.array([e.attention_mask for e in encoded], dtype=np.int64),
    }


def _fit_rows(samples: Arrays, neighbours: nn.Module) -> Arrays:
    """Inputs of product_fit: every user beside eight of the launches."""
    users, launches = len(samples["user_vector"]), len(samples["embedding"])
    with torch.no_grad():
        limits, closest = neighbours(torch.from_numpy(samples["embedding"]))
    mine = (np.arange(users)[:, None] * 3 + np.arange(8)[None, :]) % launches
    names = ("user_vector", "profile", "history_products", "repeat_weights", "event_weights")
    return {name: samples[name] for name in names} | {
        "embeddings": samples["embedding"][mine],
        "categorical_ids": samples["categorical_ids"][mine],
        "product_vectors": samples["product_vector"][mine],
        "neighbour_limits": limits.numpy()[mine],
        "closest": closest.numpy()[mine, 0],
    }


def _few(rows: Arrays, count: int) -> Arrays:
    return {name: value[:count] for name, value in rows.items()}


def _describe(name: str, path: Path) -> dict[str, Any]:
    model = onnx.load(str(path), load_external_data=False)
    return {
        "file": path.name,
        "sha256": hashlib.sha256(path.read_bytes()).hexdigest(),
        "bytes": path.stat().st_size,
        "ir_version": model.ir_version,
        "opset": onnx_graphs.default_opset(model),
        "inputs": [t.name for t in SIGNATURES[name].inputs],
        "outputs": [t.name for t in SIGNATURES[name].outputs],
    }


def _manifest(training: Run, role: str, models: dict[str, Any], folder: Path) -> dict[str, Any]:
    dataset, recipe, record = training.dataset, training.recipe, training.record(role)
    cut = training.cut_week(role)
    tokenizer = load_tokenizer(recipe.encoder)
    unknown = next((t for t in ("[UNK]", "<unk>") if tokenizer.token_to_id(t) is not None), "[UNK]")
    encoder = json.loads((training.encoder_folder / "done.json").read_text(encoding="utf-8"))
    reviews = json.loads((review_folder(training) / "done.json").read_text(encoding="utf-8"))
    return {
        "schema_version": 1,
        "role": role,
        "dataset": dataset["dataset"],
        "as_of": as_of_cut(dataset, cut).isoformat(),
        "as_of_week": cut,
        "cut_week": cut,
        "encoder_cut_week": training.encoder_cut,
        "data_hash": dataset["data_hash"],
        "export_code": code_hash(__name__),
        "git_commit": git_commit(),
        "recipe": recipe.name,
        "recipe_hash": recipe.hash,
        "seed": training.seed(role),
        "currency": dataset["currency"],
        "timezone": dataset["timezone"],
        "week_start": dataset["week_start"],
        "week_one": dataset["week_one"],
        "prices_include_tax": dataset.get("prices_include_tax"),
        "units_basis": {"description": dataset.get("units_basis", ""), "users": dataset["users"]},
        "launch_rule": dataset.get("launch_rule", ""),
        "not_learned": record["not_learned"],
        "horizons_weeks": list(HORIZONS),
        "quantile_levels": list(QUANTILE_LEVELS),
        "quantile_convention": "a count y is spread over (y - 1, y]; the ceiling of a quantile is the integer quantile",
        "units_support": record["units_support"],
        "candidate_columns": list(CANDIDATE_COLUMNS),
        "decided_lift_weight": DECIDED_LIFT_WEIGHT,
        "embedding_dim": EMBEDDING_DIM,
        "vector_dim": VECTOR_DIM,
        "max_channels": CHANNEL_SLOTS,
        "language": recipe.encoder.language,
        "tokenizer": {
            "file": "tokenizer.json",
            "max_length": recipe.encoder.max_length,
            "unk_token": unknown,
            "pad_id": pad_token(tokenizer),
        },
        "food_departments": dataset.get("food_departments", []),
        "models": models,
        "tables": {
            f"{table}.arrow": hashlib.sha256((folder / f"{table}.arrow").read_bytes()).hexdigest() for table in COLUMNS
        },
        "calibration": record["calibration"],
        "metrics": record["metrics"] | {"reviews": reviews["metrics"]},
        "training": {
            "encoder": encoder,
            "reviews": {key: value for key, value in reviews.items() if key != "metrics"},
            "threads": record.get("threads"),
            "note": "The text encoder is fine-tuned once, on weeks up to encoder_cut_week, and shared; all else is "
            "fitted on weeks up to cut_week. Launches are training rows when week + 7 <= cut_week (4-week outcomes and "
            "practice labels: week + 3 <= cut_week).",
        },
        "tool_versions": tool_versions(),
        "exported_at": dt.datetime.now(dt.UTC).isoformat(timespec="seconds"),
    }


def tool_versions() -> dict[str, str]:
    """What graphs are made with."""
    return {"python": platform.python_version()} | {tool: importlib.metadata.version(tool) for tool in TOOLS}


def git_commit() -> str | None:
    """The commit of the code, with "+changes" where files differ from it; None outside a repository."""
    here, beside = PACKAGE, Path(onshelf_release.__file__).parent
    status = ["git", "status", "--porcelain", "--", ".", str(beside)]
    try:
        commit = subprocess.run(
            ["git", "rev-parse", "HEAD"], cwd=here, capture_output=True, text=True, check=True
        ).stdout.strip()
        changed = subprocess.run(
            status,
            cwd=here,
            capture_output=True,
            text=True,
            check=True,
        ).stdout.strip()
    except (OSError, subprocess.CalledProcessError):
        return None
    return commit + ("+changes" if changed else "")
