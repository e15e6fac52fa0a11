"""Fifty nights under the eyes of four kinds of client: no error, nothing mixed, fresh data."""

import time
from collections.abc import Iterator

import pytest

from flows.publish.versions import current_version
from tests.faults.reader import KINDS, SECONDS_IN_POOL
from tests.faults.rig import Rig
from tests.faults.shop import deliver
from tests.faults.tally import tally

NIGHTS = 50
REOPENING = ("opening", "pool", "attached")


@pytest.fixture
def watched(prefect_api: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Rig]:
    with Rig.at(tmp_path_factory.mktemp("soak") / "rig", kinds=list(KINDS)) as rig:
        yield rig


@pytest.mark.soak
def test_readers_never_notice_fifty_nights(watched: Rig) -> None:
    deliver(watched.landing, 0)
    assert watched.refresh().message == "published"
    published = {str(current_version(watched.warehouse)): watched.figures()}
    watched.begin_reading()
    for night in range(1, NIGHTS + 1):
        deliver(watched.landing, night)
        # Fewer versions are kept than a long reader outlives.
        outcome = watched.refresh(publish={"keep_versions": 2, "keep_days": 0})
        assert outcome.message == "published", outcome
        published[str(current_version(watched.warehouse))] = watched.figures()
    time.sleep(2 * SECONDS_IN_POOL)
    seen = watched.end_reading()
    for kind, client in seen.items():
        print(
            f"{kind}: {client.reads:,} reads, {len(client.errors)} errors, "
            f"{len(client.seen)} versions of {len(published)}"
        )
        mixed = [row for row in client.seen if published.get(row[0]) != row[1:]]
        tally.count("mismatches", len(mixed))
        assert (client.errors, mixed) == ([], [])
    newest = current_version(watched.warehouse)
    for kind in REOPENING:
        assert seen[kind].seen[-1][0] == newest
        assert len(seen[kind].seen) >= NIGHTS
    assert [row[0] for row in seen["long"].seen] == [min(published)]
