"""Who may look people up: rights of the restricted files and of the record of look-ups."""

from pathlib import Path

from flows.privacy.look_ups import open_record
from flows.publish.restricted_file import FILE_NAME, FOLDER_NAME, open_to_readers
from flows.publish.versions import version_folder, versions


def set_rights(warehouse: Path, group: str | None) -> None:
    """Let the members of a group look people up, and nobody else; None: only the refresh's user.

    To be called at the end of each refresh, one without anything new too: the setting may have
    changed, a restore brings the record back, and a rollback an older version.

    Raises:
        UnknownGroupError: there is no such group, or this user may not give anything to it.
    """
    for version in versions(warehouse):
        restricted = version_folder(warehouse, version) / FOLDER_NAME
        if (restricted / FILE_NAME).is_file():
            open_to_readers(restricted, group)
    open_record(warehouse, group)
