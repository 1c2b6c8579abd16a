"""Which device training runs on: decided here and nowhere else.

    onshelf-exporter train --device cpu        (or ONSHELF_DEVICE=cpu; default: auto)

`auto` is a GPU where PyTorch sees one, else the CPU. Models are kept and exported as CPU copies, so that a run may be
interrupted on one device and go on on another.
"""

import os
from contextlib import AbstractContextManager, nullcontext

import torch

from onshelf_exporter.process.errors import SettingError

SETTING = "ONSHELF_DEVICE"
CPU = torch.device("cpu")


def current() -> torch.device:
    """The device of this process, by ONSHELF_DEVICE and by what there is.

    Raises:
        SettingError: the setting is none of auto, cpu, cuda, cuda:N, or asks for a GPU that is not there.
    """
    gpus = torch.cuda.device_count() if torch.cuda.is_available() else 0
    place, processes = (int(os.environ.get(name, default)) for name, default in PLACES)
    return choose(os.environ.get(SETTING, "auto"), gpus, place, processes)


PLACES = (("LOCAL_RANK", "0"), ("LOCAL_WORLD_SIZE", "1"))  # set by torchrun


def choose(wanted: str, gpus: int, place: int = 0, processes: int = 1) -> torch.device:
    """The device that a setting means.

    Args:
        wanted: auto, cpu, cuda, or cuda:N.
        gpus: how many GPUs there are.
        place: number of this process among those of this machine; it gets the GPU of that number.
        processes: how many train on this machine.

    Raises:
        SettingError: unknown, or there are not as many GPUs.
    """
    kind, _, number = wanted.partition(":")
    if kind not in ("auto", "cpu", "cuda") or (number and (kind != "cuda" or not number.isdecimal())):
        raise SettingError(SETTING, wanted, "must be auto, cpu, cuda or cuda:N")
    if kind == "cpu" or (kind == "auto" and gpus == 0):
        return CPU
    if number:
        if int(number) >= gpus or processes > 1:
            raise SettingError(SETTING, wanted, f"there are {gpus} GPUs, and one process alone may name its own")
        return torch.device("cuda", int(number))
    if processes > gpus:
        rule = f"{processes} processes need as many GPUs; there are {gpus}. Start fewer, or set {SETTING}=cpu"
        raise SettingError(SETTING, wanted, rule)
    return torch.device("cuda", place)


def placed(device: torch.device) -> AbstractContextManager[object]:
    """Within it, torch.as_tensor and the functions that make tensors put them on `device`; on a CPU nothing changes."""
    return nullcontext() if device.type == "cpu" else device


def autocast(device: torch.device, bfloat16: bool) -> torch.autocast:
    """Matrix products in bfloat16 where wanted (see `precision`); on any device."""
    return torch.autocast(device.type, torch.bfloat16, enabled=bfloat16)
