"""`myositis lineage`: the way of a column, as the terminal shows it.

Belongs here: wording and layout. Does not belong here: the lineage (`report/lineage.py`).
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Literal

from orchestration.command import console
from orchestration.registry.folder import Registry
from orchestration.report.lineage import LAYERS, Place, Way, find_place, read_kept, tables_of, way_of

Direction = Literal["up", "down"]


def show(registry: Registry, release: Path | None, text: str, direction: Direction, as_json: bool) -> None:
    """Print the way up or down from the column that ``text`` names. Raises NoSuchColumn."""
    lineage = read_kept(registry, release)
    way = way_of(lineage, find_place(lineage, text))
    if as_json:
        print(json.dumps(_as_data(way), ensure_ascii=False, indent=1))
        return
    for line in lines_of(way, direction):
        console.out.print(line, markup=False)
    if release is None:
        console.out.print(
            "\nThere is no release yet, so the way ends at the marts; make one with: myositis run"
        )


def lines_of(way: Way, direction: Direction) -> list[str]:
    """The way as lines: the column, then a block a layer, a line a table."""
    found = way.up if direction == "up" else way.down
    lines = [f"{way.place.table}.{way.place.column}"]
    if direction == "up" and way.made_of:
        lines += ["made of", *(f"  {line}" for line in _tables(way.made_of))]
    if not found:
        return [*lines, _NOTHING[direction]]
    tables = tables_of(found)
    layers = [layer for layer in LAYERS if layer in tables]
    for layer in reversed(layers) if direction == "up" else layers:
        lines += ["", layer, *(f"  {line}" for line in _told(tables[layer]))]
    return lines


_NOTHING = {
    "up": "made from no earlier column: a hospital, a person or the program states it",
    "down": "nothing is made from it",
}


def _tables(places: tuple[Place, ...]) -> list[str]:
    return [line for tables in tables_of(places).values() for line in _told(tables)]


def _told(tables: dict[str, list[str]]) -> list[str]:
    return [f"{table}: {', '.join(columns)}" for table, columns in tables.items()]


def _as_data(way: Way) -> dict[str, object]:
    return {
        "table": way.place.table,
        "column": way.place.column,
        "made_of": [[p.table, p.column] for p in way.made_of],
        "up": [[p.table, p.column] for p in way.up],
        "down": [[p.table, p.column] for p in way.down],
    }
