"""The forms of a REDCap export: which of its columns are filled together, and which of them hold 0 or
`Unchecked` where nobody answered.

REDCap exports 0 for every unticked box, also of a form that nobody opened, and 0 for a score that it
calculates from blank fields. A form's columns stand together and end with its `<form>_complete` (with labels:
`Complete?`); the data dictionary names the form of each field.

Belongs here: the names that REDCap itself gives, and pure functions on them. Does not belong here: the
columns of a project, SQL (`forms.py`).
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, field

from orchestration.exports.columns import without_place
from orchestration.registry import catalogue
from orchestration.registry.mapping import Form

# columns of the data dictionary
FIELD, FORM, TYPE = "Variable / Field Name", "Form Name", "Field Type"
LABEL, CHOICES = "Field Label", "Choices, Calculations, OR Slider Labels"

BOX = re.compile(r"(?P<field>.+?)___(?P<code>.+)")
LABELLED_BOX = re.compile(r"(?P<field>.+) \(choice=(?P<label>.*)\)", re.DOTALL)
COMPLETE = re.compile(r"(?P<form>.+)_complete|Complete\?")
OWN = re.compile(
    r"redcap_\w+|.+_timestamp|Event Name|Repeat Instrument|Repeat Instance|Data Access Group"
    r"|Survey Identifier|Survey Timestamp"
)
ANSWERED = ("1", "2", "Unverified", "Complete")
TICKED = ("1", "Checked")
UNTOUCHED_BOX = ("0", "Unchecked")
UNTOUCHED_SCORE = ("0",)
# Codes of "not known" without a dictionary: REDCap writes -99 as _99; the letters are its missing data codes.
NOT_KNOWN_CODE = re.compile(r"_?9{2,4}|unk|ni|nask|asku|nav|navu|na", re.IGNORECASE)
NOT_KNOWN_LABEL = re.compile(
    r"(not|un) ?(known|sure|certain|assessed|asked|examined|evaluated|applicable|available|done|determined|reported)"  # noqa: E501
    r"|(do not|don'?t|doesn'?t) know|no information",
    re.IGNORECASE,
)


@dataclass(frozen=True)
class DictionaryField:
    """What the data dictionary says of one field."""

    name: str
    form: str
    kind: str
    label: str = ""
    choices: dict[str, str] = field(default_factory=dict)


def choices(text: str) -> dict[str, str]:
    """`1, Yes | 2, No`"""
    pairs = (choice.partition(",") for choice in text.split("|"))
    return {code.strip(): label.strip() for code, comma, label in pairs if comma}


def plain_label(text: str) -> str:
    """A label without its markup."""
    return re.sub(r"<[^>]+>", "", text).strip()


@dataclass(frozen=True)
class _Column:
    name: str
    field: str  # without its choice
    form: str  # the name of the form, or of the column that says whether it is complete
    complete: str | None
    kind: str
    says_not_known: bool


def forms(
    columns: Sequence[str], fields: Iterable[DictionaryField], identifiers: Collection[str] = ()
) -> list[Form]:
    """The forms of a table, in the words of the mapping language.

    A field's form is the one that the dictionary names; else it ends with the next column that says whether a
    form is complete, if the dictionary does not list that form; else each set of boxes is a form of its own.
    The number of the record stands on a form that nobody opened, too, and ``identifiers`` are not looked at.
    """
    known = list(fields)
    by_name = {f.name: f for f in known} | _only_ones({f.label: f for f in known}, [f.label for f in known])
    first = {columns[0], *(f.name for f in known[:1]), *(f.label for f in known[:1])} if columns else set()
    found = _columns(columns, by_name, first | set(identifiers))
    names = dict.fromkeys(c.form for c in found)
    return [form for name in names for form in _form([c for c in found if c.form == name])]


def _columns(columns: Sequence[str], fields: dict[str, DictionaryField], left_out: set[str]) -> list[_Column]:
    found: list[_Column] = []
    following: str | None = None  # the next column that says whether a form is complete
    listed = {f"{f.form}_complete" for f in fields.values()}
    for name in reversed(columns):
        bare = without_place(name)
        if COMPLETE.fullmatch(bare):
            following = name
        elif not (OWN.fullmatch(bare) or name in left_out):
            own, code, label = _split(bare)
            told = fields.get(own)
            complete = f"{told.form}_complete" if told else None
            if complete not in columns:
                has_labels = following is not None and without_place(following) == "Complete?"
                is_told = told is not None and not has_labels
                complete = None if is_told or following in listed else following
            is_box = code is not None or label is not None
            kind = "checkbox" if is_box else told.kind if told else ""
            form = complete or (told.form if told else f"{own} alone")
            found.append(_Column(name, own, form, complete, kind, _says_not_known(told, code, label)))
    return found[::-1]


def _split(column: str) -> tuple[str, str | None, str | None]:
    """Field, code and label of a column; code or label only of a box."""
    if match := BOX.fullmatch(column):
        return match["field"], match["code"], None
    if match := LABELLED_BOX.fullmatch(column):
        return match["field"], None, match["label"]
    return column, None, None


def _says_not_known(told: DictionaryField | None, code: str | None, label: str | None) -> bool:
    """Whether a box says "not known": by its label; without one, by its code."""
    if label is None and code is not None and told is not None:
        label = {_in_a_column(c): text for c, text in told.choices.items()}.get(code.lower())
    if label is not None:
        text = plain_label(label)
        parts = [part.strip(" .!") for part in re.split(r"[/(;,]", text)]
        return any(NOT_KNOWN_LABEL.fullmatch(p) or catalogue.is_missing_mark(p) for p in [text, *parts] if p)
    return code is not None and NOT_KNOWN_CODE.fullmatch(code) is not None


def _in_a_column(code: str) -> str:
    """A choice's code as the name of its column writes it: -99 as _99."""
    return re.sub(r"\W", "_", code.lower())


def _form(columns: list[_Column]) -> list[Form]:
    """A form, and each of its questions with a box "not known"."""
    boxes = [c for c in columns if c.kind == "checkbox"]
    # a column that no dictionary explains may be a calculated score, too
    unexplained = [c for c in columns if not c.kind and c.complete]
    scores = [c for c in columns if c.kind == "calc" or c in unexplained]
    if not boxes and not scores:
        return []
    complete = columns[0].complete
    answered: list[dict[str, object]] = [{complete: list(ANSWERED)}] if complete else []
    answered += [{c.name: {"not": None}} for c in columns if c not in boxes and c not in scores]
    answered += [{c.name: {"not": [None, *UNTOUCHED_SCORE]}} for c in unexplained]
    answered += [{c.name: list(TICKED)} for c in boxes]
    found: list[dict[str, object]] = [
        {"columns": [c.name for c in of], "answered_when": answered, "untouched": list(texts)}
        for of, texts in ((boxes, UNTOUCHED_BOX), (scores, UNTOUCHED_SCORE))
        if of
    ]
    for question in dict.fromkeys(c.field for c in boxes if c.says_not_known):
        own = [c for c in boxes if c.field == question]
        not_known = [{c.name: list(TICKED)} for c in own if c.says_not_known]
        found.append(
            {"columns": [c.name for c in own], "not_known_when": not_known, "untouched": list(UNTOUCHED_BOX)}
        )
    return [Form.model_validate(form) for form in found]


def _only_ones(found: dict[str, DictionaryField], labels: list[str]) -> dict[str, DictionaryField]:
    """Fields by their label, where no other field has it."""
    return {label: f for label, f in found.items() if label and labels.count(label) == 1}
