"""Laws over the clinical catalogue: names, ranges, codes, antibodies, events. Units have their own file."""

from __future__ import annotations

import csv
import re
from collections import Counter
from itertools import pairwise
from pathlib import Path

import pytest
import yaml

from orchestration.registry.catalogue import (
    LANGUAGES,
    folded,
    is_missing_mark,
    may_be_missing_mark,
)
from orchestration.registry.catalogue import NAMES as KINDS
from tests.unit.catalogue_seeds import (
    NAMES,
    SEEDS,
    canonical,
    concepts,
    fixture,
    half_width,
    named,
    names,
    normal,
    rule,
    seed,
    unit,
)

KINDS_OF = {one: next(k for k, v in KINDS.items() if v[2] == row[3]) for one, row in NAMES.items()}
LANGUAGE_TABLES = (
    *(row[3] for row in NAMES.values()),
    "antibody_grades",
    "event_status",
    "follow_up_status",
    "sex_codes",
)
SYNTHETIC = Path(__file__).parents[1] / "synthetic" / "constraints"
ALL = {path.stem for path in SEEDS.glob("*.csv")}
WORDS = {"coded", "text"}


def number(text: str) -> float | None:
    return float(text) if text else None


# ---------------------------------------------------------------- names


@pytest.mark.parametrize(
    ("text", "form"),
    [
        ("IL-10/γ-IFN", "il10gammaifn"),
        ("il10 gamma IFN", "il10gammaifn"),
        (" CD3+ ", "cd3+"),
        ("ＣＫ－ＭＢ", "ckmb"),
        ("淋巴细胞(%)", "淋巴细胞%"),
        ("淋巴细胞（＃）", "淋巴细胞#"),
        ("µ", "mu"),
        ("μ", "mu"),
        ("TNF-Α", "tnfalpha"),
        ("Gottron's papules", "gottronspapules"),
        ("10⁹", "10⁹"),
        ("Hämoglobin", "hamoglobin"),
        ("Ha\u0308moglobin", "hamoglobin"),
        ("Eiweiß", "eiweiss"),
        ("DOĞUM TARİHİ", "dogumtarihi"),
        ("kadın", "kadin"),
        ("Żeńska", "zenska"),
        ("œdème", "oedeme"),
        ("ﾌｪﾘﾁﾝ", "フェリチン"),
        ("ｸﾞﾛﾌﾞﾘﾝ", "グロブリン"),
        ("ハハ", "ハハ"),
        ("\u1112\u1161\u11bc항체", "항항체"),
    ],
)
def test_the_normal_form_is_the_one_that_the_readme_states(text: str, form: str) -> None:
    assert normal(text) == form


@pytest.mark.parametrize("kind", NAMES)
def test_a_name_belongs_to_one_id_or_is_told_apart_by_language(kind: str) -> None:
    """A name of several rows is a word of two meanings, and no language has two of its rows."""
    _, _, _, synonyms = NAMES[kind]
    asked = {
        normal(r["word"]) for r in seed("ambiguous_words") if r["kind"] == KINDS_OF[kind] and not r["units"]
    }
    forms = Counter(normal(row["synonym"]) for row in seed(synonyms))
    assert "" not in forms and {form for form, times in forms.items() if times > 1} <= asked
    read = Counter((normal(r["synonym"]), one) for r in seed(synonyms) for one in r["language"].split())
    assert [key for key, times in read.items() if times > 1] == []


@pytest.mark.parametrize("kind", NAMES)
def test_every_id_and_every_display_name_is_a_name(kind: str) -> None:
    table, id_column, name_column, _ = NAMES[kind]
    rows = seed(table)
    assert [r[id_column] for r in rows if not re.fullmatch(r"[a-z][a-z0-9_]*", r[id_column])] == []
    known = names(kind)
    wrong = [
        r[id_column]
        for r in rows
        if {known.get(normal(r[id_column])), known.get(normal(r[name_column]))} != {r[id_column]}
    ]
    assert wrong == []
    asked = {r[name_column] for r in rows if named(kind, r[name_column]) is None}
    assert asked == (
        {"Neutrophils", "Lymphocytes", "Monocytes", "Eosinophils", "Basophils", "Reticulocytes"}
        if kind == "concept"
        else set()
    )


def test_every_concept_of_the_study_and_of_rheumatology_has_a_chinese_name() -> None:
    chinese = {r["concept_id"] for r in seed("concept_synonyms") if "zh" in r["language"].split()}
    without = {c for c in concepts() if c not in chinese}
    assert without == {  # scales and assays that Chinese reports name in Latin letters
        "cat_activity",
        "cat_bm_activity",
        "cat_bm_damage",
        "cat_damage",
        "cxcl10",
        "cxcl9",
        "eular_acr_2017_score",
        "gentamicin_level",
        "t3_uptake",
        "tobramycin_level_peak",
    }


@pytest.mark.parametrize("text", ["PCT", "FBG", "ALD", "CD4+/CD8+", "CD4+CD8+"])
def test_a_name_that_means_two_things_is_left_to_the_hospital(text: str) -> None:
    assert named("concept", text) is None


@pytest.mark.parametrize("text", ["TIF1", "0", "1"])
def test_an_antibody_that_is_not_told_is_not_guessed(text: str) -> None:
    assert named("antibody", text) is None


# ---------------------------------------------------------------- what has to be understood

NOT_RESULTS = {"age_at_onset", "disease_duration", "female"}  # of the patient, no result and no event


def test_every_variable_of_the_study_is_a_concept_or_an_event_under_its_own_id() -> None:
    variables = [row["variable"] for row in fixture("study_variables")]
    known = {v: named("concept", v) or named("event", v) for v in variables if v not in NOT_RESULTS}
    assert known == {v: v for v in known}
    assert sum(v in concepts() for v in variables) == 32
    assert len(variables) == 48


def test_every_label_and_unit_that_the_study_prints_is_understood() -> None:
    rows = [r for r in fixture("study_variables") if r["variable"] in concepts()]
    labels = {r["variable"]: named("concept", re.sub(r" \(.*\)$", "", r["label"]), r["unit"]) for r in rows}
    assert labels == {v: v for v in labels}
    printed = [r for r in rows if r["unit"]]
    assert [r["variable"] for r in printed if rule(r["variable"], unit(r["unit"]) or "") != (1, 0)] == []


def test_every_test_of_the_eicu_export_is_a_concept_of_its_own() -> None:
    found = {
        row["labname"]: named("concept", row["labname"], _unit_of(row)) for row in fixture("eicu_lab_units")
    }
    assert (len(found), len(set(found.values()))) == (123, 123)
    assert [name for name, concept_id in found.items() if concept_id is None] == [
        "serum ketones"
    ]  # all of them, or one


def _unit_of(row: dict[str, str]) -> str:
    return row["unit_interface"].strip() or row["unit_system"].strip()


def test_every_header_of_the_tongji_export_is_a_concept_of_its_own() -> None:
    found = {row["header"]: named("concept", row["header"]) for row in fixture("tongji_lab_headers")}
    assert (len(found), len(set(found.values()))) == (74, 74)
    assert None not in found.values()
    assert found["嗜酸细胞(%)"] == "eosinophils_percent"
    assert found["嗜酸细胞(#)"] == "eosinophils"


def test_every_covariate_of_the_cgd_export_is_known() -> None:
    assert [named("concept", c) for c in ("height", "weight", "inherit")] == [
        "height",
        "weight",
        "inheritance_pattern",
    ]
    assert [named("treatment", t) for t in ("rIFN-g", "placebo", "steroids", "propylac")] == [
        "interferon_gamma",
        "placebo",
        "glucocorticoid",
        "prophylactic_antibiotics",
    ]
    assert named("event", "infection") == "infection"


def _synthetic(name: str) -> list[dict[str, str]]:
    with (SYNTHETIC / f"{name}.csv").open(encoding="utf-8", newline="") as handle:
        return list(csv.DictReader(handle))


def test_every_name_of_the_shipped_hospitals_is_understood() -> None:
    tests = _synthetic("names")
    assert [
        r["variable"] for r in tests if named("concept", r["zjch_name"], r["zjch_unit"]) != r["variable"]
    ] == []
    assert [r["variable"] for r in tests if rule(r["variable"], unit(r["zjch_unit"]) or "") != (1, 0)] == []
    label = {r["antibody_id"]: r["msa_label"] or r["antibody_id"].upper() for r in seed("antibodies")}
    antibodies = _synthetic("antibody_names")
    found = {r["name"]: label.get(named("antibody", r["name"]) or "") for r in antibodies}
    assert found.pop("p140") is None  # NXP2 or MDA5: this hospital's mapping says which
    antibodies = [r for r in antibodies if r["name"] != "p140"]
    assert found == {r["name"]: r["antibody"] for r in antibodies}
    signs = _synthetic("signs")
    assert [
        r["variable"]
        for r in signs
        if {named("event", r["zjch_name"]), named("event", r["zjfah_name"])} != {r["variable"]}
    ] == []


ASKED_FOR = {  # what a registry asks of every hospital: concepts, and those of them without a LOINC code
    "muscle": ("cmas mmt8 ck ck_mb ck_mb_mass aldolase ast alt ldh", "cmas mmt8"),
    "inflammation": ("ferritin crp esr triglycerides fibrinogen", ""),
    "blood": ("wbc rbc haemoglobin haematocrit platelets neutrophils lymphocytes monocytes eosinophils", ""),
    "subsets": ("cd3 cd4 cd8 cd19 nk cd4_cd8_ratio cd3_count cd4_count cd8_count cd19_count nk_count", ""),
    "cytokines": (
        "il_2 il_4 il_6 il_10 tnf_alpha ifn_gamma il_17a il_10_ifn_gamma_ratio",
        "il_4 il_17a il_10_ifn_gamma_ratio",
    ),
    "humoral": ("c3 c4 ch50 igg iga igm", ""),
    "kidney and heart": ("urea creatinine troponin_i troponin_i_hs troponin_t troponin_t_hs", ""),
}


@pytest.mark.parametrize("group", ASKED_FOR)
def test_what_is_asked_of_every_hospital_has_code_unit_ranges_direction_and_names(group: str) -> None:
    wanted, without_code = (words.split() for words in ASKED_FOR[group])
    spoken = {(r["concept_id"], one) for r in seed("concept_synonyms") for one in r["language"].split()}
    for concept_id in wanted:
        row = concepts()[concept_id]
        ends = ("physical_low", "physical_high", "plausible_low", "plausible_high")
        filled = ("unit_canonical", *ends, "direction", "source")
        assert [c for c in filled if not row[c]] == [], concept_id
        assert {(concept_id, "en"), (concept_id, "zh")} <= spoken
    assert [c for c in wanted if not concepts()[c]["loinc"]] == without_code


# ---------------------------------------------------------------- ranges


def test_plausible_lies_within_physical_and_words_have_no_range() -> None:
    for row in seed("concepts"):
        ends = "physical_low", "plausible_low", "plausible_high", "physical_high"
        limits = [number(row[end]) for end in ends]
        if row["kind"] in WORDS:
            assert limits == [None] * 4, row["concept_id"]
            continue
        assert limits == sorted(limits) and limits[1] < limits[2], row["concept_id"]
        detection = number(row["detection_limit"])
        assert detection is None or limits[0] <= detection < limits[2], row["concept_id"]


@pytest.mark.parametrize(
    ("concept_id", "low", "high", "is_whole"),
    [
        ("cmas", 0, 52, "true"),
        ("mmt8", 0, 80, "false"),
        ("mmt26", 0, 260, "false"),
        ("chaq", 0, 3, "false"),
        ("cdasi_activity", 0, 100, "true"),
        ("cdasi_damage", 0, 32, "true"),
        ("das_jdm", 0, 20, "true"),
        ("das_jdm_skin", 0, 9, "true"),
        ("das_jdm_muscle", 0, 11, "true"),
        ("physician_global_activity", 0, 10, "false"),
        ("sledai_2k", 0, 105, "true"),
        ("dlqi", 0, 30, "true"),
        ("cd4", 0, 100, "false"),
    ],
)
def test_a_score_has_the_limits_of_its_definition(
    concept_id: str,
    low: float,
    high: float,
    is_whole: str,
) -> None:
    row = concepts()[concept_id]
    assert (float(row["physical_low"]), float(row["physical_high"])) == (low, high)
    assert row["is_whole_number"] == is_whole


def test_the_parts_of_the_juvenile_activity_score_add_up() -> None:
    high = {c: float(concepts()[c]["physical_high"]) for c in ("das_jdm", "das_jdm_skin", "das_jdm_muscle")}
    assert high["das_jdm"] == high["das_jdm_skin"] + high["das_jdm_muscle"]


def test_age_bands_are_within_the_concepts_physical_range_and_do_not_overlap() -> None:
    bands: dict[tuple[str, str], list[tuple[float, float]]] = {}
    for row in seed("concept_ranges"):
        concept = concepts()[row["concept_id"]]
        assert float(concept["physical_low"]) <= float(row["plausible_low"]) < float(row["plausible_high"])
        assert float(row["plausible_high"]) <= float(concept["physical_high"]), row
        for sex in [row["sex"]] if row["sex"] else ["female", "male"]:
            band = float(row["age_low_years"]), float(row["age_high_years"])
            bands.setdefault((row["concept_id"], sex), []).append(band)
    for key, spans in bands.items():
        assert all(low < high for low, high in spans), key
        assert all(a[1] == b[0] for a, b in pairwise(sorted(spans))), key  # no overlap, no gap


@pytest.mark.parametrize(("age", "high"), [(3, 51), (4.9, 51), (5, 52), (12, 52)])
def test_a_full_cmas_is_asked_back_below_the_age_of_five(age: float, high: float) -> None:
    bands = [r for r in seed("concept_ranges") if r["concept_id"] == "cmas"]
    assert [
        float(r["plausible_high"])
        for r in bands
        if float(r["age_low_years"]) <= age < float(r["age_high_years"])
    ] == [high]


def _outside(concept_id: str, values: list[float | None], kind: str) -> bool:
    row = concepts()[concept_id]
    low, high = float(row[f"{kind}_low"]), float(row[f"{kind}_high"])
    return any(v is not None and not low <= v <= high for v in values)


def test_in_the_eicu_export_physical_limits_refuse_wrong_units_and_nothing_else() -> None:
    refused = set()
    for row in fixture("eicu_lab_units"):
        concept_id = named("concept", row["labname"], _unit_of(row)) or "ketones"
        sent = row["unit_system"].strip() or row["unit_interface"].strip()
        sent = sent or concepts()[concept_id]["unit_canonical"]
        ends = [canonical(concept_id, float(row[c]), sent) for c in ("lowest", "highest") if row[c]]
        if _outside(concept_id, ends, "physical"):
            refused.add((row["labname"], row["unit_system"], row["unit_interface"]))
    assert refused == {
        ("FiO2", "%", ""),
        ("FiO2", "%", "%"),
        ("FiO2", "%", "lpm"),  # fractions, and per mille
        ("Temperature", "&#176;C", ""),
        ("Temperature", "&#176;C", "C."),  # Fahrenheit under Celsius
        ("CRP", "mg/dL", "mg/L"),  # mg/L under mg/dL
        ("ionized calcium", "mg/dL", "mmol/L"),
        ("ionized calcium", "mg/dL", "MMOL/L"),
    }  # mmol/L under mg/dL


def test_in_the_tongji_export_physical_limits_refuse_marks_and_cells_of_urine() -> None:
    rows = {
        r["header"]: r
        for r in fixture("tongji_lab_headers")
        if concepts()[named("concept", r["header"]) or ""]["kind"] not in WORDS
    }
    ends = {h: [float(r["lowest"]), float(r["highest"])] for h, r in rows.items()}
    middle = {h: [float(r["percentile_2"]), float(r["percentile_98"])] for h, r in rows.items()}
    refused = {h for h, values in ends.items() if _outside(named("concept", h) or "", values, "physical")}
    asked = {h for h, values in middle.items() if _outside(named("concept", h) or "", values, "plausible")}
    assert refused == {"血小板计数", "白细胞计数", "红细胞计数"}  # -1, and cells per microlitre of urine
    assert asked == {"红细胞计数"}


# ---------------------------------------------------------------- codes and sources


def _check_digit(code: str) -> str:
    digits = [int(d) for d in reversed(code)]
    total = sum(d if i % 2 else (2 * d if d < 5 else 2 * d - 9) for i, d in enumerate(digits))
    return str(-total % 10)


def test_a_loinc_code_is_one_that_was_verified_and_its_check_digit_holds() -> None:
    verified = {r["loinc"]: r["long_common_name"] for r in fixture("loinc_names")}
    used = [r["loinc"] for r in seed("concepts") if r["loinc"]]
    assert [c for c in used if c.split("-")[1] != _check_digit(c.split("-")[0])] == []
    assert sorted(used) == sorted(verified)
    readme = " ".join((SEEDS / "README.md").read_text(encoding="utf-8").split())
    assert f"{len(used)} of the {len(concepts())} concepts carry one" in readme


def test_a_further_loinc_code_names_one_concept_and_its_check_digit_holds() -> None:
    further = [r["loinc"] for r in seed("concept_loinc")]
    assert [c for c in further if c.split("-")[1] != _check_digit(c.split("-")[0])] == []
    used = [r["loinc"] for r in seed("concepts") if r["loinc"]]
    assert len(set(further) | set(used)) == len(further) + len(used)
    assert {r["concept_id"] for r in seed("concept_loinc")} <= set(concepts())


PROPERTY = {  # what the name says is measured: the canonical units that measure it
    "[Mass/volume]": r"[mnpu]?g(\{FEU\})?/m?L",
    "[Moles/volume]": r"[mnpu]?mol/L",
    "[#/volume]": r"10\*\d+/L|/uL",
    "[Enzymatic activity/volume]": r"U/L",
    "[Units/volume]": r"U/mL|(m?\[IU\])/m?L",
    "[#/area]": r"/\[HPF\]",
    "[Volume Fraction]": "%",
    "[Mass Fraction]": "%",
    "/100 ": "%",
    "[Entitic volume]": "fL",
    "[Entitic mass]": "pg",
    "[Partial pressure]": r"mm\[Hg\]",
    "[Mass/time]": "mg/d",
    "Hemoglobin.total": "%",
    "[Mass Ratio]": "1",
    "[# Ratio]": "1",
    "actual/Normal": "%",
    "[Presence]": r"\{grade\}|\{result\}",
    "[Volume]": "L",
    "[Titer]": r"\{titer\}",
}


def test_a_loinc_code_measures_in_the_canonical_unit() -> None:
    names_of = {r["loinc"]: r["long_common_name"] for r in fixture("loinc_names")}
    checked = 0
    for row in seed("concepts"):
        for says, units in PROPERTY.items():
            if row["loinc"] and says in names_of[row["loinc"]]:
                assert re.fullmatch(units, row["unit_canonical"]), row["concept_id"]
                checked += 1
    assert checked == 161


def test_every_source_that_a_row_names_is_listed_and_every_listed_one_is_used() -> None:
    listed = {r["source_id"] for r in seed("catalogue_sources")}
    citing = (
        "concepts",
        "concept_ranges",
        "unit_conversions",
        "antibodies",
        "antibody_rules",
        "definitions",
        "definition_levels",
        "reference_limits",
        "ambiguous_words",
        "concept_forms",
        "unit_exceptions",
        "grade_readings",
        "definition_constants",
    )
    used = {r["source"] for table in citing for r in seed(table)}
    used |= {r["source"] for table in LANGUAGE_TABLES for r in seed(table) if r["source"]}
    assert used == listed


def test_each_word_of_the_ten_languages_names_its_source_and_its_language() -> None:
    before = {"en", "zh", "local"}
    for table in LANGUAGE_TABLES:
        for row in seed(table):
            languages = row["language"].split()
            assert set(languages) <= LANGUAGES.keys() | {"local"}, row
            assert row["source"] or set(languages) <= before, row


TEN = {"de", "fr", "es", "it", "pt", "nl", "pl", "tr", "ja", "ko"}


@pytest.mark.parametrize("kind", ["event", "treatment"])
def test_every_event_and_every_drug_has_a_word_in_each_of_ten_languages(kind: str) -> None:
    table, id_column, _, synonyms = NAMES[kind]
    spoken: dict[str, set[str]] = {row[id_column]: set() for row in seed(table)}
    for row in seed(synonyms):
        spoken[row[id_column]] |= {*row["language"].split()}
    assert {name: sorted(TEN - said) for name, said in spoken.items() if TEN - said} == {}


@pytest.mark.parametrize(
    "examinations",
    [
        "Muskelbiopsie;biopsie musculaire;biopsia muscular;biopsia muscolare;biópsia muscular;spierbiopsie"
        ";biopsja mięśnia;kas biyopsisi;筋生検;근생검",
        "Muskel-MRT;IRM musculaire;RM muscular;RM muscolare;ressonância muscular;MRI spieren;MR mięśni;kas MR"
        ";筋MRI;근육 MRI",
        "Elektromyographie;électromyogramme;electromiografía;elettromiografia;eletromiografia;elektromyografie"
        ";elektromiografia;elektromiyografi;筋電図;근전도",
        "Muskelschwäche;faiblesse musculaire;debilidad muscular;debolezza muscolare;fraqueza muscular"
        ";spierzwakte;osłabienie mięśni;kas güçsüzlüğü;筋力低下;근력저하",
        "Intensivstation;réanimation;UCI;terapia intensiva;UTI;OIT;yoğun bakım;集中治療室;중환자실",
    ],
)
def test_an_examination_or_a_family_is_asked_in_each_of_ten_languages(examinations: str) -> None:
    words = [normal(word) for word in examinations.split(";")]
    assert {word: names("event").get(word) for word in words} == dict.fromkeys(words)
    assert set(words) <= {normal(r["word"]) for r in seed("ambiguous_words") if r["kind"] == "events"}


def test_a_ratio_is_of_two_concepts_in_one_unit() -> None:
    for row in seed("derived_concepts"):
        parts = row["numerator_concept_id"], row["denominator_concept_id"]
        assert len({concepts()[c]["unit_canonical"] for c in parts}) == 1
        assert concepts()[row["concept_id"]]["unit_canonical"] == "1"
        assert concepts()[row["concept_id"]]["kind"] == "ratio"


# ---------------------------------------------------------------- antibodies


@pytest.mark.parametrize(
    ("text", "antibody_id"),
    [
        ("anti-MJ", "nxp2"),
        ("MORC3", "nxp2"),
        ("p140/NXP2", "nxp2"),
        ("抗NXP2抗体", "nxp2"),
        ("抗NXP-2抗体IgG", "nxp2"),
        ("CADM-140", "mda5"),
        ("IFIH1", "mda5"),
        ("抗MDA5抗体", "mda5"),
        ("TRIM33", "tif1g"),
        ("p155/140", "tif1g"),
        ("TIF1-γ", "tif1g"),
        ("TIF-1 gamma", "tif1g"),
        ("Mi-2", "mi2"),
        ("Mi-2β", "mi2b"),
        ("SAE1", "sae"),
        ("SRP", "srp"),
        ("HMGCR", "hmgcr"),
        ("Jo-1", "jo1"),
        ("PL-7", "pl7"),
        ("PL-12", "pl12"),
        ("EJ", "ej"),
        ("OJ", "oj"),
        ("KS", "ks"),
        ("Zo", "zo"),
        ("Ha", "ha"),
        ("Ro-52", "ro52"),
        ("SSA/Ro52", "ro52"),
        ("PM-Scl75", "pm_scl75"),
        ("Ku", "ku"),
        ("U1RNP", "u1rnp"),
        ("抗核抗体", "ana"),
    ],
)
def test_an_antibody_goes_by_many_names(text: str, antibody_id: str) -> None:
    assert named("antibody", text) == antibody_id


def test_only_specific_antibodies_carry_a_label_and_only_mi2_shares_one() -> None:
    rows = seed("antibodies")
    assert {r["antibody_id"] for r in rows if bool(r["msa_label"]) != (r["antibody_group"] == "msa")} == set()
    labels = Counter(r["msa_label"] for r in rows if r["msa_label"])
    assert {label: n for label, n in labels.items() if n > 1} == {"MI2": 3}
    assert Counter(r["antibody_group"] for r in rows) == {"msa": 18, "maa": 11, "other": 10}


@pytest.mark.parametrize(
    ("text", "grade", "result"),
    [
        ("+++", "3", "positive"),
        ("(++)", "2", "positive"),
        ("1+", "1", "positive"),
        ("+", "1", "positive"),
        ("阳性", "", "positive"),
        ("阳性(++)", "2", "positive"),
        ("强阳性(+++)", "3", "positive"),
        ("弱阳性", "1", "positive"),
        ("Weak positive", "1", "positive"),
        ("Positive (2+)", "2", "positive"),
        ("POS", "", "positive"),
        ("±", "", "borderline"),
        ("弱阳性(±)", "", "borderline"),
        ("borderline", "", "borderline"),
        ("grenzwertig", "", "borderline"),
        ("schwach positiv", "1", "positive"),
        ("无", "0", "negative"),
        ("Negative", "0", "negative"),
        ("neg", "0", "negative"),
        ("阴性", "0", "negative"),
        ("阴性（－）", "0", "negative"),
        ("-", "0", "negative"),
        ("未检测", "", "not_done"),
    ],
)
def test_a_graded_text_has_its_grade_and_result(text: str, grade: str, result: str) -> None:
    rows = {r["grade_text"]: (r["grade"], r["result"]) for r in seed("antibody_grades")}
    assert rows.get(half_width(text).strip().lower()) == (grade, result)


def test_a_grade_of_one_or_more_is_positive_and_nought_is_negative() -> None:
    for row in seed("antibody_grades"):
        if row["grade"]:
            assert row["result"] == ("negative" if row["grade"] == "0" else "positive"), row["grade_text"]


def test_an_assay_has_one_rule_and_each_of_its_names_is_its_own() -> None:
    rows = seed("antibody_rules")
    forms = Counter(normal(name) for row in rows for name in row["assay_synonyms"].split("|"))
    assert [form for form, times in forms.items() if times > 1 or not form] == []
    assert [
        r["assay_id"]
        for r in rows
        if r["borderline_low"] and float(r["borderline_low"]) >= float(r["threshold"])
    ] == []
    assert "unstated" in {r["assay_id"] for r in rows}


@pytest.mark.parametrize(
    ("assay_id", "intensity", "result"),
    [
        ("line_blot", 5, "negative"),
        ("line_blot", 6, "borderline"),
        ("line_blot", 10, "borderline"),
        ("line_blot", 11, "positive"),
        ("elisa_mda5", 31.9, "negative"),
        ("elisa_mda5", 32, "positive"),
        ("dot_blot", 4.9, "negative"),
        ("dot_blot", 5, "borderline"),
        ("dot_blot", 10, "borderline"),
        ("dot_blot", 10.1, "positive"),
    ],
)
def test_a_number_is_positive_by_the_rule_of_its_assay(assay_id: str, intensity: float, result: str) -> None:
    row = next(r for r in seed("antibody_rules") if r["assay_id"] == assay_id)
    threshold, borderline = float(row["threshold"]), number(row["borderline_low"])
    got = (
        "positive"
        if intensity > threshold
        else row["result_at_threshold"]
        if intensity == threshold
        else "negative"
    )
    assert ("borderline" if borderline is not None and borderline <= intensity < threshold else got) == result


# ---------------------------------------------------------------- words


def test_words_are_small_letters_half_width_and_listed_once() -> None:
    tables = (("antibody_grades", "grade_text"), ("event_status", "status_text"), ("sex_codes", "sex_text"))
    for table, column in tables:
        texts = [r[column] for r in seed(table)]
        assert [t for t in texts if t != half_width(t).strip().lower()] == [], table
    once = (*tables[:2], ("follow_up_status", "status_text"))
    for table, column in once:
        forms = Counter(folded(r[column]) for r in seed(table))
        assert [form for form, n in forms.items() if n > 1] == [], table


def test_a_word_for_sex_has_one_meaning_or_is_a_word_of_two_meanings() -> None:
    sexes: dict[str, set[str]] = {}
    for row in seed("sex_codes"):
        sexes.setdefault(folded(row["sex_text"]), set()).add(row["sex"])
        assert set(row["beside"].split()) <= {r["sex_text"] for r in seed("sex_codes")}, row
    asked = {r["word"] for r in seed("ambiguous_words") if r["kind"] == "sex"}
    assert {word for word, meant in sexes.items() if len(meant) > 1} == asked
    keys = Counter(
        (folded(r["sex_text"]), r["beside"], one) for r in seed("sex_codes") for one in r["language"].split()
    )
    assert [key for key, n in keys.items() if n > 1] == []


def test_no_digit_means_a_sex() -> None:
    assert [r["sex_text"] for r in seed("sex_codes") if any(c.isdigit() for c in r["sex_text"])] == []


def test_a_missing_mark_is_listed_once_and_is_no_answer_of_its_entity() -> None:
    rows = [(r["mark"], r["entity"]) for r in seed("missing_marks")]
    assert [key for key, times in Counter(rows).items() if times > 1 or not key[0]] == []
    everywhere = {folded(mark) for mark, entity in rows if entity == "*"}
    assert [m for m, entity in rows if entity != "*" and folded(m) in everywhere] == []
    results = {folded(r["grade_text"]) for r in seed("antibody_grades") if r["result"] != "not_done"}
    answers = {folded(r["status_text"]) for r in seed("event_status") if r["status"] != "unknown"}
    assert everywhere & (results | answers) == set()
    assert ("-", "observations") in rows and ("-", "antibodies") not in rows and ("-", "*") not in rows


@pytest.mark.parametrize(
    "text",
    [
        "nicht bekannt",
        "k.A.",
        "non réalisé",
        "no realizado",
        "non eseguito",
        "NÃO REALIZADO",
        "na\u0303o realizado",
        "niet bepaald",
        "nie oznaczono",
        "yapılmadı",
        "YAPILMADI",
        "未実施",
        "未検査",
        "미시행",
        "\u1106\u1175시행",
    ],
)
def test_a_mark_of_each_language_means_missing_in_any_writing(text: str) -> None:
    assert is_missing_mark(text) and not may_be_missing_mark(text)


@pytest.mark.parametrize(
    "text", ["ND", "n.d.", "n/b", "NB", "SD", "s/d", "b.d.", "n.e.", "fehlt", "ontbreekt"]
)
def test_a_mark_that_is_a_value_elsewhere_is_asked(text: str) -> None:
    """ND is not done or not detected, SD a standard deviation, b.d. no data or below detection."""
    assert may_be_missing_mark(text) and not is_missing_mark(text)


# ---------------------------------------------------------------- documents


def test_the_readme_counts_the_rows_of_every_seed() -> None:
    counted: dict[str, int] = {}
    for line in (SEEDS / "README.md").read_text(encoding="utf-8").splitlines():
        cells = [c.strip() for c in line.strip("|").split("|")] if line.startswith("| `") else []
        if cells:
            files = re.findall(r"`(\w+)\.csv`", cells[0])
            counted |= dict(zip(files, map(int, cells[1].split(", ")), strict=True))
    assert counted == {name: len(seed(name)) for name in ALL}


def test_every_column_of_every_seed_is_described_and_typed() -> None:
    written = [
        s for path in SEEDS.glob("_*.yml") for s in yaml.safe_load(path.read_text(encoding="utf-8"))["seeds"]
    ]
    described = {s["name"]: s for s in written}
    assert set(described) == ALL
    for name in ALL:
        columns = list(seed(name)[0])
        assert [c["name"] for c in described[name]["columns"] if c["description"]] == columns, name
        assert list(described[name]["config"]["column_types"]) == columns, name


def test_every_row_of_synonyms_is_a_name_of_its_own() -> None:
    rows = {kind: len({normal(r["synonym"]) for r in seed(f"{kind}_synonyms")}) for kind in NAMES}
    assert {kind: len(names(kind)) for kind in NAMES} == rows
    assert rows["concept"] > 1900 and rows["treatment"] > 300
