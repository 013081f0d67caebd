"""What a whole run of the registry that ships makes, checks, keeps and tells."""

from __future__ import annotations

import json
import re
import stat
import threading
from pathlib import Path

import dagster as dg
import duckdb
import pytest
import python_calamine

from analytics.paper.reproduction import statement_words
from orchestration.command import cli, flow
from orchestration.registry.folder import Registry
from orchestration.release.publication import NotWhole, publish
from orchestration.resources import point_at
from tests.registries import query, release_query, run, warehouse_digest

SENDERS = ("zjch", "zjfah")
MODELS = {
    "staging": {
        "stg_antibodies",
        "stg_events",
        "stg_follow_up",
        "stg_observations",
        "stg_patient_links",
        "stg_patients",
        "stg_treatments",
        "stg_visits",
    },
    "intermediate": {
        "int_antibody_results",
        "int_antibody_status",
        "int_bohan_peter_1975",
        "int_built_patient",
        "int_definition_criteria",
        "int_derived_observations",
        "int_eular_acr_2017",
        "int_events",
        "int_mas_2016",
        "int_follow_up",
        "int_observations",
        "int_observations_at_visits",
        "int_patient_links",
        "int_patient_load",
        "int_patient_origin",
        "int_patient_version",
        "int_patients",
        "int_touched_patient",
        "int_treatments",
        "int_visit_patient",
        "int_visits",
    },
    "marts": {
        "dim_antibody",
        "dim_antibody_status",
        "dim_concept",
        "dim_definition",
        "dim_hospital",
        "dim_patient",
        "dim_treatment",
        "fct_antibody_result",
        "fct_definition",
        "fct_event",
        "fct_follow_up",
        "fct_observation",
        "fct_time_to_event",
        "fct_time_to_relapse",
        "fct_treatment",
        "fct_visit",
        "patient_baseline",
        "patient_link",
        "person_time",
        "treatment_at_visit",
    },
    "quality": {
        "corrected_cell",
        "correction",
        "delivery",
        "delivery_change",
        "delivery_file",
        "finding",
        "refused_link",
        "rejected_row",
        "source_table",
        "unit_spelling",
        "superseded_row",
    },
    "release": {"candidate", "current"},
    "results": {
        "baseline_summary",
        "cohort_flow",
        "cohort_member",
        "cox_term",
        "cumulative_incidence",
        "finding",
        "gray_test",
        "group_comparison",
        "log_rank",
        "marginal_mean",
        "mixed_model_parameter",
        "mixed_model_term",
        "model",
        "norm_band",
        "norm_patient",
        "reproduction",
        "restricted_mean",
        "sensitivity",
        "sensitivity_question",
        "study",
        "study_endpoint",
        "study_group",
        "study_table",
        "study_variable",
        "survival_at_risk",
        "survival_by_stratum",
        "survival_curve",
        "survival_median",
        "trajectory_mean",
        "trajectory_patient",
        "visit_contrast",
    },
    "report": {"study_report"},
}


def test_every_asset_of_every_layer_is_made(shipped_run: Registry) -> None:
    point_at(shipped_run)
    with dg.DagsterInstance.get() as instance:
        made = {
            tuple(key.path)
            for key in instance.all_asset_keys()
            if instance.get_latest_materialization_event(key)
        }
    expected = {(layer, name) for layer, names in MODELS.items() for name in names}
    expected |= {(layer, sender) for layer in ("landing", "raw") for sender in SENDERS}
    assert {key for key in made if key[0] != "catalogue"} == expected


def test_checks_of_every_gate_ran_and_passed(shipped_run: Registry) -> None:
    point_at(shipped_run)
    with dg.DagsterInstance.get() as instance:
        records = [
            e
            for run_record in instance.get_run_records()
            for e in instance.all_logs(
                run_record.dagster_run.run_id, of_type=dg.DagsterEventType.ASSET_CHECK_EVALUATION
            )
        ]
    evaluations = [r.dagster_event.asset_check_evaluation_data for r in records]
    assert all(e.passed or e.severity == dg.AssetCheckSeverity.WARN for e in evaluations)
    names = {(e.asset_key.to_user_string(), e.check_name) for e in evaluations}
    assert {
        ("raw/zjch", "taken_whole"),
        ("raw/zjfah", "raw_suite"),
        ("release/candidate", "marts_suite"),
    } <= names
    assert any(asset == "marts/fct_observation" for asset, _ in names)


def test_runs_of_the_command_are_seen_in_the_registrys_instance(shipped_run: Registry) -> None:
    point_at(shipped_run)
    with dg.DagsterInstance.get() as instance:
        jobs = sorted(r.job_name for r in instance.get_runs())
        partitions = {s: sorted(instance.get_dynamic_partitions(f"deliveries_{s}")) for s in SENDERS}
    assert jobs == ["build", "ingest_zjch", "ingest_zjch", "ingest_zjfah"]
    assert partitions == {"zjch": ["2023-06-30", "2025-06-30"], "zjfah": ["2024-06-30"]}


def test_every_row_of_every_delivery_is_accounted_for(shipped_run: Registry) -> None:
    rows = query(
        shipped_run,
        "select sender_id, delivery_id, rows_in, rows_accepted, rows_rejected from quality.delivery order by 1, 2",
    )
    assert [r[:2] for r in rows] == [("zjch", "2023-06-30"), ("zjch", "2025-06-30"), ("zjfah", "2024-06-30")]
    assert all(rows_in == accepted + rejected and rows_in > 0 for _, _, rows_in, accepted, rejected in rows)
    tables = query(
        shipped_run,
        "select records, records_staged, records_accepted, records_rejected from quality.source_table",
    )
    assert all(records == staged == accepted + rejected for records, staged, accepted, rejected in tables)


def test_the_cohort_is_that_of_the_study(shipped_run: Registry) -> None:
    groups = release_query(shipped_run, "select group_id, n from results.study_group order by position")
    assert groups == [("nxp2_jdm", 18), ("mda5_jdm", 12), ("tif1g_jdm", 12), ("nxp2_adult_dm", 20)]
    lost = release_query(
        shipped_run,
        "select group_id, n from results.cohort_flow where analysis = 'relapse' and reason = 'lost'",
    )
    assert lost == [("nxp2_jdm", 3)]


def test_results_name_their_study_and_release(shipped_run: Registry) -> None:
    ((release,),) = release_query(shipped_run, "select release_id from release.release_info")
    named = {
        t: release_query(shipped_run, f"select distinct study_id, release_id from results.{t}")
        for t in MODELS["results"]
    }
    assert named.pop("survival_by_stratum") == []  # the study asks for no strata
    assert set(map(tuple, named.values())) == {(("nxp2", release),)}


def test_the_tables_hold_every_variable_of_the_published_ones(shipped_run: Registry) -> None:
    summaries = release_query(shipped_run, "select count(*), count(display) from results.baseline_summary")
    comparisons = release_query(
        shipped_run, "select count(*), count(p_value), count(p_adjusted) from results.group_comparison"
    )
    assert summaries == [(233, 233)]
    assert comparisons == [(140, 140, 140)]


def test_every_value_that_the_publication_printed_stands_beside_a_computed_one(shipped_run: Registry) -> None:
    counts = release_query(
        shipped_run, "select quantity, count(*) from results.reproduction group by 1 order by 1"
    )
    assert counts == [
        ("analysis", 5),
        ("chi_square", 12),
        ("p_value", 152),
        ("statement", 16),
        ("summary", 233),
    ]
    unreasoned = "select cell from results.reproduction where not agrees and coalesce(reason, '') = ''"
    assert release_query(shipped_run, unreasoned) == []
    displayed_alike = release_query(
        shipped_run,
        "select count(*), count(*) filter (where r.agrees) from results.reproduction as r"
        " join results.baseline_summary as s using (table_id, variable, group_id) where s.display = r.printed",
    )
    assert displayed_alike[0][0] == displayed_alike[0][1] > 150


def test_the_exports_print_the_published_study_but_for_what_no_data_can(shipped_run: Registry) -> None:
    differ = release_query(
        shipped_run,
        "select cell from results.reproduction where not agrees and quantity <> 'statement' order by cell",
    )
    assert differ == [
        ("II/female/nxp2_jdm:nxp2_adult_dm",),
        ("text/main_effect_ck/nxp2_jdm:mda5_jdm",),
        ("text/main_effect_cmas/nxp2_jdm:mda5_jdm",),
    ]
    readme = (Path(__file__).parents[2] / "README.md").read_text(encoding="utf-8")
    assert "nxp2: 399 of 402 printed values agree; 3 differ, 0 of them not explained\n" in readme
    denied = release_query(
        shipped_run,
        "select cell, agreement from results.reproduction where quantity = 'statement' and not agrees order by cell",
    )
    assert denied == [(f"Results/{s}", "contradicted by the study's own tables") for s in ("s11", "s13")], (
        "all others hold"
    )
    assert "nxp2: 14 of 16 statements hold; 2 contradicted by the study's own tables\n" in readme
    assert {cell for (cell,) in differ} == set(shipped_run.papers["nxp2"].file.known), (
        "each has its reason, and no reason is stale"
    )
    status = release_query(
        shipped_run, "select distinct status from results.mixed_model_term where test = 'wald_chi_square'"
    )
    assert status == [("ok",)]


def test_the_command_and_the_report_end_with_the_count_of_values_that_agree(
    shipped_run: Registry, capsys: pytest.CaptureFixture[str]
) -> None:
    ((agree, differ, unexplained),) = release_query(
        shipped_run,
        "select count(*) filter (where agrees), count(*) filter (where not agrees),"
        " count(*) filter (where reason = 'not explained') from results.reproduction where quantity <> 'statement'",
    )
    verdicts = release_query(
        shipped_run,
        "select agreement, count(*) from results.reproduction where quantity = 'statement' group by 1 order by 1 desc",
    )
    said = statement_words(dict(verdicts))
    folder = str(shipped_run.folder)
    call = ["reproduce", "--registry", folder, "--differs", "--table", "II"]
    assert cli.guarded(lambda: cli.app(call, standalone_mode=False) or 0) == 0
    shown = capsys.readouterr().out
    assert shown.rstrip().endswith(
        f"nxp2: {agree} of 402 printed values agree; {differ} differ, {unexplained} of them not explained\nnxp2: {said}"
    )
    assert "Table II\n" in shown and "Table III" not in shown
    assert cli.guarded(lambda: cli.app([*call, "--csv"], standalone_mode=False) or 0) == 0
    sheet = capsys.readouterr().out
    assert '"Sex, F, NXP2⁺ JDM vs NXP2⁺ adult DM, p",0.307,0.489,no,"7 of 18 against 5 of 20' in sheet
    assert (
        cli.guarded(
            lambda: cli.app(["reproduce", "--strict", "--registry", folder], standalone_mode=False) or 0
        )
        == 1
    )
    page = (shipped_run.reports / "current" / "report.html").read_text(encoding="utf-8")
    assert f"{agree} of 402 printed values agree" in page
    assert said in page.replace("&#39;", "'")


def test_every_question_beside_the_printed_numbers_is_answered_with_numbers(shipped_run: Registry) -> None:
    asked = [a.analysis_id for a in shipped_run.studies["nxp2"].sensitivity]
    answers = release_query(
        shipped_run,
        "select q.analysis_id, q.answer <> '' and q.cannot_say <> '', count(s.variant) > 0,"
        " bool_and(s.status = 'ok' or s.note <> '' or s.status = 'singular')"
        " from results.sensitivity_question as q left join results.sensitivity as s using (analysis_id)"
        " group by q.position, q.analysis_id, 2 order by q.position",
    )
    assert answers == [(a, True, True, True) for a in asked]


def test_every_comparison_has_an_effect_with_an_interval_and_an_adjusted_p_value(
    shipped_run: Registry,
) -> None:
    without = release_query(
        shipped_run,
        "select table_id, variable from results.group_comparison where status = 'ok'"
        " and (effect is null or ci_low is null or second_effect is null or p_adjusted < p_value)",
    )
    assert without == []


def test_age_group_and_hospital_are_shown_to_be_one_variable(shipped_run: Registry) -> None:
    rows = release_query(
        shipped_run,
        "select label, variant, count, status from results.sensitivity where analysis_id = 'age_or_hospital'"
        " and (label like 'Hospital: %' or (variant = 'adjusted' and label like '%hospital%')) order by label, variant",
    )
    assert rows == [
        ("Hospital: zjch", "nxp2_adult_dm", 0, "ok"),
        ("Hospital: zjch", "nxp2_jdm", 18, "ok"),
        ("Hospital: zjfah", "nxp2_adult_dm", 20, "ok"),
        ("Hospital: zjfah", "nxp2_jdm", 0, "ok"),
        ("LDH with hospital: NXP2⁺ JDM vs NXP2⁺ adult DM", "adjusted", None, "not_estimable"),
    ]


def test_censored_results_keep_comparator_and_limit_and_have_no_value(shipped_run: Registry) -> None:
    rows = release_query(
        shipped_run,
        "select distinct value_text, comparator, value, value_canonical, lower_limit, upper_limit from release.fct_observation"
        " where comparator is not null and not is_derived",
    )
    assert rows == [("<0.10", "<", 0.1, None, 0.0, 0.1)]


def test_units_of_the_adult_hospital_are_converted_by_a_named_rule(shipped_run: Registry) -> None:
    rows = release_query(
        shipped_run,
        "select distinct concept_id, unit_source, unit_canonical, conversion_rule, round(value_canonical / value, 6)"
        " from release.fct_observation where hospital_id = 'zjfah' and concept_id in ('ck', 'creatinine', 'ferritin') order by 1",
    )
    assert rows == [
        ("ck", "µkat/L", "U/L", "ukat_per_l_to_u_per_l", 60.0),
        ("creatinine", "mg/dL", "umol/L", "creatinine_mg_per_dl_to_umol_per_l", 88.42),
        ("ferritin", "ng/mL", "ug/L", "ng_per_ml_to_ug_per_l", 1.0),
    ]


def test_no_identifier_passes_ingestion(shipped_run: Registry) -> None:
    """Names, identity numbers and telephones of the exports stand in no file that the run made."""
    identifiers = _identifiers(shipped_run.landing)
    assert len(identifiers) > 180
    made = [
        p
        for p in shipped_run.folder.rglob("*")
        if p.is_file() and "landing" not in p.relative_to(shipped_run.folder).parts
    ]
    assert len(made) > 20
    values = _texts(shipped_run.warehouse)
    for column, texts in values.items():
        assert not texts & identifiers, column
    hashes = {v for texts in values.values() for v in texts if re.fullmatch("(?:[a-z]+-)?[0-9a-f]{16,64}", v)}
    for path in made:
        content = path.read_bytes()
        if found := [
            i for i in identifiers if i.encode() in content
        ]:  # eight digits stand in one hash of a million by chance
            for known in hashes:
                content = content.replace(known.encode(), b"")
            assert not [i for i in found if i.encode() in content], path.name


def _texts(warehouse: Path) -> dict[str, set[str]]:
    """The distinct texts of every column of every table."""
    with duckdb.connect(str(warehouse), read_only=True) as connection:
        columns = connection.execute(
            "select table_schema || '.' || table_name, column_name from information_schema.columns where data_type = 'VARCHAR'"
        ).fetchall()
        return {
            f"{table}.{column}": {
                v for (v,) in connection.execute(f'select distinct "{column}" from {table}').fetchall() if v
            }
            for table, column in columns
        }


def _identifiers(landing: Path) -> set[str]:
    found: set[str] = set()
    for path in landing.glob("zjch/*/*.xlsx"):
        rows = python_calamine.CalamineWorkbook.from_path(path).get_sheet_by_name("患者信息").to_python()
        header = rows[0]
        for name in ("住院号", "姓名", "身份证号", "联系电话"):
            found |= {str(row[header.index(name)]) for row in rows[1:]}
    with duckdb.connect() as connection:
        rows = connection.execute(
            f"select MRN, Name, ID_Card_No, Mobile from read_csv('{next(landing.glob('zjfah/*/synthetic_patients.csv'))}', all_varchar=true)"
        ).fetchall()
    return found | {str(value) for row in rows for value in row}


def test_the_pseudonym_key_is_its_owners_alone_and_outside_the_warehouse(shipped_run: Registry) -> None:
    key = shipped_run.pseudonym_key_file
    assert stat.S_IMODE(key.stat().st_mode) == 0o600
    secret = key.read_text().strip()
    for path in (shipped_run.warehouse, shipped_run.releases / "current.duckdb"):
        content = path.read_bytes()
        assert secret.encode() not in content and bytes.fromhex(secret) not in content


def test_a_second_run_changes_nothing_and_says_so(shipped_run: Registry) -> None:
    before = warehouse_digest(shipped_run)
    release = (shipped_run.releases / "current.duckdb").resolve()
    outcome = run(shipped_run)
    assert outcome.is_unchanged
    assert warehouse_digest(shipped_run) == before
    assert (shipped_run.releases / "current.duckdb").resolve() == release


def test_the_manifest_of_a_release_names_its_deliveries_and_versions(shipped_run: Registry) -> None:
    release = (shipped_run.releases / "current.duckdb").resolve()
    manifest = json.loads(release.with_suffix(".json").read_text())
    assert manifest["release_id"] == release.stem
    assert [(d["sender_id"], d["delivery_id"]) for d in manifest["deliveries"]] == [
        ("zjch", "2023-06-30"),
        ("zjch", "2025-06-30"),
        ("zjfah", "2024-06-30"),
    ]
    assert manifest["synthetic"] is True
    assert {"duckdb", "dbt-core", "great-expectations"} <= set(manifest["versions"])
    assert manifest["rows"]["release.dim_patient"] == 62
    assert not release.stat().st_mode & stat.S_IWUSR


def test_the_report_says_that_the_data_are_synthetic(shipped_run: Registry) -> None:
    page = (shipped_run.reports / "current" / "report.html").read_text(encoding="utf-8")
    assert "synthetic" in page.lower()
    assert "http://" not in page.replace("http://www.w3.org", "") and "https://" not in page.replace(
        "https://www.w3.org", ""
    )
    folder = shipped_run.reports / "current"
    assert len(list((folder / "tables").glob("*.csv"))) >= 4
    assert {p.suffix for p in (folder / "figures").iterdir()} == {".svg", ".png", ".pdf"}


def test_rows_of_single_patients_stand_apart_and_are_their_owners_alone(shipped_run: Registry) -> None:
    identity = (shipped_run.releases / "current.duckdb").resolve().stem
    folder = shipped_run.folder / "private" / "replay" / identity / "nxp2"
    files = list(folder.iterdir())
    assert "replay.R" in {f.name for f in files} and any(f.name.startswith("patients_") for f in files)
    assert {f.stat().st_mode & 0o777 for f in files} == {0o600}
    assert {f.stat().st_mode & 0o777 for f in (folder, *list(folder.parents)[:3])} == {0o700}
    assert not list(shipped_run.reports.glob("**/patients_*"))
    page = (shipped_run.reports / "current" / "report.html").read_text(encoding="utf-8")
    assert "private/replay/" in page and "Not for publication" in page


def test_free_texts_stay_in_the_warehouse(shipped_run: Registry) -> None:
    assert release_query(
        shipped_run,
        "select count(detail), count(*) filter (where detail_withheld) > 0 from release.fct_event",
    ) == [(0, True)]
    assert release_query(
        shipped_run, "select count(visit_label), bool_and(visit_label_withheld) from release.fct_visit"
    ) == [(0, True)]


def test_the_public_report_is_asked_for_and_rounds(shipped_run: Registry) -> None:
    folder = str(shipped_run.folder)
    assert (
        cli.guarded(lambda: cli.app(["report", "--public", "--registry", folder], standalone_mode=False) or 0)
        == 0
    )
    page = (shipped_run.public / "current" / "report.html").read_text(encoding="utf-8")
    assert "For publication" in page and "Not for publication" not in page
    sheet = (shipped_run.public / "current" / "tables" / "nxp2_relapse_survival.csv").read_text("utf-8-sig")
    assert "NXP2⁺ JDM,20,10,by month 36" in sheet and "MDA5⁺ JDM,10,<8,not shown" in sheet


def test_readers_keep_reading_while_a_run_writes(shipped_run: Registry) -> None:
    """A reader that opens the current release again and again sees whole releases only, and is never locked
    out.
    """
    link = shipped_run.releases / "current.duckdb"
    stop, seen, faults = threading.Event(), set(), []

    def read() -> None:
        while not stop.wait(0.02):
            try:
                with duckdb.connect(str(link.resolve()), read_only=True) as connection:
                    seen.add(
                        connection.execute(
                            "select count(*), (select count(*) from results.baseline_summary) from release.dim_patient"
                        ).fetchone()
                    )
            except duckdb.Error as error:
                faults.append(str(error))

    point_at(shipped_run)
    reader = threading.Thread(target=read)
    reader.start()
    try:
        built = flow.build(shipped_run, with_report=False)
    finally:
        stop.set()
        reader.join()
    assert built.released is not None
    assert faults == []
    assert seen == {(62, 233)}


def test_publishing_without_a_candidate_leaves_the_release_alone(shipped_run: Registry) -> None:
    before = (shipped_run.releases / "current.duckdb").resolve()
    with pytest.raises(NotWhole, match="there is no candidate"):
        publish(shipped_run)
    assert (shipped_run.releases / "current.duckdb").resolve() == before


def test_check_results_hold_counts_and_no_values(shipped_run: Registry) -> None:
    rows = query(shipped_run, "select suite, observed, threshold, note from quality.check_result")
    assert {r[0] for r in rows} >= {"raw", "marts"}
    keys = {k for (k,) in query(shipped_run, "select patient_key from marts.dim_patient")}
    for row in rows:
        assert not any(key in str(cell) for key in keys for cell in row)


def test_the_table_in_the_readme_is_that_of_the_release(shipped_run: Registry) -> None:
    text = (Path(__file__).parents[2] / "README.md").read_text(encoding="utf-8")
    shown = [
        tuple(c.strip() for c in line.strip("|").split("|")) for line in text.splitlines() if "_jdm |" in line
    ]
    rows = release_query(
        shipped_run,
        "select variable, group_id, n::varchar, display from results.baseline_summary"
        " where table_id = 'I' and variable in ('cmas', 'ck', 'relapse')",
    )
    assert sorted(shown) == sorted(rows)


def test_nobody_but_the_owner_reads_what_a_run_made(shipped_run: Registry) -> None:
    made = ("warehouse", "release", "reports", ".dagster", "private", ".keys")
    found = [path for name in made for path in (shipped_run.folder / name).rglob("*")]
    assert len(found) > 100
    assert [p for p in found if not p.is_symlink() and p.stat().st_mode & (stat.S_IRWXG | stat.S_IRWXO)] == []
