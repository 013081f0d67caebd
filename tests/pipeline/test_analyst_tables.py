"""The tables for analysts agree with the facts and with the results that were computed from them."""

from __future__ import annotations

import csv
from pathlib import Path

import pytest

from orchestration.registry.folder import Registry
from tests.registries import release_query

UNITS = {  # how a canonical unit ends the name of a column
    "{score}": "", "1": "", "cm": "_cm", "U/L": "_u_l", "U/mL": "_u_ml", "10*9/L": "_10e9_l", "g/L": "_g_l", "mg/L": "_mg_l",
    "ug/L": "_ug_l", "umol/L": "_umol_l", "mmol/L": "_mmol_l", "pg/mL": "_pg_ml", "mm/h": "_mm_h", "%": "_percent",
}  # fmt: skip


def test_the_share_below_a_limit_is_an_average(shipped_run: Registry) -> None:
    [(naive, average, below, n)] = release_query(
        shipped_run,
        "select avg((comparator = '<')::int), avg(is_below_limit::int), count(*) filter (where comparator = '<'), count(*)"
        " from release.fct_observation where concept_id = 'il_4'",
    )
    assert naive == 1  # an ordinary value has no comparator, and an average leaves it out
    assert 0 < below < n
    assert average == pytest.approx(below / n)


def test_one_column_joins_every_table_of_patients(shipped_run: Registry) -> None:
    tables = release_query(
        shipped_run,
        "select table_name from duckdb_columns() where schema_name = 'release' and column_name = 'patient_key'"
        " order by 1",
    )
    assert len(tables) == 15
    for (table,) in tables:
        [(rows, joined, alike)] = release_query(
            shipped_run,
            f"select count(*), count(p.patient_id), count(*) filter (where p.hospital_id = t.hospital_id and p.patient_key = t.patient_key)"
            f" from release.{table} as t left join release.dim_patient as p using (patient_id)",
        )
        assert rows == joined == alike, table


def test_every_patient_has_a_baseline_row_and_a_row_of_each_endpoint(shipped_run: Registry) -> None:
    [(patients, baselines, endpoints)] = release_query(
        shipped_run,
        "select (select count(*) from release.dim_patient), (select count(*) from release.patient_baseline),"
        " (select count(distinct (patient_id, endpoint)) from release.person_time)",
    )
    assert patients == baselines == endpoints == 62


def test_the_years_at_risk_add_up_to_the_time_to_the_event(shipped_run: Registry) -> None:
    rows = release_query(
        shipped_run,
        "select t.patient_id, t.endpoint, t.time_days - t.entry_months * 30.4375, t.is_event, sum(y.days_at_risk), bool_or(y.is_event), count(*),"
        " arg_max(y.ended_by, y.year_of_follow_up)"
        " from release.fct_time_to_event as t left join release.person_time as y using (patient_id, endpoint) group by all",
    )
    assert len(rows) == 62
    for _, _, time, is_event, days, ended, years, ended_by in rows:
        assert days == pytest.approx(time)
        assert (ended, years) == (is_event, max(1, -(-time // 365.25)))
        assert (ended_by == "event") == is_event


def test_table_i_and_ii_follow_from_the_baseline_rows(shipped_run: Registry) -> None:
    """Values at a limit count as the limit there, as the study file says."""
    rows = release_query(
        shipped_run,
        """
        with one as (
            select case onset_group when 'juvenile' then lower(msa) || '_jdm' else 'nxp2_adult_dm' end as group_id, *
            from release.patient_baseline
        ),
        long as (
            unpivot (select group_id, patient_id, ck_u_l as ck, crp_mg_l as crp, ferritin_ug_l as ferritin,
                coalesce(il_2_pg_ml, il_2_limit_pg_ml) as il_2, coalesce(il_4_pg_ml, il_4_limit_pg_ml) as il_4,
                coalesce(ifn_gamma_pg_ml, ifn_gamma_limit_pg_ml) as ifn_gamma from one)
            on ck, crp, ferritin, il_2, il_4, ifn_gamma into name variable value value
        )
        select s.variable, s.group_id, s.n, s.median, s.q1, s.q3, count(value), median(value),
            quantile_cont(value, 0.25), quantile_cont(value, 0.75)
        from results.baseline_summary as s join long using (variable, group_id)
        where s.table_id = 'I' or s.group_id = 'nxp2_adult_dm' group by all
        """,
    )
    assert len(rows) == 24
    for variable, group, n, *expected in rows:
        assert expected[3] == n, (variable, group)
        assert expected[4:] == pytest.approx(expected[:3]), (variable, group)


def test_a_column_of_baseline_values_ends_in_the_canonical_unit(shipped_run: Registry) -> None:
    seed = Path(__file__).parents[2] / "dbt_project" / "seeds" / "concepts.csv"
    with seed.open(encoding="utf-8") as handle:
        units = {row["concept_id"]: row["unit_canonical"] for row in csv.DictReader(handle)}
    columns = [
        c
        for (c,) in release_query(shipped_run, "select column_name from (describe release.patient_baseline)")
    ]
    concepts = [c.removesuffix("_is_below_limit") for c in columns if c.endswith("_is_below_limit")]
    assert len(concepts) > 40
    for concept in concepts:
        end = "" if concept.endswith("_percent") else UNITS[units[concept]]
        four = [
            f"{concept}{end}",
            f"{concept}_limit{end}",
            f"{concept}_is_below_limit",
            f"{concept}_is_above_limit",
        ]
        assert [c for c in columns if c in four] == four
