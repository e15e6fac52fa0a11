"""The wheel carries the dbt project and the ready mappings, so that it needs no checkout."""

import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel's content in a folder of its own."""
    folder = tmp_path_factory.mktemp("wheel")
    subprocess.run(
        [sys.executable, "-m", "hatchling", "build", "--target", "wheel", "--directory", folder],
        cwd=REPOSITORY,
        check=True,
        capture_output=True,
    )
    (wheel,) = folder.glob("*.whl")
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(folder / "installed")  # our own wheel
    return folder / "installed"


def test_an_installed_package_finds_its_dbt_project(installed: Path) -> None:
    found = subprocess.run(
        [sys.executable, "-c", "from flows.project import project_folder as f; print(f())"],
        cwd=installed,  # first on the path, before the editable checkout
        check=True,
        capture_output=True,
        text=True,
    )
    assert Path(found.stdout.strip()) == installed / "regulars" / "project"


def test_the_wheel_holds_every_model_seed_and_mapping(installed: Path) -> None:
    project = installed / "regulars" / "project"
    for folder in ("models", "macros", "seeds", "sources", "tests/data"):
        there = {str(path.relative_to(project)) for path in (project / folder).rglob("*.*")}
        here = {str(path.relative_to(REPOSITORY)) for path in (REPOSITORY / folder).rglob("*.*")}
        assert there == here, folder
        assert here, folder
