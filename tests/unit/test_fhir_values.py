"""What a FHIR value says that no single path holds: its kind, and the text of a value of several parts."""

from __future__ import annotations

from typing import Any

import pytest

from orchestration.exports.fhir import is_added, with_one_value

UCUM = {"system": "http://unitsofmeasure.org"}


@pytest.mark.parametrize(
    ("value", "text", "unit"),
    [
        ({"valueRange": {"high": {"value": "10", "code": "mg/L", **UCUM}}}, "<=10", "mg/L"),
        ({"valueRange": {"low": {"value": "5", "unit": "mg/L"}}}, ">=5", "mg/L"),
        ({"valueRange": {"low": {"value": "5", "unit": "g"}, "high": {"value": "10"}}}, "5 - 10", "g"),
        (
            {"valueRange": {"low": {"value": "5", "unit": "g"}, "high": {"value": "10", "unit": "mg"}}},
            "5 g - 10 mg",
            "",
        ),
        ({"valueRange": {}}, "", ""),
        ({"valueRatio": {"numerator": {"value": "1"}, "denominator": {"value": "320"}}}, "1:320", ""),
        (
            {
                "valueRatio": {
                    "numerator": {"value": "30", "unit": "mg"},
                    "denominator": {"value": "1", "unit": "g"},
                }
            },
            "30",
            "mg/g",
        ),
        (
            {
                "valueRatio": {
                    "numerator": {"value": "3", "comparator": "<"},
                    "denominator": {"value": "2", "unit": "L"},
                }
            },
            "<3:2 L",
            "",
        ),
        ({"valueSampledData": {"origin": {"value": "0", "unit": "mV"}, "data": "1 2 E"}}, "1 2 E", "mV"),
        ({"valuePeriod": {"start": "2024-01-01"}}, "2024-01-01", ""),
        ({"valuePeriod": {"start": "2024-01-01", "end": "2024-02"}}, "2024-01-01/2024-02", ""),
    ],
)
def test_a_value_of_several_parts_is_one_text_with_its_unit(
    value: dict[str, Any], text: str, unit: str
) -> None:
    [key] = value
    told = with_one_value({"resourceType": "Observation", **value})
    assert (told[key]["text"], told[key]["unit"], told["value[x]"]) == (text, unit, key.removeprefix("value"))


def test_a_kind_that_nobody_reads_is_kept_beside_its_name() -> None:
    told = with_one_value({"resourceType": "Observation", "valueAttachment": {"url": "Binary/1"}})
    assert told["value[unread]"] == 'Attachment {"url": "Binary/1"}'


@pytest.mark.parametrize(
    ("reason", "code"),
    [
        ({"coding": [{"code": "local"}, {"code": "not-performed"}]}, "not-performed"),
        ({"text": "the tube broke"}, "unknown"),
    ],
)
def test_a_reason_for_no_value_is_its_code(reason: dict[str, Any], code: str) -> None:
    part = {"code": {"text": "CK"}, "dataAbsentReason": reason}
    told = with_one_value({"resourceType": "Observation", "component": [part], "valueInteger": "1", **part})
    assert told["component"][0]["value[absent]"] == code
    assert "value[absent]" not in told


@pytest.mark.parametrize(
    ("column", "expected"),
    [
        ("value[x]", True),
        ("component.value[absent]", True),
        ("component[3].valueRatio.unit", True),
        ("valueRange.low.value", False),
        ("valueCodeableConcept.text", False),
    ],
)
def test_a_mapping_need_not_mention_what_is_added(column: str, expected: bool) -> None:
    assert is_added(column) is expected


def test_another_resource_stays_what_it_is() -> None:
    patient = {"resourceType": "Patient", "valueRange": {}}
    assert with_one_value(patient) is patient
