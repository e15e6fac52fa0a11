"""Customer ids that are phone numbers or e-mail addresses are told of, without telling one."""

from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

from flows.load.check import check_source
from flows.load.mapping import Mapping
from tests.load.conftest import HEADER, SHOP, Load

CONTACTS = [
    *("ann.lee@mail.example", "13812345678", "8613812345678", "138-1234-5678", "138 1234 5678"),
    *("+86 138 1234 5678", "+4930901820", "0049 30 901820", "030/901820", "(030) 90 18 20"),
    *("010-62781234", "(212) 555-0123", "212-555-0123", "1-212-555-0123", "+1 (212) 555-0123"),
]
IDS = [
    *("7", "ANN7", "12345678", "0000123456", "12345678901", "20000000001", "99-12345", "12-3456-7"),
    *(
        "2026-01-05",
        "C-1001",
        "1a2b3c4d-0000-4000-8000-123456789abc",
        "@ann",
        "6217001234567890123",
    ),
    *("00012", "0012345678", "000-12345678", "12012345678", "erased"),
]


def lines(ids: Sequence[str]) -> str:
    return HEADER + "".join(
        f'{number},2024-05-01 10:00,"{one}",P1,1,2\n' for number, one in enumerate(ids)
    )


def test_contacts_are_told(load: Load) -> None:
    (delivery,) = load(lines__csv=lines([*CONTACTS, *CONTACTS]))
    (note,) = delivery.warnings
    assert note.startswith("15 of 15 customer ids look like phone numbers or e-mail addresses")
    assert not any(contact in note for contact in CONTACTS)


def test_it_is_a_warning_once(load: Load) -> None:
    """Of each load that begins or is mended; each other one notes it."""
    load(lines_1__csv=lines(CONTACTS))
    (_, delivery) = load(lines_2__csv=lines(CONTACTS[1:]))
    assert delivery.warnings == ()
    assert any("14 of 14 customer ids" in note for note in delivery.notes)
    mended = load(
        SHOP.replace("customer_id: customer", "customer_id: {from: customer, case: lower}")
    )
    assert all("customer ids" in one.warnings[0] for one in mended)


@pytest.mark.parametrize("customer_id", IDS)
def test_an_id(load: Load, customer_id: str) -> None:
    (delivery,) = load(lines__csv=lines([customer_id]))
    assert delivery.warnings == ()


@pytest.mark.parametrize(("others", "is_told"), [(9, True), (10, False)])
def test_one_in_ten_is_told(load: Load, others: int, is_told: bool) -> None:
    (delivery,) = load(lines__csv=lines([CONTACTS[0], *map(str, range(others))]))
    assert any("1 of 10 customer ids" in note for note in delivery.warnings) == is_told


def test_a_dry_run_tells_it_too(
    landing: Path, read_mapping: Callable[[], Mapping], load: Load
) -> None:
    (landing / "shop/lines.csv").write_text(lines(CONTACTS))
    (delivery,) = check_source(read_mapping(), landing).deliveries
    assert any("15 of 15 customer ids" in note for note in delivery.warnings)
