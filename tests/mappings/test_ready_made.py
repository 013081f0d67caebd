"""REDCap, FHIR R4 and OMOP CDM 5.4 by their ready-made mappings: every row accounted for, values and
comparators kept.
"""

from __future__ import annotations

import pytest

from orchestration.registry.folder import Registry
from tests.registries import MAPPINGS, copy_registry, query, run


@pytest.fixture(scope="module")
def clinics(tmp_path_factory: pytest.TempPathFactory) -> Registry:
    registry = copy_registry(MAPPINGS / "ready_made", tmp_path_factory.mktemp("ready_made") / "registry")
    assert run(registry).refusals == ()
    return registry


def test_every_row_is_accepted_or_rejected_with_its_reason(clinics: Registry) -> None:
    assert query(
        clinics, "select sender_id, rows_in, rows_accepted, rows_rejected from quality.delivery order by 1"
    ) == [
        ("fhir_bundle_clinic", 12, 10, 2),
        ("fhir_clinic", 21, 15, 6),
        ("fhir_values", 28, 17, 11),
        ("omop_clinic", 20, 16, 4),
        ("redcap_clinic", 8, 6, 2),
        ("redcap_network", 4, 4, 0),
    ]
    rejected = query(
        clinics,
        "select sender_id, regexp_extract(source_file, '[A-Za-z][A-Za-z_]+'), source_row, rule from quality.rejected_row"
        " where is_row and sender_id <> 'fhir_values' order by all",
    )
    assert rejected == [
        ("fhir_bundle_clinic", "json", 4, "concept_not_wanted"),  # a part that no registry asks for
        ("fhir_bundle_clinic", "json", 6, "row_not_wanted"),  # a device
        ("fhir_clinic", "Condition", 4, "row_not_wanted"),  # entered in error
        ("fhir_clinic", "Condition", 5, "event_not_wanted"),  # what no registry asks for
        ("fhir_clinic", "Encounter", 3, "row_not_wanted"),  # cancelled
        ("fhir_clinic", "Observation", 5, "row_not_wanted"),  # entered in error
        ("fhir_clinic", "Observation", 7, "concept_not_wanted"),
        ("fhir_clinic", "Observation", 9, "date_unreadable"),
        ("omop_clinic", "condition_occurrence", 3, "event_not_wanted"),
        ("omop_clinic", "drug_exposure", 3, "treatment_not_wanted"),
        ("omop_clinic", "measurement", 6, "comparator_unreadable"),  # the operator says <, the text says >
        ("omop_clinic", "measurement", 7, "concept_not_wanted"),
        ("redcap_clinic", "DATA", 8, "concept_unknown"),  # a choice that the data dictionary does not have
        ("redcap_clinic", "DATA", 9, "row_not_expected"),  # an event that no export takes
    ]


def test_values_are_led_from_their_cell_to_the_canonical_unit_with_their_comparator(
    clinics: Registry,
) -> None:
    assert query(
        clinics,
        "select sender_id, source_row, source_column, concept_id, value_text, comparator, unit_source, value_canonical, unit_canonical,"
        " upper_limit, conversion_rule from marts.fct_observation where concept_id not in ('cmas', 'alt', 'sars_cov_2_rna') and sender_id not in ('fhir_bundle_clinic', 'fhir_values', 'redcap_network') order by 1, 2, 3, value_text",
    ) == [
        (
            "fhir_clinic",
            1,
            "valueQuantity.value",
            "ck",
            "3792.50",
            None,
            "U/L",
            3792.5,
            "U/L",
            None,
            "identity",
        ),
        (
            "fhir_clinic",
            2,
            "valueQuantity.value",
            "il_10",
            "0.10",
            "<",
            "pg/mL",
            None,
            "pg/mL",
            0.1,
            "identity",
        ),
        (
            "fhir_clinic",
            3,
            "valueQuantity.value",
            "creatinine",
            "0.5",
            None,
            "mg/dL",
            44.21,
            "umol/L",
            None,
            "creatinine_mg_per_dl_to_umol_per_l",
        ),
        (
            "fhir_clinic",
            4,
            "component.valueQuantity.value",
            "systolic_blood_pressure",
            "112",
            None,
            "mm[Hg]",
            112.0,
            "mm[Hg]",
            None,
            "identity",
        ),
        (
            "fhir_clinic",
            4,
            "component.valueQuantity.value",
            "diastolic_blood_pressure",
            "71",
            None,
            "mm[Hg]",
            71.0,
            "mm[Hg]",
            None,
            "identity",
        ),
        ("fhir_clinic", 6, "valueQuantity.value", "ck", "180", None, "U/L", 180.0, "U/L", None, "identity"),
        ("fhir_clinic", 10, "valueQuantity.value", "ck", "95", None, "U/L", 95.0, "U/L", None, "identity"),
        (
            "omop_clinic",
            2,
            "value_source_value",
            "ck",
            "3792.5",
            None,
            "U/L",
            3792.5,
            "U/L",
            None,
            "identity",
        ),
        ("omop_clinic", 3, "value_as_number", "crp", "5", "<", "mg/L", None, "mg/L", 5.0, "identity"),
        (
            "omop_clinic",
            4,
            "value_as_number",
            "creatinine",
            "0.5",
            None,
            "mg/dL",
            44.21,
            "umol/L",
            None,
            "creatinine_mg_per_dl_to_umol_per_l",
        ),
        (
            "omop_clinic",
            9,
            "value_source_value",
            "ck",
            "<20",
            "<",
            "U/L",
            None,
            "U/L",
            20.0,
            "identity",
        ),  # operator 0: none
        ("omop_clinic", 10, "value_as_number", "ck", "210", None, "U/L", 210.0, "U/L", None, "identity"),
        ("redcap_clinic", 4, "lab_value", "ck", "4120", None, "U/L", 4120.0, "U/L", None, "identity"),
        ("redcap_clinic", 7, "lab_value", "ck", "180", None, "U/L", 180.0, "U/L", None, "identity"),
    ]


def test_an_upper_reference_limit_in_a_field_of_its_own_is_that_of_its_result(clinics: Registry) -> None:
    assert query(
        clinics,
        "select sender_id, concept_id, reference_range from intermediate.int_observations where reference_range is not null and sender_id <> 'fhir_values' order by all",
    ) == [("fhir_clinic", "ck", "<=168"), ("omop_clinic", "ck", "<=140"), ("omop_clinic", "crp", "<=8")]


def test_every_part_of_a_panel_in_a_bundle_is_its_patients(clinics: Registry) -> None:
    """Entries that know each other by urn:uuid alone, a panel of seven parts, and a result with a part beside
    it.
    """
    assert query(
        clinics,
        "select o.source_row, source_column, concept_id, value_canonical, v.visit_label from marts.fct_observation as o"
        " join marts.dim_patient as p using (hospital_id, patient_key) left join marts.fct_visit as v using (hospital_id, patient_key, visit_key)"
        " where hospital_id = 'fhir_bundle_clinic' order by 1, concept_id",
    ) == [
        *(
            (3, "component.valueQuantity.value", concept, value, "AMB")
            for concept, value in (
                ("alt", 31),
                ("ck", 210),
                ("crp", 3),
                ("haemoglobin", 121),
                ("platelets", 250),
                ("rbc", 4.4),
                ("wbc", 6.1),
            )
        ),
        (4, "valueQuantity.value", "ferritin", 90, "AMB"),
    ]


def test_a_partial_date_stays_what_it_is(clinics: Registry) -> None:
    assert query(
        clinics,
        "select observed_date::varchar, observed_date_iso, observed_date_precision from marts.fct_observation"
        " where hospital_id = 'fhir_clinic' and source_row in (6, 10) order by source_row",
    ) == [("2024-01-12", "2024-01-12", "day"), (None, "2024-03", "month")]


def test_patients_visits_antibodies_events_treatments_and_follow_up_are_those_sent(clinics: Registry) -> None:
    assert query(
        clinics,
        "select hospital_id, sex, birth_year from marts.dim_patient where hospital_id not like 'redcap_network%' and hospital_id <> 'fhir_values' order by all",
    ) == [
        ("fhir_bundle_clinic", "female", 2012),
        ("fhir_clinic", "female", 2011),
        ("fhir_clinic", "male", 2009),
        ("omop_clinic", "female", 2011),
        ("omop_clinic", "male", 2009),
        ("redcap_clinic", "female", 2012),
        ("redcap_clinic", "male", 2010),
    ]
    assert query(
        clinics,
        "select hospital_id, visit_date::varchar, scheduled_visit, visit_label from marts.fct_visit where hospital_id not like 'redcap_network%' and hospital_id <> 'fhir_values' order by all",
    ) == [
        ("fhir_bundle_clinic", "2024-02-01", "baseline", "AMB"),
        ("fhir_clinic", "2024-01-10", "baseline", "AMB"),
        ("fhir_clinic", "2024-01-12", "baseline", "IMP"),
        ("omop_clinic", "2024-01-10", "baseline", "Outpatient Visit"),
        ("omop_clinic", "2024-01-12", "baseline", "Inpatient Visit"),
        ("redcap_clinic", "2024-01-08", "baseline", None),
        ("redcap_clinic", "2024-01-15", "baseline", None),
        ("redcap_clinic", "2024-07-01", "month_6", None),
    ]
    assert query(clinics, "select antibody_id, result from marts.fct_antibody_result order by all") == [
        ("nxp2", "negative"),
        ("nxp2", "positive"),
    ]
    assert query(
        clinics,
        "select hospital_id, event_id, status from marts.fct_event where hospital_id not like 'redcap_network%' and hospital_id <> 'fhir_values' order by all",
    ) == [
        ("fhir_bundle_clinic", "dysphagia", "present"),
        ("fhir_clinic", "calcinosis_cutis", "unknown"),
        ("fhir_clinic", "death", "present"),
        ("fhir_clinic", "dysphagia", "present"),
        ("fhir_clinic", "interstitial_lung_disease", "absent"),
        ("omop_clinic", "death", "present"),
        ("omop_clinic", "dysphagia", "present"),
        ("redcap_clinic", "dysphagia", "absent"),
        ("redcap_clinic", "dysphagia", "present"),
        ("redcap_clinic", "heliotrope_rash", "absent"),
        ("redcap_clinic", "heliotrope_rash", "present"),
    ]
    assert query(clinics, "select treatment_id from marts.fct_treatment") == [("prednisolone",)]
    assert query(clinics, "select status, last_seen_date::varchar from marts.fct_follow_up order by all") == [
        ("followed", "2024-06-30"),
        ("followed", "2024-07-01"),
    ]


def test_every_kind_of_fhir_value_is_read_or_its_row_is_rejected(clinics: Registry) -> None:
    """One row for each of the eleven kinds, for a kind that R4 does not have, for a reason without a value;
    then codings, limits and components.
    """
    assert query(
        clinics,
        "select source_row, concept_id, coalesce(comparator || upper_limit, value_canonical::varchar, value_text) from marts.fct_observation"
        " where hospital_id = 'fhir_values' order by source_row",
    ) == [
        (1, "ck", "100.0"),
        (2, "sars_cov_2_rna", "Negative"),  # of the second coding
        (3, "ck", "<30.0"),
        (4, "sars_cov_2_rna", "true"),
        (5, "cmas", "41.0"),
        (6, "ck", "<=20.0"),  # a range with one end
        (7, "ck", "30.0"),  # a ratio to one
        (15, "ck", "115.0"),  # the fourth coding is the first that is known
        (17, "ck", "117.0"),  # no coding is known: the text is
        (18, "ck", "118.0"),
        (19, "ck", "119.0"),
        (20, "ck", "120.0"),
        (22, "ck", "122.0"),  # a known code goes before a name
        (23, "alt", "<=9.0"),
    ]
    assert query(
        clinics,
        "select regexp_extract(source_file, '[A-Za-z][A-Za-z_]+'), source_row, rule, is_row from quality.rejected_row"
        " where sender_id = 'fhir_values' order by all",
    ) == [
        ("Condition", 2, "codes_disagree", True),
        *(("Observation", row, "not_one_value", True) for row in range(8, 14)),
        ("Observation", 14, "value_missing", True),  # its reason: not performed
        ("Observation", 16, "codes_disagree", True),  # CK and ALT
        ("Observation", 19, "limit_unreadable", False),  # mg/L beside U/L
        ("Observation", 21, "codes_disagree", True),  # a LOINC code and another
        ("Observation", 23, "not_one_value", True),
        ("Observation", 23, "value_missing", True),
    ]


def test_a_limit_in_a_unit_of_its_own_is_that_of_the_result_and_of_several_ranges_none_is_read(
    clinics: Registry,
) -> None:
    assert query(
        clinics,
        "select source_row, reference_range from intermediate.int_observations where sender_id = 'fhir_values' and source_row in (18, 19, 20)"
        " order by all",
    ) == [(18, "<=180.0"), (19, None), (20, None)]


def test_a_redcap_export_with_labels_has_a_hospital_per_access_group_and_no_answer_that_nobody_gave(
    clinics: Registry,
) -> None:
    """Its three columns `Complete?` end three forms. The follow-up's second form was never opened; the box
    "not known" is ticked at the other clinic.
    """
    north, south = "redcap_network_North Clinic", "redcap_network_South Clinic"
    of_network = "where hospital_id like 'redcap_network%' order by all"
    assert query(clinics, f"select hospital_id, visit_date::varchar from marts.fct_visit {of_network}") == [
        (north, "2024-01-08"),
        (north, "2024-07-01"),
        (south, "2024-01-15"),
    ]
    assert query(
        clinics,
        f"select hospital_id, source_row, concept_id, value_canonical from marts.fct_observation {of_network}",
    ) == [(north, 2, "cmas", 31), (north, 4, "ck", 4120), (south, 5, "cmas", 48)]
    assert query(clinics, f"select hospital_id, event_id, status from marts.fct_event {of_network}") == [
        (north, "gottron_papules", "present"),
        (north, "heliotrope_rash", "absent"),
    ]
    findings = "select entity, finding, sum(n_found) from quality.finding where sender_id = 'redcap_network'"
    assert query(clinics, f"{findings} and finding like 'not_%' group by all order by all") == [
        ("events", "not_asked", 2),
        ("events", "not_known", 2),
        ("observations", "not_asked", 1),
    ]


def test_no_identifier_of_any_format_is_stored(clinics: Registry) -> None:
    stored = clinics.warehouse.read_bytes()
    assert [w for w in (b"Invented Child", b"INVENTED-1", b"Nowhere", b"Patient/f1") if w in stored] == []
