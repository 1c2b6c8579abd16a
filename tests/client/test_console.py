"""Commands on consoles and in locales that are not UTF-8."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

POSIX = {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}
ASCII = {"PYTHONIOENCODING": "ascii"}
ONSHELF = ("-c", "import sys; from onshelf._cli import main; sys.exit(main())")
TITLE = "有机绿茶"


def run(environment: dict[str, str], *command: str | bytes) -> subprocess.CompletedProcess[bytes]:
    environ = {name: value for name, value in os.environ.items() if name not in ("LANG", "LC_CTYPE")}
    return subprocess.run(
        [sys.executable, *command], env=environ | environment, capture_output=True, check=False, timeout=120
    )


@pytest.mark.parametrize("environment", [POSIX, ASCII, {}], ids=["posix", "ascii", "usual"])
def test_a_chinese_title_arrives(server, environment):
    done = run(environment, *ONSHELF, "plan", "--title", TITLE, "--price", "3.49", "--address", server.address)
    assert (done.returncode, done.stderr) == (0, b"")
    [call] = [call for call in server.calls if call.method == "plan_launch"]
    assert call.arguments["product"].title == TITLE


def test_bytes_that_are_no_text_are_refused_by_name(server):
    latin = "Crème fraîche".encode("latin-1")
    done = run({"LC_ALL": "C.UTF-8"}, *ONSHELF, "plan", b"--title", latin, "--price", "1", "--address", server.address)
    assert done.returncode == 2
    assert done.stderr.startswith(b"onshelf: product: title: ")
    assert b"no text in UTF-8" in done.stderr
    assert b"Traceback" not in done.stderr


@pytest.mark.parametrize("environment", [POSIX, ASCII], ids=["posix", "ascii"])
@pytest.mark.parametrize(
    "command",
    [
        (*ONSHELF, "plan", "--title", "tea", "--price", TITLE),
        ("-m", "onshelf_exporter.cli", "doctor", f"/nowhere/{TITLE}"),
        ("-m", "onshelf_local_triton", "start", "--model-repository", f"/nowhere/{TITLE}", "--run-dir"),
    ],
    ids=["onshelf", "onshelf-exporter", "onshelf-local-triton"],
)
def test_a_console_that_cannot_show_it_ends_no_command(command, environment, tmp_path: Path):
    done = run(environment, *command, *([str(tmp_path)] if command[-1] == "--run-dir" else []))
    assert done.returncode == 2
    assert b"Traceback" not in done.stderr
    shown = TITLE.encode() if environment is POSIX else TITLE.encode("ascii", "backslashreplace")
    assert shown in done.stderr.replace(b"\\\\u", b"\\u")


def test_commands_treat_consoles_alike():
    """The local Triton needs no other package of ours, so it has its own copy."""
    root = Path(__file__).parents[2]
    places = ("client/src/onshelf/console.py", "local_triton/src/onshelf_local_triton/console.py")
    assert len({(root / place).read_text() for place in places}) == 1
