"""Which values of a column count, when a table counts one level of it.

Belongs here: reading ``level`` against the values that a column holds; the usual pairs of a yes and a no.
Does not belong here: counting (`comparison.py`), the kinds of variables (`baseline/table_one.py`).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import pandas as pd

# words for yes and for no in files and questionnaires; capitals and blanks around them do not count
PAIRS = (
    ("true", "false"), ("yes", "no"), ("y", "n"), ("t", "f"), ("1", "0"), ("1.0", "0.0"),
    ("present", "absent"),
    ("positive", "negative"), ("pos", "neg"), ("+", "-"), ("是", "否"), ("有", "无"), ("阳性", "阴性"),
)  # fmt: skip
MOST_NAMED = 12


def counted_values(
    seen: Iterable[Any], level: Any, variable: str, declared: Sequence[Any] = ()
) -> frozenset[Any]:
    """The values of a column that are ``level``; empty if the column could hold the level but does not.

    ``seen`` are the known values of the whole column, ``declared`` those that it may have (a categorical's).
    A boolean level, or 1 or 0, also means the yes or the no of a usual pair, if all values seen belong to
    that one pair. If the level never occurs, and the column could not hold it, the function raises
    ValueError, which lists the values seen.
    """
    values = list(dict.fromkeys(seen))
    equal = frozenset(v for v in values if _equal(v, level))
    if equal or not values or any(_equal(v, level) for v in declared):
        return equal
    side = _side_of(level)
    pair = _pair_of(values)
    if side is not None and pair is not None:
        return frozenset(v for v in values if _words(v) == pair[side])
    raise ValueError(
        f"{variable}: the level {_shown(level)} never occurs; the values seen are {_listed(values)}. Name "
        "one of them as level, map the column to True and False, or list all levels"
    )


def listed_values(values: Iterable[Any]) -> str:
    """Values as an error names them: ``"no", "yes"``."""
    return _listed(list(dict.fromkeys(values)))


def _equal(value: Any, level: Any) -> bool:
    return not pd.isna(value) and value == level


def _side_of(level: Any) -> int | None:
    """0 where the level says yes, 1 where it says no, None where it is another word."""
    if isinstance(level, (bool, int, float)):
        return 0 if level == 1 else 1 if level == 0 else None
    text = _words(level)
    return next((side for pair in PAIRS for side in (0, 1) if text == pair[side]), None)


def _pair_of(values: Sequence[Any]) -> tuple[str, str] | None:
    """The one pair that all values belong to."""
    texts = {_words(v) for v in values}
    return next((pair for pair in PAIRS if texts <= set(pair)), None)


def _words(value: Any) -> str:
    return str(value).strip().casefold()


def _shown(value: Any) -> str:
    return f'"{value}"' if isinstance(value, str) else str(value)


def _listed(values: Sequence[Any]) -> str:
    shown = [_shown(v) for v in sorted(values, key=lambda v: (str(type(v)), v))]
    return ", ".join(
        [*shown[:MOST_NAMED], *([f"and {len(shown) - MOST_NAMED} more"] if len(shown) > MOST_NAMED else [])]
    )
