"""What `make shop` takes for a shop of 500,000 lines as an old till exports them, and whether what was learned is true.

    python benchmarks/own_files.py [--lines 500000]

The files are generated (tests/messy_shop.py): guests, cancelled orders, corrections, changing titles, no categories,
monthly files in cp1252. Seconds, the largest memory and every difference from what the generator knows go to
benchmarks/results/own_files.json.
"""

import argparse
import datetime
import json
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT / "setup"), str(ROOT / "tests")]
from fresh import Memory, free_port, machine  # noqa: E402
from messy_shop import differences, write_messy_shop  # noqa: E402

RESULT = ROOT / "benchmarks" / "results" / "own_files.json"
WORK = ROOT / "var" / "benchmarks" / "own_files"
GOAL_SECONDS, GOAL_GB = 900, 4.0  # the memory where no more is free: roles are then trained one at a time
MAY_DIFFER = 0.01  # of the launches: STRAY_CHANCE of onshelf_exporter.launch_rule


def main() -> int:
    """Generate, run, compare; returns 1 where the command fails or more was learned otherwise than chance explains."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--lines", type=int, default=500_000)
    given = parser.parse_args()
    shutil.rmtree(WORK, ignore_errors=True)
    truth = write_messy_shop(WORK / "sales", lines=given.lines)
    document = {
        "date": datetime.date.today().isoformat(),
        "machine": machine(),
        "lines": truth.lines,
        "goal": {"seconds": GOAL_SECONDS, "memory_gb": GOAL_GB},
    }
    ports = [f"GATEWAY_PORT={free_port()}", f"METRICS_PORT={free_port()}"]
    settings = [f"FILE={WORK / 'sales'}", "CURRENCY=GBP", f"VAR={WORK / 'var'}"]
    watched = Memory(ROOT)
    watched.start()
    begin = time.monotonic()
    environment = os.environ | {"ONSHELF_ADDRESS": f"127.0.0.1:{ports[0].partition('=')[2]}"}
    status = subprocess.run(["make", "shop", *settings, *ports], cwd=ROOT, env=environment, check=False).returncode
    seconds, largest = time.monotonic() - begin, watched.stop()
    subprocess.run(["make", "stop", *settings, *ports], cwd=ROOT, check=False)
    document |= {"status": status, "seconds": round(seconds, 1), "memory_gb": round(largest / 1e9, 2)}
    features = next((WORK / "var").glob("shops/shop/**/features"), None)
    document["differences"] = ["nothing was prepared"] if features is None else differences(truth, features)
    wrong = features is None or bool(differences(truth, features, launches_may_differ=MAY_DIFFER))
    RESULT.write_text(json.dumps(document, indent=2) + "\n", encoding="utf-8")
    print(json.dumps(document, indent=2))
    return 1 if status or wrong else 0


if __name__ == "__main__":
    sys.exit(main())
