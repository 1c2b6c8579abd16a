"""Expected failures of the local Triton; their messages are written for the person at the terminal."""

from pathlib import Path


class LocalTritonError(Exception):
    """Base of every expected failure of this package."""


class InstallError(LocalTritonError):
    """The machine lacks something, or the environment is not installed or damaged."""


class StartError(LocalTritonError):
    """The server did not start; the message ends with the end of its log."""


class HangError(StartError):
    """The server did nothing for long while it started; it may well start the next time. `what` says so."""

    def __init__(self, what: str, log: Path, reasons: str) -> None:
        super().__init__(f"tritonserver {what}. From {log}:\n{reasons}")
        self.what = what


class ServerError(LocalTritonError):
    """The running server refused a call or cannot be reached."""
