"""The page *Releases*: which are kept, and what changed between any two.

Belongs here: the choice of two, and what is shown of their difference. Does not belong here: finding what
changed (`orchestration/diff/`), which a process of its own does: it takes seconds, and the pages go on
meanwhile.
"""

from __future__ import annotations

import csv
import io
import json
import subprocess
import sys
import threading
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from orchestration.pages.language import gettext
from orchestration.pages.shell import Shell, Told, wanted
from orchestration.pages.words import worded
from orchestration.registry.folder import Registry
from orchestration.situation import Release, releases_of

SECONDS = 120.0
KEPT_PAIRS = 8
Pair = tuple[tuple[str, int, int], tuple[str, int, int]]  # name, time and size of both files


@dataclass
class Differences:
    """Each pair is compared once; the longest unused is forgotten. One comparison runs at a time."""

    lock: threading.Lock = field(default_factory=threading.Lock)
    kept: dict[Pair, dict[str, Any]] = field(default_factory=dict)

    def of(self, registry: Registry, before: Path, after: Path) -> dict[str, Any]:
        """Raises Told if the two cannot be compared."""
        pair = _mark(before), _mark(after)
        with self.lock:
            found = self.kept.pop(pair, None) or _compared(registry, before, after)
            self.kept[pair] = found
            while len(self.kept) > KEPT_PAIRS:
                self.kept.pop(next(iter(self.kept)))
        return found


def routes(shell: Shell) -> list[Route]:
    differences = Differences()

    def show(request: Request) -> Response:
        registry = shell.registry()
        releases = releases_of(registry)
        if request.query_params.get("release"):
            wanted(releases, request)
        before, after = _asked(request, releases)
        found = _difference(differences, registry, before, after)
        places = _places(found)
        place = request.query_params.get("place", "")
        if place not in places:
            place = next(iter(places), "")
        return shell.page(
            request,
            "releases.html.j2",
            kept_releases=[_described(registry, release) for release in releases],
            before=before,
            after=after,
            difference=found,
            options=[(r.release_id, f"{r.release_id} · {r.made_at[:10]}") for r in releases],
            places=places,
            place_options=[(name, f"{worded(name)} ({n})") for name, n in places.items()],
            place=place,
            numbers=[n for n in (found or {"numbers": []})["numbers"] if _placed(n) == place],
        )

    def sheet(request: Request) -> Response:
        registry = shell.registry()
        before, after = _asked(request, releases_of(registry))
        found = _difference(differences, registry, before, after)
        if found is None:
            raise Told(gettext("Choose two releases: ?from=…&to=…"), 400)
        name = f"changes_{before}_{after}.csv"
        return Response(
            _as_csv(found),
            media_type="text/csv",
            headers={"content-disposition": f'attachment; filename="{name}"'},
        )

    return [Route("/releases", show), Route("/releases/changes.csv", sheet)]


def _asked(request: Request, releases: list[Release]) -> tuple[str, str]:
    """The ids of the two releases in the address; empty where none is asked for. Raises Told for unknown
    ones.
    """
    asked = request.query_params.get("from", ""), request.query_params.get("to", "")
    known = {release.release_id for release in releases}
    for name in asked:
        if name and name not in known:
            sentence = gettext(
                "There is no release of this name to compare. Choose two of the list at /releases; a "
                "release that is gone was removed, because registry.yml says how many are kept "
                "(keep_releases)."
            )
            raise Told(sentence, 404)
    return asked


def _difference(
    differences: Differences, registry: Registry, before: str, after: str
) -> dict[str, Any] | None:
    """None while two are not chosen."""
    if not before or not after:
        return None
    if before == after:
        sentence = gettext(
            "Both are the release %(release)s. Choose two different releases.",
            release=before,
        )
        raise Told(sentence, 400)
    files = (registry.releases / f"{name}.duckdb" for name in (before, after))
    return differences.of(registry, *files)


def _compared(registry: Registry, before: Path, after: Path) -> dict[str, Any]:
    command = [sys.executable, "-m", "orchestration.diff", str(before), str(after), str(registry.folder)]
    try:
        done = subprocess.run(command, capture_output=True, timeout=SECONDS, check=False)
    except subprocess.TimeoutExpired:
        sentence = gettext(
            "The comparison took more than %(seconds)s s and was stopped. Ask for it in a terminal: "
            "myositis diff %(before)s %(after)s",
            seconds=f"{SECONDS:g}",
            before=before.stem,
            after=after.stem,
        )
        raise Told(sentence, 504) from None
    try:
        found: dict[str, Any] = json.loads(done.stdout)
    except ValueError:
        sentence = gettext(
            "The comparison ended without an answer. Ask for it in a terminal: myositis diff %(before)s "
            "%(after)s",
            before=before.stem,
            after=after.stem,
        )
        raise Told(sentence, 500) from None
    if "refused" in found:
        raise Told(worded(found["refused"]), 409)
    return found


def _mark(path: Path) -> tuple[str, int, int]:
    seen = path.stat()
    return path.name, seen.st_mtime_ns, seen.st_size


def _described(registry: Registry, release: Release) -> dict[str, Any]:
    """A release with what its manifest says."""
    manifest = json.loads((registry.releases / f"{release.release_id}.json").read_text(encoding="utf-8"))
    program = manifest.get("program") or {}
    rows = manifest.get("rows") or {}
    return {
        "release": release,
        "deliveries": [f"{d['sender_id']}/{d['delivery_id']}" for d in manifest.get("deliveries", ())],
        "patients": rows.get("release.dim_patient"),
        "studies": ", ".join(manifest.get("studies") or ()),
        "program": program.get("version", ""),
        "versions": ", ".join(f"{name} {v}" for name, v in (manifest.get("versions") or {}).items()),
        "sha256": manifest.get("sha256", ""),
    }


def _placed(number: dict[str, Any]) -> str:
    return f"{number['study']}: {number['place']}"


def _places(found: dict[str, Any] | None) -> dict[str, int]:
    """How many numbers changed at each place of a study's report."""
    counts: dict[str, int] = {}
    for number in (found or {"numbers": []})["numbers"]:
        counts[_placed(number)] = counts.get(_placed(number), 0) + 1
    return counts


def _as_csv(found: dict[str, Any]) -> str:
    out = io.StringIO()
    columns = ("study", "place", "subject", "whom", "quantity", "before", "after", "why")
    sheet = csv.DictWriter(out, columns, extrasaction="ignore", lineterminator="\n")
    sheet.writeheader()
    sheet.writerows(found["numbers"])
    return out.getvalue()
