"""The README's commands and its client session run as they are written, and its links lead somewhere."""

import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from onshelf_exporter import cli

ROOT = Path(__file__).resolve().parents[2]
README = (ROOT / "README.md").read_text()
BIN = Path(sys.executable).parent
DOCUMENTS = sorted(ROOT.glob("*.md")) + sorted((ROOT / "docs").rglob("*.md"))


def block(language: str) -> str:
    found = re.search(rf"```{language}\n(.*?)```", README, re.DOTALL)
    assert found
    return found[1]


def test_the_client_session_runs_as_written(gateway, system):
    code = block("python").replace("127.0.0.1:50051", gateway.address)
    assert gateway.address in code
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert result.returncode == 0, result.stderr
    assert "practice would have:" in result.stdout
    assert "units" in result.stdout


COMMANDS = [line.split("  #")[0].strip() for line in block("bash").splitlines() if line.startswith("onshelf")]


@pytest.mark.parametrize("command", COMMANDS)
def test_the_commands_run_as_written(command, gateway, system, tmp_path):
    (tmp_path / "products.csv").write_text(
        "id,title,category,price\nR1,Potato chips,Bag snacks,2.99\nR2,Oat milk,Milk,3.49\n"
    )
    words = shlex.split(command.replace('"..."', '"Kettle cooked potato chips"'))
    words[0] = str(BIN / "onshelf")
    result = subprocess.run([*words, "--address", gateway.address], cwd=tmp_path, capture_output=True, text=True)
    assert result.returncode == 0, result.stderr
    assert result.stdout or (tmp_path / "plans.csv").exists()


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)
def test_links_between_documents_lead_somewhere(document):
    for target in re.findall(r"\]\((?!https?:)([^)#]+)(?:#[^)]*)?\)", document.read_text()):
        assert (document.parent / target).exists(), f"{document.name} links to {target}"


def test_every_decision_has_a_date_and_a_verdict():
    for document in (ROOT / "docs" / "decisions").glob("*.md"):
        titles = re.findall(r"^###.*", document.read_text(), re.MULTILINE)
        assert titles
        wrong = [title for title in titles if not re.fullmatch(r"### \d{4}-\d\d-\d\d: \S.*", title)]
        assert not wrong, f"{document.name}: {wrong}"


def test_every_make_target_in_the_documents_exists():
    menu = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    for document in DOCUMENTS:
        named = set(re.findall(r"`make ([a-z-]+)", document.read_text()))
        assert named <= menu, f"{document.name} names {sorted(named - menu)}"


def test_the_file_tree_names_every_top_level_folder():
    tracked = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=True).stdout.split()
    folders = {path.split("/")[0] for path in tracked if "/" in path and not path.startswith(".")}
    assert all(f"\n{folder}/" in README for folder in folders), folders


MENU = (ROOT / "Makefile").read_text().replace("\\\n", " ")
STAGES = re.findall(r"\$\(EXPORTER\) ([a-z-]+) (--[^\n;]*)", MENU)
SERVERS = re.findall(
    r"\$\(BIN\)/(onshelf-gateway|onshelf-local-triton)(?: (start|stop|status|install))? (--[^\n;>&]*)", MENU
)


def flags_of(text: str) -> set[str]:
    return set(re.findall(r"(?<=\s)--[a-z-]+", f" {text}"))


@pytest.mark.parametrize(("stage", "flags"), STAGES)
def test_every_stage_of_the_menu_knows_its_flags(stage, flags, capsys):
    with pytest.raises(SystemExit) as ended:
        cli.main([stage, "--help"])  # here, where what it loads serves other tests, too
    assert ended.value.code == 0
    used = flags_of(flags)
    assert used
    assert used <= flags_of(capsys.readouterr().out.replace("[", " ").replace(",", " "))


@pytest.mark.parametrize(("program", "stage", "flags"), SERVERS)
def test_every_server_of_the_menu_knows_its_flags(program, stage, flags):
    words = [str(BIN / program), *([stage] if stage else []), "--help"]
    said = subprocess.run(words, capture_output=True, text=True, check=True).stdout
    used = flags_of(flags)
    assert used
    assert used <= flags_of(said.replace("[", " ").replace(",", " "))


def test_a_trace_shows_what_triton_spent(gateway, system):
    words = [str(BIN / "onshelf"), "plan", "--title", "Salted pretzel sticks in a tin", "--price", "2.50", "--trace"]
    result = subprocess.run([*words, "--address", gateway.address], capture_output=True, text=True)
    assert result.returncode == 0, result.stderr
    lines = [line.split()[0] for line in result.stdout.splitlines() if line.strip()]
    at = lines.index("launch_outcome")
    assert lines[at + 1 : at + 3] == ["queue", "compute"]
