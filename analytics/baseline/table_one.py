"""Table One: a baseline table and its comparisons, every variable summarised and tested as declared.

Belongs here: what to summarise and test, variable by variable, and the two long frames that come out.
Does not belong here: the tests (``group_tests.py``), and how the table looks (``tables.py``).

The kind of a variable and its test are declared, never guessed from the data. A choice that depends on the
data changes with the next delivery, and its p value is then no longer a valid p value.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import pandas as pd

from analytics.baseline.describe import Description, describe
from analytics.baseline.group_tests import (
    CENSORED_TESTS,
    COUNT_TESTS,
    K_COUNT_TESTS,
    K_GROUP_TESTS,
    K_MEASUREMENT_TESTS,
    MEASUREMENT_TESTS,
    TWO_BY_TWO_TESTS,
    TWO_GROUP_TESTS,
)
from analytics.comparison import (
    CONFIDENCE,
    Effect,
    KGroupTest,
    TwoGroupTest,
    categories,
    check_confidence,
    check_groups,
    check_pair,
    counted_level,
    samples,
)
from analytics.declared_tests import NO_TEST
from analytics.door import takes_any_frame
from analytics.multiplicity import METHODS, adjust_within_families
from analytics.status import OK, TOO_FEW_OBSERVATIONS, require_choice, require_columns
from analytics.words.formatting import (
    DECIMALS,
    enough_decimals,
    format_count_percent,
    format_mean_sd,
    format_median_iqr,
    format_p,
)

MEAN_SD, MEDIAN_IQR, COUNT_PERCENT = "mean_sd", "median_iqr", "count_percent"
KINDS = (MEAN_SD, MEDIAN_IQR, COUNT_PERCENT)
FAMILIES = ("table", "pair", "variable", "declared")
OVERALL = "overall"  # the family of the tests of all groups together
KIND_METHODS = {
    MEAN_SD: "mean ± standard deviation",
    MEDIAN_IQR: "median (first, third quartile), quartiles of type 7",
    COUNT_PERCENT: "number (percent of those known)",
}

SUMMARY_COLUMNS = (
    "table_id",
    "variable",
    "group_id",
    "n",
    "n_missing",
    "mean",
    "sd",
    "median",
    "q1",
    "q3",
    "count",
    "percent",
    "display",
    "kind",
    "method",
    "status",
    "note",
)
COMPARISON_COLUMNS = (
    "table_id",
    "variable",
    "group_a",
    "group_b",
    "n_a",
    "n_b",
    "test",
    "statistic",
    "df",
    "df_den",
    "p_value",
    "p_adjusted",
    "effect",
    "effect_kind",
    "ci_low",
    "ci_high",
    "display",
    "second_effect",
    "second_effect_kind",
    "second_ci_low",
    "second_ci_high",
    "confidence",
    "ties",
    "n_missing",
    "adjustment",
    "family",
    "method",
    "n",
    "status",
    "note",
)


@dataclass(frozen=True)
class VariableSpec:
    """One variable of the table.

    ``name`` is its column, ``kind`` one of ``KINDS``, ``test`` a name of ``group_tests.py`` or ``none``;
    ``tests`` names another test against single groups (by the second group of the pair), ``overall`` a test
    of all groups together. ``level`` is the value that a count counts (``True`` also fits 1 and the yes of a
    usual pair such as ``yes``/``no``); a level that never occurs is an error. ``levels`` lists all values of
    a category instead; each is summarised as ``name:level``, and all are tested together. ``decimals`` says
    how many are printed. Without it there are 2, or more where a small scale needs them for two significant
    digits, and a median or quartile drops trailing zeros. ``family`` is the multiplicity family when families
    are declared.
    """

    name: str
    kind: str
    test: str = NO_TEST
    tests: Mapping[Any, str] = field(default_factory=dict)
    level: Any = True
    levels: tuple[Any, ...] | None = None
    decimals: int | None = None
    family: str | None = None
    bounds: tuple[str, str] | None = None
    overall: str = NO_TEST

    def __post_init__(self) -> None:
        require_choice(self.kind, KINDS, f"variable {self.name}: kind")
        if self.bounds is not None and self.kind != MEDIAN_IQR:
            raise ValueError(
                f"variable {self.name}: bounds can be summarised as median_iqr only; found kind {self.kind}"
            )
        fitting = self._fitting_tests
        for test in (self.test, *self.tests.values()):
            require_choice(test, (*fitting, NO_TEST), f"variable {self.name} ({self.kind}): test")
        require_choice(
            self.overall, (*self._fitting_overall, NO_TEST), f"variable {self.name} ({self.kind}): overall"
        )
        of_two = [t for t in (self.test, *self.tests.values()) if t in TWO_BY_TWO_TESTS]
        if self.levels is not None and of_two:
            raise ValueError(
                f"variable {self.name}: {of_two[0]} compares one level with all others; leave levels out"
            )
        if self.levels is not None and self.kind != COUNT_PERCENT:
            raise ValueError(
                f"variable {self.name}: levels can be summarised as count_percent only; found kind "
                f"{self.kind}"
            )

    @property
    def _fitting_tests(self) -> Mapping[str, Any]:
        if self.bounds is not None:
            return CENSORED_TESTS
        return COUNT_TESTS if self.kind == COUNT_PERCENT else MEASUREMENT_TESTS

    @property
    def _fitting_overall(self) -> Mapping[str, Any]:
        if self.bounds is not None:
            return {}
        return K_COUNT_TESTS if self.kind == COUNT_PERCENT else K_MEASUREMENT_TESTS

    @property
    def columns(self) -> tuple[str, ...]:
        return self.bounds or (self.name,)

    def test_against(self, group: Any) -> str:
        return self.tests.get(group, self.test)


@takes_any_frame
def table_one(
    data: pd.DataFrame,
    variables: Sequence[VariableSpec],
    *,
    group: str,
    groups: Sequence[Any],
    comparisons: Sequence[tuple[Any, Any]] = (),
    adjust: str = "holm",
    family: str = "table",
    table_id: str = "",
    confidence: float = CONFIDENCE,
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Summaries by group, and the declared tests of every variable: of each pair, and of all groups together.

    ``data`` has one row per patient. ``adjust`` corrects p values within each family: the whole ``table``,
    each ``pair`` of groups, each ``variable``, or the family that each variable has ``declared``. Returns two
    frames, one row per variable and group, one row per variable and pair, columns ``SUMMARY_COLUMNS`` and
    ``COMPARISON_COLUMNS``; a comparison that the data cannot answer is a row with its status. A test of all
    ``groups`` has a row without a pair. These rows are a family of their own (``overall``), so they change no
    p value of a pair. Raises ValueError for an unknown column, kind, test or group of a comparison, text
    where numbers belong, and infinite values.
    """
    _check(data, variables, group, groups, comparisons, adjust, family, confidence)
    summaries = [row for spec in variables for row in _summaries(data, spec, group, groups, table_id)]
    tested = [
        _comparison(data, spec, group, pair, table_id, confidence)
        for spec in variables
        for pair in comparisons
        if spec.test_against(pair[1]) != NO_TEST
    ]
    tested += [
        _overall(data, spec, group, groups, table_id, confidence)
        for spec in variables
        if spec.overall != NO_TEST
    ]
    return _frame(summaries, SUMMARY_COLUMNS), _adjusted(
        _frame(tested, COMPARISON_COLUMNS), variables, adjust, family
    )


def _check(
    data: pd.DataFrame,
    variables: Sequence[VariableSpec],
    group: str,
    groups: Sequence[Any],
    comparisons: Sequence[tuple[Any, Any]],
    adjust: str,
    family: str,
    confidence: float,
) -> None:
    check_confidence(confidence)
    require_choice(adjust, METHODS, "adjust")
    require_choice(family, FAMILIES, "family")
    require_columns(data, [group, *(column for spec in variables for column in spec.columns)])
    if len(groups) != 1:
        check_groups(groups)
    for pair in comparisons:
        check_pair(pair)
        for label in pair:
            require_choice(label, tuple(groups), "comparisons")
    names = [spec.name for spec in variables]
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise ValueError(f"variables: {', '.join(twice)} is listed twice; a table has one row per variable")
    undeclared = [spec.name for spec in variables if family == "declared" and spec.family is None]
    if undeclared:
        raise ValueError(
            f'variables: family is "declared", but no family is given for {", ".join(undeclared)}'
        )


def _summaries(
    data: pd.DataFrame, spec: VariableSpec, group: str, groups: Sequence[Any], table_id: str
) -> list[dict[str, Any]]:
    if spec.kind == COUNT_PERCENT:
        return _count_summaries(data, spec, group, groups, table_id)
    if spec.bounds is not None:
        return [_bounded_summary(data, spec, group, label, table_id) for label in groups]
    return [_measurement_summary(data, spec, group, label, table_id) for label in groups]


def _measurement_summary(
    data: pd.DataFrame, spec: VariableSpec, group: str, label: Any, table_id: str
) -> dict[str, Any]:
    values, n_missing = _values_of(data, spec.name, group, label)
    found = describe(values)
    return _summary_row(spec, spec.name, label, table_id, found.n, n_missing) | {
        "mean": found.mean,
        "sd": found.sd,
        "median": found.median,
        "q1": found.q1,
        "q3": found.q3,
        "display": _display(found, spec),
    }


def _bounded_summary(
    data: pd.DataFrame, spec: VariableSpec, group: str, label: Any, table_id: str
) -> dict[str, Any]:
    """The quartiles that are known in spite of the limits; a hidden quartile is missing, and is printed as a
    bound.
    """
    from analytics.censored.summary import summarise_censored

    lower, upper = spec.bounds or ("", "")
    decimals, keep_zeros = (DECIMALS, False) if spec.decimals is None else (spec.decimals, True)
    found = summarise_censored(
        data, lower=lower, upper=upper, group=group, groups=(label,), decimals=decimals, keep_zeros=keep_zeros
    ).iloc[0]
    known = {
        name: found[f"{name}_low"] if found[f"{name}_low"] == found[f"{name}_high"] else None
        for name in ("median", "q1", "q3")
    }
    n_hidden = int(found["n"] - found["n_measured"])
    row = _summary_row(spec, spec.name, label, table_id, int(found["n"]), int(found["n_missing"]))
    if found["n"] and n_hidden:
        row["note"] = f"{n_hidden} of {found['n']} lie beyond a detection limit"
    return row | known | {"display": found["display"]}


def _values_of(data: pd.DataFrame, name: str, group: str, label: Any) -> tuple[Any, int]:
    found = samples(data, name, group, (label, _NOBODY))
    return found.values[0], found.n_missing - found.n_without_group


_NOBODY = object()  # a second group that no row belongs to: ``samples`` splits into two or more


def _display(found: Description, spec: VariableSpec) -> str:
    if spec.kind == MEAN_SD:
        spread = found.sd or found.mean
        return format_mean_sd(
            found.mean, found.sd, enough_decimals([spread]) if spec.decimals is None else spec.decimals
        )
    if spec.decimals is None:
        decimals = enough_decimals([found.median, found.q1, found.q3])
        return format_median_iqr(found.median, found.q1, found.q3, decimals, keep_zeros=False)
    return format_median_iqr(found.median, found.q1, found.q3, spec.decimals)


def _count_summaries(
    data: pd.DataFrame, spec: VariableSpec, group: str, groups: Sequence[Any], table_id: str
) -> list[dict[str, Any]]:
    rows = []
    wanted = (
        [(spec.name, counted_level(data[spec.name], spec.level, spec.name))]
        if spec.levels is None
        else [(f"{spec.name}:{level}", frozenset({level})) for level in spec.levels]
    )
    for label in groups:
        counted = categories(data, spec.name, group, (label, _NOBODY), spec.levels)
        n = int(counted.counts[:, 0].sum())
        of_level = list(zip(counted.levels, counted.counts[:, 0].tolist(), strict=True))
        for name, chosen in wanted:
            count = sum(k for level, k in of_level if level in chosen) if n else None
            decimals = DECIMALS if spec.decimals is None else spec.decimals
            rows.append(
                _summary_row(spec, name, label, table_id, n, counted.n_missing - counted.n_without_group)
                | {
                    "count": count,
                    "percent": 100 * count / n if count is not None else None,
                    "display": format_count_percent(count, n, decimals),
                }
            )
    order = {name: i for i, name in enumerate(dict.fromkeys(row["variable"] for row in rows))}
    return sorted(rows, key=lambda row: order[row["variable"]])


def _summary_row(
    spec: VariableSpec, name: str, label: Any, table_id: str, n: int, n_missing: int
) -> dict[str, Any]:
    return {
        "table_id": table_id,
        "variable": name,
        "group_id": label,
        "n": n,
        "n_missing": n_missing,
        "kind": spec.kind,
        "method": KIND_METHODS[spec.kind],
        "status": OK if n else TOO_FEW_OBSERVATIONS,
        "note": "" if n else f"no {spec.name} is known in {label}",
    }


def _comparison(
    data: pd.DataFrame,
    spec: VariableSpec,
    group: str,
    pair: tuple[Any, Any],
    table_id: str,
    confidence: float,
) -> dict[str, Any]:
    name = spec.test_against(pair[1])
    test = TWO_GROUP_TESTS[name]
    found = test(data, group=group, groups=pair, confidence=confidence, **_options(spec))
    return _comparison_row(found, spec, pair, table_id) | {"family": spec.family}


def _overall(
    data: pd.DataFrame,
    spec: VariableSpec,
    group: str,
    groups: Sequence[Any],
    table_id: str,
    confidence: float,
) -> dict[str, Any]:
    """One test of all groups. For a yes/no, the level is counted against everything else."""
    options: dict[str, Any] = {"value": spec.name, "group": group, "groups": groups, "confidence": confidence}
    if spec.kind == COUNT_PERCENT and spec.levels is None:
        known = data[spec.name].notna()
        counted = data[spec.name].isin(counted_level(data[spec.name], spec.level, spec.name))
        data = data.assign(**{spec.name: counted.astype(object).where(known)})
        options["levels"] = (True, False)
    elif spec.levels is not None:
        options["levels"] = spec.levels
    return _overall_row(K_GROUP_TESTS[spec.overall](data, **options), spec, table_id)


def _overall_row(found: KGroupTest, spec: VariableSpec, table_id: str) -> dict[str, Any]:
    shared = (
        "test", "statistic", "df", "df_den", "p_value", "effect", "effect_kind", "ci_low", "ci_high",
        "confidence",
        "ties", "n_missing", "method", "n", "status", "note",
    )  # fmt: skip
    row = {"table_id": table_id, "variable": spec.name, "display": format_p(found.p_value), "family": OVERALL}
    return row | {name: getattr(found, name) for name in shared}


def _options(spec: VariableSpec) -> dict[str, Any]:
    """What the test of a variable is told beside the groups."""
    if spec.bounds is not None:
        return {"lower": spec.bounds[0], "upper": spec.bounds[1]}
    if spec.kind != COUNT_PERCENT:
        return {"value": spec.name}
    return {"value": spec.name} | ({"level": spec.level} if spec.levels is None else {"levels": spec.levels})


def _comparison_row(
    found: TwoGroupTest, spec: VariableSpec, pair: tuple[Any, Any], table_id: str
) -> dict[str, Any]:
    second = found.more_effects[0] if found.more_effects else Effect("", None)
    return {
        "table_id": table_id,
        "variable": spec.name,
        "group_a": pair[0],
        "group_b": pair[1],
        "n_a": found.n_a,
        "n_b": found.n_b,
        "test": found.test,
        "statistic": found.statistic,
        "df": found.df,
        "df_den": found.df_den,
        "p_value": found.p_value,
        "effect": found.effect,
        "effect_kind": found.effect_kind,
        "ci_low": found.ci_low,
        "ci_high": found.ci_high,
        "display": format_p(found.p_value),
        "second_effect": second.estimate,
        "second_effect_kind": second.kind or None,
        "second_ci_low": second.ci_low,
        "second_ci_high": second.ci_high,
        "confidence": found.confidence,
        "ties": found.ties,
        "n_missing": found.n_missing,
        "method": found.method,
        "n": found.n,
        "status": found.status,
        "note": found.note,
    }


def _adjusted(
    tested: pd.DataFrame, variables: Sequence[VariableSpec], adjust: str, family: str
) -> pd.DataFrame:
    families = {
        "table": pd.Series("table", index=tested.index, dtype=object),
        "pair": tested["group_a"].astype(str) + " vs " + tested["group_b"].astype(str),
        "variable": tested["variable"],
        "declared": tested["family"],
    }[family].where(tested["group_a"].notna(), OVERALL)
    p_adjusted = adjust_within_families(tested["p_value"], families, adjust)
    return tested.assign(family=families, adjustment=adjust, p_adjusted=p_adjusted)


_TEXT = (
    "table_id",
    "variable",
    "group_id",
    "group_a",
    "group_b",
    "test",
    "effect_kind",
    "second_effect_kind",
    "display",
    "kind",
    "adjustment",
    "family",
    "method",
    "status",
    "note",
)
_COUNTS = ("n", "n_a", "n_b", "n_missing", "count", "ties")


def _frame(rows: list[dict[str, Any]], columns: Sequence[str]) -> pd.DataFrame:
    """Rows as a frame with the same column types whatever the rows hold: text, nullable counts, floats."""
    frame = pd.DataFrame(rows, columns=list(columns))
    for column in columns:
        if column in _COUNTS:
            frame[column] = frame[column].astype("Int64")
        elif column not in _TEXT:
            frame[column] = frame[column].astype(float)
        else:
            frame[column] = frame[column].astype(object)
    return frame
