"""Which tables and columns leave the work file, as the models' YAML describes them."""

from collections.abc import Iterator
from dataclasses import dataclass

from dbt.contracts.graph.manifest import Manifest
from dbt.contracts.graph.nodes import GenericTestNode, ModelNode, SeedNode, SourceDefinition
from dbt_common.contracts.constraints import ConstraintType

PUBLISHED_SCHEMAS = ("reference", "core", "mining", "marts")


@dataclass(frozen=True)
class PublishedTable:
    """A table that readers see.

    Attributes:
        schema: its schema.
        name: its name.
        columns: those described and not personal, which may leave the work file; None, which is
            all of them, for seeds and mined tables: their YAML need not list them.
        personal_columns: those tagged as personal data.
        key: the columns that tell its rows apart; empty where none is stated.
        changes_with_orders: whether a night changes only the rows of int_affected_orders.
    """

    schema: str
    name: str
    columns: frozenset[str] | None = None
    personal_columns: frozenset[str] = frozenset()
    key: tuple[str, ...] = ()
    changes_with_orders: bool = False


def published_tables(manifest: Manifest) -> list[PublishedTable]:
    """Return the models, seeds and mined tables of the published schemas, by schema and name."""
    keys = dict(_tested_keys(manifest))
    tables = []
    for node in manifest.nodes.values():
        if isinstance(node, ModelNode) and node.schema in PUBLISHED_SCHEMAS:
            personal = {
                name for name, column in node.columns.items() if column.meta.get("personal_data")
            }
            tables.append(
                PublishedTable(
                    node.schema,
                    node.name,
                    frozenset(node.columns) - personal,
                    frozenset(personal),
                    _primary_key(node) or keys.get(node.unique_id, ()),
                    node.config.meta.get("changes_with") == "affected orders",
                )
            )
    whole: list[SeedNode | SourceDefinition] = [
        node for node in manifest.nodes.values() if isinstance(node, SeedNode)
    ]
    whole += [source for source in manifest.sources.values() if source.schema == "mining"]
    tables += [
        PublishedTable(node.schema, node.name, key=keys.get(node.unique_id, ())) for node in whole
    ]
    return sorted(tables, key=lambda one: (PUBLISHED_SCHEMAS.index(one.schema), one.name))


def _primary_key(node: ModelNode) -> tuple[str, ...]:
    for constraint in node.constraints:
        if constraint.type == ConstraintType.primary_key:
            return tuple(constraint.columns)
    return ()


def _tested_keys(manifest: Manifest) -> Iterator[tuple[str, tuple[str, ...]]]:
    """Yield the node and the columns of each test that holds rows to be unique."""
    for node in manifest.nodes.values():
        if isinstance(node, GenericTestNode) and node.attached_node:
            if node.test_metadata.name == "unique_combination":
                yield node.attached_node, tuple(node.test_metadata.kwargs["columns"])
            elif node.test_metadata.name == "unique" and node.column_name:
                yield node.attached_node, (node.column_name,)
