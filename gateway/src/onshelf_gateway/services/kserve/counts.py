"""What Triton's ModelStatistics says of the gateway's own models, counted from the stages of their calls."""

import time
from dataclasses import dataclass, field

from tritonclient.grpc import service_pb2

from onshelf_gateway.call.call import Call

BEFORE = ("validate", "tokenize", "candidates")  # stages before the models
AFTER = ("objective", "constraints", "ranking", "explanation", "plans", "response")
PARTS = ("queue", "compute_input", "compute_infer", "compute_output")


@dataclass(kw_only=True)
class Counts:
    """One version of one model since the gateway started; only ever growing.

    Attributes:
        batches: by batch size, how many requests had it, and their nanoseconds of input, inference and output.
    """

    success: int = 0
    failed: int = 0
    success_ns: int = 0
    failed_ns: int = 0
    rows: int = 0
    last_ms: int = 0
    parts: dict[str, int] = field(default_factory=lambda: dict.fromkeys(PARTS, 0))
    batches: dict[int, list[int]] = field(default_factory=dict)

    def add(self, call: Call, rows: int, ns: int, ok: bool) -> None:
        """Count one request of `rows` rows that took `ns` nanoseconds."""
        if not ok:
            self.failed += 1
            self.failed_ns += ns
            return
        self.success += 1
        self.success_ns += ns
        self.rows += rows
        self.last_ms = time.time_ns() // 1_000_000
        spent = {"queue": ("admit",), "compute_input": BEFORE, "compute_output": AFTER}
        took = {
            part: sum(stage.duration_ns for stage in call.stages if stage.name in names) // rows
            for part, names in spent.items()
        }
        took["compute_infer"] = max(0, ns - sum(took.values()))
        for part, value in took.items():
            self.parts[part] += value
        batch = self.batches.setdefault(rows, [0, 0, 0, 0])
        for place, value in enumerate((1, *(took[part] for part in PARTS[1:]))):
            batch[place] += value

    def message(self, name: str, version: str) -> service_pb2.ModelStatistics:
        """The protocol's message."""
        message = service_pb2.ModelStatistics(
            name=name,
            version=version,
            last_inference=self.last_ms,
            inference_count=self.rows,
            execution_count=self.success,
        )
        stats = message.inference_stats
        stats.success.count, stats.success.ns = self.success, self.success_ns
        stats.fail.count, stats.fail.ns = self.failed, self.failed_ns
        for part in PARTS:
            duration = getattr(stats, part)
            duration.count, duration.ns = self.success, self.parts[part]
        for size, (count, *spent) in sorted(self.batches.items()):
            row = message.batch_stats.add(batch_size=size)
            for part, ns in zip(PARTS[1:], spent, strict=True):
                duration = getattr(row, part)
                duration.count, duration.ns = count, ns
        return message
