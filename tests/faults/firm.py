"""The firm's nights on one rig or more: what each ends with when nothing fails, and many faults."""

from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from queue import SimpleQueue
from typing import TypeVar

from tests.faults.rig import Expected, Rig
from tests.faults.shop import deliver

Case = TypeVar("Case")


@dataclass
class Firm:
    """The same firm on several rigs.

    Attributes:
        rigs: they lie in folders of their own, and work at the same time.
    """

    rigs: list[Rig]
    _nights: list[Expected] = field(default_factory=list)

    def night(self, number: int) -> Expected:
        """What stands after a night without fault; `rig.restore` then takes a rig to its start.

        Night 0 is the first refresh of all, the others follow it one by one.
        """
        while len(self._nights) <= number:
            night = len(self._nights)
            with ThreadPoolExecutor(len(self.rigs)) as pool:
                found = list(pool.map(lambda rig, night=night: one_night(rig, night), self.rigs))
            self._nights.append(found[0])
        return self._nights[number]

    def try_each(
        self, cases: Iterable[Case], run: Callable[[Rig, Case], list[str]]
    ) -> dict[Case, list[str]]:
        """Run the cases, as many at a time as there are rigs; returns what went wrong, by case."""
        free: SimpleQueue[Rig] = SimpleQueue()
        for rig in self.rigs:
            free.put(rig)

        def on_a_free_rig(case: Case) -> list[str]:
            rig = free.get()
            try:
                return run(rig, case)
            finally:
                free.put(rig)

        chosen = list(cases)
        with ThreadPoolExecutor(len(self.rigs)) as pool:
            found = pool.map(on_a_free_rig, chosen)
            return {case: faults for case, faults in zip(chosen, found, strict=True) if faults}


def one_night(rig: Rig, night: int) -> Expected:
    """Deliver a night's files, keep its start, and refresh without fault."""
    if night:
        rig.restore(f"after night {night - 1}")
    deliver(rig.landing, night)
    rig.save(f"night {night}")
    expected = rig.run_without_fault(f"night {night}")
    rig.save(f"after night {night}")
    return expected
