"""The waterfall of one request: what each stage took, and how much of the deadline was left when it began."""

from datetime import timedelta

from rich.console import RenderableType

from onshelf import _results as r
from onshelf._cli import _words as w
from onshelf._cli._terminal import Section, bar, bold, clean, screen, table

_BAR = 40  # columns, fewer on a narrow screen
_MILLISECOND = timedelta(milliseconds=1)


def trace_section(info: r.ResponseInfo, seen: timedelta) -> Section:
    """A line for each stage in the order of their beginnings, then the total. seen: what the caller measured."""
    if not info.timings:
        return ["The service sent no timings."]
    end = max(stage.start + stage.duration for stage in info.timings)
    width = _BAR if screen().width >= 110 else screen().width // 4
    rows: list[list[RenderableType]] = [
        [
            _indented(stage, info),
            bar(stage.start / end, (stage.start + stage.duration) / end, 1.0, width) if end else "",
            f"{stage.start / _MILLISECOND:.2f}",
            f"{stage.duration / _MILLISECOND:.2f}",
            f"{stage.items:,}" if stage.items else "",
            "cached" if stage.cached else "",
            "" if stage.deadline_left is None else w.milliseconds(stage.deadline_left),
        ]
        for stage in in_order(info)
    ]
    headers = ["stage", f"0 to {w.milliseconds(end)}", ">start ms", ">took ms", ">items", "cache", ">deadline left"]
    total = f"{w.milliseconds(seen)} seen by the caller: {w.milliseconds(end)} in the service, "
    total += f"{w.milliseconds(max(timedelta(), seen - end))} in the network and in both ends' encoding."
    return [bold("Where the time went"), table(headers, rows), "", total]


def in_order(info: r.ResponseInfo) -> list[r.StageTiming]:
    """Stages by their start, each followed by its parts: those that began before the next stage of its name."""

    def place(stage: r.StageTiming) -> tuple[timedelta, str, bool, timedelta]:
        wholes = [one for one in info.timings if one.stage == _whole(stage) and one.start <= stage.start]
        whole = max(wholes, key=lambda one: one.start, default=stage)
        return whole.start, whole.stage, whole is not stage, stage.start

    return sorted(info.timings, key=place)


def _whole(stage: r.StageTiming) -> str:
    # "launch_outcome.queue" is a part of "launch_outcome".
    return stage.stage.rpartition(".")[0]


def _indented(stage: r.StageTiming, info: r.ResponseInfo) -> str:
    if any(other.stage == _whole(stage) for other in info.timings):
        return f"  {clean(stage.stage.rpartition('.')[2])}"
    return clean(stage.stage)
