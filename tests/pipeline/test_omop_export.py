"""A release as OMOP CDM 5.4, and read back by the ready-made mapping: the same marts.

The release is the shipped registry's, with what is awkward put into it. It is exported and read back once.
"""

from __future__ import annotations

import shutil
from collections import Counter
from contextlib import closing
from dataclasses import dataclass, replace
from pathlib import Path

import duckdb
import pytest

from orchestration.command import cli
from orchestration.outward.omop import (
    STOP_NOT_KNOWN,
    Exported,
    ExportRefused,
    Release,
    _columns,
    _pseudonym,
    export,
)
from orchestration.raw.pseudonym import hash_sql, read_or_make_key, set_key
from orchestration.registry.folder import Registry
from tests.registries import copy_as_it_stands, opened, query, run_to_marts

KEY = b"k" * 32
WITHOUT_A_DAY = 111.5  # the value of the result whose day is taken away
AWKWARD = """
create temp table one as
    select min(patient_key) as patient_key, 2 as n from release.dim_patient
    where patient_key not in (select patient_key from release.fct_treatment where stop_date is null);
insert into one select min(patient_key), 1 from (
    select patient_key from release.fct_event where status = 'present' and patient_key not in (select patient_key from one)
    group by patient_key having count(*) >= 3);
update release.dim_patient set sex = 'unknown' where patient_key = (select patient_key from one where n = 1);
update release.dim_patient set birth_year = null where patient_key = (select patient_key from one where n = 2);

create temp table ck as select observation_key, row_number() over (order by observation_key) as n from release.fct_observation
    where concept_id = 'ck' and unit_source = 'U/L' and comparator is null
    and patient_key not in (select patient_key from one where n = 2);
update release.fct_observation set unit_source = 'units of the house', value = 1e-3
    where observation_key = (select observation_key from ck where n = 1);
update release.fct_observation
    set comparator = '>', value = 5000, value_canonical = null, lower_limit = 5000, upper_limit = null, value_text = '> 5 000'
    where observation_key = (select observation_key from ck where n = 2);
update release.fct_observation set observed_date = null, observed_at = null, value = 111.5 where observation_key = (select observation_key from ck where n = 3);
update release.fct_observation set observed_at = observed_date + interval '9 hours 15 minutes' where observation_key = (select observation_key from ck where n = 4);
update release.fct_observation set value_text = 'see letter', value = null, value_canonical = null
    where observation_key = (select observation_key from ck where n = 5);
update release.fct_observation
    set concept_id = 'sars_cov_2_rna', value_text = 'not found, Dr. Example', value = null, value_canonical = null,
        value_code = 'negative', unit_source = null, unit_canonical = '{result}', conversion_rule = 'code'
    where observation_key = (select observation_key from ck where n = 6);

create temp table sign as select event_key, row_number() over (order by event_key) as n from release.fct_event
    where status = 'present' and patient_key = (select patient_key from one where n = 1);
update release.fct_event set event_id = 'death', event_date = '2024-03-01' where event_key = (select event_key from sign where n = 1);
update release.fct_event set event_id = 'death', event_date = '2024-04-01' where event_key = (select event_key from sign where n = 2);
update release.fct_event set event_date = null where event_key = (select event_key from sign where n = 3);
update release.fct_antibody_result set result = null where antibody_result_key = (select min(antibody_result_key)
    from release.fct_antibody_result where result = 'negative' and patient_key <> (select patient_key from one where n = 2));
"""


@dataclass(frozen=True)
class RoundTrip:
    release: Release
    folder: Path  # of the export
    exported: Exported
    back: Registry

    def sent(self, sql: str) -> list[tuple]:
        with closing(duckdb.connect(str(self.release.file), read_only=True)) as connection:
            return connection.execute(sql).fetchall()

    def rows(self, table: str, columns: str) -> Counter:
        """Rows of the release, with the patient's pseudonym before them."""
        found = self.sent(
            f"select hospital_id, patient_key, {columns} from release.{table} where patient_key in"
            " (select patient_key from release.dim_patient where birth_year is not null)"
        )
        return Counter((_pseudonym(KEY, hospital, key), *rest) for hospital, key, *rest in found)

    def read(self, table: str, columns: str) -> Counter:
        """Rows of the mart that was made of the export, with the same pseudonym."""
        with closing(duckdb.connect()) as connection:
            set_key(connection, read_or_make_key(self.back.pseudonym_key_file))
            key = hash_sql("'back' || chr(31) || 'patient' || chr(31) || person_id::varchar")
            who = dict(
                connection.execute(
                    f"select {key}, person_source_value from '{self.folder}/person.parquet'"
                ).fetchall()
            )
        found = query(self.back, f"select patient_key, {columns} from marts.{table}")
        return Counter((who[key], *rest) for key, *rest in found)


@pytest.fixture(scope="module")
def trip(shipped_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> RoundTrip:
    folder = tmp_path_factory.mktemp("omop")
    file = folder / "r1.duckdb"
    shutil.copy((shipped_folder / "release" / "current.duckdb").resolve(), file)
    file.chmod(0o600)
    with duckdb.connect(str(file)) as connection:
        connection.execute(AWKWARD)
    back = folder / "back"
    (back / "hospitals").mkdir(parents=True)
    (back / "landing" / "back").mkdir(parents=True)
    shutil.copy(shipped_folder / "registry.yml", back)
    (back / "hospitals" / "back.yml").write_text("sender: back\nname: Back\nlike: omop_cdm_5_4\n")
    release = Release(file, "r1", "Registry", True, "2026-01-31", "exact", KEY)
    delivery = back / "landing" / "back" / "first"
    exported = export(release, delivery)
    (delivery / "_SUCCESS").touch()
    registry = opened(back)
    run_to_marts(registry)
    return RoundTrip(release, delivery, exported, registry)


def test_every_row_of_the_export_is_read(trip: RoundTrip) -> None:
    read = sum(n for table, n in trip.exported.rows.items() if table not in ("care_site", "cdm_source"))
    assert query(trip.back, "select rows_in, rows_rejected from quality.delivery") == [(read, 0)]


def test_patients_and_visits_are_the_same(trip: RoundTrip) -> None:
    assert trip.read("dim_patient", "sex, birth_year") == trip.rows("dim_patient", "sex, birth_year")
    visit = "visit_date, scheduled_visit, nominal_month, is_scheduled"
    assert trip.read("fct_visit", visit) == trip.rows("fct_visit", visit)


def test_values_comparators_and_limits_are_the_same(trip: RoundTrip) -> None:
    columns = (
        "concept_id, observed_at, value_canonical, unit_canonical, comparator, lower_limit, upper_limit, value_code,"
        " scheduled_visit, is_visit_value"
    )
    left = trip.rows("fct_observation", columns) - trip.read("fct_observation", columns)
    added = trip.read("fct_observation", columns) - trip.rows("fct_observation", columns)
    assert trip.read("fct_observation", columns).total() > 4000
    assert {row[1] for row in left} <= {"ck"} and sum(left.values()) == 2  # no day; no number
    assert added == Counter()


def test_a_number_is_written_in_a_unit_that_its_reader_knows(trip: RoundTrip) -> None:
    """As it was sent where the catalogue has the unit, else in the catalogue's."""
    columns = "concept_id, value, comparator"
    known = trip.rows("fct_observation", columns)
    there = trip.read("fct_observation", columns)
    changed = sorted(row[2] for row in known - there if row[2] is not None)
    assert changed == [0.001, WITHOUT_A_DAY]
    with closing(duckdb.connect()) as connection:
        units = connection.execute(
            f"select distinct unit_source_value from '{trip.folder}/measurement.parquet' order by 1"
        ).fetchall()
    assert ("units of the house",) not in units and ("ukat/L",) in units


def test_events_treatments_and_antibodies_are_the_same(trip: RoundTrip) -> None:
    for table, columns, left_out in (
        ("fct_event", "event_id, event_date, status", 2),  # without a day; a second death
        ("fct_treatment", "treatment_id, start_date, stop_date", 0),
        ("fct_antibody_result", "antibody_id, tested_date, result", 1),  # without a result
    ):
        sent, there = trip.rows(table, columns), trip.read(table, columns)
        assert sum((sent - there).values()) == left_out, table
        assert there - sent == Counter(), table
    assert trip.read("dim_antibody_status", "msa") == trip.rows("dim_antibody_status", "msa")


def test_what_is_left_out_is_counted_and_told(trip: RoundTrip) -> None:
    told = trip.exported.left_out
    assert {reason.split(",")[0]: n for reason, n in told.items() if n and "models" not in reason} == {
        "patients without a year of birth": 1,
        "results without a day": 1,
        "results that are no number and no known word": 1,
        "antibody results without a day": 1,
        "events and signs without a day": 1,
        "further deaths of one patient": 1,
    }
    readme = (trip.folder / "README.md").read_text(encoding="utf-8")
    with closing(duckdb.connect()) as connection:
        ((said,),) = connection.execute(
            f"select source_description from '{trip.folder}/cdm_source.parquet'"
        ).fetchall()
    for sentence in trip.exported.sentences():
        assert sentence in readme and sentence in said
    assert "SYNTHETIC DATA" in readme and "SYNTHETIC DATA" in said


def test_tables_have_the_columns_types_and_required_values_of_the_cdm(trip: RoundTrip) -> None:
    with closing(duckdb.connect()) as connection:
        for table, columns in _columns().items():
            path = f"{trip.folder}/{table}.parquet"
            found = connection.execute(f"describe from '{path}'").fetchall()
            assert [(name, kind) for name, kind, *_ in found] == [(c.name, c.type) for c in columns]
            for column in (c.name for c in columns if c.is_required):
                assert connection.execute(f"select count(*) from '{path}' where {column} is null").fetchall() == [(0,)]  # fmt: skip


def test_ids_lead_to_rows_of_their_table(trip: RoundTrip) -> None:
    with closing(duckdb.connect()) as connection:
        for table in _columns():
            names = {c.name for c in _columns()[table]}
            for of, key in (
                ("person", "person_id"),
                ("visit_occurrence", "visit_occurrence_id"),
                ("care_site", "care_site_id"),
            ):
                if key in names:
                    lost = connection.execute(
                        f"select count(*) from '{trip.folder}/{table}.parquet' where {key} is not null and {key} not in"
                        f" (select {key} from '{trip.folder}/{of}.parquet')"
                    ).fetchall()
                    assert lost == [(0,)], (table, key)


def test_an_operator_a_unit_and_a_concept_have_omops_ids_and_none_is_given_to_what_it_does_not_mean(
    trip: RoundTrip,
) -> None:
    with closing(duckdb.connect()) as connection:
        rows = connection.execute(
            "select distinct measurement_source_value, unit_source_value, measurement_concept_id, unit_concept_id,"
            f" operator_concept_id from '{trip.folder}/measurement.parquet'"
            " where measurement_source_value in ('ck', 'creatinine') order by all"
        ).fetchall()
    assert ("ck", "U/L", 3007220, 8645, 4172704) in rows
    assert ("creatinine", "mg/dL", 3016723, 8840, None) in rows
    assert ("creatinine", "umol/L", 0, 0, None) in rows  # the id is that of a mass


def test_no_key_and_no_text_of_a_hospital_leaves(trip: RoundTrip) -> None:
    """patient_key, names of files, words as they were sent."""
    words = {w for (w,) in trip.sent("select patient_key from release.dim_patient")}
    words |= {w for (w,) in trip.sent("select distinct treatment_source from release.fct_treatment")}
    words |= {w for (w,) in trip.sent("select distinct source_file from release.fct_event")}
    words |= {"see letter", "Dr. Example", "> 5 000"}
    with closing(duckdb.connect()) as connection:
        for path in sorted(trip.folder.glob("*.parquet")):
            texts = {
                str(value)
                for row in connection.execute(f"from '{path}'").fetchall()
                for value in row
                if isinstance(value, str)
            }
            assert texts.isdisjoint(words), path.name
            assert not [t for t in texts if "Example" in t], path.name


@pytest.mark.parametrize("dates", ["shifted", "month"])
def test_dates_leave_as_registry_yml_says(trip: RoundTrip, tmp_path: Path, dates: str) -> None:
    made = tmp_path / "made"
    export(replace(trip.release, dates=dates), made)  # type: ignore[arg-type]
    pairs = " union all ".join(
        f"select a.person_id, a.{day}, b.{day} from '{trip.folder}/{table}.parquet' as a"
        f" join '{made}/{table}.parquet' as b using ({table}_id)"
        for table, day in (
            ("measurement", "measurement_date"),
            ("drug_exposure", "drug_exposure_start_date"),
            ("visit_occurrence", "visit_start_date"),
        )
    )
    with closing(duckdb.connect()) as connection:
        found = connection.execute(pairs).fetchall()
        times = connection.execute(
            f"select count(measurement_datetime) from '{made}/measurement.parquet'"
        ).fetchall()
    assert len(found) > 4000
    if dates == "month":
        assert all(moved == day.replace(day=1) for _, day, moved in found)
        assert times == [(0,)]
    else:
        shifts: dict[int, set[int]] = {}
        for person, day, moved in found:
            shifts.setdefault(person, set()).add((moved - day).days)
        assert all(len(days) == 1 and 30 <= abs(next(iter(days))) <= 365 for days in shifts.values())
        assert len({next(iter(days)) for days in shifts.values()}) > 30
        assert times == [(1,)]


def test_a_source_without_dates_gives_persons_and_no_invented_day(trip: RoundTrip, tmp_path: Path) -> None:
    file = tmp_path / "offsets.duckdb"
    shutil.copy(trip.release.file, file)
    with duckdb.connect(str(file)) as connection:
        for table, column in (
            ("fct_visit", "visit_date"), ("fct_observation", "observed_date"), ("fct_event", "event_date"),
            ("fct_antibody_result", "tested_date"), ("fct_treatment", "start_date"), ("fct_treatment", "stop_date"),
            ("fct_follow_up", "last_seen_date"),
        ):  # fmt: skip
            connection.execute(f"update release.{table} set {column} = null")
    made = export(replace(trip.release, file=file), tmp_path / "made")
    assert {t: n for t, n in made.rows.items() if n} == {"care_site": 2, "person": 61, "cdm_source": 1}
    assert made.left_out["visits without a day"] > 300 and made.left_out["results without a day"] > 3900


def test_a_treatment_whose_end_nobody_knows_says_so(trip: RoundTrip) -> None:
    with closing(duckdb.connect()) as connection:
        found = connection.execute(
            "select drug_exposure_end_date = drug_exposure_start_date, verbatim_end_date, stop_reason"
            f" from '{trip.folder}/drug_exposure.parquet' where stop_reason is not null"
        ).fetchall()
    assert found == [(True, None, STOP_NOT_KNOWN)]


def test_a_folder_with_content_and_a_damaged_release_are_refused_and_nothing_half_written_stays(
    trip: RoundTrip, tmp_path: Path
) -> None:
    full = tmp_path / "full"
    full.mkdir()
    (full / "mine.txt").write_text("mine")
    with pytest.raises(ExportRefused, match="not empty"):
        export(trip.release, full)
    with pytest.raises(ExportRefused, match="no such folder"):
        export(trip.release, tmp_path / "nowhere" / "made")
    damaged = tmp_path / "damaged.duckdb"
    damaged.write_bytes(b"damaged")
    with pytest.raises(ExportRefused, match="is damaged"):
        export(replace(trip.release, file=damaged), tmp_path / "made")
    broken = tmp_path / "broken.duckdb"
    shutil.copy(trip.release.file, broken)
    with duckdb.connect(str(broken)) as connection:
        connection.execute("drop table release.fct_treatment")
    with pytest.raises(duckdb.Error):
        export(replace(trip.release, file=broken), tmp_path / "made")
    assert sorted(p.name for p in tmp_path.iterdir()) == ["broken.duckdb", "damaged.duckdb", "full"]
    assert [p.name for p in full.iterdir()] == ["mine.txt"]


def test_the_command_wants_a_clear_word_and_obeys_the_registrys_dates(
    shipped_folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    registry = copy_as_it_stands(shipped_folder, tmp_path / "registry")
    made = tmp_path / "made"

    def call(*arguments: str) -> tuple[int, str]:
        code = cli.guarded(
            lambda: cli.app(["export", "omop", *arguments], standalone_mode=False) or 0
        )  # fmt: skip
        said = capsys.readouterr()
        return code, " ".join((said.out + said.err).split())

    assert "Example: myositis export omop" in call("--help")[1]
    code, said = call(str(made), "--registry", str(registry.folder))
    assert code == 2 and "rows of single patients" in said and not made.exists()
    code, said = call(str(made), "--registry", str(registry.folder), "--patient-level")
    assert code == 0 and "person: 62 rows" in said and "dates: month" in said and "SYNTHETIC DATA" in said
    code, said = call(str(made), "--registry", str(registry.folder), "--patient-level")
    assert code == 2 and "not empty" in said
    registry.pseudonym_key_file.unlink()
    code, said = call(str(tmp_path / "other"), "--registry", str(registry.folder), "--patient-level")
    assert code == 2 and "no key here" in said and not registry.pseudonym_key_file.exists()
