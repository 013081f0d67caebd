"""The only place that reads the environment: which registry, where Dagster keeps its runs, what dbt is told.

Does not belong here: what a registry folder holds (`registry/folder.py`).
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from orchestration.files import write_atomically
from orchestration.registry.folder import SHIPPED_REGISTRY, Registry, declared_files, load_registry
from orchestration.registry.permissions import keep_from_others

REGISTRY_VARIABLE = "MYOSITIS_REGISTRY"
SUPERVISED = (
    "MYOSITIS_SUPERVISED"  # set by `myositis daemon` and `myositis ui` for the processes they look after
)
SMALL = {"MALLOC_ARENA_MAX": "2", "MALLOC_TRIM_THRESHOLD_": "131072"}  # memory that is not used is given back
DBT_PROJECT = Path(__file__).resolve().parent.parent / "dbt_project"

_current: Registry | None = None
_read_when: dict[str, tuple[int, ...]] = {}  # the marks of the declared files when `_current` was read

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
run_launcher:  # a run is a process of its own: it outlives a code server that is started again
  module: orchestration.running.launcher
  class: Launcher
auto_materialize:  # the sensors of automation.py say what runs; Dagster's own conditions and policies are not used
  enabled: false
  use_sensors: false
freshness:
  enabled: false
retention:  # ticks, in days
  sensor:
    purge_after_days: {skipped: 1, failure: 30, success: 90}
  schedule:
    purge_after_days: {skipped: 30, failure: 90, success: 90}
run_coordinator:
  module: dagster._core.run_coordinator
  class: QueuedRunCoordinator
  config: {dequeue_interval_seconds: 2}
concurrency:
  runs:
    max_concurrent_runs: 1  # a second one would only wait for the writer's lock, with everything imported
  pools:
    default_limit: 1  # DuckDB takes one writer at a time: every asset that writes shares the pool "warehouse"
    granularity: run  # a run holds its place from start to end, so that a build is not mixed with another
"""  # noqa: E501


def is_supervised() -> bool:
    """Whether this process is started again when it ends."""
    return SUPERVISED in os.environ


def registry_folder(stated: Path | None = None) -> Path:
    """The given folder; else the folder in MYOSITIS_REGISTRY; else the shipped registry."""
    return Path(stated or os.environ.get(REGISTRY_VARIABLE) or SHIPPED_REGISTRY).resolve()


def current_registry() -> Registry:
    """The registry that this process was pointed at. In a process that Dagster started, the environment names
    it.

    It is read once, so that a run works by one state of the files from its start to its end.
    """
    if _current is None:
        return registry_now()
    return _current


def registry_now() -> Registry:
    """The registry as its files say now: read again if one of them changed. For a process that lives long.

    Raises ConfigurationError while a file is faulty; no earlier state of the files takes its place.
    """
    global _current, _read_when
    folder = _current.folder if _current else registry_folder()
    seen = declared_files(folder)
    if _current is None or seen != _read_when:
        _current = load_registry(folder)
        _read_when = seen
        keep_from_others(_current)
    return _current


def registry_in_use() -> Registry | None:
    """The registry that this process was pointed at; None if it was not."""
    return _current


def point_at(registry: Registry) -> None:
    """Make this process, and those it starts, use ``registry``: sets Dagster's instance and dbt's warehouse,
    and quiets the libraries.
    """
    global _current, _read_when
    _current, _read_when = registry, {}
    keep_from_others(registry)
    os.environ[REGISTRY_VARIABLE] = str(registry.folder)
    os.environ["DAGSTER_HOME"] = str(registry.dagster_home)
    os.environ.update(dbt_environment(registry))
    registry.dagster_home.mkdir(parents=True, exist_ok=True)
    settings = registry.dagster_home / "dagster.yaml"
    if not settings.exists() or settings.read_text() != DAGSTER_YAML:
        write_atomically(settings, DAGSTER_YAML)


@contextmanager
def working_on(registry: Registry) -> Iterator[None]:
    """While the block lasts, dbt in this process builds the warehouse of ``registry``."""
    wanted = dbt_environment(registry)
    before = {name: os.environ.get(name) for name in wanted}
    os.environ.update(wanted)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                os.environ.pop(name)
            else:
                os.environ[name] = value


def dagster_home() -> Path:
    """Where the Dagster instance of this process keeps its files."""
    return Path(os.environ["DAGSTER_HOME"])


def be_supervised() -> None:
    """Make the processes that this one starts services: started again when they end, and small while they
    wait.
    """
    os.environ.update({SUPERVISED: "1", **SMALL})


def let_long_lines_run_off() -> None:
    """Have the pager cut lines at the edge of the screen in place of wrapping them, unless the person set it
    up. The arrow keys show the rest; an answer that is wide and short would be gone with -F.
    """
    os.environ.setdefault("LESS", "-SRX")


def environment_of_a_run() -> dict[str, str]:
    """The environment of a run that a service starts: it works hard, and need not be small."""
    return {name: value for name, value in os.environ.items() if name not in SMALL}


def dbt_environment(registry: Registry) -> Mapping[str, str]:
    return {
        "MYOSITIS_WAREHOUSE": str(registry.warehouse),
        "MYOSITIS_MEMORY_LIMIT": registry.file.memory_limit,
        "DBT_SEND_ANONYMOUS_USAGE_STATS": "false",
        "DBT_PROFILES_DIR": str(DBT_PROJECT),
        "GX_ANALYTICS_ENABLED": "false",
        "DAGSTER_DISABLE_TELEMETRY": "yes",
    }
