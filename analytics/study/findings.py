"""What a study's numbers can and cannot say, in sentences drawn from the results.

Belongs here: rules that look at results and cohort and speak. Does not belong here: estimates.
"""

from __future__ import annotations

from collections.abc import Iterator

import pandas as pd

from analytics.status import OK
from analytics.study.cohort import Cohort, people
from analytics.words.wording import adjustment_words

# what an adjustment promises about those results that remain at 0.05
FALSE_SHARE = (
    "The adjustment keeps the expected share of false findings among those that remain at 5% at most."
)
NO_FALSE_ONE = (
    "The adjustment keeps the chance of even one false finding among those that remain at 5% at most."
)
CONTROLS = dict.fromkeys(("BH", "BY"), FALSE_SHARE) | dict.fromkeys(
    ("holm", "hochberg", "hommel", "bonferroni"), NO_FALSE_ONE
)
EVENTS_PER_GROUP = 5
SMALL_GROUP = 20
VALUES_TOLD = 20
Finding = tuple[str, str]


def find(cohort: Cohort, results: dict[str, pd.DataFrame]) -> pd.DataFrame:
    """One row per finding: position, topic, text."""
    rules = (
        _groups_apart,
        _counted_twice,
        _lost,
        _few_events,
        _models,
        _censored,
        _multiplicity,
        _small_groups,
        _skewed,
        _missing,
        _unseen,
    )
    rows = [found for rule in rules for found in rule(cohort, results)]
    return pd.DataFrame(
        [{"position": i, "topic": topic, "text": text} for i, (topic, text) in enumerate(rows)],
        columns=["position", "topic", "text"],
    )


def _groups_apart(cohort: Cohort, results: dict[str, pd.DataFrame]) -> Iterator[Finding]:
    """Groups that never share a hospital: their comparison is also one of hospitals."""
    hospitals = cohort.members.groupby("group_id")["hospital_id"].agg(lambda h: frozenset(h))
    labels = {g: s.label for g, s in cohort.study.groups.items()}
    for table in cohort.study.tables:
        for group in table.groups:
            mine, other = hospitals.get(table.reference), hospitals.get(group)
            if group != table.reference and mine and other and not mine & other:
                yield (
                    "confounding",
                    f"Table {table.table_id}: every {labels[table.reference]} patient is from "
                    f"{_listed(mine, cohort)} and every {labels[group]} patient from "
                    f"{_listed(other, cohort)}. A difference between these groups is also a difference "
                    "between hospitals (laboratories, habits, referral), and the data cannot tell the two "
                    "apart.",
                )


def _counted_twice(cohort: Cohort, results: dict[str, pd.DataFrame]) -> Iterator[Finding]:
    links = cohort.frames.get("patient_link")
    if links is None or links.empty:
        return
    n = int(people(cohort.members, links).duplicated().sum())
    if n:
        yield (
            "linkage",
            f"{n} of {len(cohort.members)} rows of the cohort are a person who also counts at another"
            " hospital (linked by an identifier that both send). The analyses take them for different people;"
            " one_row_per_person: true in the study file counts each once.",
        )


def _lost(cohort: Cohort, results: dict[str, pd.DataFrame]) -> Iterator[Finding]:
    for spec in cohort.study.survival:
        times = cohort.time_to(spec.endpoint)
        lost = times[~times["outcome_known"].astype(bool)]
        endpoint = cohort.study.endpoints[spec.endpoint]
        enough = endpoint.counted_from_months
        counted = "" if enough is None else f" (unless seen without the event for {enough:g} months)"
        for group, part in lost.groupby("group_id"):
            n = int((times["group_id"] == group).sum())
            yield (
                "follow-up",
                f"{cohort.study.groups[group].label}: {len(part)} of {n} were not followed for the "
                f"{endpoint.horizon_months:g} months of endpoint {spec.endpoint} ({_last_seen(part)}). They "
                f"count in the curve up to then, and as missing where a table counts the endpoint{counted}. "
                "If they were more likely to have the event than those who stayed, the curve shows it too "
                "seldom; if less likely, too often.",
            )


def _few_events(cohort: Cohort, results: dict[str, pd.DataFrame]) -> Iterator[Finding]:
    medians = results.get("survival_median", pd.DataFrame())
    for row in medians.to_dict("records"):
        if row["events"] < EVENTS_PER_GROUP:
            yield (
                "few events",
                f"{cohort.study.groups[row['group_id']].label}: {int(row['events'])} "
                f"event{'s' if row['events'] != 1 else ''} in {int(row['n'])} patients. A hazard ratio "
                "against this group rests on so little that ordinary Cox regression overstates what is "
                "known; read Firth's penalised estimate with its profile interval.",
            )


def _models(cohort: Cohort, results: dict[str, pd.DataFrame]) -> Iterator[Finding]:
    for row in results.get("model", pd.DataFrame()).to_dict("records"):
        if row["status"] != OK:
            yield "model", f"{row['title']}: {row['status'].replace('_', ' ')}. {row['note']}".strip()


def _censored(cohort: Cohort, results: dict[str, pd.DataFrame]) -> Iterator[Finding]:
    for table in cohort.study.tables:
        for row in table.rows:
            variable = cohort.study.variables[row.variable]
            if variable.censored == "exclude":
                continue
            values = cohort.value(row.variable, table.at).merge(
                cohort.of(table.groups)[["patient"]], on="patient"
            )
            n = int(values["is_censored"].sum())
            if n and variable.censored == "bounds":
                all_of_them = int((values["is_censored"] | values["value"].notna()).sum())
                yield (
                    "detection limits",
                    f"Table {table.table_id}, {variable.label}: {n} of {all_of_them} values lie beyond a "
                    "detection limit. They stay bounds: quartiles and test take them as what is known of "
                    "them.",
                )
            elif n:
                yield (
                    "detection limits",
                    f"Table {table.table_id}, {variable.label}: {n} of "
                    f"{int(values['value'].notna().sum())} values lie beyond a detection limit and enter "
                    f"the table as {'the limit' if variable.censored == 'limit' else 'half the limit'}, "
                    "because the study file says so. A mean or quartile at the limit is no measurement.",
                )


def _multiplicity(cohort: Cohort, results: dict[str, pd.DataFrame]) -> Iterator[Finding]:
    comparisons = results.get("group_comparison", pd.DataFrame())
    for table in cohort.study.tables:
        mine = comparisons[comparisons["table_id"] == table.table_id]
        n = int(mine["p_value"].notna().sum())
        nominal, kept = int((mine["p_value"] < 0.05).sum()), int((mine["p_adjusted"] < 0.05).sum())
        if nominal > kept:
            yield (
                "multiplicity",
                f"Table {table.table_id}: {nominal} of {n} p values are below 0.05, where about "
                f"{0.05 * n:.1f} would be if no group differed; {kept} remain{'s' if kept == 1 else ''} "
                f"below it after adjustment ({adjustment_words(table.adjust)}). {CONTROLS[table.adjust]} "
                f"That the other {nominal - kept} do not remain shows neither that they are chance nor that "
                "they are not.",
            )


def _small_groups(cohort: Cohort, results: dict[str, pd.DataFrame]) -> Iterator[Finding]:
    sizes = cohort.members["group_id"].value_counts()
    small = [
        f"{s.label} {sizes.get(g, 0)}"
        for g, s in cohort.study.groups.items()
        if sizes.get(g, 0) < SMALL_GROUP
    ]
    if small:
        yield (
            "size",
            f"Groups below {SMALL_GROUP} patients: {', '.join(small)}. An absence of a difference here is "
            "not evidence of equality; read the intervals.",
        )


def _skewed(cohort: Cohort, results: dict[str, pd.DataFrame]) -> Iterator[Finding]:
    """A response whose standard deviation exceeds its mean is not what a normal model of the raw values
    expects.
    """
    means = results.get("trajectory_mean", pd.DataFrame())
    for model in cohort.study.mixed_models:
        if model.transform != "none" or means.empty:
            continue
        mine = means[
            (means["response"] == model.response) & means["group_id"].isin(model.groups) & means["sd"].notna()
        ]
        wide = int((mine["sd"] > mine["mean"]).sum())
        if wide and (mine["mean"] > 0).all():
            yield (
                "scale",
                f"{model.title}: in {wide} of {len(mine)} groups' visits the standard deviation exceeds the "
                "mean, which a normal model of values that cannot be negative does not expect; a model of "
                "the logarithm is the safer reading.",
            )


def _missing(cohort: Cohort, results: dict[str, pd.DataFrame]) -> Iterator[Finding]:
    summaries = results.get("baseline_summary", pd.DataFrame())
    if len(summaries):
        gaps = summaries[summaries["n_missing"] > 0]
        n = gaps[["table_id", "variable"]].drop_duplicates().shape[0]
        if n:
            yield (
                "missing values",
                f"{n} rows of the tables rest on fewer patients than the column headers say; each row's n "
                "stands beside it. A table leaves a patient without a value out: that is right if, within "
                "a group, they are like the others, which the data cannot show.",
            )


def _unseen(cohort: Cohort, results: dict[str, pd.DataFrame]) -> Iterator[Finding]:
    """Values that a group or a variable asks for and no patient has: a misspelt one counts 0, as a rare one
    does.
    """
    for (section, name, *_), column, value in cohort.study.values_named():
        seen = pd.Series(cohort.patients[column].dropna().explode().unique()).astype("string")
        if value not in set(seen):
            what = cohort.study.groups[name] if section == "groups" else cohort.study.variables[name]
            there = ", ".join(f'"{v}"' for v in sorted(seen)[:VALUES_TOLD]) or "none"
            more = f" and {len(seen) - VALUES_TOLD} more" if len(seen) > VALUES_TOLD else ""
            yield (
                "values not seen",
                f'{what.label} asks for {column} "{value}", which no patient of this release has, so it '
                f"counts nobody. Values of {column} in this release: {there}{more}.",
            )


def _listed(hospitals: frozenset[str], cohort: Cohort) -> str:
    return " or ".join(cohort.hospital_names.get(h, h) for h in sorted(hospitals))


def _last_seen(lost: pd.DataFrame) -> str:
    seen = lost["time_months"].dropna()
    return f"last seen after {_months(seen)}" if len(seen) else "their time never began"


def _months(values: pd.Series) -> str:
    low, high = values.min(), values.max()
    return f"{low:.0f} months" if round(low) == round(high) else f"{low:.0f} to {high:.0f} months"
