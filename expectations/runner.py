"""Runs a suite on a DuckDB file through Great Expectations, inside the database, and reports what each rule
found.

Belongs here: from rules to queries and expectations, from validation results to counts. Does not belong here:
what Great Expectations needs for DuckDB (`duckdb_in_gx.py`), counting by group (`counted.py`), judging
(`judgement.py`).

Great Expectations takes seconds to import, so it is imported only when a suite runs.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Any

from expectations.judgement import Finding, Group, judge
from expectations.result import CheckResult
from expectations.suite import PLACEHOLDER, ROWS, Rule, Suite, Waiver
from yaml_files.yaml_file import nearest

if TYPE_CHECKING:
    from great_expectations.core.expectation_validation_result import ExpectationValidationResult

# Counts only: with this format Great Expectations neither queries nor shows an unexpected value.
COUNTS_ONLY = {"result_format": "BASIC", "partial_unexpected_count": 0, "exclude_unexpected_values": True}
GX_SEVERITY = {"blocking": "critical", "warning": "warning"}
# a rule with rows names its tables itself, but Great Expectations needs a batch to validate
NO_TABLE = "select 1 as one"
SPEAKS_OF_NAMES = re.compile(
    r'(?:Catalog|Binder|Parser) Error: [^\n]*?(?=[.!]?(?:\n|$))|column "[^"\n]*"[^\n]* does not exist'
)
WITHHELD = "the database refused the query; its message is not shown, because it can quote values"


@dataclass(frozen=True)
class Check:
    """A rule on one of its tables, with the query for the rows that it examines."""

    rule: Rule
    table: str
    query: str


def run_suite(
    database: Path,
    suite: Suite,
    *,
    schema: str | None = None,
    parameters: Mapping[str, str] | None = None,
    waivers: Iterable[Waiver] = (),
    today: date | None = None,
) -> list[CheckResult]:
    """Check ``database`` by every rule of ``suite``, reading only; the results are in the suite's order.

    ``schema`` is the schema of the tables, if it is not the suite's (a release's copy). ``parameters`` are
    those of the suite. ``waivers`` let an expectation fail up to and including their last day. ``today``
    decides whether a waiver has ended and which dates lie in the future. A rule that cannot be computed
    fails, and its note says why. The file may be open in this process, as a plain `duckdb.connect(path)`
    opens it; no handle is left behind. Raises ValueError for a wrong parameter and FileNotFoundError for a
    missing file.
    """
    if not Path(database).is_file():
        raise FileNotFoundError(f"{database}: no such file; build it before its suite {suite.suite}")
    day = today or date.today()
    names = _names(suite, schema or suite.schema_name, parameters or {}, day)
    checks = [_check(suite, rule, table, names) for rule in suite.rules for table in rule.tables]
    findings = _ask(Path(database), checks)
    in_play = tuple(waivers)
    return [
        result
        for check, finding in zip(checks, findings)
        for result in judge(suite, check.rule, check.table, finding, in_play, day)
    ]


def _names(suite: Suite, schema: str, parameters: Mapping[str, str], day: date) -> dict[str, str]:
    """The SQL that each placeholder of the suite stands for."""
    known = suite.parameters
    for name in parameters:
        if name not in known:
            raise ValueError(
                f'parameters: suite {suite.suite} has no parameter "{name}".{nearest(name, known)}'
                f" Its parameters: {', '.join(known) or 'none'}"
            )
    values = {name: parameters.get(name, parameter.default) for name, parameter in known.items()}
    if missing := [name for name, value in values.items() if value is None]:
        raise ValueError(
            f'parameters: suite {suite.suite} needs "{missing[0]}" ({known[missing[0]].note}); found'
            f" {', '.join(parameters) or 'none'}"
        )
    names = {name: _literal(value) for name, value in values.items() if value is not None}
    names |= {"schema": _identifier(schema), "today": f"date '{day.isoformat()}'"}
    for table in suite.tables:
        names[table] = f"{_identifier(schema)}.{_identifier(table)}"
        if suite.restrict:
            names[table] = f"(select * from {names[table]} where {_filled(suite.restrict, names)})"
    return names


def _check(suite: Suite, rule: Rule, table: str, names: Mapping[str, str]) -> Check:
    names = {**names, "table": names[table]}
    if rule.rows is not None:
        source, conditions = f"({_filled(rule.rows, names)})", [rule.where]
    else:
        source, conditions = f"{names['schema']}.{_identifier(table)}", [suite.restrict, rule.where]
    stated = " and ".join(f"({_filled(condition, names)})" for condition in conditions if condition)
    return Check(rule, table, f"select * from {source}" + (f" where {stated}" if stated else ""))


def _filled(sql: str, names: Mapping[str, str]) -> str:
    return PLACEHOLDER.sub(lambda match: names[match.group(1)], sql)


def _literal(value: str) -> str:
    return "'" + value.replace("'", "''") + "'"


def _identifier(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'


def _ask(database: Path, checks: list[Check]) -> list[Finding]:
    """Validate once per distinct query, so that all rules of a table are counted in one pass over it."""
    from expectations import duckdb_in_gx

    batches: dict[str, list[int]] = {}
    for number, check in enumerate(checks):
        batches.setdefault(NO_TABLE if check.rule.expectation == ROWS else check.query, []).append(number)
    assets = {f"batch_{n}": query for n, query in enumerate(batches)}
    findings: dict[int, Finding] = {}
    with duckdb_in_gx.opened(database, assets) as source:
        for name, query in assets.items():
            findings |= _validate(source, name, {n: checks[n] for n in batches[query]})
    return [findings[number] for number in range(len(checks))]


def _validate(source: Any, asset: str, checks: dict[int, Check]) -> dict[int, Finding]:
    from great_expectations.core import ExpectationSuite
    from great_expectations.validator.v1_validator import Validator

    expectations = [_expectation(number, check) for number, check in checks.items()]
    batch = source.get_asset(asset).get_batch_definition("all")
    validator = Validator(batch, result_format=dict(COUNTS_ONLY))
    outcome = validator.validate_expectation_suite(ExpectationSuite(asset, expectations=expectations))
    return {_number(result): _finding(result) for result in outcome.results}


def _number(result: ExpectationValidationResult) -> int:
    """The number of the check that a result answers; `_expectation` wrote it beside the expectation."""
    asked = result.expectation_config
    assert asked is not None and asked.meta is not None
    return asked.meta["check"]


def _expectation(number: int, check: Check) -> Any:
    from great_expectations.expectations.registry import get_expectation_impl

    from expectations.counted import CountedRowsExpectation, per_group

    rule = check.rule
    common: dict[str, Any] = {"severity": GX_SEVERITY[rule.severity], "meta": {"check": number}}
    judged: dict[str, Any] = {"mostly": rule.mostly, "group_by": rule.group_by, "at_least": rule.at_least}
    if rule.expectation == ROWS:
        return CountedRowsExpectation(unexpected_rows_query=check.query, **judged, **common)
    kind = get_expectation_impl(rule.expectation)
    arguments = {**rule.kwargs, **_columns(rule), **common}
    if rule.is_judged_in_groups:
        return per_group(kind)(**arguments, **judged)
    if "mostly" in kind.__fields__:
        arguments["mostly"] = rule.mostly
    return kind(**arguments)


def _columns(rule: Rule) -> dict[str, Any]:
    if not rule.columns:
        return {}
    if "_pair_" in rule.expectation:
        return {"column_A": rule.columns[0], "column_B": rule.columns[1]}
    if "compound" in rule.expectation:
        return {"column_list": rule.columns}
    return {"column": rule.columns[0]}


def _finding(result: Any) -> Finding:
    """The counts of a result; of an error, only words that name tables and columns."""
    if (trouble := _trouble(result.exception_info)) is not None:
        return Finding(trouble=trouble)
    observed = result.result.get("observed_value")
    if isinstance(observed, list):
        return Finding(groups=tuple(observed))
    if observed is not None:
        return Finding(number=int(observed), holds=bool(result.success))
    examined = result.result["element_count"] - (result.result.get("missing_count") or 0)
    group: Group = {"names": {}, "examined": examined, "unexpected": result.result["unexpected_count"] or 0}
    return Finding(groups=(group,), holds=bool(result.success))


def _trouble(information: Mapping[str, Any]) -> str | None:
    if not information or information.get("raised_exception") is False:
        return None
    messages = [information] if "exception_message" in information else list(information.values())
    spoken = SPEAKS_OF_NAMES.search(str(messages[0].get("exception_message")))
    return spoken.group() if spoken else WITHHELD
