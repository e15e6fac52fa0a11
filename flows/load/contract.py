"""The input contract: which entities a source may deliver, with their columns, types and keys.

The text of the contract is docs/input-contract.md; this module is its one home in code. The raw
tables are made from it, mappings are checked against it, and the staging models read exactly these
columns.
"""

from dataclasses import dataclass, field
from typing import Final

MONEY: Final = "DECIMAL(18,4)"
TEXT: Final = "VARCHAR"
TIME: Final = "TIMESTAMPTZ"
# A regular expression. No colon: in a key, `<source>:<id>`, the source ends at the first one.
SOURCE_NAME: Final = "[a-z][a-z0-9_]*"


@dataclass(frozen=True)
class Entity:
    """One entity of the contract.

    Attributes:
        name: the entity, and the name of its raw table.
        key: the columns that identify one row within a source; none of them may be null. An id
            among them that another source hands out is told apart by `id_sources` too.
        columns: every column with its DuckDB type, in the order of the raw table.
        required: columns beside the key that a row must fill.
        values: for columns with a closed vocabulary, the words allowed.
    """

    name: str
    key: tuple[str, ...]
    columns: dict[str, str]
    required: tuple[str, ...] = ()
    values: dict[str, tuple[str, ...]] = field(default_factory=dict)

    @property
    def id_sources(self) -> dict[str, str]:
        """Ids that another source may hand out: each with the column that names that source.

        Null there means the row's own source; the loader writes null for its name too.
        """
        named = {name: f"{name.removesuffix('_id')}_source" for name in self.columns}
        return {name: source for name, source in named.items() if source in self.columns}

    @property
    def whole_key(self) -> tuple[str, ...]:
        """The key, each id of another source followed by the column that names the source."""
        sources = self.id_sources
        return tuple(
            part for name in self.key for part in (name, sources.get(name)) if part is not None
        )


# What the loader adds to every raw row. `updated_at` may be mapped; else it is the time of the
# load.
TECHNICAL_COLUMNS: Final[dict[str, str]] = {
    "source": TEXT,
    "updated_at": TIME,
    "source_file": TEXT,
    "source_line": "BIGINT",
    "load_id": "BIGINT",
}

# Columns of a raw table that no source delivers: the loader computes them.
COMPUTED_COLUMNS: Final = ("ordered_at_local", "is_incomplete")

_ENTITIES = (
    Entity(
        "order_lines",
        key=("order_id", "line_number"),
        columns={
            "order_id": TEXT,
            "line_number": "INTEGER",
            "ordered_at": TIME,
            "ordered_at_local": "TIMESTAMP",  # computed: wall clock in the mapping's zone
            "order_status": TEXT,
            "customer_id": TEXT,
            "product_id": TEXT,
            "product_source": TEXT,
            "line_kind": TEXT,
            "quantity": "DECIMAL(18,4)",
            "unit_price": MONEY,
            "discount_amount": MONEY,
            "net_revenue": MONEY,
            "unit_cost": MONEY,
            "currency": TEXT,
            "returned_order_id": TEXT,
            "returned_order_source": TEXT,
            "store_id": TEXT,
            "store_source": TEXT,
            "channel": TEXT,
            "employee_id": TEXT,
            "employee_source": TEXT,
            "campaign_id": TEXT,
            "campaign_source": TEXT,
            # computed: true where the delivery held records of this order that were rejected
            "is_incomplete": "BOOLEAN",
        },
        required=("ordered_at",),
        values={
            "line_kind": ("merchandise", "shipping", "tax", "gift_card", "points", "other"),
            "order_status": ("completed", "cancelled"),
        },
    ),
    Entity(
        "customers",
        key=("customer_id",),
        columns={
            "customer_id": TEXT,
            "name": TEXT,
            "given_name": TEXT,
            "family_name": TEXT,
            "sex": TEXT,
            "birth_date": "DATE",
            "age_band": TEXT,
            "email": TEXT,
            "phone": TEXT,
            "address": TEXT,
            "city": TEXT,
            "region": TEXT,
            "country": TEXT,
            "income_band": TEXT,
            "household": TEXT,
            "business_id": TEXT,
            "acquired_at": TIME,
            "acquisition_channel": TEXT,
            "referred_by": TEXT,
            "is_prospect": "BOOLEAN",
        },
        values={"sex": ("female", "male", "other")},
    ),
    Entity(
        "consents",
        key=("customer_id", "channel", "given_at"),
        columns={"customer_id": TEXT, "channel": TEXT, "given_at": TIME, "is_given": "BOOLEAN"},
    ),
    Entity(
        "products",
        key=("product_id",),
        columns={
            "product_id": TEXT,
            "name": TEXT,
            "brand": TEXT,
            "department": TEXT,
            "category": TEXT,
            "product_type": TEXT,
            "package_size": TEXT,
            "supplier_id": TEXT,
            "supplier_source": TEXT,
            "list_price": MONEY,
            "unit_cost": MONEY,
        },
    ),
    Entity(
        "suppliers",
        key=("supplier_id",),
        columns={"supplier_id": TEXT, "name": TEXT, "kind": TEXT, "country": TEXT},
        values={"kind": ("supplier", "distributor")},
    ),
    Entity(
        "stores",
        key=("store_id",),
        columns={
            "store_id": TEXT,
            "name": TEXT,
            "kind": TEXT,
            "city": TEXT,
            "region": TEXT,
            "opened_on": "DATE",
            "closed_on": "DATE",
        },
    ),
    Entity(
        "employees",
        key=("employee_id",),
        columns={
            "employee_id": TEXT,
            "name": TEXT,
            "role": TEXT,
            "store_id": TEXT,
            "store_source": TEXT,
            "manager_id": TEXT,
            "hired_on": "DATE",
            "left_on": "DATE",
        },
    ),
    Entity(
        "account_owners",
        key=("customer_id", "employee_id", "owned_from"),
        columns={
            "customer_id": TEXT,
            "employee_id": TEXT,
            "employee_source": TEXT,
            "owned_from": "DATE",
            "owned_to": "DATE",
        },
    ),
    Entity(
        "interactions",
        key=("interaction_id",),
        columns={
            "interaction_id": TEXT,
            "customer_id": TEXT,
            "employee_id": TEXT,
            "employee_source": TEXT,
            "channel": TEXT,
            "kind": TEXT,
            "begun_by": TEXT,
            "opened_at": TIME,
            "answered_at": TIME,
            "resolved_at": TIME,
            "steps": "INTEGER",
            "rating": "DECIMAL(9,4)",
            "cause": TEXT,
            "order_id": TEXT,
            "order_source": TEXT,
            "compensation_amount": MONEY,
            "is_loop_closed": "BOOLEAN",
        },
        values={
            "kind": (
                "complaint",
                "question",
                "opinion",
                "suggestion",
                "request",
                "care",
                "sales",
                "visit",
            ),
            "begun_by": ("customer", "firm"),
        },
    ),
    Entity(
        "campaigns",
        key=("campaign_id",),
        columns={
            "campaign_id": TEXT,
            "name": TEXT,
            "kind": TEXT,
            "channel": TEXT,
            "starts_on": "DATE",
            "ends_on": "DATE",
            "cost": MONEY,
        },
    ),
    Entity(
        "campaign_contacts",
        key=("campaign_id", "customer_id", "contacted_at"),
        columns={
            "campaign_id": TEXT,
            "campaign_source": TEXT,
            "customer_id": TEXT,
            "contacted_at": TIME,
            "is_holdout": "BOOLEAN",
            "opened_at": TIME,
            "clicked_at": TIME,
            "cost": MONEY,
        },
    ),
    Entity(
        "coupons",
        key=("coupon_id", "product_id", "campaign_id"),
        columns={
            "coupon_id": TEXT,
            "product_id": TEXT,
            "product_source": TEXT,
            "campaign_id": TEXT,
            "campaign_source": TEXT,
        },
    ),
    Entity(
        "coupon_redemptions",
        key=("coupon_id", "customer_id", "redeemed_at"),
        columns={
            "coupon_id": TEXT,
            "coupon_source": TEXT,
            "customer_id": TEXT,
            "redeemed_at": TIME,
            "campaign_id": TEXT,
            "campaign_source": TEXT,
            "order_id": TEXT,
            "order_source": TEXT,
            "amount": MONEY,
        },
    ),
    Entity(
        "web_events",
        key=("event_id",),
        columns={
            "event_id": TEXT,
            "customer_id": TEXT,
            "occurred_at": TIME,
            "kind": TEXT,
            "product_id": TEXT,
            "product_source": TEXT,
        },
        values={"kind": ("view", "favourite", "cart")},
    ),
    Entity(
        "loyalty_entries",
        key=("entry_id",),
        columns={
            "entry_id": TEXT,
            "customer_id": TEXT,
            "occurred_at": TIME,
            "kind": TEXT,
            "points": "DECIMAL(18,4)",
            "bond_kind": TEXT,
            "order_id": TEXT,
            "order_source": TEXT,
        },
        values={
            "kind": ("earn", "burn", "lapse", "adjust"),
            "bond_kind": ("financial", "social", "customised", "structural"),
        },
    ),
    Entity(
        "occasions",
        key=("customer_id", "occasion", "on_date"),
        columns={
            "customer_id": TEXT,
            "occasion": TEXT,
            "on_date": "DATE",
            "is_lunar": "BOOLEAN",
        },
    ),
    Entity(
        "costs",
        key=("cost_id",),
        columns={
            "cost_id": TEXT,
            "occurred_on": "DATE",
            "kind": TEXT,
            "amount": MONEY,
            "customer_id": TEXT,
            "store_id": TEXT,
            "store_source": TEXT,
            "employee_id": TEXT,
            "employee_source": TEXT,
        },
        values={"kind": ("selling", "service", "care")},
    ),
    Entity(
        "exchange_rates",
        key=("currency", "on_date"),
        columns={"currency": TEXT, "on_date": "DATE", "rate": "DECIMAL(18,8)"},
        required=("rate",),
    ),
)

ENTITIES: Final[dict[str, Entity]] = {entity.name: entity for entity in _ENTITIES}

# Rows of these say how somebody or something is; rows of the others, that something happened.
MEMBER_ENTITIES: Final = (
    *("customers", "products", "suppliers", "stores", "employees"),
    *("account_owners", "campaigns", "coupons", "occasions"),
)


def describe_contract() -> str:
    """Return the contract as Markdown: the tables of docs/input-contract.md."""
    parts = []
    for entity in _ENTITIES:
        id_sources = entity.id_sources
        key = ", ".join(
            f"`{name}`" + (f" with `{id_sources[name]}`" if name in id_sources else "")
            for name in entity.key
        )
        parts += [
            f"### {entity.name}",
            "",
            f"Key: {key}.",
            "",
            "| column | type | |",
            "|---|---|---|",
        ]
        for name, kind in entity.columns.items():
            if name in COMPUTED_COLUMNS:
                continue
            remarks = [f"source of `{of}`" for of, source in id_sources.items() if source == name]
            if name in entity.key or name in entity.required:
                remarks.append("required")
            if name == "currency":
                remarks.append("a code of ISO 4217")
            if name in entity.values:
                remarks.append("one of " + ", ".join(f"`{word}`" for word in entity.values[name]))
            parts.append(f"| `{name}` | {kind} | {'; '.join(remarks)} |")
        parts.append("")
    return "\n".join(parts).rstrip() + "\n"
