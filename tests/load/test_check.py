"""A dry run of a source keeps nothing, also where it is killed."""

import os
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from flows.load.check import check_source
from flows.load.mapping import load_mapping
from tests.load.conftest import HEADER, SHOP

KILLED = """
import os, signal
from pathlib import Path
from flows.load import check
from flows.load.mapping import load_mapping

run_load = check.run_load

def load_and_die(*given):
    run_load(*given)
    os.kill(os.getpid(), signal.SIGKILL)

check.run_load = load_and_die
check.check_source(load_mapping(Path("shop.yml")), Path("landing"))
"""


def test_what_a_killed_check_left_goes_with_the_next(
    landing: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (landing.parent / "shop.yml").write_text(SHOP)
    (landing / "shop/lines.csv").write_text(HEADER + "A1,2024-05-01 10:00,Ann Lee,P1,1,2\n")
    temporary = landing.parent / "temporary"
    temporary.mkdir()
    killed = subprocess.run(
        [sys.executable, "-c", KILLED],
        cwd=landing.parent,
        env=os.environ | {"TMPDIR": str(temporary)},
    )
    assert killed.returncode == -9
    (left,) = temporary.iterdir()
    assert left.stat().st_mode & 0o777 == 0o700
    assert [one.name for one in left.iterdir()] != []
    monkeypatch.setattr(tempfile, "tempdir", str(temporary))
    assert check_source(load_mapping(landing.parent / "shop.yml"), landing).would_load
    assert list(temporary.iterdir()) == []
