"""CDNOW, whose figures the papers print: counted with pandas, from the files of lifetimes."""

from importlib.resources import files

import numpy as np
import pandas as pd

from mining.clv.histories import Histories, histories

_CALIBRATION_END = pd.Timestamp("1997-09-30")


def purchase_days(file: str = "CDNOW_sample.txt") -> pd.DataFrame:
    """Customer, date and value of each day with a purchase, to the end of the calibration."""
    names = ["master_id", "customer", "date", "quantity", "value"]
    if file == "CDNOW_master.txt":
        names = names[1:]
    with files("lifetimes").joinpath("datasets", file).open() as lines:
        table = pd.read_csv(lines, sep=r"\s+", header=None, names=names)
    table["date"] = pd.to_datetime(table["date"].astype(str))
    table = table[table["date"] <= _CALIBRATION_END]
    days = table.groupby(["customer" if "master_id" not in table else "master_id", "date"])
    return days["value"].sum().rename_axis(["customer", "date"]).reset_index()


def customer_histories(days: pd.DataFrame) -> pd.DataFrame:
    """Count repeats, recency and age in days of each customer."""
    by_customer = days.groupby("customer")["date"].agg(["min", "max", "count"])
    return pd.DataFrame(
        {
            "repeats": by_customer["count"] - 1,
            "recency": (by_customer["max"] - by_customer["min"]).dt.days,
            "age": (_CALIBRATION_END - by_customer["min"]).dt.days,
        }
    )


def grouped(customers: pd.DataFrame) -> Histories:
    """Count customers with the same history together."""
    counted = customers.value_counts(sort=False).reset_index()
    return histories(*(counted[name] for name in ("repeats", "recency", "age", "count")))


def repeat_spending(days: pd.DataFrame) -> tuple[np.ndarray, np.ndarray]:
    """Count each customer's repeat days above 0, with the mean spent on them."""
    later = days[days["date"] > days.groupby("customer")["date"].transform("min")]
    spent = later[later["value"] > 0].groupby("customer")["value"].agg(["size", "mean"])
    return spent["size"].to_numpy(), spent["mean"].to_numpy()
