"""What a person needs from the server's log when it did not start: the reasons, without its tables."""

import re
from pathlib import Path

LAST_LINES = 25

# `E1122 10:53:06.689517 12451 model_lifecycle.cc:642] "text"`, with line breaks inside the text as backslash and n.
ERROR_LINE = re.compile(r'^E\d{4} \S+ \d+ \S+\] "?(?P<text>.*?)"?$')

# On every machine without a GPU; and what is said a second time by "failed to load".
NOISE = ("CudaDriverHelper", "ERROR: Failed to create instance")


def reasons(log: Path, offset: int) -> str:
    """Return the errors that were logged from byte `offset` on; the last lines where there are none."""
    with log.open("rb") as file:
        file.seek(offset)
        lines = file.read().decode(errors="replace").splitlines()
    found = []
    for line in lines:
        if (match := ERROR_LINE.match(line)) and not match["text"].startswith(NOISE):
            text, _, _ = match["text"].partition(r"\n\nAt:")  # a Python traceback follows
            found.append(text.replace(r"\n", "\n    "))
        elif line.startswith("[libprotobuf ERROR"):  # a config.pbtxt that does not parse: line, column and field
            found.append(line.partition("] ")[2])
        elif line.startswith("error:"):
            found.append(line)
    return "\n".join(f"  {line}" for line in found or lines[-LAST_LINES:])
