"""The way of a column from a hospital's file to a printed table: put together from the layers, kept beside
the report, and looked up.

Belongs here: the whole lineage of a release with what the report prints, the ways up and down from a column,
their page. Does not belong here: the lineage of a layer (`raw/lineage.py`, `warehouse/lineage.py`,
`results/lineage.py`), the words of the terminal (`command/`).
"""

from __future__ import annotations

import base64
import difflib
import hashlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from orchestration.raw.lineage import Lineage, Source
from orchestration.registry.folder import Registry
from orchestration.results.lineage import columns_of, release_lineage
from orchestration.warehouse.lineage import warehouse_lineage, with_files

DATA, PAGE = "lineage.json", "lineage.html"
TEMPLATES = Path(__file__).resolve().parent / "templates"
LAYERS = (
    "landing",
    "registry",
    "catalogue",
    "raw",
    "staging",
    "intermediate",
    "quality",
    "marts",
    "release",
    "results",
    "report",
)
NEAREST_TOLD = 5


class NoSuchColumn(ValueError):
    """No table has this name, or it has no such column."""


@dataclass(frozen=True, order=True)
class Place:
    """A column of a table."""

    table: str
    column: str

    @property
    def layer(self) -> str:
        return self.table.split(".", 1)[0]


@dataclass(frozen=True)
class Way:
    """Where a column comes from, and where it goes to: all that lies behind it, directly and indirectly."""

    place: Place
    made_of: tuple[Place, ...]  # directly
    up: tuple[Place, ...]
    down: tuple[Place, ...]


@dataclass(frozen=True)
class Printed:
    """A table or figure of the report, its columns, and the columns of the release that it was made from."""

    name: str
    columns: tuple[str, ...]
    read: frozenset[tuple[str, str]]


def whole_lineage(registry: Registry, release: Path | None, printed: Iterable[Printed] = ()) -> Lineage:
    """The lineage from the hospitals' files to the release, if there is one, and to what is printed of it."""
    found = warehouse_lineage(registry)
    if release is not None:
        held = release_lineage(columns_of(release), registry.studies.values())
        found = with_files(registry, found | held)
    for one in printed:
        sources: list[Source] = [list(r) for r in sorted(one.read) if r[0] in found and r[1] in found[r[0]]]
        # a figure may be called as its table is
        found.setdefault(f"report.{one.name}", {}).update({column: sources for column in one.columns})
    return found


def way_of(lineage: Lineage, place: Place) -> Way:
    made_of = {p: _direct(lineage, p) for p in _places(lineage)}
    goes_to: dict[Place, list[Place]] = {}
    for target, sources in made_of.items():
        for source in sources:
            goes_to.setdefault(source, []).append(target)
    return Way(
        place,
        tuple(sorted(made_of.get(place, ()))),
        tuple(sorted(_reached(place, made_of))),
        tuple(sorted(_reached(place, goes_to))),
    )


def find_place(lineage: Lineage, text: str) -> Place:
    """The column that ``TABLE.COLUMN`` names. The layer may be left out if one table alone is called so; the
    column may hold dots and blanks. Raises NoSuchColumn with the nearest names.
    """
    tables = [t for t in _tables_named(lineage, text)]
    for table in tables:
        column = text[len(_called(table, text)) + 1 :]
        if column in lineage[table]:
            return Place(table, column)
    if tables:
        column = text[len(_called(tables[0], text)) + 1 :]
        known = list(lineage[tables[0]])
        raise NoSuchColumn(
            f'no column "{column}" in {tables[0]}.{_near(column, known)} Its columns: {", ".join(known)}'
        )
    known = [*lineage, *(t.split(".", 1)[1] for t in lineage)]
    wanted = text.rsplit(".", 1)[0]
    near = difflib.get_close_matches(wanted, known, n=NEAREST_TOLD, cutoff=0.5)
    raise NoSuchColumn(
        f'no table is called "{wanted}"; give TABLE.COLUMN, for example '
        f"marts.fct_observation.value_canonical. Nearest: {', '.join(near) or 'none'}. The layers: "
        f"{', '.join(LAYERS)}"
    )


def tables_of(places: Iterable[Place]) -> dict[str, dict[str, list[str]]]:
    """Columns by table by layer, the layers in the order of the flow."""
    found: dict[str, dict[str, list[str]]] = {layer: {} for layer in LAYERS}
    for place in sorted(places):
        found[place.layer].setdefault(place.table, []).append(place.column)
    return {layer: tables for layer, tables in found.items() if tables}


def read_kept(registry: Registry, release: Path | None) -> Lineage:
    """The lineage as the report of this release has it; put together anew, without what is printed, if there
    is no report of it.
    """
    kept = registry.reports / release.stem / DATA if release else None
    if kept is not None and kept.is_file():
        return json.loads(kept.read_text(encoding="utf-8"))
    return whole_lineage(registry, release)


def page(lineage: Lineage, title: str, banner: str) -> str:
    """The page on which a person chooses a table and a column. It holds its data and its script, and its
    content security policy allows no other.
    """
    from jinja2 import Environment, FileSystemLoader, StrictUndefined
    from markupsafe import Markup

    script = (TEMPLATES / "lineage.js").read_text(encoding="utf-8")
    allowed = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    environment = Environment(
        loader=FileSystemLoader(TEMPLATES), autoescape=True, undefined=StrictUndefined, trim_blocks=True
    )
    return environment.get_template("lineage.html.j2").render(
        title=title,
        banner=banner,
        css=Markup((TEMPLATES / "report.css").read_text(encoding="utf-8")),
        script=Markup(script),
        script_hash=allowed,
        data=Markup(json.dumps(_numbered(lineage), ensure_ascii=False).replace("<", "\\u003c")),
    )


def _numbered(lineage: Lineage) -> dict[str, Any]:
    """The lineage with numbers in place of names: a fifth of its size."""
    places = sorted(_places(lineage))
    number = {place: i for i, place in enumerate(places)}
    return {
        "layers": LAYERS,
        "places": [[p.table, p.column] for p in places],
        "made_of": [sorted(number[s] for s in _direct(lineage, p)) for p in places],
    }


def _places(lineage: Lineage) -> list[Place]:
    return [Place(table, column) for table, columns in lineage.items() for column in columns]


def _direct(lineage: Lineage, place: Place) -> list[Place]:
    return [Place(table, column) for table, column in lineage[place.table][place.column]]


def _reached(start: Place, steps: Mapping[Place, Iterable[Place]]) -> set[Place]:
    found: set[Place] = set()
    waiting = list(steps.get(start, ()))
    while waiting:
        place = waiting.pop()
        if place not in found:
            found.add(place)
            waiting += steps.get(place, ())
    return found


def _tables_named(lineage: Lineage, text: str) -> list[str]:
    """The tables whose name, with or without its layer, begins the text; the longest name first."""
    named = [table for table in lineage if _called(table, text)]
    # without its layer, a mart's name is also a table's of the release: the mart is meant
    return sorted(named, key=lambda t: (-len(_called(t, text)), t.startswith("release.")))


def _called(table: str, text: str) -> str:
    """How the text calls a table: by its whole name, without its layer, or not at all (empty)."""
    return next((name for name in (table, table.split(".", 1)[1]) if text.startswith(f"{name}.")), "")


def _near(name: str, known: Iterable[str]) -> str:
    near = difflib.get_close_matches(name, list(known), n=NEAREST_TOLD, cutoff=0.5)
    return f" Nearest: {', '.join(near)}." if near else ""
