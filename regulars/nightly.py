"""The refresh as a Prefect deployment runs it: with the settings of that night.

Heavy imports stand inside, for the process that serves the deployment imports this module too and
stays in memory from night to night.
"""

from pathlib import Path

from prefect import flow, get_run_logger


@flow(name="nightly", log_prints=False)
def nightly(
    config: Path | None = None, landing: Path | None = None, warehouse: Path | None = None
) -> None:
    """Read the settings anew, then load, build, check and publish.

    Args:
        config: the settings file; None: regulars.toml in the working folder, where it exists.
        landing: instead of the settings' landing folder.
        warehouse: instead of the settings' warehouse.

    Raises:
        InvalidSettingsError: the settings cannot be used.
        RefreshError: the refresh stopped; the last published version stays.
    """
    from flows.schedule import end_with_scheduler

    end_with_scheduler()
    from flows.refresh import refresh
    from flows.work_file import work_folder
    from regulars.flow_run import tell_of_no_settings
    from regulars.progress import log_to
    from regulars.settings import load_settings
    from regulars.settings_file import InvalidSettingsError

    try:
        settings = load_settings(config, {"landing": landing, "warehouse": warehouse})
    except InvalidSettingsError as error:
        tell_of_no_settings(str(error))
        raise
    folder = work_folder(settings.warehouse)
    with log_to(folder / "logs" / "refresh.log"):
        # Not a flow within this flow: the run of the deployment is the run of the refresh.
        result = refresh.fn(settings)
    logger = get_run_logger()
    if result.is_published:
        logger.info("published version %s", result.run_id)
        for warning in result.warnings:
            logger.warning("%s", warning)
    else:
        logger.info("nothing new: the published version stays")
