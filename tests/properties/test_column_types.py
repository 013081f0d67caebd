"""Law: what a function of `analytics` answers does not depend on how pandas stores the columns.

Every public function that takes a frame is called on the same values as numpy's, pandas' nullable,
categorical, sparse, object and pyarrow-backed columns, with and without missing values; all answers equal
those of float64, int64, bool and object. pyarrow is no dependency of this project: its types are tried where
it is installed.
"""

from __future__ import annotations

import dataclasses
import importlib.util
import inspect
from collections.abc import Callable
from decimal import Decimal
from typing import Any

import numpy as np
import pandas as pd
import pytest

import analytics
from analytics import VariableSpec

GROUPS = ("a", "b", "c")
PAIR = {"value": "value", "group": "group", "groups": ("a", "b")}
ALL = {"value": "value", "group": "group", "groups": GROUPS}
COUNTS = {"group": "group", "groups": ("a", "b")}
METHODS = {"value": "pmm", "yes": "logistic", "score": "pmm"}

# one call of every public function that takes a frame; "long" has a row per patient and visit
CALLS: dict[str, tuple[str, Callable[..., Any]]] = {
    **{name: ("wide", lambda f, d: f(d, **PAIR)) for name in (
        "mann_whitney", "student_t", "welch_t", "levene", "brown_forsythe", "kolmogorov_smirnov")},
    **{name: ("wide", lambda f, d: f(d, **ALL)) for name in (
        "anova", "kruskal_wallis", "welch_anova", "levene_k", "brown_forsythe_k")},
    **{name: ("wide", lambda f, d: f(d, value="yes", level=True, **COUNTS)) for name in (
        "fisher", "fisher_mid_p", "chi_square", "chi_square_yates")},
    **{name: ("wide", lambda f, d: f(d, value="stage", group="group", groups=GROUPS)) for name in ("fisher_k", "chi_square_k")},
    "pairwise": ("wide", lambda f, d: f(d, analytics.mann_whitney, **ALL)),
    "table1": ("wide", lambda f, d: f(d, [
        VariableSpec("value", "mean_sd", "welch_t"), VariableSpec("score", "median_iqr", "mann_whitney"),
        VariableSpec("yes", "count_percent", "fisher"), VariableSpec("stage", "count_percent", "fisher", levels=("I", "II", "III")),
    ], group="group", groups=GROUPS, comparisons=[("a", "b")])),
    "kaplan_meier": ("wide", lambda f, d: f(d, "time", "event", "group", levels=GROUPS)),
    "log_rank": ("wide", lambda f, d: f(d, "time", "event", "group", levels=GROUPS, strata="stage", pairwise=True)),
    "log_rank_trend": ("wide", lambda f, d: f(d, "time", "event", "group", levels=GROUPS)),
    "restricted_mean": ("wide", lambda f, d: f(d, "time", "event", 12, "group", levels=GROUPS)),
    "cox_regression": ("wide", lambda f, d: f(d, "time", "event", ["group", "value", "yes", "score"], {"group": GROUPS}, strata="stage")),
    "firth_cox": ("wide", lambda f, d: f(d, "time", "event", ["group", "value"], {"group": GROUPS})),
    "firth_logistic": ("wide", lambda f, d: f(d, "yes", ["group", "score"], {"group": GROUPS})),
    "linear_model": ("wide", lambda f, d: f(d, "value ~ score + group + yes", {"group": GROUPS})),
    "logistic_model": ("wide", lambda f, d: f(d, "yes ~ score", {})),
    "gamma_frailty": ("wide", lambda f, d: f(d, "time", "event", "patient", ["score"], theta=0.5)),
    "andersen_gill": ("wide", lambda f, d: f(d, "start", "time", "event", "patient", ["score"])),
    "prentice_williams_peterson": ("wide", lambda f, d: f(d, "start", "time", "event", "patient", ["score"])),
    "cumulative_incidence": ("wide", lambda f, d: f(d, "time", "cause", "group", levels=GROUPS)),
    "gray_test": ("wide", lambda f, d: f(d, "time", "cause", "group", levels=GROUPS)),
    "cause_specific_cox": ("wide", lambda f, d: f(d, "time", "cause", 1, ["score"])),
    "fine_gray": ("wide", lambda f, d: f(d, "time", "cause", 1, ["score"])),
    "known_bounds": ("wide", lambda f, d: f(d, "value", "low", "high")),
    "censored_regression": ("wide", lambda f, d: f(d, "~ group", factors={"group": GROUPS}, lower="low", upper="high")),
    "censored_two_groups": ("wide", lambda f, d: f(d, lower="low", upper="high", **COUNTS)),
    "summarise_censored": ("wide", lambda f, d: f(d, lower="low", upper="high", group="group", groups=GROUPS)),
    "ratio_bounds": ("wide", lambda f, d: f(d, ("low", "high"), ("low", "high"))),
    "missing_patterns": ("wide", lambda f, d: f(d, ["value", "yes"], "group")),
    "impute": ("wide", lambda f, d: analytics.pool_fits([
        analytics.linear_model(frame, "value ~ score") for frame in f(d, METHODS, seed=3, m=3, iterations=2).frames])),
    "delta_sensitivity": ("wide", lambda f, d: f(
        d, METHODS, lambda frame: analytics.linear_model(frame, "value ~ score"), column="value", shifts=[0, 1], seed=3,
        m=3, iterations=2)),
    "fit_mixed_model": ("long", lambda f, d: f(d, response="value", fixed="group * visit", factors={"group": GROUPS, "visit": ("v1", "v2", "v3")})),
    "repeated_measures_anova": ("long", lambda f, d: f(d, "value", "group", "visit")),
}  # fmt: skip


def _wide(missing: bool) -> pd.DataFrame:
    """45 patients in plain types; quarters and whole numbers, so that a narrow type loses nothing."""
    rng = np.random.default_rng(17)
    n = 45
    event = rng.integers(0, 2, n)
    low = rng.integers(1, 30, n) / 4
    frame = pd.DataFrame({
        "patient": np.arange(n) // 2, "group": np.repeat(GROUPS, n // 3), "value": rng.integers(-20, 60, n) / 4,
        "score": rng.integers(0, 40, n), "yes": rng.integers(0, 2, n).astype(bool), "stage": rng.choice(["I", "II", "III"], n),
        "start": np.tile([0, 24], n)[:n], "time": np.tile([0, 25], n)[:n] + rng.integers(1, 24, n), "event": event.astype(bool),
        "cause": event * rng.integers(1, 3, n), "low": low, "high": low + rng.integers(0, 2, n),
    }).astype({"group": object, "stage": object})  # fmt: skip
    if missing:
        for i, column in enumerate(c for c in frame if c not in ("patient", "start", "time")):
            frame[column] = frame[column].astype(object if frame[column].dtype in (bool, object) else float)
            frame.loc[frame.index[i::11], column] = None
    return frame


def _long(missing: bool) -> pd.DataFrame:
    rng = np.random.default_rng(18)
    rows = [
        (p, GROUPS[p % 3], v, float(rng.integers(-8, 40) / 4)) for p in range(24) for v in ("v1", "v2", "v3")
    ]
    frame = pd.DataFrame(rows, columns=["patient", "group", "visit", "value"])
    if missing:
        frame.loc[[5, 40], "value"] = np.nan
    return frame


FRAMES = {"wide": _wide, "long": _long}
KINDS = {
    "value": "f",
    "low": "f",
    "high": "f",
    "yes": "b",
    "event": "b",
    "group": "t",
    "stage": "t",
    "visit": "t",
}  # else "i"


def _dtypes(f: Any, i: str, b: str, t: str) -> Callable[[pd.DataFrame], pd.DataFrame]:
    return lambda d: d.astype({c: {"f": f, "i": i, "b": b, "t": t}[KINDS.get(c, "i")] for c in d})


def _each(change: Callable[[object], object], kinds: str) -> Callable[[pd.DataFrame], pd.DataFrame]:
    return lambda d: d.assign(**{
        c: pd.Series([pd.NA if pd.isna(v) else change(v) for v in d[c]], dtype=object, index=d.index)
        for c in d if KINDS.get(c, "i") in kinds
    })  # fmt: skip


def _categorical(d: pd.DataFrame) -> pd.DataFrame:
    """Labels and ids as categoricals of nullable text or whole numbers; a yes/no and an outcome too."""
    d = d.astype({c: "string" for c in d if KINDS.get(c) == "t"})
    ids = [c for c in d if KINDS.get(c, "i") == "t" or c in ("patient", "cause", "event", "time")]
    return d.astype({c: "category" for c in ids})


def _sparse(d: pd.DataFrame) -> pd.DataFrame:
    return d.astype({c: pd.SparseDtype(d[c].dtype) for c in d if d[c].dtype.kind in "if"})


COMPLETE_ONLY = {
    "narrow numpy": _dtypes("float32", "int16", "bool", "object"),
    "float16": _dtypes("float16", "uint8", "bool", "str"),
}
STYLES: dict[str, Callable[[pd.DataFrame], pd.DataFrame]] = {
    "nullable": _dtypes("Float64", "Int64", "boolean", "string"),
    "narrow nullable": _dtypes("Float32", "UInt8", "boolean", "string"),
    "whole numbers for a yes/no": _dtypes("Float64", "Int64", "Int64", "string"),
    "converted": lambda d: d.convert_dtypes(),
    "objects": _each(lambda v: v, "fibt"),
    "numpy's scalars as objects": _each(lambda v: v if isinstance(v, str) else np.asarray(v)[()], "fib"),
    "Decimal": _each(lambda v: Decimal(str(v)), "fi"),
    "categorical": _categorical,
    "sparse": _sparse,
}
if importlib.util.find_spec("pyarrow"):
    import pyarrow

    STYLES |= {
        "pyarrow": _dtypes("double[pyarrow]", "int64[pyarrow]", "bool[pyarrow]", "string[pyarrow]"),
        "narrow pyarrow": _dtypes(
            "float[pyarrow]", "int16[pyarrow]", "bool[pyarrow]", "large_string[pyarrow]"
        ),
        "pyarrow decimal": _dtypes(
            pd.ArrowDtype(pyarrow.decimal128(9, 2)), "uint32[pyarrow]", "bool[pyarrow]", "string[pyarrow]"
        ),
        "pyarrow's convert_dtypes": lambda d: d.convert_dtypes(dtype_backend="pyarrow"),
    }


def _parts(result: Any) -> list[pd.DataFrame]:
    """The frames of a result, and one of its status, counts and note."""
    if isinstance(result, pd.DataFrame):
        return [result]
    if isinstance(result, tuple):
        return [part for item in result for part in _parts(item)]
    fields = {f.name: getattr(result, f.name) for f in dataclasses.fields(result)}
    words = {
        n: str(v) for n, v in fields.items() if isinstance(v, (str, int)) and n not in ("groups", "coding")
    }
    frames = [v for n, v in fields.items() if isinstance(v, pd.DataFrame) and n != "data"]
    summary = getattr(result, "summary", None)
    return [*frames, *([summary] if isinstance(summary, pd.DataFrame) else []), pd.DataFrame([words])]


def _plain(frame: pd.DataFrame) -> pd.DataFrame:
    """Objects; the coefficient of a yes/no is called as that of a number, which 1 and 0 make of it."""
    return (
        frame.astype(object)
        .where(frame.notna(), None)
        .replace({"yesTRUE": "yes", "yesTrue": "yes"})
        .reset_index(drop=True)
    )


def _same(found: pd.DataFrame, expected: pd.DataFrame) -> None:
    pd.testing.assert_frame_equal(
        _plain(found), _plain(expected), check_dtype=False, rtol=1e-9, atol=1e-12, check_column_type=False
    )


def _takes_a_frame(name: str) -> bool:
    function = getattr(analytics, name)
    return inspect.isfunction(function) and next(iter(inspect.signature(function).parameters)) == "data"


def test_every_public_function_that_takes_a_frame_is_called_here():
    assert set(CALLS) == {name for name in analytics.__all__ if _takes_a_frame(name)}


@pytest.mark.parametrize("style", [*STYLES, *COMPLETE_ONLY])
@pytest.mark.parametrize("missing", [False, True], ids=["complete", "missing"])
@pytest.mark.parametrize("name", CALLS)
def test_an_answer_does_not_depend_on_the_types_of_columns(name: str, missing: bool, style: str):
    kind, call = CALLS[name]
    plain = FRAMES[kind](missing)
    if missing and style in COMPLETE_ONLY:
        plain = plain.dropna().astype(
            {c: t for c, t in FRAMES[kind](False).dtypes.items()}
        )  # such types cannot lack a value
    other = (STYLES | COMPLETE_ONLY)[style](plain)
    before = other.copy()
    found, expected = (_parts(call(getattr(analytics, name), d)) for d in (other, plain))
    assert len(found) == len(expected)
    for a, b in zip(found, expected, strict=True):
        _same(a, b)
    pd.testing.assert_frame_equal(other, before)


@pytest.mark.parametrize("name", CALLS)
def test_what_is_no_frame_is_refused_in_one_sentence(name: str):
    call = CALLS[name][1]
    with pytest.raises(
        ValueError, match="data: expected a pandas data frame, one row per observation; found list"
    ):
        call(getattr(analytics, name), [1, 2, 3])


@pytest.mark.parametrize("name", CALLS)
def test_two_columns_alike_are_refused_by_name(name: str):
    kind, call = CALLS[name]
    frame = FRAMES[kind](False)
    twice = pd.concat([frame, frame], axis=1)
    with pytest.raises(ValueError, match=r'data: "[a-z]+".* is the name of two columns'):
        call(getattr(analytics, name), twice)


@pytest.mark.parametrize("name", ["adjust_p_values", "adjust_within_families"])
@pytest.mark.parametrize(
    "dtype",
    ["Float64", "float32", "object", *(["double[pyarrow]"] if importlib.util.find_spec("pyarrow") else [])],
)
def test_adjusted_p_values_do_not_depend_on_the_type_either(name: str, dtype: str):
    p = pd.Series([0.25, None, 0.5, 0.125])
    more = [] if name == "adjust_p_values" else [pd.Series(["x", "x", pd.NA, "x"], dtype="string")]
    expected = getattr(analytics, name)(p, *more, "holm")
    np.testing.assert_array_equal(getattr(analytics, name)(p.astype(dtype), *more, "holm"), expected)
