"""The waterfall of one request: what each stage took, and how much of the deadline was left when it began."""

from datetime import timedelta

from onshelf import _results as r
from onshelf._cli import _words as w
from onshelf._cli._terminal import Cell, Column, Terminal, clean, table, wrap

_BAR = 40  # columns, fewer on a narrow screen
_MILLISECOND = timedelta(milliseconds=1)


def trace_lines(info: r.ResponseInfo, seen: timedelta, terminal: Terminal) -> list[str]:
    """A line for each stage in the order of their beginnings, then the total. seen: what the caller measured."""
    if not info.timings:
        return ["The service sent no timings."]
    end = max(stage.start + stage.duration for stage in info.timings)
    rows: list[list[str | Cell]] = [
        [
            _indented(stage, info),
            Cell(_span(stage, end, terminal), ("green",)),
            f"{stage.start / _MILLISECOND:.2f}",
            f"{stage.duration / _MILLISECOND:.2f}",
            f"{stage.items:,}" if stage.items else "",
            "cached" if stage.cached else "",
            "" if stage.deadline_left is None else w.milliseconds(stage.deadline_left),
        ]
        for stage in _in_order(info)
    ]
    columns = [
        Column("stage"),
        Column(f"0 to {w.milliseconds(end)}"),
        Column("start ms", right=True),
        Column("took ms", right=True),
        Column("items", right=True),
        Column("cache"),
        Column("deadline left", right=True),
    ]
    outside = max(timedelta(), seen - end)
    total = f"{w.milliseconds(seen)} seen by the caller: {w.milliseconds(end)} in the service, "
    total += f"{w.milliseconds(outside)} in the network and in both ends' encoding."
    return [
        terminal.styled("Where the time went", "bold"),
        *table(terminal, columns, rows),
        "",
        *wrap(total, terminal.columns),
    ]


def _in_order(info: r.ResponseInfo) -> list[r.StageTiming]:
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


def _span(stage: r.StageTiming, end: timedelta, terminal: Terminal) -> str:
    if not end:
        return ""
    bar = min(_BAR, terminal.columns // 4 if terminal.columns < 110 else _BAR)
    before = round(stage.start / end * bar)
    length = max(1, round(stage.duration / end * bar))
    before = min(before, bar - length)
    return (" " * before + ("█" if terminal.unicode else "#") * length).ljust(bar)
