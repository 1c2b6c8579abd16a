import subprocess
import sys
from pathlib import Path

import pytest

from onshelf_exporter.cli import STAGES, main


def test_help_names_every_stage_without_loading_one() -> None:
    code = "import sys, onshelf_exporter.cli as c\ntry: c.main(['--help'])\nfinally: assert 'torch' not in sys.modules"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60)
    for stage in STAGES:
        assert stage.name in done.stdout


@pytest.mark.parametrize("stage", [stage.name for stage in STAGES])
def test_every_stage_has_help(stage: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main([stage, "--help"])
    assert ended.value.code == 0
    assert f"onshelf-exporter {stage}" in capsys.readouterr().out


def test_an_expected_error_is_one_message_and_status_2(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["train", "--data", str(tmp_path)]) == 2
    error = capsys.readouterr().err
    # on a busy machine lines about loading may stand before it
    assert error.splitlines()[-1].startswith("onshelf-exporter train: ")
    assert "dataset.json" in error
    assert "Traceback" not in error


def test_an_unknown_stage_is_refused() -> None:
    with pytest.raises(SystemExit) as ended:
        main(["trian"])
    assert ended.value.code == 2


def test_keep_must_leave_a_way_back(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["publish", "--keep", "1", "--data", str(tmp_path)]) == 2
    assert "--keep 1" in capsys.readouterr().err
