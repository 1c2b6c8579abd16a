"""`onshelf-gateway --releases var/releases --triton localhost:8001 --listen 127.0.0.1:50051`: serve until SIGTERM."""

import asyncio
import sys
from collections.abc import Sequence

from pydantic import ValidationError

from onshelf_gateway.call import logs
from onshelf_gateway.inference.backend import TritonBackend
from onshelf_gateway.server.assembly import serve
from onshelf_gateway.server.processes import serve_processes
from onshelf_gateway.settings import Settings, flag, parse


async def _run(settings: Settings) -> None:
    await serve(settings, TritonBackend(settings.triton))  # the channel is made on the loop that uses it


def main(argv: Sequence[str] | None = None) -> int:
    """Run the gateway; returns the exit status: 0 after a drain, 2 for a setting or address that cannot be used."""
    try:
        settings = parse(argv)
        logs.configure(settings.log_level)
        if settings.processes > 1:
            return serve_processes(settings)
        asyncio.run(_run(settings))
    except ValidationError as error:
        for problem in error.errors():
            name = str(problem["loc"][0]) if problem["loc"] else ""
            sys.stderr.write(f"{flag(name)} {problem.get('input')!r}: {problem['msg']}\n")
        return 2
    except OSError as error:
        sys.stderr.write(f"{error}\n")
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
