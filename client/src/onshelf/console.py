"""What a command needs of the console: text that it cannot write is escaped, and arguments are read as UTF-8."""

import io
import os
import sys


def prepare(argv: object) -> None:
    """Call it first; `argv` is None where this process is the command itself.

    Where the locale is ASCII (POSIX without Python's own cure for it), the command is started anew in Python's UTF-8
    mode: file names and arguments would be wrong otherwise.
    """
    if argv is None and not sys.flags.utf8_mode and sys.getfilesystemencoding() in ("ascii", "us-ascii"):
        os.execve(sys.executable, [sys.executable, *sys.orig_argv[1:]], os.environ | {"PYTHONUTF8": "1"})
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")
