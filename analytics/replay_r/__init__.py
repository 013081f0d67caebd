"""Replay in R: one script and the frames it reads, so that a reviewer can check a study without trusting us.

Belongs here: the files of a replay, by name. Does not belong here: reading a release, writing files
(`orchestration/report/replay.py`).

| module | what |
|---|---|
| `frames.py` | the data of each analysis, patients as running numbers |
| `quantities.py` | which numbers R computes again, and how closely they must agree |
| `claims.py` | every number of the results, to be compared or with the reason why not |
| `script.py` | `replay.R`: its head, the parts below, a call for each analysis of the study |
| `ledger.R` … `verdict.R` | R's functions, and what it prints |
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Mapping

import pandas as pd

from analytics.replay_r.claims import claims
from analytics.replay_r.frames import baseline_frame, intervals_frame, times_frame, visits_frame
from analytics.replay_r.script import Files, ReleaseIdentity, script
from analytics.study.cohort import Cohort
from analytics.words.disclosure import known

SCRIPT, OURS, NOT_REPLAYED = "replay.R", "ours.csv", "not_replayed.csv"

__all__ = ["NOT_REPLAYED", "OURS", "SCRIPT", "ReleaseIdentity", "csv_text", "replay"]


def replay(
    cohort: Cohort, results: Mapping[str, pd.DataFrame], release: ReleaseIdentity
) -> dict[str, str | pd.DataFrame]:
    """The files of a study's replay: the script as text, frames as they are to be written by ``csv_text``.

    ``results`` are the study's rows of schema results, frames by name. Raises ValueError when they lack an
    analysis that the study file has: they are of another study, or of an older file.
    """
    study = cohort.study
    _refuse_other_results(cohort, results)
    files = Files(
        tables=_file_names("patients", [t.table_id for t in study.tables]),
        visits=_file_names("visits", [m.model_id for m in study.mixed_models]),
        times=_file_names("times", [*(s.endpoint for s in study.survival), *(s.endpoint for s in study.cox)]),
        intervals=_file_names("intervals", [m.model_id for m in study.recurrent_events]),
    )
    found = claims(results)
    return {
        SCRIPT: script(study, release, files),
        **{files.tables[t.table_id]: baseline_frame(cohort, t) for t in study.tables},
        **{files.visits[m.model_id]: visits_frame(cohort, m) for m in study.mixed_models},
        **{name: times_frame(cohort, endpoint) for endpoint, name in files.times.items()},
        **{files.intervals[m.model_id]: intervals_frame(cohort, m) for m in study.recurrent_events},
        OURS: found.ours,
        NOT_REPLAYED: found.not_replayed,
    }


def csv_text(frame: pd.DataFrame) -> str:
    """A frame as the script reads it: all digits, an empty cell for what is missing, infinity as R's Inf."""
    return frame.map(_cell).to_csv(index=False, lineterminator="\n")


def _cell(value: object) -> object:
    if not known(value) and not isinstance(value, str):
        return ""
    return {math.inf: "Inf", -math.inf: "-Inf"}.get(value, value) if isinstance(value, float) else value


def _file_names(kind: str, ids: Iterable[str]) -> dict[str, str]:
    """``patients_I.csv`` for table I; ids that would share a file on some file system are numbered."""
    names: dict[str, str] = {}
    for key in dict.fromkeys(ids):
        stem = f"{kind}_{re.sub(r'[^A-Za-z0-9_]+', '_', key)}"
        name, number = f"{stem}.csv", 2
        while name.lower() in {n.lower() for n in names.values()}:
            name, number = f"{stem}_{number}.csv", number + 1
        names[key] = name
    return names


def _refuse_other_results(cohort: Cohort, results: Mapping[str, pd.DataFrame]) -> None:
    study = cohort.study
    asked = {
        ("baseline_summary", "table_id"): [t.table_id for t in study.tables],
        ("model", "model_id"): [
            *(m.model_id for m in study.mixed_models),
            *(m.model_id for m in study.cox),
            *(m.model_id for m in study.recurrent_events),
        ],
        ("survival_median", "endpoint"): [s.endpoint for s in study.survival],
    }
    faults = []
    for (table, column), ids in asked.items():
        frame = results.get(table, pd.DataFrame())
        there = set(frame[column]) if column in frame else set()
        faults += [f'{table} has no {column} "{i}"' for i in dict.fromkeys(ids) if i not in there]
    if faults:
        raise ValueError(
            f"results: not those of study {study.study} as its file is now: {'; '.join(faults)}. Compute the"
            " results again, or replay with the study file that they were made from"
        )
