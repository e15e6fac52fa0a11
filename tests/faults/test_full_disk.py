"""The disk is full at one stage or another: the last version stays, and room is all it needs."""

import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

from flows.publish.versions import current_version
from tests.faults.firm import Firm, one_night
from tests.faults.rig import Expected, Rig
from tests.faults.tally import tally
from tests.faults.volume import Volume, volume_at

ROOMY = 1 << 30
SHARES = [0, 0.1, 0.25, 0.4, 0.55, 0.7, 0.85, 0.95]
NO_ROOM = ("no room was left in ", "no room in ")  # anywhere, and for the copy


@pytest.fixture(scope="module")
def cramped(
    prefect_api: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[Rig, Volume, Expected, int]]:
    """The firm with its warehouse on a volume of its own, and the most bytes of a night there."""
    with (
        Rig.at(tmp_path_factory.mktemp("cramped") / "rig") as rig,
        volume_at(rig.warehouse, ROOMY) as volume,
    ):
        Firm([rig]).night(0)
        with ThreadPoolExecutor(1) as pool:
            night = pool.submit(one_night, rig, 1)
            most = 0
            while not night.done():
                most = max(most, volume.used())
                time.sleep(0.02)
        yield rig, volume, night.result(), most


@pytest.mark.faults
@pytest.mark.parametrize("share", SHARES)
def test_a_disk_that_fills(cramped: tuple[Rig, Volume, Expected, int], share: float) -> None:
    rig, volume, expected, most = cramped
    rig.restore("night 1")
    published, held = current_version(rig.warehouse), volume.used()
    volume.resize(held + int(share * (most - held)))
    rig.begin_reading()
    failed = rig.refresh()
    assert failed.code == 1, failed
    assert failed.message.startswith(NO_ROOM), failed.message
    assert current_version(rig.warehouse) == published
    tally.count("other faults")
    volume.resize(ROOMY)
    again = rig.refresh()
    assert again.message == "published", again
    assert rig.faults_found(expected, rig.end_reading()) == []
