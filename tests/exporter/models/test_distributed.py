"""Several processes train as one: the same losses, one writer, and no process left behind when one fails."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch

HERE = Path(__file__).parent
# one thread each, and no name server: processes of one machine meet on its loopback
QUIET = {"OMP_NUM_THREADS": "1", "GLOO_SOCKET_IFNAME": "lo", "TOKENIZERS_PARALLELISM": "false"}


def torchrun(*words: object, timeout: float = 240) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2", *map(str, words)]
    return subprocess.run(command, env=os.environ | QUIET, capture_output=True, text=True, timeout=timeout, check=False)


def test_two_processes_take_the_steps_of_one(tmp_path: Path) -> None:
    """Without chance in the task, both ways are the same arithmetic: losses within 1e-5."""
    script = HERE / "loop_script.py"
    alone = [sys.executable, str(script), str(tmp_path / "one"), str(tmp_path / "one.pt"), "--plain"]
    subprocess.run(alone, check=True, timeout=120)
    together = torchrun(script, tmp_path / "two", tmp_path / "two.pt", "--plain")
    assert together.returncode == 0, together.stderr
    one, two = (torch.load(tmp_path / f"{name}.pt", weights_only=True) for name in ("one", "two"))
    assert one["fit"][0] == two["fit"][0]
    assert one["fit"][1] == pytest.approx(two["fit"][1], rel=1e-5)
    for name, value in one["weights"].items():
        assert torch.allclose(value, two["weights"][name], rtol=1e-4, atol=1e-5), name


def test_killed_processes_go_on_at_their_checkpoint(tmp_path: Path) -> None:
    script = HERE / "loop_script.py"
    whole = torchrun(script, tmp_path / "whole", tmp_path / "whole.pt")
    assert whole.returncode == 0, whole.stderr
    killed = torchrun(script, tmp_path / "killed", tmp_path / "killed.pt", "17")
    assert killed.returncode != 0
    assert "SIGKILL" in killed.stderr
    assert not (tmp_path / "killed.pt").exists()
    again = torchrun(script, tmp_path / "killed", tmp_path / "killed.pt")
    assert again.returncode == 0, again.stderr
    one, two = (torch.load(tmp_path / f"{name}.pt", weights_only=True) for name in ("whole", "killed"))
    assert one["fit"] == two["fit"]


def test_one_process_that_fails_ends_all(tmp_path: Path) -> None:
    """The other one waits for it in a collective: it must neither hang nor leave a result."""
    failed = torchrun(HERE / "loop_script.py", tmp_path / "f", tmp_path / "f.pt", "--fail-in", "1", timeout=120)
    assert failed.returncode == 1
    assert "broken on purpose" in failed.stderr
    assert not (tmp_path / "f.pt").exists()


def test_the_command_trains_as_one_process_does(shop_data: Path, tmp_path: Path) -> None:
    """Fine-tuning on the invented shop: dropout and drawn wordings differ by process, so losses agree within 5 %."""
    words = ["-m", "onshelf_exporter", "train", "--recipe", "test", "--data", str(shop_data), "--roles", "production"]
    subprocess.run(
        [sys.executable, *words, "--runs", str(tmp_path / "one")], check=True, timeout=240, env=os.environ | QUIET
    )
    together = torchrun(*words, "--runs", tmp_path / "two")
    assert together.returncode == 0, together.stderr
    assert len(together.stdout.splitlines()) == 1  # one of them leads

    def records(place: str) -> list[dict[str, Any]]:
        return [json.loads(next((tmp_path / name).glob(place)).read_text()) for name in ("one", "two")]

    one, two = records("encoder-*/done.json")
    assert two["training_losses"] == pytest.approx(one["training_losses"], rel=0.05)
    one, two = (
        json.loads(next((tmp_path / n).glob("test-*/production/done.json")).read_text()) for n in ("one", "two")
    )
    assert two["metrics"]["content"]["loss"] == pytest.approx(one["metrics"]["content"]["loss"], rel=0.05)
    assert two["metrics"]["towers"]["loss"] == pytest.approx(one["metrics"]["towers"]["loss"], rel=0.05)
    forecasts = [done["metrics"]["outcome"]["out_of_bag"] for done in (one, two)]
    assert {"wape_8w", "poisson_deviance_8w"} <= set(forecasts[0])
    assert forecasts[1] == pytest.approx(forecasts[0], rel=0.05)
