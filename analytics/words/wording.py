"""Words for the codes of results: statuses, tests, effects, terms, as a reader of a journal expects them.

Belongs here: dictionaries from a code to its words, and the reading of codes that are not in them.
Does not belong here: the words of tests (`declared_tests.py`), numbers (`formatting.py`), and the sentences
of one table (`tables.py`).

A code that stands in no dictionary is printed with its underscores opened, never dropped.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

from analytics import status
from analytics.declared_tests import NO_TEST, TESTS

STATUS_WORDS = {
    status.OK: "",
    status.SINGULAR: "on the boundary",
    status.NOT_CONVERGED: "not converged",
    status.NOT_ESTIMABLE: "not estimable",
    status.NO_VARIANCE: "no variance",
    status.TOO_FEW_GROUPS: "too few groups",
    status.TOO_FEW_OBSERVATIONS: "too few observations",
    status.TOO_FEW_EVENTS: "too few events",
    status.NO_EVENTS: "no events",
    status.MONOTONE_LIKELIHOOD: "monotone likelihood",
}

_NO_TEST = {NO_TEST: "", "fisher_exact": "Fisher's exact"}  # files of publications use the second
TEST_WORDS = {test.result_id: test.name for test in TESTS} | _NO_TEST
SHORT_TESTS = {test.result_id: test.short for test in TESTS} | _NO_TEST | {"fisher_exact": "Fisher"}

EFFECT_WORDS = {
    "mean_difference": "mean difference",
    "hodges_lehmann_shift": "Hodges–Lehmann shift",
    "odds_ratio": "odds ratio",
    "risk_difference": "risk difference",
    "risk_ratio": "risk ratio",
    "hedges_g": "Hedges' g",
    "cohen_d": "Cohen's d",
    "rank_biserial": "rank-biserial correlation",
    "probability_greater": "probability of the greater value",
    "geometric_mean_ratio": "ratio of geometric means",
    "mean_absolute_deviation_difference": "difference of mean absolute deviations",
    "distribution_distance": "largest distance of the distributions",
    "epsilon_squared": "epsilon squared",
    "eta_squared": "eta squared",
    "cramers_v": "Cramér's V",
    "none": "",
}

ADJUSTMENT_WORDS = {
    "holm": "Holm",
    "hochberg": "Hochberg",
    "hommel": "Hommel",
    "bonferroni": "Bonferroni",
    "tukey": "Tukey",
    "BH": "Benjamini–Hochberg",
    "BY": "Benjamini–Yekutieli",
    "none": "",
}

TERM_WORDS = {
    "intercept": "Intercept",
    "group": "Group",
    "time": "Time",
    "visit": "Time",
    "group_by_time": "Group × time",
    "group_by_visit": "Group × time",
}

PARAMETER_KINDS = {
    "fixed": "Fixed effects",
    "variance": "Variances and covariances between patients",
    "residual": "Residual",
    "correlation": "Correlations",
}

SEVERITY_WORDS = {"blocking": "blocks a release", "warning": "warns"}


def listed(parts: Iterable[str], most: int = 6) -> str:
    """``a, b and c``; of a long list its beginning and how many more."""
    items = list(parts)
    if len(items) > most:
        items = [*items[: most - 1], f"{len(items) - most + 1} more"]
    return " and ".join(filter(None, (", ".join(items[:-1]), items[-1]))) if items else "none"


def opened(code: object) -> str:
    """``month_12`` as "Month 12": a code that has no word of its own."""
    text = "" if code is None else str(code).replace("_", " ").strip()
    return text[:1].upper() + text[1:]


def status_words(code: object) -> str:
    """Empty for `ok`; a code outside the vocabulary is opened."""
    return STATUS_WORDS.get(str(code), opened(code).lower())


def test_words(code: object) -> str:
    return TEST_WORDS.get(str(code), opened(code))


def short_test(code: object) -> str:
    """The name of a test in a column of its own; a note says which test that is."""
    return SHORT_TESTS.get(str(code), test_words(code)) if code else ""


def effect_words(code: object) -> str:
    return EFFECT_WORDS.get(str(code), opened(code).lower()) if code else ""


def adjustment_words(code: object) -> str:
    """The authors of a multiplicity adjustment; nothing for none."""
    return ADJUSTMENT_WORDS.get(str(code), str(code)) if code else ""


def term_words(code: object) -> str:
    """A model's term; a name in R's manner (``group:visit``) is read as an interaction."""
    text = str(code)
    return TERM_WORDS.get(text) or " × ".join(opened(part) for part in re.split(r"[:*]", text))
