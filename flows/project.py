"""Where the dbt project and the ready mappings lie: a checkout, or the installed package."""

from functools import cache
from pathlib import Path


@cache
def project_folder() -> Path:
    """The folder that holds dbt_project.yml, models/, macros/, seeds/ and sources/.

    Raises:
        FileNotFoundError: where neither a checkout nor an installed package holds the dbt project.
    """
    beside_packages = Path(__file__).resolve().parent.parent
    for folder in (beside_packages, beside_packages / "regulars" / "project"):
        if (folder / "dbt_project.yml").is_file():
            return folder
    raise FileNotFoundError(
        f"the installation is incomplete: no dbt_project.yml in {beside_packages} "
        "or in its folder regulars/project"
    )
