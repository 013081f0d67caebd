"""Compute every quantity that a folder of reference cases asks for, and compare with R's numbers.

    python -m tests.reference.run CASES_DIR --out OUT_DIR

A case is a folder with ``case.json`` (what is asked), ``data.csv`` (empty = missing) and
``expected.json``. The answer goes to ``OUT_DIR/<case>.json`` as ``{"case": …, "computed": {…},
"missing": {key: reason}}`` with the keys of ``expected``; then one line per case is printed. A family
gets the keys of ``expected`` only: every value is blanked before it is called, so no number can leak
from the answer into the computation.

Belongs here: reading cases, calling ``families/<family>.py``, writing answers, the printed table.
Does not belong here: statistics (``analytics``), and tolerances (``compare.py``).
"""

from __future__ import annotations

import argparse
import importlib
import importlib.util
import json
import math
import re
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from tests.reference.compare import Leaf, compare, dotted, is_missing, leaves, look_up

CASES = Path(__file__).parent / "cases"
MORE_CASES = Path(__file__).parent / "more_cases"


@dataclass(frozen=True)
class Answer:
    """What was computed for one case, and how it compares."""

    case: str
    family: str
    computed: Any
    missing: dict[str, str]
    compared: list[Leaf]
    seconds: float

    @property
    def disagreements(self) -> list[Leaf]:
        return [leaf for leaf in self.compared if leaf.outcome in ("differs", "missing")]


def main(argv: Sequence[str] | None = None) -> int:
    arguments = _parser().parse_args(argv)
    folders = find_cases(arguments.cases)
    if not folders:
        print(
            f"{arguments.cases}: no case found; expected folders with case.json, data.csv, expected.json",
            file=sys.stderr,
        )
        return 2
    incomplete = [path.name for path in folders if not (path / "expected.json").is_file()]
    if incomplete:
        print(
            f"{arguments.cases}: no expected.json, which names what to compute, in {', '.join(incomplete)}",
            file=sys.stderr,
        )
        return 2
    arguments.out.mkdir(parents=True, exist_ok=True)
    answers = [answer_case(folder) for folder in folders]
    for answer in answers:
        write_answer(answer, arguments.out)
    print(report(answers, verbose=arguments.verbose))
    return 1 if arguments.check and any(answer.disagreements for answer in answers) else 0


def _parser() -> argparse.ArgumentParser:
    description = (__doc__ or "").splitlines()[0]
    parser = argparse.ArgumentParser(prog="python -m tests.reference.run", description=description)
    parser.add_argument("cases", type=Path, metavar="CASES_DIR")
    parser.add_argument("--out", type=Path, required=True, metavar="OUT_DIR")
    parser.add_argument("--check", action="store_true", help="exit with 1 on any disagreement")
    parser.add_argument("--verbose", action="store_true", help="list what disagrees or is missing")
    return parser


def find_cases(directory: Path) -> list[Path]:
    """The case folders in ``directory``, by name; ``directory`` itself when it is one."""
    if (directory / "case.json").is_file():
        return [directory]
    return sorted(path.parent for path in directory.glob("*/case.json"))


def answer_case(folder: Path) -> Answer:
    """Compute one case. A family that fails costs its own case only: every key is null and says why."""
    case = json.loads((folder / "case.json").read_text(encoding="utf-8"))
    document = json.loads((folder / "expected.json").read_text(encoding="utf-8"))
    expected = document["expected"]
    wanted = blank(expected)
    started = time.perf_counter()
    try:
        computed, missing = family_module(case["family"]).compute(case, read_csv(folder / "data.csv"), wanted)
    except Exception as error:  # one family's fault must not hide the others' answers
        reason = f"{type(error).__name__}: {error}"
        keys = wanted if isinstance(wanted, dict) else range(len(wanted))
        computed, missing = {}, {str(key): reason for key in keys}
    seconds = time.perf_counter() - started
    computed = conform(to_json(computed), wanted)
    unexplained = _unexplained(computed, expected, missing)
    missing = dict(missing) | {key: "not computed by its family" for key in unexplained}
    compared = compare(case["family"], expected, computed, missing, _stated_tolerance(document))
    return Answer(folder.name, case["family"], computed, missing, compared, seconds)


def family_module(family: str) -> Any:
    name = f"tests.reference.families.{family}"
    if importlib.util.find_spec(name) is None:
        raise NotImplementedError(f'no module tests/reference/families/{family}.py for the family "{family}"')
    return importlib.import_module(name)


def blank(block: Any) -> Any:
    """The same nested keys and list lengths with every value None."""
    if isinstance(block, dict):
        return {key: blank(value) for key, value in block.items()}
    if isinstance(block, list):
        return [blank(value) for value in block]
    return None


def conform(computed: Any, wanted: Any) -> Any:
    """``computed`` in the shape of ``wanted``: its keys, null where absent, lists of one unboxed as by R."""
    if isinstance(wanted, dict):
        found = computed if isinstance(computed, dict) else {}
        return {key: conform(found.get(key), value) for key, value in wanted.items()}
    if isinstance(wanted, list):
        found = computed if isinstance(computed, list) else ([] if computed is None else [computed])
        shaped = [conform(value, wanted[i]) if i < len(wanted) else value for i, value in enumerate(found)]
        return shaped + [conform(None, value) for value in wanted[len(found) :]]
    if isinstance(computed, list) and len(computed) == 1:
        return computed[0]
    return computed


def to_json(value: Any) -> Any:
    """numpy and pandas values as JSON's: NaN is null, infinity is R's text."""
    if isinstance(value, dict):
        return {str(key): to_json(item) for key, item in value.items()}
    if isinstance(value, (np.ndarray, pd.Series, pd.Index)):
        return to_json(value.tolist())
    if isinstance(value, (list, tuple)):
        return [to_json(item) for item in value]
    if isinstance(value, np.generic):
        value = value.item()
    if isinstance(value, float) and not math.isfinite(value):
        return None if math.isnan(value) else ("Inf" if value > 0 else "-Inf")
    return None if value is pd.NA else value


def _unexplained(computed: Any, expected: Any, missing: dict[str, str]) -> list[str]:
    """Keys that are null in the answer though R has a value, with no reason given by the family."""
    return [
        dotted(path)
        for path, value in leaves(expected)
        if value is not None and look_up(computed, path) is None and not is_missing(path, missing)
    ]


def _stated_tolerance(document: dict[str, Any]) -> float | None:
    stated = document.get("tolerance")
    return float(stated) if isinstance(stated, (int, float)) else None


def read_csv(path: Path) -> pd.DataFrame:
    """data.csv as R's read.csv sees it: empty and NA are missing, other text stays, names are syntactic."""
    frame = pd.read_csv(path, keep_default_na=False, na_values=["", "NA"], float_precision="round_trip")
    return frame.rename(columns={column: _r_name(str(column)) for column in frame.columns})


def _r_name(name: str) -> str:
    """R's make.names for ASCII: other characters become dots; a name that starts otherwise gets an X."""
    name = re.sub(r"[^\w.]", ".", name)
    return name if re.match(r"^([^\W\d_]|\.(?!\d))", name) else f"X{name}"


def write_answer(answer: Answer, directory: Path) -> None:
    document: dict[str, Any] = {"case": answer.case, "computed": answer.computed}
    if answer.missing:
        document["missing"] = answer.missing
    text = json.dumps(document, indent=1, ensure_ascii=False, allow_nan=False)
    (directory / f"{answer.case}.json").write_text(text + "\n", encoding="utf-8")


def report(answers: Sequence[Answer], verbose: bool = False) -> str:
    """One line per case: quantities, how many agree, how many are missing, the worst relative difference."""
    width = max(len(answer.case) for answer in answers)
    lines = [f"{'case':<{width}} {'quantities':>10} {'agreed':>7} {'missing':>7} {'worst':>9} {'seconds':>8}"]
    for answer in answers:
        compared = [leaf for leaf in answer.compared if leaf.outcome != "not_compared"]
        agreed = sum(leaf.outcome == "agrees" for leaf in compared)
        absent = sum(leaf.outcome == "missing" for leaf in compared)
        differences = [leaf.relative_difference for leaf in compared if leaf.outcome != "missing"]
        worst = max(differences, default=math.nan)
        lines.append(
            f"{answer.case:<{width}} {len(compared):>10} {agreed:>7} {absent:>7} {worst:>9.1e} "
            f"{answer.seconds:>8.2f}"
        )
        if verbose:
            lines += [f"    {line}" for line in faults(answer)]
    complete = sum(not answer.disagreements for answer in answers)
    lines.append(f"{complete} of {len(answers)} cases agree in every quantity")
    return "\n".join(lines)


def faults(answer: Answer) -> list[str]:
    """What disagrees, one line each; what is missing, one line per reason."""
    differing = [describe(leaf) for leaf in answer.disagreements if leaf.outcome != "missing"]
    reasons: dict[str, list[str]] = {}
    for leaf in answer.disagreements:
        if leaf.outcome == "missing":
            reasons.setdefault(_reason(leaf, answer.missing), []).append(leaf.key)
    absent = [
        f"{keys[0]}{f' and {len(keys) - 1} more' if len(keys) > 1 else ''}: missing ({reason})"
        for reason, keys in reasons.items()
    ]
    return differing + absent


def describe(leaf: Leaf) -> str:
    difference = f"{leaf.relative_difference:.1e}"
    return f"{leaf.key}: R {leaf.expected!r}, computed {leaf.computed!r}, relative difference {difference}"


def _reason(leaf: Leaf, missing: dict[str, str]) -> str:
    keys = [dotted(leaf.path[:length]) for length in range(1, len(leaf.path) + 1)]
    return next((missing[key] for key in keys if key in missing), "no reason given")


if __name__ == "__main__":
    sys.exit(main())
