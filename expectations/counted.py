"""Expectations of Great Expectations, answered in counts per group, inside the database.

Great Expectations judges a table as a whole. A registry asks the same question of each hospital, and of each
concept within it. Two kinds of expectation are therefore added here, by the library's own means of extension
(a metric, and expectations that depend on it):

- `per_group(base)`: a column expectation. Its own condition is counted `group by hospital_id, concept_id, …`.

- `CountedRowsExpectation`: an UnexpectedRowsExpectation. Its query says of each row examined whether it is
unexpected (true, false, or null where the question does not arise); these are counted in the same way.

Each takes one query, whatever the number of groups. Only counts and the groups' names leave the database.

Importing this module imports Great Expectations. Does not belong here: the order of a run (`runner.py`),
words (`judgement.py`).
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from typing import Any, cast

import sqlalchemy as sa
from great_expectations.compatibility import pydantic
from great_expectations.execution_engine.sqlalchemy_execution_engine import SqlAlchemyExecutionEngine
from great_expectations.expectations.core.unexpected_rows_expectation import UnexpectedRowsExpectation
from great_expectations.expectations.expectation import BatchExpectation, ColumnMapExpectation
from great_expectations.expectations.metrics.metric_provider import MetricProvider, metric_value
from great_expectations.expectations.registry import get_metric_kwargs
from great_expectations.validator.metric_configuration import MetricConfiguration
from great_expectations.validator.validator import ValidationDependencies

from expectations.judgement import Group, holds

ABOUT_NULLS = ("column_values.nonnull", "column_values.null")  # applied to empty cells too


class ConditionCounts(MetricProvider):
    """Rows examined and unexpected per group, by the condition of a column expectation."""

    metric_name = "registry.condition_counts"
    domain_keys = ("batch_id", "table", "column", "row_condition", "condition_parser")
    value_keys = ("map_metric", "group_by")

    @metric_value(engine=SqlAlchemyExecutionEngine)
    def _sqlalchemy(
        cls,
        execution_engine: SqlAlchemyExecutionEngine,
        metric_domain_kwargs: dict[str, Any],
        metric_value_kwargs: dict[str, Any],
        metrics: dict[str, Any],
        runtime_configuration: dict[str, Any],
    ) -> list[Group]:
        condition, domain, accessor = metrics["unexpected_condition"]
        names = metric_value_kwargs["group_by"]
        about_nulls = metric_value_kwargs["map_metric"] in ABOUT_NULLS
        examined = sa.func.count() if about_nulls else sa.func.count(sa.column(accessor["column"]))
        rows = execution_engine.get_domain_records(domain_kwargs=domain)
        groups: list[sa.ColumnClause[Any]] = [sa.column(name) for name in names]
        query = (
            sa.select(*groups, examined, sa.func.sum(sa.case((condition, 1), else_=0)))
            .select_from(rows.subquery() if isinstance(rows, sa.Select) else rows)
            .group_by(*groups)
        )
        return _groups(names, execution_engine.execute_query(query).fetchall())

    @classmethod
    def _get_evaluation_dependencies(
        cls,
        metric: MetricConfiguration,
        configuration: Any = None,
        execution_engine: Any = None,
        runtime_configuration: dict[str, Any] | None = None,
    ) -> dict[str, MetricConfiguration]:
        own = {k: v for k, v in metric.metric_value_kwargs.items() if k not in cls.value_keys}
        name = f"{metric.metric_value_kwargs['map_metric']}.condition"
        return {"unexpected_condition": MetricConfiguration(name, metric.metric_domain_kwargs, own)}


class QueryCounts(MetricProvider):
    """Rows examined and unexpected per group, by a query with the column is_unexpected."""

    metric_name = "registry.query_counts"
    domain_keys = ("batch_id",)
    value_keys = ("unexpected_rows_query", "group_by")

    @metric_value(engine=SqlAlchemyExecutionEngine)
    def _sqlalchemy(
        cls,
        execution_engine: SqlAlchemyExecutionEngine,
        metric_domain_kwargs: dict[str, Any],
        metric_value_kwargs: dict[str, Any],
        metrics: dict[str, Any],
        runtime_configuration: dict[str, Any],
    ) -> list[Group]:
        names = metric_value_kwargs["group_by"]
        selected = [*names, "count(is_unexpected)", "count(*) filter (where is_unexpected)"]
        rows = metric_value_kwargs["unexpected_rows_query"]
        query = f"select {', '.join(selected)} from ({rows}) group by all"
        with execution_engine.get_connection() as connection:  # not as sa.text, which looks for ":name" in it
            return _groups(names, connection.exec_driver_sql(query).fetchall())


def _groups(names: list[str], rows: Sequence[Any]) -> list[Group]:
    return [
        {"names": dict(zip(names, row)), "examined": int(row[-2]), "unexpected": int(row[-1] or 0)}
        for row in rows
    ]


class _Counted:
    """What both kinds have in common: the metric that they depend on, and how its groups are judged."""

    group_by: list[str]
    at_least: int
    mostly: float

    def _dependencies(
        self, metric: str, domain: dict[str, Any], values: dict[str, Any], runtime: dict[str, Any] | None
    ) -> ValidationDependencies:
        configuration = MetricConfiguration(metric, domain, {**values, "group_by": self.group_by})
        plain = BatchExpectation.get_validation_dependencies(
            cast(BatchExpectation, self),  # both kinds are one
            runtime_configuration=runtime,
        )
        return ValidationDependencies({metric: configuration}, plain.result_format)

    def _judged(self, groups: list[Group]) -> dict[str, Any]:
        success = all(holds(group, self.mostly, self.at_least) for group in groups)
        return {"success": success, "result": {"observed_value": groups}}


class CountedRowsExpectation(_Counted, UnexpectedRowsExpectation):
    """In each group, at most a share of 1 - ``mostly`` of the rows of ``unexpected_rows_query``
    is unexpected.
    """

    mostly: float = 1.0
    at_least: int = 1
    group_by: list[str] = pydantic.Field(default_factory=list)

    @pydantic.validator("unexpected_rows_query", allow_reuse=True)
    def _validate_query(cls, query: str) -> str:
        """Replaces the inherited check, which prints a warning if a query names its tables itself."""
        return query

    def get_validation_dependencies(
        self, execution_engine: Any = None, runtime_configuration: dict[str, Any] | None = None
    ) -> ValidationDependencies:
        domain = {"batch_id": self.batch_id}
        values = {"unexpected_rows_query": self.unexpected_rows_query}
        return self._dependencies(QueryCounts.metric_name, domain, values, runtime_configuration)

    def _validate(
        self,
        metrics: dict[str, Any],
        runtime_configuration: dict[str, Any] | None = None,
        execution_engine: Any = None,
    ) -> dict[str, Any]:
        return self._judged(metrics[QueryCounts.metric_name])


@cache
def per_group(base: type[ColumnMapExpectation]) -> type[ColumnMapExpectation]:
    """``base`` with the arguments ``group_by`` and ``at_least``, judged in each group."""

    def get_validation_dependencies(
        self: Any, execution_engine: Any = None, runtime_configuration: dict[str, Any] | None = None
    ) -> ValidationDependencies:
        condition = get_metric_kwargs(
            f"{self.map_metric}.condition", self.configuration, runtime_configuration=runtime_configuration
        )
        values = {**(condition["metric_value_kwargs"] or {}), "map_metric": self.map_metric}
        domain = condition["metric_domain_kwargs"]
        return self._dependencies(ConditionCounts.metric_name, domain, values, runtime_configuration)

    def _validate(
        self: Any,
        metrics: dict[str, Any],
        runtime_configuration: dict[str, Any] | None = None,
        execution_engine: Any = None,
    ) -> dict[str, Any]:
        return self._judged(metrics[ConditionCounts.metric_name])

    return type(
        f"{base.__name__}PerGroup",
        (_Counted, base),
        {
            "__module__": __name__,
            "__doc__": f"{base.__name__}, judged in each group.",
            "__annotations__": {"group_by": list[str], "at_least": int},
            "at_least": 1,
            "get_validation_dependencies": get_validation_dependencies,
            "_validate": _validate,
        },
    )
