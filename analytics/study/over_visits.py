"""The steps of a response over the visits: mixed models, analyses of variance, and what the figures draw.

Does not belong here: the models themselves (`analytics/mixed_model/`, `analytics/repeated_measures.py`).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from analytics.status import TOO_FEW_OBSERVATIONS
from analytics.study.analyses import MixedModel, RepeatedMeasures
from analytics.study.cohort import Cohort, scaled
from analytics.study.step_parts import Results, stack
from analytics.words.formatting import format_p

if TYPE_CHECKING:
    from analytics.repeated_measures import RepeatedMeasuresAnova


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
    return {name: stack(parts) for name, parts in out.items()}


def fit_repeated_measures(cohort: Cohort) -> Results:
    """Rows of model and mixed_model_term for the analyses of variance."""
    found = [_repeated_measures(spec, cohort) for spec in cohort.study.repeated_measures]
    return {name: stack([f[name] for f in found]) for name in ("model", "mixed_model_term") if found}


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
    return {"trajectory_patient": stack(patients), "trajectory_mean": pd.DataFrame(means)}


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
