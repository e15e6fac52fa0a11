"""What the fault and soak tests counted, for the last lines of the test run."""

from collections import Counter
from threading import Lock

KINDS = ("kills", "other faults", "publishes", "reads", "errors", "mismatches")


class Tally:
    """Counts from several threads."""

    def __init__(self) -> None:
        self._counts: Counter[str] = Counter()
        self._lock = Lock()

    def count(self, kind: str, number: int = 1) -> None:
        """Count so many of one of `KINDS`."""
        assert kind in KINDS
        with self._lock:
            self._counts[kind] += number

    def __bool__(self) -> bool:
        return self._counts.total() > 0

    def __str__(self) -> str:
        return ", ".join(f"{self._counts[kind]:,} {kind}" for kind in KINDS)


tally = Tally()
