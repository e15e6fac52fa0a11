"""The raw and state schemas of the work file: what sources said, and what raw cannot tell."""

from typing import Final

import duckdb

from flows.load.contract import ENTITIES, TECHNICAL_COLUMNS

# One row for every file read into one entity: a delivery. `load_id` counts up over all of them.
_LOADS: Final = """
create table if not exists raw.loads (
    load_id bigint primary key,
    run_id varchar not null,
    source varchar not null,
    entity varchar not null,
    source_file varchar not null,      -- relative to the landing folder, '/' between parts
    content_sha256 varchar not null,   -- of the file
    joined_sha256 varchar,             -- of the files joined to it; null: none are
    contents_before_erasures varchar,  -- content_sha256 as it was before files were rewritten to
                                       -- forget people, a blank between; null: never
    mapping_sha256 varchar not null,   -- of what the mapping says of it: a mended one loads again
    keys_sha256 varchar,               -- of where the mapping takes the entity's key from
    loaded_at timestamptz not null,
    first_loaded_at timestamptz,       -- if a mended mapping reads known content anew: when it came
    first_load_id bigint,              -- ... and as which load, in whose place this one stands
    file_bytes bigint not null,
    records_read bigint not null,      -- counted independently of DuckDB's reader
    rows_loaded bigint not null,       -- records_read = rows_loaded + _rejected + _skipped
    rows_rejected bigint not null,
    rows_derived bigint not null,      -- lines made from header amounts, beside rows_loaded
    rows_skipped bigint not null,      -- no row of this entity (an anonymous line is no
                                       -- customer), or folded into a later row of its key
    is_full_list boolean not null default false, -- what the file does not hold is gone
    listed_at timestamptz              -- of a full list: when its newest row changed; null: no rows
)
"""

_REJECTED_ROWS: Final = """
create table if not exists raw.rejected_rows (
    load_id bigint not null,
    source varchar not null,
    entity varchar not null,
    source_file varchar not null,
    source_line bigint not null,       -- physical line where it begins; Parquet: row number
    column_name varchar,               -- the source's column; null: the whole record is at fault
    reason varchar not null,           -- without any value of the row: it is published
    detail varchar,                    -- why, with the value at fault; may be personal data
    raw_text varchar                   -- the record as delivered; JSON for Parquet
)
"""

# Landing files as last hashed; one that is as it was is not read anew (flows/load/file_hashes.py).
_FILE_HASHES: Final = """
create table if not exists raw.file_hashes (
    source varchar not null,
    source_file varchar not null,      -- relative to the landing folder, '/' between parts
    file_bytes bigint not null,
    modified_ns bigint not null,
    changed_ns bigint not null,        -- of the file's name, rights and links too
    inode ubigint not null,
    content_sha256 varchar not null,
    primary key (source, source_file)
)
"""

# What a mapping states about its source, as of its newest load.
_SOURCES: Final = """
create table if not exists raw.sources (
    source varchar primary key,
    title varchar not null,
    time_zone varchar not null,
    currency varchar,                      -- null: every line states its own, or none is known
    delivers varchar not null,             -- 'orders' (whole orders) or 'lines'
    has_complete_history boolean not null, -- first purchases are all observed (CDNOW)
    are_zero_orders_purchases boolean not null
)
"""

_MARGIN_RATES: Final = """
create table if not exists raw.margin_rates (
    source varchar not null,
    category varchar,                      -- null: every category not named
    margin_rate decimal(9, 6) not null
)
"""

_RUNS: Final = """
create table if not exists state.runs (
    run_id varchar primary key,
    started_at timestamptz not null,
    finished_at timestamptz,
    status varchar not null,               -- running, published, nothing new, failed
    version varchar,                       -- of published runs: equal to run_id
    as_of_date date,
    error varchar,
    mode varchar,                          -- what was built: all, or affected
    fingerprint varchar                    -- of the project and the settings it was built from
)
"""

_RUN_STAGES: Final = """
create table if not exists state.run_stages (
    run_id varchar not null,
    stage varchar not null,                -- load, core, mine, marts, check, publish
    started_at timestamptz not null,
    seconds double not null,
    rows_in bigint,
    rows_out bigint,
    primary key (run_id, stage)
)
"""


# What the quality gates found in a run (flows/findings.py).
_FINDINGS: Final = """
create table if not exists state.findings (
    run_id varchar not null,
    severity varchar not null,             -- warning, stop
    is_accepted boolean not null,          -- a stop that a person published knowingly
    source varchar not null,
    measure varchar not null,
    day date,                              -- the local day judged; null: the whole delivery
    value decimal(38, 4) not null,
    median decimal(38, 4),
    bound decimal(38, 4),
    text varchar not null
)
"""

# Of which sources people were told that nothing comes from them (flows/silence.py).
_TOLD_SILENCES: Final = """
create table if not exists state.told_silences (
    source varchar primary key,
    newest_at timestamptz not null,        -- its newest delivery then; a later one ends the silence
    run_id varchar not null                -- the run that told
)
"""

# What the mine stage of a run measured of each model.
_MODEL_REPORTS: Final = """
create table if not exists state.model_reports (
    run_id varchar not null,
    model varchar not null,
    metric varchar not null,
    as_of_date date,
    value double,                          -- null: could not be measured
    is_withheld boolean not null,          -- the model's new output was not taken
    settings varchar not null,             -- JSON; only nights of equal settings are compared
    primary key (run_id, model, metric)
)
"""

# One row: which release wrote last, and in which format (flows/upgrade.py).
_WAREHOUSE: Final = """
create table if not exists state.warehouse (
    format integer not null,
    regulars_version varchar not null,
    duckdb_version varchar not null,
    created_at timestamptz not null
)
"""

# People whom `regulars forget` removed; no table names them. The key of the hashes lies beside them
# because a refresh needs both: who may read the work file can try ids, and nobody else can.
_ERASURES: Final = """
create table if not exists state.erasures (
    erasure_id bigint primary key,
    erased_at timestamptz not null,
    erased_by varchar not null,            -- user of the operating system
    people integer not null,
    rows_deleted bigint not null,          -- of raw, all deliveries
    rows_kept bigint not null,             -- with their money, under the member `erased`
    files_rewritten integer not null       -- of the landing folder
)
"""

_ERASED_CUSTOMERS: Final = """
create table if not exists state.erased_customers (
    customer_hash varchar primary key,     -- HMAC-SHA256 of `<source>:<customer id>`
    erasure_id bigint not null
)
"""

_ERASURE_KEY: Final = """
create table if not exists state.erasure_key (
    hash_key blob not null                 -- one row, made by the first erasure
)
"""


def create_raw_tables(connection: duckdb.DuckDBPyConnection) -> None:
    """Create the raw and state schemas with every table of the contract, empty, where missing."""
    connection.execute("create schema if not exists raw")
    connection.execute("create schema if not exists state")
    for entity in ENTITIES.values():
        columns = ", ".join(
            f'"{name}" {kind}' for name, kind in {**entity.columns, **TECHNICAL_COLUMNS}.items()
        )
        connection.execute(f"create table if not exists raw.{entity.name} ({columns})")
    for statement in (
        _LOADS,
        _REJECTED_ROWS,
        _SOURCES,
        _MARGIN_RATES,
        _RUNS,
        _RUN_STAGES,
        _FILE_HASHES,
        _FINDINGS,
        _TOLD_SILENCES,
        _MODEL_REPORTS,
        _WAREHOUSE,
        *(_ERASURES, _ERASED_CUSTOMERS, _ERASURE_KEY),
    ):
        connection.execute(statement)
