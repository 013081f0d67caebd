"""FHIR resources before they become rows: what a `value[x]` says that no single path holds.

An Observation, or a component of it, has at most one value, of eleven kinds
(hl7.org/fhir/R4/observation.html). Its kind is put beside it as `value[x]`. A Range, a Ratio, SampledData and
a Period are several numbers or times; their `text` puts them together, so that a row holds one result: a
Range with one end is a limit (`<=10`), a Ratio to one is a number with a unit (`30 mg/g`), every other is
kept as it was sent and is rejected as no single number. A value of another kind (R5's Attachment, a
Reference) is kept as JSON in `value[unread]`. Where there is no value, the code of `dataAbsentReason` stands
in `value[absent]`.

Belongs here: that. Does not belong here: paths (`json_lines.py`), which of them feeds which field
(`ready_made/fhir_r4.yml`), what a text means (dbt).
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from typing import Any

KIND, UNREAD, ABSENT = "value[x]", "value[unread]", "value[absent]"
# hl7.org/fhir/R4/valueset-data-absent-reason.html
REASONS = (
    "unknown", "asked-unknown", "temp-unknown", "not-asked", "asked-declined", "masked", "not-applicable",
    "unsupported",
    "as-text", "error", "not-a-number", "negative-infinity", "positive-infinity", "not-performed",
    "not-permitted",
)  # fmt: skip
WHOLE = ("Quantity", "CodeableConcept", "String", "Boolean", "Integer", "Time", "DateTime")


ADDED = re.compile(
    r"(.+\.)?value(\[(x|unread|absent)\]|(Range|Ratio|SampledData|Period)\.(text|unit))", re.DOTALL
)


def is_added(column: str) -> bool:
    """Whether the column is put beside a resource's own; a mapping need not mention it."""
    return ADDED.fullmatch(column) is not None


def with_one_value(resource: Any) -> Any:
    """The resource; of an Observation and its components, with the kind and text of the value."""
    if not isinstance(resource, dict) or resource.get("resourceType") != "Observation":
        return resource
    told = _told(resource)
    components = told.get("component")
    if isinstance(components, list):
        told["component"] = [_told(c) if isinstance(c, dict) else c for c in components]
    return told


def _told(element: dict[str, Any]) -> dict[str, Any]:
    found = dict(element)
    for key, value in element.items():
        kind = key.removeprefix("value")
        if kind == key or not kind[:1].isupper() or value is None:
            continue
        found[KIND] = kind
        if kind in TEXTS and isinstance(value, dict):
            found[key] = value | TEXTS[kind](value)
        elif kind not in WHOLE:
            found[UNREAD] = f"{kind} {json.dumps(value, ensure_ascii=False)}"
    if KIND not in found and isinstance(reason := element.get("dataAbsentReason"), dict):
        codes = [c.get("code") for c in reason.get("coding") or () if isinstance(c, dict)]
        found[ABSENT] = next((c for c in codes if c in REASONS), "unknown")
    return found


def _range(value: dict[str, Any]) -> dict[str, str]:
    low, high = _part(value, "low"), _part(value, "high")
    if low["value"] and high["value"]:
        units = {u for u in (low["unit"], high["unit"]) if u}
        same = len(units) < 2
        text = f"{low['value']} - {high['value']}" if same else f"{_with_unit(low)} - {_with_unit(high)}"
        return _result(text, next(iter(units), "") if same else "")
    if low["value"]:
        return _result(f">={low['value']}", low["unit"])
    return _result(f"<={high['value']}" if high["value"] else "", high["unit"])


def _ratio(value: dict[str, Any]) -> dict[str, str]:
    """A ratio to one is a number, one to a number a titre (1:320)."""
    above, below = _part(value, "numerator"), _part(value, "denominator")
    if not above["value"] or not below["value"]:
        return _result(_with_unit(above) or _with_unit(below), "")
    is_plain = not (above["unit"] or below["unit"])
    if below["value"] in ("1", "1.0") and not (is_plain and above["value"] == "1"):
        units = above["unit"] + (f"/{below['unit']}" if below["unit"] else "")
        return _result(above["comparator"] + above["value"], units)
    return _result(f"{above['comparator']}{_with_unit(above)}:{below['comparator']}{_with_unit(below)}", "")


def _sampled(value: dict[str, Any]) -> dict[str, str]:
    return _result(str(value.get("data") or ""), _part(value, "origin")["unit"])


def _period(value: dict[str, Any]) -> dict[str, str]:
    return _result(f"{value.get('start') or ''}/{value.get('end') or ''}".strip("/"), "")


TEXTS: dict[str, Callable[[dict[str, Any]], dict[str, str]]] = {
    "Range": _range,
    "Ratio": _ratio,
    "SampledData": _sampled,
    "Period": _period,
}


def _part(value: dict[str, Any], name: str) -> dict[str, str]:
    """Number, comparator and unit of a Quantity inside a value; the unit as UCUM where it is."""
    quantity = value.get(name)
    quantity = quantity if isinstance(quantity, dict) else {}
    is_ucum = quantity.get("system") == "http://unitsofmeasure.org"
    unit = (quantity.get("code") if is_ucum else None) or quantity.get("unit") or quantity.get("code")
    number = quantity.get("value")
    return {
        "value": "" if number is None else str(number),
        "comparator": str(quantity.get("comparator") or ""),
        "unit": "" if unit in (None, "1") else str(unit),
    }


def _with_unit(quantity: dict[str, str]) -> str:
    return f"{quantity['value']} {quantity['unit']}".strip()


def _result(text: str, unit: str) -> dict[str, str]:
    return {"text": text, "unit": unit}
