"""When a history carries a model of repeat buying, and what is said where it does not."""

from typing import Final

from mining.clv.histories import Histories

# DECISIONS.md tells what forecasts of simulated shops of these sizes are like.
REPEAT_BUYERS: Final = 100
WEEKS: Final = 8


def why_not_enough(of: Histories) -> str | None:
    """Tell why a model cannot be learned from these histories; None where it can."""
    if not len(of.customers):
        return "too short a history to prove a model on what came later"
    repeat_buyers = int(of.customers[of.repeats > 0].sum())
    if repeat_buyers < REPEAT_BUYERS:
        return (
            f"too few customers who came back: {repeat_buyers:,} of {of.customer_count:,} had, "
            f"and a model needs {REPEAT_BUYERS}"
        )
    longest = float(of.age.max())
    if longest < WEEKS:
        return (
            f"too short a history: customers were known for {longest:.1f} weeks at most, "
            f"and a model needs {WEEKS}"
        )
    return None
