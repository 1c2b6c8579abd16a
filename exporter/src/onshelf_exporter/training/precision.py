"""The precision of the text encoder's matrix products: chosen by a measurement of this machine, said and kept.

    ONSHELF_PRECISION=float32 make train        (or a recipe's `precision`; default: auto)

`auto` takes bfloat16 where a layer of the encoder, forth and back, is measured to be faster with it: twice or more on
CPUs with AMX or AVX-512 and on GPUs, and several times slower on others. Training that was interrupted goes on in the
precision in which it began.
"""

import json
import statistics
import sys
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path

import torch
import torch.nn.functional as F

from onshelf_exporter.process.json_file import write_json
from onshelf_exporter.training import devices, distributed

WORTH = 1.1  # times as fast that bfloat16 must be: it keeps 8 binary digits where float32 keeps 24
FEW, MANY = 32, 512  # tokens: of a first look, and of a batch
CLEAR = 3.0  # times as slow that bfloat16 is in the first look where no second one is needed
HIDDEN, INNER = 384, 1536  # width of MiniLM and of its inner layer
REPEATS = 5
BUDGET = 0.6  # seconds, after which no further repeat begins
FILE = "precision.json"


@dataclass(frozen=True)
class Precision:
    """The precision of a training.

    Attributes:
        name: float32 or bfloat16.
        speedup: how many times as fast as float32 bfloat16 was measured to be; None where a setting chose.
        device: what it was chosen for.
        threads: of PyTorch, while it was measured.
    """

    name: str
    speedup: float | None
    device: str
    threads: int

    @property
    def bfloat16(self) -> bool:
        """Whether matrix products are in bfloat16."""
        return self.name == "bfloat16"

    def __str__(self) -> str:
        if self.speedup is None:
            return f"precision: {self.name}, as set"
        place = "here" if self.device == "cpu" else f"on {self.device}"
        return f"precision: {self.name}; bfloat16 is {self.speedup:.2g} times as fast as float32 {place}"


def begun(folder: Path, wanted: str) -> Precision:
    """The precision in which the training in `folder` began; where it has not begun, chosen, said and kept there.

    Args:
        folder: of the training.
        wanted: auto, float32 or bfloat16.
    """
    path = folder / FILE
    kept = distributed.shared(path.read_text(encoding="utf-8") if path.is_file() else None)
    if kept is not None:
        return Precision(**json.loads(kept))
    device = devices.current()
    chosen = distributed.shared(choose(wanted, device, layer_seconds(device)) if distributed.leads() else None)
    assert chosen is not None
    if distributed.leads():
        folder.mkdir(parents=True, exist_ok=True)
        write_json(path, asdict(chosen))
        print(chosen, file=sys.stderr, flush=True)
    return chosen


def choose(
    wanted: str,
    device: torch.device,
    seconds: Callable[[bool, int], float],
    clock: Callable[[], float] = time.perf_counter,
) -> Precision:
    """The precision that a setting means on a device.

    Args:
        wanted: auto, float32 or bfloat16.
        device: where it trains.
        seconds: does the work of so many tokens in bfloat16 or not, and says how long it took.
        clock: says when the measurement must end.
    """
    threads = torch.get_num_threads()
    if wanted != "auto":
        return Precision(wanted, None, device.type, threads)
    end = clock() + BUDGET
    speedup = _speedup(seconds, FEW, end, clock)
    if speedup * CLEAR > 1:
        speedup = _speedup(seconds, MANY, end, clock)
    return Precision("bfloat16" if speedup >= WORTH else "float32", speedup, device.type, threads)


def _speedup(seconds: Callable[[bool, int], float], tokens: int, end: float, clock: Callable[[], float]) -> float:
    """How many times as fast bfloat16 is: medians of repeats in turn, so that a busy moment hits both."""
    taken: dict[bool, list[float]] = {False: [], True: []}
    for repeat in range(REPEATS + 1):  # the first time prepares kernels
        for bfloat16, times in taken.items():
            times.append(seconds(bfloat16, tokens))
        if repeat and clock() > end:
            break
    full, half = (statistics.median(times[1:]) for times in taken.values())
    return round(full / half, 2)


def layer_seconds(device: torch.device) -> Callable[[bool, int], float]:
    """Times the products of one layer of the encoder on a device, forth and back."""
    generator = torch.Generator().manual_seed(1)

    def drawn(*shape: int) -> torch.Tensor:
        return torch.randn(*shape, generator=generator).to(device).requires_grad_()

    tokens, wide, narrow = drawn(MANY, HIDDEN), drawn(INNER, HIDDEN), drawn(HIDDEN, INNER)
    # on a CPU, time of this process: what others do at the same time does not count
    clock = time.process_time if device.type == "cpu" else time.perf_counter

    def seconds(bfloat16: bool, count: int) -> float:
        started = clock()
        with devices.autocast(device, bfloat16):
            made = F.linear(F.gelu(F.linear(tokens[:count], wide)), narrow)
        torch.autograd.grad(made.float().sum(), (tokens, wide, narrow))
        if device.type == "cuda":
            torch.cuda.synchronize(device)
        return clock() - started

    return seconds
