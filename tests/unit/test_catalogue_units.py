"""Laws over units: spellings, conversions, and the units that real exports send."""

from __future__ import annotations

import re
from collections import Counter
from functools import cache

import pytest
from pint import Quantity
from ucumvert import PintUcumRegistry, get_ucum_parser, parse_ucum

from tests.unit.catalogue_seeds import canonical, concepts, fixture, named, rule, seed, unit

ATOMIC = {
    "H": 1.008,
    "C": 12.011,
    "N": 14.007,
    "O": 15.999,
    "P": 30.974,
    "S": 32.06,
    "Cl": 35.45,
    "Ca": 40.078,
    "Mg": 24.305,
    "Fe": 55.845,
    "I": 126.904,
    "Co": 58.933,
}
# What one mole of each analyte weighs: by formula; a salt's ion or an element where laboratories report that.
FORMULA = {
    "creatinine": "C4H7N3O",
    "urine_creatinine": "C4H7N3O",
    "uric_acid": "C5H4N4O3",
    "glucose": "C6H12O6",
    "glucose_capillary": "C6H12O6",
    "csf_glucose": "C6H12O6",
    "bilirubin_total": "C33H36N4O6",
    "bilirubin_direct": "C33H36N4O6",
    "bilirubin_indirect": "C33H36N4O6",
    "triglycerides": "C57H104O6",
    "cholesterol_total": "C27H46O",
    "cholesterol_hdl": "C27H46O",
    "cholesterol_ldl": "C27H46O",
    "calcium": "Ca",
    "calcium_corrected": "Ca",
    "calcium_ionized": "Ca",
    "magnesium": "Mg",
    "phosphate": "P",
    "iron": "Fe",
    "tibc": "Fe",
    "lactate": "C3H6O3",
    "ketones": "C4H8O3",
    "ammonia": "NH3",
    "homocysteine": "C4H9NO2S",
    "cortisol": "C21H30O5",
    "t4_total": "C15H11I4NO4",
    "t4_free": "C15H11I4NO4",
    "t3_total": "C15H12I3NO4",
    "t3_free": "C15H12I3NO4",
    "vitamin_b12": "C63H88CoN14O14P",
    "folate": "C19H19N7O6",
    "vitamin_d_25oh": "C27H44O2",
    "digoxin_level": "C41H64O14",
    "phenytoin_level": "C15H12N2O2",
    "salicylate_level": "C7H6O3",
    "ethanol_level": "C2H6O",
    "acetaminophen_level": "C8H9NO2",
    "vancomycin_level": "C66H75Cl2N9O24",
    "vancomycin_level_trough": "C66H75Cl2N9O24",
    "tacrolimus_level": "C44H69NO12",
    "ciclosporin_level": "C62H111N11O12",
    "neopterin": "C9H11N5O4",
    "bile_acids": "C24H40O5",
    "urine_protein_creatinine_ratio": "C4H7N3O",
    "urine_albumin_creatinine_ratio": "C4H7N3O",
    "vitamin_d_1_25oh": "C27H44O3",
    "urea_nitrogen": "N2",
    "ammonia_nitrogen": "N",
}
# Proteins by the mass that laboratories agreed on, g/mol; haemoglobin per haem.
MASS = {
    "ferritin": 445_000,
    "fibrinogen": 340_000,
    "albumin": 66_500,
    "haemoglobin": 16_114,
    "mchc": 16_114,
    "mch": 16_114,
    "pth": 9_430,
    "bnp": 3_464,
    "nt_probnp": 8_457,
}
# Urea by its nitrogen or as a whole.
UREA = {"mg{urea_n}/dL": "N2"}
CHARGE = {"calcium": 2, "calcium_corrected": 2, "calcium_ionized": 2, "magnesium": 2}


@cache
def _registry() -> PintUcumRegistry:
    return PintUcumRegistry()


def quantity(code: str) -> Quantity:
    """One of the unit; `1` alone is a plain number in ucumvert."""
    return _registry().from_ucum("g/g" if code == "1" else code)


def molar_mass(formula: str) -> float:
    atoms = re.findall(r"([A-Z][a-z]?)(\d*)", formula)
    return sum(ATOMIC[element] * int(count or 1) for element, count in atoms)


def test_every_unit_code_is_ucum() -> None:
    codes = {r["unit_ucum"] for r in seed("unit_spellings")} | {r["unit_canonical"] for r in seed("concepts")}
    for row in seed("unit_conversions"):
        codes |= {row["unit_from"], row["unit_to"]}
    parser = get_ucum_parser()
    for code in sorted(codes):
        parse_ucum(code, parser)  # raises where it is not UCUM
    assert len(codes) == 152


def test_a_spelling_is_listed_once_without_outer_blanks_and_every_code_spells_itself() -> None:
    texts = [r["unit_source"] for r in seed("unit_spellings")]
    assert [t for t, n in Counter(texts).items() if n > 1] == []
    assert [t for t in texts if t != t.strip()] == []
    codes = {r["unit_ucum"] for r in seed("unit_spellings")} | {r["unit_canonical"] for r in seed("concepts")}
    assert [c for c in codes if unit(c) != c] == []


@pytest.mark.parametrize(
    ("sent", "code"),
    [
        ("×10^9/L", "10*9/L"),
        ("x10⁹/L", "10*9/L"),
        ("Gpt/l", "10*9/L"),
        ("K/mcL", "10*3/uL"),
        ("THOU/UL", "10*3/uL"),
        ("K/MM3", "10*3/uL"),
        ("M/mcL", "10*6/uL"),
        ("×10¹²/L", "10*12/L"),
        ("μmol/L", "umol/L"),
        ("µmol/L", "umol/L"),
        ("µkat/L", "ukat/L"),
        ("mg/dl", "mg/dL"),
        ("MG/L", "mg/L"),
        ("IU/L", "[IU]/L"),
        ("Units/L", "U/L"),
        ("mm/1h", "mm/h"),
        ("毫米/小时", "mm/h"),
        ("℃", "Cel"),
        ("&#176;C", "Cel"),
        ("％", "%"),
        ("pg／ml", "pg/mL"),
        ("个/μl", "/uL"),
        ("MM/L", "mmol/L"),
        ("U3", "um3"),
        ("uug", "pg"),
        ("10", "{truncated}"),
        ("G/L", "{g_or_giga}/L"),
        ("furlong", None),
    ],
)
def test_a_spelling_means_its_code(sent: str, code: str | None) -> None:
    assert unit(sent) == code


def test_a_conversion_leads_to_the_canonical_unit_once_from_another_unit() -> None:
    rules = seed("unit_conversions")
    canonical_units = {r["unit_canonical"] for r in seed("concepts")}
    anyones = [r for r in rules if r["concept_id"] == "*"]
    owned = [r for r in rules if r["concept_id"] != "*"]
    assert [r["rule_id"] for r in rules if r["unit_from"] == r["unit_to"] or float(r["factor"]) <= 0] == []
    assert [r["rule_id"] for r in anyones if r["unit_to"] not in canonical_units] == []
    assert [
        r["rule_id"] for r in owned if r["unit_to"] != concepts()[r["concept_id"]]["unit_canonical"]
    ] == []
    keys = Counter((r["concept_id"], r["unit_from"], r["unit_to"]) for r in rules)
    assert [k for k, n in keys.items() if n > 1] == []
    assert len({r["rule_id"] for r in rules}) == len(rules)


def _by_source(source: str) -> list[dict[str, str]]:
    return [r for r in seed("unit_conversions") if r["source"] == source]


def test_conversions_of_a_dimension_agree_with_pint() -> None:
    rules = _by_source("dimension")
    for row in rules:
        start, end = quantity(row["unit_from"]), quantity(row["unit_to"])
        for value in (1.0, 40.0):
            expected = type(start)(value * start.magnitude, start.units).to(end.units).magnitude
            ours = value * float(row["factor"]) + float(row["offset"])
            assert ours == pytest.approx(expected / end.magnitude, rel=1e-9), row["rule_id"]
    assert len(rules) == 238


def _mass_of(row: dict[str, str]) -> float:
    if row["concept_id"] == "urea":
        return molar_mass(UREA.get(row["unit_from"], "CH4N2O"))
    return MASS.get(row["concept_id"]) or molar_mass(FORMULA[row["concept_id"]])


def test_conversions_between_mass_and_amount_agree_with_atomic_weights() -> None:
    rules = _by_source("molar_mass")
    for row in rules:
        mole_weighs = _mass_of(row) * quantity("g/mol")
        start, end = quantity(row["unit_from"]), quantity(row["unit_to"])
        ratio = next(r for r in (start / mole_weighs / end, start * mole_weighs / end) if r.dimensionless)
        # conventional factors have four figures; creatinine's 88.42, which laboratories use, is 0.02 % above
        assert float(row["factor"]) == pytest.approx(ratio.to("").magnitude, rel=4e-4), row["rule_id"]
    assert len(rules) == 119


def test_equivalents_of_an_ion_are_divided_by_its_charge() -> None:
    rows = [r for r in seed("unit_conversions") if r["unit_from"] == "meq/L"]
    assert {r["concept_id"]: float(r["factor"]) for r in rows} == {
        r["concept_id"]: 1 / CHARGE.get(r["concept_id"], 1) for r in rows
    }
    assert len(rows) == 15


@pytest.mark.parametrize(
    ("concept_id", "value", "sent", "expected"),
    [
        ("creatinine", 1, "mg/dL", 88.42),  # the adult hospital's units: these three to the last digit
        ("ck", 1, "µkat/L", 60),
        ("ferritin", 1, "ng/mL", 1),
        ("ck", 180, "IU/L", 180),
        ("crp", 1.2, "mg/dL", 12),
        ("urea_nitrogen", 20, "mg/dL", 7.14),
        ("urea", 20, "mg/dL", 3.33),
        ("urea", 20, "mg/dL urea", 3.33),
        ("haemoglobin", 12.5, "g/dL", 125),
        ("haemoglobin", 7.5, "mmol/L", 120.855),
        ("wbc", 7.2, "K/mcL", 7.2),
        ("platelets", 181000, "/mm3", 181),
        ("rbc", 4.5, "M/uL", 4.5),
        ("lymphocytes", 1200, "cells/uL", 1.2),
        ("cd4_count", 0.35, "10^9/L", 350),
        ("triglycerides", 156, "mg/dL", 1.76124),  # the limits of the 2016 criteria for MAS
        ("fibrinogen", 360, "mg/dL", 3.6),
        ("troponin_i", 0.04, "ng/mL", 40),
        ("igg", 1200, "mg/dL", 12),
        ("d_dimer", 500, "ng/mL DDU", 1),
        ("hba1c", 48, "mmol/mol", 6.54304),
        ("temperature", 98.6, "F", 37),
        ("il_6", 12, "ng/L", 12),
        ("cd4", 0.35, "fraction", 35),
        ("haemoglobin", 120, "G/L", 120),  # gram
        ("wbc", 7, "G/L", 7),  # giga
        ("cmas", 45, "/52", 45),
        ("mmt8", 72, "/52", None),  # out of another score's maximum: refused
        ("physician_global_activity", 7, "/10", 7),
        ("wbc", 7, "10", None),  # cut off: refused
        ("crp", 5, "nmol/L", None),  # no rule: refused
    ],
)
def test_a_value_in_a_unit_becomes_the_canonical_value(
    concept_id: str,
    value: float,
    sent: str,
    expected: float | None,
) -> None:
    got = canonical(concept_id, value, sent)
    assert got == (None if expected is None else pytest.approx(expected, rel=1e-12))


def _concept(labname: str, unit_text: str) -> str:
    """By name and unit; the one name of two meanings that its unit does not tell apart is judged by one of
    them.
    """
    return (
        named("concept", labname, unit_text)
        or {"serum ketones": "ketones", "reticulocyte count": "reticulocytes_percent"}[labname]
    )


def test_every_unit_of_the_eicu_export_is_known_and_eight_cannot_be_of_their_test() -> None:
    sent = [
        (row["labname"], text, int(row["results"]))
        for row in fixture("eicu_lab_units")
        for text in (row["unit_system"], row["unit_interface"])
        if text.strip()
    ]
    assert {text for _, text, _ in sent if unit(text) is None} == set()
    impossible: Counter[tuple[str, str]] = Counter()
    for labname, text, results in sent:
        if rule(_concept(labname, text), unit(text) or "") is None:
            impossible[labname, text] += results
    assert impossible == {
        ("-basos", "ug/L"): 24,
        ("24 h urine protein", "mg/dL"): 1,
        ("FiO2", "lpm"): 2,
        ("RBC", "%"): 2,
        ("RBC", "10"): 2,
        ("T4", "mcg/mL"): 1,
        ("WBC x 1000", "10"): 2,
        ("platelets x 1000", "10"): 2,
    }


def test_the_spellings_of_the_white_cell_unit_in_eicu_are_one_quantity() -> None:
    rows = [r for r in fixture("eicu_lab_units") if r["labname"] == "WBC x 1000"]
    values = {r["unit_interface"]: canonical("wbc", 7.0, r["unit_interface"]) for r in rows}
    assert len(values) == 25
    assert {text for text, value in values.items() if value != 7.0} == {"10"}


def test_units_that_differ_in_name_only_convert_alike_and_those_that_truly_differ_do_not() -> None:
    rows = [r for r in fixture("eicu_lab_units") if r["unit_system"].strip() and r["unit_interface"].strip()]
    truly: Counter[str] = Counter()
    for row in rows:
        concept_id = _concept(row["labname"], row["unit_interface"])
        one, other = (canonical(concept_id, 1.0, row[c]) for c in ("unit_system", "unit_interface"))
        if one != pytest.approx(other):
            truly[row["labname"]] += int(row["results"])
    # Units/L and IU/L, mmol/L and mEq/L, g/dL and % are no disagreement
    assert truly["ALT (SGPT)"] == truly["potassium"] == truly["MCHC"] == 0
    assert truly == {
        "-basos": 24,
        "24 h urine protein": 1,
        "CRP": 3,
        "FiO2": 2,
        "RBC": 4,
        "T3": 1,
        "T4": 1,
        "TV": 2,
        "WBC x 1000": 2,
        "ammonia": 17,
        "ethanol": 1,
        "ionized calcium": 75,
        "magnesium": 18,
        "platelets x 1000": 2,
        "salicylate": 1,
    }
