"""What the quality gates found in a night: kept in `state`, and told where it stops the night."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from math import log
from typing import Final, Literal

import duckdb

Severity = Literal["warning", "stop"]
_TOLD_ONE_BY_ONE: Final = 3  # warnings of a source
_KINDS: Final[Mapping[str, str]] = {
    "order_lines": "order lines",
    "orders": "orders",
    "net_revenue": "net revenue",
    "line_revenue": "worth of a line",
    "hours": "hours without an order",
    "known_lines": "lines that are gone",
    "known_line_revenue": "known lines of another worth",
    "delivered_lines": "empty deliveries",
}


@dataclass(frozen=True)
class Finding:
    """What a gate found.

    Attributes:
        severity: "stop" where the night looks broken, else "warning".
        source: the source at fault.
        measure: order_lines, orders, net_revenue, line_revenue (the median of the day's lines),
            hours (share of a usual day's lines in the hours without one), known_lines,
            known_line_revenue or delivered_lines.
        day: the local day judged; None where the delivery as a whole is.
        value: what was found, in the unit of the measure.
        median: what is usual; None where nothing is.
        bound: the bound that was passed.
        text: one sentence for people, without personal data.
    """

    severity: Severity
    source: str
    measure: str
    day: date | None
    value: Decimal
    median: Decimal | None
    bound: Decimal | None
    text: str


class BrokenFeedError(Exception):
    """A night looks like a broken feed and is not published; the message names what and why.

    Attributes:
        findings: all findings of the night, warnings too.
    """

    def __init__(self, findings: Sequence[Finding]) -> None:
        self.findings = tuple(findings)
        lines = [f"  {finding.text}" for finding in findings if finding.severity == "stop"]
        super().__init__(
            "this night looks like a broken feed:\n"
            + "\n".join(lines)
            + "\nMend the files and refresh again; if they are right, "
            "`regulars refresh --accept` publishes them."
        )


def in_short(findings: Sequence[Finding]) -> list[str]:
    """What people are told of a night's findings: stops and few warnings singly, many counted.

    A first load judges the last weeks of a whole history; in a small shop, most of its days are
    unusual. All findings are in the audit file and in `state.findings`.
    """
    told = [one.text for one in findings if one.severity == "stop"]
    warnings: dict[str, list[Finding]] = {}
    for one in findings:
        if one.severity == "warning":
            warnings.setdefault(one.source, []).append(one)
    for source, found in warnings.items():
        many = len(found) > _TOLD_ONE_BY_ONE
        told += [_together(source, found)] if many else [one.text for one in found]
    return told


def _together(source: str, findings: Sequence[Finding]) -> str:
    """A source's warnings by their kind: how many, of which days, and the most unusual one."""
    kinds = Counter(_KINDS[one.measure] for one in findings)
    days = sorted(one.day for one in findings if one.day)
    span = f" of {days[0]} to {days[-1]}" if days else ""
    worst = max(findings, key=_distance)
    return (
        f"{source}: {len(findings)} warnings{span} "
        f"({', '.join(f'{kind} {number}' for kind, number in kinds.items())}); "
        f"the most unusual: {worst.text.removeprefix(f'{source}: ')}"
    )


def _distance(finding: Finding) -> float:
    """How many times more or less than usual: a tenth is as far away as tenfold."""
    if not finding.median:
        return 0.0
    return abs(log((max(finding.value, Decimal(0)) + 1) / (max(finding.median, Decimal(0)) + 1)))


def raise_if_broken(findings: Sequence[Finding]) -> None:
    """Stop the refresh where a finding says so.

    Raises:
        BrokenFeedError: naming each stop.
    """
    if any(finding.severity == "stop" for finding in findings):
        raise BrokenFeedError(findings)


def record_findings(
    connection: duckdb.DuckDBPyConnection,
    run_id: str,
    findings: Iterable[Finding],
    *,
    is_accepted: bool = False,
) -> None:
    """Write the findings of a run into `state.findings`.

    Args:
        connection: the file that is published, or the work file where the run was stopped.
        run_id: the run.
        findings: what `judge` returned.
        is_accepted: whether a person published the night in spite of its stops.
    """
    connection.execute("delete from state.findings where run_id = ?", [run_id])
    for one in findings:
        connection.execute(
            "insert into state.findings by position values (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
            [
                *(run_id, one.severity, is_accepted and one.severity == "stop"),
                *(one.source, one.measure, one.day),
                *(one.value, one.median, one.bound, one.text),
            ],
        )
