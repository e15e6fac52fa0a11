"""Excel workbooks written by hand, sound ones and such as no program would write."""

import zipfile
from pathlib import Path
from xml.sax.saxutils import escape

MAIN = 'xmlns="http://schemas.openxmlformats.org/spreadsheetml/2006/main"'
_OFFICE = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"
_PACKAGE = "http://schemas.openxmlformats.org/package/2006/relationships"
# Cell styles: 0 plain, 1 Excel's own date, 2 a date as in China, 3 two decimals, 4 a duration.
STYLES = f"""<styleSheet {MAIN}>
<numFmts count="3"><numFmt numFmtId="164" formatCode='yyyy"年"m"月"d"日"\\ h:mm'/>
<numFmt numFmtId="165" formatCode='#,##0.00\\ "days"'/>
<numFmt numFmtId="166" formatCode="[h]:mm:ss"/></numFmts>
<cellStyleXfs count="1"><xf numFmtId="14"/></cellStyleXfs>
<cellXfs count="5"><xf numFmtId="0"/><xf numFmtId="14"/><xf numFmtId="164"/><xf numFmtId="165"/>
<xf numFmtId="166"/></cellXfs></styleSheet>"""


def text(value: str) -> str:
    """A cell with its own text."""
    return f'<c t="inlineStr"><is><t xml:space="preserve">{escape(value)}</t></is></c>'


def number(value: object, style: int = 0) -> str:
    return f'<c s="{style}"><v>{value}</v></c>'


def shared(index: int) -> str:
    return f'<c t="s"><v>{index}</v></c>'


def row(*cells: str, at: int | None = None) -> str:
    place = "" if at is None else f' r="{at}"'
    return f"<row{place}>{''.join(cells)}</row>"


def header(*names: str) -> str:
    return row(*map(text, names))


def sheet(*rows: str) -> str:
    return f"<worksheet {MAIN}><sheetData>{''.join(rows)}</sheetData></worksheet>"


def write_workbook(
    path: Path,
    sheets: dict[str, str],
    texts: str = "",
    properties: str = "",
    extra: dict[str, bytes] | None = None,
) -> None:
    """Write a workbook.

    Args:
        path: the file.
        sheets: XML of each sheet, by name.
        texts: XML of the texts that cells share.
        properties: XML before the list of sheets.
        extra: further parts.
    """
    listed = "".join(
        f'<sheet name="{escape(name, {chr(34): "&quot;"})}" sheetId="{n}" r:id="rId{n}"/>'
        for n, name in enumerate(sheets, 1)
    )
    relationships = "".join(
        f'<Relationship Id="rId{n}" Type="{_OFFICE}/worksheet" Target="worksheets/sheet{n}.xml"/>'
        for n in range(1, len(sheets) + 1)
    )
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr(
            "xl/workbook.xml",
            f'<workbook {MAIN} xmlns:r="{_OFFICE}">{properties}<sheets>{listed}</sheets>'
            "</workbook>",
        )
        archive.writestr(
            "xl/_rels/workbook.xml.rels",
            f'<Relationships xmlns="{_PACKAGE}">{relationships}'
            f'<Relationship Id="t" Type="{_OFFICE}/sharedStrings" Target="/xl/sharedStrings.xml"/>'
            f'<Relationship Id="s" Type="{_OFFICE}/styles" Target="styles.xml"/></Relationships>',
        )
        archive.writestr("xl/sharedStrings.xml", f"<sst {MAIN}>{texts}</sst>")
        archive.writestr("xl/styles.xml", STYLES)
        for n, content in enumerate(sheets.values(), 1):
            archive.writestr(f"xl/worksheets/sheet{n}.xml", content)
        for name, data in (extra or {}).items():
            archive.writestr(name, data)
