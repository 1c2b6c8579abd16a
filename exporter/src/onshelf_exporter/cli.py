"""The command line of the exporter: `onshelf-exporter <stage>`.

Each stage is a module with `add_arguments(parser)` and `run(arguments) -> exit status`. A stage's module is imported
only when the stage is asked for, so that `--help` answers at once.
"""

import argparse
import importlib
import importlib.util
import os
import sys
from collections.abc import Sequence
from typing import NamedTuple, Protocol, cast

from onshelf.console import prepare
from onshelf_exporter.process.progress_display import loading


class Stage(NamedTuple):
    """One row of the command line: the stage's name, its module and one line of help.

    A module of another distribution is not there unless that is installed.
    """

    name: str
    module: str
    help: str


class StageModule(Protocol):
    """What a stage's module offers."""

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        """Declare the stage's arguments."""

    def run(self, args: argparse.Namespace) -> int:
        """Do the work and return the exit status."""


STAGES = (
    Stage("data", "onshelf_exporter.data.prepare", "clean a retailer's history and prepare it for training"),
    Stage("train", "onshelf_exporter.training.train", "train all models of the model releases that a recipe names"),
    Stage("evaluate", "onshelf_research.evaluate", "measure a model release beside the baselines"),
    Stage("study", "onshelf_research.studies.stage", "study a part of the models: what it adds or costs"),
    Stage("export", "onshelf_exporter.release.export", "write trained models as ONNX, checked against PyTorch"),
    Stage("publish", "onshelf_exporter.release.publish", "make exported models visible as numbered model releases"),
    Stage("forgotten", "onshelf_exporter.release.forgotten", "name what still holds users who asked to be forgotten"),
    Stage("doctor", "onshelf_exporter.doctor", "say what a retailer's own files would give, and what is missing"),
    Stage("shop", "onshelf_exporter.shop.stage", "from a retailer's own files to a model release: all of the above"),
    Stage(
        "tensorrt-engines",
        "onshelf_exporter.release.tensorrt_engines",
        "build native TensorRT engines on a GPU",
    ),
)


def main(argv: Sequence[str] | None = None) -> int:
    """Run one stage; an expected error is one clear message on stderr and exit status 2."""
    prepare(argv)
    # must stand before torch and numpy are loaded: threads that wait shall not keep a core busy that others need
    os.environ.setdefault("OMP_WAIT_POLICY", "passive")
    os.environ.setdefault("OPENBLAS_THREAD_TIMEOUT", "4")  # 2 ** 4 processor cycles, the least; 2 ** 26 by default
    arguments = list(sys.argv[1:] if argv is None else argv)
    parser = argparse.ArgumentParser(
        prog="onshelf-exporter", description="From a retailer's history to a model release."
    )
    commands = parser.add_subparsers(dest="stage", metavar="<stage>", required=True)
    if arguments and (missing := _missing(arguments[0])):
        print(f"onshelf-exporter {arguments[0]}: {missing}", file=sys.stderr)
        return 2
    for stage in STAGES:
        command = commands.add_parser(stage.name, help=stage.help, description=stage.help)
        if arguments and arguments[0] == stage.name:
            with loading(f"{stage.name}: loading"):
                module = _module(stage)
            module.add_arguments(command)
    parsed = parser.parse_args(arguments)
    module = _module(next(stage for stage in STAGES if stage.name == parsed.stage))
    from onshelf_exporter.process.errors import ExporterError

    try:
        return module.run(parsed)
    except ExporterError as error:
        print(f"onshelf-exporter {parsed.stage}: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print(f"onshelf-exporter {parsed.stage}: interrupted; run the same command again to go on", file=sys.stderr)
        return 130


def _missing(name: str) -> str:
    """What a stage lacks and how to install it; empty where it lacks nothing."""
    stage = next((stage for stage in STAGES if stage.name == name), None)
    package = stage.module.partition(".")[0] if stage else ""
    if stage is None or importlib.util.find_spec(package) is not None:
        return ""
    return f"needs {package.replace('_', '-')}: install it (`make {stage.name}` does)"


def _module(stage: Stage) -> StageModule:
    return cast(StageModule, importlib.import_module(stage.module))


if __name__ == "__main__":
    sys.exit(main())
