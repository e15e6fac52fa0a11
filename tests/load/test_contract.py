"""The contract: one home in code, told truly in the docs."""

from pathlib import Path

import duckdb

from flows.load import mapping
from flows.load.contract import COMPUTED_COLUMNS, ENTITIES, describe_contract
from flows.load.mapping import load_mapping
from tests.load.conftest import SOURCES

DOCS = Path(__file__).resolve().parents[2] / "docs"


def test_the_document_says_what_the_code_does() -> None:
    text = (DOCS / "input-contract.md").read_text(encoding="utf-8")
    assert text.endswith("## Entities\n\n" + describe_contract())


def test_every_entity_has_its_raw_table(connection: duckdb.DuckDBPyConnection) -> None:
    tables = connection.execute(
        "select table_name from duckdb_tables() where schema_name = 'raw'"
    ).fetchall()
    others = {("loads",), ("file_hashes",), ("rejected_rows",), ("sources",), ("margin_rates",)}
    assert set(tables) == others | {(name,) for name in ENTITIES}


def test_keys_required_columns_and_vocabularies_exist() -> None:
    for entity in ENTITIES.values():
        named = {*entity.key, *entity.required, *entity.values}
        assert named <= entity.columns.keys()
        assert not named & set(COMPUTED_COLUMNS)


def test_the_contract_mapping_covers_the_contract() -> None:
    contract = load_mapping(SOURCES / "contract.yml")
    assert list(contract.entities) == list(ENTITIES)
    assert [name for name, entity in contract.entities.items() if not entity.optional] == [
        "order_lines"
    ]


def test_the_mapping_document_names_every_key() -> None:
    text = (DOCS / "mapping.md").read_text(encoding="utf-8")
    for part in (
        *(mapping.Mapping, mapping.EntityMapping, mapping.Column),
        *(mapping.FileFormat, mapping.Table),
    ):
        for name, field in part.model_fields.items():
            assert f"| `{field.alias or name}` |" in text, name
