"""A frame's rows laid out for a Cox fit.

Belongs here: which rows take part, and their outcome, design, strata and clusters.
Does not belong here: any estimate.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import pandas as pd

from analytics.cox.exact import exact_likelihood
from analytics.cox.likelihood import Derivatives, TieTerms, partial_likelihood, tie_terms
from analytics.cox.terms import Design, Factors, build_design, columns_of
from analytics.status import require_choice, require_columns
from analytics.survival.outcome import (
    FloatArray,
    IntArray,
    Outcome,
    group_codes,
    read_outcome,
    stratum_codes,
)
from analytics.survival.risk_sets import RiskSets, risk_sets

TIES = ("efron", "breslow", "exact")


@dataclass(frozen=True)
class CoxData:
    """Complete rows (``outcome.rows``: their positions): design, strata, clusters, risk sets."""

    outcome: Outcome
    design: Design
    stratum: IntArray
    strata: list[str]
    cluster: IntArray | None
    sets: RiskSets
    ties: str

    @cached_property
    def tie_terms(self) -> TieTerms:
        return tie_terms(self.sets, efron=self.ties == "efron")

    def likelihood(self, x: FloatArray, eta: FloatArray) -> Derivatives:
        """Log partial likelihood of covariates ``x`` at linear predictor ``eta``."""
        if self.ties == "exact":
            return exact_likelihood(self.sets, x, eta)
        return partial_likelihood(self.sets, self.tie_terms, x, eta)


def prepare(
    data: pd.DataFrame,
    time: str,
    event: str,
    terms: Sequence[str],
    factors: Factors | None = None,
    entry: str | None = None,
    strata: str | Sequence[str] | None = None,
    cluster: str | None = None,
    ties: str = "efron",
) -> CoxData:
    """The rows of ``data`` that are complete and whose factors have a declared level.

    ValueError: no term, an unknown column or level of ``ties``, and what outcome.py and terms.py refuse.
    """
    require_choice(ties, TIES, "ties")
    if isinstance(terms, str) or not len(terms):
        raise ValueError(f"terms: expected a list of one or more terms; found {terms!r}")
    factors = factors or {}
    within = [] if strata is None else [strata] if isinstance(strata, str) else list(strata)
    read = list(dict.fromkeys([*columns_of(terms), *within, *([cluster] if cluster else [])]))
    require_columns(data, [*read, *factors])
    inside = _have_declared_levels(data, {name: factors[name] for name in factors if name in read})
    chosen = data if inside.all() else data[inside]
    outcome = read_outcome(chosen, time, event, entry, read)
    rows = chosen[read].iloc[outcome.rows]
    stratum, labels = stratum_codes(rows, within or None)
    return CoxData(
        outcome=Outcome(
            outcome.time,
            outcome.event,
            outcome.entry,
            np.flatnonzero(inside)[outcome.rows],
            len(data) - outcome.n,
        ),
        design=build_design(rows, terms, factors),
        stratum=stratum,
        strata=labels,
        cluster=group_codes(rows, cluster, None, "cluster")[0] if cluster else None,
        sets=risk_sets(outcome.time, outcome.event, outcome.entry, stratum),
        ties=ties,
    )


def _have_declared_levels(data: pd.DataFrame, factors: Factors) -> np.ndarray:
    inside = np.ones(len(data), dtype=bool)
    for name, levels in factors.items():
        inside &= (data[name].isin(list(levels)) | data[name].isna()).to_numpy()
    return inside
