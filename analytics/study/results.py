"""From a study file and a release's tables to the tables of schema `results`.

Belongs here: which estimate of `analytics` answers which part of a study file, and the rows it becomes. Does
not belong here: which tables there are (`result_tables.py`), a formula, reading or writing files, what a
table looks like.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from analytics.declared_tests import ORDERED_TIMES, TIME_TO_EVENT, statistical_tests
from analytics.status import TOO_FEW_OBSERVATIONS
from analytics.study.cohort import Cohort, Frames, build_cohort, scaled
from analytics.study.events import (
    competing_risks,
    entry_of,
    is_followed,
    recurrent_events,
    restricted_means,
    times,
    with_reason,
    with_terms,
)
from analytics.study.file import CoxModel, MixedModel, RepeatedMeasures, Study, SurvivalAnalysis
from analytics.study.findings import find
from analytics.study.members import members_of_analyses
from analytics.study.parts import chinese
from analytics.study.reads import MODELS
from analytics.study.sensitivity import answer
from analytics.study.strata import curves_by_stratum, note_in_words, who_is_in_a_stratum
from analytics.words.formatting import format_p

if TYPE_CHECKING:
    from analytics.repeated_measures import RepeatedMeasuresAnova

Results = dict[str, pd.DataFrame]
log = logging.getLogger("myositis")


def run_study(study: Study, frames: Frames) -> Results:
    """All results of a study from the tables of a release (one data frame each, under its own name)."""
    return run_steps(build_cohort(study, frames), STEPS)


def run_steps(cohort: Cohort, steps: Sequence[Callable[[Cohort], Results]]) -> Results:
    """The results of these steps, with the answers and findings that follow from them."""
    study = cohort.study
    results: Results = {}
    for step in steps:
        log.debug("results: %s of study %s", step.__name__.replace("_", " "), study.study)
        for name, frame in step(cohort).items():
            results[name] = _stack([results[name], frame]) if name in results else frame
    results |= {name: _with_chinese(study, name, frame) for name, frame in results.items()}
    results |= answer(cohort, results)
    return results | {"finding": find(cohort, results)}


def _with_chinese(study: Study, name: str, frame: pd.DataFrame) -> pd.DataFrame:
    """A table that names parts of the study file gets ``label_zh`` or ``title_zh`` beside the English text;
    null where the file gives none.
    """
    named: dict[str, tuple[str, dict[str, str]]] = {
        "study_group": ("group_id", {g: spec.label for g, spec in study.groups.items()}),
        "study_variable": ("variable", {v: spec.label for v, spec in study.variables.items()}),
        "study_endpoint": ("endpoint", {e: spec.label for e, spec in study.endpoints.items()}),
        "study_table": ("table_id", {t.table_id: t.title for t in study.tables}),
        "model": ("model_id", {m.model_id: m.title for part in MODELS for m in getattr(study, part)}),
    }
    if not len(frame.columns):
        return frame
    if name == "study":
        texts = pd.Series([chinese(study.title)], index=frame.index)
    elif name in named:
        key, labels = named[name]
        texts = frame[key].map({k: chinese(label) for k, label in labels.items()})
    else:
        return frame
    column = "label_zh" if "label" in frame else "title_zh"
    return frame.assign(**{column: texts.astype("string")})  # a text, also where no row has one


def describe_study(cohort: Cohort) -> Results:
    """study, study_group, study_variable, study_table, cohort_flow."""
    study = cohort.study
    sizes = cohort.members["group_id"].value_counts()
    return {
        "study": pd.DataFrame(
            [
                {
                    "title": study.title,
                    "description": study.description,
                    "origin": study.origin,
                    "declared": study.model_dump_json(),  # so that a release says what it was asked
                }
            ]
        ),
        "study_group": pd.DataFrame(
            [
                {"group_id": g, "label": spec.label, "n": int(sizes.get(g, 0)), "position": i}
                for i, (g, spec) in enumerate(study.groups.items())
            ]
        ),
        "study_variable": pd.DataFrame(
            [
                {"variable": v, "label": spec.label, "unit": spec.unit, "source": spec.source, "position": i}
                for i, (v, spec) in enumerate(study.variables.items())
            ]
        ),
        "study_endpoint": pd.DataFrame(
            [
                {
                    "endpoint": e,
                    "label": spec.label,
                    "horizon_months": spec.horizon_months,
                    "origin": spec.origin,
                    "left_truncation": spec.is_truncated,
                }
                for e, spec in study.endpoints.items()
            ],
            columns=["endpoint", "label", "horizon_months", "origin", "left_truncation"],
        ),
        "study_table": pd.DataFrame(
            [{"table_id": t.table_id, "title": t.title, "position": i} for i, t in enumerate(study.tables)],
            columns=["table_id", "title", "position"],
        ),
        "cohort_flow": _cohort_flow(cohort),
    }


def list_members(cohort: Cohort) -> Results:
    """cohort_member."""
    return {"cohort_member": members_of_analyses(cohort)}


def compare_groups(cohort: Cohort) -> Results:
    """baseline_summary and group_comparison of every table of the study."""
    from analytics.baseline.table_one import VariableSpec, table_one

    study = cohort.study
    summaries: list[pd.DataFrame] = []
    comparisons: list[pd.DataFrame] = []
    for table in study.tables:
        members = cohort.of(table.groups)
        wide = members[["patient", "group_id"]].copy()
        specs = []
        for row in table.rows:
            variable = study.variables[row.variable]
            columns, bounds = {"value": row.variable}, None
            values = cohort.value(row.variable, table.at)[["patient", "value"]]
            values["value"] = scaled(values["value"], row.transform)
            if variable.censored == "bounds":
                bounds = (f"{row.variable} lower", f"{row.variable} upper")
                values, columns = (
                    cohort.bounds(row.variable, table.at),
                    dict(zip(("lower", "upper"), bounds)),
                )
            wide = wide.merge(values.rename(columns=columns), on="patient")
            specs.append(
                VariableSpec(
                    name=row.variable,
                    kind=row.summary,
                    test=row.test,
                    tests=row.tests,
                    decimals=variable.decimals,
                    bounds=bounds,
                    overall=row.overall,
                )
            )
        pairs = [(table.reference, g) for g in table.groups if g != table.reference]
        summary, comparison = table_one(
            wide,
            specs,
            group="group_id",
            groups=table.groups,
            comparisons=pairs,
            adjust=table.adjust,
            table_id=table.table_id,
        )
        position = {row.variable: i for i, row in enumerate(table.rows)}
        said = {row.variable: _of_the_scale(row.transform) for row in table.rows if row.transform != "none"}
        for frame, all_tables in ((summary, summaries), (comparison, comparisons)):
            note = [
                f"{said[v]} {n}".strip() if v in said else n
                for v, n in zip(frame["variable"], frame["note"], strict=True)
            ]
            all_tables.append(frame.assign(position=frame["variable"].map(position), note=note))
    return {"baseline_summary": _stack(summaries), "group_comparison": _stack(comparisons)}


def fit_mixed_models(cohort: Cohort) -> Results:
    """model, mixed_model_term, mixed_model_parameter, visit_contrast, marginal_mean, trajectory_mean,
    trajectory_patient.
    """
    study = cohort.study
    out: dict[str, list[pd.DataFrame]] = {
        n: []
        for n in ("model", "mixed_model_term", "mixed_model_parameter", "visit_contrast", "marginal_mean")
    }
    for spec in study.mixed_models:
        for name, frame in _mixed_model(spec, cohort).items():
            out[name].append(frame)
    return {name: _stack(parts) for name, parts in out.items()}


def fit_repeated_measures(cohort: Cohort) -> Results:
    """Rows of model and mixed_model_term for the analyses of variance."""
    found = [_repeated_measures(spec, cohort) for spec in cohort.study.repeated_measures]
    return {name: _stack([f[name] for f in found]) for name in ("model", "mixed_model_term") if found}


def trajectories(cohort: Cohort) -> Results:
    """What the figures draw: each patient's line, and each group's mean by visit."""
    study = cohort.study
    schedule = cohort.frames["visit_schedule"].set_index("scheduled_visit")["nominal_month"]
    patients, means = [], []
    for response in dict.fromkeys(m.response for m in study.mixed_models):
        visits = next(m.visits for m in study.mixed_models if m.response == response)
        long = cohort.over_visits(response, visits).dropna(subset=["value"])
        long = long.assign(response=response, nominal_month=long["visit"].map(schedule))
        line = {p: i for i, p in enumerate(dict.fromkeys(long["patient"]), start=1)}
        patients.append(
            long.assign(line=long["patient"].map(line), time_months=long["nominal_month"]).drop(
                columns="patient"
            )
        )
        means += [
            {
                "response": response,
                "group_id": g,
                "visit": v,
                "nominal_month": schedule[v],
                **_moments(part["value"]),
            }
            for (g, v), part in long.groupby(["group_id", "visit"], sort=False)
        ]
    return {"trajectory_patient": _stack(patients), "trajectory_mean": pd.DataFrame(means)}


def estimate_survival(cohort: Cohort) -> Results:
    """survival_curve, survival_at_risk, survival_median, log_rank, restricted_mean."""
    study = cohort.study
    out: dict[str, list[pd.DataFrame]] = {
        n: []
        for n in (
            "survival_curve",
            "survival_at_risk",
            "survival_median",
            "survival_by_stratum",
            "log_rank",
            "restricted_mean",
        )
    }
    for spec in study.survival:
        for name, frame in _survival(spec, cohort).items():
            out[name].append(frame.assign(endpoint=spec.endpoint))
    return {name: _stack(parts) for name, parts in out.items()}


def fit_cox_models(cohort: Cohort) -> Results:
    """cox_term, and the rows of model for the Cox models."""
    study = cohort.study
    terms, models = [], []
    for spec in study.cox:
        term, model = _cox(spec, cohort)
        terms.append(term)
        models.append(model)
    return {"cox_term": _stack(terms), "model": _stack(models)}


def analyse_further_events(cohort: Cohort) -> Results:
    """cumulative_incidence, gray_test, and rows of cox_term and model."""
    parts = [competing_risks(spec, cohort) for spec in cohort.study.competing_risks]
    parts += [recurrent_events(spec, cohort) for spec in cohort.study.recurrent_events]
    names = dict.fromkeys(["cumulative_incidence", "gray_test", *(name for part in parts for name in part)])
    return {name: _stack([part[name] for part in parts if name in part]) for name in names}


def stamp(results: Results, study_id: str, release_id: str) -> Results:
    """Every row carries its study and release."""
    stamped = {}
    for name, frame in results.items():
        frame = frame.copy()
        frame.insert(0, "release_id", release_id)
        frame.insert(0, "study_id", study_id)
        stamped[name] = frame
    return stamped


STEPS = (
    describe_study,
    list_members,
    compare_groups,
    fit_mixed_models,
    fit_repeated_measures,
    trajectories,
    estimate_survival,
    fit_cox_models,
    analyse_further_events,
)


# one function per kind of model


def _mixed_model(spec: MixedModel, cohort: Cohort) -> Results:
    from analytics.mixed_model import fit_mixed_model

    schedule = cohort.frames["visit_schedule"].set_index("scheduled_visit")["nominal_month"]
    long = cohort.over_visits(spec.response, spec.visits)
    long = long[long["group_id"].isin(spec.groups)]
    long = long.assign(
        months=long["visit"].map(schedule).astype(float),
        visit_index=long["visit"].map({v: i for i, v in enumerate(spec.visits)}),
        value=scaled(long["value"], spec.transform),
    ).rename(columns={"group_id": "group", "visit": "time"})
    for name in spec.covariates:
        long = long.merge(
            cohort.value(name, spec.visits[0])[["patient", "value"]].rename(columns={"value": name}),
            on="patient",
        )
    fixed = " + ".join(["group * time", *spec.covariates])
    fit = fit_mixed_model(
        long,
        response="value",
        fixed=fixed,
        patient="patient",
        slope=None if spec.random == "intercept" else spec.slope,
        serial=spec.serial,
        serial_time="months" if spec.serial == "car1" else "visit_index",
        method=spec.method,
        contrasts=spec.contrasts,
        factors={"group": spec.groups, "time": spec.visits},
    )
    keys = {"model_id": spec.model_id, "response": spec.response}
    scale = "" if spec.transform == "none" else f" of {spec.transform}({spec.response})"
    model = pd.DataFrame(
        [
            {
                **keys,
                "kind": "mixed_model",
                "title": spec.title,
                "formula_text": f"{spec.response}{scale} ~ {fixed}",
                "method": fit.method,
                "n": fit.n_obs,
                "n_patients": fit.n_patients,
                "n_missing": fit.n_missing,
                "n_events": None,
                "contrasts": fit.coding,
                "random": spec.random,
                "serial": spec.serial,
                "log_likelihood": fit.log_likelihood,
                "aic": fit.aic,
                "bic": fit.bic,
                "status": fit.status,
                "note": fit.note,
            }
        ]
    )
    tests = dict.fromkeys([spec.test, *spec.beside])
    terms = pd.concat([fit.terms(test=t) for t in tests], ignore_index=True)
    terms["term"] = terms["term"].replace({"(Intercept)": "intercept", "group:time": "group_by_time"})
    return {
        "model": model,
        "mixed_model_term": terms.assign(**keys),
        "mixed_model_parameter": fit.parameters.assign(**keys),
        "visit_contrast": fit.contrasts("group", by="time", adjust=spec.adjust).assign(**keys),
        "marginal_mean": fit.marginal_means("group", "time")
        .rename(columns={"group": "group_id", "time": "visit", "mean": "estimate"})
        .assign(**keys),
    }


def _repeated_measures(spec: RepeatedMeasures, cohort: Cohort) -> Results:
    from analytics.repeated_measures import repeated_measures_anova

    long = cohort.over_visits(spec.response, spec.visits)
    long = long[long["group_id"].isin(spec.groups)].assign(value=lambda d: scaled(d["value"], spec.transform))
    fit = repeated_measures_anova(
        long, "value", "group_id" if len(spec.groups) > 1 else None, "visit", visits=spec.visits
    )
    keys = {"model_id": spec.model_id, "response": spec.response}
    scale = "" if spec.transform == "none" else f" of {spec.transform}({spec.response})"
    sphericity = (
        f"Mauchly's W {fit.mauchly_w:.3f}, p {format_p(fit.mauchly_p)}" if np.isfinite(fit.mauchly_p) else ""
    )
    model = pd.DataFrame(
        [
            {
                **keys,
                "kind": "repeated_measures",
                "title": spec.title,
                "formula_text": f"{spec.response}{scale} ~ group * time",
                "method": f"{fit.method}; {spec.test.replace('_', '-')}",
                "n": fit.n * len(spec.visits),
                "n_patients": fit.n,
                "n_missing": fit.n_incomplete,
                "contrasts": "sum",
                "status": fit.status,
                "note": "; ".join(filter(None, (fit.note, sphericity))),
            }
        ]
    )
    terms = _anova_terms(fit, spec.test).assign(
        term=lambda d: d["term"].replace(
            {"(Intercept)": "intercept", "visit": "time", "group:visit": "group_by_time"}
        ),
        test=f"anova_{spec.test}",
        method=fit.method,
        n=fit.n,
        status=fit.status,
        **keys,
    )
    return {"model": model, "mixed_model_term": terms}


def _anova_terms(fit: RepeatedMeasuresAnova, test: str) -> pd.DataFrame:
    """Statistic, df and p of the test asked for; the note of a univariate one holds its effect size."""
    if test == "pillai":
        return fit.multivariate[["term", "statistic", "df_num", "df_den", "p_value"]].assign(
            note=[
                f"Pillai's trace {v:.3f}" if np.isfinite(v) else fit.note for v in fit.multivariate["pillai"]
            ]
        )
    epsilon, p_value = {
        "greenhouse_geisser": ("gg_epsilon", "p_gg"),
        "huynh_feldt": ("hf_epsilon", "p_hf"),
    }.get(test, (None, "p_value"))
    terms = fit.terms
    shrink = terms[epsilon].clip(upper=1).fillna(1.0) if epsilon else 1.0
    # if a correction that was asked for is lacking, there is no p value; terms between patients need none
    lacking = terms["term"].str.contains("visit") & (
        epsilon is not None and fit.status == TOO_FEW_OBSERVATIONS
    )
    return pd.DataFrame(
        {
            "term": terms["term"],
            "statistic": terms["statistic"],
            "df_num": terms["df_num"] * shrink,
            "df_den": terms["df_den"] * shrink,
            "p_value": terms[p_value].fillna(terms["p_value"]).mask(lacking),
            "note": [
                f"Partial eta squared {e:.2f} ({low:.2f} to {high:.2f})" if np.isfinite(e) else fit.note
                for e, low, high in zip(
                    terms["partial_eta_squared"], terms["eta_ci_low"], terms["eta_ci_high"]
                )
            ],
        }
    )


def _of_the_scale(transform: str) -> str:
    named = {
        "log": "natural logarithm",
        "log1p": "natural logarithm of the value plus 1",
        "sqrt": "square root",
    }
    return f"On the scale of the {named[transform]}."


def _survival(spec: SurvivalAnalysis, cohort: Cohort) -> Results:
    from analytics.survival.kaplan_meier import kaplan_meier

    data = times(cohort, spec.endpoint, spec.groups)
    entry = entry_of(data)
    curves = kaplan_meier(
        data, "time", "event", "group_id", levels=spec.groups, entry=entry, times=spec.at_risk_months
    )
    tests = statistical_tests(TIME_TO_EVENT)[spec.weights](
        data,
        "time",
        "event",
        "group_id",
        levels=spec.groups,
        pairwise=spec.pairwise,
        method=spec.method,
        adjust=spec.adjust,
        strata=spec.strata or None,
        entry=entry,
    )
    log_rank = tests.summary.assign(adjustment=spec.adjust)
    return {
        "survival_curve": curves.curve,
        "survival_at_risk": _with_counts(curves.risk_table, curves.curve),
        "survival_median": curves.summary,
        "log_rank": _stack([log_rank, _trend(data, spec.groups)]) if spec.trend else log_rank,
        **({"restricted_mean": restricted_means(spec, data)} if spec.restricted_mean_months else {}),
        "survival_by_stratum": curves_by_stratum(spec, data, cohort.hospital_names),
    }


def _trend(data: pd.DataFrame, groups: list[str]) -> pd.DataFrame:
    """The row of log_rank for the trend over the groups in their order."""
    found = statistical_tests(ORDERED_TIMES)["log_rank_trend"](
        data, "time", "event", "group_id", levels=groups, entry=entry_of(data)
    )
    columns = ("statistic", "df", "p_value", "method", "n", "status", "note")
    return pd.DataFrame(
        [{"scope": "trend", **{c: getattr(found, c) for c in columns}, "events": found.n_events}]
    )


def _with_counts(risk_table: pd.DataFrame, curve: pd.DataFrame) -> pd.DataFrame:
    """The number at risk just before each time, with the events and censorings up to it."""
    so_far = [
        curve[(curve["group_id"] == row.group_id) & (curve["time"] <= row.time)][["events", "censored"]].sum()
        for row in risk_table.itertuples()
    ]
    return risk_table.assign(
        events=[int(c["events"]) for c in so_far], censored=[int(c["censored"]) for c in so_far]
    )


def _cox(spec: CoxModel, cohort: Cohort) -> tuple[pd.DataFrame, pd.DataFrame]:
    from analytics.cox import cox
    from analytics.regression.firth import firth_cox

    data = with_terms(cohort, times(cohort, spec.endpoint, spec.groups), spec.terms)
    factors = {"group": spec.groups} if "group" in spec.terms else {}
    options: dict[str, Any] = {"strata": spec.strata or None, "entry": entry_of(data)} | (
        {"ties": spec.ties} if spec.method == "cox" else {}
    )
    fit = (cox if spec.method == "cox" else firth_cox)(
        data, "time", "event", spec.terms, factors=factors, **options
    )
    keys = {"model_id": spec.model_id, "endpoint": spec.endpoint}
    model = pd.DataFrame(
        [
            {
                **keys,
                "kind": "cox",
                "title": spec.title,
                "formula_text": f"{spec.endpoint} ~ {' + '.join(spec.terms)}",
                "method": fit.method,
                "n": fit.n,
                "n_patients": fit.n,
                "n_events": fit.n_events,
                "status": fit.status,
                "note": f"{note_in_words(fit.note, cohort.study)} {_who_is_where(cohort, spec, data, fit.status)}".strip(),
            }
        ]
    )
    reference = fit.terms["variable"].map({name: levels[0] for name, levels in factors.items()})
    return with_reason(fit.terms, fit.note).assign(reference=reference, **keys), model


def _who_is_where(cohort: Cohort, spec: CoxModel, data: pd.DataFrame, status: str) -> str:
    return who_is_in_a_stratum(data, spec.strata, status, cohort.study, cohort.hospital_names)


# who counts


def _cohort_flow(cohort: Cohort) -> pd.DataFrame:
    study = cohort.study
    parts = [cohort.flow().assign(analysis="cohort")]
    for model in study.mixed_models:
        long = cohort.over_visits(model.response, model.visits)
        long = long[long["group_id"].isin(model.groups)].assign(has=lambda d: d["value"].notna())
        per = long.groupby(["group_id", "patient"])["has"].sum().reset_index()
        rows = []
        for g in model.groups:
            mine = per[per["group_id"] == g]["has"]
            rows += [
                (
                    "counted",
                    g,
                    int((mine > 0).sum()),
                    f"with a value at one visit or more ({int(mine.sum())} values)",
                ),
                ("not counted", g, int((mine == 0).sum()), "without a value at any of the visits"),
            ]
        parts.append(
            pd.DataFrame(rows, columns=["step", "group_id", "n", "reason"]).assign(analysis=model.model_id)
        )
    for spec in study.survival:
        times = cohort.time_to(spec.endpoint)
        origin = cohort.study.endpoints[spec.endpoint].origin
        rows = []
        for g in spec.groups:
            mine = times[times["group_id"] == g]
            rows += [
                (
                    "counted",
                    g,
                    int(is_followed(mine).sum()),
                    "followed from baseline"
                    if origin == "baseline"
                    else f"followed from {origin.replace('_', ' ')}",
                ),
                ("with the event", g, int(mine["is_event"].sum()), "within the horizon"),
            ]
            for reason, n in (
                mine.loc[~mine["is_event"].astype(bool), "censor_reason"].value_counts().sort_index().items()
            ):
                rows.append(("censored", g, int(n), reason))
        parts.append(
            pd.DataFrame(rows, columns=["step", "group_id", "n", "reason"]).assign(analysis=spec.endpoint)
        )
    flow = pd.concat(parts, ignore_index=True)
    flow["position"] = range(len(flow))
    return flow


def _moments(values: pd.Series) -> dict[str, float]:
    """n, mean, SD, t interval of the mean, median and quartiles (type 7)."""
    from scipy import stats

    n, mean, sd = len(values), values.mean(), values.std(ddof=1)
    half = stats.t.ppf(0.975, n - 1) * sd / np.sqrt(n) if n > 1 else np.nan
    q1, median, q3 = values.quantile([0.25, 0.5, 0.75])
    return {
        "n": n,
        "mean": mean,
        "sd": sd,
        "ci_low": mean - half,
        "ci_high": mean + half,
        "median": median,
        "q1": q1,
        "q3": q3,
    }


def _stack(parts: list[pd.DataFrame]) -> pd.DataFrame:
    filled = [p for p in parts if len(p)]
    if not filled:
        return parts[0] if parts else pd.DataFrame()
    return pd.concat([p.dropna(axis=1, how="all") for p in filled], ignore_index=True).reindex(
        columns=list(dict.fromkeys(c for p in parts for c in p.columns))
    )
