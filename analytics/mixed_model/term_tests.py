"""Tests of terms, and of one model against a smaller one.

Belongs here: type III hypotheses and the tests of them, likelihood ratio. Does not belong here: degrees of
freedom (information.py, kenward_roger.py) and contrasts of means (marginal_means.py).

With L the q rows that state a term's hypothesis L beta = 0, and V the covariance matrix of the estimated
beta, the Wald statistic is W = (L beta)' (L V L')^-1 (L beta), chi-square with q degrees of freedom when the
hypothesis is true (Wald 1943).

`wald_chi_square` tests the coefficients of a term as they are coded, as R's `car::Anova(type = 3)`. With
treatment contrasts the test of a main effect is about the reference level of the factor that it interacts
with, and the row's note says so. The F tests (`satterthwaite_f`, `kenward_roger_f`) test the marginal type
III hypothesis whatever the coding, as lmerTest; with sum contrasts the hypotheses are the same.
`containment_f` is nlme's `anova(type = "marginal")`, coded like the chi-square.

F, the Wald and the Kenward-Roger tests do not depend on the rows chosen to state a hypothesis;
Satterthwaite's denominator df of several rows does (Fai and Cornelius decorrelate those rows). lmerTest's
rows are differences from the first level, here basis "difference"; "sum" states the hypothesis by the
sum-coded coefficients themselves.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import pandas as pd
from scipy import stats

from analytics.mixed_model.design import Design, FactorVariable
from analytics.mixed_model.fitted import aliasing
from analytics.mixed_model.information import containment_df
from analytics.mixed_model.record import MixedModelEstimates, require_kenward_roger
from analytics.status import NOT_ESTIMABLE, OK, require_choice

F_TESTS = ("satterthwaite_f", "kenward_roger_f", "containment_f")
TESTS = ("wald_chi_square", *F_TESTS)
BASES = ("difference", "sum")


@dataclass(frozen=True)
class _Test:
    statistic: float
    df_num: float
    df_den: float
    p_value: float
    note: str = ""
    status: str = OK


def term_table(fit: MixedModelEstimates, test: str, basis: str = "difference") -> pd.DataFrame:
    """One row per term: response, term, test, statistic, df_num, df_den, p_value, method, n, status, note."""
    require_choice(test, TESTS, "test")
    require_choice(basis, BASES, "basis")
    if fit.fitted is not None and test == "kenward_roger_f":
        require_kenward_roger(fit)
    labels = (["(Intercept)"] if fit.formula.has_intercept else []) + [t.label for t in fit.formula.terms]
    rows = []
    for number, label in enumerate(labels, start=0 if fit.formula.has_intercept else 1):
        result = _test_term(fit, number, test, basis)
        rows.append(
            {
                "response": fit.formula.response,
                "term": label,
                "test": test,
                "statistic": result.statistic,
                "df_num": result.df_num,
                "df_den": result.df_den,
                "p_value": result.p_value,
                "method": fit.method,
                "n": fit.n_obs,
                "status": result.status,
                "note": result.note,
            }
        )
    return pd.DataFrame(rows)


def _test_term(fit: MixedModelEstimates, number: int, test: str, basis: str) -> _Test:
    nan = float("nan")
    if fit.fitted is None:
        return _Test(nan, nan, nan, nan, fit.note, fit.status)
    design, dependence = fit.fitted.design, fit.fitted.dependence
    as_coded = test in ("wald_chi_square", "containment_f")
    hypothesis = np.eye(len(design.names)) if as_coded else _marginal_hypotheses(design)
    rows = hypothesis[design.assign == number]
    if basis == "difference" and not as_coded and number:
        rows = design.level_differences(number) @ rows
    if not all(dependence.is_estimable(row) for row in rows):
        return _Test(nan, float(len(rows)), nan, nan, "; ".join(aliasing(fit.fitted)), NOT_ESTIMABLE)
    note = _coding_note(fit, number) if as_coded else ""
    result = _compute(fit, rows[:, dependence.kept], number, test)
    status, search_note = fit.search_status
    return replace(result, status=status, note="; ".join(n for n in (search_note, note) if n))


def _compute(fit: MixedModelEstimates, rows: np.ndarray, number: int, test: str) -> _Test:
    fitted = fit.fitted
    assert fitted is not None  # _test_term has checked
    beta = fitted.kept_beta()
    if test == "satterthwaite_f":
        f, q, df = fit.information.satterthwaite_f(rows, beta)
        return _Test(f, float(q), df, float(stats.f.sf(f, q, df)))
    if test == "kenward_roger_f":
        f, q, df = fit.kenward_roger.scaled_f(rows, beta)
        return _Test(f, float(q), df, float(stats.f.sf(f, q, df)))
    estimate = rows @ beta
    wald = float(estimate @ np.linalg.solve(rows @ fitted.kept_covariance() @ rows.T, estimate))
    q = len(rows)
    if test == "wald_chi_square":
        return _Test(wald, float(q), float("nan"), float(stats.chi2.sf(wald, q)))
    df = float(containment_df(fitted)[1][number])
    return _Test(wald / q, float(q), df, float(stats.f.sf(wald / q, q, df)))


def _marginal_hypotheses(design: Design) -> np.ndarray:
    """Rows L with L beta = the coefficients that the same model has under sum contrasts.

    Both codings span the same columns, X = X_sum B, so beta_sum = B beta. B depends on the coding only and
    is found on drawn rows with every combination of levels, not on the data, whose empty cells would leave
    it undetermined.
    """
    if all(f.coding == "sum" for f in design.factors().values()):
        return np.eye(len(design.names))
    recoded = {
        name: replace(v, factor=replace(v.factor, coding="sum")) if isinstance(v, FactorVariable) else v
        for name, v in design.variables.items()
    }
    generator = np.random.default_rng(0)
    n_rows = 40 * len(design.names)
    columns = {}
    for variable in design.variables.values():
        if isinstance(variable, FactorVariable):
            codes = generator.integers(len(variable.factor.levels), size=n_rows)
            columns[variable.source] = codes if variable.at is None else variable.at[codes]
    for name in design.formula.columns():
        columns.setdefault(name, generator.uniform(1.0, 2.0, n_rows))
    ours = design.matrix(columns, n_rows)
    theirs = replace(design, variables=recoded).matrix(columns, n_rows)
    rows = np.linalg.lstsq(theirs, ours, rcond=None)[0]
    rows[np.abs(rows) < 1e-10] = 0.0
    return rows


def _coding_note(fit: MixedModelEstimates, number: int) -> str:
    """What a main effect means under treatment contrasts, where it also interacts."""
    fitted = fit.fitted
    if number == 0 or fitted is None:
        return ""
    design = fitted.design
    term = set(fit.formula.terms[number - 1].variables)
    others = {v for t in fit.formula.terms if term < set(t.variables) for v in t.variables} - term
    reference = [
        f"{name} = {v.factor.levels[0]}"
        for name, v in design.variables.items()
        if name in others and isinstance(v, FactorVariable) and v.factor.coding == "treatment"
    ]
    return f"treatment contrasts: effect at {', '.join(reference)}" if reference else ""


def likelihood_ratio(smaller: MixedModelEstimates, larger: MixedModelEstimates) -> pd.DataFrame:
    """Likelihood-ratio test of two nested fits to the same rows: statistic, df, p_value, AIC and BIC of both.

    Fits that differ in fixed effects must be by ML. A test of a variance is on the boundary of its
    parameter space; the chi-square p value is then too large (Stram and Lee 1994), and the note says so.
    """
    if smaller.fitted is None or larger.fitted is None:
        failed = smaller if smaller.fitted is None else larger
        return _ratio_row(smaller, larger, float("nan"), 0, failed.status, failed.note)
    same_response = np.array_equal(np.sort(smaller.fitted.y), np.sort(larger.fitted.y))
    if smaller.n_obs != larger.n_obs or not same_response:
        raise ValueError(
            f"likelihood_ratio: the fits use different rows ({smaller.n_obs} and {larger.n_obs}); fit both "
            "to the rows complete for the larger model"
        )
    if smaller.spec.method != larger.spec.method:
        raise ValueError("likelihood_ratio: one fit is by REML and one by ML")
    names = [set(smaller.fitted.design.names), set(larger.fitted.design.names)]
    if smaller.spec.method == "reml" and names[0] != names[1]:
        raise ValueError(
            'likelihood_ratio: fits with different fixed effects must be by ML; fit with method="ml"'
        )
    df = larger.n_parameters - smaller.n_parameters
    if df <= 0:
        raise ValueError(f"likelihood_ratio: the larger fit must have more parameters; it has {df} more")
    statistic = 2.0 * (larger.log_likelihood - smaller.log_likelihood)
    variances = smaller.fitted.problem.structure.n_effects < larger.fitted.problem.structure.n_effects
    note = "a variance is tested on its boundary: the p value is conservative" if variances else ""
    return _ratio_row(smaller, larger, statistic, df, larger.status, note)


def _ratio_row(
    smaller: MixedModelEstimates,
    larger: MixedModelEstimates,
    statistic: float,
    df: int,
    status: str,
    note: str,
) -> pd.DataFrame:
    p_value = float(stats.chi2.sf(max(statistic, 0.0), df)) if df else float("nan")
    return pd.DataFrame(
        [
            {
                "response": larger.formula.response,
                "test": "likelihood_ratio",
                "statistic": statistic,
                "df": df,
                "p_value": p_value,
                "aic_smaller": smaller.aic,
                "aic_larger": larger.aic,
                "bic_smaller": smaller.bic,
                "bic_larger": larger.bic,
                "method": larger.method,
                "n": larger.n_obs,
                "status": status,
                "note": note,
            }
        ]
    )
