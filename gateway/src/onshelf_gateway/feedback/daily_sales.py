"""What the whole shop sold each day, kept by this process: only what was written since is read again."""

import threading
from dataclasses import dataclass, field

from sqlalchemy import Connection

from onshelf_gateway.store import events, sales


@dataclass
class DailySales:
    """Units by day. The first reading goes over all events; after a user was forgotten, so does the next."""

    _units: dict[str, float] = field(default_factory=dict)
    _last: int = 0
    _forgotten: int = 0
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def read(self, connection: Connection) -> dict[str, float]:
        """Units of each day that has any; of the moment that the connection sees."""
        with self._lock:
            forgotten = events.count_forgotten(connection)
            if forgotten != self._forgotten:
                self._units, self._last, self._forgotten = {}, 0, forgotten
            rows, self._last = sales.units_since(connection, self._last)
            for day, units in rows:
                self._units[day] = self._units.get(day, 0.0) + units
            return dict(self._units)
