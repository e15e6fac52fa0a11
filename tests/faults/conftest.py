"""Rigs that live as long as the session, and the counts that close the run."""

from collections.abc import Iterator

import pytest

from tests.faults.firm import Firm
from tests.faults.reader import KINDS
from tests.faults.rig import Rig
from tests.faults.tally import tally


@pytest.fixture(scope="session")
def firm(prefect_api: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Firm]:
    """The small firm on one rig, read by every kind of client."""
    with Rig.at(tmp_path_factory.mktemp("firm") / "rig", kinds=list(KINDS)) as rig:
        yield Firm([rig])


@pytest.fixture(scope="session")
def firm_on_two_rigs(prefect_api: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Firm]:
    """The same firm on two rigs, one for each processor of a small machine."""
    folder = tmp_path_factory.mktemp("firm")
    with Rig.at(folder / "rig1") as one, Rig.at(folder / "rig2") as two:
        yield Firm([one, two])


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Close with one line of all that was counted."""
    if tally:
        terminalreporter.write_line(f"faults and soak: {tally}")
