"""What a build was made from: all that decides a published figure changes the fingerprint."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import duckdb
import pytest

from flows import fingerprint
from flows.fingerprint import build_fingerprint
from flows.load.raw_tables import create_raw_tables
from flows.project import PACKAGES


@pytest.fixture
def connection() -> Iterator[duckdb.DuckDBPyConnection]:
    with duckdb.connect() as connection:
        create_raw_tables(connection)
        yield connection


@pytest.mark.parametrize(
    "file", ["mining/basket_sizes.py", "flows/publish/restricted_file.py", "flows/mine/rules.py"]
)
def test_a_change_of_the_code_behind_figures_is_one_of_the_build(
    connection: duckdb.DuckDBPyConnection,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    file: str,
) -> None:
    before = build_fingerprint(connection, {})
    for folder in ("flows", "mining"):
        shutil.copytree(PACKAGES / folder, tmp_path / folder)
    monkeypatch.setattr(fingerprint, "PACKAGES", tmp_path)
    assert build_fingerprint(connection, {}) == before
    with (tmp_path / file).open("a") as code:
        code.write("# mended\n")
    assert build_fingerprint(connection, {}) != before


def test_another_release_settings_or_mapping_is_another_build(
    connection: duckdb.DuckDBPyConnection, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen = [build_fingerprint(connection, {}), build_fingerprint(connection, {"r": 1})]
    monkeypatch.setattr(fingerprint, "this_release", lambda: "9.9")
    seen.append(build_fingerprint(connection, {}))
    connection.execute("insert into raw.margin_rates values ('shop', null, 0.5)")
    seen.append(build_fingerprint(connection, {}))
    assert len(set(seen)) == 4
    assert build_fingerprint(connection, {}) == seen[-1]
