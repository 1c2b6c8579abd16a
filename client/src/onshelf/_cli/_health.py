"""`onshelf health`: whether the service answers, once or until stopped."""

from datetime import datetime
from typing import Annotated

from rich.text import Text

from onshelf._cli._options import Service
from onshelf._cli._terminal import show
from onshelf._cli._usage import OK, UNAVAILABLE
from onshelf._cli._values import option
from onshelf._results import Health


def health(
    *,
    name: Annotated[str, option("a gRPC service (default: the whole)", "--service")] = "",
    watch: Annotated[bool, option("print each change until stopped")] = False,
    service: Service = Service(),
) -> int:
    """Say whether the service can answer."""
    with service.connect() as client:
        if not watch:
            found = client.health(name)
            show([_line(found, client.address)])
            return OK if found.serving else UNAVAILABLE
        for found in client.watch_health(name):
            show([Text(f"{datetime.now().astimezone():%H:%M:%S}  ") + _line(found, client.address)])
    return OK


def _line(found: Health, address: str) -> Text:
    status = found.status.value.replace("_", " ")
    return Text.assemble(f"{address} is ", (status, "green" if found.serving else "red"))
