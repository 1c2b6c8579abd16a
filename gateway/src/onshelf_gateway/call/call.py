"""One call under way: its deadline, the time spent in each stage, and the remarks that its answer will carry."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from google.protobuf import duration_pb2

from onshelf.v1 import types_pb2

NS = 1_000_000_000


@dataclass(kw_only=True)
class Stage:
    """A measured stage: nanoseconds from the call's start, and its length."""

    name: str
    start_ns: int
    deadline_left_ns: int | None
    duration_ns: int = 0
    items: int = 0
    cached: bool = False


@dataclass(kw_only=True)
class Call:
    """The state of one call.

    Attributes:
        call_id: identifies the call in logs.
        deadline: time.monotonic() seconds by which everything downstream must be done, the margin already taken off.
        caller_deadline: whether the caller brought a deadline.
        margin: seconds from `deadline` to the caller's own.
        deadline_name: what ends the call at `deadline`, for messages.
        trial: whether the gateway asks for itself, so that failures are neither logged nor counted one by one.
        trace: whether the caller wants to know what models spent on waiting and computing.
        release_version: the model release that answers; 0 until known.
    """

    call_id: str
    deadline: float
    caller_deadline: bool
    margin: float = 0.0
    deadline_name: str = "the deadline"
    started_ns: int = field(default_factory=time.monotonic_ns)
    stages: list[Stage] = field(default_factory=list)
    notices: list[types_pb2.Notice] = field(default_factory=list)
    degraded: bool = False
    trace: bool = False
    trial: bool = False
    release_version: int = 0
    error_reason: str = ""
    log_fields: dict[str, object] = field(default_factory=dict)

    def part(self) -> "Call":
        """A call for one of several rows of this one: the same deadline, stages and remarks of its own."""
        return Call(
            call_id=self.call_id,
            deadline=self.deadline,
            caller_deadline=self.caller_deadline,
            margin=self.margin,
            deadline_name=self.deadline_name,
            trace=self.trace,
        )

    def shorten(self, seconds: float, name: str) -> None:
        """At most so many seconds from now on; `name` is what then ends the call."""
        if time.monotonic() + seconds < self.deadline:
            self.deadline, self.deadline_name = time.monotonic() + seconds, name

    def remaining(self) -> float:
        """Seconds left for downstream calls; may be negative."""
        return self.deadline - time.monotonic()

    @contextmanager
    def stage(self, name: str, items: int = 0) -> Iterator[Stage]:
        """Measure a stage; it is recorded whether it ends well or not."""
        now = time.monotonic_ns()
        left = int((self.deadline + self.margin) * NS) - now if self.caller_deadline else None
        stage = Stage(name=name, start_ns=now - self.started_ns, deadline_left_ns=left, items=items)
        self.stages.append(stage)
        try:
            yield stage
        finally:
            stage.duration_ns = time.monotonic_ns() - now

    def add_parts(self, whole: Stage, queue_ns: int, compute_ns: int, batch: int) -> None:
        """Split a stage that has ended: waiting in the model server's queue, then computing in a batch of that size."""
        for name, start, length, items in (
            ("queue", whole.start_ns, queue_ns, 0),
            ("compute", whole.start_ns + queue_ns, compute_ns, batch),
        ):
            self.stages.append(
                Stage(
                    name=f"{whole.name}.{name}",
                    start_ns=start,
                    deadline_left_ns=whole.deadline_left_ns,
                    duration_ns=length,
                    items=items,
                )
            )

    def notice(self, code: types_pb2.NoticeCode, message: str, field_path: str = "") -> None:
        """Add a remark, once."""
        if not any(n.code == code and n.field == field_path and n.message == message for n in self.notices):
            self.notices.append(types_pb2.Notice(code=code, field=field_path, message=message))

    def spent(self) -> dict[str, int]:
        """Nanoseconds by name of the stage, in order of beginning; a stage may occur several times."""
        total: dict[str, int] = {}
        for stage in self.stages:
            total[stage.name] = total.get(stage.name, 0) + stage.duration_ns
        return total

    def timings(self) -> list[types_pb2.StageTiming]:
        """The stages as the contract's messages, by start."""
        return [_timing(stage) for stage in sorted(self.stages, key=lambda s: s.start_ns)]


def _duration(ns: int) -> duration_pb2.Duration:
    return duration_pb2.Duration(seconds=ns // NS, nanos=ns % NS)


def _timing(stage: Stage) -> types_pb2.StageTiming:
    timing = types_pb2.StageTiming(
        stage=stage.name,
        start=_duration(stage.start_ns),
        duration=_duration(stage.duration_ns),
        items=stage.items,
        cached=stage.cached,
    )
    if stage.deadline_left_ns is not None:
        timing.deadline_left.CopyFrom(_duration(max(0, stage.deadline_left_ns)))
    return timing
