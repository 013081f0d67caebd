"""The column lineage: from which columns of which tables each column of a model is made.

Lineage follows from the models' SQL alone, and tracing it takes longer than a build. It is therefore traced
only when the models change (`make lineage`), and kept in dbt_project/column_lineage.json. A test compares it
with the SQL. Does not belong here: Dagster (`assets.py` shows the lineage).
"""

from __future__ import annotations

import json

from orchestration.resources import DBT_PROJECT

FILE = DBT_PROJECT / "column_lineage.json"
Lineage = dict[str, dict[str, list[list[str]]]]  # table -> column -> [[table, column], ...]


def read_lineage() -> Lineage:
    return json.loads(FILE.read_text(encoding="utf-8")) if FILE.exists() else {}
