"""Where training runs. There is no GPU here: the choice is tested with pretended ones, the placement on PyTorch's meta
device, whose tensors have no data and refuse to meet those of the CPU."""

from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from onshelf_exporter.process.errors import SettingError
from onshelf_exporter.training import devices
from onshelf_exporter.training.content import Auxiliary, ContentTask, Rows, new_content
from onshelf_exporter.training.devices import choose
from onshelf_exporter.training.history import load_history
from onshelf_exporter.training.recipe import ContentRecipe
from onshelf_exporter.training.targets import build_targets, newest_outcomes

META = torch.device("meta")


@pytest.mark.parametrize(
    ("wanted", "gpus", "place", "processes", "device"),
    [
        ("auto", 0, 0, 1, "cpu"),
        ("auto", 0, 1, 2, "cpu"),
        ("auto", 2, 1, 2, "cuda:1"),
        ("cuda", 1, 0, 1, "cuda:0"),
        ("cuda:1", 2, 0, 1, "cuda:1"),
        ("cpu", 4, 3, 4, "cpu"),
    ],
)
def test_each_process_has_its_own_gpu_where_there_is_one(
    wanted: str, gpus: int, place: int, processes: int, device: str
) -> None:
    assert choose(wanted, gpus, place, processes) == torch.device(device)


@pytest.mark.parametrize(
    ("wanted", "gpus", "processes", "rule"),
    [
        ("gpu", 1, 1, "auto, cpu, cuda or cuda:N"),
        ("cuda:x", 1, 1, "auto, cpu, cuda or cuda:N"),
        ("cpu:1", 1, 1, "auto, cpu, cuda or cuda:N"),
        ("cuda", 0, 1, "there are 0"),
        ("cuda:1", 1, 1, "there are 1 GPUs"),
        ("auto", 1, 2, "2 processes need as many GPUs"),
    ],
)
def test_a_device_that_is_not_there_is_refused(wanted: str, gpus: int, processes: int, rule: str) -> None:
    with pytest.raises(SettingError, match=rule):
        choose(wanted, gpus, 0, processes)


def test_the_setting_decides(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(devices.SETTING, "cpu")
    assert devices.current() == devices.CPU
    monkeypatch.setenv(devices.SETTING, "tpu")
    with pytest.raises(SettingError, match="tpu"):
        devices.current()


def test_batches_of_the_product_encoder_are_made_on_the_device(shop_data: Path) -> None:
    history = load_history(shop_data, 39)
    model = nn.ModuleDict({"content": new_content(history, ContentRecipe(), 16), "extra": Auxiliary()}).to(META)
    pooled = np.zeros((1, len(history.texts), 16), dtype=np.float16)
    rows = np.flatnonzero(history.known)
    targets = build_targets(history, newest_outcomes(history))
    task = ContentTask(model, history, targets, Rows(rows, rows[:4], rows[:4]), pooled=pooled)
    with devices.placed(META):
        loss = task.loss(np.arange(8), np.random.default_rng(0))
    assert loss.device == META
    with pytest.raises((RuntimeError, NotImplementedError), match=r"device|meta"):  # the check would notice
        task.loss(np.arange(8), np.random.default_rng(0))
