"""The studies of a release as a page names them: titles and labels in the reader's language, colours.

Belongs here: looking up names. Does not belong here: any result.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from analytics.printed.figures import COLOURS
from orchestration.pages.language import DEFAULT, current, gettext
from orchestration.pages.shell import Released, Told
from orchestration.pages.words import worded

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True)
class StudyNames:
    """One study of a release; of its parts the label by id."""

    study_id: str
    title: str
    groups: dict[str, str] = field(default_factory=dict)
    variables: dict[str, str] = field(default_factory=dict)
    endpoints: dict[str, str] = field(default_factory=dict)
    tables: dict[str, str] = field(default_factory=dict)
    models: dict[str, str] = field(default_factory=dict)

    @property
    def colours(self) -> dict[str, str]:
        """Of each group, the one that it has in the report's figures."""
        return {group: COLOURS[i % len(COLOURS)] for i, group in enumerate(self.groups)}


def studies_of(released: Released) -> list[StudyNames]:
    """The studies of a release by id."""
    if not released.has("results.study"):
        return []
    rows = released.rows("from results.study order by study_id")
    return [_study(released, row) for row in rows]


def study_asked(studies: Sequence[StudyNames], asked: str) -> StudyNames:
    """The study that an address names, else the first. Raises Told if there is none."""
    if not studies:
        raise Told(
            gettext(
                "This release has no study. Write one as studies/STUDY.yml of the registry, then: myositis "
                "run"
            ),
            404,
        )
    if not asked:
        return studies[0]
    found = next((study for study in studies if study.study_id == asked), None)
    if found is None:
        raise Told(
            gettext(
                "This release has no study of this name. Its studies: %(studies)s",
                studies=", ".join(study.study_id for study in studies),
            ),
            404,
        )
    return found


def _study(released: Released, row: dict[str, Any]) -> StudyNames:
    study = row["study_id"]
    return StudyNames(
        study,
        in_the_readers_language(row, "title"),
        groups=_labels(released, study, "study_group", "group_id", "label"),
        variables=_labels(released, study, "study_variable", "variable", "label"),
        endpoints=_labels(released, study, "study_endpoint", "endpoint", "label"),
        tables=_labels(released, study, "study_table", "table_id", "title"),
        models=_labels(released, study, "model", "model_id", "title"),
    )


def _labels(released: Released, study: str, table: str, key: str, label: str) -> dict[str, str]:
    if not released.has(f"results.{table}"):
        return {}
    rows = released.rows(f"from results.{table} where study_id = ?", [study])
    rows.sort(key=lambda row: row.get("position") or 0)
    return {row[key]: in_the_readers_language(row, label) for row in rows}


def frames_in_the_readers_language(frames: Mapping[str, pd.DataFrame]) -> dict[str, pd.DataFrame]:
    """Results whose ``label`` and ``title`` are those that the reader reads."""
    return {name: _in_language(frame) for name, frame in frames.items()}


def _in_language(frame: pd.DataFrame) -> pd.DataFrame:
    if current() == DEFAULT:
        return frame
    columns = [c for c in ("label", "title") if c in frame]
    said = {c: frame[c].map(worded, na_action="ignore") for c in columns}
    given = {c: frame[f"{c}_{current()}"] for c in columns if f"{c}_{current()}" in frame}
    return frame.assign(**{c: given[c].fillna(said[c]) if c in given else said[c] for c in columns})


def in_the_readers_language(row: dict[str, Any], column: str) -> str:
    """`label_zh` where the reader reads Chinese and the study file gives it; else `label` in words."""
    return str(row.get(f"{column}_{current()}") or worded(row[column]))
