"""The models of a training run as modules; and without their weights, for a machine that has no training run.

    python -m onshelf_benchmarks.packed models.zip        the newest run, for `--models` of `gpu`

A packed model keeps its tables of whole numbers; its weights are drawn anew, which changes answers and not times.
"""

import io
import sys
import zipfile
from collections.abc import Callable
from pathlib import Path

import torch
from torch import Tensor, nn

from onshelf_benchmarks.record import RUNS
from onshelf_exporter.models.product_encoder import ProductEncoder
from onshelf_exporter.training.encode import load_bert
from onshelf_exporter.training.recipe import EncoderRecipe
from onshelf_exporter.training.texts import model_folder

Modules = dict[str, nn.Module]


def newest_run() -> Path:
    """The newest role that is trained. Raises SystemExit where there is none."""
    found = sorted(RUNS.glob("default-*/production/graphs.pt"), key=lambda path: path.stat().st_mtime)
    if not found:
        raise SystemExit(f"{RUNS}: no training run; run `make train` first, or give --models")
    return found[-1].parent


def load_run(folder: Path) -> Modules:
    """The modules of a role of a training run, as they are exported."""
    modules: Modules = torch.load(folder / "graphs.pt", weights_only=False)
    encoder = modules["product_encoder"]
    assert isinstance(encoder, ProductEncoder)
    encoder.text = load_bert(model_folder(EncoderRecipe()))  # times do not depend on fine-tuning
    return modules


def _with_weights(modules: Modules, change: Callable[[Tensor], Tensor]) -> Modules:
    """Modules with their weights, and what else is not whole numbers, changed."""
    for module in modules.values():
        state = module.state_dict().items()
        changed = {name: change(value) for name, value in state if value.is_floating_point() and value.numel() > 1}
        module.load_state_dict(changed, strict=False, assign=True)
    return modules


def pack(modules: Modules, path: Path) -> None:
    """Keep the modules without their weights."""
    content = io.BytesIO()
    torch.save(_with_weights(modules, lambda value: torch.empty_like(value, device="meta")), content)
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("modules.pt", content.getvalue())


def unpack(path: Path) -> Modules:
    """Packed modules with weights drawn anew."""
    with zipfile.ZipFile(path) as archive:
        modules: Modules = torch.load(io.BytesIO(archive.read("modules.pt")), weights_only=False)
    torch.manual_seed(1)
    return _with_weights(modules, lambda value: torch.randn(value.shape, dtype=value.dtype) * 0.02)


if __name__ == "__main__":
    pack(load_run(newest_run()), Path(sys.argv[1]))
