"""The command line `onshelf`."""

import argparse
import os
import sys
from collections.abc import Sequence
from importlib.metadata import version
from typing import NoReturn

from onshelf._cli import _catalog, _commands, _health, _plan, _replay, _update
from onshelf._cli._console import prepare
from onshelf._cli._failures import BAD_INPUT, INTERRUPTED, OTHER, STATUSES, UsageError, describe, exit_status
from onshelf._errors import OnshelfError

COMMANDS = {
    "plan": (_plan.HELP, _plan.add_arguments, _plan.run),
    "evaluate-plan": (_commands.EVALUATE_HELP, _commands.add_evaluate_arguments, _commands.evaluate),
    "update": (_update.HELP, _update.add_arguments, _update.run),
    "recommend": (_commands.RECOMMEND_HELP, _commands.add_recommend_arguments, _commands.recommend),
    "audience": (_commands.AUDIENCE_HELP, _commands.add_audience_arguments, _commands.audience),
    "similar": (_commands.SIMILAR_HELP, _commands.add_similar_arguments, _commands.similar),
    "profile": (_commands.PROFILE_HELP, _commands.add_profile_arguments, _commands.profile),
    "catalog": (_catalog.HELP, _catalog.add_arguments, _catalog.run),
    "replay": (_replay.HELP, _replay.add_arguments, _replay.run),
    "health": (_health.HELP, _health.add_arguments, _health.run),
}


class _Parser(argparse.ArgumentParser):
    """Says what is wrong in one line, without the whole usage."""

    def error(self, message: str) -> NoReturn:
        raise UsageError(f"{message.removeprefix('argument ')} (see {self.prog} --help)")


def build_parser() -> argparse.ArgumentParser:
    """The parser with all commands."""
    parser = _Parser(
        prog="onshelf", description="Plans the launch of new products by asking an Onshelf service.", epilog=STATUSES
    )
    parser.add_argument("--version", action="version", version=f"onshelf {version('onshelf')}")
    commands = parser.add_subparsers(title="commands", metavar="COMMAND", required=True)
    for name, (help_text, add_arguments, run) in COMMANDS.items():
        command = commands.add_parser(
            name, help=help_text, description=f"{help_text[0].upper()}{help_text[1:]}.", epilog=STATUSES
        )
        add_arguments(command)
        command.set_defaults(run=run)
    return parser


def main(argv: Sequence[str] | None = None) -> int:
    """Runs a command; the exit status. Expected errors end in one clear line on standard error."""
    prepare(argv)
    try:
        args = build_parser().parse_args(argv)
        status: int = args.run(args)
        sys.stdout.flush()
    except SystemExit as ended:  # argparse: --help, --version, wrong options
        return ended.code if isinstance(ended.code, int) else BAD_INPUT
    except UsageError as error:
        return _fail([str(error)], BAD_INPUT)
    except OnshelfError as error:
        return _fail(describe(error), exit_status(error))
    except KeyboardInterrupt:
        return _fail(["interrupted"], INTERRUPTED)
    except BrokenPipeError:  # the reader of the output left, as `head` does
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return OTHER
    return status


def _fail(lines: Sequence[str], status: int) -> int:
    for line in lines:
        print(f"onshelf: {line}", file=sys.stderr)
    return status
