"""Words of two meanings on their way through the models: the name decides, the unit decides, the mapping
decides, or the row is rejected.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from orchestration.command import cli, flow
from orchestration.raw.ingestion import ingest
from orchestration.registry import catalogue
from orchestration.registry.folder import Registry
from orchestration.resources import point_at
from orchestration.situation import read_situation
from orchestration.warehouse.build import build
from tests.registries import opened, query
from tests.unit.test_loading import make_registry
from yaml_files.yaml_file import ConfigurationError

HEAD = """\
sender: north
name: North Hospital
rejected_rows_allowed: 1
"""
EXPORTS = """\
exports:
  - {file: patients.csv, patients: {patient_id: id, sex: sex, birth_date: born, onset_date: onset, origin_date: onset}, identifiers: [id]}
  - file: labs.csv
    observations: {patient_id: id, observed_on: date, concept: test, value: result, unit: unit, reference_range: normal}
    identifiers: [id]
  - file: antibodies.csv
    antibodies: {patient_id: id, tested_on: date, antibody: antibody, assay: assay, result: result}
    identifiers: [id]
  - {file: events.csv, events: {patient_id: id, event_date: date, event: event, status: status}, identifiers: [id]}
  - {file: drugs.csv, treatments: {patient_id: id, treatment: drug, start_date: date}, identifiers: [id]}
"""
STATED = """\
codes:
  concepts: {Harnstoff: urea, Harnstoff-N: urea_nitrogen, PGA: physician_global_activity, D-Dimer: d_dimer_ddu, AG: anion_gap, ammonia: ammonia}
  results: {"*": {"(+)": 1+}}
  antibodies: {AARS: ars, p140: nxp2}
  events: {EMG: emg_myopathic, 肿瘤: null}
  event_status: {x: present}
  treatments: {Mycophenolate: mycophenolate_sodium}
"""
FILES = {
    "patients": "id,sex,born,onset\n1,F,1970-01-01,2020-01-01\n2,M,1970-01-01,2020-01-01\n3,M,1970-01-01,2020-01-01\n",
    "visits": "",
    "labs": (
        "id,date,test,result,unit,normal\n"
        "1,2021-03-04,Urea,30,mg/dL,\n"
        "1,2021-03-05,Blood urea,30,mg/dL,\n"
        "1,2021-03-06,Harnstoff,30,mg/dl,\n"
        "1,2021-03-07,BUN,14,mg/dL,\n"
        "1,2021-03-08,Harnstoff-N,14,mg/dL,\n"
        "1,2021-03-04,PGA,4,cm,\n"
        "1,2021-03-04,D-Dimer,0.5,mg/L,\n"
        "1,2021-03-05,D-Dimer,0.5,mg/L FEU,\n"
        "1,2021-03-04,CK-MB,5,ng/mL,\n"
        "1,2021-03-04,CK-MB,25,U/L,\n"
        "1,2021-03-05,CK-MB,25,,\n"
        "1,2021-03-04,AG,12,mmol/L,\n"
        "1,2021-03-04,A/G,1.5,,\n"
        "1,2021-03-04,pH,6.0,,\n"
        "1,2021-03-04,ammonia,50,ug/dL,\n"
        "1,2021-03-04,类风湿因子,30,RU/mL,\n"
        "1,2021-03-04,CPK-MB index,0.5,ratio,\n"
        "1,2021-03-04,Quick,1.2,INR,\n"
        "1,2021-03-04,尿蛋白,-,,\n"
        "1,2021-03-05,尿蛋白,(+),,\n"
        "1,2021-03-06,尿蛋白,无,,\n"
        "1,2021-03-04,2019-nCoV核酸检测,—,,\n"
        "1,2021-03-04,ALT,-,U/L,\n"
        "1,2021-03-04,CK,250,U/L,男:50-310 女:40-200\n"
        "2,2021-03-04,CK,250,U/L,男:50-310 女:40-200\n"
        "3,2021-03-04,AST,100,U/L,\n"
    ),
    "antibodies": (
        "id,date,antibody,assay,result\n"
        "1,2021-03-04,AARS,line blot,++\n"
        "1,2021-03-04,ACA,line blot,++\n"
        "1,2021-03-04,ACA IgG,ELISA,positive\n"
        "1,2021-03-04,p140,line blot,-\n"
        "1,2021-03-04,MDA5,line blot,(+)\n"
        "2,2021-03-04,MDA5,ELISA,(+)\n"
        "2,2021-03-04,SRP,dot blot,10\n"
    ),
    "events": (
        "id,date,event,status\n1,2021-03-04,EMG,1\n1,2021-03-04,肌电图异常,1\n1,2021-03-04,dysphagia,x\n1,2021-03-04,肿瘤,1\n"
        "1,2021-03-04,构音障碍,1\n1,2021-03-04,颈肌无力,1\n"
        "3,2021-03-04,Muscle biopsy positive,1\n3,2021-03-04,上肢近端肌无力,1\n3,2021-03-04,下肢近端肌无力,1\n"
    ),
    "drugs": "id,drug,date\n1,Mycophenolate,2021-03-04\n1,Steroid pulse,2021-03-04\n",
}


def built(registry: Registry) -> Registry:
    point_at(registry)
    assert ingest(registry, "north", "first") is not None
    assert [r.unique_id for r in build(registry)[0] if not r.passed] == []
    return registry


@pytest.fixture(scope="module")
def silent(tmp_path_factory: pytest.TempPathFactory) -> Registry:
    """The hospital whose mapping says of Harnstoff alone what it means."""
    mapping = HEAD + "codes: {concepts: {Harnstoff: urea}}\n" + EXPORTS
    return built(make_registry(tmp_path_factory.mktemp("silent") / "registry", mapping, **FILES))


@pytest.fixture(scope="module")
def stated(tmp_path_factory: pytest.TempPathFactory) -> Registry:
    return built(
        make_registry(tmp_path_factory.mktemp("stated") / "registry", HEAD + STATED + EXPORTS, **FILES)
    )


def results(registry: Registry) -> dict[tuple[str, int], tuple[str, float | None, str | None]]:
    """(name as sent, row) to concept, canonical value and code, of the laboratory's rows that were
    accepted.
    """
    rows = query(
        registry,
        "select s.concept_source, s.source_row, o.concept_id, round(o.value_canonical, 4), o.value_code from marts.fct_observation as o"
        " join staging.stg_observations as s using (source_file, source_row) where not o.is_derived order by 2",
    )
    return {(name, row): (concept, value, code) for name, row, concept, value, code in rows}


def rejected(registry: Registry, file: str) -> dict[int, str]:
    return dict(
        query(
            registry,
            f"select source_row, rule from quality.rejected_row where source_file = '{file}.csv' order by 1",
        )
    )


def test_urea_and_urea_nitrogen_are_one_quantity_by_two_factors(silent: Registry) -> None:
    """Rows 2 to 4 gave 10.71 mmol/L, the factor of urea nitrogen."""
    found = results(silent)
    assert [found["Urea", 2], found["Blood urea", 3], found["Harnstoff", 4], found["BUN", 5]] == [
        ("urea", 4.995, None),
        ("urea", 4.995, None),
        ("urea", 4.995, None),
        ("urea", 4.998, None),
    ]


def test_what_nobody_states_is_rejected_and_what_a_unit_tells_is_read(silent: Registry) -> None:
    found = results(silent)
    assert rejected(silent, "labs") == {
        7: "concept_ambiguous",
        8: "concept_ambiguous",
        12: "concept_ambiguous",
        13: "concept_ambiguous",
        14: "concept_ambiguous",
        16: "concept_ambiguous",
        17: "unit_without_rule",
        18: "unit_without_rule",
        19: "unit_without_rule",
        24: "value_missing",
    }
    assert found["D-Dimer", 9] == ("d_dimer", 0.5, None)
    assert (found["CK-MB", 10], found["CK-MB", 11]) == (("ck_mb_mass", 5, None), ("ck_mb", 25, None))
    assert found["pH", 15] == ("ph_unspecified", 6, None)


def test_a_minus_is_negative_of_a_strip_and_not_known_of_a_number(silent: Registry) -> None:
    found = results(silent)
    assert [found["尿蛋白", row] for row in (20, 21, 22)] == [
        ("urine_protein_dipstick", 0, "negative"),
        ("urine_protein_dipstick", 1, "positive"),
        ("urine_protein_dipstick", 0, "negative"),
    ]
    assert found["2019-nCoV核酸检测", 23] == ("sars_cov_2_rna", None, "negative")


def test_the_sentence_names_the_meanings_and_the_remedy(silent: Registry) -> None:
    [(sentence,)] = query(silent, "select reason from quality.rejected_row where value_text = 'PGA'")
    assert sentence == (
        "found \"PGA\", which can mean the physician's or the patient's global assessment (physician_global_activity or"
        " patient_global_activity); expected a test whose name, or whose name and unit together, leave one meaning; write under"
        " codes.concepts the id that is meant, or null when the test is not wanted"
    )
    rules = query(
        silent,
        "select distinct rule from quality.rejected_row where rule like '%ambiguous' and reason not like '%, which can mean %'",
    )
    assert rules == []


def test_what_the_mapping_states_is_read_so(stated: Registry) -> None:
    found = results(stated)
    assert found["Harnstoff-N", 6] == ("urea", 4.998, None)
    assert found["PGA", 7] == ("physician_global_activity", 4, None)
    assert (found["D-Dimer", 8], found["D-Dimer", 9]) == (
        ("d_dimer", 1, None),
        ("d_dimer", 0.5, None),
    )  # a unit that says FEU is FEU
    assert found["AG", 13] == ("anion_gap", 12, None)
    assert found["ammonia", 16] == ("ammonia", 29.36, None)


def test_antibodies_of_two_names_are_asked_and_leave_open_what_they_could_be(
    silent: Registry, stated: Registry
) -> None:
    assert rejected(silent, "antibodies") == {
        2: "antibody_ambiguous",
        3: "antibody_ambiguous",
        4: "antibody_ambiguous",
        5: "antibody_ambiguous",
        7: "grade_ambiguous",
    }
    assert rejected(stated, "antibodies") == {3: "antibody_ambiguous", 4: "antibody_ambiguous"}
    per_row = "select source_row, antibody_id, result from marts.fct_antibody_result order by 1"
    assert query(silent, per_row) == [(6, "mda5", "borderline"), (8, "srp", "borderline")]
    assert query(stated, per_row) == [
        (2, "ars", "positive"),
        (5, "nxp2", "negative"),
        (6, "mda5", "positive"),
        (7, "mda5", "positive"),
        (8, "srp", "borderline"),
    ]


def test_an_examination_is_asked_and_a_sign_is_what_it_says(silent: Registry, stated: Registry) -> None:
    assert rejected(silent, "events") == {
        2: "event_ambiguous",
        3: "event_ambiguous",
        4: "status_ambiguous",
        5: "event_ambiguous",
    }
    assert rejected(stated, "events") == {3: "event_ambiguous", 5: "event_not_wanted"}
    events = (
        "select event_id, status from marts.fct_event join marts.dim_patient using (patient_key)"
        " where sex = 'female' order by 1"
    )
    assert query(silent, events) == [("dysarthria", "present"), ("neck_flexor_weakness", "present")]
    assert ("emg_myopathic", "present") in query(stated, events) and ("dysphagia", "present") in query(
        stated, events
    )
    assert rejected(silent, "drugs") == {2: "treatment_ambiguous", 3: "treatment_ambiguous"}
    assert query(stated, "select treatment_id from marts.fct_treatment") == [("mycophenolate_sodium",)]


SCORED = """
    select p.sex, d.status, d.value, d.value_at_most > 6.7, d.criteria_met,
        d.inputs_missing like '%neck_flexors_weaker_than_extensors%',
        d.inputs_missing like '%biopsy_endomysial_infiltration%biopsy_perimysial_infiltration%'
    from marts.fct_definition as d join marts.dim_patient as p using (patient_key)
    where definition_id = 'eular_acr_2017' order by 1, 3
"""


def test_a_limit_is_that_of_the_patients_sex_and_neck_weakness_alone_gives_no_points(
    silent: Registry,
) -> None:
    assert query(silent, SCORED)[:2] == [
        ("female", "cannot_tell", 3.4, True, "age_40_or_more, enzymes", True, False),
        ("male", "cannot_tell", 2.1, True, "age_40_or_more", True, False),
    ]


def test_the_unstated_findings_of_a_biopsy_can_still_raise_the_score_and_are_named(silent: Registry) -> None:
    assert query(silent, SCORED)[2:] == [
        ("male", "cannot_tell", 4.9, True, "age_40_or_more, enzymes, lower_limbs, upper_limbs", True, True)
    ]


def test_check_names_each_doubtful_word_of_a_delivery_and_takes_nothing(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    registry = make_registry(tmp_path / "registry", HEAD + EXPORTS, **FILES)
    (registry.landing / "north" / "first" / "_SUCCESS").touch()
    point_at(registry)
    assert flow.check(registry, read_situation(registry)) == []
    told = [
        line.strip()
        for line in capsys.readouterr().out.replace("\n ", " ").splitlines()
        if line.startswith("note: ")
    ]
    words = [line.split('"')[1] for line in told]
    assert words == [
        "A/G",
        "AG",
        "CK-MB",
        "D-Dimer",
        "PGA",
        "ammonia",
        "AARS",
        "ACA",
        "ACA IgG",
        "p140",
        "EMG",
        "肌电图异常",
        "肿瘤",
        "Mycophenolate",
        "Steroid pulse",
        "x",
        "(+)",
    ]
    assert told[4] == (
        "note: hospitals/north.yml: codes.concepts: \"PGA\" (1 row of first) can mean the physician's or the patient's global assessment"
        " (physician_global_activity or patient_global_activity); such rows are rejected until the mapping states which is meant"
    )
    assert not registry.warehouse.exists()
    assert not registry.pseudonym_key_file.exists()
    assert ingest(registry, "north", "first") is not None
    flow.check(registry, read_situation(registry))
    assert "its deliveries in force" in capsys.readouterr().out


def test_a_name_that_the_registry_adds_to_the_catalogue_has_the_meaning_that_it_gives(tmp_path: Path) -> None:
    registry = make_registry(tmp_path / "registry", HEAD + EXPORTS, **FILES)
    (registry.folder / "concepts").mkdir()
    (registry.folder / "concepts" / "concept_synonyms.csv").write_text(
        "concept_id,synonym,language\npatient_global_activity,PGA,en\n"
    )
    (registry.folder / "concepts" / "antibodies.csv").write_text(
        "antibody_id,antibody_name,antibody_group,msa_label,family_id\nly,Anti-Ly (CARS1),msa,LY,ars\n"
    )
    labs = registry.landing / "north" / "first" / "antibodies.csv"
    labs.write_text(
        "id,date,antibody,assay,result\n1,2021-03-04,抗合成酶抗体,line blot,++\n1,2021-03-04,ly,line blot,++\n"
    )
    try:
        registry = built(opened(registry.folder))
        assert results(registry)["PGA", 7] == ("patient_global_activity", 4, None)
        assert catalogue.doubt("concepts", "PGA") is None
        assert query(
            registry, "select msa, has_conflict from marts.dim_antibody_status where n_tests = 2"
        ) == [("LY", False)]
    finally:
        catalogue.extend({})


@pytest.mark.parametrize(
    ("values", "sentence"),
    [
        (
            "urea: {column: BUN (mg/dL), unit: mg/dL}",
            'column "BUN (mg/dL)" is headed as urea_nitrogen, and mg/dL of urea_nitrogen converts by another factor;',
        ),
        (
            "pga: {column: Global, unit: cm}",
            "\"pga\" can mean the physician's or the patient's global assessment",
        ),
        ("ckmb: {column: CK-MB, unit: U/L}", '"ckmb" can mean CK-MB by its activity (U/L) or by its mass'),
    ],
)
def test_a_mapping_that_names_a_word_of_two_meanings_is_refused_with_file_and_line(
    tmp_path: Path, values: str, sentence: str
) -> None:
    mapping = (
        HEAD
        + f"""\
exports:
  - file: patients.csv
    patients: {{patient_id: id, sex: sex}}
  - file: visits.csv
    observations:
      patient_id: id
      observed_on: date
      values:
        {values}
"""
    )
    with pytest.raises(ConfigurationError) as refused:
        make_registry(tmp_path, mapping)
    [fault] = refused.value.faults
    assert fault.startswith("hospitals/north.yml:12: exports[1].observations.values.") and sentence in fault


@pytest.mark.parametrize(
    "values",
    [
        "urea_nitrogen: {column: BUN (mg/dL), unit: mg/dL}",
        "urea: {column: BUN (mmol/L), unit: mmol/L}",
        'urea: {column: BUN (mg/dL), unit: "mg{urea_n}/dL"}',
        "ck_mb: {column: CK-MB, unit: U/L}",
    ],
)
def test_a_mapping_that_says_which_is_meant_is_read(tmp_path: Path, values: str) -> None:
    mapping = (
        HEAD
        + f"""\
exports:
  - {{file: patients.csv, patients: {{patient_id: id, sex: sex}}}}
  - {{file: visits.csv, observations: {{patient_id: id, observed_on: date, values: {{{values}}}}}}}
"""
    )
    assert make_registry(tmp_path, mapping).mappings["north"].exports


def test_onboard_leaves_a_column_of_two_meanings_undecided_and_says_why(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "v.csv").write_text(
        "MRN,sex,visit date,BUN (mg/dL),CK-MB (U/L),D-dimer (mg/L),PGA,EMG,CD4\n"
        + "".join(f"{i},F,2024-01-{i:02d},{14 + i},25,0.5,4,1,3{i}\n" for i in range(1, 29)),
        encoding="utf-8",
    )
    call = ["onboard", "north", str(tmp_path / "v.csv"), "--registry", str(tmp_path / "new")]
    assert cli.guarded(lambda: cli.app(["init", str(tmp_path / "new")], standalone_mode=False) or 0) == 0
    assert cli.guarded(lambda: cli.app(call, standalone_mode=False) or 0) == 0
    capsys.readouterr()
    text = (tmp_path / "new" / "hospitals" / "north.yml").read_text(encoding="utf-8")
    assert (
        "urea_nitrogen: {column: BUN (mg/dL), unit: mg/dL}" in text
        and "ck_mb: {column: CK-MB (U/L), unit: U/L}" in text
    )
    assert "undecided: [D-dimer (mg/L), PGA, EMG, CD4]" in text
    assert (
        "#? observations.values.d_dimer: D-dimer (mg/L)   # 0.50 its header can mean D-dimer in fibrinogen equivalent units (FEU)"
        in text
    )
