"""From a study file and a release's tables to the tables of schema `results`.

Belongs here: the list of steps, and running them. Does not belong here: a step (`described.py`,
`compared.py`, `over_visits.py`, `time_to_event.py`), which tables there are (`result_tables.py`), a formula,
reading or writing files, what a table looks like.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence

import pandas as pd

from analytics.study.cohort import Cohort, Frames, build_cohort
from analytics.study.compared import compare_groups
from analytics.study.described import describe_study, list_members
from analytics.study.file import Study
from analytics.study.findings import find
from analytics.study.over_visits import fit_mixed_models, fit_repeated_measures, trajectories
from analytics.study.parts import chinese
from analytics.study.reads import MODELS
from analytics.study.sensitivity import answer
from analytics.study.step_parts import Results, stack
from analytics.study.time_to_event import analyse_further_events, estimate_survival, fit_cox_models

log = logging.getLogger("myositis")


def run_study(study: Study, frames: Frames) -> Results:
    """All results of a study from the tables of a release (one data frame each, under its own name)."""
    return run_steps(build_cohort(study, frames), STEPS)


def run_steps(cohort: Cohort, steps: Sequence[Callable[[Cohort], Results]]) -> Results:
    """The results of these steps, with the answers and findings that follow from them."""
    study = cohort.study
    results: Results = {}
    for step in steps:
        log.debug("results: %s of study %s", step.__name__.replace("_", " "), study.study)
        for name, frame in step(cohort).items():
            results[name] = stack([results[name], frame]) if name in results else frame
    results |= {name: _with_chinese(study, name, frame) for name, frame in results.items()}
    results |= answer(cohort, results)
    return results | {"finding": find(cohort, results)}


def _with_chinese(study: Study, name: str, frame: pd.DataFrame) -> pd.DataFrame:
    """A table that names parts of the study file gets ``label_zh`` or ``title_zh`` beside the English text;
    null where the file gives none.
    """
    named: dict[str, tuple[str, dict[str, str]]] = {
        "study_group": ("group_id", {g: spec.label for g, spec in study.groups.items()}),
        "study_variable": ("variable", {v: spec.label for v, spec in study.variables.items()}),
        "study_endpoint": ("endpoint", {e: spec.label for e, spec in study.endpoints.items()}),
        "study_table": ("table_id", {t.table_id: t.title for t in study.tables}),
        "model": ("model_id", {m.model_id: m.title for part in MODELS for m in getattr(study, part)}),
    }
    if not len(frame.columns):
        return frame
    if name == "study":
        texts = pd.Series([chinese(study.title)], index=frame.index)
    elif name in named:
        key, labels = named[name]
        texts = frame[key].map({k: chinese(label) for k, label in labels.items()})
    else:
        return frame
    column = "label_zh" if "label" in frame else "title_zh"
    return frame.assign(**{column: texts.astype("string")})  # a text, also where no row has one


def stamp(results: Results, study_id: str, release_id: str) -> Results:
    """Every row carries its study and release."""
    stamped = {}
    for name, frame in results.items():
        frame = frame.copy()
        frame.insert(0, "release_id", release_id)
        frame.insert(0, "study_id", study_id)
        stamped[name] = frame
    return stamped


STEPS = (
    describe_study,
    list_members,
    compare_groups,
    fit_mixed_models,
    fit_repeated_measures,
    trajectories,
    estimate_survival,
    fit_cox_models,
    analyse_further_events,
)
