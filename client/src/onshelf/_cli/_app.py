"""The commands, and how each of them ends: expected errors in one clear line on standard error, and a status."""

import os
import sys
from collections.abc import Sequence
from importlib.metadata import version

from cyclopts import App, CoercionError, CycloptsError, MissingArgumentError, Parameter, UnusedCliTokensError

from onshelf._cli import (
    _catalog,
    _demo_loop,
    _events,
    _launch,
    _launches,
    _plan,
    _plans,
    _power,
    _related,
    _replay,
    _search,
    _users,
)
from onshelf._cli._failures import describe, exit_status
from onshelf._cli._health import health
from onshelf._cli._terminal import clean, screen
from onshelf._cli._usage import BAD_INPUT, INTERRUPTED, OK, OTHER, STATUSES, UsageError
from onshelf._errors import OnshelfError

app = App(
    name="onshelf",
    help="Plans the launch of new products by asking an Onshelf service.",
    help_epilogue=STATUSES,
    help_format="plaintext",
    version=lambda: f"onshelf {version('onshelf')}",
    # As people know it from other commands: of an option given twice the last one holds, and nothing is JSON.
    default_parameter=Parameter(
        allow_repeating=True, negative=(), json_dict=False, json_list=False, show_default=False
    ),
    print_error=False,
    exit_on_error=False,
    result_action="return_value",
    suppress_keyboard_interrupt=False,
)
for command in (
    _plan.plan,
    _launch.evaluate_plan,
    _launch.update,
    _users.recommend,
    _search.search,
    _search.audience,
    _search.similar,
    _related.related,
    _users.profile,
    _catalog.app,
    _plans.plans,
    _plans.decide,
    _plans.replay_plan,
    _power.power,
    _launches.launches,
    _launches.report,
    _launches.scoreboard,
    _events.app,
    _events.forget,
    _demo_loop.demo_loop,
    _replay.replay,
    health,
):
    app.command(command)


def run(argv: Sequence[str]) -> int:
    """Runs a command; the exit status."""
    try:
        if not argv or list(argv) in (["catalog"], ["events"]):
            raise UsageError(f"a COMMAND is required (see {' '.join(['onshelf', *argv])} --help)")
        status = app(list(argv), console=screen())
        sys.stdout.flush()
    except SystemExit as ended:
        return ended.code if isinstance(ended.code, int) else OTHER
    except CycloptsError as error:
        return _fail([_told(error)], BAD_INPUT)
    except UsageError as error:
        return _fail([str(error)], BAD_INPUT)
    except OnshelfError as error:
        return _fail(describe(error), exit_status(error))
    except KeyboardInterrupt:
        return _fail(["interrupted"], INTERRUPTED)
    except BrokenPipeError:  # the reader of the output left, as `head` does
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return OTHER
    return status if isinstance(status, int) else OK


def _told(error: CycloptsError) -> str:
    """What is wrong with the command line: the option, its value and the rule."""
    name = error.argument.name if error.argument is not None else ""
    if isinstance(error, MissingArgumentError):
        said = (
            f"{error.keyword} needs a value; one that begins with a dash is written {error.keyword}=VALUE"
            if error.keyword
            else f"{name} is required"
        )
    elif isinstance(error, CoercionError) and error.msg:
        said = f"{name}: {error.msg}"
    elif isinstance(error, UnusedCliTokensError):
        unused = " ".join(token or repr(token) for token in error.unused_tokens or ())
        said = f"{unused}: there is nothing that it could be"
    else:
        said = " ".join(str(error).split()).removesuffix(".")
    return f"{clean(said)} (see {' '.join(['onshelf', *(error.command_chain or ())])} --help)"


def _fail(lines: Sequence[str], status: int) -> int:
    for line in lines:
        print(f"onshelf: {line}", file=sys.stderr)
    return status
