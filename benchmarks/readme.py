"""The sentence about speed in README.md, copied from benchmarks/results/latest.json to between two marks.

python benchmarks/readme.py          after `make bench`
python benchmarks/readme.py --check  the exit status is 1 where they are not those of latest.json
"""

import argparse
import json
from pathlib import Path

import pages
from figures import Document
from plan_latency import ROOT

README = ROOT / "README.md"
LATEST = ROOT / "benchmarks/results/latest.json"
BEGIN = "<!-- numbers: copied from benchmarks/results/latest.json by benchmarks/readme.py -->"
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


def main() -> None:
    """Write or check."""
    parser = argparse.ArgumentParser(description="Copy the numbers of benchmarks/results/latest.json into README.md.")
    parser.add_argument("--check", action="store_true", help="change nothing")
    parser.add_argument("--result", type=Path, default=LATEST, help="the document")
    parser.add_argument("--readme", type=Path, default=README, help="the text")
    given = parser.parse_args()
    try:
        old = given.readme.read_text()
        new = replaced(old, section(json.loads(given.result.read_text())))
    except ValueError as error:
        raise SystemExit(str(error)) from error
    if given.check:
        if new != old:
            raise SystemExit("stale: README.md: run `python benchmarks/readme.py`")
        return
    given.readme.write_text(new)


if __name__ == "__main__":
    main()
