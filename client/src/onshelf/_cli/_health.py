"""`onshelf health`: whether the service answers, once or until stopped."""

import argparse
import sys
from datetime import datetime

from onshelf._cli import _arguments as a
from onshelf._cli._failures import OK, UNAVAILABLE
from onshelf._cli._terminal import terminal_of
from onshelf._results import Health

HELP = "say whether the service can answer"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The options of `health`."""
    parser.add_argument("--service", default="", metavar="NAME", help="a gRPC service (default: the whole)")
    parser.add_argument("--watch", action="store_true", help="print each change until stopped")
    a.add_service(parser)


def run(args: argparse.Namespace) -> int:
    """Prints the health; 0 when it serves, 3 when it does not."""
    with a.connect(args) as client:
        if not args.watch:
            health = client.health(args.service)
            print(_line(health, client.address))
            return OK if health.serving else UNAVAILABLE
        for health in client.watch_health(args.service):
            print(f"{datetime.now().astimezone():%H:%M:%S}  {_line(health, client.address)}", flush=True)
    return OK


def _line(health: Health, address: str) -> str:
    terminal = terminal_of(sys.stdout)
    status = health.status.value.replace("_", " ")
    return f"{address} is {terminal.styled(status, 'green' if health.serving else 'red')}"
