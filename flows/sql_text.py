"""Names and texts as they stand in SQL."""


def quote_name(name: str) -> str:
    """Quote an identifier."""
    return '"' + name.replace('"', '""') + '"'


def quote_text(text: str) -> str:
    """Quote a text literal."""
    return "'" + text.replace("'", "''") + "'"
