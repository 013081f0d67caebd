"""What a paper states in words, judged by what a release holds: one verdict and one plain sentence each.

Belongs here: what each kind of statement means in numbers, and the sentence that says what was found. Does
not belong here: reading ``statements.csv`` (``orchestration/registry/published.py``), taking values out of a
release (``statement_evidence.py``).

The kinds, of a variable in one or several groups over visits. The mean and the median both have to show it,
because a few patients can move a mean and a score of many full marks hides in a median.

``rises``
    From each visit to the next, among the patients with a value at both, mean and median do not fall; from
    the first to the last both are higher (the median may stay where it is the highest that there is). Each
    group for itself.
``falls``
    The same the other way round.
``normal``
    At each visit nine of ten patients or more lie within the limits of the variable that ``paper.yml``
    states.
``stable``
    ``normal``, and no visit's median is more than 1.5 times another's.
``below``, ``above``
    At each visit the first group's mean and median lie below (above) the second's.
``below_significantly``
    ``below``, and Welch's t test gives a two-sided p < 0.05 at each visit.
``no_difference``
    In the mixed model of the variable over the visits, the terms of the group and of the group by visit
    have p >= 0.05.
``association``
    Between the patients with and without the endpoint, the stated measure of the variable differs in the
    stated direction, and the exact or asymptotic Mann-Whitney test gives p < 0.05. Patients whose outcome
    is not known are left out.
``kind of relapse``
    More than half of the relapses of the groups that ``paper.yml`` names first show in muscle strength or
    CK (a systemic relapse shows in these and in the skin), and more than half of the other groups' relapses
    show in the skin alone. A relapse shows in CK when it is above its limit and at least 1.5 times the last
    value before, in CMAS when it is at least 5 below the last, in the skin when a sign is recorded at it.
``contradicts Table X``
    The paper's own table says otherwise. No data can hold both; the sentence says what the release gives.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise

import numpy as np
import pandas as pd

from analytics.paper.published import Limits, Measure, PrintedStatement, Statements
from analytics.words.formatting import format_number, format_p

HOLDS, DOES_NOT_HOLD, CONTRADICTED = "holds", "does not hold", "contradicted by the study's own tables"
NOT_JUDGED = "not judged"
LEVEL = 0.05
WITHIN_LIMITS = 0.9
STABLE_RATIO = 1.5
CK_RATIO, CMAS_DROP = 1.5, 5.0


@dataclass(frozen=True)
class Verdict:
    """Whether a statement holds, and the sentence that says what was found."""

    verdict: str
    found: str
    note: str = ""


@dataclass(frozen=True)
class Evidence:
    """What a release holds for statements.

    ``values``: group_id, patient, variable, visit, value.
    ``outcomes``: group_id, patient, endpoint, happened (missing where it is not known).
    ``relapses``: one row per patient's first relapse, group_id, patient, and what was measured then and last
    before: ck, ck_before, cmas, cmas_before, has_rash. ``terms``: results.mixed_model_term; ``summaries``:
    results.baseline_summary. ``labels``: a name by id.
    """

    values: pd.DataFrame
    outcomes: pd.DataFrame
    relapses: pd.DataFrame
    terms: pd.DataFrame
    summaries: pd.DataFrame
    visits: Sequence[str]
    labels: Mapping[str, str] = field(default_factory=dict)

    def name(self, of: str) -> str:
        return self.labels.get(of, of)

    def at(self, variable: str, group: str, visit: str) -> pd.DataFrame:
        """Patients with a value: ``value``, indexed by patient."""
        rows = self.values
        chosen = rows[(rows["variable"] == variable) & (rows["group_id"] == group) & (rows["visit"] == visit)]
        return chosen.dropna(subset=["value"]).set_index("patient")


class CannotJudge(ValueError):
    """The release lacks what the statement is about; the text says what."""


def judge(
    statement: PrintedStatement, evidence: Evidence, stated: Statements, model_of: Callable[[str], str] = str
) -> Verdict:
    """The verdict on one statement; ``stated`` is what paper.yml adds, ``model_of`` names the model of a
    response.
    """
    try:
        if statement.contradicts:
            return _contradiction(statement, evidence, model_of)
        if statement.kind == "association":
            return _association(statement, evidence, stated.measures.get(statement.statement_id))
        if statement.kind == "no_difference":
            return _no_difference(statement, evidence, model_of)
        if statement.kind == "kind of relapse":
            return _kind_of_relapse(stated.first.get(statement.statement_id, ()), evidence, stated.limits)
        return _over_visits(statement, evidence, stated.limits)
    except CannotJudge as missing:
        return Verdict(NOT_JUDGED, f"Not judged: {missing}.")


# ---------------------------------------------------------------- courses


def _over_visits(statement: PrintedStatement, evidence: Evidence, limits: Mapping[str, Limits]) -> Verdict:
    """The kinds that look at each group, or at a pair, visit by visit."""
    visits = list(evidence.visits) if statement.visits == ("all",) else list(statement.visits)
    variable = statement.variables[0]
    if statement.kind in ("rises", "falls"):
        sign = 1.0 if statement.kind == "rises" else -1.0
        parts = [_course(evidence, variable, group, visits, sign) for group in statement.groups]
    elif statement.kind in ("normal", "stable"):
        within = _limits(limits, variable)
        of = _normal if statement.kind == "normal" else _stable
        parts = [of(evidence, variable, group, visits, within) for group in statement.groups]
    else:
        parts = [_pair(evidence, variable, statement.groups, visits, statement.kind)]
    holds = all(part_holds for part_holds, _ in parts)
    return Verdict(HOLDS if holds else DOES_NOT_HOLD, " ".join(text for _, text in parts))


Part = tuple[bool, str]


def _course(evidence: Evidence, variable: str, group: str, visits: list[str], sign: float) -> Part:
    against, compared = [], []
    for first, second in pairwise(visits):
        before, after = _at_both(evidence, variable, group, first, second)
        moves = [sign * (float(of(after)) - float(of(before))) for of in (np.mean, np.median)]
        step = f"from {evidence.name(first)} to {evidence.name(second)}"
        if min(moves) < 0:
            against.append(step)
        elif sign * (_mean(evidence, variable, group, second) - _mean(evidence, variable, group, first)) < 0:
            compared.append(
                f"the {len(before)} patients with both visits go {_round(before.mean())} → "
                f"{_round(after.mean())} {step}"
            )
    before, after = _at_both(evidence, variable, group, visits[0], visits[-1])
    mean_moves = sign * (float(after.mean()) - float(before.mean())) > 0
    median_moves = (
        sign * (float(np.median(after)) - float(np.median(before))) > 0 or np.median(after) == after.max()
    )
    holds = not against and mean_moves and bool(median_moves)
    verb = "rises" if sign > 0 else "falls"
    text = (
        f"In {evidence.name(group)} the mean goes {_means(evidence, variable, group, visits)}"
        f" (median {_medians(evidence, variable, group, visits)})"
    )
    if len(visits) == 2:
        text += f"; {_changed(before, after, sign)}"
    if compared:
        text += f"; {' and '.join(compared)}"
    if against:
        text += f"; among patients with both visits it does not keep to this {' and '.join(against)}"
    elif not holds:
        text += f"; from the first to the last visit it no longer {verb}"
    return holds, text + "."


def _at_both(
    evidence: Evidence, variable: str, group: str, first: str, second: str
) -> tuple[np.ndarray, np.ndarray]:
    """Values of the patients that have both, in one order."""
    a, b = (evidence.at(variable, group, visit)["value"] for visit in (first, second))
    both = a.index.intersection(b.index)
    if both.empty:
        raise CannotJudge(
            f"no patient of {evidence.name(group)} has {evidence.name(variable)} at"
            f" {evidence.name(first)} and {evidence.name(second)}"
        )
    return a.loc[both].to_numpy(dtype=float), b.loc[both].to_numpy(dtype=float)


def _changed(before: np.ndarray, after: np.ndarray, sign: float) -> str:
    moved = int((sign * (after - before) > 0).sum())
    return (
        f"{moved} of {len(before)} patients with both values {'rise' if sign > 0 else 'fall'}"
        f" (Wilcoxon's signed-rank test, {_p(_signed_rank_p(after - before))})"
    )


def _signed_rank_p(change: np.ndarray) -> float:
    from scipy import stats

    moved = change[change != 0]
    return 1.0 if len(moved) == 0 else float(stats.wilcoxon(moved).pvalue)


def _limits(limits: Mapping[str, Limits], variable: str) -> Limits:
    if variable not in limits:
        raise CannotJudge(f"paper.yml does not say under statements.limits what is normal of {variable}")
    return limits[variable]


def _normal(evidence: Evidence, variable: str, group: str, visits: list[str], limits: Limits) -> Part:
    parts, holds = [], True
    for visit in visits:
        values = _values(evidence, variable, group, visit)
        inside = int(((values >= limits.low) & (values <= limits.high)).sum())
        holds &= inside >= WITHIN_LIMITS * len(values)
        parts.append(
            f"{inside} of {len(values)} at {evidence.name(visit)} (median {_round(np.median(values))})"
        )
    return holds, (
        f"Of {evidence.name(group)}, {', '.join(parts)} lie within {limits.low:g} to {limits.high:g}."
    )


def _stable(evidence: Evidence, variable: str, group: str, visits: list[str], limits: Limits) -> Part:
    is_normal, text = _normal(evidence, variable, group, visits, limits)
    medians = [float(np.median(_values(evidence, variable, group, visit))) for visit in visits]
    ratio = max(medians) / min(medians) if min(medians) > 0 else np.inf
    return is_normal and ratio <= STABLE_RATIO, f"{text} The highest median is {ratio:.2f} times the lowest."


def _values(evidence: Evidence, variable: str, group: str, visit: str) -> np.ndarray:
    values = evidence.at(variable, group, visit)["value"].to_numpy(dtype=float)
    if not len(values):
        raise CannotJudge(
            f"{evidence.name(group)} has no {evidence.name(variable)} at {evidence.name(visit)}"
        )
    return values


def _pair(evidence: Evidence, variable: str, groups: Sequence[str], visits: list[str], kind: str) -> Part:
    """``below``, ``above`` and ``below_significantly`` of two groups at each visit."""
    sign = -1.0 if kind.startswith("below") else 1.0
    parts, against = [], []
    for visit in visits:
        a, b = (_values(evidence, variable, group, visit) for group in groups)
        p = _welch_p(a, b)
        means, medians = (a.mean(), b.mean()), (np.median(a), np.median(b))
        apart = all(sign * (own - other) > 0 for own, other in (means, medians))
        if not apart or (kind == "below_significantly" and not p < LEVEL):
            against.append(evidence.name(visit))
        parts.append(
            f"{_round(means[0])} and {_round(means[1])} at {evidence.name(visit)}"
            f" (medians {_round(medians[0])} and {_round(medians[1])}, Welch's t test {_p(p)})"
        )
    text = f"Means of {evidence.name(groups[0])} and {evidence.name(groups[1])}: {'; '.join(parts)}."
    return not against, text + (f" Not so at {', '.join(against)}." if against else "")


def _welch_p(a: np.ndarray, b: np.ndarray) -> float:
    from scipy import stats

    if min(len(a), len(b)) < 2 or np.ptp(a) == np.ptp(b) == 0:
        return float("nan")
    return float(stats.ttest_ind(a, b, equal_var=False).pvalue)


# ---------------------------------------------------------------- models, relapse


def _no_difference(
    statement: PrintedStatement, evidence: Evidence, model_of: Callable[[str], str]
) -> Verdict:
    variable = statement.variables[0]
    found = {term: _term_p(evidence, model_of(variable), term) for term in ("group", "group_by_time")}
    holds = all(p >= LEVEL for p in found.values())
    text = (
        f"The mixed model of {evidence.name(variable)} gives {_p(found['group'])} for the group and"
        f" {_p(found['group_by_time'])} for the group by visit."
    )
    return Verdict(HOLDS if holds else DOES_NOT_HOLD, text)


def _term_p(evidence: Evidence, model: str, term: str) -> float:
    rows = evidence.terms
    if len(rows):
        rows = rows[(rows["model_id"] == model) & (rows["term"] == term) & rows["p_value"].notna()]
    if not len(rows):
        raise CannotJudge(f"the release has no p value of term {term} in model {model}")
    return float(rows["p_value"].iloc[0])


def _association(statement: PrintedStatement, evidence: Evidence, measure: Measure | None) -> Verdict:
    if measure is None:
        raise CannotJudge(
            f"paper.yml does not say under statements.measures what of {statement.statement_id} to compare"
        )
    variable, endpoint = statement.variables
    group = statement.groups[0]
    numbers = _measured(evidence, variable, group, measure)
    outcomes = evidence.outcomes
    of_group = outcomes[(outcomes["group_id"] == group) & (outcomes["endpoint"] == endpoint)].dropna(
        subset=["happened"]
    )
    happened = of_group.set_index("patient")["happened"].astype(bool)
    both = numbers.index.intersection(happened.index)
    yes, no = (numbers.loc[both][happened.loc[both] == flag].to_numpy(dtype=float) for flag in (True, False))
    if not len(yes) or not len(no):
        raise CannotJudge(
            f"{evidence.name(group)} has no patient {'with' if not len(yes) else 'without'} {endpoint}"
            f" and a value of {evidence.name(variable)}"
        )
    p = _rank_p(yes, no)
    sign = 1.0 if measure.with_endpoint == "higher" else -1.0
    holds = sign * (np.median(yes) - np.median(no)) > 0 and p < LEVEL
    what = _what(evidence, variable, measure)
    show = (lambda x: f"{100 * x:.0f} %") if measure.measure == "fall" else _round
    text = (
        f"{what} is {show(float(np.median(yes)))} (median) in the {len(yes)} patients of "
        f"{evidence.name(group)} with {evidence.name(endpoint).lower()} and {show(float(np.median(no)))} in "
        f"the {len(no)} without (Mann-Whitney, {_p(p)})."
    )
    return Verdict(HOLDS if holds else DOES_NOT_HOLD, text)


def _measured(evidence: Evidence, variable: str, group: str, measure: Measure) -> pd.Series:
    """By patient: the value at the last of the measure's visits, or the share of the first that is gone by
    then.
    """
    last = evidence.at(variable, group, measure.visits[-1])["value"].astype(float)
    if measure.measure == "level":
        return last
    first = evidence.at(variable, group, measure.visits[0])["value"].astype(float)
    both = first.index.intersection(last.index)
    return 1.0 - last.loc[both] / first.loc[both]


def _what(evidence: Evidence, variable: str, measure: Measure) -> str:
    if measure.measure == "level":
        return f"{evidence.name(variable)} at {evidence.name(measure.visits[-1])}"
    return (
        f"The fall of {evidence.name(variable)} from {evidence.name(measure.visits[0])} to"
        f" {evidence.name(measure.visits[-1])}"
    )


def _rank_p(a: np.ndarray, b: np.ndarray) -> float:
    """Mann-Whitney: exact below 50 values without ties, as R's wilcox.test."""
    from scipy import stats

    pooled = np.concatenate([a, b])
    exact = len(pooled) < 50 and len(np.unique(pooled)) == len(pooled)
    return float(stats.mannwhitneyu(a, b, method="exact" if exact else "asymptotic").pvalue)


def _kind_of_relapse(first: Sequence[str], evidence: Evidence, limits: Mapping[str, Limits]) -> Verdict:
    rows = evidence.relapses
    if not first:
        raise CannotJudge(
            "paper.yml does not say under statements.first whose relapses differ from the others'"
        )
    if not len(rows):
        raise CannotJudge("the release has no relapse at which anything was measured")
    own = rows["group_id"].isin(first)
    muscle, skin = (
        shows_in_muscle(rows, _limits(limits, "ck").high),
        rows["has_rash"].fillna(False).astype(bool),
    )
    mainly_muscle = int(muscle[own].sum()), int(own.sum())
    mainly_skin = int((skin & ~muscle)[~own].sum()), int((~own).sum())
    holds = all(2 * count > n for count, n in (mainly_muscle, mainly_skin))
    names = " and ".join(evidence.name(group) for group in first)
    silent = int((~muscle & ~skin).sum())
    text = (
        f"{mainly_muscle[0]} of {mainly_muscle[1]} relapses of {names} show in CMAS or CK "
        f"({int((muscle & skin)[own].sum())} of them in the skin too); {mainly_skin[0]} of {mainly_skin[1]} "
        "of the others show in the skin alone."
    )
    return Verdict(
        HOLDS if holds else DOES_NOT_HOLD,
        text + (f" {silent} {'shows' if silent == 1 else 'show'} in neither." if silent else ""),
    )


def shows_in_muscle(relapses: pd.DataFrame, ck_upper: float) -> pd.Series:
    """Whether each relapse shows in CK or CMAS."""
    ck_up = (relapses["ck"] > ck_upper) & (relapses["ck"] >= CK_RATIO * relapses["ck_before"])
    cmas_down = relapses["cmas"] <= relapses["cmas_before"] - CMAS_DROP
    return ck_up | cmas_down


def _contradiction(
    statement: PrintedStatement, evidence: Evidence, model_of: Callable[[str], str]
) -> Verdict:
    found = [
        text
        for variable in statement.variables
        if (
            text := _term_text(evidence, model_of(variable), variable)
            or _counts_text(evidence, variable, statement)
        )
    ]
    if not found:
        raise CannotJudge(f"the release has nothing of what {statement.contradicts} prints of it")
    return Verdict(
        CONTRADICTED, f"{statement.contradicts} says otherwise. The release gives {', and '.join(found)}."
    )


def _term_text(evidence: Evidence, model: str, variable: str) -> str:
    try:
        return (
            f"{_p(_term_p(evidence, model, 'group'))} for the group in the mixed model of "
            f"{evidence.name(variable)}"
        )
    except CannotJudge:
        return ""


def _counts_text(evidence: Evidence, variable: str, statement: PrintedStatement) -> str:
    rows = evidence.summaries
    if not len(rows):
        return ""
    table = (statement.contradicts or "").removeprefix("Table ").split(" ")[0]
    rows = rows[(rows["variable"] == variable) & (rows["table_id"] == table)].set_index("group_id")
    shown = [
        f"{rows.loc[group, 'display']} in {evidence.name(group)}"
        for group in statement.groups
        if group in rows.index
    ]
    return " and ".join(shown)


# ---------------------------------------------------------------- words


def _means(evidence: Evidence, variable: str, group: str, visits: list[str]) -> str:
    return " → ".join(_round(_mean(evidence, variable, group, visit)) for visit in visits)


def _mean(evidence: Evidence, variable: str, group: str, visit: str) -> float:
    return float(evidence.at(variable, group, visit)["value"].mean())


def _medians(evidence: Evidence, variable: str, group: str, visits: list[str]) -> str:
    return " → ".join(
        _round(float(evidence.at(variable, group, visit)["value"].median())) for visit in visits
    )


def _round(value: float) -> str:
    """Three significant digits, whole numbers from 100 on."""
    return format_number(float(value), 0 if abs(value) >= 100 else 1 if abs(value) >= 10 else 2)


def _p(p: float) -> str:
    if np.isnan(p):
        return "no p value"
    text = format_p(p)
    return f"p {text}" if text.startswith("<") else f"p = {text}"
