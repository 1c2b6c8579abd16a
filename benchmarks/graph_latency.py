"""Time of one request on one core, of a graph and of others that answer the same, e.g. of an earlier commit.

    python benchmarks/graph_latency.py audience_retrieval RUN/production [EARLIER_RUN/production ...]

Each folder is a role of a training run (samples.npz, export/). All graphs answer the samples of the first folder, in
turns, so that other load on the machine meets all alike. Writes benchmarks/results/MODEL.json; the last line printed is
the same document.
"""

import argparse
import json
import os
import time
from pathlib import Path
from typing import Any

import numpy as np
from plan_latency import ROOT, machine
from rich.progress import track

from onshelf_exporter.release.graphs import run_graph, session
from onshelf_exporter.signatures import SIGNATURES

MODELS = ("audience_retrieval", "launch_retrieval", "user_encoder")  # whose inputs the samples hold
PERCENTILES = (50, 95)


def main() -> None:
    """Measure, write, print."""
    parser = argparse.ArgumentParser(description="Measure graphs in ONNX Runtime with one thread.")
    parser.add_argument("model", choices=MODELS, help="model")
    parser.add_argument("roles", type=Path, nargs="+", help="folders of roles, var/runs/<run>/<role>")
    parser.add_argument("--batches", type=int, nargs="+", default=[1, 4], help="requests at once")
    parser.add_argument("--rounds", type=int, default=100, help="answers timed per graph and batch")
    parser.add_argument("--out", type=Path, default=ROOT / "benchmarks/results", help="folder of the result")
    arguments = parser.parse_args()
    paths = [role / "export" / f"{arguments.model}.onnx" for role in arguments.roles]
    running = [session(path, threads=1) for path in paths]
    samples = np.load(arguments.roles[0] / "samples.npz")
    rows = {tensor.name: samples[tensor.name] for tensor in SIGNATURES[arguments.model].inputs}
    count = len(next(iter(rows.values())))
    lines: list[dict[str, Any]] = []
    for batch in arguments.batches:
        taken = np.full((len(running), arguments.rounds), np.nan)
        for turn in track(range(-3, arguments.rounds), description=f"batch {batch}"):
            at = np.arange(turn * batch, (turn + 1) * batch) % count
            some = {name: values[at] for name, values in rows.items()}
            for number, graph in enumerate(running):
                start = time.perf_counter()
                run_graph(graph, some)
                if turn >= 0:  # the first answers are slower
                    taken[number, turn] = 1000 * (time.perf_counter() - start)
        for number, path in enumerate(paths):
            figures = {f"p{p}_ms": round(float(np.percentile(taken[number], p)), 2) for p in PERCENTILES}
            lines.append({"graph": number, "batch": batch, "megabytes": round(path.stat().st_size / 1e6, 1)} | figures)
    answers = [run_graph(graph, rows) for graph in running]
    result = {
        "command": f"python benchmarks/graph_latency.py {arguments.model}",
        "machine": f"{machine()}, load {os.getloadavg()[0]:.1f}",
        "date": time.strftime("%Y-%m-%d"),
        "rows": lines,
        # rankings are compared place by place
        "largest_difference_to_graph_0": [
            max(float(np.abs(one[name] - answers[0][name]).max()) for name in one if one[name].dtype == np.float32)
            for one in answers
        ],
    }
    arguments.out.mkdir(parents=True, exist_ok=True)
    (arguments.out / f"{arguments.model}.json").write_text(json.dumps(result, indent=2) + "\n")
    print(json.dumps(result))


if __name__ == "__main__":
    main()
