"""A refresh killed anywhere: readers see whole versions, the next run ends as if nothing was.

Each case restores the start of a night, refreshes and is killed, once or several times in a row,
then refreshes to the end. What stands then is held to what a run without fault leaves.
"""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from random import Random

import pytest

from tests.faults.firm import Firm
from tests.faults.leftovers import processes_of
from tests.faults.rig import Expected, Rig
from tests.faults.tally import tally

FIRST_NIGHT, A_NIGHT = 0, 1
SWITCH = "before rename .current to current #1"
PARTS = 4  # of a test over all steps: dots to see, and one failure does not hide the others
RANDOM_KILLS = 9  # of each seed, in rows of three


@dataclass(frozen=True)
class Kill:
    """One kill.

    Attributes:
        step: the step at which the refresh is killed; None: by the clock.
        share: where by the clock, the share of a run without fault after which it is killed.
        whole_group: whether all its children die with it.
    """

    step: str | None = None
    share: float = 0
    whole_group: bool = False


Kills = tuple[Kill, ...]


def kill(rig: Rig, kills: Kills, expected: Expected, **settings: bool) -> list[str]:
    """Refresh and kill, again and again; returns what is wrong.

    A step is reached and the kill succeeds, or the test would prove nothing. By the clock a refresh
    may have ended before.
    """
    found = []
    for one in kills:
        if one.step:
            outcome = rig.refresh(at=one.step, whole_group=one.whole_group, **settings)
        else:
            outcome = rig.kill_after(one.share * expected.seconds, one.whole_group, **settings)
        if outcome.code > 0 or (one.step and outcome.code == 0):
            found.append(f"{one}: {outcome}")
    return found


def finish(rig: Rig, expected: Expected, **settings: bool) -> list[str]:
    """Refresh to the end and stop the readers; returns what is wrong then."""
    last = rig.refresh(**settings)
    found = [] if last.code == 0 else [f"the run after the kills: {last}"]
    is_full = settings.get("full", False)
    return found + rig.faults_found(expected, rig.end_reading(), is_full=is_full)


def killed_and_run_again(
    rig: Rig, night: int, kills: Kills, expected: Expected, **settings: bool
) -> list[str]:
    """Start a night, kill its refresh again and again, let the last one finish."""
    rig.restore(f"night {night}")
    rig.begin_reading()
    return kill(rig, kills, expected, **settings) + finish(rig, expected, **settings)


def of_every_step(steps: Iterable[str]) -> list[Kills]:
    """One kill for each state of the files that a refresh goes through."""
    return [(Kill(step=step, whole_group=n % 2 == 1),) for n, step in enumerate(steps)]


def random_kills(seed: int) -> list[Kills]:
    """Kills at random times, three in a row: the second hits the recovery from the first."""
    chance = Random(seed)  # noqa: S311 (no secret)
    kills = [
        Kill(share=chance.uniform(0, 0.97), whole_group=chance.random() < 0.5)
        for _ in range(RANDOM_KILLS)
    ]
    return [tuple(kills[start : start + 3]) for start in range(0, RANDOM_KILLS, 3)]


def part_of(cases: Sequence[Kills], part: int) -> Sequence[Kills]:
    return cases[part * len(cases) // PARTS : (part + 1) * len(cases) // PARTS]


def listed(found: Mapping[Kills, list[str]]) -> str:
    """What went wrong, a line each."""
    return "\n".join(f"{kills}: {fault}" for kills, faults in found.items() for fault in faults)


def test_a_sample_of_kills(firm: Firm) -> None:
    expected = firm.night(A_NIGHT)
    kills = (
        Kill(share=0.4),
        Kill(step="before rename work/building/regulars.duckdb to work/regulars.duckdb #1"),
    )
    assert killed_and_run_again(firm.rigs[0], A_NIGHT, kills, expected) == []


@pytest.mark.faults
@pytest.mark.parametrize("part", range(PARTS))
@pytest.mark.parametrize("night", [FIRST_NIGHT, A_NIGHT])
def test_killed_at_every_step(firm_on_two_rigs: Firm, night: int, part: int) -> None:
    expected = firm_on_two_rigs.night(night)
    found = firm_on_two_rigs.try_each(
        part_of(of_every_step(expected.steps), part),
        lambda rig, kills: killed_and_run_again(rig, night, kills, expected),
    )
    assert listed(found) == ""


@pytest.mark.faults
@pytest.mark.parametrize("seed", range(6))
def test_killed_at_random_times(firm_on_two_rigs: Firm, seed: int) -> None:
    expected = firm_on_two_rigs.night(A_NIGHT)
    is_full = seed % 3 == 2
    found = firm_on_two_rigs.try_each(
        random_kills(seed),
        lambda rig, kills: killed_and_run_again(rig, A_NIGHT, kills, expected, full=is_full),
    )
    assert listed(found) == ""


@pytest.mark.faults
@pytest.mark.parametrize(
    "first",
    [
        "after flows.refresh.build_core #1",
        "before flows.building.make_durable #1",
        SWITCH,
        "before rename work/building/regulars.duckdb to work/regulars.duckdb #1",
        "before rmdir work/building #1",
    ],
)
def test_killed_again_in_every_step_of_the_recovery(firm_on_two_rigs: Firm, first: str) -> None:
    expected = firm_on_two_rigs.night(A_NIGHT)
    for rig in firm_on_two_rigs.rigs:
        rig.restore(f"night {A_NIGHT}")
        assert kill(rig, (Kill(step=first),), expected) == []
        rig.save(f"killed {first}")
    record = rig.folder / "recovery.txt"
    assert rig.refresh(record=record).code == 0
    steps = record.read_text(encoding="utf-8").splitlines()
    # The recovery ends where the new run writes its record.
    recovery = steps[: steps.index(next(step for step in steps if "begin_run" in step))]

    def killed_once_more(rig: Rig, kills: Kills) -> list[str]:
        rig.restore(f"killed {first}")
        rig.begin_reading()
        return kill(rig, kills, expected) + finish(rig, expected)

    found = firm_on_two_rigs.try_each(of_every_step(recovery), killed_once_more)
    assert listed(found) == ""


@pytest.mark.faults
@pytest.mark.parametrize("stage", ["core", "marts", "publish"])
def test_the_command_killed_with_its_own_server(firm: Firm, stage: str) -> None:
    rig, expected = firm.rigs[0], firm.night(A_NIGHT)
    rig.restore(f"night {A_NIGHT}")
    rig.begin_reading()
    environment = {
        name: value for name, value in os.environ.items() if not name.startswith("PREFECT_")
    }
    log = rig.warehouse / "work/logs/refresh.log"
    log.unlink(missing_ok=True)
    command = subprocess.Popen(
        [Path(sys.executable).with_name("regulars"), "refresh"],
        cwd=rig.folder,
        env=environment | {"TMPDIR": str(rig.temporary)},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    rig.sessions.add(command.pid)
    while f"{stage} started" not in (log.read_text(encoding="utf-8") if log.exists() else ""):
        assert command.poll() is None
        time.sleep(0.01)
    command.send_signal(signal.SIGKILL)
    assert command.wait() == -signal.SIGKILL
    tally.count("kills")
    assert processes_of(rig.sessions, rig.temporary) == []
    assert finish(rig, expected) == []
