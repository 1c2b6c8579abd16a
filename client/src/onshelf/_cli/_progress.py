"""Progress on standard error: one line that is rewritten where a person looks, a line at each tenth elsewhere."""

import sys
import time
from typing import TextIO


class Progress:
    """Counts what is done of a total."""

    def __init__(self, what: str, total: int, done: int = 0, stream: TextIO | None = None) -> None:
        self._what, self._total, self._done, self._start = what, total, done, done
        self._stream = stream or sys.stderr
        self._began = self._shown = time.monotonic()
        self._tenth = done * 10 // max(total, 1)

    def step(self, remark: str = "") -> None:
        """One more is done."""
        self._done += 1
        now = time.monotonic()
        finished = self._done == self._total
        if self._stream.isatty():
            if finished or now - self._shown > 0.1:
                self._shown = now
                self._stream.write(f"\r\x1b[K{self._line(now, remark)}" + ("\n" if finished else ""))
                self._stream.flush()
        elif self._done * 10 // self._total > self._tenth:
            self._tenth = self._done * 10 // self._total
            print(self._line(now, remark), file=self._stream, flush=True)

    def leave(self) -> None:
        """Ends a line that was being rewritten, so that what follows begins on its own."""
        if self._stream.isatty() and self._done < self._total:
            self._stream.write("\n")

    def _line(self, now: float, remark: str) -> str:
        rate = (self._done - self._start) / max(now - self._began, 1e-6)
        left = (self._total - self._done) / rate if rate else 0.0
        eta = f", {left:.0f} s left" if self._done < self._total else f" in {now - self._began:.0f} s"
        return f"{self._what} {self._done:,}/{self._total:,}{eta}{f' ({remark})' if remark else ''}"
