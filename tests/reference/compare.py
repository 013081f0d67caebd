"""How close a computed quantity must be to R's, and whether it is.

Belongs here: the tolerance of every quantity, with its reason, and the walk that compares two nested answers.
Does not belong here: any statistics, and reading or writing of cases (run.py).

The rules are those that the cases' README states; what it leaves open is 1e-7 relative.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

Path = tuple[str | int, ...]

P_VALUE = re.compile(r"^(p|p_.*|.*_p)$")
P_FLOOR = 1e-15  # where R takes a p value as 1 less its complement, digits below this are noise
REMARK = re.compile(r"(^|_)note$")
CHI_SQUARE_TRIPLES = ("lrt", "wald", "score", "robust_score")  # (statistic, df, p) in one list


@dataclass(frozen=True)
class Tolerance:
    """The ``relative`` or ``absolute`` difference allowed, the wider; ``rule`` names the comparison."""

    relative: float = 1e-7
    absolute: float = 1e-12
    rule: str = "number"  # number, at_least, at_most, reciprocal, not_compared


NOT_COMPARED = Tolerance(rule="not_compared")


@dataclass(frozen=True)
class Leaf:
    """One quantity of a case, compared."""

    path: Path
    expected: Any
    computed: Any
    outcome: str  # agrees, differs, missing, not_compared
    relative_difference: float = 0.0

    @property
    def key(self) -> str:
        return dotted(self.path)


def dotted(path: Path) -> str:
    """``("welch", "ci95", 0)`` as ``welch.ci95.0``: how ``missing`` and the table name a quantity."""
    return ".".join(str(part) for part in path)


def leaves(block: Any, path: Path = ()) -> Iterator[tuple[Path, Any]]:
    """Every leaf of nested dicts and lists with its path."""
    if isinstance(block, dict):
        for key, value in block.items():
            yield from leaves(value, (*path, key))
    elif isinstance(block, list):
        for index, value in enumerate(block):
            yield from leaves(value, (*path, index))
    else:
        yield path, block


def compare(
    family: str, expected: Any, computed: Any, missing: dict[str, str], default_relative: float | None = None
) -> list[Leaf]:
    """Compare ``computed`` with ``expected`` leaf by leaf; a missing key counts, it is never passed over."""
    result = []
    for path, value in leaves(expected):
        tolerance = tolerance_of(family, path, expected)
        if default_relative is not None and tolerance == Tolerance():
            tolerance = replace(tolerance, relative=default_relative)
        found = look_up(computed, path)
        if is_missing(path, missing) or (found is None and value is not None):
            difference = math.nan
            outcome = "not_compared" if tolerance.rule == "not_compared" else "missing"
        else:
            outcome, difference = _compare_leaf(path, value, found, tolerance)
        result.append(Leaf(path, value, found, outcome, difference))
    return result


def is_missing(path: Path, missing: dict[str, str]) -> bool:
    """Whether the quantity, or a block that holds it, is listed as missing."""
    return any(dotted(path[:length]) in missing for length in range(1, len(path) + 1))


def look_up(block: Any, path: Path) -> Any:
    for part in path:
        if isinstance(block, list):
            block = dict(enumerate(block))
        if not isinstance(block, dict) or part not in block:
            return None
        block = block[part]
    return block


def as_number(value: Any) -> float | None:
    """A JSON value as a float; R's "Inf", "-Inf" and numbers that R wrote as text beside them included."""
    if isinstance(value, bool):
        return None
    if isinstance(value, (int, float)):
        return float(value)
    if isinstance(value, str):
        text = value.strip()
        if text in ("Inf", "-Inf"):
            return math.inf if text == "Inf" else -math.inf
        try:
            return float(text)
        except ValueError:
            return None
    return None


def _compare_leaf(path: Path, expected: Any, computed: Any, tolerance: Tolerance) -> tuple[str, float]:
    if tolerance.rule == "not_compared":
        return "not_compared", 0.0
    if expected is None or computed is None:
        return ("agrees", 0.0) if expected is computed else ("differs", math.inf)
    a, b = as_number(expected), as_number(computed)
    if a is None or b is None:
        return ("agrees", 0.0) if expected == computed else ("differs", math.inf)
    if math.isinf(a) or math.isinf(b):
        return ("agrees", 0.0) if a == b else ("differs", math.inf)
    if math.isnan(a) or math.isnan(b):
        return "differs", math.inf
    agrees, difference = _within(a, b, tolerance, p_value=_is_p_value(path))
    return ("agrees" if agrees else "differs"), difference


def _within(expected: float, computed: float, tolerance: Tolerance, p_value: bool) -> tuple[bool, float]:
    gap = abs(expected - computed)
    relative = gap / abs(expected) if expected else (gap and math.inf)
    if tolerance.rule == "at_least":
        return computed >= expected - tolerance.absolute, 0.0 if computed >= expected else relative
    if tolerance.rule == "at_most":
        return computed <= tolerance.absolute, 0.0
    if tolerance.rule == "reciprocal" and abs(expected) > 1:
        return abs(1 / expected - 1 / computed) <= tolerance.absolute if computed else False, relative
    allowed, floor = tolerance.relative, tolerance.absolute
    if p_value:
        floor = min(floor, P_FLOOR)
    if p_value and 0 < expected < 1:
        # d(log p) is about (x / 2) d(log x) for a chi-square x, and -log p about x / 2: a small p value
        # carries the relative error of its statistic times its own logarithm.
        allowed *= 1 - math.log(expected)
    return gap <= max(allowed * abs(expected), floor), relative if gap > floor else 0.0


def _is_p_value(path: Path) -> bool:
    if len(path) > 1 and path[-2] in CHI_SQUARE_TRIPLES and path[-1] == 2:
        return True
    names = [part for part in path if isinstance(part, str)]
    return bool(names) and P_VALUE.match(names[-1]) is not None


def tolerance_of(family: str, path: Path, expected: Any) -> Tolerance:
    """The tolerance of one quantity. ``expected`` tells which mixed-model fits are on the boundary."""
    names = [part for part in path if isinstance(part, str)]
    last = names[-1] if names else ""
    if REMARK.search(last):
        return NOT_COMPARED
    if family == "lmm":
        return _mixed_model_tolerance(names, expected)
    if last.startswith("hl_ci95_asymptotic"):
        return Tolerance(relative=0.0, absolute=1e-6)  # ends are jump points that R's root finder straddles
    if last in ("odds_ratio_conditional_mle", "odds_ratio_conditional_ci95", "or", "ci95") and family in (
        "table",
        "fisher_batch",
    ):
        # uniroot's default tolerance, .Machine$double.eps^0.25, on the odds ratio or on its reciprocal
        return Tolerance(relative=0.0, absolute=1.3e-4, rule="reciprocal")
    if family == "cox" and last == "wald" and path[-1] == 0:
        return Tolerance(absolute=0.00501)  # summary.coxph rounds this statistic to two decimals
    return Tolerance()


def _mixed_model_tolerance(names: list[str], expected: Any) -> Tolerance:
    """`converged` 1e-7, logLik 1e-8 absolute, Satterthwaite df 1e-5; boundary fits by logLik and fixef."""
    last = names[-1]
    if names[0] in ("n_obs", "n_subjects", "coef_names", "contrasts"):
        return Tolerance()
    method = "REML" if names[0] == "lmer_REML" else names[0]
    interior = look_up(expected, (method, "converged", "interior"))
    if last == "interior":
        return Tolerance()
    if interior is False:
        if last == "logLik" and names[1] == "converged":
            return Tolerance(absolute=1e-3, rule="at_least")
        return Tolerance(relative=1e-3, absolute=1e-6) if last == "fixef" else NOT_COMPARED
    if last == "max_abs_gradient":
        return Tolerance(absolute=1e-5, rule="at_most")
    if "nlme" in names or names[0] == "lmer_REML":
        # they stop by their own criteria: where the likelihood is flat, R's own blocks differ by 5e-5
        return Tolerance(relative=1e-4, absolute=1e-7)
    if last == "logLik":
        return Tolerance(relative=0.0, absolute=1e-8)
    if "satterthwaite" in last or any("satterthwaite" in name for name in names):
        return Tolerance(relative=1e-5)
    return Tolerance()
