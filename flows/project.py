"""Where the dbt project and the ready mappings lie: a checkout, or the installed package."""

from functools import cache
from pathlib import Path
from typing import Final

PACKAGES: Final = Path(__file__).resolve().parent.parent  # the folder of flows/ and mining/


@cache
def project_folder() -> Path:
    """The folder that holds dbt_project.yml, models/, macros/, seeds/ and sources/.

    Raises:
        FileNotFoundError: where neither a checkout nor an installed package holds the dbt project.
    """
    for folder in (PACKAGES, PACKAGES / "regulars" / "project"):
        if (folder / "dbt_project.yml").is_file():
            return folder
    raise FileNotFoundError(
        f"the installation is incomplete: no dbt_project.yml in {PACKAGES} "
        "or in its folder regulars/project"
    )
