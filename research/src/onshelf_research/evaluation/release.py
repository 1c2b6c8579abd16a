"""A model release as it is served: its graphs in ONNX Runtime, its tables and its tokenizer, and nothing of the
training code's state.

The gateway and Triton put the very same arrays through the very same files.
"""

import hashlib
import json
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
import pandas as pd
import pyarrow.feather
from numpy.typing import NDArray
from tokenizers import Tokenizer

from onshelf_exporter.data.weeks import Cut
from onshelf_exporter.process.errors import ExporterError, SourceError
from onshelf_exporter.process.progress_display import progress_bar
from onshelf_exporter.training.vocabulary import TrainingVocabulary
from onshelf_release.candidates import CANDIDATE_COLUMNS

LEVELS = ("department", "category", "type", "brand")
BATCH = 64
ENCODER = "product_encoder_int8"
BATCHES = {"user_encoder": 16, "product_retrieval": 8, "audience_retrieval": 4}  # rows that need much memory


@dataclass(frozen=True, kw_only=True)
class MeasuredRelease:
    """One published model release.

    Attributes:
        folder: var/releases/<version>; or what `export` left, which no version was given yet.
        repository: the model repository with <model>/<version>/model.onnx; None = the graphs are in the folder itself.
        manifest: content of manifest.json.
        threads: threads of each graph.
        encoder: the graph that reads products; the one that the gateway asks by default.
    """

    folder: Path
    repository: Path | None
    manifest: dict[str, Any]
    threads: int = 2
    encoder: str = ENCODER

    def __post_init__(self) -> None:
        columns = tuple(self.manifest["candidate_columns"])
        if columns != CANDIDATE_COLUMNS:
            raise ExporterError(f"{self.folder}: candidate_columns {columns}: measured are {CANDIDATE_COLUMNS}")

    @property
    def version(self) -> int:
        """Number of the model release; 0 where it is not published."""
        return int(self.manifest.get("version", 0))

    @property
    def cut_week(self) -> Cut:
        """Last week of data that the model release has seen."""
        return Cut(int(self.manifest["cut_week"]))

    @property
    def identity(self) -> str:
        """Hash over the manifest, which holds the hashes of all graphs."""
        return hashlib.sha256(json.dumps(self.manifest, sort_keys=True).encode()).hexdigest()

    def table(self, name: str) -> pd.DataFrame:
        """A table of the model release.

        Raises:
            SourceError: the model release has no such table.
        """
        path = self.folder / f"{name}.arrow"
        if not path.is_file():
            raise SourceError(f"{path}: missing; publish the model release again")
        frame: pd.DataFrame = pyarrow.feather.read_table(path).to_pandas()
        return frame

    def session(self, model: str) -> onnxruntime.InferenceSession:
        """A graph, ready to run, after its hash was checked against the manifest.

        Raises:
            SourceError: the graph is missing.
            ExporterError: the graph is not the one that the manifest names.
        """
        path = self.folder / f"{model}.onnx"
        if self.repository is not None:
            path = self.repository / model / str(self.version) / "model.onnx"
        if not path.is_file():
            raise SourceError(f"{path}: missing; publish model release {self.version} again")
        expected = str(self.manifest["models"][model]["sha256"])
        actual = hashlib.sha256(path.read_bytes()).hexdigest()
        if actual != expected:
            raise ExporterError(f"{path}: is not the graph of model release {self.version} (sha256 {actual[:12]}…)")
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = self.threads
        options.inter_op_num_threads = 1
        options.log_severity_level = 3
        return onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])

    @cached_property
    def tokenizer(self) -> Tokenizer:
        """The tokenizer, truncating as the manifest says."""
        described = self.manifest["tokenizer"]
        tokenizer = Tokenizer.from_file(str(self.folder / described["file"]))
        tokenizer.enable_truncation(int(described["max_length"]))
        tokenizer.no_padding()
        return tokenizer

    @cached_property
    def vocabulary(self) -> TrainingVocabulary:
        """Ids of departments, categories, types and brands."""
        table = self.table("vocabulary").sort_values(["level", "id"])
        parts = {level: table[table["level"] == level] for level in LEVELS}

        def column(level: str, name: str) -> NDArray[np.int64]:
            return np.concatenate([[0], parts[level][name].to_numpy(dtype=np.int64)])

        return TrainingVocabulary(
            {level: ["", *parts[level]["name"].astype(str)] for level in LEVELS},
            {level: column(level, "parent_id") for level in LEVELS},
            {level: column(level, "n_products") for level in LEVELS},
        )

    def encode(self, products: pd.DataFrame) -> dict[str, NDArray[Any]]:
        """Run the encoder.

        Args:
            products: title, department, category, type, brand, private_label (1, 0, -1) and price (0 = unknown), one
                row each.

        Returns:
            The graph's outputs by name, attributes as they went in, and categorical_ids as the graph completed them,
            with which a plan goes on.
        """
        encoded = self.tokenizer.encode_batch([str(title) for title in products["title"].fillna("")])
        length = np.array([len(one.ids) for one in encoded])
        ids = np.full(
            (len(encoded), max(int(length.max()), 1)), int(self.manifest["tokenizer"]["pad_id"]), dtype=np.int64
        )
        mask = np.arange(ids.shape[1]) < length[:, None]
        ids[mask] = np.concatenate([one.ids for one in encoded])
        label = products["private_label"].fillna(-1).to_numpy(dtype=np.float32)
        feeds = {
            "input_ids": ids,
            "attention_mask": mask.astype(np.int64),
            "categorical_ids": self.vocabulary.ids(products),
            "attributes": np.stack([products["price"].fillna(0.0).to_numpy(dtype=np.float32), label], axis=1),
        }
        order = np.argsort(length, kind="stable")
        outputs = self._run(self.encoder, feeds, order, length)
        return {**outputs, "categorical_ids": outputs["completed_ids"], "attributes": feeds["attributes"]}

    def outcomes(self, encoded: dict[str, NDArray[Any]], candidates: NDArray[np.float32]) -> dict[str, NDArray[Any]]:
        """Run launch_outcome.

        Args:
            encoded: what `encode` returned.
            candidates: float32 [n, actions, candidate columns].
        """
        feeds = {name: encoded[name] for name in ("embedding", "categorical_ids", "attributes")}
        return self._run("launch_outcome", {**feeds, "candidates": candidates})

    def recommendations(self, users: pd.DataFrame, new_product_share: float = 0.0) -> dict[str, NDArray[Any]]:
        """Run user_encoder and product_retrieval.

        Args:
            users: rows of the table `users`, or rows with histories changed.
            new_product_share: share of places that new products have.

        Returns:
            The outputs of product_retrieval by name, one row a user; indices are rows of the table `products`.
        """
        history = {
            "history_products": _padded(users["history_products"], np.int64),
            "history_ages": _padded(users["history_ages"], np.float32),
            "history_quantities": _padded(users["history_quantities"], np.float32),
            "history_kinds": _padded(users["history_kinds"], np.int64),
        }
        profile = {"profile": _padded(users["profile"], np.float32)}
        vectors = self._run("user_encoder", {**history, **profile})
        share = np.full((len(users), 1), new_product_share, dtype=np.float32)
        asked = {"history_products": history["history_products"], "new_product_share": share}
        return self._run("product_retrieval", {**vectors, **profile, **asked})

    def audience(self, encoded: dict[str, NDArray[Any]], users: int) -> NDArray[np.float64]:
        """Run audience_retrieval.

        Args:
            encoded: what `encode` returned.
            users: rows of the table `users`.

        Returns:
            float64 [n, users]; users that were not retrieved score below all that were.
        """
        best = self.audience_members(encoded)
        floor = float(best["scores"].min()) - 1.0
        scores = np.full((len(best["scores"]), users), floor)
        np.put_along_axis(scores, best["user_indices"], best["scores"].astype(np.float64), axis=1)
        return scores

    def audience_members(self, encoded: dict[str, NDArray[Any]]) -> dict[str, NDArray[Any]]:
        """The outputs of audience_retrieval by name, one row for each product that `encode` read."""
        return self._run("audience_retrieval", encoded)

    def _run(
        self,
        model: str,
        feeds: dict[str, NDArray[Any]],
        order: NDArray[np.int64] | None = None,
        length: NDArray[np.int64] | None = None,
    ) -> dict[str, NDArray[Any]]:
        """All rows in batches; with `length`, in the given order and with each batch cut to its longest text."""
        session = self.session(model)
        names = [output.name for output in session.get_outputs()]
        wanted = [entry.name for entry in session.get_inputs()]
        rows = len(next(iter(feeds.values())))
        order = np.arange(rows) if order is None else order
        parts: list[list[NDArray[Any]]] = []
        with progress_bar(model, rows) as advance:
            size = BATCHES.get(model, BATCH)
            for start in range(0, rows, size):
                batch = order[start : start + size]
                given = {name: feeds[name][batch] for name in wanted}
                if length is not None:
                    width = max(int(length[batch].max()), 1)
                    given |= {name: given[name][:, :width] for name in ("input_ids", "attention_mask")}
                parts.append(session.run(names, given))
                advance(len(batch))
        back = np.argsort(order, kind="stable")
        return {name: np.concatenate([part[i] for part in parts])[back] for i, name in enumerate(names)}


class MissingReleaseError(SourceError):
    """No model release has a cut that fits the measured weeks."""


def find_release(
    releases: Path,
    repository: Path,
    before_week: int,
    dataset: str,
    threads: int = 2,
    cut_week: Cut | None = None,
    recipe: str | None = None,
) -> MeasuredRelease:
    """The newest model release that has seen most without seeing the measured weeks.

    Args:
        releases: folder of model releases.
        repository: model repository.
        before_week: first week whose launches are measured; the cut week must lie before it.
        dataset: name of the data set.
        threads: threads of each graph.
        cut_week: the cut that it must have; None = any before the measured weeks.
        recipe: name of the recipe that trained it; None = any.

    Raises:
        MissingReleaseError: there is no such model release.
    """
    manifests = [json.loads(path.read_text(encoding="utf-8")) for path in sorted(releases.glob("[0-9]*/manifest.json"))]
    fitting = [m for m in manifests if m["dataset"] == dataset and int(m["cut_week"]) < before_week]
    fitting = [m for m in fitting if cut_week is None or int(m["cut_week"]) == cut_week]
    fitting = [m for m in fitting if recipe is None or m["recipe"] == recipe]
    if not fitting:
        known = (
            f"{m['version']} ({m['dataset']}, cut at week {m['cut_week']}, recipe {m['recipe']})" for m in manifests
        )
        wanted, role = f"before week {before_week}", "replay"
        if cut_week is not None:
            wanted, role = f"at week {cut_week}", "evaluation"
        if recipe is not None:
            wanted += f", recipe {recipe}"
        raise MissingReleaseError(
            f"{releases}: no model release of {dataset} cut {wanted}; there are: {', '.join(known) or 'none'}. Train, "
            f"export and publish one: `onshelf-exporter train --roles {role}`, then `export` and `publish` with the "
            "same arguments"
        )
    best = max(fitting, key=lambda m: (int(m["cut_week"]), int(m["version"])))
    return MeasuredRelease(
        folder=releases / str(best["version"]), repository=repository, manifest=best, threads=threads
    )


def exported_release(folder: Path, before_week: int, threads: int = 2) -> MeasuredRelease:
    """What `export` left in a training run, as a model release that is not published.

    Args:
        folder: holds manifest.json, the graphs and the tables.
        before_week: first week whose launches are measured.
        threads: threads of each graph.

    Raises:
        ExporterError: it has seen the measured weeks.
    """
    manifest = json.loads((folder / "manifest.json").read_text(encoding="utf-8"))
    if int(manifest["cut_week"]) >= before_week:
        raise ExporterError(f"{folder}: cut_week = {manifest['cut_week']}: must lie before week {before_week}")
    return MeasuredRelease(folder=folder, repository=None, manifest=manifest, threads=threads)


def _padded(lists: "pd.Series[Any]", kind: type[Any]) -> NDArray[Any]:
    """Lists of different lengths as [n, longest], filled with 0 at the end."""
    length = lists.str.len().to_numpy(dtype=np.int64)
    result = np.zeros((len(lists), max(int(length.max()), 1)), dtype=kind)
    result[np.arange(result.shape[1]) < length[:, None]] = np.concatenate(lists.to_list())
    return result
