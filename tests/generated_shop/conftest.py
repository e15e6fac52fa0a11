import shutil
from collections.abc import Iterator
from pathlib import Path

import duckdb
import pytest

from flows.work_file import work_file
from regulars.generated_shop.generate import generate
from regulars.generated_shop.settings import ShopSettings
from tests.conftest import Refresh


@pytest.fixture(scope="session")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small shop with some nights and, for its size, many broken records."""
    folder = tmp_path_factory.mktemp("generated") / "shop"
    generate(
        ShopSettings(
            customers=1_500, years=2, seed=11, nights=6, malformed_rate=0.003, disturbed_share=0.1
        ),
        folder,
    )
    return folder


@pytest.fixture(scope="session")
def refreshed(shop: Path, refresh: Refresh, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """History and nights at once: late, repeated, corrected, split and cancelled orders."""
    folder = tmp_path_factory.mktemp("refreshed") / "shop"
    shutil.copytree(shop, folder)
    for night in sorted((folder / "nights").iterdir()):
        shutil.copytree(night, folder / "landing", dirs_exist_ok=True)
    refresh(folder / "landing", folder / "warehouse")
    return folder


@pytest.fixture(scope="session")
def warehouse(refreshed: Path) -> Iterator[duckdb.DuckDBPyConnection]:
    with duckdb.connect(work_file(refreshed / "warehouse"), read_only=True) as connection:
        connection.execute(f"set file_search_path = '{refreshed / 'truth'}'")
        yield connection
