"""Every statistical test, declared once: its names, the function that answers it, and how R answers it again.

Belongs here: one ``StatisticalTest`` per test. What reads these declarations: the choices of a study file,
the words of the report, the public names of `analytics`, the tests of a table and their replay in R. Does not
belong here: any computing. A function is named by its module and imported when the test is run, because
`analytics` itself imports this module.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from importlib import import_module
from typing import Any

# kinds of response, and by that the place of a study file where a test can be named
MEASUREMENT = "measurement"  # tables, summary mean_sd or median_iqr
COUNT = "count"  # tables, summary count_percent
BOUNDED = "bounded"  # tables, a variable with `censored: bounds`
TIME_TO_EVENT = "time_to_event"  # survival: weights
ORDERED_TIMES = "ordered_times"  # survival: trend
MODEL_TERM = "model_term"  # mixed_models: test, beside
COMPLETE_COURSES = "complete_courses"  # repeated_measures: test

TWO, MANY = "two", "many"

# how closely R can find an effect and its interval; replay_r/quantities.py has the tolerances
DIFFERENCE = "difference"  # closed formulas, on the scale of the interval
SHIFT = "shift"  # a difference whose ends are jumps of a step function
RATIO = "ratio"  # roots of equations, each end on its own scale
SHARE = "share"  # a closed formula whose ends are roots of equations
EVERY_NUMBER = ("statistic", "df", "p_value", "effect", "interval")


@dataclass(frozen=True)
class InR:
    """How the replay answers a test.

    ``call`` is an expression of R. For a table it returns a list, for curves the statistic and its df. It may
    use ``a`` and ``b`` (two groups: their known values, 1 for yes), ``x`` and ``group`` (many groups: all
    known values and a factor), ``x`` (bounds: a frame with lower, upper and group) or ``data`` (curves:
    time_months, event, group). ``numbers`` says which numbers of the list are compared, ``packages`` what R
    needs beside its own.
    """

    call: str
    numbers: tuple[str, ...] = EVERY_NUMBER
    agreement: str = DIFFERENCE
    packages: tuple[str, ...] = ()


@dataclass(frozen=True)
class StatisticalTest:
    """One test. ``function`` is ``module:name`` below `analytics`; ``options`` go to it with every call.

    ``name`` stands in sentences and footnotes, ``short`` in a narrow column; ``sentence`` says what is
    compared and how. ``written_as`` is the id in results, if it differs from ``id``. A test without ``in_r``
    gives the reason in ``not_in_r``.
    """

    id: str
    response: str
    groups: str
    function: str
    name: str
    short: str
    sentence: str
    effect: str = ""
    options: Mapping[str, Any] = field(default_factory=dict)
    in_r: InR | None = None
    not_in_r: str = ""
    only_two_levels: bool = False
    written_as: str = ""

    @property
    def result_id(self) -> str:
        return self.written_as or self.id

    def __call__(self, *arguments: Any, **named: Any) -> Any:
        """Run the test; its module is imported now."""
        module, _, name = self.function.partition(":")
        return getattr(import_module(f"analytics.{module}"), name)(*arguments, **{**self.options, **named})


_LOG_RANK: dict[str, Any] = {
    "response": TIME_TO_EVENT,
    "groups": MANY,
    "function": "survival.log_rank:log_rank",
}
_OF_TERMS: dict[str, Any] = {
    "response": MODEL_TERM,
    "groups": MANY,
    "function": "mixed_model.term_tests:term_table",
}
_COURSES: dict[str, Any] = {
    "response": COMPLETE_COURSES,
    "groups": MANY,
    "function": "repeated_measures:repeated_measures_anova",
    "effect": "partial_eta_squared",
    "not_in_r": "analysis of variance of complete courses: this script has no R for it",
}
_RANKS = ("statistic", "p_value", "effect", "interval", "ties")
_SPREAD = ("statistic", "df", "df_den", "p_value", "effect", "interval")

TESTS = (
    StatisticalTest(
        "mann_whitney", MEASUREMENT, TWO, "groups.two_groups:mann_whitney", "Mann–Whitney", "MW",
        "the ranks of two groups, by a normal approximation",
        effect="hodges_lehmann_shift",
        options={"method": "asymptotic"},
        in_r=InR("normal_ranks(a, b, correct = TRUE)", _RANKS, SHIFT),
    ),
    StatisticalTest(
        "mann_whitney_no_continuity", MEASUREMENT, TWO, "groups.two_groups:mann_whitney",
        "Mann–Whitney, no continuity correction", "MW, no cc",
        "the ranks of two groups, without the correction for continuity",
        effect="hodges_lehmann_shift",
        options={"method": "asymptotic", "continuity": False},
        in_r=InR("normal_ranks(a, b, correct = FALSE)", _RANKS, SHIFT),
    ),
    StatisticalTest(
        "mann_whitney_exact", MEASUREMENT, TWO, "groups.two_groups:mann_whitney",
        "exact Mann–Whitney", "MW exact",
        "the ranks of two groups, by the exact permutation distribution",
        effect="hodges_lehmann_shift",
        options={"method": "exact"},
        in_r=InR("exact_ranks(a, b)", _RANKS, SHIFT),
    ),
    StatisticalTest(
        "student_t", MEASUREMENT, TWO, "groups.two_groups:student_t", "Student's t", "t",
        "two means, the variances taken as equal",
        effect="mean_difference",
        in_r=InR("t_answer(a, b, equal = TRUE)"),
    ),
    StatisticalTest(
        "welch_t", MEASUREMENT, TWO, "groups.two_groups:welch_t", "Welch's t", "Welch",
        "two means, whatever the variances",
        effect="mean_difference",
        in_r=InR("t_answer(a, b, equal = FALSE)"),
    ),
    StatisticalTest(
        "levene", MEASUREMENT, TWO, "groups.two_groups:levene", "Levene's test of spread", "Levene",
        "the spread of two groups, by distances from the group's mean",
        effect="mean_absolute_deviation_difference",
        in_r=InR("spread_answer(a, b, mean)", _SPREAD),
    ),
    StatisticalTest(
        "brown_forsythe", MEASUREMENT, TWO, "groups.two_groups:brown_forsythe",
        "Brown–Forsythe test of spread", "BF",
        "the spread of two groups, by distances from the group's median",
        effect="mean_absolute_deviation_difference",
        in_r=InR("spread_answer(a, b, median)", _SPREAD),
    ),
    StatisticalTest(
        "kolmogorov_smirnov", MEASUREMENT, TWO, "groups.two_groups:kolmogorov_smirnov",
        "Kolmogorov–Smirnov", "KS",
        "two distributions as a whole, by their largest distance",
        effect="distribution_distance",
        in_r=InR("smirnov_answer(a, b)", ("statistic", "p_value", "effect", "ties")),
    ),
    StatisticalTest(
        "fisher", COUNT, TWO, "groups.counts:fisher", "Fisher's exact", "Fisher",
        "two proportions, by the exact distribution of the table",
        effect="odds_ratio",
        in_r=InR("fisher_answer(a, b)", ("p_value", "effect", "interval"), RATIO),
    ),
    StatisticalTest(
        "fisher_mid_p", COUNT, TWO, "groups.counts:fisher_mid_p", "Fisher, mid-p", "Fisher mid-p",
        "two proportions, with half the chance of the observed table",
        effect="odds_ratio",
        only_two_levels=True,
        in_r=InR("mid_p_answer(a, b)", ("p_value", "effect", "interval"), RATIO),
    ),
    StatisticalTest(
        "chi_square", COUNT, TWO, "groups.counts:chi_square", "chi-square", "χ²",
        "two proportions, by Pearson's chi-square",
        effect="odds_ratio",
        in_r=InR("chi_square_answer(a, b, correct = FALSE)", agreement=RATIO),
    ),
    StatisticalTest(
        "chi_square_yates", COUNT, TWO, "groups.counts:chi_square_yates", "chi-square, Yates", "χ² Yates",
        "two proportions, by chi-square with Yates's correction",
        effect="odds_ratio",
        only_two_levels=True,
        in_r=InR("chi_square_answer(a, b, correct = TRUE)", agreement=RATIO),
    ),
    StatisticalTest(
        "peto_prentice", BOUNDED, TWO, "censored.groups:censored_two_groups",
        "Peto–Prentice", "Peto–Prentice",
        "values of which some are bounds, weighted by their distribution",
        effect="geometric_mean_ratio",
        options={"method": "peto_prentice"},
        in_r=InR("peto_prentice_answer(x)", (*EVERY_NUMBER, "ties"), RATIO, ("survival",)),
    ),
    StatisticalTest(
        "gehan", BOUNDED, TWO, "censored.groups:censored_two_groups", "Gehan", "Gehan",
        "pairs whose order the bounds leave known, by a normal approximation",
        effect="geometric_mean_ratio",
        options={"method": "gehan"},
        in_r=InR("gehan_answer(x)", _RANKS, RATIO, ("survival",)),
    ),
    StatisticalTest(
        "gehan_exact", BOUNDED, TWO, "censored.groups:censored_two_groups", "exact Gehan", "Gehan exact",
        "pairs whose order the bounds leave known, by the exact distribution",
        effect="geometric_mean_ratio",
        options={"method": "gehan_exact"},
        in_r=InR("exact_gehan_answer(x)", _RANKS, RATIO, ("survival", "coin")),
    ),
    StatisticalTest(
        "kruskal_wallis", MEASUREMENT, MANY, "groups.k_groups:kruskal_wallis", "Kruskal–Wallis", "KW",
        "the ranks of all groups",
        effect="epsilon_squared",
        in_r=InR("kruskal_answer(x, group)", ("statistic", "df", "p_value", "effect", "ties")),
    ),
    StatisticalTest(
        "anova", MEASUREMENT, MANY, "groups.k_groups:anova", "analysis of variance", "ANOVA",
        "the means of all groups, the variances taken as equal",
        effect="eta_squared",
        in_r=InR("anova_answer(x, group, equal = TRUE)", _SPREAD, SHARE),
    ),
    StatisticalTest(
        "welch_anova", MEASUREMENT, MANY, "groups.k_groups:welch_anova",
        "Welch's analysis of variance", "Welch ANOVA",
        "the means of all groups, whatever the variances",
        effect="eta_squared",
        in_r=InR("anova_answer(x, group, equal = FALSE)", _SPREAD, SHARE),
    ),
    StatisticalTest(
        "levene_k", MEASUREMENT, MANY, "groups.k_groups:levene_k",
        "Levene's test of spread, all groups", "Levene, all",
        "the spread of all groups, by distances from each group's mean",
        in_r=InR("spreads_answer(x, group, mean)", ("statistic", "df", "df_den", "p_value")),
    ),
    StatisticalTest(
        "brown_forsythe_k", MEASUREMENT, MANY, "groups.k_groups:brown_forsythe_k",
        "Brown–Forsythe test of spread, all groups", "BF, all",
        "the spread of all groups, by distances from each group's median",
        in_r=InR("spreads_answer(x, group, median)", ("statistic", "df", "df_den", "p_value")),
    ),
    StatisticalTest(
        "fisher_k", COUNT, MANY, "groups.counts:fisher_k", "Fisher–Freeman–Halton exact", "Fisher, all",
        "the proportions of all groups, by the exact distribution",
        effect="cramers_v",
        in_r=InR("fishers_answer(x, group)", ("p_value", "effect", "interval"), SHARE),
    ),
    StatisticalTest(
        "chi_square_k", COUNT, MANY, "groups.counts:chi_square_k", "chi-square, all groups", "χ², all",
        "the proportions of all groups, by Pearson's chi-square",
        effect="cramers_v",
        in_r=InR("chi_squares_answer(x, group)", EVERY_NUMBER, SHARE),
    ),
    StatisticalTest(
        "log_rank", **_LOG_RANK, name="log-rank", short="log-rank",
        sentence="times to an event, all events alike",
        in_r=InR("survdiff_answer(data)", packages=("survival",)),
    ),
    StatisticalTest(
        "peto", **_LOG_RANK, name="Peto–Peto", short="Peto",
        sentence="times to an event, early ones weighing more",
        options={"weights": "peto_peto"},
        in_r=InR("weighted_answer(data, function(n, d) cumprod(1 - d / (n + 1)))", packages=("survival",)),
    ),
    StatisticalTest(
        "tarone_ware", **_LOG_RANK, name="Tarone–Ware", short="Tarone–Ware",
        sentence="times to an event, weighted by the root of the number at risk",
        options={"weights": "tarone_ware"},
        in_r=InR("weighted_answer(data, function(n, d) sqrt(n))", packages=("survival",)),
    ),
    StatisticalTest(
        "gehan_breslow", **_LOG_RANK, name="Gehan–Breslow", short="Gehan–Breslow",
        sentence="times to an event, weighted by the number at risk",
        options={"weights": "gehan_breslow"},
        in_r=InR("weighted_answer(data, function(n, d) n)", packages=("survival",)),
    ),
    StatisticalTest(
        "fleming_harrington_early", **_LOG_RANK, name="Fleming–Harrington (1, 0)", short="FH (1, 0)",
        sentence="times to an event, weighted by the share still free of it",
        options={"weights": "fleming_harrington", "rho": 1.0, "gamma": 0.0},
        in_r=InR("weighted_answer(data, function(n, d) free_before(n, d))", packages=("survival",)),
    ),
    StatisticalTest(
        "fleming_harrington_late", **_LOG_RANK, name="Fleming–Harrington (0, 1)", short="FH (0, 1)",
        sentence="times to an event, weighted by the share that had it before",
        options={"weights": "fleming_harrington", "rho": 0.0, "gamma": 1.0},
        in_r=InR("weighted_answer(data, function(n, d) 1 - free_before(n, d))", packages=("survival",)),
    ),
    StatisticalTest(
        "log_rank_trend", ORDERED_TIMES, MANY, "survival.log_rank:log_rank_trend",
        "log-rank test for trend", "trend",
        "times to an event, a step from each group to the next",
        in_r=InR("trend_answer(data)", packages=("survival",)),
    ),
    StatisticalTest(
        "wald_chi_square", **_OF_TERMS, name="Wald chi-square", short="Wald",
        sentence="a term of a mixed model, by Wald's chi-square",
        options={"test": "wald_chi_square"},
        in_r=InR("car::Anova(type = 3)", packages=("car",)),
    ),
    StatisticalTest(
        "satterthwaite_f", **_OF_TERMS, name="F test, Satterthwaite df", short="F",
        sentence="a term of a mixed model, by F with Satterthwaite's df",
        options={"test": "satterthwaite_f"},
        in_r=InR("emmeans::joint_tests", packages=("emmeans",)),
    ),
    StatisticalTest(
        "kenward_roger_f", **_OF_TERMS, name="F test, Kenward–Roger df", short="F, KR",
        sentence="a term of a mixed model, by F adjusted for small samples",
        options={"test": "kenward_roger_f"},
        in_r=InR("pbkrtest::KRmodcomp", packages=("lme4", "pbkrtest")),
    ),
    StatisticalTest(
        "containment_f", **_OF_TERMS, name="F test, containment df", short="F, containment",
        sentence="a term of a mixed model, by F with the df of the stratum that contains it",
        options={"test": "containment_f"},
        not_in_r="F tests with containment df: this script has no R for them",
    ),
    StatisticalTest(
        "greenhouse_geisser", **_COURSES, name="analysis of variance, Greenhouse–Geisser", short="GG",
        sentence="means over visits, df lowered for unequal correlations",
        written_as="anova_greenhouse_geisser",
    ),
    StatisticalTest(
        "huynh_feldt", **_COURSES, name="analysis of variance, Huynh–Feldt", short="HF",
        sentence="means over visits, df lowered a little less",
        written_as="anova_huynh_feldt",
    ),
    StatisticalTest(
        "uncorrected", **_COURSES, name="analysis of variance, sphericity assumed", short="F",
        sentence="means over visits, all correlations taken as equal",
        written_as="anova_uncorrected",
    ),
    StatisticalTest(
        "pillai", **_COURSES, name="multivariate analysis of variance, Pillai's trace", short="Pillai",
        sentence="means over visits, whatever the correlations",
        written_as="anova_pillai",
    ),
)  # fmt: skip
_BY_RESULT = {test.result_id: test for test in TESTS}
NO_TEST = "none"


def statistical_tests(*responses: str, groups: str | None = None) -> dict[str, StatisticalTest]:
    """Tests by id, of these kinds of response, for two groups or for many."""
    return {t.id: t for t in TESTS if t.response in responses and groups in (None, t.groups)}


def declared(result_id: object) -> StatisticalTest | None:
    """The test with this id in results."""
    return _BY_RESULT.get(str(result_id))


def public_functions() -> dict[str, tuple[str, str]]:
    """Names of the tests' functions, each with its module; a term's test is a method of its model's fit."""
    found = (test.function.partition(":") for test in TESTS if test.response != MODEL_TERM)
    return {name: (module, name) for module, _, name in found}
