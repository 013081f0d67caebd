"""cgd: the hospital is a column, time is days from randomisation, relapse is the first infection."""

from __future__ import annotations

import pytest

from orchestration.registry.folder import Registry
from tests.registries import MAPPINGS, copy_registry, query, release_query, run


@pytest.fixture(scope="module")
def cgd(tmp_path_factory: pytest.TempPathFactory) -> Registry:
    registry = copy_registry(MAPPINGS / "cgd", tmp_path_factory.mktemp("cgd") / "registry")
    assert run(registry).refusals == ()
    return registry


def test_every_interval_is_taken_and_patients_are_counted_once(cgd: Registry) -> None:
    assert query(cgd, "select rows_in, rows_accepted, rows_rejected from quality.delivery") == [(203, 203, 0)]
    assert query(cgd, "select count(*), count(distinct hospital_id) from marts.dim_patient") == [(128, 13)]


def test_first_infections_by_treatment(cgd: Registry) -> None:
    assert release_query(cgd, "select group_id, n, events from results.survival_median order by 1") == [
        ("interferon", 63, 14),
        ("placebo", 65, 30),
    ]


def test_the_log_rank_test_is_that_of_r(cgd: Registry) -> None:
    """R: survdiff(Surv(tstop, status) ~ treat, cgd, subset = enum == 1) prints chisq 11.7 on 1 df, p =
    6e-04.
    """
    ((statistic, df, p),) = release_query(
        cgd, "select statistic, df, p_value from results.log_rank where scope = 'overall'"
    )
    assert round(statistic, 1) == 11.7
    assert df == 1
    assert round(p, 4) == 0.0006


def test_every_column_of_another_registrys_release_carries_a_comment(cgd: Registry) -> None:
    nameless = "select schema_name, table_name, column_name from duckdb_columns() where not internal and comment is null"
    assert release_query(cgd, nameless) == []


def test_a_study_without_printed_numbers_has_nothing_to_reproduce(cgd: Registry) -> None:
    assert release_query(cgd, "select count(*) from results.reproduction") == [(0,)]
    assert "Reproduction" not in (cgd.reports / "current" / "report.html").read_text(encoding="utf-8")
