"""One of several gateway processes: reads its settings as one line of JSON, and ends when its starter does."""

import asyncio
import sys

from onshelf_gateway.call import logs
from onshelf_gateway.inference.backend import TritonBackend
from onshelf_gateway.server.assembly import serve
from onshelf_gateway.server.processes import parse_worker
from onshelf_gateway.settings import Settings


async def _run(settings: Settings) -> None:
    gone = asyncio.Event()
    reader = asyncio.StreamReader()
    await asyncio.get_running_loop().connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)

    async def watch() -> None:
        await reader.read()  # nothing more is ever sent: it returns when the starter is gone
        gone.set()

    watching = asyncio.create_task(watch())
    try:
        await serve(settings, TritonBackend(settings.triton), gone)
    finally:
        watching.cancel()


def main() -> int:
    """Run one process; returns the exit status: 0 after a drain, 2 for an address that cannot be used."""
    settings = parse_worker(sys.stdin.readline())
    logs.configure(settings.log_level)
    try:
        asyncio.run(_run(settings))
    except OSError as error:
        sys.stderr.write(f"{error}\n")
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
