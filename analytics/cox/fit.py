"""Cox's proportional-hazards model: ``cox`` and what can be asked of its result.

Belongs here: the public function and its result.
Does not belong here: the likelihood (likelihood.py, exact.py), the estimation (estimate.py, newton.py),
diagnostics themselves (residuals.py, proportional_hazards.py, concordance.py), few events
(analytics.regression.firth).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import pandas as pd

from analytics.cox import residuals as resid
from analytics.cox import tables
from analytics.cox.concordance import Concordance, concordance
from analytics.cox.data import CoxData, prepare
from analytics.cox.estimate import centre, estimate, judge, robust, score_test
from analytics.cox.likelihood import Pieces, pieces
from analytics.cox.proportional_hazards import GLOBAL, proportional_hazards_test
from analytics.cox.record import CoxEstimates
from analytics.cox.terms import Factors
from analytics.door import takes_any_frame
from analytics.status import NO_EVENTS, NOT_ESTIMABLE, require_choice
from analytics.survival.outcome import FloatArray, confidence_quantile

RESIDUALS = ("martingale", "deviance", "score", "dfbeta", "dfbetas", "schoenfeld")


@dataclass(frozen=True)
class CoxFit(CoxEstimates):
    """The estimates (record.py), and what can be asked of them: tables, tests, residuals, the baseline
    hazard.
    """

    @cached_property
    def terms(self) -> pd.DataFrame:
        """One row per column of the design (tables.TERM_COLUMNS).

        ``statistic`` is z; ``ph_p_value`` tests proportional hazards of the whole variable.
        """
        testable = len(self.estimated) and self.ties != "exact" and not self.monotone
        ph = (
            self.proportional_hazards().set_index("term")["p_value"].drop(GLOBAL).to_dict()
            if testable
            else {}
        )
        return tables.term_table(self, ph)

    @property
    def summary(self) -> pd.DataFrame:
        return self.terms

    @cached_property
    def tests(self) -> pd.DataFrame:
        """Tests of all coefficients together: test, statistic, df, p_value."""
        return tables.overall_tests(self)

    def term_tests(self, method: str = "likelihood_ratio") -> pd.DataFrame:
        """Type III test of each term with all its columns: term, statistic, df, p_value.

        "likelihood_ratio" refits without the term; "wald" uses the robust covariance where there is one.
        """
        require_choice(method, ("likelihood_ratio", "wald"), "method")
        return tables.term_tests(self, self._require_data(), method)

    def proportional_hazards(self, transform: str = "km", by: str = "term") -> pd.DataFrame:
        """Score test that effects do not change with time: a row per term (or ``by`` "column") and GLOBAL."""
        require_choice(by, ("term", "column"), "by")
        data, x, part = self._evaluated()
        groups: dict[str, list[int]] = {}
        for position, column in enumerate(self.estimated):
            label = data.design.labels[column] if by == "term" else self.names[column]
            groups.setdefault(label, []).append(position)
        return proportional_hazards_test(data.outcome, data.sets, data.tie_terms, x, part, groups, transform)

    def residuals(self, kind: str = "martingale") -> pd.Series | pd.DataFrame:
        """Residuals by row, indexed by position in the data; Schoenfeld's by event, indexed by time."""
        require_choice(kind, RESIDUALS, "kind")
        data, x, part = self._evaluated()
        names = [self.names[j] for j in self.estimated]
        if kind in ("martingale", "deviance"):
            of = resid.martingale_residuals if kind == "martingale" else resid.deviance_residuals
            return pd.Series(of(data.sets, part), index=data.outcome.rows, name=kind)
        if kind == "schoenfeld":
            rows, values = resid.schoenfeld_residuals(data.sets, data.tie_terms, x, part)
            return pd.DataFrame(values, columns=names, index=pd.Index(data.outcome.time[rows], name="time"))
        values = resid.score_residuals(data.sets, data.tie_terms, x, part)
        if kind != "score":
            values = values @ self.covariance[np.ix_(self.estimated, self.estimated)]
        if kind == "dfbetas":
            values = values / np.sqrt(np.diag(self.covariance)[self.estimated])
        return pd.DataFrame(values, columns=names, index=data.outcome.rows)

    def baseline_hazard(self, at: Mapping[str, float] | None = None) -> pd.DataFrame:
        """Cumulative hazard where every column is 0, or as ``at`` says by column name.

        One row per stratum and time: stratum, time, at_risk, events, cumulative_hazard, survival (its
        exponential). Ties as in the fit.
        """
        data, _, part = self._evaluated()
        unknown = [name for name in at or {} if name not in self.names]
        if unknown:
            raise ValueError(f"at: no column {', '.join(unknown)}. Columns: {', '.join(self.names)}")
        values = np.array([(at or {}).get(name, 0.0) for name in self.names]) - centre(data.design.x)
        shift = values[self.estimated] @ self.coefficients[self.estimated] - part.log_scale
        return tables.baseline_table(data, part, float(np.exp(shift)))

    @cached_property
    def concordance(self) -> Concordance:
        """How well the linear predictor orders events, with its standard error."""
        data = self._require_data()
        return concordance(
            data.outcome.time,
            data.outcome.event,
            self.linear_predictor,
            data.outcome.entry,
            data.stratum,
            data.cluster,
        )

    @cached_property
    def linear_predictor(self) -> FloatArray:
        """By row, centred at the mean covariates."""
        x = self._require_data().design.x
        middle = centre(x)
        # column by column: a matrix product may round equal rows differently, and that would break ties
        total = np.zeros(len(x))
        for j in self.estimated:
            total += (x[:, j] - middle[j]) * self.coefficients[j]
        return total

    def _require_data(self) -> CoxData:
        if self.data is None or not len(self.estimated):
            raise ValueError(f"this fit has no estimate to work from: {self.note}")
        return self.data

    @cached_property
    def _at_estimate(self) -> tuple[FloatArray, Pieces]:
        data = self._require_data()
        x = (data.design.x - centre(data.design.x))[:, self.estimated]
        return x, pieces(data.sets, data.tie_terms, x, self.linear_predictor)

    def _evaluated(self) -> tuple[CoxData, FloatArray, Pieces]:
        data = self._require_data()
        if self.ties == "exact":
            raise ValueError('residuals and diagnostics exist for ties "efron" and "breslow"; found "exact"')
        return data, *self._at_estimate


@takes_any_frame
def cox(
    data: pd.DataFrame,
    time: str,
    event: str,
    terms: Sequence[str],
    factors: Factors | None = None,
    entry: str | None = None,
    strata: str | Sequence[str] | None = None,
    cluster: str | None = None,
    ties: str = "efron",
    confidence: float = 0.95,
) -> CoxFit:
    """Fit hazard ratios of ``terms`` (their language: terms.py) by maximum partial likelihood.

    ``data`` has one row per subject, or per interval (``entry``, ``time``] over which covariates are
    constant. ``factors`` gives the levels of grouping columns, first the reference; rows with other values
    take no part. ``strata`` get baseline hazards of their own. ``cluster`` (usually the patient) gives robust
    standard errors; they do not exist for ``ties`` "exact". Incomplete rows are left out and counted.
    """
    confidence_quantile(confidence)
    if cluster is not None and ties == "exact":
        raise ValueError(
            'cluster: robust standard errors exist for ties "efron" and "breslow"; found "exact"'
        )
    return fit_prepared(prepare(data, time, event, terms, factors, entry, strata, cluster, ties), confidence)


def fit_prepared(data: CoxData, confidence: float = 0.95, method: str = "Cox") -> CoxFit:
    """Fit rows that are laid out already; ``method`` opens the name that results carry."""
    names, p, outcome = data.design.names, data.design.x.shape[1], data.outcome
    sizes: dict[str, Any] = {
        "ties": data.ties,
        "confidence": confidence,
        "n": outcome.n,
        "n_events": outcome.n_events,
        "n_missing": outcome.n_missing,
        "names": names,
    }
    method = f"{method}, {data.ties} ties"
    coefficients, covariance = np.full(p, np.nan), np.full((p, p), np.nan)
    if outcome.n_events == 0:
        status, note = (
            (NO_EVENTS, f"None of the {outcome.n} complete rows has an event.")
            if outcome.n
            else (NOT_ESTIMABLE, f"None of the {outcome.n_missing} rows is complete.")
        )
        return CoxFit(
            coefficients=coefficients,
            covariance=covariance,
            robust=None,
            loglik_null=np.nan,
            loglik=np.nan,
            score_statistic=np.nan,
            robust_score_statistic=np.nan,
            aliased={},
            monotone=[],
            iterations=0,
            method=method,
            status=status,
            note=note,
            data=None,
            **sizes,
        )
    found = estimate(data, data.design.x)
    block = np.ix_(found.kept, found.kept)
    coefficients[found.kept], covariance[block] = found.coefficients, found.covariance
    by_cluster, robust_score = None, np.nan
    if data.cluster is not None and len(found.kept):
        by_cluster = np.full((p, p), np.nan)
        by_cluster[block], robust_score = robust(data, found)
        method += f", robust by {int(data.cluster.max()) + 1} clusters"
    status, note = judge(data, found)
    return CoxFit(
        coefficients=coefficients,
        covariance=covariance,
        robust=by_cluster,
        loglik_null=found.maximum.start.loglik,
        loglik=found.maximum.end.loglik,
        score_statistic=score_test(found),
        robust_score_statistic=robust_score,
        aliased={names[j]: [names[k] for k in by] for j, by in found.aliased.items()},
        monotone=[names[j] for j in found.monotone],
        iterations=found.maximum.iterations,
        method=method,
        status=status,
        note=note,
        data=data,
        **sizes,
    )
