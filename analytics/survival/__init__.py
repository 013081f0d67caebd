"""Times to an event: curves, tests between groups, restricted means.

The estimates agree with R's survival and coin; ``risk_sets`` is what Cox regression is built on too.
"""

from analytics.survival.kaplan_meier import KaplanMeier, kaplan_meier
from analytics.survival.log_rank import LogRank, Trend, log_rank, log_rank_trend
from analytics.survival.permutation import PermutationLogRank, permutation_log_rank
from analytics.survival.rmst import RestrictedMean, restricted_mean

__all__ = [
    "KaplanMeier",
    "LogRank",
    "PermutationLogRank",
    "RestrictedMean",
    "Trend",
    "kaplan_meier",
    "log_rank",
    "log_rank_trend",
    "permutation_log_rank",
    "restricted_mean",
]
