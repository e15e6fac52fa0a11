"""Shares that may be raised but not lowered below a stated floor.

Whoever tests on generated data is tempted to make it clean. A floor keeps the data as hard as the
figures that are published about it claim.
"""

from dataclasses import field, fields
from typing import Any


def share(default: float, floor: float) -> Any:
    """Make a dataclass field that holds a share, from `floor` to 1."""
    return field(default=default, metadata={"floor": floor})


def floors(settings: Any) -> dict[str, float]:
    """Give the floor of each share of a dataclass or of one of its instances, by field name."""
    return {one.name: one.metadata["floor"] for one in fields(settings) if "floor" in one.metadata}


def check_floors(settings: Any) -> None:
    """Check every share of a dataclass instance.

    Raises:
        ValueError: naming the setting, its floor and its value, where one lies outside.
    """
    for name, floor in floors(settings).items():
        value = getattr(settings, name)
        if not floor <= value <= 1:  # not so for NaN either
            raise ValueError(
                f"{type(settings).__name__}.{name} must be from its floor {floor} to 1, got {value}"
            )
