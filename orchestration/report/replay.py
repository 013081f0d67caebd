"""Layer report: writes a study's replay in R, with the patients' rows that it reads, into a private folder.

Belongs here: reading a release file for it, writing its files.
Does not belong here: the script and its frames (`analytics/replay_r`), where a report goes (`write.py`).
"""

from __future__ import annotations

import json
from pathlib import Path

import duckdb
import pandas as pd

from analytics.replay_r import ReleaseIdentity, csv_text, replay
from analytics.study.cohort import FRAMES, build_cohort
from analytics.study.file import Study
from orchestration.files import make_private_folder, write_atomically

REPLAY_FILES = (
    "replay.R",
    "patients_*.csv",
    "visits_*.csv",
    "times_*.csv",
    "intervals_*.csv",
    "ours.csv",
    "not_replayed.csv",
)


class ReplayError(ValueError):
    """The release cannot be replayed for this study."""


def write_replay(release_file: Path, out_dir: Path, study: Study) -> list[Path]:
    """Write ``replay.R`` and the frames that it reads into ``out_dir``; return the files.

    The frames hold single patients' values, and ``ours.csv`` holds every count: folder and files are their
    owner's alone. Files of an earlier replay in ``out_dir`` are removed; other files there stay. Raises
    ReplayError when the file is no release, or its results are not those of ``study`` as it is now.
    """
    release, frames, results = read_for_replay(release_file, study.study)
    try:
        files = replay(build_cohort(study, frames), results, release)
    except ValueError as fault:
        raise ReplayError(f"{release_file.name}: {fault}") from fault
    make_private_folder(out_dir)
    for former in {path for pattern in REPLAY_FILES for path in out_dir.glob(pattern)}:
        former.unlink()
    return [_put(out_dir / name, content) for name, content in files.items()]


def read_for_replay(
    release_file: Path, study_id: str
) -> tuple[ReleaseIdentity, dict[str, pd.DataFrame], dict[str, pd.DataFrame]]:
    """The release's identity, the frames that a cohort needs, and the study's rows of every results table."""
    with duckdb.connect(str(release_file), read_only=True) as connection:
        tables = set(
            connection.execute(
                "select table_schema || '.' || table_name from information_schema.tables"
            ).fetchall()
        )
        missing = [t for t in (*FRAMES, "release_info") if (f"release.{t}",) not in tables]
        if missing:
            raise ReplayError(f"{release_file.name}: no table release.{missing[0]}; expected a release file")
        info = connection.execute("select * from release.release_info").df().iloc[0]
        frames = {t: connection.execute(f"select * from release.{t}").df() for t in FRAMES}
        names = sorted(name.removeprefix("results.") for (name,) in tables if name.startswith("results."))
        results = {name: _rows_of_study(connection, name, study_id) for name in names}
    versions = info.get("versions") or {}
    release = ReleaseIdentity(
        release_id=str(info["release_id"]),
        registry_name=str(info["registry_name"]),
        synthetic=bool(info["synthetic"]),
        versions=json.loads(versions) if isinstance(versions, str) else versions,
    )
    return release, frames, results


def _rows_of_study(connection: duckdb.DuckDBPyConnection, table: str, study_id: str) -> pd.DataFrame:
    rows = connection.execute(f"select * from results.{table} where study_id = ?", [study_id]).df()
    return rows.drop(columns=["study_id", "release_id"])


def _put(path: Path, content: str | pd.DataFrame) -> Path:
    return write_atomically(path, content if isinstance(content, str) else csv_text(content), mode=0o600)
