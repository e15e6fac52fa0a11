"""Arrow columns for the files: places, days and fen as the systems write them."""

from decimal import Decimal
from typing import Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from regulars.generated_shop.calendar import CHINA_OFFSET_SECONDS, DAY_SECONDS, Calendar

_CENT: Final = pa.scalar(Decimal("0.01"))


def money(cents: np.ndarray, null: np.ndarray | None = None) -> pa.Array:
    """Fen (or US cents) as decimals with two places."""
    whole = pa.array(cents, pa.int64(), mask=null).cast(pa.decimal128(19, 0))
    return pc.multiply(whole, _CENT).cast(pa.decimal128(18, 2))


def taken(values: np.ndarray | pa.Array, places: np.ndarray) -> pa.Array:
    """Values by place; null where the place is negative."""
    return pa.array(values).take(pa.array(places, pa.int64(), mask=places < 0))


def numbers(
    prefix: str, values: np.ndarray, digits: int = 0, null: np.ndarray | None = None
) -> pa.Array:
    """Numbers with a prefix, filled with zeros: W0000001234."""
    text = pa.array(values, pa.int64(), mask=null).cast(pa.string())
    if digits:
        text = pc.utf8_lpad(text, digits, "0")
    return pc.binary_join_element_wise(prefix, text, "")


def wall_clock(day: np.ndarray, calendar: Calendar) -> pa.Array:
    """China's time, timestamp[s] without a zone; null where the day is NaN or infinite."""
    return _seconds(day, calendar)


def moment(day: np.ndarray, calendar: Calendar) -> pa.Array:
    """The same moment, timestamp[us, UTC]."""
    return (
        _seconds(day, calendar, -CHINA_OFFSET_SECONDS)
        .cast(pa.timestamp("us"))
        .cast(pa.timestamp("us", "UTC"))
    )


def iso_moment(day: np.ndarray, calendar: Calendar) -> pa.Array:
    """The same moment in text: 2024-06-18T12:30:00Z."""
    text = _seconds(day, calendar, -CHINA_OFFSET_SECONDS).cast(pa.string())
    return pc.binary_join_element_wise(pc.replace_substring(text, " ", "T"), "Z", "")


def dates(day: np.ndarray, calendar: Calendar) -> pa.Array:
    """Days as date32; null where the day is NaN or infinite."""
    return _seconds(np.floor(day), calendar).cast(pa.date32())


def _seconds(day: np.ndarray, calendar: Calendar, offset: int = 0) -> pa.Array:
    is_known = np.isfinite(day)
    seconds = np.rint(np.where(is_known, day, 0.0) * DAY_SECONDS).astype(np.int64)
    return pa.array(seconds + calendar.epoch + offset, pa.timestamp("s"), mask=~is_known)
