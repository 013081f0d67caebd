"""The adult hospital's exports: UTF-8 files with a byte order mark, one row per visit, one column per test.

Belongs here: files, headers, codes, units and date formats of this hospital.
Does not belong here: any value that is not formatting.
"""

from __future__ import annotations

import csv
import random
from collections.abc import Iterable
from pathlib import Path

from tests.synthetic.cohort import Person
from tests.synthetic.published import read_rows
from tests.synthetic.solution import CONSTRAINTS

HOSPITAL, DELIVERY = "zjfah", "2024-06-30"
NOTE = "SYNTHETIC DATA"
ASSAYS = {"line_blot": "Line blot", "elisa": "ELISA (U/mL)", "immunofluorescence": "IIF"}
GRADES = {
    "negative": ("Negative", "neg"),
    "weak": ("Weak positive",),
    "1+": ("+", "Positive (1+)"),
    "2+": ("++", "Positive (2+)"),
    "3+": ("+++", "Positive (3+)"),
}
DRUGS = {
    "glucocorticoid": "Prednisone",
    "methotrexate": "Methotrexate",
    "ivig": "IVIG",
    "hydroxychloroquine": "Hydroxychloroquine",
    "cyclosporine": "Ciclosporin",
    "mycophenolate": "Mycophenolate",
    "tofacitinib": "Tofacitinib",
}
RELAPSES = {"muscle": "Muscle weakness", "systemic": "Muscle weakness and rash", "rash": "Rash"}
SIGNS = (
    "dysphagia",
    "mouth_ulcer",
    "calcinosis_cutis",
    "gottron_papules",
    "heliotrope_rash",
    "other_skin_rash",
)

Row = list[str]


def write(people: list[Person], landing: Path) -> None:
    """Write the delivery below ``landing``/zjfah."""
    people = [person for person in people if person.hospital == HOSPITAL]
    folder = landing / HOSPITAL / DELIVERY
    folder.mkdir(parents=True, exist_ok=True)
    for name, (header, make) in _files().items():
        rows = [row for person in people for row in make(person)]
        with (folder / name).open("w", encoding="utf-8-sig", newline="") as handle:
            writer = csv.writer(handle, lineterminator="\r\n")
            writer.writerow([*header, "DataNote"])
            writer.writerows([*row, NOTE] for row in rows)


def _files() -> dict:
    tests = read_rows(CONSTRAINTS / "names.csv")
    signs = {row["variable"]: row["zjfah_name"] for row in read_rows(CONSTRAINTS / "signs.csv")}
    visits = [
        "MRN",
        "VisitDate",
        "VisitType",
        *(row["zjfah_column"] for row in tests),
        *(signs[s] for s in SIGNS),
    ]
    return {
        "synthetic_patients.csv": (
            [
                "MRN",
                "Name",
                "ID_Card_No",
                "Mobile",
                "Address",
                "Sex",
                "DOB",
                "OnsetDate",
                "FirstVisit",
                "AgeAtOnset_y",
                "DiseaseDuration_m",
            ],
            _patients,
        ),
        "synthetic_visits.csv": (visits, _visits),
        "synthetic_antibodies.csv": (
            ["MRN", "TestDate", "Antibody", "Assay", "Result", "CutOff"],
            _antibodies,
        ),
        "synthetic_events.csv": (["MRN", "EventDate", "Event", "Detail"], _events),
        "synthetic_followup.csv": (["MRN", "ContactDate", "Mode", "Status"], _contacts),
        "synthetic_treatments.csv": (
            ["MRN", "Drug", "StartDate", "EndDate", "Dose", "DoseUnit", "Route"],
            _treatments,
        ),
    }


def _slashed(person: Person, day: int) -> str:
    return f"{person.on(day):%d/%m/%Y}"


def _worded(person: Person, day: int) -> str:
    return f"{person.on(day):%d-%b-%Y}"


def _patients(person: Person) -> Iterable[Row]:
    yield [
        person.hospital_number,
        person.name,
        person.identity_number,
        person.telephone,
        person.address,
        "F" if person.is_female else "M",
        f"{person.birth_date:%d/%m/%Y}",
        f"{person.onset_date:%d/%m/%Y}",
        _worded(person, 0),
        person.age_at_onset,
        person.disease_duration,
    ]


def _visits(person: Person) -> Iterable[Row]:
    tests = read_rows(CONSTRAINTS / "names.csv")
    for visit in person.visits:
        signs = ["" if visit.signs is None else "Y" if name in visit.signs else "N" for name in SIGNS]
        yield [
            person.hospital_number,
            _slashed(person, visit.day),
            visit.kind.capitalize(),
            *(visit.values.get(row["variable"], "") for row in tests),
            *signs,
        ]


def _antibodies(person: Person) -> Iterable[Row]:
    names: dict[str, list[str]] = {}
    for row in read_rows(CONSTRAINTS / "antibody_names.csv"):
        if row["hospital"] == HOSPITAL:
            names.setdefault(row["antibody"], []).append(row["name"])
    draw = random.Random(f"zjfah antibody names/{person.number}")
    for test in person.antibodies:
        result = draw.choice(GRADES[test.grade]) if test.grade in GRADES else test.grade
        yield [
            person.hospital_number,
            _worded(person, test.day),
            draw.choice(names[test.antibody]),
            ASSAYS[test.assay],
            result,
            test.cut_off,
        ]


def _events(person: Person) -> Iterable[Row]:
    words = {row["variable"]: row["zjfah_name"] for row in read_rows(CONSTRAINTS / "signs.csv")}
    for variable, day, detail in person.complications:
        yield [person.hospital_number, _slashed(person, day), words[variable], detail]
    for day in person.relapse_days:
        yield [
            person.hospital_number,
            _slashed(person, day),
            words["relapse"],
            RELAPSES[person.follow_up.relapse_kind],
        ]


def _contacts(person: Person) -> Iterable[Row]:
    for day, how in person.contacts:
        yield [
            person.hospital_number,
            _slashed(person, day),
            "Telephone" if how == "telephone" else "Clinic",
            "Lost" if how == "lost" else "In follow-up",
        ]


def _treatments(person: Person) -> Iterable[Row]:
    for treatment in person.treatments:
        end = "" if treatment.end_day is None else _slashed(person, treatment.end_day)
        yield [
            person.hospital_number,
            DRUGS[treatment.drug],
            _slashed(person, treatment.start_day),
            end,
            treatment.dose,
            treatment.unit,
            treatment.route,
        ]
