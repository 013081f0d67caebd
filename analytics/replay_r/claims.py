"""Every number of a study's results: to be compared with R's, or with the reason why it is not.

Belongs here: which rows and numbers are left out, and the sentences that say why. Does not belong here: how
closely the others must agree (`quantities.py`), R (`*.R`).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import pandas as pd

from analytics import status
from analytics.declared_tests import SHIFT, declared
from analytics.replay_r.quantities import (
    COUNTS,
    KEYS,
    NOT_ABOVE,
    ON_BOUNDARY,
    QUANTITIES,
    Quantities,
    Quantity,
    one,
)
from analytics.study.frames import Record, records
from analytics.study.result_tables import COMPETING, RESULT_TABLES

OURS_COLUMNS = ("result", "row", "quantity", "ours", "agreement", "tolerance", "scale")
NOT_REPLAYED_COLUMNS = ("result", "row", "quantity", "reason")
EVERY = "*"  # every row of a result, or every number of a row that is not among ours

NOT_ESTIMATES = {table.name: table.not_in_r for table in RESULT_TABLES if table.not_in_r}
REPLAYED_KINDS = ("mixed_model", "cox", "recurrent")
ANSWERED = frozenset({status.OK, status.TOO_FEW_EVENTS, status.SINGULAR})
UNKNOWN = "this script has no R for it"
KINDS = {
    "repeated_measures": "analysis of variance of complete courses: this script has no R for it",
    "frailty": "gamma frailty: coxph stops its search for the variance when the likelihood changes by less "
    "than 1e-5 of itself, before its maximum, and so do the estimates that follow from it",
    "fine_gray": COMPETING,
}
LATE_ENTRY = "late entry (left truncation): survdiff and coxphf cannot take it into account"
SAME_NAME = "several analyses of the study share this row's name"
NO_NUMBER = "the row holds no number"
SINGULAR = (
    "singular fit: its maximum lies on a boundary, where lme stops elsewhere on a flat likelihood, and df"
    " depend on what is taken as known; R's log-likelihood is compared, which must not exceed ours by 1e-3"
)
MONOTONE = "monotone likelihood: coxph stops where its iterations end, on the way to infinity"
REFUSED_BY_LME = "the model is {}: lme refuses such a design, or stops elsewhere"
LOWER_LEVEL = "no interval reaches 95 % at these sizes; wilcox.test lowers the level in steps of its own"


@dataclass(frozen=True)
class Claims:
    """``ours``: a row per number to compare; ``not_replayed``: per row or number that is not, the reason."""

    ours: pd.DataFrame
    not_replayed: pd.DataFrame


def claims(results: Mapping[str, pd.DataFrame]) -> Claims:
    """Account for every row of ``results``, the rows of one study in schema results, frames by name."""
    found = _Accounts(results)
    for result, frame in results.items():
        if result not in KEYS and len(frame):
            found.leave_out(result, EVERY, EVERY, NOT_ESTIMATES.get(result, UNKNOWN))
        elif len(frame):
            found.add_rows(result, frame)
    return Claims(
        pd.DataFrame(found.ours, columns=list(OURS_COLUMNS)),
        pd.DataFrame(found.not_replayed, columns=list(NOT_REPLAYED_COLUMNS)),
    )


def row_names(result: str, frame: pd.DataFrame) -> Iterator[tuple[str, Record]]:
    """Rows with the name that the script gives them: their keys, joined by ``|``."""
    if result == "survival_curve":
        of_curve = frame.sort_values("time", kind="stable").groupby(["endpoint", "group_id"], sort=False)
        frame = frame.assign(step=of_curve.cumcount() + 1)
    for row in records(frame):
        yield "|".join(_text(row.get(key)) for key in KEYS[result]), row


def _text(value: object) -> str:
    if value is None:
        return ""
    return f"{value:.15g}" if isinstance(value, float) else str(value)


@dataclass
class _Accounts:
    results: Mapping[str, pd.DataFrame]
    ours: list[tuple[Any, ...]] = field(default_factory=list)
    not_replayed: list[tuple[str, str, str, str]] = field(default_factory=list)

    @cached_property
    def models(self) -> dict[object, Record]:
        return {row["model_id"]: row for row in records(self.results.get("model"))}

    @cached_property
    def truncated(self) -> set[object]:
        """Endpoints to whose times patients may enter late."""
        return {
            row["endpoint"]
            for row in records(self.results.get("study_endpoint"))
            if row.get("left_truncation")
        }

    def leave_out(self, result: str, name: str, quantity: str, reason: str) -> None:
        self.not_replayed.append((result, name, quantity, reason))

    def add_rows(self, result: str, frame: pd.DataFrame) -> None:
        named = list(row_names(result, frame))
        uses = Counter(name for name, _ in named)
        for name, row in named:
            if uses[name] > 1:
                self.leave_out(result, name, EVERY, SAME_NAME)
            else:
                self.add_row(result, name, row)

    def add_row(self, result: str, name: str, row: Record) -> None:
        reason = self.reason(result, row)
        quantities = QUANTITIES[result](row)
        if reason:
            is_compared = self.is_replayed(row) and reason != LATE_ENTRY
            quantities = _compared_nevertheless(result, row, quantities) if is_compared else {}
        is_answered = (row.get("status") or status.OK) in ANSWERED
        compared = 0
        for column, quantity in quantities.items():
            value = row.get(column)
            if value is None and not (quantity.or_none and is_answered):
                continue
            if why := _reason_of_number(result, row, column):
                self.leave_out(result, name, column, why)
                continue
            scale = quantity.scale_of(row, value)
            self.ours.append((result, name, column, value, quantity.agreement, quantity.tolerance, scale))
            compared += 1
        if reason:
            self.leave_out(result, name, EVERY, reason)
        elif not is_answered:
            self.leave_out(result, name, EVERY, f"no answer of ours: {row['status']}")
        elif not compared:
            self.leave_out(result, name, EVERY, NO_NUMBER)

    def is_replayed(self, row: Record) -> bool:
        """Of a row of a model: whether R fits its kind at all."""
        return self.models.get(row.get("model_id"), {}).get("kind") in REPLAYED_KINDS

    def reason(self, result: str, row: Record) -> str:
        """Why a row as a whole is not replayed; empty where it is."""
        test = declared(row.get("test"))
        if test is not None and test.in_r is None:
            return test.not_in_r
        if row.get("endpoint") in self.truncated and result not in ("cumulative_incidence", "gray_test"):
            model = self.models.get(row.get("model_id"), {})
            if model.get("kind", "cox") == "cox":
                return LATE_ENTRY
        if "model_id" not in KEYS[result]:
            return ""
        model = self.models.get(row["model_id"]) or {}
        if not self.is_replayed(row):
            return KINDS.get(str(model.get("kind")), UNKNOWN)
        of_model = model.get("status") or status.OK
        if of_model == status.SINGULAR:
            return SINGULAR
        if of_model == status.MONOTONE_LIKELIHOOD:
            return MONOTONE
        if model["kind"] == "mixed_model" and of_model != status.OK:
            return REFUSED_BY_LME.format(of_model)
        return ""


def _compared_nevertheless(result: str, row: Record, quantities: Quantities) -> Quantities:
    """For a model that R does not repeat: who was counted; for a singular model its log-likelihood too."""
    if result != "model":
        return {}
    kept = {c: quantities[c] for c in COUNTS}
    if row.get("status") == status.SINGULAR:
        kept["log_likelihood"] = Quantity(ON_BOUNDARY, one, agreement=NOT_ABOVE)
    return kept


def _reason_of_number(result: str, row: Record, column: str) -> str:
    test = declared(row.get("test")) if result == "group_comparison" else None
    is_shift = test is not None and test.in_r is not None and test.in_r.agreement == SHIFT
    if is_shift and column in ("ci_low", "ci_high") and "no interval reaches" in str(row.get("note") or ""):
        return LOWER_LEVEL
    return ""
