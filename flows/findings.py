"""What the quality gates found in a night: kept in `state`, and told where it stops the night."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from typing import Literal

import duckdb

Severity = Literal["warning", "stop"]


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
