"""The door of `analytics`: a caller's frame may have any column types; the functions see plain ones.

Belongs here: turning nullable, pyarrow-backed, sparse, narrow and categorical columns into the few types that
the functions read, and refusing what is no data frame. Does not belong here: which columns a function needs
(`status.py`), what counts as a number (`comparison.py`).

| a column of | becomes |
|---|---|
| integers, of any width, nullable or pyarrow-backed | int64; float64 with NaN where a value is missing |
| floats of any width, Decimal | float64, NaN where a value is missing |
| booleans | bool; object with True, False and None where a value is missing |
| text of any storage | object, None where a value is missing |
| a categorical | a categorical in the same order, of plain categories |
| sparse values | the same values, dense |
| objects that are numbers | int64 or float64, as above |
| dates, periods, intervals, and other objects | as they are, None in place of pandas' NA |

The caller's frame is not changed, and a frame of plain columns is handed on as it is.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from decimal import Decimal
from functools import wraps
from numbers import Integral, Number
from typing import Any, ParamSpec, TypeVar

import numpy as np
import pandas as pd

Arguments = ParamSpec("Arguments")
Result = TypeVar("Result")

LARGEST_EXACT = 2**53  # beyond it a float64 does not tell one whole number from the next
PLAIN_OBJECTS = frozenset({"string", "empty"})  # what infer_dtype calls objects that need no second look


def takes_any_frame(function: Callable[Arguments, Result]) -> Callable[Arguments, Result]:
    """Let a public function, whose first argument is ``data``, see plain columns only.

    Raises ValueError where ``data`` is no data frame.
    """

    @wraps(function)
    def behind_the_door(*args: Arguments.args, **named: Arguments.kwargs) -> Result:
        if args:
            return function(plain_frame(args[0]), *args[1:], **named)  # type: ignore[arg-type]
        if "data" in named:
            named["data"] = plain_frame(named["data"])
        return function(**named)  # type: ignore[call-arg]

    return behind_the_door


def plain_frame(data: Any, argument: str = "data") -> pd.DataFrame:
    """``data`` with plain columns, its index and order as they were."""
    if not isinstance(data, pd.DataFrame):
        raise ValueError(
            f"{argument}: expected a pandas data frame, one row per observation; found {type(data).__name__}."
            " Make one with pandas.DataFrame(...)"
        )
    columns = [data.iloc[:, i] for i in range(data.shape[1])]
    plain = [plain_column(column) for column in columns]
    if all(new is old for new, old in zip(plain, columns, strict=True)):
        return data
    frame = pd.DataFrame(dict(enumerate(plain)), index=data.index)
    frame.columns = data.columns
    return frame


class PlainFrames(Mapping[str, pd.DataFrame]):
    """Several frames by name, each with plain columns; a frame is looked at when it is asked for first."""

    def __init__(self, frames: Mapping[str, pd.DataFrame]) -> None:
        self._frames = frames
        self._plain: dict[str, pd.DataFrame] = {}

    def __getitem__(self, name: str) -> pd.DataFrame:
        if name not in self._plain:
            self._plain[name] = plain_frame(self._frames[name], name)
        return self._plain[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._frames)

    def __len__(self) -> int:
        return len(self._frames)


def plain_column(column: pd.Series) -> pd.Series:
    """One column in its plain type; the same object where it has that already."""
    dtype = column.dtype
    if isinstance(dtype, pd.CategoricalDtype):
        return _plain_categories(column)
    if isinstance(dtype, pd.SparseDtype):
        return plain_column(column.sparse.to_dense())
    if isinstance(dtype, np.dtype):
        return _plain_numpy(column, dtype)
    kind = getattr(dtype, "kind", "O")
    if kind in "biuf":
        return _of_nullable_numbers(column, kind)
    if isinstance(dtype, (pd.PeriodDtype, pd.IntervalDtype, pd.DatetimeTZDtype)):
        return column
    return _plain_objects(_like(column, column.to_numpy(dtype=object)))


def _plain_numpy(column: pd.Series, dtype: np.dtype) -> pd.Series:
    if dtype.kind == "O":
        return _plain_objects(column)
    if dtype.kind == "f" and dtype != np.float64:
        return column.astype(np.float64)
    if dtype.kind in "iu" and dtype != np.int64:
        is_large = dtype.kind == "u" and len(column) > 0 and int(column.max()) > np.iinfo(np.int64).max
        return column.astype(object if is_large else np.int64)
    return column


def _of_nullable_numbers(column: pd.Series, kind: str) -> pd.Series:
    """A nullable or pyarrow-backed column of booleans, integers or floats."""
    if kind == "f":
        return _like(column, column.to_numpy(dtype=np.float64, na_value=np.nan))
    objects = column.to_numpy(dtype=object)
    missing = column.isna().to_numpy(dtype=bool)
    if kind == "b":
        return _like(column, _with_none(objects, missing) if missing.any() else objects.astype(bool))
    return _whole_numbers(column, objects, missing)


def _plain_objects(column: pd.Series) -> pd.Series:
    """Objects with one mark for what is missing, numpy's scalars as Python's; numbers as a column of
    numbers.
    """
    if pd.api.types.infer_dtype(column, skipna=False) in PLAIN_OBJECTS:
        return column
    objects = column.to_numpy(dtype=object)
    missing = np.asarray(pd.isna(objects), dtype=bool)
    known = objects[~missing]
    if len(known) and all(
        isinstance(v, (Number, Decimal)) and not isinstance(v, (bool, np.bool_, complex)) for v in known
    ):
        if all(_is_whole(v) for v in known):
            return _whole_numbers(column, objects, missing)
        return _like(
            column, np.array([np.nan if m else float(v) for v, m in zip(objects, missing, strict=True)])
        )
    if any(v is pd.NA or v is pd.NaT or isinstance(v, np.generic) for v in objects):
        return _like(column, _with_none(objects, missing))
    return column


def _is_whole(value: Any) -> bool:
    """An integer, or a Decimal without decimals: ``Decimal("3")`` is a count or a code, ``Decimal("3.0")`` is
    measured.
    """
    return isinstance(value, Integral) or (isinstance(value, Decimal) and value.as_tuple().exponent == 0)


def _whole_numbers(column: pd.Series, objects: np.ndarray, missing: np.ndarray) -> pd.Series:
    """int64 where all are known, float64 where not; objects where neither holds every digit."""
    sizes = [abs(int(v)) for v in objects[~missing]]
    if missing.any() and max(sizes, default=0) <= LARGEST_EXACT:
        return _like(
            column, np.array([np.nan if m else float(v) for v, m in zip(objects, missing, strict=True)])
        )
    if not missing.any() and max(sizes, default=0) <= np.iinfo(np.int64).max:
        return _like(column, objects.astype(np.int64))
    return _like(column, _with_none(objects, missing))


def _with_none(objects: np.ndarray, missing: np.ndarray) -> np.ndarray:
    found = np.empty(len(objects), dtype=object)
    found[:] = [
        None if m else v.item() if isinstance(v, np.generic) else v
        for v, m in zip(objects, missing, strict=True)
    ]
    return found


def _like(column: pd.Series, values: np.ndarray) -> pd.Series:
    return pd.Series(values, index=column.index, name=column.name)


def _plain_categories(column: pd.Series) -> pd.Series:
    categories = column.cat.categories
    of_categories = pd.Series(categories)
    plain = plain_column(of_categories)
    if plain is of_categories:
        return column
    return column.cat.rename_categories(pd.Index(plain.to_numpy(), dtype=plain.dtype))


def is_yes_no(column: pd.Series) -> bool:
    """Whether a plain column holds True and False; one without a known value does not."""
    if column.dtype == bool:
        return True
    known = column.dropna()
    return len(known) > 0 and pd.api.types.infer_dtype(known.astype(object), skipna=True) == "boolean"


def as_numbers(column: pd.Series) -> pd.Series | None:
    """A plain column as numbers: booleans as 0 and 1, a categorical by its categories; None where it is
    neither.
    """
    if isinstance(column.dtype, pd.CategoricalDtype):
        column = plain_column(column.astype(object))
    if column.dtype == object and column.isna().all():
        return column.astype(np.float64)
    if column.dtype == object and pd.api.types.infer_dtype(column, skipna=True) == "boolean":
        return column.map(lambda v: np.nan if pd.isna(v) else float(v)).astype(np.float64)
    is_number = pd.api.types.is_numeric_dtype(column) and not pd.api.types.is_complex_dtype(column)
    return column if is_number else None


def named_values(column: pd.Series, most: int = 3) -> str:
    """Some of the values that a column holds, for a caller who gave it: ``"<0.10", "n.d.", …``."""
    seen = list(dict.fromkeys(column.dropna().tolist()))
    texts = [f'"{v}"' if isinstance(v, str) else str(v) for v in seen[:most]]
    return ", ".join([*texts, *(["…"] if len(seen) > most else [])])
