"""Releases of the small study, written as files: two of them side by side show what a comparison says.

Belongs here: a release file with the tables and columns that a comparison reads. Does not belong here: any
expectation; the patients are those of `small_study.py`.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import duckdb
import pandas as pd

from analytics.study.results import run_study, stamp
from orchestration.diff.sides import COLUMNS
from tests.unit import small_study

Tables = dict[str, pd.DataFrame]
FIRST = "2025-12-31"
LOADS = {"north/2025-12-31": ("load_n1", "content_n1"), "south/2025-12-31": ("load_s1", "content_s1")}
PROGRAM = {"version": "0.2.0", "code": "c0de", "models": "m0de1"}


def tables() -> Tables:
    """The small study's tables with every column that a comparison reads; all rows are of the first
    delivery.
    """
    made = small_study.frames()
    made |= {
        "fct_antibody_result": made["dim_antibody_status"][["hospital_id", "patient_key"]].assign(
            antibody_id="A", antibody_group="msa", result="positive", is_positive=True
        ),
        "fct_definition": pd.DataFrame(),
        "patient_link": pd.DataFrame(),
        "dim_concept": pd.DataFrame({"concept_id": ["score", "marker"]}),
        "dim_definition": pd.DataFrame(),
        "fct_treatment": pd.DataFrame(),
    }
    return {name: _complete(name, frame) for name, frame in made.items()}


def _complete(name: str, frame: pd.DataFrame) -> pd.DataFrame:
    """The frame with its missing columns; whatever a hospital sent came from its first delivery."""
    columns = COLUMNS[name]
    full = frame.reindex(columns=list(dict.fromkeys([*frame.columns, *columns])))
    if "sender_id" in columns and len(full):
        full["sender_id"] = full["hospital_id"]
        full["delivery_id"] = FIRST
        full["correction_id"] = pd.Series(None, index=full.index, dtype=object)
    if name == "fct_observation":
        full["observation_key"] = [f"o{i}" for i in range(len(full))]
        full["time_days"] = full["scheduled_visit"].map(small_study.VISITS) * small_study.MONTH
        full["observed_date_iso"] = "on " + full["scheduled_visit"]
    return full


def of(frame: pd.DataFrame, patient: str) -> pd.Series:
    return frame["patient_key"] == patient


def make_release(
    folder: Path,
    release_id: str,
    change: Callable[[Tables], object] = lambda tables: None,
    *,
    study: Mapping[str, Any] = {},  # read only
    loads: Mapping[str, tuple[str, str]] = LOADS,
    corrections: tuple[tuple[str, str, str, str], ...] = (),
    versions: Mapping[str, str] = {"numpy": "2.0"},
    program: Mapping[str, str] | None = PROGRAM,
    registry: str = "Small registry",
    results: Callable[[Tables], object] = lambda tables: None,
) -> Path:
    """Write ``folder/<release_id>.duckdb`` with its manifest. ``change`` changes the release's tables before
    the results are computed, ``results`` changes these.
    """
    made = tables()
    change(made)
    spec = small_study.study(**study)
    found = stamp(run_study(spec, made), spec.study, release_id)
    results(found)
    info = {
        "release_id": release_id, "registry_name": registry, "synthetic": True, "small_cell_threshold": 5,
        "dates": "month", "versions": json.dumps(dict(versions)),
    }  # fmt: skip
    quality = {
        "delivery": pd.DataFrame(
            [(*name.split("/"), *load) for name, load in loads.items()],
            columns=["sender_id", "delivery_id", "load_id_in_force", "content_sha256"],
        ),
        "correction": pd.DataFrame(
            corrections, columns=["correction_id", "sender_id", "action", "status"], dtype="str"
        ),
    }
    folder.mkdir(exist_ok=True)
    path = folder / f"{release_id}.duckdb"
    with duckdb.connect(str(path)) as connection:
        for schema, frames in (
            ("release", made | {"release_info": pd.DataFrame([info])}),
            ("results", found),
            ("quality", quality),
        ):
            connection.execute(f"create schema {schema}")
            for name, frame in frames.items():
                if len(frame.columns):
                    connection.register("frame", _typed(frame))
                    connection.execute(f"create table {schema}.{name} as select * from frame")
                    connection.unregister("frame")
    manifest = {
        "release_id": release_id,
        "made_at": f"2026-01-01T00:00:{len(list(folder.glob('*.duckdb'))):02d}",
        "studies": {spec.study: hashlib.sha256(spec.model_dump_json().encode()).hexdigest()},
    }
    path.with_suffix(".json").write_text(
        json.dumps(manifest | ({"program": dict(program)} if program else {}))
    )
    return path


def _typed(frame: pd.DataFrame) -> pd.DataFrame:
    """Columns in which nothing is known are texts, as DuckDB would not guess."""
    empty = [c for c in frame if frame[c].isna().all() and c not in NUMBERS]
    return frame.astype(dict.fromkeys(empty, "string"))


NUMBERS = (
    "time_days", "dose", "stop_days", "grade", "birth_year", "value", "value_at_most", "baseline_days",
    "value_canonical", "lower_limit", "upper_limit", "last_seen_days",
)  # fmt: skip
