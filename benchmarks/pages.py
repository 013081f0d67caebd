"""First view and interaction of each page of the explorer, in Chromium: on a release as it is, and on one of
20,000 patients with 2 million observations.

    python -m benchmarks.pages [REGISTRY]

REGISTRY has a release (`myositis run`); without it the shipped registry is run first. The large release is
made from a copy of that release by SQL: each patient is copied under other keys, with all rows. The results
of studies stay those of the original.

First view: a browser with an empty cache, from the request until every chart is drawn. Interaction: the next
choice of the page's first list, or the first prepared question, until the answer stands there and is drawn.
Aims: 2 s and 500 ms.
"""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import duckdb

ROOT = Path(__file__).resolve().parent.parent
BIN = Path(sys.executable).parent
MADE = shutil.ignore_patterns("warehouse", "release", "reports", "queries", ".dagster", "private")
READ = ("registry.yml", "hospitals", "studies", "published", "release")
PATIENTS, OBSERVATIONS = 20_000, 2_000_000
BROWSERS = ("chromium", "chromium-browser", "google-chrome")
SERVE = "import sys; from benchmarks.pages import serve; serve(int(sys.argv[1]))"
FLAGS = ("--no-sandbox", "--disable-gpu", "--disable-background-networking", "--no-first-run")

DRAWN = (
    "() => document.readyState === 'complete' && ![...document.querySelectorAll('[data-spec]')].some(p => "
    "!['yes', 'failed'].includes(p.dataset.drawn))"
)
# The view is marked before; it is another element when the answer has come.
CHOOSE = """() => {
  document.getElementById("view").dataset.old = "yes";
  const list = [...document.querySelectorAll("form[hx-get] select")].find(s => s.options.length > 1 && s.offsetParent);
  if (list) {
    list.selectedIndex = (list.selectedIndex + 1) % list.options.length;
    list.dispatchEvent(new Event("change", {bubbles: true}));
    return list.name;
  }
  const question = document.querySelector(".questions a");
  if (question) { question.click(); return "a prepared question"; }
  return "";
}"""  # noqa: E501
CHANGED = f"() => !document.querySelector('#view[data-old]') && ({DRAWN})()"


def main(folder: Path | None) -> None:
    with tempfile.TemporaryDirectory() as made:
        registry = folder or run_shipped(Path(made) / "shipped")
        small = copied(registry, Path(made) / "small")
        large = copied(registry, Path(made) / "large")
        grow(next((large / "release").glob("r*.duckdb")))
        for name, one in (("as it is", small), ("large", large)):
            print(
                "\n"
                f"{name}: {counted(one)}; load of the machine {os.getloadavg()[0]:.1f} on {os.cpu_count()} "
                "cores"
            )
            print(f"{'page':<16} {'first view':>12} {'interaction':>12}   chosen")
            with served(one) as address:
                measure(address)


def run_shipped(folder: Path) -> Path:
    shutil.copytree(ROOT / "registry", folder, ignore=MADE)
    subprocess.run(
        [BIN / "myositis", "run", "--registry", str(folder)], check=True, stdout=subprocess.DEVNULL
    )
    return folder


def copied(registry: Path, folder: Path) -> Path:
    """What the pages read of a registry, with its current release alone."""
    folder.mkdir(parents=True)
    current = (registry / "release" / "current.duckdb").resolve()
    for name in READ[:-1]:
        found = registry / name
        (shutil.copytree if found.is_dir() else shutil.copy)(found, folder / name)
    (folder / "release").mkdir(mode=0o700)
    (folder / "landing").mkdir()
    for path in (current, current.with_suffix(".json")):
        shutil.copy(path, folder / "release")
    (folder / "release" / "current.duckdb").symlink_to(current.name)
    return folder


def grow(release: Path) -> None:
    """Copy every patient under other keys until there are enough; then observations, a week later each."""
    release.chmod(0o600)
    with duckdb.connect(str(release)) as connection:
        patients, observations = _sizes(connection)
        copies = -(-PATIENTS // patients)
        for schema, table in connection.execute(
            "select distinct schema_name, table_name from duckdb_columns() join duckdb_tables()"
            " using (schema_name, table_name) where column_name = 'patient_key' order by all"
        ).fetchall():
            _insert(connection, f"{schema}.{table}", f"range(1, {copies})")
        more = max(OBSERVATIONS - observations * copies, 0)
        _insert(connection, "release.fct_observation", "range(1, 2)", f"limit {more}", "'-again'")
        connection.execute("checkpoint")


def _insert(
    connection: duckdb.DuckDBPyConnection, table: str, copies: str, limit: str = "", mark: str = "'-' || i"
) -> None:
    keys = [
        name
        for name, kind in connection.execute(
            "select column_name, data_type from duckdb_columns() where schema_name || '.' || table_name = ?",
            [table],
        ).fetchall()
        if kind == "VARCHAR" and (name.endswith("_key") or name == "patient_id")
    ]
    if limit:  # more results of the same patients and visits
        keys = [name for name in keys if name == "observation_key"]
    renamed = ", ".join(f"{name} || {mark} as {name}" for name in keys)
    connection.execute(
        f"insert into {table} by name select original.* replace ({renamed})"
        f" from {table} as original, {copies} as copy (i) {limit}"
    )


def _sizes(connection: duckdb.DuckDBPyConnection) -> tuple[int, int]:
    ((patients, observations),) = connection.execute(
        "select (select count(*) from release.dim_patient), (select count(*) from release.fct_observation)"
    ).fetchall()
    return patients, observations


def counted(registry: Path) -> str:
    with duckdb.connect(str(registry / "release" / "current.duckdb"), read_only=True) as connection:
        patients, observations = _sizes(connection)
    return f"{patients:,} patients, {observations:,} observations"


@contextmanager
def served(registry: Path) -> Iterator[str]:
    """The pages in a process of their own, without the door and without Dagster."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    process = subprocess.Popen(
        [sys.executable, "-c", SERVE, str(port)],
        env=os.environ | {"PYTHONPATH": str(ROOT), "MYOSITIS_REGISTRY": str(registry)},
    )
    try:
        while process.poll() is None:
            with socket.socket() as probe:
                if probe.connect_ex(("127.0.0.1", port)) == 0:
                    break
            time.sleep(0.05)
        yield f"http://127.0.0.1:{port}"
    finally:
        process.terminate()
        process.wait()


def serve(port: int) -> None:
    """As `myositis ui` serves them: the registry is read again only when one of its files has changed."""
    import uvicorn
    from starlette.applications import Starlette

    from orchestration.pages.application import application
    from orchestration.resources import registry_now
    from orchestration.results.asked import start_early

    start_early()
    uvicorn.run(
        application(registry_now, Starlette()),  # type: ignore[arg-type]
        host="127.0.0.1",
        port=port,
        log_level="warning",
    )


def measure(address: str) -> None:
    from playwright.sync_api import sync_playwright

    from orchestration.pages.listed import PAGES

    found = next(filter(None, map(shutil.which, BROWSERS)), None)
    if found is None:
        sys.exit(f"no browser: install one of {', '.join(BROWSERS)}")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=found, args=list(FLAGS))
        for path in ("/", *(page.listed.address for page in PAGES)):
            print(_line(browser, address, path), flush=True)
        browser.close()


def _line(browser: Any, address: str, path: str) -> str:
    context = browser.new_context(bypass_csp=True, viewport={"width": 1280, "height": 900})
    page = context.new_page()
    begun = time.perf_counter()
    answer = page.goto(address + path, timeout=120_000)
    page.wait_for_function(DRAWN, timeout=120_000)
    first = time.perf_counter() - begun
    begun = time.perf_counter()
    chosen = page.evaluate(CHOOSE) if page.query_selector("#view") else ""
    if chosen:
        page.wait_for_function(CHANGED, timeout=120_000)
    later = f"{1000 * (time.perf_counter() - begun):9.0f} ms" if chosen else "-"
    status = "" if answer.status == 200 else f"   status {answer.status}"
    context.close()
    return f"{path:<16} {first:>10.2f} s {later:>12}   {chosen}{status}"


if __name__ == "__main__":
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else None)
