"""What a suite and a registry's waivers may say, and how a fault in them is answered. No rule is run here."""

from __future__ import annotations

import re
import subprocess
import sys
from datetime import date

import pytest

from expectations import MARTS_SUITE, RAW_SUITE, load_suite, load_waivers
from expectations.suite import Waiver
from yaml_files.yaml_file import ConfigurationError

HEAD = """\
suite: small
layer: raw
schema: raw
description: A suite to try.
tables: [patients, visits]
parameters: {load_id: {note: the load}}
rules:
"""
GOOD = """\
  - id: sex_known
    table: patients
    column: sex
    expectation: expect_column_values_to_not_be_null
    severity: blocking
    means: Sex is known.
"""


def faults_of(tmp_path, rules: str, head: str = HEAD) -> list[str]:
    path = tmp_path / "small.yml"
    path.write_text(head + rules)
    with pytest.raises(ConfigurationError) as caught:
        load_suite(path)
    return caught.value.faults


def test_a_suite_without_fault_is_read(tmp_path):
    path = tmp_path / "small.yml"
    path.write_text(HEAD + GOOD)

    [rule] = load_suite(path).rules

    assert (rule.tables, rule.columns, rule.mostly, rule.severity) == (["patients"], ["sex"], 1.0, "blocking")


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        (
            "severety: blocking",
            [
                'small.yml:12: rules[0].severety: unknown key "severety". Did you mean "severity"?',
                "small.yml:8: rules[0].severity: this key is required and missing",
            ],
        ),
        (
            "severity: fatal",
            [
                "small.yml:12: rules[0].severity: expected 'blocking' or 'warning' (found 'fatal')",
            ],
        ),
    ],
)
def test_a_wrong_key_or_word_is_named_with_its_line(tmp_path, wrong, said):
    faults = faults_of(tmp_path, GOOD.replace("severity: blocking", wrong))

    assert [any(fault.startswith(s) for fault in faults) for s in said] == [True] * len(said), faults


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        (
            "expect_column_values_to_not_be_null",
            "expect_column_value_to_not_be_null",
            "small.yml:11: rules[0].expectation: no expectation"
            ' "expect_column_value_to_not_be_null" whose result is counts and no values.'
            ' Did you mean "expect_column_values_to_not_be_null"?',
        ),
        (
            "expect_column_values_to_not_be_null",
            "expect_column_max_to_be_between",
            'small.yml:11: rules[0].expectation: no expectation "expect_column_max_to_be_between"'
            " whose result is counts and no values.",
        ),
        (
            "table: patients",
            "table: patient",
            'small.yml:9: rules[0].table: no table "patient" here. Did you mean "patients"? Its'
            " tables: patients, visits",
        ),
        (
            "    column: sex\n",
            "",
            "small.yml:8: rules[0]: expect_column_values_to_not_be_null takes 1 column; found 0",
        ),
        (
            "severity: blocking",
            "severity: blocking\n    kwargs: {valueset: [f]}",
            "small.yml:8: rules[0]: expect_column_values_to_not_be_null has no argument"
            ' "valueset". Its arguments: none',
        ),
        (
            "severity: blocking",
            "severity: blocking\n    mostly: 0.9",
            "small.yml:8: rules[0]: a threshold has a note that says where it comes from; add note",
        ),
        (
            "severity: blocking",
            "severity: blocking\n    rows: select 1 as is_unexpected",
            "small.yml:8: rules[0]: rows and unexpected_rows_expectation go together: give both or neither",
        ),
        (
            "severity: blocking",
            "severity: blocking\n    each: value_text",
            'small.yml:13: rules[0].each: the values of "value_text" may be texts that a hospital wrote, which no result may show.',
        ),
        (
            "severity: blocking",
            "severity: blocking\n    where: load_id = {load}",
            'small.yml:13: rules[0].where: no table or parameter {load} here. Did you mean "load_id"?',
        ),
        (
            "id: sex_known",
            "id: Sex known",
            "small.yml:8: rules[0].id: expected an id in lower snake case (found 'Sex known')",
        ),
    ],
)
def test_what_a_rule_cannot_mean_is_refused_with_the_remedy(tmp_path, old, new, said):
    [fault] = faults_of(tmp_path, GOOD.replace(old, new))

    assert fault.startswith(said), fault


def test_a_query_rule_must_say_what_is_unexpected(tmp_path):
    [fault] = faults_of(
        tmp_path,
        """\
  - id: sex_known
    table: patients
    expectation: unexpected_rows_expectation
    rows: select 1
    severity: blocking
    means: Sex is known.
""",
    )

    assert "rows must give is_unexpected: true, false, or null where it does not apply" in fault


def test_whole_tables_are_not_judged_per_hospital(tmp_path):
    [fault] = faults_of(
        tmp_path,
        """\
  - id: patient_unique
    table: patients
    column: patient_key
    expectation: expect_column_values_to_be_unique
    per: hospital
    severity: blocking
    means: A patient stands once.
""",
    )

    assert "expect_column_values_to_be_unique judges a whole table; per, each, at_least do not apply" in fault


def test_two_rules_cannot_share_an_id(tmp_path):
    [fault] = faults_of(tmp_path, GOOD + GOOD)

    assert fault.startswith("small.yml:7: rules: these ids are listed twice: sex_known")


@pytest.mark.parametrize("path", [RAW_SUITE, MARTS_SUITE], ids=["raw", "marts"])
def test_the_suites_that_ship_have_no_fault_and_explain_every_threshold(path):
    suite = load_suite(path)

    assert suite.suite == path.stem
    assert [rule.id for rule in suite.rules if (rule.mostly < 1 or rule.at_least > 1) and not rule.note] == []


def test_the_rule_and_the_waiver_of_the_readme_can_be_used_as_they_stand(tmp_path):
    rule, waivers = re.findall(r"```yaml\n(.*?)```", (RAW_SUITE.parent / "README.md").read_text(), re.DOTALL)
    (tmp_path / "suite.yml").write_text(HEAD.replace("patients", "fct_follow_up") + rule)
    (tmp_path / "waivers.yml").write_text(waivers)

    assert load_suite(tmp_path / "suite.yml").rules[0].per == "hospital"
    assert load_waivers(tmp_path / "waivers.yml", [load_suite(MARTS_SUITE)])[0].owner == "A. Keeper"


def test_no_id_stands_in_both_suites_for_a_waiver_names_the_id_alone():
    ids = [rule.id for path in (RAW_SUITE, MARTS_SUITE) for rule in load_suite(path).rules]

    assert len(ids) == len(set(ids))


def test_waivers_are_read_with_owner_reason_and_last_day(tmp_path):
    path = tmp_path / "waivers.yml"
    path.write_text("""\
waivers:
  - expectation: sex_complete
    hospital: north
    owner: A. Keeper
    reason: the export of 2023 has no sex
    expires: 2025-06-30
""")

    assert load_waivers(path, [load_suite(MARTS_SUITE)]) == (
        Waiver(
            "sex_complete", "A. Keeper", "the export of 2023 has no sex", date(2025, 6, 30), hospital="north"
        ),
    )


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        (
            "sex_complete",
            "sex_compleet",
            'waivers.yml:2: waivers[0].expectation: no expectation "sex_compleet" in any suite.'
            ' Did you mean "sex_complete"?',
        ),
        (
            "owner: A. Keeper",
            "owner: ''",
            "waivers.yml:3: waivers[0].owner: String should have at least 1 character",
        ),
        ("expires: 2025-06-30", "expires: never", "waivers.yml:5: waivers[0].expires: expected a valid date"),
        ("    reason: late\n", "", "waivers.yml:2: waivers[0].reason: this key is required and missing"),
    ],
)
def test_a_waiver_without_what_it_needs_is_refused(tmp_path, old, new, said):
    path = tmp_path / "waivers.yml"
    text = """\
waivers:
  - expectation: sex_complete
    owner: A. Keeper
    reason: late
    expires: 2025-06-30
"""
    path.write_text(text.replace(old, new))

    with pytest.raises(ConfigurationError) as caught:
        load_waivers(path, [load_suite(MARTS_SUITE)])

    assert caught.value.faults[0].startswith(said), caught.value.faults


def test_reading_a_suite_does_not_import_great_expectations():
    program = (
        "import sys; from expectations import RAW_SUITE, load_suite, run_suite, gate; load_suite(RAW_SUITE);"
        " sys.exit('great_expectations' in sys.modules)"
    )

    assert subprocess.run([sys.executable, "-c", program], check=False).returncode == 0


def test_every_rule_that_refuses_a_delivery_says_what_to_do() -> None:
    rules = [rule for rule in load_suite(RAW_SUITE).rules if rule.severity == "blocking"]
    assert [rule.id for rule in rules if not rule.remedy] == []
