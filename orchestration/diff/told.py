"""The difference of two releases in words: for the terminal, as JSON and as CSV.

Belongs here: sentences and layout of the records. Does not belong here: finding them (`changes.py`).
"""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from itertools import groupby

from orchestration.diff.changes import Diff, NumberChange, PatientChange, ValueChange
from orchestration.diff.why import Declared

FORMATS = ("text", "json", "csv")
COLUMNS = (
    "section", "study", "place", "subject", "whom", "quantity", "change", "before", "after", "count", "why",
)  # fmt: skip
NUMBERS_SHOWN = 200
CHANGED = "changed"
NONE = "none"  # where a number stood or stands in one release only


def lines(diff: Diff, most: int = NUMBERS_SHOWN, with_keys: bool = False) -> Iterator[str]:
    """What a person at a terminal reads."""
    yield f"{diff.before.release_id} → {diff.after.release_id}"
    if diff.after.is_synthetic:
        yield "synthetic data"
    if diff.is_empty:
        yield "\nNothing differs: no delivery, no patient, no value, no printed number."
        return
    yield from _section("Deliveries", (f"{d.delivery} {d.change}" for d in diff.deliveries))
    yield from _section(
        "Correction records",
        (f"{r.record} ({r.sender}) {r.change}: {r.action}, {r.status}" for r in diff.records),
    )
    yield from _section("Stated", (d.sentence() for d in diff.declared))
    yield from _section("Patients", map(told_patients, diff.patients))
    yield from _section("Values", map(told_values, diff.values))
    shown = diff.numbers[: most or None]
    title = f"Printed numbers ({len(diff.numbers):,} of {diff.numbers_compared:,} changed)"
    yield f"\n{title}"
    yield from (f"  {sentence}" for sentence in sentences(shown))
    if left := len(diff.numbers) - len(shown):
        yield f"  … and {left:,} more; --limit 0 shows all"
    if with_keys:
        keys = (f"{k.hospital} {k.patient_key} {k.change}" for k in diff.patient_keys)
        yield from _section("Patients by key (inside the house only)", keys)


def _section(title: str, found: Iterator[str] | list[str]) -> Iterator[str]:
    said = list(found)
    if said:
        yield f"\n{title}"
        yield from (f"  {line}" for line in said)


def sentences(numbers: Sequence[NumberChange]) -> Iterator[str]:
    """A sentence for numbers that stand together and changed for the same reason: ``Table II, IgA: p 0.023 →
    0.051, adj. p 0.2 → 0.3: 3 patients added by ukm/2026-03-31``.
    """
    for (named, why), found in groupby(numbers, key=lambda n: (n.named, n.why)):
        said = ", ".join(f"{n.quantity} {n.before or NONE} → {n.after or NONE}" for n in found)
        yield f"{named}: {said}: {why}"


def told_patients(change: PatientChange) -> str:
    """``nxp2: 2 patients of ukm moved from A to B by ukm/2026-03-31``"""
    noun = "patient" if change.count == 1 else "patients"
    moved = f" from {change.from_group} to {change.to_group}" if change.from_group else ""
    study = f"{change.study}: " if change.study else ""
    verb = "moved" if moved else change.change
    return f"{study}{change.count:,} {noun} of {change.hospital} {verb}{moved}{_traced(change)}"


def told_values(change: ValueChange) -> str:
    """``12 values added, of 3 patients, by ukm/2026-03-31``"""
    noun = change.called if change.count == 1 else _plural(change.called)
    patients = f"{change.patients:,} patient{'' if change.patients == 1 else 's'}"
    return f"{change.count:,} {noun} {change.change}, of {patients}{_traced(change)}"


def _plural(noun: str) -> str:
    return {"sign or event": "signs or events", "follow-up": "follow-ups"}.get(noun, f"{noun}s")


def _traced(change: PatientChange | ValueChange) -> str:
    parts = [f" {', '.join(change.deliveries)}"] if change.deliveries else []
    if change.records:
        parts.append(f" (record{'s' if len(change.records) > 1 else ''} {', '.join(change.records)})")
    return "".join(parts) or ", read differently from the same cells"


def as_json(diff: Diff, with_keys: bool = False) -> str:
    """The records, each with its sentence; the keys of patients only when asked for."""
    data = asdict(diff)
    for number, made in zip(diff.numbers, data["numbers"]):
        made |= {"named": number.named, "why": number.why}
    for name, told in (("patients", told_patients), ("values", told_values), ("declared", Declared.sentence)):
        for record, made in zip(getattr(diff, name), data[name]):
            made["told"] = told(record)
    if not with_keys:
        del data["patient_keys"]
    return json.dumps(data, ensure_ascii=False, indent=1)


def as_csv(diff: Diff, with_keys: bool = False) -> str:
    """One row per record of any kind."""
    out = io.StringIO()
    sheet = csv.DictWriter(out, COLUMNS, restval="", lineterminator="\n")
    sheet.writeheader()
    sheet.writerows(rows(diff, with_keys))
    return out.getvalue()


def rows(diff: Diff, with_keys: bool = False) -> Iterator[dict[str, object]]:
    for d in diff.deliveries:
        yield {"section": "delivery", "subject": d.delivery, "change": d.change}
    for r in diff.records:
        yield {"section": "correction", "subject": r.record, "place": r.sender, "change": r.change,
               "after": f"{r.action}, {r.status}"}  # fmt: skip
    for s in diff.declared:
        yield {"section": "stated", "subject": s.kind, "change": s.what}
    for p in diff.patients:
        yield {"section": "patient", "study": p.study, "place": p.hospital, "change": p.change,
        "before": p.from_group,
               "after": p.to_group, "count": p.count, "why": told_patients(p)}  # fmt: skip
    for v in diff.values:
        yield {
            "section": "value",
            "subject": v.called,
            "change": v.change,
            "count": v.count,
            "why": told_values(v),
        }
    for n in diff.numbers:
        yield {"section": "number", "study": n.study, "place": n.place, "subject": n.subject, "whom": n.whom,
               "quantity": n.quantity, "change": CHANGED, "before": n.before, "after": n.after,
               "why": n.why}  # fmt: skip
    if with_keys:
        for k in diff.patient_keys:
            yield {"section": "key", "place": k.hospital, "subject": k.patient_key, "change": k.change}
