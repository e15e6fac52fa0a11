"""Forecasts of customers and their proof, computed again by pandas and lifetimes from raw tables.

The marts come from the real refresh (tests/conftest.py). How the models are fitted is held by
tests/mining/clv; here it is held that each customer gets the figures of their own history.
"""

from collections.abc import Iterator
from functools import cache
from pathlib import Path

import duckdb
import numpy as np
import pandas as pd
import pytest
from scipy.stats import spearmanr

from mining.clv.count_models import COUNT_MODELS, fitted, log_score
from mining.clv.histories import histories
from tests.models.test_marts import SCALE, Shop, scores

HISTORY = ["repeats", "recency_days", "age_days"]
JUDGED_SHARE = 0.25
MARGIN_RATE_DAYS = 10
MONTHS, DISCOUNT_RATE = 36, 0.10
HORIZON_WEEKS = MONTHS * 365.25 / 12 / 7
HORIZONS = {"30_days": 30 / 7, "90_days": 90 / 7, "365_days": 365 / 7, "horizon": HORIZON_WEEKS}
CENT = 0.006  # what is shown is rounded to four decimals, and the rate has many days in it


@pytest.fixture(scope="module", params=["complete_journey", "online_retail"])
def shop(request: pytest.FixtureRequest) -> Iterator[Shop]:
    path: Path = request.getfixturevalue(f"{request.param}_work_file")
    with duckdb.connect(path, read_only=True) as connection:
        yield Shop(request.param, connection)


def cuts(shop: Shop) -> dict[str, tuple[pd.Timestamp, int]]:
    """The day on which each period begins, and how many days it has."""
    days = (shop.as_of - min(days[0] for days in shop.purchase_days.values())).days
    judged = min(365, int(days * JUDGED_SHARE))
    chosen = min(365, int((days - judged) * JUDGED_SHARE))
    return {
        "choice": (shop.as_of - pd.Timedelta(days=judged + chosen), chosen),
        "judgement": (shop.as_of - pd.Timedelta(days=judged), judged),
        "now": (shop.as_of, 0),
    }


@cache
def day_values(shop: Shop) -> pd.DataFrame:
    """What each customer bought on each day with a purchase, and what of it came back when.

    Neither source says of which order: a credit note is taken off the purchase before it.
    """
    orders = shop.orders[shop.orders.customer_id.notna()]
    bought = orders[orders.is_purchase].assign(known_from=lambda rows: rows.order_date)
    notes = orders[~orders.is_purchase].assign(known_from=lambda rows: rows.order_date)
    notes = pd.merge_asof(
        notes.drop(columns="order_date").sort_values("known_from"),
        bought[["customer_id", "order_date"]].drop_duplicates().sort_values("order_date"),
        left_on="known_from",
        right_on="order_date",
        by="customer_id",
    ).dropna(subset="order_date")
    columns = ["customer_id", "order_date", "known_from"]
    return pd.concat([bought[[*columns, "net"]], notes[[*columns, "net"]]])


@cache
def known_at(shop: Shop, cut: pd.Timestamp, later_days: int) -> pd.DataFrame:
    """The history of each customer at a cut, what they spent, and what came before and after."""
    money = day_values(shop)
    keys = ["customer_id", "order_date"]
    known_by_cut = money[(money.order_date < cut) & (money.known_from < cut)]
    before = (known_by_cut.groupby(keys).net.sum() / SCALE).reset_index(name="value")
    by_customer = before.groupby("customer_id").order_date.agg(["min", "max", "size"])
    known = pd.DataFrame(
        {
            "repeats": by_customer["size"] - 1,
            "recency_days": (by_customer["max"] - by_customer["min"]).dt.days,
            "age_days": (cut - by_customer["min"]).dt.days - 1,
        }
    )
    first = before.groupby("customer_id").order_date.transform("min")
    spent = before[(before.order_date > first) & (before.value > 0)].groupby("customer_id").value
    known["spending_days"] = spent.size().reindex(known.index, fill_value=0)
    known["mean_spending"] = spent.mean().reindex(known.index)
    length = pd.Timedelta(days=later_days)
    until = cut + length
    after = money[(money.order_date >= cut) & (money.known_from < until)]
    after = (after.groupby(keys).net.sum() / SCALE).reset_index(name="value")
    last = before[before.order_date >= cut - length]
    for name, some in (("later", after), ("last", last)):
        counted = some.groupby("customer_id").value.agg(["size", "sum"])
        known[name] = counted["size"].reindex(known.index, fill_value=0)
        known[f"{name}_value"] = counted["sum"].reindex(known.index, fill_value=0.0)
    return known


def parameters(shop: Shop, period: str) -> dict[str, dict[str, float]]:
    rows = shop.connection.execute(
        "select model, parameter, value from mining.clv_parameters where period = ?", [period]
    ).fetchall()
    found: dict[str, dict[str, float]] = {}
    for model, name, value in rows:
        found.setdefault(model, {})[name] = value
    return found


def counting(shop: Shop, period: str):
    """The model in use, with its parameters."""
    found = parameters(shop, period)
    (model,) = (one for one in COUNT_MODELS if one.name in found)
    return model, np.array([found[model.name][name] for name in model.parameter_names])


def spending(shop: Shop, period: str, known: pd.DataFrame) -> pd.Series:
    """The mean of Gamma-Gamma (Fader, Hardie 2013): one's own and that of all, weighted."""
    p, q, gamma = (parameters(shop, period)["gamma_gamma"][name] for name in ("p", "q", "gamma"))
    of_all = p * gamma / (q - 1)
    weight = p * known.spending_days / (p * known.spending_days + q - 1)
    return (1 - weight) * of_all + weight * known.mean_spending.fillna(0)


def test_the_chosen_model_foresaw_counts_best(shop: Shop) -> None:
    cut, days = cuts(shop)["choice"]
    known = known_at(shop, cut, days)
    counted = known.groupby([*HISTORY, "later"]).size().reset_index(name="customers")
    of = histories(*(counted[name] for name in (*HISTORY, "customers")))
    told = {row["model"]: row for row in shop.rows("from marts.clv_models")}
    later = counted.later.to_numpy(float)
    ours = {one.name: log_score(fitted(one, of), of, days / 7, later) for one in COUNT_MODELS}
    # of models that are one but for rounding the first
    chosen = next(name for name, score in ours.items() if score >= max(ours.values()) - 1e-6)
    for name, score in ours.items():
        assert told[name]["log_score"] == pytest.approx(score, rel=1e-6)
        assert told[name]["is_chosen"] == (name == chosen)


@pytest.mark.parametrize("period", ["judgement", "now"])
def test_parameters_are_those_of_the_histories_until_the_cut(shop: Shop, period: str) -> None:
    known = known_at(shop, *cuts(shop)[period])
    counted = known.groupby(HISTORY).size().reset_index(name="customers")
    of = histories(*(counted[name] for name in (*HISTORY, "customers")))
    model, found = counting(shop, period)
    assert found == pytest.approx(fitted(model, of).fit.parameters, rel=1e-6)


def test_every_customer_has_the_forecast_of_their_own_history(shop: Shop) -> None:
    known = known_at(shop, *cuts(shop)["now"]).copy()
    clv = shop.connection.execute("from marts.clv").df().set_index("customer_id")
    known.index = [shop.key(customer) for customer in known.index]
    known, clv = known.sort_index(), clv.sort_index()
    assert list(known.index) == list(clv.index)
    of = histories(*(known[name] for name in HISTORY), np.ones(len(known)))
    model, at = counting(shop, "now")
    alive = model.probability_alive(at, of)
    np.testing.assert_allclose(clv.probability_alive, alive, rtol=1e-9)
    if_alive = {
        name: model.expected_purchases_if_alive(at, of, weeks) for name, weeks in HORIZONS.items()
    }
    for name, weeks in HORIZONS.items():
        column = f"expected_purchases_{name}"
        np.testing.assert_allclose(clv[column], alive * if_alive[name], rtol=1e-9)
        # low and high: the counts at which the chances of so many or fewer reach a tenth, nine
        for share, suffix in ((0.1, "low"), (0.9, "high")):
            counts = clv[f"{column}_{suffix}"].to_numpy(float)
            rows = np.flatnonzero(counts <= 12)[:400]
            chances = np.zeros((13, len(rows)))
            one = type(of)(*(field[rows] for field in of))
            for count in range(13):
                chances[count] = alive[rows] * model.count_probability_if_alive(
                    at, one, np.full(len(rows), weeks), np.full(len(rows), float(count))
                )
            chances[0] += 1 - alive[rows]
            reached = chances.cumsum(axis=0) >= share - 1e-7
            assert (reached.argmax(axis=0) <= counts[rows]).all()
            just = chances.cumsum(axis=0) >= share + 1e-7
            assert (np.where(just.any(axis=0), just.argmax(axis=0), 99) >= counts[rows]).all()
    # half of those alive have bought by the day shown, not yet by the one before
    shown = pd.to_datetime(clv.next_purchase_date)
    days = (shown - (shop.as_of - pd.Timedelta(days=1))).dt.days.fillna(HORIZON_WEEKS * 7)

    def bought(after: pd.Series) -> np.ndarray:
        return 1 - model.count_probability_if_alive(
            at, of, after.to_numpy() / 7, np.zeros(len(of.age))
        )

    is_shown = shown.notna().to_numpy()
    assert (bought(days)[is_shown] >= 0.5 - 1e-9).all()
    assert (bought(days - 1)[is_shown] < 0.5 + 1e-9).all()
    assert (bought(days)[~is_shown] < 0.5 + 1e-9).all()


def test_values_are_purchases_times_spending_times_margin(shop: Shop) -> None:
    known = known_at(shop, *cuts(shop)["now"])
    clv = shop.connection.execute("from marts.clv").df().set_index("customer_id")
    of_day = spending(shop, "now", known)
    of_day.index = [shop.key(customer) for customer in of_day.index]
    clv = clv.loc[of_day.index].astype({"expected_spending": float})
    np.testing.assert_allclose(clv.expected_spending, of_day, rtol=1e-6, atol=1e-4)
    if shop.rate is None:
        assert clv.predicted_clv.isna().all()
        assert set(clv.why_no_prediction) == {"no margin is known"}
        return
    # every margin is a quarter of its revenue, so every rate drawn towards that of all is one, too
    has_rate = clv.net_revenue.astype(float) > 1
    np.testing.assert_allclose(clv.margin_rate[has_rate], shop.rate, rtol=1e-3)
    money = clv.astype({"predicted_clv": float, "predicted_clv_low": float})
    for name in HORIZONS:
        expected = clv[f"expected_purchases_{name}"] * of_day * clv.margin_rate
        shown = clv[f"expected_margin_{name}"].astype(float)
        np.testing.assert_allclose(shown, expected, rtol=1e-5, atol=CENT)
    model, at = counting(shop, "now")
    of = histories(*(known[name] for name in HISTORY), np.ones(len(known)))
    alive = model.probability_alive(at, of)
    ends = [month * 365.25 / 12 / 7 for month in range(MONTHS + 1)]
    until = [np.zeros(len(known))] + [
        alive * model.expected_purchases_if_alive(at, of, end) for end in ends[1:]
    ]
    discounted = sum(
        (until[month] - until[month - 1]) / (1 + DISCOUNT_RATE) ** (month / 12)
        for month in range(1, MONTHS + 1)
    )
    costs = clv.cost_to_serve.astype(float).to_numpy() / (known.repeats + 1).to_numpy()
    value = discounted * (of_day * clv.margin_rate - costs)
    np.testing.assert_allclose(money.predicted_clv, value, rtol=1e-5, atol=CENT)
    assert (money.predicted_clv_low <= money.predicted_clv + CENT).all()
    assert clv.why_no_prediction.isna().all()


def naive_by_rfm(shop: Shop, cut: pd.Timestamp, days: int) -> pd.Series:
    """What customers of the same scores bought in the period before the cut, in the mean."""

    def scored(day: pd.Timestamp) -> pd.DataFrame:
        orders = shop.orders[shop.orders.customer_id.notna() & (shop.orders.order_date < day)]
        bought = orders[orders.is_purchase].groupby("customer_id")
        measures = pd.DataFrame(
            {
                "recency": (day - bought.order_date.max()).dt.days,
                "frequency": bought.size(),
                "monetary": orders.groupby("customer_id").net.sum(),
            }
        ).dropna()
        return pd.DataFrame(
            {
                "r": scores((-measures.recency).to_dict()),
                "f": scores((measures.frequency).to_dict()),
                "m": scores((measures.monetary).to_dict()),
            },
            measures.index,
        )

    earlier = scored(cut - pd.Timedelta(days=days))
    bought = shop.purchases.drop_duplicates(["customer_id", "order_date"])
    begin = cut - pd.Timedelta(days=days)
    period = bought[(bought.order_date >= begin) & (bought.order_date < cut)]
    earlier["days"] = period.groupby("customer_id").size().reindex(earlier.index, fill_value=0)
    cells = earlier.groupby(["r", "f", "m"]).days.mean()
    now = scored(cut)
    keys = pd.MultiIndex.from_frame(now[["r", "f", "m"]])
    return pd.Series(cells.reindex(keys).to_numpy(), now.index).fillna(earlier.days.mean())


def test_the_proof_is_what_came_beside_what_was_expected(shop: Shop) -> None:
    cut, days = cuts(shop)["judgement"]
    known = known_at(shop, cut, days)
    of = histories(*(known[name] for name in HISTORY), np.ones(len(known)))
    model, at = counting(shop, "judgement")
    expected = model.probability_alive(at, of) * model.expected_purchases_if_alive(at, of, days / 7)
    naive = naive_by_rfm(shop, cut, days).reindex(known.index)
    report = dict(
        shop.connection.execute(
            "select metric, value from marts.model_report where model = 'clv'"
        ).fetchall()
    )
    assert report["customers"] == len(known)
    assert report["purchases"] == known.later.sum()
    assert report["net_revenue"] == pytest.approx(known.later_value.sum())
    for name, forecast in (("", expected), ("_last_period", known["last"]), ("_rfm_cells", naive)):
        error = (known.later - forecast).abs().mean()
        assert report[f"mean_absolute_error{name}"] == pytest.approx(error, rel=1e-9)
        squared = ((known.later - forecast) ** 2).mean()
        assert report[f"mean_squared_error{name}"] == pytest.approx(squared, rel=1e-9)
        rank = spearmanr(known.later, forecast).statistic
        assert report[f"rank_correlation{name}"] == pytest.approx(rank, rel=1e-6)
    errors = [report[f"mean_squared_error{name}"] for name in ("", "_last_period", "_rfm_cells")]
    better = shop.rows(
        "select is_better_than_naive from marts.clv_models where model = ?", model.name
    )
    assert better == [{"is_better_than_naive": errors[0] < min(errors[1:])}]
    money = expected * spending(shop, "judgement", known)
    assert report["net_revenue_expected"] == pytest.approx(money.sum(), rel=1e-6)
    assert 0.5 < report["coverage"] < 1


def test_tenths_and_weeks_add_up_to_the_proof(shop: Shop) -> None:
    cut, days = cuts(shop)["judgement"]
    known = known_at(shop, cut, days)
    tenths = shop.connection.execute("from marts.clv_calibration order by tenth").df()
    assert tenths.customers.sum() == len(known)
    assert (tenths.customers * tenths.purchases).sum() == pytest.approx(known.later.sum())
    assert tenths.expected_purchases.is_monotonic_decreasing
    weeks = shop.connection.execute("from marts.clv_weeks order by week").df()
    bought = shop.purchases.drop_duplicates(["customer_id", "order_date"])
    bought = bought[bought.customer_id.isin(known.index) & (bought.order_date >= cut)]
    week = (bought.order_date - cut).dt.days // 7 + 1
    counted = week.value_counts().reindex(range(1, days // 7 + 1), fill_value=0)
    assert weeks.purchases.tolist() == counted.tolist()
    of = histories(*(known[name] for name in HISTORY), np.ones(len(known)))
    model, at = counting(shop, "judgement")
    alive = model.probability_alive(at, of)
    in_all = (alive * model.expected_purchases_if_alive(at, of, float(len(weeks)))).sum()
    assert weeks.expected_purchases.sum() == pytest.approx(in_all, rel=1e-9)
