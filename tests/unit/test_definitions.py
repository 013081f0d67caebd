"""Laws over the clinical definitions as data: thresholds as published, inputs that exist, versions that tell
of changes.
"""

from __future__ import annotations

import hashlib
import json
import math

import pytest

from tests.unit.catalogue_seeds import canonical, concepts, seed

# of each definition, its version and a digest of what it asks (not of its words): a new digest wants a new
# version
IN_FORCE = {
    "bohan_peter_1975": ("1", "4b810419"),
    "eular_acr_2017": ("2", "7d8ac2f6"),
    "mas_2016": ("1", "1c925bd5"),
    "skin_involvement": ("1", "7a1cbd52"),
    "cardiac_involvement": ("1", "8aa4fa43"),
    "gastrointestinal_involvement": ("1", "5e387d68"),
    "ild": ("1", "a6749a36"),
    "relapse": ("1", "5577b056"),
    "baseline": ("1", "50735098"),
    "course_of_disease": ("1", "4e897759"),
}


WORDS = ("definition_name", "applies_to", "rule", "source", "criterion_name", "version")


def rows_of(definition: str) -> list[dict[str, str]]:
    tables = ("definitions", "definition_criteria", "definition_inputs", "definition_levels")
    return [row for table in tables for row in seed(table) if row["definition_id"] == definition]


def test_a_definition_that_changed_has_a_new_version() -> None:
    found = {}
    for row in seed("definitions"):
        asked = [{k: v for k, v in r.items() if k not in WORDS} for r in rows_of(row["definition_id"])]
        digest = hashlib.sha256(json.dumps(asked, sort_keys=True).encode()).hexdigest()[:8]
        found[row["definition_id"]] = (row["version"], digest)
    assert found == IN_FORCE


def test_every_input_is_in_the_catalogue_and_every_criterion_has_one() -> None:
    known = {
        "event": {r["event_id"] for r in seed("event_types")},
        "result": set(concepts()),
        "above_reference": set(concepts()),
        "antibody": {r["antibody_id"] for r in seed("antibodies")},
        "patient": {"age_at_onset"},
    }
    inputs = seed("definition_inputs")
    assert [r["input_id"] for r in inputs if r["input_id"] not in known[r["input_kind"]]] == []
    asked = {(r["definition_id"], r["criterion_id"]) for r in inputs if r["evidence"] == "decides"}
    assert asked == {(r["definition_id"], r["criterion_id"]) for r in seed("definition_criteria")}
    assert {r["evidence"] for r in inputs} == {"decides", "supports", "excludes"}


@pytest.mark.parametrize(
    ("concept", "bound", "threshold", "in_marts"),
    [
        ("ferritin", "above", "684", 684),
        ("platelets", "at_most", "181", 181),
        ("ast", "above", "48", 48),
        ("triglycerides", "above", "156", 1.76124),
        ("fibrinogen", "at_most", "360", 3.6),
    ],
)
def test_the_2016_thresholds_are_as_published_and_convert(
    concept: str, bound: str, threshold: str, in_marts: float
) -> None:
    (row,) = [r for r in rows_of("mas_2016") if r.get("input_id") == concept]
    assert row[bound] == threshold
    spelled = {"10*9/L": "10^9/L"}.get(row["unit"], row["unit"])
    assert canonical(concept, float(threshold), spelled) == pytest.approx(in_marts)


def test_the_2017_points_are_those_of_the_published_table() -> None:
    points = {
        r["criterion_id"]: (r["points"], r["points_with_biopsy"])
        for r in seed("definition_criteria")
        if r["definition_id"] == "eular_acr_2017" and r["points_with_biopsy"]
    }
    assert points == {
        "age_18_to_39": ("1.3", "1.5"),
        "age_40_or_more": ("2.1", "2.2"),
        "upper_limbs": ("0.7", "0.7"),
        "lower_limbs": ("0.8", "0.5"),
        "neck_flexors": ("1.9", "1.6"),
        "legs_proximal": ("0.9", "1.2"),
        "heliotrope": ("3.1", "3.2"),
        "gottron_papules": ("2.1", "2.7"),
        "gottron_sign": ("3.3", "3.7"),
        "dysphagia": ("0.7", "0.6"),
        "jo1": ("3.9", "3.8"),
        "enzymes": ("1.3", "1.4"),
        "endomysial": ("", "1.7"),
        "perimysial": ("", "1.2"),
        "perifascicular": ("", "1.9"),
        "rimmed_vacuoles": ("", "3.1"),
    }


def test_the_2017_cut_offs_follow_from_the_formula_of_the_probability() -> None:
    """Scores are printed to one decimal: 5.5 without and 6.7 with biopsy are 55%, 7.5 and 8.7 are 90%."""
    levels = {r["level"]: r for r in seed("definition_levels")}
    assert {k: float(r["probability"]) for k, r in levels.items()} == {
        "possible": 0.5,
        "probable": 0.55,
        "definite": 0.9,
    }
    for row in levels.values():
        odds = math.log(float(row["probability"]) / (1 - float(row["probability"])))
        assert (round(5.33 + odds, 1), round(6.49 + odds, 1)) == (
            float(row["at_least"]),
            float(row["at_least_with_biopsy"]),
        )


def test_a_limit_of_normal_is_in_the_canonical_unit_and_known_for_both_sexes() -> None:
    limits = seed("reference_limits")
    assert [
        r["concept_id"] for r in limits if concepts()[r["concept_id"]]["unit_canonical"] != r["unit"]
    ] == []
    assert sorted((r["concept_id"], r["sex"], r["upper_limit"]) for r in limits) == [
        ("alt", "female", "34"),
        ("alt", "male", "45"),
        ("ast", "female", "31"),
        ("ast", "male", "35"),
        ("ck", "female", "145"),
        ("ck", "male", "171"),
        ("ldh", "female", "247"),
        ("ldh", "male", "248"),
    ]
