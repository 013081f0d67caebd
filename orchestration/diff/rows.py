"""The rows of the marts that differ between two releases, and what each difference traces to.

A row is the same row if it is of the same patient, about the same thing, at the same time. Belongs here: what
makes rows the same, what they say, and the deliveries and correction records behind a difference. Does not
belong here: printed numbers (`why.py`).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import duckdb

from orchestration.diff.sides import AFTER, BEFORE, Load, Side

if TYPE_CHECKING:
    import pandas as pd

ADDED, REMOVED, CORRECTED, PLACED = "added", "removed", "corrected", "placed otherwise"
TAKES_OUT = ("drop", "reject")  # actions of correction records
ACTS = ("applied", "mended")


@dataclass(frozen=True)
class Rows:
    """What the rows of a table of facts are. ``item``: what a row is about; ``at``: what, with patient and
    item, makes it the same row; ``said``: what it says; ``placed``: where the schedule puts it; ``days``: its
    day on the patient's own axis.
    """

    table: str
    item: str
    at: str
    said: tuple[str, ...]
    placed: tuple[str, ...]
    visit: str = "null"
    called: str = "value"
    days: str = "null"


TABLES = (
    Rows(
        "dim_patient",
        "'patient'",
        "null",
        ("sex", "birth_year", "onset_date_iso", "age_at_onset_years", "disease_duration_months", "diagnosis"),
        ("baseline_date", "baseline_days"),
        called="description",
    ),
    Rows(
        "fct_visit",
        "'visit'",
        "coalesce(visit_date_iso, time_days::varchar)",
        (),
        ("scheduled_visit", "is_scheduled"),
        "case when is_scheduled then scheduled_visit end",
        "visit",
    ),
    Rows(
        "fct_observation",
        "concept_id",
        "coalesce(observed_date_iso, time_days::varchar)",
        (
            "comparator",
            "value_canonical",
            "lower_limit",
            "upper_limit",
            "coalesce(value_code, if(value_canonical is null and comparator is null, value_text, null))",
        ),
        ("scheduled_visit", "is_visit_value"),
        "case when is_visit_value then scheduled_visit end",
        days="time_days",
    ),
    Rows(
        "fct_antibody_result",
        "coalesce(antibody_id, antibody_source)",
        "concat_ws(' ', assay_id, coalesce(tested_date_iso, time_days::varchar))",
        ("result", "is_positive", "grade"),
        (),
        called="antibody result",
    ),
    Rows(
        "fct_event",
        "event_id",
        "coalesce(event_date_iso, time_days::varchar)",
        ("status",),
        ("time_days",),
        called="sign or event",
    ),
    Rows(
        "fct_treatment",
        "coalesce(treatment_id, treatment_source)",
        "coalesce(start_date_iso, time_days::varchar)",
        ("coalesce(stop_date_iso, stop_days::varchar)", "dose", "dose_unit"),
        (),
        called="treatment",
    ),
    Rows(
        "fct_follow_up",
        "'follow_up'",
        "null",
        ("coalesce(last_seen_date_iso, last_seen_days::varchar)", "status"),
        ("last_seen_days",),
        called="follow-up",
    ),
)


@dataclass(frozen=True, order=True)
class Origin:
    """What a difference traces to: deliveries (with what became of each), correction records, or neither,
    when the same cells are now read differently.
    """

    deliveries: tuple[tuple[str, str], ...] = ()
    records: tuple[str, ...] = ()

    @property
    def is_otherwise(self) -> bool:
        return not self.deliveries and not self.records


def delivery_changes(before: Mapping[str, Load], after: Mapping[str, Load]) -> dict[str, str]:
    """What became of each delivery between the two, by sender/delivery; one that is the same is not named."""
    found = {}
    for name in sorted(before.keys() | after.keys()):
        was, now = before.get(name), after.get(name)
        if was is None:
            found[name] = "added"
        elif now is None:
            found[name] = "withdrawn"
        elif was.content != now.content:
            found[name] = "replaced"
        elif was.load_id != now.load_id:
            found[name] = "read by another mapping"
    return found


def changed_rows(connection: duckdb.DuckDBPyConnection) -> pd.DataFrame:
    """One row per row of a mart that differs: ``table_name``, ``hospital_id``, ``patient_key``, ``item``,
    ``visit_before``, ``visit_after``, ``days_before``, ``days_after``, ``change``, and sender, delivery and
    correction of both sides.
    """
    import pandas as pd

    return pd.concat([connection.execute(_sql(t)).df() for t in TABLES], ignore_index=True)


def _sql(rows: Rows) -> str:
    """Rows that are equal on both sides leave in pairs. Of the rows that are left, two of one patient, item
    and time are one row that changed.
    """
    said = [f"{expression} as said_{i}" for i, expression in enumerate(rows.said)]
    placed = [f"{expression} as placed_{i}" for i, expression in enumerate(rows.placed)]
    same = ["hospital_id", "patient_key", "item", "moment"]
    says = [f"said_{i}" for i in range(len(said))]
    stands = [f"placed_{i}" for i in range(len(placed))]
    alike = [*same, *says, *stands]

    def side(name: str) -> str:
        return (
            f"select *, row_number() over (partition by {', '.join(alike)}) as copy from ("
            f" select hospital_id, patient_key, {rows.item} as item, {rows.at} as moment,"
            f" {', '.join([*said, *placed, f'{rows.visit} as visit', f'{rows.days} as days'])},"
            f" sender_id || '/' || delivery_id as delivery, correction_id from {name}.release.{rows.table})"
        )

    def left_over(one: str, other: str) -> str:
        on = " and ".join(f"x.{c} is not distinct from y.{c}" for c in [*alike, "copy"])
        order = ", ".join([*says, *stands, "delivery"])
        return (
            f"select x.*, row_number() over (partition by {', '.join(f'x.{c}' for c in same)} order by"
            f" {', '.join(f'x.{c}' for c in order.split(', '))}) as nth from {one} as x anti join {other} "
            f"as y on {on}"
        )

    paired = " and ".join(f"a.{c} is not distinct from b.{c}" for c in [*same, "nth"])
    is_said = " and ".join(f"a.{c} is not distinct from b.{c}" for c in says) or "true"
    return f"""
        with was as ({side(BEFORE)}), now as ({side(AFTER)}),
        gone as ({left_over("was", "now")}), come as ({left_over("now", "was")})
        select
            '{rows.table}' as table_name, '{rows.called}' as called,
            coalesce(a.hospital_id, b.hospital_id) as hospital_id,
            coalesce(a.patient_key, b.patient_key) as patient_key,
            coalesce(a.item, b.item) as item, a.visit as visit_before, b.visit as visit_after,
            a.days::double as days_before, b.days::double as days_after,
            case
                when a.hospital_id is null then '{ADDED}'
                when b.hospital_id is null then '{REMOVED}'
                when {is_said} then '{PLACED}'
                else '{CORRECTED}'
            end as change,
            a.delivery as delivery_before, b.delivery as delivery_after,
            a.correction_id as correction_before, b.correction_id as correction_after
        from gone as a full join come as b on {paired}
        order by all
    """


def with_origins(rows: pd.DataFrame, before: Side, after: Side) -> pd.DataFrame:
    """The changed rows with ``origin``."""
    deliveries = delivery_changes(before.loads, after.loads)
    new = rows[rows["delivery_after"].isin(deliveries)]
    brought = new.groupby(["hospital_id", "patient_key", "table_name"])["delivery_after"].agg(
        lambda names: tuple(sorted(set(names)))
    )
    told = rows.astype(object).where(rows.notna(), None).to_dict("records")
    mended: dict[tuple[str, str, str], tuple[str, ...]] = {}
    for row in told:  # a record that moves a row to another day takes one out and brings another
        if row["change"] == ADDED and row["delivery_after"] not in deliveries and (records := _records(row)):
            mended[_of(row)] = tuple(sorted({*mended.get(_of(row), ()), *records}))
    known = _Known(deliveries, brought.to_dict(), mended, _taken_out(before, after))
    return rows.assign(origin=[_origin(row, known) for row in told])


@dataclass(frozen=True)
class _Known:
    """What became of deliveries; by patient and table, which deliveries and records brought rows; by sender,
    the records that take rows out.
    """

    deliveries: Mapping[str, str]
    brought: Mapping[tuple[str, str, str], tuple[str, ...]]
    mended: Mapping[tuple[str, str, str], tuple[str, ...]]
    out: Mapping[str, tuple[str, ...]]


def _of(row: Mapping[str, Any]) -> tuple[str, str, str]:
    return row["hospital_id"], row["patient_key"], row["table_name"]


def _taken_out(before: Side, after: Side) -> dict[str, tuple[str, ...]]:
    """Records that came into force and take rows out, by sender."""
    found: dict[str, tuple[str, ...]] = {}
    for name, record in after.corrections.items():
        was = before.corrections.get(name)
        acted = was is not None and was["status"] in ACTS and was["action"] == record["action"]
        if record["status"] in ACTS and record["action"] in TAKES_OUT and not acted:
            found[record["sender_id"]] = (*found.get(record["sender_id"], ()), name)
    return found


def _origin(row: Mapping[str, Any], known: _Known) -> Origin:
    records = _records(row)
    named = [row[side] for side in ("delivery_after", "delivery_before") if row[side] in known.deliveries]
    if named:
        return Origin(((named[0], known.deliveries[named[0]]),), records if row["delivery_before"] else ())
    if records:
        return Origin((), records)
    if row["change"] == REMOVED:
        sender = str(row["delivery_before"]).partition("/")[0]
        if newer := known.brought.get(_of(row), ()):
            return Origin(tuple((name, known.deliveries[name]) for name in newer))
        return Origin((), known.mended.get(_of(row), ()) or known.out.get(sender, ()))
    return Origin()


def _records(row: Mapping[str, Any]) -> tuple[str, ...]:
    """The records that act on one side only; on both, those of a row that reads otherwise by the same
    record.
    """
    was, now = (_ids(row[f"correction_{side}"]) for side in (BEFORE, AFTER))
    if row["change"] in (CORRECTED, ADDED):
        return tuple(sorted(was ^ now)) or (tuple(sorted(now)) if row["change"] == CORRECTED else ())
    return tuple(sorted(was ^ now)) if row["change"] == PLACED else ()


def _ids(text: str | None) -> set[str]:
    return {part.strip() for part in (text or "").split(",")} - {""}
