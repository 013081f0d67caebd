"""Words of two meanings, and names of two quantities: the name or the unit decides, or the word is asked.

Each pair of quantities has a value that only one of them gives; each error of the audit of 2026 has the value
that was wrong.
"""

from __future__ import annotations

from collections import Counter

import pytest

from orchestration.registry import catalogue
from tests.unit.catalogue_seeds import NAMES, concepts, named, names, normal, seed

KINDS = {"concepts": "concept", "antibodies": "antibody", "events": "event", "treatments": "treatment"}
CODES = {"event_status": {"present", "absent"}, "sex": {"female", "male", "unknown"}}


def read(name: str, value: float, unit_text: str = "") -> tuple[str, float] | None:
    """(concept under which it is stored, value in its unit) of a result, as int_observations has it; None
    where it is not decided.
    """
    concept_id = name if name in concepts() else named("concept", name, unit_text)
    code = catalogue.unit(unit_text)
    if concept_id is None or code is None or (rule := catalogue.rule(concept_id, code)) is None:
        return None
    return catalogue.forms().get(concept_id, concept_id), value * rule[0] + rule[1]


# ---------------------------------------------------------------- laws


def test_a_word_of_two_meanings_stands_once_and_is_no_synonym() -> None:
    forms = Counter((r["kind"], normal(r["word"]) or r["word"]) for r in seed("ambiguous_words"))
    assert [form for form, n in forms.items() if n > 1] == []
    for kind, one in KINDS.items():
        table, id_column, name_column, _ = NAMES[one]
        own = {normal(r[c]) for r in seed(table) for c in (id_column, name_column)}
        asked = {normal(r["word"]) for r in seed("ambiguous_words") if r["kind"] == kind and not r["units"]}
        assert asked & catalogue.names(kind).keys() <= own, kind
        doubtful_in_units = {
            normal(r["word"]) for r in seed("ambiguous_words") if r["kind"] == kind and r["units"]
        }
        assert doubtful_in_units <= set(names(one)), kind


def test_the_meanings_of_a_word_are_in_the_catalogue_and_its_units_are_codes() -> None:
    codes = {r["unit_ucum"] for r in seed("unit_spellings")}
    ids = {kind: {r[NAMES[one][1]] for r in seed(NAMES[one][0])} for kind, one in KINDS.items()}
    for row in seed("ambiguous_words"):
        meanings = [i for i in row["ids"].split("|") if i]
        assert set(meanings) <= ids.get(row["kind"], CODES.get(row["kind"], set())), row["word"]
        assert {u for u in row["units"].split("|") if u} <= codes, row["word"]
        assert row["unit_decides"] == "false" or (meanings and row["kind"] == "concepts"), row["word"]


@pytest.mark.parametrize(
    "row",
    [r for r in seed("ambiguous_words") if r["kind"] in KINDS and not r["units"]],
    ids=lambda r: r["word"],
)
def test_a_word_of_two_meanings_is_asked(row: dict[str, str]) -> None:
    # without a unit a urine's protein is read from the words of a strip, and from nothing else
    assert catalogue.meaning(row["kind"], row["word"]) in (None, "urine_protein_dipstick")
    assert row["meanings"] in catalogue.ambiguous(row["kind"])[normal(row["word"])].sentence


def test_a_form_of_a_quantity_has_its_unit_and_range_and_no_rule_to_a_third_unit() -> None:
    for row in seed("concept_forms"):
        form, whole = concepts()[row["concept_id"]], concepts()[row["stored_as"]]
        same = ("unit_canonical", "kind", "physical_low", "physical_high", "plausible_low", "plausible_high")
        assert [form[c] for c in same] == [whole[c] for c in same], row["concept_id"]
        assert row["stored_as"] not in catalogue.forms()


# ---------------------------------------------------------------- one name for two quantities


@pytest.mark.parametrize(
    ("name", "value", "unit_text", "stored", "expected"),
    [
        ("Urea", 30, "mg/dL", "urea", 4.995),
        ("Blood urea", 30, "mg/dl", "urea", 4.995),
        ("尿素", 30, "mg/dL", "urea", 4.995),
        ("BUN", 14, "mg/dL", "urea", 4.998),
        ("尿素氮", 14, "mg/dL", "urea", 4.998),
        ("urea_nitrogen", 14, "mg/dL", "urea", 4.998),
        ("3094-0", 14, "mg/dL", "urea", 4.998),
        ("Urea", 0.3, "g/L", "urea", 4.995),
        ("BUN", 5, "mmol/L", "urea", 5),
        ("FT4", 1.2, "ng/dL", "t4_free", 15.444),
        ("T4", 8, "mcg/dL", "t4_total", 102.96),
        ("Total T4", 100, "nmol/L", "t4_total", 100),
        ("FT3", 3, "pg/mL", "t3_free", 4.608),
        ("T3", 120, "ng/dL", "t3_total", 1.8432),
        ("Calcium", 9.6, "mg/dL", "calcium", 2.3952),
        ("Ionized calcium", 4.8, "mg/dL", "calcium_ionized", 1.1976),
        ("总胆红素", 1, "mg/dL", "bilirubin_total", 17.104),
        ("直接胆红素", 0.3, "mg/dL", "bilirubin_direct", 5.1312),
        ("tPSA", 4, "ng/mL", "psa_total", 4),
        ("fPSA", 0.8, "ng/mL", "psa_free", 0.8),
        ("CK-MB", 5, "ng/mL", "ck_mb_mass", 5),
        ("CK-MB", 25, "U/L", "ck_mb", 25),
        ("肌酸激酶同工酶", 25, "U/L", "ck_mb", 25),
        ("CPK-MB", 5, "ng/mL", "ck_mb_mass", 5),
        ("D-dimer", 0.5, "mg/L FEU", "d_dimer", 0.5),
        ("D-dimer", 0.5, "ug/mL DDU", "d_dimer", 1),
        ("d_dimer", 0.5, "mg/L", "d_dimer", 0.5),
        ("d_dimer_ddu", 0.5, "mg/L", "d_dimer", 1),
        ("D-二聚体DDU", 500, "ng/mL", "d_dimer", 1),
        ("cTnI", 0.04, "ng/mL", "troponin_i", 40),
        ("hs-cTnT", 14, "ng/L", "troponin_t_hs", 14),
        ("TnT", 0.01, "ng/mL", "troponin_t", 10),
        ("CRP", 1.2, "mg/dL", "crp", 12),
        ("hs-CRP", 1.2, "mg/L", "crp_hs", 1.2),
        ("Neutrophils", 60, "%", "neutrophils_percent", 60),
        ("Neutrophils", 4.2, "10^9/L", "neutrophils", 4.2),
        ("CD4+T细胞", 35, "%", "cd4", 35),
        ("CD4+T细胞", 350, "个/μl", "cd4_count", 350),
        ("Reticulocyte count", 1.2, "%", "reticulocytes_percent", 1.2),
        ("Total protein", 7, "g/dL", "total_protein", 70),
        ("24 h urine protein", 150, "mg/24HR", "urine_protein_24h", 150),
        ("Urine protein", 15, "mg/dL", "urine_protein", 150),
        ("尿蛋白", 150, "mg/24HR", "urine_protein_24h", 150),
        ("25-OH vitamin D", 30, "ng/mL", "vitamin_d_25oh", 74.88),
        ("1,25-OH vitamin D", 40, "pg/mL", "vitamin_d_1_25oh", 96),
        ("HbA1c", 48, "mmol/mol", "hba1c", 6.54304),
        ("HbA1c", 6.5, "%", "hba1c", 6.5),
        ("Fe", 100, "ug/dL", "iron", 17.91),
        ("Transferrin", 250, "mg/dL", "transferrin", 2.5),
        ("Ferritin", 100, "ng/mL", "ferritin", 100),
        ("IgG", 1200, "mg/dL", "igg", 12),
        ("IgG4", 135, "mg/dL", "igg4", 1.35),
        ("C3", 100, "mg/dL", "c3", 1),
        ("C3a", 150, "ng/mL", "c3a", 150),
        ("Creatinine", 1, "mg/dL", "creatinine", 88.42),
        ("Creatinine clearance", 95, "mL/min", "creatinine_clearance", 95),
        ("Ammonia nitrogen", 50, "ug/dL", "ammonia", 35.695),
        ("ammonia", 50, "ug/dL", "ammonia", 29.36),
        ("血氨", 30, "umol/L", "ammonia", 30),
        ("RDW", 13, "%", "rdw_cv", 13),
        ("RDW", 42, "fL", "rdw_sd", 42),
        ("MMT8", 72, "/80", "mmt8", 72),
        ("MMT8", 140, "/150", "mmt8_bilateral", 140),
    ],
)
def test_of_two_quantities_the_name_or_the_unit_decides(
    name: str, value: float, unit_text: str, stored: str, expected: float
) -> None:
    assert read(name, value, unit_text) == (stored, pytest.approx(expected, rel=1e-9))


@pytest.mark.parametrize(
    ("name", "unit_text"),
    [
        ("T4", "ng/dL"),
        ("T4", "pmol/L"),
        ("T3", "pg/mL"),
        ("甲状腺素", "pmol/L"),
        ("Ca2+", "mmol/L"),
        ("PSA", "ng/mL"),
        ("CK-MB", ""),
        ("D-dimer", "mg/L"),
        ("D-二聚体", "ng/mL"),
        ("Troponin", "ng/L"),
        ("高敏肌钙蛋白", "ng/L"),
        ("Neutrophils", ""),
        ("CD4", ""),
        ("Protein", "g/L"),
        ("Vitamin D", "ng/mL"),
        ("Ammonia", "ug/dL"),
        ("NH3", "mcg/dL"),
        ("MMT8", ""),
        ("MMT8", "points"),
        ("CDASI", ""),
        ("PGA", "cm"),
        ("FEV1%", "%"),
        ("Mb", "ng/mL"),
        ("Serum ketones", "mmol/L"),
        ("白细胞", "个/μl"),
        ("DAS28", ""),
    ],
)
def test_a_name_that_leaves_two_quantities_is_asked(name: str, unit_text: str) -> None:
    assert named("concept", name, unit_text) is None
    assert " or " in catalogue.doubt("concepts", name, unit_text).meanings


def test_each_factor_of_a_pair_names_its_source() -> None:
    pairs = {
        "urea",
        "urea_nitrogen",
        "ammonia",
        "ammonia_nitrogen",
        "d_dimer",
        "d_dimer_ddu",
        "vitamin_d_25oh",
        "vitamin_d_1_25oh",
        "t4_total",
        "t4_free",
        "t3_total",
        "t3_free",
        "hba1c",
        "iron",
    }
    sources = {r["concept_id"]: r["source"] for r in seed("unit_conversions") if r["concept_id"] in pairs}
    cited = {r["source_id"]: r["citation"] for r in seed("catalogue_sources")}
    assert set(sources) == pairs
    assert all(len(cited[source]) > 20 for source in sources.values())


# ---------------------------------------------------------------- the errors of the audit, by the value that
# was wrong


@pytest.mark.parametrize(
    ("kind", "word"),
    [
        *(
            ("event", w)
            for w in (
                "EMG",
                "Electromyography",
                "肌电图",
                "Muscle biopsy",
                "肌活检",
                "肌肉活检",
                "Muscle MRI",
                "肌肉磁共振",
            )
        ),  # 3
        *(("event", w) for w in ("EMG abnormal", "肌电图异常", "肌肉磁共振异常")),  # 4
        *(("antibody", w) for w in ("AARS", "anti-AARS", "抗AARS抗体")),  # 6
        *(
            ("antibody", w)
            for w in ("ACA", "anti-ACA", "抗ACA抗体", "ACA IgG", "ACA-IgM", "抗ACA抗体IgA", "IgG-ACA")
        ),  # 7
        *(("concept", w) for w in ("AG", "A/G")),  # 8
        *(
            ("event", w)
            for w in (
                "Muscle weakness",
                "肌无力",
                "Gottron",
                "Gottron征",
                "高雪氏疹",
                "Tumour",
                "肿瘤",
                "Lung involvement",
                "钙化",
                "噬血细胞综合征",
            )
        ),
        *(("antibody", w) for w in ("SSA", "抗SSA抗体", "nRNP/Sm", "p140", "抗p140抗体")),
        *(("treatment", w) for w in ("Mycophenolic acid", "Steroid pulse", "激素冲击")),
    ],
)
def test_an_examination_a_family_or_a_word_for_two_things_is_not_decided(kind: str, word: str) -> None:
    assert named(kind, word) is None


@pytest.mark.parametrize(
    ("kind", "word", "meaning"),
    [
        ("event", "Muscle biopsy positive", "muscle_biopsy_myositis"),
        ("event", "肌源性损害", "emg_myopathic"),
        ("event", "颈屈肌弱于伸肌", "neck_flexors_weaker_than_extensors"),
        ("event", "Neck weakness", "neck_flexor_weakness"),  # 5
        ("antibody", "Alanyl-tRNA synthetase", "pl12"),
        ("antibody", "抗合成酶抗体", "ars"),
        ("antibody", "抗着丝点抗体", "centromere"),
        ("concept", "白球比", "albumin_globulin_ratio"),
        ("concept", "Anion gap", "anion_gap"),
        ("concept", "pH", "ph_unspecified"),
        ("concept", "酸碱度", "ph_unspecified"),
        ("concept", "动脉血pH", "ph_blood"),  # 9
        ("event", "构音障碍", "dysarthria"),
        ("event", "声音嘶哑", "dysphonia"),  # 15
        ("treatment", "霉酚酸酯", "mycophenolate_mofetil"),
        ("treatment", "Myfortic", "mycophenolate_sodium"),
        ("treatment", "甲强龙冲击", "methylprednisolone_pulse"),
    ],
)
def test_a_word_of_one_meaning_keeps_it(kind: str, word: str, meaning: str) -> None:
    assert named(kind, word) == meaning


def test_the_neck_criterion_of_2017_asks_flexors_against_extensors() -> None:
    asked = {
        (r["input_id"], r["evidence"])
        for r in seed("definition_inputs")
        if r["criterion_id"] == "neck_flexors"
    }
    assert asked == {("neck_flexors_weaker_than_extensors", "decides"), ("neck_flexor_weakness", "excludes")}


@pytest.mark.parametrize(
    ("concept_id", "value", "unit_text"),
    [
        ("ck_mb_index", 0.5, "ratio"),
        ("ck_mb_index", 0.5, "index"),
        ("prothrombin_activity", 1.2, "INR"),
        ("prothrombin_activity", 1.2, "ratio"),  # 12
        ("rheumatoid_factor", 30, "RU/mL"),
        ("anti_dsdna", 100, "RU/ml"),
        ("anti_ccp", 25, "AU/mL"),
        ("ige", 100, "AU/ml"),
        ("kl_6", 400, "RU/mL"),  # 13
        ("antithrombin", 0.9, "index"),
    ],
)
def test_an_arbitrary_unit_converts_to_itself_alone_and_an_index_is_no_share(
    concept_id: str, value: float, unit_text: str
) -> None:
    assert read(concept_id, value, unit_text) is None


@pytest.mark.parametrize(
    ("concept_id", "value", "unit_text", "expected"),
    [
        ("ck_mb_index", 2.5, "%", 2.5),
        ("prothrombin_activity", 85, "%", 85),
        ("haematocrit", 0.45, "L/L", 45),
        ("cd4", 0.35, "ratio", 35),
        ("rheumatoid_factor", 30, "U/mL", 30),
        ("hepatitis_c_antibody", 1.2, "index", 1.2),
        ("hepatitis_c_antibody", 1.2, "S/CO", 1.2),
    ],
)
def test_what_an_arbitrary_unit_may_not_do_others_still_do(
    concept_id: str, value: float, unit_text: str, expected: float
) -> None:
    assert read(concept_id, value, unit_text) == (concept_id, expected)


def test_a_plus_in_brackets_is_borderline_on_one_makers_blots_and_one_plus_on_a_strip() -> None:
    """11: everywhere else it is asked."""
    assert "(+)" not in {r["grade_text"] for r in seed("antibody_grades")}
    assert {
        (r["read_of"], r["grade"], r["result"]) for r in seed("grade_readings") if r["grade_text"] == "(+)"
    } == {("line_blot", "", "borderline"), ("result", "1", "positive")}


@pytest.mark.parametrize("word", ["x", "×"])
def test_a_box_that_is_ticked_or_crossed_out_is_asked(word: str) -> None:
    assert word not in catalogue.words("event_status", "status_text")
    assert word in catalogue.ambiguous("event_status")


def test_a_member_of_a_family_of_antibodies_names_the_entry_of_the_family() -> None:
    families = {r["antibody_id"]: r["family_id"] for r in seed("antibodies") if r["family_id"]}
    assert families == dict.fromkeys(("jo1", "pl7", "pl12", "ej", "oj", "ks", "zo", "ha", "ars"), "ars")
