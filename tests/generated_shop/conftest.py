from pathlib import Path

import pytest

from regulars.generated_shop.generate import generate
from regulars.generated_shop.settings import ShopSettings


@pytest.fixture(scope="session")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small shop with some nights and, for its size, many broken records."""
    folder = tmp_path_factory.mktemp("generated") / "shop"
    generate(
        ShopSettings(
            customers=1_500, years=2, seed=7, nights=6, malformed_rate=0.003, disturbed_share=0.1
        ),
        folder,
    )
    return folder
