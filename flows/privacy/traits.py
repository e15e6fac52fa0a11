"""What people are found by where no id stands: their names, addresses and numbers."""

import unicodedata
from dataclasses import dataclass
from typing import Final

import duckdb

# What says who somebody is, and what many people have in common.
_OWN: Final = ("name", "email", "phone")
_PARTS: Final = ("given_name", "family_name", "address")
# A name in two columns stands in texts as one.
_WHOLE_NAMES: Final = tuple(
    f"nullif({first}, '') || '{between}' || nullif({last}, '')"
    for first, between, last in (
        ("given_name", " ", "family_name"),
        ("family_name", " ", "given_name"),
        ("family_name", ", ", "given_name"),
        ("family_name", "", "given_name"),
    )
)
# In letters: a Chinese, Japanese or Korean character tells as much as three letters of an alphabet.
_DISTINCT: Final = 6
_LETTERS_OF_A_WIDE_CHARACTER: Final = 3


@dataclass(frozen=True)
class OthersTraits:
    """What people who stay have in common with those who go.

    Attributes:
        same: names, mail addresses and phone numbers that another customer has too.
        points_at_nobody: parts of names and addresses that another customer has too.
        longer: others' names, of letters alone, that one of theirs is a part of.
    """

    same: frozenset[str] = frozenset()
    points_at_nobody: frozenset[str] = frozenset()
    longer: frozenset[str] = frozenset()


def is_distinct(trait: str) -> bool:
    """Whether a trait is told inside other text: from six letters on, or two Chinese characters.

    What is shorter ("Ann", "Li Na") is told only where it stands alone, for longer words hold it.
    """
    letters = sum(
        _LETTERS_OF_A_WIDE_CHARACTER if unicodedata.east_asian_width(one) == "W" else 1
        for one in trait
    )
    return letters >= _DISTINCT


def is_word(trait: str) -> bool:
    """Whether a trait that is not distinct says something where it stands alone.

    One character is nobody's name, and a short number is anything.
    """
    return len(trait) > 1 and any(one.isalpha() for one in trait)


def traits_of(
    connection: duckdb.DuckDBPyConnection, source: str, customer_ids: tuple[str, ...]
) -> tuple[str, ...]:
    """Return what raw tells of people, from all deliveries."""
    rows = connection.execute(
        f"select distinct unnest([{', '.join((*_OWN, *_PARTS, *_WHOLE_NAMES))}]) as trait "
        "from raw.customers where source = ? and customer_id in (select unnest(?)) order by trait",
        [source, list(customer_ids)],
    ).fetchall()
    return tuple(trait for (trait,) in rows if trait)


def others_traits(
    connection: duckdb.DuckDBPyConnection,
    source: str,
    customer_ids: tuple[str, ...],
    traits: tuple[str, ...],
) -> OthersTraits:
    """Return what the source's other customers have in common with people who go."""
    columns = " union all ".join(
        f"select '{name}' as kind, {name} as trait from raw.customers "
        "where source = $source and customer_id not in (select unnest($ids))"
        for name in (*_OWN, *_PARTS)
    )
    rows = connection.execute(
        f"select distinct kind, trait from ({columns}) where "
        "list_bool_or(list_transform($traits::varchar[], lambda one: contains(trait, one)))",
        {"source": source, "ids": list(customer_ids), "traits": list(traits)},
    ).fetchall()
    same = {trait for kind, trait in rows if kind in _OWN and trait in traits}
    parts = {trait for kind, trait in rows if kind in _PARTS and trait in traits}
    longer = {
        trait
        for kind, trait in rows
        if kind.endswith("name") and trait.isalpha() and trait not in traits
    }
    return OthersTraits(frozenset(same), frozenset(parts - same), frozenset(longer))
