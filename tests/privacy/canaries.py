"""A club whose members have canaries for names, and where files hold them."""

from collections.abc import Iterator
from pathlib import Path

import duckdb

# In columns tagged as personal: staging and core have the same names.
CANARIES = {
    "customers": {
        "name": "Canaria Fullname",
        "given_name": "Canariagiven",
        "family_name": "Canariafamily",
        "birth_date": "1961-07-23",
        "email": "canary@mail.example",
        "phone": "+49 30 90210777",
        "address": "77 Canary Wharf",
    },
    "employees": {"name": "Canario Employee"},
    "interactions": {"cause": "Canaria is cross about a cup"},
}
REJECTED = ("Canarejected Person", "Canarstopped Person", "Canarcurrency Person")
MAPPING = """
source: club
title: A tea club
time_zone: Asia/Shanghai
currency: CNY
reject_limit: 0.3
entities:
  order_lines:
    files: orders*.csv
    columns:
      order_id: order
      customer_id: customer
      employee_id: served by
      product_id: product
      ordered_at: ordered at
      quantity: quantity
      unit_price: price
      currency: money
    ignore: [note]
  customers: { files: customers.csv, columns: by_name }
  employees: { files: employees.csv, columns: by_name }
  interactions: { files: interactions.csv, columns: by_name }
"""
HEADER = "order,customer,served by,product,ordered at,quantity,price,money,note\n"


def canaries() -> list[str]:
    """Every text that must stay where it belongs."""
    return [*(value for columns in CANARIES.values() for value in columns.values()), *REJECTED]


def write_club(folder: Path) -> Path:
    """Write mapping and landing files into a folder, and return the folder."""
    landing = folder / "landing" / "club"
    landing.mkdir(parents=True)
    (folder / "sources").mkdir(exist_ok=True)
    (folder / "sources" / "club.yml").write_text(MAPPING)
    for entity, columns in CANARIES.items():
        own_id = f"{entity.removesuffix('s')}_id"
        ids = [own_id, *(["customer_id"] if entity == "interactions" else [])]
        (landing / f"{entity}.csv").write_text(
            ",".join([*ids, *columns])
            + "\n"
            + ",".join(["7"] * len(ids) + [*columns.values()])
            + "\n"
        )
    (landing / "orders1.csv").write_text(
        HEADER
        + "".join(f"{n},7,7,tea,2026-01-{n:02} 10:00,1,3.50,CNY,\n" for n in range(1, 10))
        + f"x,7,7,tea,2026-01-05 10:00,one,3.50,,{REJECTED[0]}\n"
        + f"z,7,7,tea,2026-01-05 10:00,1,3.50,{REJECTED[2]},\n"
    )
    return folder


def values_of(path: Path) -> Iterator[tuple[str, str]]:
    """Yield every row of every table of a DuckDB file, as JSON, with the table's name."""
    with duckdb.connect(path, read_only=True) as connection:
        for schema, table in connection.execute(
            "select schema_name, table_name from duckdb_tables()"
        ).fetchall():
            rows = connection.execute(f'select to_json(t)::varchar from "{schema}"."{table}" as t')
            for (row,) in rows.fetchall():
                yield f"{schema}.{table}", row


def found_in(path: Path, texts: list[str]) -> list[str]:
    """Return which of the texts a file holds: in its bytes, and in the values of DuckDB files."""
    content = path.read_bytes()
    found = {
        text
        for text in texts
        for encoding in ("utf-8", "utf-16-le", "gb18030")
        if text.encode(encoding) in content
    }
    if path.suffix == ".duckdb":
        for _, row in values_of(path):
            found |= {text for text in texts if text in row}
    return sorted(found)
