"""How a command ends."""

OK, OTHER, BAD_INPUT, UNAVAILABLE, INTERRUPTED = 0, 1, 2, 3, 130

STATUSES = (
    "exit status: 0 done; 1 another failure; 2 bad input (or, of a file, rows that were refused); "
    "3 the service is not available or too slow; 130 interrupted"
)


class UsageError(Exception):
    """The command line or an input file is wrong; the message says where and what to do."""
