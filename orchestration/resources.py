"""The only place that reads the environment: which registry, where Dagster keeps its runs, what dbt is told.

Does not belong here: what a registry folder holds (`registry/folder.py`).
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

from orchestration.files import write_atomically
from orchestration.registry.folder import SHIPPED_REGISTRY, Registry, load_registry
from orchestration.registry.permissions import keep_from_others

REGISTRY_VARIABLE = "MYOSITIS_REGISTRY"
DBT_PROJECT = Path(__file__).resolve().parent.parent / "dbt_project"

_current: Registry | None = None

DAGSTER_YAML = """\
# Made by myositis; runs of the command, the UI and the daemon are all kept here.
telemetry:
  enabled: false
python_logs:
  managed_python_loggers: [myositis]
  python_log_level: INFO
nux:
  enabled: false
storage:
  custom:
    module: orchestration.running.event_log
    class: Storage
    config: {base_dir: {env: DAGSTER_HOME}}
compute_logs:  # four processes a step, which answer Ctrl-C with tracebacks; what a step says stands in the event log
  module: dagster._core.storage.noop_compute_log_manager
  class: NoOpComputeLogManager
concurrency:
  pools:
    default_limit: 1  # DuckDB takes one writer at a time: every asset that writes shares the pool "warehouse"
    granularity: run  # a run holds its place from start to end, so that a build is not mixed with another
"""


def registry_folder(stated: Path | None = None) -> Path:
    """The given folder; else the folder in MYOSITIS_REGISTRY; else the shipped registry."""
    return Path(stated or os.environ.get(REGISTRY_VARIABLE) or SHIPPED_REGISTRY).resolve()


def current_registry() -> Registry:
    """The registry that this process was pointed at. In a process that Dagster started, the environment names
    it.
    """
    global _current
    if _current is None:
        _current = load_registry(registry_folder())
        keep_from_others(_current)
    return _current


def registry_in_use() -> Registry | None:
    """The registry that this process was pointed at; None if it was not."""
    return _current


def point_at(registry: Registry) -> None:
    """Make this process, and those it starts, use ``registry``: sets Dagster's instance and dbt's warehouse,
    and quiets the libraries.
    """
    global _current
    _current = registry
    keep_from_others(registry)
    os.environ[REGISTRY_VARIABLE] = str(registry.folder)
    os.environ["DAGSTER_HOME"] = str(registry.dagster_home)
    os.environ.update(dbt_environment(registry))
    registry.dagster_home.mkdir(parents=True, exist_ok=True)
    settings = registry.dagster_home / "dagster.yaml"
    if not settings.exists() or settings.read_text() != DAGSTER_YAML:
        write_atomically(settings, DAGSTER_YAML)


def dbt_environment(registry: Registry) -> Mapping[str, str]:
    return {
        "MYOSITIS_WAREHOUSE": str(registry.warehouse),
        "MYOSITIS_MEMORY_LIMIT": registry.file.memory_limit,
        "DBT_SEND_ANONYMOUS_USAGE_STATS": "false",
        "DBT_PROFILES_DIR": str(DBT_PROJECT),
        "GX_ANALYTICS_ENABLED": "false",
        "DAGSTER_DISABLE_TELEMETRY": "yes",
    }
