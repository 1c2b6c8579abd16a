"""The sentence about speed in README.md, copied from benchmarks/results/latest.json to between two marks.

python -m onshelf_benchmarks.readme          after `make bench`
python -m onshelf_benchmarks.readme --check  the exit status is 1 where it is not that of latest.json
"""

import json
import sys
from pathlib import Path

from onshelf_benchmarks import pages
from onshelf_benchmarks.command import application
from onshelf_benchmarks.record import RESULTS, ROOT, Document

README = ROOT / "README.md"
LATEST = RESULTS / "latest.json"
BEGIN = "<!-- numbers: copied from benchmarks/results/latest.json by onshelf_benchmarks.readme -->"
END = "<!-- end of numbers -->"


def section(result: Document) -> str:
    """What stands between the marks.

    Raises:
        ValueError: the result is a quick check, which measures nothing.
    """
    if result.get("quick"):
        raise ValueError("this result is a quick check; run `make bench`")
    dates = sorted({one["date"] for one in result["measured"].values()})
    when = " to ".join(dict.fromkeys((dates[0], dates[-1]))) if dates else "not yet"
    return (
        f"{pages.promise(result)}\n\n`{result['command']}` on {result['machine']}, measured {when}. Beside its goals, "
        "what was reached and what was not: [benchmarks/results/latest.md](benchmarks/results/latest.md)."
    )


def replaced(text: str, new: str) -> str:
    """A text with what stands between its marks replaced.

    Raises:
        ValueError: the marks are not there, once each.
    """
    if text.count(BEGIN) != 1 or text.count(END) != 1:
        raise ValueError(f"README.md needs the lines {BEGIN!r} and {END!r}, once each")
    before, rest = text.split(BEGIN)
    return f"{before}{BEGIN}\n{new}\n{END}{rest.split(END)[1]}"


def copy(*, check: bool = False, result: Path = LATEST, readme: Path = README) -> str:
    """Write or check; returns what is wrong, empty where nothing is.

    Args:
        check: change nothing.
        result: the document.
        readme: the text.
    """
    old = readme.read_text()
    try:
        new = replaced(old, section(json.loads(result.read_text())))
    except ValueError as error:
        return str(error)
    if check:
        return "" if new == old else "stale: README.md: run `python -m onshelf_benchmarks.readme`"
    readme.write_text(new)
    return ""


if __name__ == "__main__":
    sys.exit(application(copy)() or 0)
