"""The tests that a study can name, and what each is for.

Belongs here: the dictionary from a name in YAML to a function, and the kinds of variable a test fits.
Does not belong here: the tests themselves.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import pandas as pd

from analytics.comparison import KGroupTest, TwoGroupTest
from analytics.groups import counts, k_groups, two_groups

MEASUREMENT_TESTS: dict[str, Callable[..., TwoGroupTest]] = {
    "mann_whitney": partial(two_groups.mann_whitney, method="asymptotic"),  # as SPSS; exact is a name of its own
    "mann_whitney_no_continuity": partial(two_groups.mann_whitney, continuity=False),
    "mann_whitney_exact": partial(two_groups.mann_whitney, method="exact"),
    "student_t": two_groups.student_t,
    "welch_t": two_groups.welch_t,
    "brown_forsythe": two_groups.brown_forsythe,
    "levene": two_groups.levene,
    "kolmogorov_smirnov": two_groups.kolmogorov_smirnov,
}

COUNT_TESTS: dict[str, Callable[..., TwoGroupTest]] = {
    "fisher": counts.fisher,
    "fisher_mid_p": counts.fisher_mid_p,
    "chi_square": counts.chi_square,
    "chi_square_yates": counts.chi_square_yates,
}


def _censored(data: pd.DataFrame, method: str, **asked: Any) -> TwoGroupTest:
    from analytics.censored.groups import censored_two_groups

    return censored_two_groups(data, method=method, **asked)


CENSORED_TESTS: dict[str, Callable[..., TwoGroupTest]] = {
    "peto_prentice": partial(_censored, method="peto_prentice"),
    "gehan": partial(_censored, method="gehan"),
    "gehan_exact": partial(_censored, method="gehan_exact"),
}

TWO_BY_TWO_TESTS = ("fisher_mid_p", "chi_square_yates")

TWO_GROUP_TESTS: dict[str, Callable[..., TwoGroupTest]] = MEASUREMENT_TESTS | COUNT_TESTS | CENSORED_TESTS

K_GROUP_TESTS: dict[str, Callable[..., KGroupTest]] = {
    "kruskal_wallis": k_groups.kruskal_wallis,
    "anova": k_groups.anova,
    "welch_anova": k_groups.welch_anova,
    "brown_forsythe_k": k_groups.brown_forsythe_k,
    "levene_k": k_groups.levene_k,
    "fisher_k": counts.fisher_k,
    "chi_square_k": counts.chi_square_k,
}
