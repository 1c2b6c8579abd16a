"""Expected failures of the local Triton; their messages are written for the person at the terminal."""


class LocalTritonError(Exception):
    """Base of every expected failure of this package."""


class InstallError(LocalTritonError):
    """The machine lacks something, or the environment is not installed or damaged."""


class StartError(LocalTritonError):
    """The server did not start; the message ends with the end of its log."""


class ServerError(LocalTritonError):
    """The running server refused a call or cannot be reached."""
