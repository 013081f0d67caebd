"""Which column of which table each column of a model is made from.

Lineage follows from the models' SQL alone, and tracing it takes longer than a build. It is therefore traced
once per change of the models (`make lineage`), kept in dbt_project/column_lineage.json, and a test holds it
to the SQL. Does not belong here: Dagster (`assets.py` shows it).
"""

from __future__ import annotations

import json

from orchestration.resources import DBT_PROJECT

FILE = DBT_PROJECT / "column_lineage.json"
Lineage = dict[str, dict[str, list[list[str]]]]  # table -> column -> [[table, column], ...]


def read_lineage() -> Lineage:
    return json.loads(FILE.read_text(encoding="utf-8")) if FILE.exists() else {}
