"""The walk-through of the operations page prints what the page shows."""

from pathlib import Path

import pytest

from tests.walk_through import BLOCK, PAGE, play, without_the_hour


@pytest.mark.slow
def test_the_operations_page_shows_what_its_commands_print(tmp_path: Path) -> None:
    page = PAGE.read_text(encoding="utf-8")
    assert len(BLOCK.findall(page)) >= 3
    played = play(page, tmp_path)
    assert without_the_hour(played) == without_the_hour(page)
