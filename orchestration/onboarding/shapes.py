"""How each table of a sample lies in its file: rows above the header, rows of the header, transposed, or no
table at all.

Belongs here: opening every sheet of a sample on its own, so that one unreadable sheet does not keep the
others from being read; joining tables that are alike. Does not belong here: what columns mean (`guess.py`),
how files and sheets are named (`told.py`).
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from pathlib import Path

import duckdb

from orchestration.exports import ExportFault, ReadSpec, SourceTable, open_tables
from orchestration.exports.columns import joined_header
from orchestration.registry import catalogue
from orchestration.registry.known_words import header_names, is_made_of_known_words, may_name_a_person

ROWS_LOOKED_AT = 40
MOST_TITLE_ROWS = 8
PROSE_CHARACTERS = 25  # average length of a cell: a longer text is a sentence, not a value
NUMBER_OR_DATE = re.compile(r"[<>≤≥]?\s*[-+]?\d[\d.,:/ T-]*%?")
Row = list[str | None]


@dataclass(frozen=True)
class Shape:
    """What a mapping must say so that a table is read: `skip_rows`, `header_rows`, `transposed`."""

    skip_rows: int = 0
    header_rows: int = 1
    transposed: bool = False

    def keys(self) -> dict[str, object]:
        """The keys whose values differ from the defaults."""
        return {
            name: value
            for name, value in (
                ("skip_rows", self.skip_rows),
                ("header_rows", self.header_rows),
                ("transposed", self.transposed),
            )
            if value != getattr(Shape(), name)
        }


AS_IT_IS = Shape()


@dataclass(frozen=True)
class SampleTable:
    """A table of the sample (several that are alike count as one), how it lies in its file, and
    its places.
    """

    table: SourceTable
    shape: Shape
    places: tuple[tuple[str, str | None], ...]  # file and sheet of each, as the hospital calls them


@dataclass
class Sample:
    """What was found in a sample."""

    tables: list[SampleTable] = field(default_factory=list)
    prose: list[tuple[str, str | None]] = field(default_factory=list)  # sheets that hold no table
    faults: list[tuple[str, ExportFault]] = field(default_factory=list)  # by file


def open_sample(
    files: Iterable[tuple[Path, str]], workdir: Path, connection: duckdb.DuckDBPyConnection
) -> Sample:
    """Every table of the files (path, name). A sheet that is no table is left out and reported."""
    sample = Sample()
    for path, name in files:
        try:
            sheets = _sheets(path, name)
        except ExportFault as fault:
            sample.faults.append((name, fault.at(file=name)))
            continue
        for sheet in sheets:
            _open(sample, path, name, sheet, workdir, connection)
    sample.tables = _joined(sample.tables)
    return sample


def _sheets(path: Path, name: str) -> list[str | None]:
    """The visible sheets with cells of a workbook; of any other file one table."""
    from orchestration.exports.open import shown_sheets

    shown = shown_sheets(path, name)
    return [None] if shown is None else [*shown] or [None]


def _open(
    sample: Sample,
    path: Path,
    name: str,
    sheet: str | None,
    workdir: Path,
    connection: duckdb.DuckDBPyConnection,
) -> None:
    spec = ReadSpec(labels=True, sheet=sheet)
    shape = Shape()
    if sheet is not None:
        rows = _grid(path, name, spec, workdir, connection)
        if rows and is_prose(rows):
            sample.prose.append((name, sheet))
            return
        shape = shape_of(rows) if rows else shape
    tried = [shape] if sheet is not None else [Shape(skip_rows=n) for n in range(MOST_TITLE_ROWS + 1)]
    first: ExportFault | None = None
    found: list[SampleTable] = []
    for shape in tried:
        try:
            opened = open_tables(path, spec.model_copy(update=shape.keys()), workdir, name)
        except ExportFault as fault:
            first = first or fault
            continue
        tables = [SampleTable(table, shape, ((table.file, table.sheet),)) for table in opened]
        if sheet is None and opened[0].format in ("csv", "tsv"):
            tables = [_turned(t, path, name, spec, workdir, connection) for t in tables]
        if not found or _is_better(tables[0], found[0]):
            found = tables
        if not _is_doubtful(found[0].table):
            break
    if found:
        sample.tables += found
    elif first is not None:
        sample.faults.append((name, first.at(file=name)))


def _is_doubtful(table: SourceTable) -> bool:
    """Whether the header may be a title: its lines do not split as it does, or it names a person
    and no field.
    """
    names_somebody = any(map(may_name_a_person, table.columns)) and not any(map(is_field_name, table.columns))
    return len(table.malformed) > 0.3 * table.rows_in or len(table.columns) < 2 or names_somebody


def _is_better(one: SampleTable, other: SampleTable) -> bool:
    """Whether a reading names more known fields and has no fewer columns."""
    known = [sum(map(is_field_name, t.table.columns)) for t in (one, other)]
    return known[0] > known[1]


def _turned(
    found: SampleTable,
    path: Path,
    name: str,
    spec: ReadSpec,
    workdir: Path,
    connection: duckdb.DuckDBPyConnection,
) -> SampleTable:
    """The table transposed, if its first column holds names of fields."""
    rows = connection.execute(
        f"select * exclude (source_row) from ({found.table.relation}) limit {ROWS_LOOKED_AT}"
    ).fetchall()
    if not lies_on_its_side([list(found.table.columns), *map(list, rows)]):
        return found
    shape = replace(found.shape, transposed=True)
    try:
        [table] = open_tables(path, spec.model_copy(update=shape.keys()), workdir, name)
    except ExportFault:
        return found
    return SampleTable(table, shape, found.places)


def _grid(
    path: Path, name: str, spec: ReadSpec, workdir: Path, connection: duckdb.DuckDBPyConnection
) -> list[Row]:
    """The first rows of a sheet as they lie there, blank ones too; none where it is not read."""
    try:
        [table] = open_tables(
            path,
            spec.model_copy(update={"header_rows": 0, "damaged_text": "keep"}),
            workdir,
            name,
        )
    except (ExportFault, ValueError):
        return []
    found = connection.execute(
        f"select * from ({table.relation}) order by source_row limit {ROWS_LOOKED_AT}"
    ).fetchall()
    rows: list[Row] = []
    for number, *cells in found:
        while len(rows) < number - 1 and number <= 10 * ROWS_LOOKED_AT:
            rows.append([None] * len(cells))
        rows.append(list(cells))
    return rows


def is_prose(rows: list[Row]) -> bool:
    """Whether a sheet holds sentences, or so little that it is no table."""
    filled = [[cell for cell in row if cell] for row in rows]
    filled = [cells for cells in filled if cells]
    together = sum(len(cells) > 1 for cells in filled)
    if together >= 2:
        return False
    texts = [cell for cells in filled for cell in cells]
    return len(filled) < 2 or sum(map(len, texts)) > PROSE_CHARACTERS * len(texts) or together == 0


def shape_of(rows: list[Row]) -> Shape:
    """The shape of the table, below any rows that stand above it."""
    widths = sorted(sum(bool(cell) for cell in row) for row in rows if any(row))
    usual = widths[len(widths) // 2] if widths else 0
    skip = 0
    for number, row in enumerate(rows[: MOST_TITLE_ROWS + 1]):
        count = sum(bool(cell) for cell in row)
        if count >= max(2, 0.6 * usual) or (count >= 2 and _is_group_row(rows[number:])):
            skip = number
            break
    below = [row for row in rows[skip:] if any(row)]
    leading_blank = all(not any(row) for row in rows[:skip])
    shape = Shape(skip_rows=0 if leading_blank else skip)
    if lies_on_its_side(below):
        return replace(shape, transposed=True)
    if _is_group_row(below) or _is_row_of_units(below):
        return replace(shape, header_rows=2)
    return shape


def lies_on_its_side(rows: list[Row]) -> bool:
    """Whether the first column names fields and the first row does not."""
    if len(rows) < 2 or len(rows[0]) < 2:
        return False
    values = [cell for row in rows[1:] for cell in row[1:] if cell]
    if 3 * sum(bool(NUMBER_OR_DATE.fullmatch(cell)) for cell in values) < len(values):
        return False  # a list of fields, such as a data dictionary
    down = [row[0] for row in rows if row and row[0]]
    across = [cell for cell in rows[0][1:] if cell]
    known_down, known_across = sum(map(is_field_name, down)), sum(map(is_field_name, across))
    return (
        len(set(down)) == len(down)
        and known_down >= 2
        and 2 * known_down >= len(down)
        and 4 * known_across < len(across)
    )


def _is_group_row(rows: list[Row]) -> bool:
    """Whether the first row names groups of the columns that the second one names: `Baseline | | Month 6 |`
    over `CK | ALT | CK | ALT`.
    """
    if len(rows) < 3:
        return False
    groups, names, first = rows[0], rows[1], rows[2]
    if any(cell and NUMBER_OR_DATE.fullmatch(cell) for cell in (*groups, *names)):
        return False
    is_data = any(cell and NUMBER_OR_DATE.fullmatch(cell) for cell in first)
    blank_in_group = [i for i, cell in enumerate(groups) if not cell and i < len(names) and names[i]]
    joined = joined_header([[cell or "" for cell in groups], [cell or "" for cell in names]])
    named = [name for name in joined if name]
    return is_data and bool(blank_in_group) and sum(map(bool, groups)) >= 2 and len(set(named)) == len(named)


def _is_row_of_units(rows: list[Row]) -> bool:
    """Whether the second row gives the units of the columns that the first one names."""
    if len(rows) < 3:
        return False
    below = [cell for cell in rows[1] if cell]
    return (
        bool(below)
        and 2 * sum(cell in catalogue.units() for cell in below) > len(below)
        and any(map(is_field_name, filter(None, rows[0])))
    )


def is_field_name(text: str | None) -> bool:
    """Whether a text is a known header, or a catalogue's name of a test."""
    if not text or NUMBER_OR_DATE.fullmatch(text):
        return False
    base = catalogue.before_bracket(text)
    own = {catalogue.normal(text), catalogue.normal(base)} - {""}
    return bool(own & _field_names()) or (
        is_made_of_known_words(text) and any(own & catalogue.names(kind).keys() for kind in catalogue.NAMES)
    )


def _field_names() -> set[str]:
    return {catalogue.normal(row["name"]) for row in header_names()}


def _joined(tables: list[SampleTable]) -> list[SampleTable]:
    """Joins tables of equal columns and shape into one: for example one sheet, or one file, per patient."""
    kept: dict[tuple[object, ...], SampleTable] = {}
    for found in tables:
        table = found.table
        key = (table.columns, found.shape, table.format, Path(table.file).suffix, table.sheet is None)
        if key not in kept:
            kept[key] = found
            continue
        first = kept[key]
        relation = f"select * from ({first.table.relation}) union all select * from ({table.relation})"
        together = replace(
            first.table,
            relation=relation,
            rows=first.table.rows + table.rows,
            malformed=[*first.table.malformed, *table.malformed],
            in_order=None,
        )
        kept[key] = replace(first, table=together, places=(*first.places, *found.places))
    return list(kept.values())
