"""What was published of each study, so that two public reports side by side do not show a single patient.

Belongs here: the file `private/published.json` of a registry, and whether a study's new numbers may follow
its last ones. Does not belong here: what may leave at all (`analytics/public/`).

Two reports between which one patient joined a group tell about this patient: a mean moves by a part of the
patient's value, a rounded count may take a step. So patients are taken in by batches: if a group gained or
lost patients since the last public report, but fewer than five, the study is published with the numbers that
it had, and the page says of which release they are. A reader may have kept any earlier report, so this holds
beside each of them. The file holds the numbers as they were printed last, and the true sizes of the groups in
every report; it is its owner's alone. Without it the next report starts anew.

The record is written before the output becomes visible. A process that is killed between the two leaves a
record without an output, which is harmless: the next report keeps its distance from one more set of numbers.
In the other order it would leave an output without a record, and the next report could show a single patient
beside it.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from analytics.public import PublicStudy
from analytics.study.frames import StudyFrames, records
from analytics.words.disclosure import ROUNDED_TO, known
from analytics.words.formatting import Public
from orchestration.files import make_private_folder, write_atomically

LEAST_BATCH = ROUNDED_TO


@dataclass(frozen=True)
class Publication:
    """A study as it was published: of which release, with how many patients per group, and with how many
    before that.
    """

    release_id: str
    sizes: dict[str, int]
    study: PublicStudy
    earlier_sizes: tuple[dict[str, int], ...] = ()


def sizes_of(study: StudyFrames) -> dict[str, int]:
    """The true numbers of patients per group."""
    return {g: int(row["n"]) for g, row in study.groups.items() if known(row.get("n"))}


def may_follow(last: Publication, now: Publication) -> bool:
    """Whether every group has as many patients as in each earlier report, or a batch more or fewer."""
    changes = [
        abs(now.sizes.get(group, 0) - sizes.get(group, 0))
        for sizes in (last.sizes, *last.earlier_sizes)
        for group in sizes.keys() | now.sizes.keys()
    ]
    return all(change == 0 or change >= LEAST_BATCH for change in changes)


def read_published(ledger: Path) -> dict[str, Publication]:
    """The last publication of each study; none if there is no ledger."""
    if not ledger.is_file():
        return {}
    data = json.loads(ledger.read_text(encoding="utf-8"))
    return {name: _publication(name, found) for name, found in data.items()}


def keep_published(ledger: Path, publications: dict[str, Publication]) -> None:
    """Record what is about to become visible, beside what was published of other studies."""
    last = read_published(ledger)
    together = last | {name: _after(last.get(name), now) for name, now in publications.items()}
    make_private_folder(ledger.parent)
    data = {name: _data(p) for name, p in sorted(together.items())}
    write_atomically(ledger, json.dumps(data, ensure_ascii=False, indent=1) + "\n", mode=0o600)


def _after(last: Publication | None, now: Publication) -> Publication:
    """``now``, with the sizes of every other report of the study."""
    if last is None:
        return now
    sizes = [s for s in (*last.earlier_sizes, last.sizes) if s != now.sizes]
    return replace(now, earlier_sizes=tuple(s for i, s in enumerate(sizes) if s not in sizes[:i]))


def _data(publication: Publication) -> dict[str, Any]:
    return {
        "release_id": publication.release_id,
        "sizes": publication.sizes,
        "earlier_sizes": list(publication.earlier_sizes),
        "data_note": publication.study.data_note,
        "tables": {
            name: [{c: _value(v) for c, v in row.items()} for row in records(frame)]
            for name, frame in publication.study.frames.items()
        },
    }


def _value(value: Any) -> Any:
    if isinstance(value, Public):
        return {"public": value.text}
    return value.item() if hasattr(value, "item") else value


def _publication(name: str, data: dict[str, Any]) -> Publication:
    import pandas as pd

    frames = {
        table: pd.DataFrame([{c: _restored(v) for c, v in row.items()} for row in rows])
        for table, rows in data["tables"].items()
    }
    study = PublicStudy(name, frames, data["data_note"])
    return Publication(data["release_id"], data["sizes"], study, tuple(data.get("earlier_sizes", ())))


def _restored(value: Any) -> Any:
    return Public(value["public"]) if isinstance(value, dict) else value
