"""A new registry and a new hospital: laid out, profiled, drafted; every guess is right, or left to a
person.
"""

from __future__ import annotations

from fnmatch import fnmatch
from pathlib import Path

import pytest
import yaml

from analytics.study.file import Study
from orchestration.command import cli
from orchestration.database.warehouse_file import warehouse
from orchestration.landing.inventory import take_inventory
from orchestration.onboarding.draft import draft
from orchestration.onboarding.guess import guess_table
from orchestration.onboarding.profile import profile_sample
from orchestration.raw.loading import load_delivery
from orchestration.registry.entities import ENTITIES
from orchestration.registry.folder import SHIPPED_REGISTRY, load_registry
from orchestration.registry.mapping import Export, Mapping
from tests.registries import MAPPINGS, copy_registry


def drafted(path: Path, hospital: str = "north") -> tuple[str, Mapping]:
    tables, faults = profile_sample(path)
    text = draft(hospital, [guess_table(table) for table in tables], faults)
    return text, Mapping.model_validate(yaml.safe_load(text))


def places(exports: list[Export], table: tuple[str, str | None]) -> dict[str, set[str]]:
    """Where a mapping puts each column of one table."""
    found: dict[str, set[str]] = {}
    for export in exports:
        if (export.file.replace("*", ""), export.sheet) != table:
            continue
        for name, entity in export.entities():
            for key, source in entity.sources():
                for column in source.columns:
                    found.setdefault(column, set()).add(".".join((name, *key)))
        for key in ("identifiers", "ignored", "undecided"):
            for column in getattr(export, key):
                found.setdefault(column, set()).add(key)
    return found


def compared(folder: Path, sender: str) -> dict[str, set[str]]:
    """The columns that a draft guesses right, wrong, or leaves open, against the mapping that a person
    wrote.
    """
    by_hand = load_registry(folder).mappings[sender]
    delivery = sorted((folder / "landing" / sender).iterdir())[0]
    _, guessed = drafted(delivery, sender)
    outcome: dict[str, set[str]] = {"right": set(), "wrong": set(), "open": set()}
    for export in guessed.exports:
        theirs = places(guessed.exports, (export.file.replace("*", ""), export.sheet))
        hand = [
            x
            for x in by_hand.exports
            if x.sheet == export.sheet and (Path(export.file).match(x.file) or fnmatch(x.file, export.file))
        ]
        if hand and hand[0].ignored == ["*"]:
            continue
        wanted = places(hand, (hand[0].file.replace("*", ""), export.sheet))
        for column, guess in theirs.items():
            fewer = (
                guess - {"identifiers"} <= wanted[column]
            )  # it may feed fewer entities, or be held back as an identifier too
            verdict = "open" if "undecided" in guess else "right" if fewer else "wrong"
            outcome[verdict].add(f"{export.sheet or export.file}: {column}")
    return outcome


@pytest.mark.parametrize(
    ("folder", "sender", "right", "open_columns", "wrong"),
    [
        (SHIPPED_REGISTRY, "zjch", 58, 0, set()),
        (SHIPPED_REGISTRY, "zjfah", 76, 0, set()),
        (
            MAPPINGS / "cgd",
            "cgd",
            7,
            8,
            {"*.csv: inherit"},
        ),  # a concept of the catalogue that this registry does not want
        (MAPPINGS / "eicu", "eicu", 10, 29, set()),
    ],
)
def test_a_draft_is_as_the_mapping_that_a_person_wrote_or_leaves_the_column_open(
    folder: Path, sender: str, right: int, open_columns: int, wrong: set[str]
) -> None:
    outcome = compared(folder, sender)
    assert outcome["wrong"] == wrong
    assert (len(outcome["right"]), len(outcome["open"])) == (right, open_columns)


GERMAN = """\
Patientennummer;Nachname;Geburtsdatum;Geschlecht;Besuchsdatum;CK (U/l);CRP (mg/l);Rasierwasser;Kreatinkinase
4711;Muster;03.04.1961;w;05.01.2024;1.204,5;<0,6;x;
4711;Muster;03.04.1961;w;07.07.2024;311,0;1,2;y;
4712;Probe;13.08.1955;m;15.01.2024;99;0,9;z;
"""


def test_doubts_are_comments_and_their_columns_undecided(tmp_path: Path) -> None:
    (tmp_path / "besuche_20240801.csv").write_text(GERMAN, encoding="utf-8")
    text, mapping = drafted(tmp_path)
    (export,) = mapping.exports
    assert (mapping.dates, mapping.decimal, export.file) == (["%d.%m.%Y"], ",", "besuche_*.csv")
    assert places([export], (export.file.replace("*", ""), None)) == {
        "Patientennummer": {
            "patients.patient_id",
            "visits.patient_id",
            "observations.patient_id",
            "identifiers",
        },
        "Nachname": {"identifiers"},
        "Geburtsdatum": {"patients.birth_date"},
        "Geschlecht": {"patients.sex"},
        "Besuchsdatum": {"visits.visit_date", "observations.observed_on"},
        "CK (U/l)": {"observations.values.ck"},
        "CRP (mg/l)": {"observations.values.crp"},
        "Rasierwasser": {"undecided"},
        "Kreatinkinase": {"undecided"},
    }
    assert "#? observations.values.ck: Kreatinkinase" in text.replace("  ", " ")
    assert "Muster" not in text and "4711" not in text


def test_a_visit_that_is_a_date_dates_its_rows(tmp_path: Path) -> None:
    (tmp_path / "v.csv").write_text(
        "patient_id,visit,CK (U/L)\n1,2024-03-05,100\n2,2024-03-06,200\n", encoding="utf-8"
    )
    (export,) = drafted(tmp_path)[1].exports
    assert (export.visits.visit_date.columns, export.observations.observed_on.columns) == (
        ("visit",),
        ("visit",),
    )


CHINESE = """\
病人姓名,性别,就诊日期,肌酸激酶(U/L),铁蛋白ng/ml,MDA5抗体,间质性肺炎,电话号码
张三丰,男,2024年3月5日,300,500,阳性,有,00800000000
李四光,女,2024年3月6日,<20,800,阴性,无,00900000001
"""


def test_where_no_header_names_the_patient_the_draft_asks_and_check_says_so(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    call("init", str(tmp_path / "new"), capsys=capsys)
    (tmp_path / "zh.csv").write_text(CHINESE, encoding="utf-8")
    _, out, _ = call(
        "onboard", "zh", str(tmp_path / "zh.csv"), "--registry", str(tmp_path / "new"), capsys=capsys
    )
    assert "no header names the patient: write the column in place of ?" in out and "张三丰" not in out
    registry = load_registry(tmp_path / "new")
    assert [s.split(": ", 1)[1] for s in registry.undecided()] == [
        f"exports[0].{entity}.patient_id: name the column in place of ?"
        for entity in ("patients", "visits", "observations", "antibodies", "events")
    ]
    observations = registry.mappings["zh"].exports[0].observations.values
    assert {k: (v.columns, v.unit) for k, v in observations.items()} == {
        "ck": (("肌酸激酶(U/L)",), "U/L"),
        "ferritin": (("铁蛋白ng/ml",), "ng/ml"),
    }


def test_a_day_that_could_be_a_month_is_asked(tmp_path: Path) -> None:
    (tmp_path / "v.csv").write_text(
        "patient_id,sex,visit date\n1,F,03/04/2024\n2,M,05/06/2024\n", encoding="utf-8"
    )
    text, mapping = drafted(tmp_path)
    assert mapping.dates == ["%d/%m/%Y", "%m/%d/%Y"]  # such rows are rejected until one is taken out
    assert "visit date: day or month first? Every date can be read as %d/%m/%Y and as %m/%d/%Y" in text
    (tmp_path / "v.csv").write_text(
        "patient_id,sex,visit date\n1,F,03/04/2024\n2,M,05/16/2024\n", encoding="utf-8"
    )
    text, mapping = drafted(tmp_path)
    assert mapping.dates == ["%m/%d/%Y"] and "day or month first" not in text


@pytest.mark.parametrize(
    ("numbers", "decimal"),
    [
        (("1,5", "12,25"), ","),
        (("1.204,5", "99"), ","),
        (("1,234.5", "3"), "."),
        (("1.5", "2"), None),
        (("1,234", "2"), None),
        (("1,5", "2.5"), None),
    ],
)
def test_a_decimal_mark_is_stated_only_where_the_numbers_show_it(
    tmp_path: Path, numbers: tuple[str, ...], decimal: str | None
) -> None:
    (tmp_path / "v.csv").write_text(
        "MRN;sex;CK (U/L)\n" + "".join(f"1;F;{n}\n" for n in numbers), encoding="utf-8"
    )
    assert drafted(tmp_path)[1].decimal == decimal


def test_two_digit_years_are_drafted_with_a_pivot_to_check(tmp_path: Path) -> None:
    (tmp_path / "v.csv").write_text("MRN;sex;visit date\n1;F;13.04.24\n1;F;14.05.24\n", encoding="utf-8")
    text, mapping = drafted(tmp_path)
    assert mapping.dates == ["%d.%m.%y"] and "# a guess, this year" in text


def test_words_that_the_catalogue_does_not_know_are_told_with_the_nearest_name(tmp_path: Path) -> None:
    rows = "".join(
        f"P1,2024-01-0{1 + i % 9},{name},1,U/L\n"
        for i in range(10)
        for name in ("CK", "ALT", "AST", "Creatin kinase tot")
    )
    (tmp_path / "lab.csv").write_text("MRN,date,test,result,unit\n" + rows, encoding="utf-8")
    text, mapping = drafted(tmp_path)
    assert mapping.exports[0].observations.concept.column == "test"
    assert "#     Creatin kinase tot: ck   # 0." in text


SDTM = """\
STUDYID,DOMAIN,USUBJID,LBSEQ,LBTEST,LBORRES,LBORRESU,LBDTC,LBDY
S1,LB,01-701-1015,1,Albumin,3.8,g/dL,2013-12-26T14:45,-7
S1,LB,01-701-1015,2,Bilirubin,<0.2,mg/dL,2014-01-16T13:17,15
S1,LB,01-701-1023,1,Albumin,3.9,g/dL,2012-07-22T09:12,-14
S1,LB,01-701-1023,2,Creatine Kinase,120,U/L,2012-07-22T09:12,-14
"""


def test_sdtm_headers_are_known_and_a_column_of_one_value_is_no_patients(tmp_path: Path) -> None:
    (tmp_path / "lb.csv").write_text(SDTM, encoding="utf-8")
    text, mapping = drafted(tmp_path)
    assert mapping.dates == ["%Y-%m-%dT%H:%M"]
    assert places(mapping.exports, ("lb.csv", None)) == {
        "STUDYID": {"identifiers"},
        "USUBJID": {"identifiers", "observations.patient_id"},
        "LBTEST": {"observations.concept"},
        "LBORRES": {"observations.value"},
        "LBORRESU": {"observations.unit"},
        "LBDTC": {"observations.observed_on"},
        "DOMAIN": {"ignored"},
        "LBSEQ": {"ignored"},
        "LBDY": {"undecided"},
    }
    assert "#? observed_offset: LBDY" in text


def test_a_column_headed_as_a_test_beside_one_headed_as_a_result_names_tests_whether_known_or_not(
    tmp_path: Path,
) -> None:
    (tmp_path / "u.csv").write_text(
        "MRN,date,test,result\n" + "".join(f"P1,2024-01-0{i},Dipstick {i},{i}\n" for i in range(1, 9)),
        encoding="utf-8",
    )
    _, mapping = drafted(tmp_path)
    assert mapping.exports[0].observations.concept.column == "test" and not mapping.exports[0].undecided


def test_partial_dates_are_dates_where_whole_ones_stand_beside_them(tmp_path: Path) -> None:
    rows = "".join(f"P1,Prednisone,{day}\n" for day in ["2014-01-03"] * 40 + ["2013-05", "2011"])
    (tmp_path / "drugs.csv").write_text("MRN,drug,start date\n" + rows, encoding="utf-8")
    text, mapping = drafted(tmp_path)
    assert mapping.dates == ["%Y-%m-%d", "%Y-%m", "%Y"] and "day or month first" not in text
    (tmp_path / "drugs.csv").write_text(
        "MRN,drug,dose\n" + "P1,Prednisone,2000\n" * 9 + "P1,Prednisone,2010\n", encoding="utf-8"
    )
    assert "no column of dates was found" in drafted(tmp_path)[0]


WIDE = """\
"","id","sex","day","bilirubin (mg/dL)","stage","status","remark on the patient"
"1",1,"f",0,14.5,4,2,"well enough"
"2",1,"f",192,21.3,4,2,"worse"
"3",2,"m",0,1.1,3,0,"better"
"""


def test_row_numbers_are_ignored_days_offered_as_an_offset_and_no_name_is_taken_for_another_of_three_letters(
    tmp_path: Path,
) -> None:
    (tmp_path / "r.csv").write_text(WIDE, encoding="utf-8")
    text, mapping = drafted(tmp_path)
    assert places(mapping.exports, ("r.csv", None)) == {
        "column_1": {"ignored"},
        "id": {"identifiers", "patients.patient_id", "observations.patient_id"},
        "sex": {"patients.sex"},
        "bilirubin (mg/dL)": {"observations.values.bilirubin_total"},
        "day": {"undecided"},
        "stage": {"undecided"},
        "status": {"undecided"},
        "remark on the patient": {"undecided"},
    }
    assert (
        "#? observed_offset: day   # 0.70 days from the patient's day 0? Then {column: day, offset_unit: days}"
        in text
    )
    assert "triglycerides" not in text  # which a laboratory calls TAG


def test_a_table_without_an_entity_still_tells_who_may_be_the_patient(tmp_path: Path) -> None:
    (tmp_path / "notes.csv").write_text("MRN,xyz\n1,ok then\n2,well now\n", encoding="utf-8")
    assert "#? patient_id: MRN" in drafted(tmp_path)[0]


def test_the_codes_of_a_column_of_few_numbers_are_shown_with_their_counts(tmp_path: Path) -> None:
    rows = "".join(f"{i},{i % 2},{i}.5\n" for i in range(20)) + "20,2,1\n"
    (tmp_path / "v.csv").write_text("MRN,arm,CK (U/L)\n" + rows, encoding="utf-8")
    (table,), _ = profile_sample(tmp_path)
    assert [c.shown_words for c in table.columns] == ["", "0 (10), 1 (10), 1 in fewer than 5 rows", ""]


def test_headers_that_yaml_could_misread_are_drafted_as_they_are(tmp_path: Path) -> None:
    headers = [
        "MRN",
        "sex",
        "a: b",
        "#x",
        "'q'",
        "- x",
        "{x}",
        "yes",
        "1",
        "null",
        "*x",
        "x, y",
        "[u/l]",
        "back\\slash",
        "@x",
        "!x",
        "%x",
        "x #y",
        "?",
    ]
    rows = [[str(row), "F", *(f"{row}{i} w" for i in range(len(headers) - 2))] for row in range(30)]
    (tmp_path / "odd.tsv").write_text(
        "\n".join("\t".join(r) for r in [headers, *rows]) + "\n", encoding="utf-8"
    )
    _, mapping = drafted(tmp_path)
    assert set(places(mapping.exports, (".tsv", None))) == set(headers)


def test_a_table_that_feeds_nothing_is_left_to_a_person_whole(tmp_path: Path) -> None:
    (tmp_path / "notes.csv").write_text("MRN,note\n1,ok\n2,well\n", encoding="utf-8")
    _, mapping = drafted(tmp_path)
    assert places(mapping.exports, ("notes.csv", None)) == {"MRN": {"identifiers"}, "note": {"undecided"}}


@pytest.mark.parametrize(
    ("files", "like"),
    [
        ({"Patient.ndjson": '{"resourceType": "Patient", "id": "1"}\n'}, "fhir_r4"),
        ({"measurement.csv": "person_id,measurement_concept_id\n1,2\n"}, "omop_cdm_5_4"),
        ({"MEASUREMENT.csv": "PERSON_ID,MEASUREMENT_CONCEPT_ID\n1,2\n"}, "omop_cdm_5_4"),
    ],
)
def test_a_standard_format_is_recognised_and_its_ready_made_mapping_named(
    tmp_path: Path, files: dict[str, str], like: str
) -> None:
    for name, text in files.items():
        (tmp_path / name).write_text(text, encoding="utf-8")
    tables, faults = profile_sample(tmp_path)
    assert yaml.safe_load(draft("north", [guess_table(t) for t in tables], faults)) == {
        "sender": "north",
        "name": "north",
        "like": like,
    }


def test_a_redcap_export_is_drafted_by_its_dictionary_one_export_for_events_alike_and_for_each_instrument() -> (
    None
):
    text, _ = drafted(MAPPINGS / "ready_made" / "landing" / "redcap_clinic", "redcap_clinic")
    draft = yaml.safe_load(text)
    assert draft["like"] == "redcap"
    visits, later, labs = draft["exports"]
    assert (visits["like"], visits["where"]) == (
        "records",
        {"redcap_event_name": "baseline_arm_1", "redcap_repeat_instrument": None},
    )
    assert later["where"] == {
        "redcap_event_name": ["month_6_arm_1", "unscheduled_arm_1"],
        "redcap_repeat_instrument": None,
    }
    assert [key for key in later if key in ENTITIES] == [
        "visits",
        "observations",
    ]  # no second, blank row of a patient
    assert visits["patients"] == {
        "patient_id": "record_id",
        "sex": "sex",
        "birth_date": "dob",
        "onset_date": "onset",
    }
    assert visits["events"]["values"] == {
        "dysphagia": "symptoms___1",
        "heliotrope_rash": "symptoms___2",
    }  # by the choices' labels
    assert visits["antibodies"]["values"] == {"nxp2": "ab_nxp2"}
    assert visits["identifiers"] == ["record_id", "patient_name"]  # by the dictionary's flag
    assert (labs["where"], labs["observations"]["concept"]) == (
        {"redcap_repeat_instrument": "labs"},
        "lab_test",
    )


def test_the_draft_of_a_redcap_export_takes_its_delivery_once_patients_are_there(tmp_path: Path) -> None:
    """As drafted, with what it asks decided: no row of it is unaccounted for."""
    registry = copy_registry(MAPPINGS / "ready_made", tmp_path / "registry")
    text, _ = drafted(MAPPINGS / "ready_made" / "landing" / "redcap_clinic", "redcap_clinic")
    (registry.folder / "hospitals" / "redcap_clinic.yml").write_text(text.replace("undecided:", "ignored:"))
    registry = load_registry(registry.folder)
    inventory = take_inventory(registry, "redcap_clinic", "2024-07")
    with warehouse(registry.warehouse) as connection:
        load_delivery(connection, registry, inventory)
        assert connection.execute("select rule from raw.rejected_line").fetchall() == []
        assert connection.execute(
            "select count(*), count(distinct patient_key), count(sex) from raw.patients"
        ).fetchone() == (2, 2, 2)


def test_a_redcap_export_with_labels_is_drafted_by_its_labels() -> None:
    text, _ = drafted(MAPPINGS / "ready_made" / "landing" / "redcap_network", "redcap_network")
    draft = yaml.safe_load(text)
    assert draft["like"] == "redcap"
    assert [(export["like"], export["where"]) for export in draft["exports"]] == [
        ("records", {"Event Name": "Baseline", "Repeat Instrument": None}),
        ("records", {"Event Name": "Month 6", "Repeat Instrument": None}),
        ("records", {"Repeat Instrument": "Laboratory"}),
    ]
    assert not any(
        "Complete?" in column for export in draft["exports"] for column in export.get("undecided", [])
    )


def test_zeros_beside_the_state_of_a_form_are_asked_about(tmp_path: Path) -> None:
    rows = "".join(
        f"P{i},2024-01-{i:02d},{i % 2},{(i + 1) % 2},{'done' if i % 3 else 'open'}\n" for i in range(1, 21)
    )
    (tmp_path / "signs.csv").write_text(f"PatientID,VisitDate,Gottron,Heliotrope,CRF Status\n{rows}")
    text, _ = drafted(tmp_path)
    assert '#?   - {columns: [Gottron, Heliotrope], answered_when: {CRF Status: ["done", "open"]}}' in text


# the commands


def call(*arguments: str, capsys: pytest.CaptureFixture[str]) -> tuple[int, str, str]:
    code = cli.guarded(lambda: cli.app(list(arguments), standalone_mode=False) or 0)
    seen = capsys.readouterr()
    return code, seen.out, seen.err


def test_a_new_registry_is_laid_out_once_and_nothing_is_overwritten(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    code, out, _ = call("init", str(tmp_path / "new"), capsys=capsys)
    assert code == 0
    assert sorted(p.name for p in (tmp_path / "new").iterdir()) == [
        ".gitignore",
        "concepts",
        "corrections",
        "hospitals",
        "landing",
        "registry.yml",
        "studies",
    ]
    assert "hospitals/: no mapping file here" in out and "next: edit" in out
    example = (tmp_path / "new" / "studies" / "example.yml.txt").read_text().split("#\n", 1)[1]
    assert (
        Study.model_validate(
            yaml.safe_load("\n".join(line.removeprefix("# ") for line in example.splitlines()))
        ).study
        == "first"
    )
    (tmp_path / "new" / "registry.yml").write_text("mine")
    code, out, _ = call("init", str(tmp_path / "new"), capsys=capsys)
    assert code == 0 and "kept" in out and (tmp_path / "new" / "registry.yml").read_text() == "mine"


def test_onboarding_profiles_drafts_and_says_what_is_left(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    call("init", str(tmp_path / "new"), capsys=capsys)
    sample = tmp_path / "besuche.csv"
    sample.write_text(GERMAN, encoding="utf-8")
    code, out, _ = call("onboard", "north", str(sample), "--registry", str(tmp_path / "new"), capsys=capsys)
    assert code == 0
    assert "7 of 9 columns are decided; left to decide: 2" in out
    assert "Muster" not in out and "4711" not in out
    (sentence,) = load_registry(tmp_path / "new").undecided()
    assert (
        "exports[0].undecided: map each of Rasierwasser, Kreatinkinase, or list it under ignored or identifiers"
        in sentence
    )
    code, _, err = call("onboard", "north", str(sample), "--registry", str(tmp_path / "new"), capsys=capsys)
    assert code == 2 and "is there already and is never overwritten" in err


def test_wrong_input_to_onboarding_is_told_together(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    code, _, err = call(
        "onboard", "North-1", str(tmp_path / "no.csv"), "--registry", str(tmp_path), capsys=capsys
    )
    assert code == 2
    assert [w in err for w in ('HOSPITAL is "North-1"', "there is no", "no registry.yml here")] == [
        True,
        True,
        True,
    ]
