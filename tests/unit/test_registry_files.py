"""A registry's files: every fault with file, line, key, the nearest known key and the remedy, all of them
together.
"""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from orchestration.registry.folder import SHIPPED_REGISTRY, load_registry
from tests.unit.test_loading import MAPPING, REGISTRY, make_registry
from yaml_files.yaml_file import ConfigurationError

STUDY = """\
study: one
title: One
groups:
  a: {label: A, where: {msa: NXP2}}
  b: {label: B, where: {msa: MDA5}}
variables:
  ck: {label: CK}
tables:
  - table_id: t
    title: T
    groups: [a, b]
    reference: a
    rows:
      - {variable: ck, summary: median_iqr, test: mann_whitney}
"""


def faults(folder: Path, mapping: str = MAPPING, study: str = STUDY, registry: str = REGISTRY) -> list[str]:
    make_registry(folder)
    (folder / "studies").mkdir(exist_ok=True)
    (folder / "hospitals" / "north.yml").write_text(mapping)
    (folder / "studies" / "one.yml").write_text(study)
    (folder / "registry.yml").write_text(registry)
    with pytest.raises(ConfigurationError) as error:
        load_registry(folder)
    return error.value.faults


def test_the_shipped_registry_is_in_order() -> None:
    registry = load_registry(SHIPPED_REGISTRY)
    assert sorted(registry.mappings) == ["zjch", "zjfah"]
    assert sorted(registry.studies) == ["nxp2"]
    allowed = {
        (m.rejected_rows_allowed.share, m.rejected_rows_allowed.rows) for m in registry.mappings.values()
    }
    assert allowed == {(0.05, 3)}  # the default: refused with at least 3 rows and more than 5 %


def test_an_unknown_key_names_file_line_key_and_the_nearest(tmp_path: Path) -> None:
    (fault,) = faults(tmp_path, MAPPING.replace("dates:", "date:"))
    assert fault.startswith(
        'hospitals/north.yml:3: date: unknown key "date". Did you mean "dates"? Known keys: sender, name'
    )


def test_an_unknown_field_of_an_entity_is_told_with_those_it_has(tmp_path: Path) -> None:
    (fault,) = faults(tmp_path, MAPPING.replace("visit_date: date", "visit_day: date"))
    assert (
        'hospitals/north.yml:9: exports[1].visits.visit_day: unknown key "visit_day". Did you mean "visit_date"?'
        in fault
    )


def test_faults_of_all_files_are_told_together(tmp_path: Path) -> None:
    found = faults(
        tmp_path,
        MAPPING.replace("dates:", "date:"),
        STUDY.replace("test: mann_whitney", "test: mann_withney"),
        REGISTRY + "colour: blue\n",
    )
    assert [f.split(":")[0] for f in found] == ["registry.yml", "hospitals/north.yml", "studies/one.yml"]
    assert "mann_withney" in found[2] and "studies/one.yml:14" in found[2]


def test_a_key_that_stands_twice_is_a_fault(tmp_path: Path) -> None:
    (fault,) = faults(tmp_path, MAPPING + 'name: "again"\n')
    assert (
        fault
        == f'hospitals/north.yml:{MAPPING.count(chr(10)) + 1}: "name" is written twice (first on line 2); '
        "keep one"
    )


def test_a_definition_that_is_not_in_the_catalogue_or_has_no_levels_is_a_fault(tmp_path: Path) -> None:
    unknown = "{label: M, source: definition, of: mas}"
    (name,) = faults(tmp_path / "one", study=STUDY.replace("{label: CK}", unknown))
    assert name.startswith('studies/one.yml:7: no definition "mas". The definitions: bohan_peter_1975, eular')
    levels = "{label: M, source: definition, of: mas_2016, at_least: probable}"
    (level,) = faults(tmp_path / "two", study=STUDY.replace("{label: CK}", levels))
    assert 'at_least: definition "mas_2016" has no levels; those with levels: bohan_peter_1975' in level
    alone = "{label: M, at_least: probable}"
    (source,) = faults(tmp_path / "three", study=STUDY.replace("{label: CK}", alone))
    assert "at_least belongs to a variable with source: definition" in source


@pytest.mark.parametrize(
    ("column", "value", "near"),
    [
        ("msa", "NXP3", "NXP2"),
        ("sex", "femal", "female"),
        ("onset_group", "juvenil", "juvenile"),
        ("population", "child", "children"),
        ("treatment", "prednison", "prednisone"),
        ("hospital_id", "nort", "north"),
    ],
)
def test_a_value_that_no_patient_can_have_is_a_fault_of_a_group_and_of_a_variable(
    tmp_path: Path, column: str, value: str, near: str
) -> None:
    """A group of patients with NXP3 passed `check`, and counted nobody."""
    grouped = STUDY.replace("where: {msa: NXP2}", f"where: {{{column}: {value}}}")
    (fault,) = faults(tmp_path / "one", study=grouped)
    assert fault.startswith(
        f'studies/one.yml:4: groups.a.where.{column}: no patient can have {column} "{value}"'
    )
    assert fault.endswith(f'Did you mean "{near}"?')
    counted = STUDY.replace("{label: CK}", f"{{label: CK, source: patient.{column}, equals: {value}}}")
    (fault,) = faults(tmp_path / "two", study=counted)
    assert fault.startswith(f'studies/one.yml:7: variables.ck.equals: no patient can have {column} "{value}"')


@pytest.mark.parametrize(
    ("variable", "place", "fault"),
    [
        ("{label: CK, of: ckk}", "variables.ck.of", 'no concept "ckk" in the catalogue. Did you mean "ck"?'),
        (
            "{label: C, source: ratio, numerator: il_10, denominator: ifn_gama}",
            "variables.ck.denominator",
            "no concept",
        ),
        (
            "{label: C, source: event, of: relapsed}",
            "variables.ck.of",
            'no event "relapsed" in the catalogue.',
        ),
    ],
)
def test_an_id_that_the_catalogue_lacks_is_a_fault_of_the_study(
    tmp_path: Path, variable: str, place: str, fault: str
) -> None:
    (found,) = faults(tmp_path, study=STUDY.replace("{label: CK}", variable))
    assert found.startswith(f"studies/one.yml:7: {place}: {fault}")
    endpoints = "endpoints: {e: {label: E, events: [relaps], horizon_months: 36}}\n"
    (found,) = faults(tmp_path / "two", study=STUDY + endpoints)
    assert ': endpoints.e.events[0]: no event "relaps" in the catalogue. Did you mean "relapse"?' in found


def test_equals_beside_a_source_that_has_no_values_is_a_fault(tmp_path: Path) -> None:
    (fault,) = faults(tmp_path, study=STUDY.replace("{label: CK}", "{label: CK, equals: high}"))
    assert "equals belongs to a patient column; found it with source: observation; take it out" in fault


def test_a_study_may_name_only_what_it_defines_and_visits_of_the_schedule(tmp_path: Path) -> None:
    (group,) = faults(tmp_path / "one", study=STUDY.replace("groups: [a, b]", "groups: [a, c]"))
    assert group == 'studies/one.yml:11: tables[0].groups[1]: no group "c"; the study has a, b.'
    (visit,) = faults(tmp_path / "two", study=STUDY.replace("    rows:", "    visit: base_line\n    rows:"))
    assert 'no visit "base_line" in registry.yml. Its visits: baseline. Did you mean "baseline"?' in visit
    assert visit.startswith("studies/one.yml:13:")


def test_an_endpoint_begins_at_a_visit_of_the_schedule_or_at_a_named_day(tmp_path: Path) -> None:
    endpoints = "endpoints: {e: {label: E, events: [relapse], horizon_months: 36, origin: first_treatmnt}}\n"
    (fault,) = faults(tmp_path, study=STUDY + endpoints)
    assert 'no visit "first_treatmnt" in registry.yml' in fault
    assert "or at baseline, onset, first_treatment." in fault
    assert fault.endswith('Did you mean "first_treatment"?')


def test_two_studies_may_not_call_different_endpoints_alike(tmp_path: Path) -> None:
    endpoints = "endpoints: {e: {label: E, events: [relapse], horizon_months: 36}}\n"
    other = (
        (STUDY + endpoints)
        .replace("study: one", "study: two")
        .replace("horizon_months: 36", "horizon_months: 24")
    )
    make_registry(tmp_path)
    (tmp_path / "studies").mkdir(exist_ok=True)
    (tmp_path / "studies" / "one.yml").write_text(STUDY + endpoints)
    (tmp_path / "studies" / "two.yml").write_text(other)
    with pytest.raises(ConfigurationError) as told:
        load_registry(tmp_path)
    (fault,) = told.value.faults
    assert fault.startswith("studies/two.yml:") and 'study one has an endpoint "e"' in fault


def test_an_analysis_of_no_kind_and_names_that_do_not_exist_are_faults_on_their_lines(tmp_path: Path) -> None:
    asked = "sensitivity:\n  - {analysis_id: q, kind: {kind}, tables: [v]}\n"
    (kind,) = faults(tmp_path / "one", study=STUDY + asked.replace("{kind}", "multiplicty"))
    line = STUDY.count("\n") + 2
    assert kind.startswith(f"studies/one.yml:{line}: sensitivity[0].kind: expected one of multiplicity, ")
    assert kind.endswith('found "multiplicty". Did you mean "multiplicity"?')
    (table,) = faults(tmp_path / "two", study=STUDY + asked.replace("{kind}", "multiplicity"))
    assert table == f'studies/one.yml:{line}: sensitivity[0].tables[0]: no table "v"; the study has t.'


def test_a_mapping_that_is_no_yaml_names_the_line(tmp_path: Path) -> None:
    (fault,) = faults(tmp_path, MAPPING.replace("exports:", "exports: [", 1))
    assert fault.startswith("hospitals/north.yml:") and "not valid YAML" in fault


def test_a_quotation_mark_that_is_not_closed_is_told_with_its_line(tmp_path: Path) -> None:
    (fault,) = faults(tmp_path, registry=REGISTRY.replace("name: small", 'name: "small'))
    assert fault.startswith("registry.yml:") and fault.endswith(
        "while scanning a quoted scalar, begun in line 1"
    )


@pytest.mark.parametrize(
    ("registry", "told"),
    [
        ("- a\n", "registry.yml:1: the file: expected keys and values, key: value"),
        (
            REGISTRY.replace("quiet_seconds: 0", "quiet_seconds: soon"),
            "registry.yml:3: quiet_seconds: expected a number (found 'soon')",
        ),
        (
            REGISTRY + "keep_releases: five\n",
            "registry.yml:4: keep_releases: expected a whole number (found 'five')",
        ),
    ],
)
def test_a_wrong_shape_is_told_in_a_data_managers_words(tmp_path: Path, registry: str, told: str) -> None:
    assert faults(tmp_path, registry=registry) == [told]


def test_a_file_that_would_never_be_read_is_a_fault(tmp_path: Path) -> None:
    make_registry(tmp_path)
    (tmp_path / "hospitals" / "south.yaml").write_text(MAPPING)
    (tmp_path / "waivers.yaml").write_text("waivers: []\n")
    with pytest.raises(ConfigurationError) as error:
        load_registry(tmp_path)
    assert error.value.faults == [
        "waivers.yaml: not read, because its name ends in .yaml; rename it to waivers.yml",
        "hospitals/south.yaml: not read, because its name ends in .yaml; rename it to south.yml",
    ]


def test_a_file_must_be_called_as_its_sender(tmp_path: Path) -> None:
    (fault,) = faults(tmp_path, MAPPING.replace("sender: north", "sender: south"))
    assert fault == (
        'hospitals/north.yml:1: sender: "south" does not match the file name; name the file south.yml or write sender: north'
    )


def test_identifiers_may_feed_nothing_but_ids(tmp_path: Path) -> None:
    (fault,) = faults(tmp_path, MAPPING.replace("identifiers: [id, name]", "identifiers: [id, sex]"))
    assert "identifiers may feed only patient_id, visit_id and link_by; also mapped: sex" in fault


def test_a_mapping_may_name_only_what_the_catalogue_has(tmp_path: Path) -> None:
    wide, word = faults(
        tmp_path, MAPPING.replace("ck: {", "kc: {") + "codes: {treatments: {Pred: predisone, Pill: null}}\n"
    )
    assert wide == (
        'hospitals/north.yml:14: exports[1].observations.values.kc: the catalogue has no concept "kc"; name one of concepts.csv,'
        " or add yours to concepts/concepts.csv of the registry."
    )
    assert word.endswith(
        'the catalogue has no treatment "predisone"; name one of treatments.csv, or add yours to concepts/treatments.csv of the registry.'
        ' Did you mean "prednisone"?'
    )


def test_a_folder_without_a_registry_says_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(
        ConfigurationError, match=r"no registry.yml here; give a registry folder with --registry"
    ):
        load_registry(tmp_path)


def test_every_key_of_the_mapping_language_has_a_place_in_its_schema() -> None:
    from orchestration.registry.entities import ENTITIES
    from orchestration.registry.mapping import Mapping

    schema = Mapping.model_json_schema()
    assert set(ENTITIES) <= set(schema["$defs"]["Export"]["properties"])
    assert yaml.safe_load((SHIPPED_REGISTRY / "hospitals" / "zjch.yml").read_text())["sender"] == "zjch"
