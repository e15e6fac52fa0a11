"""Sections of the generated shop's settings, and shares that have a floor.

Whoever tests on generated data is tempted to make it clean. A floor keeps the data as hard as the
figures that are published about it claim: such a share may be raised, not lowered.
"""

from typing import Annotated, Any

from annotated_types import Ge
from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    ValidationInfo,
    field_validator,
)


def _number(value: Any) -> Any:
    """Pydantic takes true for 1 and "3" for 3; strict, it would take no decimal for a float."""
    if isinstance(value, bool | str):
        raise ValueError("not a number")
    return value


Number = Annotated[float, BeforeValidator(_number)]
"""A number within a list."""


class Section(BaseModel):
    """Settings that never change, in which a mistyped name is an error."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    @field_validator("*", mode="before")
    @classmethod
    def _numbers_are_numbers(cls, value: Any, info: ValidationInfo) -> Any:
        kind = cls.model_fields[str(info.field_name)].annotation
        return _number(value) if kind in (int, float) else value


def share(default: float, floor: float, meaning: str) -> Any:
    """A field that holds a share, from its floor to 1."""
    return Field(default, ge=floor, le=1, description=meaning)


def floors(section: type[Section]) -> dict[str, float]:
    """The least that each share of a section may be, by its name."""
    return {
        name: float(str(limit.ge))
        for name, field in section.model_fields.items()
        for limit in field.metadata
        if isinstance(limit, Ge)
    }
