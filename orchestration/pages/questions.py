"""What the pages Compare, Courses and Time to event share: from an address to rows of results, with labels.

Belongs here: reading the numbers of a choice, from the results if a study states it, else from a worker; how
groups look; tables as a page shows them. Does not belong here: which choices there are (`chosen.py`), charts
(`compare_charts.py` and its neighbours).
"""

from __future__ import annotations

import hashlib
import json
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from math import isinf
from pathlib import Path
from typing import TYPE_CHECKING, Any

from starlette.requests import Request
from starlette.responses import Response

from analytics.printed.printed_table import PrintedTable
from analytics.study.distribution import first_courses
from analytics.study.frames import StudyFrames
from orchestration.pages.address import NotOffered, Query
from orchestration.pages.chosen import Chosen, Option, by_options, study_of
from orchestration.pages.language import gettext
from orchestration.pages.offered import CODED, Offer, offer_of
from orchestration.pages.shell import Released, Shell, Told
from orchestration.pages.studies import frames_in_the_readers_language
from orchestration.pages.words import worded
from orchestration.results import on_the_spot
from orchestration.results.asked import Answers, NotAnswered

if TYPE_CHECKING:
    import pandas as pd

COLOURS = ("#0072B2", "#C04F00", "#00795A", "#A8508A", "#000000", "#7A5C00")  # as in the report's figures
DESCRIBING = ("study", "study_group", "study_variable", "study_endpoint")
OFFERS_KEPT = 4

ANSWERS = Answers()  # one for all pages: questions are answered a few at a time


@dataclass
class Offers:
    """What each release offers, read once."""

    kept: dict[tuple[str, str], Offer] = field(default_factory=dict)
    lock: threading.Lock = field(default_factory=threading.Lock)

    def of(self, shell: Shell, released: Released) -> Offer:
        """The studies of the registry as they are now count for a release that was made from them."""
        registry = shell.registry()
        made_from = _manifest(released.path).get("studies", {})
        as_then = {
            name: study
            for name, study in registry.studies.items()
            if made_from.get(name) == _sha256(registry.folder / "studies" / f"{name}.yml")
        }
        key = released.release_id, ",".join(sorted(as_then))
        with self.lock:
            if key not in self.kept:
                self.kept[key] = offer_of(
                    lambda query: [tuple(row.values()) for row in released.rows(query)], as_then
                )
                while len(self.kept) > OFFERS_KEPT:
                    self.kept.pop(next(iter(self.kept)))
            return self.kept[key]


OFFERS = Offers()


@dataclass(frozen=True)
class Answered:
    """A choice with its numbers. ``study`` holds its rows alone; ``trouble`` says why there are none."""

    query: Query
    offer: Offer
    chosen: Chosen
    study: StudyFrames
    drawn: Mapping[str, list[dict[str, Any]]]  # single values, which no study has in its results
    trouble: str = ""

    def colours(self) -> dict[str, str]:
        """The colour of each group by its label; a group keeps its colour whichever others are shown."""
        order = list(self.chosen.grouping.offered)
        return {
            self.label(group): COLOURS[order.index(group) % len(COLOURS)]
            for group in self.chosen.grouping.chosen
        }

    def label(self, group: object) -> str:
        return self.study.group_label(group)

    @property
    def sizes(self) -> dict[str, int]:
        return {g: int(row["n"]) for g, row in self.study.groups.items() if g in self.chosen.grouping.chosen}

    @property
    def sentences(self) -> list[str]:
        """What the reader has to know before the numbers."""
        empty = [self.label(group) for group, n in self.sizes.items() if not n]
        told = [self.trouble] if self.trouble else []
        if empty:
            told.append(
                gettext(
                    "No patient of this release is in: %(groups)s. Choose other groups, or fewer conditions.",
                    groups=", ".join(empty),
                )
            )
        return told

    @property
    def findings(self) -> list[str]:
        """What the numbers can and cannot say, of a choice that no study states."""
        if not self.chosen.is_exploratory:
            return []
        study = self.chosen.study
        labels = [*(g.label for g in study.groups.values()), *(m.title for m in study.mixed_models)]
        return [worded(_with_labels(str(row["text"]), labels)) for row in self.study.rows("finding")]


def _with_labels(text: str, labels: Iterable[str]) -> str:
    """A sentence of the engine, which names groups in English, with the reader's names of them."""
    for label in sorted(filter(None, labels), key=len, reverse=True):
        text = text.replace(label, worded(label))
    return text


def answered(
    shell: Shell,
    released: Released,
    request: Request,
    keys: Iterable[str],
    choose: Callable[[Query, Offer], Chosen],
    tables: Mapping[str, Callable[[Chosen], Mapping[str, object]]],
    *,
    is_drawn: bool = False,
) -> Answered:
    """``tables`` are the results that the page shows, each with the columns that tell the chosen rows.

    With ``is_drawn`` single values are asked for even where the study's results have the rest.
    Raises Told for an address that asks for what there is not.
    """
    offer = OFFERS.of(shell, released)
    try:
        query = Query.of(request.query_params.multi_items(), keys)
        chosen = choose(query, offer)
    except NotOffered as error:
        raise Told(str(error), error.status) from None
    trouble, found = "", dict[str, "pd.DataFrame"]()
    if chosen.is_exploratory or is_drawn:
        try:
            compute = on_the_spot.answer if chosen.is_exploratory else on_the_spot.single_values
            found = ANSWERS.ask(released.path, chosen.study, compute)
        except NotAnswered as error:
            trouble = worded(error)
    study_id = chosen.stated_in or chosen.study.study
    frames = _of_results(released, chosen, tables) if chosen.stated_in else dict(found)
    drawn = StudyFrames(study_id, {name: found[name] for name in found if name.startswith("distribution")})
    rows = {name: drawn.rows(name) for name in drawn.frames}
    study = StudyFrames(study_id, frames_in_the_readers_language(frames))
    return Answered(query, offer, chosen, study, rows, trouble)


def _of_results(
    released: Released, chosen: Chosen, tables: Mapping[str, Callable[[Chosen], Mapping[str, object]]]
) -> dict[str, pd.DataFrame]:
    """The rows of schema results that the choice names."""
    found = {}
    for table in (*DESCRIBING, *tables):
        wanted = {"study_id": chosen.stated_in} | dict(tables[table](chosen) if table in tables else {})
        frame = released.connection.execute(
            f"select * from results.{table} where study_id = $study_id", {"study_id": wanted.pop("study_id")}
        ).df()
        for column, value in wanted.items():
            if column in frame:
                frame = frame[frame[column].isin(value if isinstance(value, list) else [value])]
        found[table] = frame.reset_index(drop=True)
    if "trajectory_patient" in found:
        found["trajectory_patient"] = first_courses(found["trajectory_patient"])
    return found


# what the templates show


def as_table(printed: PrintedTable | None) -> dict[str, Any] | None:
    """A printed table of the report as the cells of a page; its notes beside it."""
    if printed is None:
        return None
    columns = [column for column in printed.shown_columns]
    has_headings = len({row.group for row in printed.rows}) > 1
    rows = []
    for row in printed.rows:
        cells = [row.cell(column.key) for column in columns]
        shown = [
            f"{worded(c.text)} ({c.small})" if c.small and c.text else worded(c.text or c.small)
            for c in cells
        ]
        rows.append([*([worded(row.group)] if has_headings else []), *shown])
    titles = [" · ".join(worded(part) for part in (c.spanner, c.label, c.second) if part) for c in columns]
    notes = dict.fromkeys([*printed.notes, *printed.marks])
    return {
        "columns": [*([worded(printed.group_label)] if has_headings else []), *titles],
        "rows": rows,
        "title": worded(printed.title),
        "notes": [worded(note) for note in notes],
    }


def group_choices(answer: Answered) -> dict[str, Any]:
    """What the form of each page shows of groups."""
    grouping = answer.chosen.grouping
    return {
        "by": grouping.by,
        "by_options": sections(by_options(answer.offer)),
        "groups": [
            (name, worded(group.label), name in grouping.chosen) for name, group in grouping.offered.items()
        ],
        "cut": answer.query.values.get("cut", ("18",))[-1],
        "among": [
            (
                f"among_{column}",
                label,
                [("", gettext("everybody")), *answer.offer.values[column].items()],
                answer.query.values.get(f"among_{column}", ("",))[-1],
            )
            for column, label in CODED.items()
        ],
        "study_id": study.study if (study := study_of(answer.query, answer.offer)) else "",
        "studies": [(name, worded(s.title)) for name, s in answer.offer.studies.items()],
    }


def sections(options: Iterable[Option]) -> list[tuple[str, list[tuple[str, str]]]]:
    """Options under their headings, for a select element."""
    found: dict[str, list[tuple[str, str]]] = {}
    for option in options:
        found.setdefault(option.section, []).append((option.value, option.label))
    return list(found.items())


def show(
    shell: Shell,
    request: Request,
    template: str,
    answer: Answered,
    context: Mapping[str, Any],
    *,
    is_empty: bool,
) -> Response:
    """The page; 404 where nobody and no value answers, with what to do."""
    return shell.page(
        request,
        template,
        404 if is_empty else 200,
        answer=answer,
        is_empty=is_empty,
        study_file=answer.chosen.as_file(answer.offer.release_id),
        **group_choices(answer),
        **context,
    )


def numbers_table(columns: Mapping[str, str], rows: Iterable[Mapping[str, Any]]) -> dict[str, list[Any]]:
    """The numbers that a chart draws: ``columns`` maps keys of the rows to headings."""
    return {
        "columns": list(columns.values()),
        "rows": [[_shown(row.get(k)) for k in columns] for row in rows],
    }


def _shown(value: object) -> object:
    if isinstance(value, float) and isinf(value):
        return "∞" if value > 0 else "-∞"
    return (
        float(f"{value:.5g}")
        if isinstance(value, float)
        else worded(value)
        if isinstance(value, str)
        else value
    )


def not_none(rows: Iterable[dict[str, Any]], *columns: str) -> Iterator[dict[str, Any]]:
    yield from (row for row in rows if all(row.get(column) is not None for column in columns))


def _manifest(release: Path) -> dict[str, Any]:
    try:
        found: dict[str, Any] = json.loads(release.with_suffix(".json").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return found


def _sha256(path: Path) -> str:
    try:
        return hashlib.sha256(path.read_bytes()).hexdigest()
    except OSError:
        return ""
