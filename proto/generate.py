"""Generates the stubs in `client/src/onshelf/v1` from the contract, and checks the contract.

python proto/generate.py              write the stubs
python proto/generate.py --check      fail if the checked-in stubs are stale
python proto/generate.py --lint       buf: STANDARD and COMMENTS
python proto/generate.py --breaking   buf: nothing incompatible since the last tag (no tag: says so)
"""

import argparse
import filecmp
import importlib.resources
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import yaml

ROOT = Path(__file__).resolve().parent.parent
PROTO = ROOT / "proto"
STUBS = ROOT / "client" / "src"
GENERATED = '"""Stubs generated from proto/onshelf/v1 by `make proto`. Do not edit."""\n'


def google_protos() -> Path:
    """Folder that holds `google/type/*.proto`, as installed by googleapis-common-protos."""
    import google.type.money_pb2

    return Path(google.type.money_pb2.__file__).resolve().parents[2]


def generate(target: Path) -> None:
    """Write the stubs below `target/onshelf/v1`."""
    builtin = importlib.resources.files("grpc_tools") / "_proto"
    sources = sorted(str(path.relative_to(PROTO)) for path in PROTO.glob("onshelf/v1/*.proto"))
    target.mkdir(parents=True, exist_ok=True)
    command = [sys.executable, "-m", "grpc_tools.protoc", f"-I{PROTO}", f"-I{google_protos()}", f"-I{builtin}"]
    plugin = Path(sys.executable).parent / "protoc-gen-mypy_grpc"
    command += [f"--plugin=protoc-gen-mypy_grpc={plugin}"]
    command += [f"--{out}={target}" for out in ("python_out", "pyi_out", "grpc_python_out", "mypy_grpc_out")]
    subprocess.run([*command, *sources], check=True)
    (target / "onshelf" / "v1" / "__init__.py").write_text(GENERATED)


def check() -> int:
    """Return 0 when the checked-in stubs are what the contract generates."""
    with tempfile.TemporaryDirectory() as folder:
        generate(Path(folder))
        fresh, stored = Path(folder) / "onshelf" / "v1", STUBS / "onshelf" / "v1"
        names = sorted({p.name for p in fresh.glob("*.py*")} | {p.name for p in stored.glob("*.py*")})
        _, different, missing = filecmp.cmpfiles(fresh, stored, names, shallow=False)
    for name in different + missing:
        print(f"stale: client/src/onshelf/v1/{name}: run `make proto`", file=sys.stderr)
    return 1 if different or missing else 0


def buf(folder: Path, proto: Path, *arguments: str) -> int:
    """Run buf offline on a workspace in `folder` made of `proto` and the google protos it imports."""
    shutil.copytree(proto / "onshelf", folder / "contract" / "onshelf")
    for path in (google_protos() / "google" / "type").glob("*.proto"):
        target = folder / "googleapis" / "google" / "type" / path.name
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(path, target)
    workspace = yaml.safe_load((PROTO / "buf.yaml").read_text())
    google = {"path": "googleapis", "lint": {"ignore": ["googleapis"]}, "breaking": {"ignore": ["googleapis"]}}
    workspace["modules"] = [{"path": "contract"}, google]
    (folder / "buf.yaml").write_text(yaml.safe_dump(workspace))
    if not arguments:
        return 0
    return subprocess.run([Path(sys.executable).parent / "buf", *arguments], cwd=folder).returncode


def lint() -> int:
    """Lint the contract."""
    with tempfile.TemporaryDirectory() as folder:
        return buf(Path(folder), PROTO, "lint")


def breaking() -> int:
    """Compare the contract with the one of the last tag."""
    tag = subprocess.run(
        ["git", "describe", "--tags", "--abbrev=0", "--match", "v*"], cwd=ROOT, capture_output=True, text=True
    ).stdout.strip()
    if not tag:
        print("no version is tagged yet: the contract may still change")
        return 0
    with tempfile.TemporaryDirectory() as text:
        folder = Path(text)
        archive = subprocess.run(["git", "archive", tag, "proto"], cwd=ROOT, check=True, capture_output=True).stdout
        (folder / "tag").mkdir()
        subprocess.run(["tar", "-x", "-C", folder / "tag"], input=archive, check=True)
        (folder / "then").mkdir()
        (folder / "now").mkdir()
        buf(folder / "then", folder / "tag" / "proto")
        return buf(folder / "now", PROTO, "breaking", "--against", str(folder / "then"))


def main() -> int:
    """Run the command that the arguments name."""
    parser = argparse.ArgumentParser(description="Generate and check the stubs of the contract.")
    parser.add_argument("--check", action="store_true", help="fail if the checked-in stubs are stale")
    parser.add_argument("--lint", action="store_true", help="lint the contract with buf")
    parser.add_argument("--breaking", action="store_true", help="compare the contract with the last tag's")
    arguments = parser.parse_args()
    chosen = [step for step in ("check", "lint", "breaking") if getattr(arguments, step)]
    if not chosen:
        generate(STUBS)
        return 0
    return max({"check": check, "lint": lint, "breaking": breaking}[step]() for step in chosen)


if __name__ == "__main__":
    sys.exit(main())
