"""The draft of a mapping file. What is certain is YAML; what is doubtful is a comment beside it; what nobody
knows is listed as undecided.

Belongs here: the text of `hospitals/<hospital>.yml`. Does not belong here: the guesses (`guess.py`).
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from datetime import date

import yaml

from orchestration.exports.formats import LABELLED
from orchestration.onboarding.guess import LONG, RECORD_DATES, Guess, TableGuess, nearest_word
from orchestration.onboarding.language import language_of
from orchestration.onboarding.profile import FEWEST_SHOWN, ColumnProfile, TableProfile, is_ambiguous
from orchestration.registry import catalogue
from orchestration.registry.entities import ASKED, ENTITIES

HEAD = """\
# A draft by `myositis onboard`: the registry's names stand left, the hospital's right (docs/mapping.md). A number in
# a comment is the confidence of a guess. Doubtful guesses stand in comments, and their columns under `undecided`: no
# delivery is taken until each of them is decided.
"""  # noqa: E501
STANDARDS = {  # columns that prove a standard format
    "fhir_r4": {"resourceType"},
    "omop_cdm_5_4": {"person_id", "measurement_concept_id"},
}
MAX_WORDS_TOLD = 25


def standard_of(tables: list[TableGuess]) -> str | None:
    """The ready-made mapping that fits a sample."""
    if any(t.table.where is not None for t in tables):
        return "redcap"
    for name, columns in STANDARDS.items():
        names = {c.lower() for c in columns}  # many databases write the names of OMOP in capitals
        if any(names <= {c.name.lower() for c in t.table.columns} for t in tables):
            return name
    return None


def draft(
    hospital: str, tables: list[TableGuess], faults: list[str], prose: Sequence[tuple[str, str | None]] = ()
) -> str:
    """The text of hospitals/<hospital>.yml."""
    lines = [
        HEAD.rstrip(),
        f"sender: {hospital}",
        f"name: {hospital}                # write the hospital's name",
    ]
    language = language_of([t.table for t in tables])
    if language is not None:
        lines.append(
            f"language: {language.language}                # {catalogue.LANGUAGES[language.language][0]}, "
            "by its headers; it reads words such as M, PCR and TP"
        )
    standard = standard_of(tables)
    if standard in ("fhir_r4", "omop_cdm_5_4"):
        what = {"fhir_r4": "FHIR R4", "omop_cdm_5_4": "OMOP CDM 5.4"}[standard]
        return "\n".join(
            [
                *lines,
                f"like: {standard}                 # the columns are those of {what}; write below only what "
                "differs",
                "",
            ]
        )
    if standard == "redcap":
        lines.append("like: redcap")
    lines += [
        *_dates(tables),
        *_decimal(tables),
        *_missing(tables),
        *_codes(tables, language.language if language else None),
        "",
        "exports:",
    ]
    for table in tables:
        lines += [*_export(table), ""]
    for file, sheet in dict.fromkeys(prose):
        of_sheet = f", sheet: {_scalar(sheet, in_list=True)}" if sheet is not None else ""
        lines += [
            "  # text, and no table; look at it once, and map it if it holds data",
            f'  - {{file: {_scalar(file, in_list=True)}{of_sheet}, ignored: ["*"]}}',
            "",
        ]
    lines += [f"# could not be read: {line}" for fault in faults for line in fault.splitlines()]
    return "\n".join(lines).rstrip() + "\n"


# what holds for the whole file


def _dates(tables: list[TableGuess]) -> list[str]:
    columns = [c for t in tables for c in t.table.columns if c.kind == "date"]
    if not columns:
        return ["# dates: no column of dates was found; the default is %Y-%m-%d"]
    certain = list(dict.fromkeys(f for c in columns if not is_ambiguous(c.formats) for f in c.formats))
    doubtful = [c for c in columns if is_ambiguous(c.formats) and not set(certain) & set(c.formats)]
    formats = list(dict.fromkeys([*certain, *(f for c in doubtful for f in c.formats)]))
    lines = [f"dates: [{', '.join(_scalar(f, quoted=True) for f in formats)}]"]
    lines += [
        f"# {_scalar(c.name)}: day or month first? Every date can be read as {' and as '.join(c.formats)}; "
        "keep one, or rows are rejected"
        for c in doubtful
    ]
    lines += [
        f"# {_scalar(c.name)}: {c.exchanged}. Look at the order of a patient's rows, or ask; then map it as"
        f" {{column: {_scalar(c.name, in_list=True)}, day_and_month: exchanged}} or with as_written"
        for c in columns
        if c.exchanged
    ]
    if any("%y" in f for f in formats):
        lines.append(
            f"two_digit_year_pivot: {date.today().year % 100}      # a guess, this year: two-digit years "
            "above it are of the last century"
        )
    return lines


def _decimal(tables: list[TableGuess]) -> list[str]:
    numbers = [c for t in tables for c in t.table.columns if c.kind == "number"]
    commas, points = sum(c.decimal_commas for c in numbers), sum(c.decimal_points for c in numbers)
    thousands = sum(c.thousands_commas for c in numbers)
    if commas and not points:
        return [
            f'decimal: ","                  # {commas:,} numbers have a decimal comma, none a decimal point'
        ]
    if commas:
        return [
            f"# decimal: ?                  # {commas:,} numbers look like decimal commas, {points:,} like "
            "decimal points; state it for each export"
        ]
    if thousands and points:
        return [
            f'decimal: "."                  # {thousands:,} numbers such as 1,234 beside {points:,} with a '
            "decimal point"
        ]
    if thousands:
        return [
            f"# decimal: ?                  # {thousands:,} numbers such as 1,234: one and a quarter, or a "
            "thousand? Until it is stated they are rejected"
        ]
    return []


def _missing(tables: list[TableGuess]) -> list[str]:
    marks: dict[str, list[str]] = {}
    for table in tables:
        for column in table.table.columns:
            if column.kind != "identifier":
                for mark, n in column.suspects.items():
                    marks.setdefault(mark, []).append(f"{column.name} ({n:,})")
    return [
        "missing: []",
        *(
            f"# does {_scalar(mark, quoted=True)} mean not known? Then write it here, or under missing of: "
            f"{', '.join(where[:5])}{' …' if len(where) > 5 else ''}"
            for mark, where in marks.items()
        ),
    ]


def _codes(tables: list[TableGuess], language: str | None) -> list[str]:
    """Words that the catalogue does not know, each with the nearest name where one is near."""
    told: list[str] = []
    for kind in LONG:
        unknown: dict[str, int] = {}
        for table in tables:
            for word, n in table.unknown_words.get(kind, {}).items():
                unknown[word] = unknown.get(word, 0) + n
        words = [w for w, n in sorted(unknown.items(), key=lambda item: -item[1]) if n >= FEWEST_SHOWN][
            :MAX_WORDS_TOLD
        ]
        if unknown:
            told.append(
                f"#   {kind}:                   # {len(unknown)} names that the catalogue does not know, or "
                "that have several meanings; write null for a name that is not wanted, "
                '"*": null for all others'
            )
            told += [f"#     {_scalar(w)}: {_suggestion(kind, w)}" for w in words]
            if len(unknown) > len(words):
                told.append(
                    f"#     …                       # and {len(unknown) - len(words)} more, or rarer than "
                    f"{FEWEST_SHOWN} rows"
                )
    for kind, tables_of_words, columns in (
        ("sex", ("sex_codes", "sex_text"), _mapped(tables, "patients", "sex")),
        ("follow_up_status", ("follow_up_status", "status_text"), _mapped(tables, "follow_up", "status")),
    ):
        known = catalogue.words(*tables_of_words) - set(catalogue.ambiguous(kind))
        texts = list(
            dict.fromkeys(
                w
                for c in columns
                for w, n in c.values.items()
                if not _is_read(kind, w, c, language, known) and n >= FEWEST_SHOWN
            )
        )
        if texts:
            told.append(f"#   {kind}: {{{', '.join(f'{_scalar(w, quoted=True)}: ?' for w in texts[:10])}}}")
    return ["# codes:", *told] if told else []


def _is_read(
    kind: str, word: str, column: ColumnProfile, language: str | None, known: frozenset[str]
) -> bool:
    if kind == "sex":
        return catalogue.sex_of(word, column.values, language) is not None
    return catalogue.folded(word) in known


def _mapped(tables: list[TableGuess], *place: str) -> Iterator[ColumnProfile]:
    for table in tables:
        for guess in table.guesses:
            if guess.place == place and guess.is_certain:
                yield table.table.column(guess.column)


def _suggestion(kind: str, word: str) -> str:
    if doubt := catalogue.doubt(kind, word):
        return f"?   # {doubt.sentence}" + (f" in {', '.join(doubt.units)}" if doubt.units else "")
    near = nearest_word(kind, word)
    return f'{near[1]}   # {near[0]:.2f} like "{near[2]}"' if near else "?"


# one table


def _export(found: TableGuess) -> Iterator[str]:
    table = found.table
    alike = (
        f" in {table.alike} {'sheets' if table.sheet is not None else 'files'} alike"
        if table.alike > 1
        else ""
    )
    yield (
        f"  # {table.rows:,} rows{alike}"
        + (f", {table.malformed:,} of them malformed" if table.malformed else "")
        + (f"; {table.format}" + (f", {table.encoding}" if table.encoding else ""))
    )
    if redcap_like := table.where is not None:
        yield (
            "  - like: records             # its 0 of an unticked box is an answer only where somebody "
            "filled the form in"
        )
    yield f"  {' ' if redcap_like else '-'} file: {_scalar(table.file)}"
    if table.where:
        yield (
            "    where: "
            f"{{{', '.join(f'{column}: {_texts(texts)}' for column, texts in table.where.items())}}}"
        )
    if table.format in LABELLED:
        yield "    labels: true"
    if table.sheet is not None:
        yield f"    sheet: {_scalar(table.sheet)}"
    for key, value in table.shape.keys().items():
        yield f"    {key}: {str(value).lower()}"
    if not redcap_like:
        yield from _forms(table)
    placed: set[str] = set()
    for entity in ENTITIES:
        lines, columns = _entity(found, entity)
        yield from lines
        placed |= columns
    yield from _doubts(found, placed)
    yield from _blank(found, placed)
    for key, listed in (
        ("identifiers", [c for c in _certain(found, "identifiers")]),
        ("ignored", [c for c in _certain(found, "ignored") if placed and c not in placed]),
        ("undecided", _undecided(found, placed)),
    ):
        if listed:
            yield f"    {key}: [{', '.join(_scalar(c, in_list=True) for c in listed)}]"


STATE_OF_A_FORM = re.compile(
    r"(^|[\W_])(complet(e|ed|ion)|(form|crf|survey|page)[\W_]*(status|state))([\W_]|$)", re.IGNORECASE
)


def _forms(table: TableProfile) -> Iterator[str]:
    """What may be a form: columns of 0 and 1 beside one that tells the state of the form."""
    zeros = [c.name for c in table.columns if set(c.values) == {"0", "1"}]
    states = [c for c in table.columns if STATE_OF_A_FORM.search(c.name) and c.name not in zeros]
    if zeros and states:
        named = ", ".join(_scalar(name, in_list=True) for name in zeros)
        texts = ", ".join(_scalar(text, quoted=True) for text in list(states[0].values)[:10])
        state = _scalar(states[0].name, in_list=True)
        yield (
            "    #? forms:   # does 0 also stand where nobody filled the form in? Keep the texts that say "
            "that somebody did"
        )
        yield f"    #?   - {{columns: [{named}], answered_when: {{{state}: [{texts}]}}}}"


def _texts(texts: tuple[str | None, ...]) -> str:
    """A condition of `where`: one text, or a list of texts of which one must fit."""
    shown = ["null" if text is None else _scalar(text, quoted=True) for text in texts]
    return shown[0] if len(shown) == 1 else f"[{', '.join(shown)}]"


def _entity(found: TableGuess, entity: str) -> tuple[list[str], set[str]]:
    """The lines of one entity, and the columns in them. None if the entity has no patient, or nothing but its
    keys.
    """
    own = [g for g in found.guesses if g.place[0] == entity and g.is_certain]
    keys = [g for g in own if g.place[1:] in (("patient_id",), ("visit_id",), ("hospital_id",))]
    fields = [g for g in own if len(g.place) == 2 and g not in keys]
    values = [g for g in own if len(g.place) == 3]
    if not (fields or values) or (not _has_key(keys) and any(_has_key([g]) for g in found.guesses)):
        return [], set()  # nothing but its keys; or its rows name a patient, but not with certainty
    needed = {
        "observations": ("concept", "value"),
        "antibodies": ("antibody", "result"),
        "events": ("event",),
        "treatments": ("treatment",),
    }
    named = {g.place[1] for g in fields}
    long = entity in needed and all(n in named for n in needed[entity])
    if entity in needed and not long and not values:
        return [], set()
    if not long and values:
        fields = [g for g in fields if g.place[1] not in ("value", "unit", "result")]
    order = list(ENTITIES[entity].model_fields)
    lines = [f"    {entity}:"]
    if not _has_key(keys):
        lines.append(f'      patient_id: "{ASKED}"  # which column names the patient?')
    for guess in sorted([*keys, *fields], key=lambda g: order.index(g.place[1])):
        lines.append(_line(f"      {guess.place[1]}: {_scalar(guess.column)}", guess))
    dated = RECORD_DATES.get(entity, ("",))[0]
    if dated and dated not in named and not any(g.place[1] == "visit_id" for g in keys):
        lines.append(
            f"      #? {dated}: ?  # no header names its date; without one, or an offset, its rows are "
            "rejected"
        )
    if values and not long:
        lines.append("      values:")
        lines += [_line(f"        {g.place[2]}: {_source(g)}", g, _unit_doubt(found, g)) for g in values]
    used = {g.column for g in [*keys, *fields, *(values if not long else [])]}
    return lines, used


def _has_key(guesses: list[Guess]) -> bool:
    return any(len(g.place) == 2 and g.place[1] in ("patient_id", "visit_id") for g in guesses)


def _doubts(found: TableGuess, placed: set[str]) -> Iterator[str]:
    for guess in sorted(found.guesses, key=lambda g: [c.name for c in found.table.columns].index(g.column)):
        if guess.column not in placed and guess.place[0] not in ("identifiers", "ignored"):
            what = ".".join(guess.place) if guess.place[0] != "?" else guess.place[1]
            note = f" # {guess.confidence:.2f} {guess.why}" + (f"; unit {guess.unit}" if guess.unit else "")
            yield f"    #? {what}: {_scalar(guess.column)}  {note}"


def _certain(found: TableGuess, key: str) -> list[str]:
    return list(dict.fromkeys(g.column for g in found.guesses if g.place == (key,) and g.is_certain))


def _undecided(found: TableGuess, placed: set[str]) -> list[str]:
    """The columns that nobody could decide. If a table feeds nothing, all of its columns, because a person
    must say what it is.
    """
    columns = [c.name for c in found.table.columns]
    identifiers = set(_certain(found, "identifiers"))
    if not placed:
        return [c for c in columns if c not in identifiers] or columns
    return [c for c in columns if c not in placed | identifiers | set(_certain(found, "ignored"))]


def _blank(found: TableGuess, placed: set[str]) -> Iterator[str]:
    for column in found.table.columns:
        if column.kind == "blank" and column.name not in placed and not found.of(column.name):
            yield f"    #? ignored: {_scalar(column.name)}   # no row of the sample fills it"


def _source(guess: Guess) -> str:
    if not guess.unit:
        return _scalar(guess.column)
    return f"{{column: {_scalar(guess.column, in_list=True)}, unit: {_scalar(guess.unit, in_list=True)}}}"


def _unit_doubt(found: TableGuess, guess: Guess) -> str:
    """The comment for a column whose header states no unit although the concept has one."""
    if guess.place[0] != "observations" or guess.unit:
        return ""
    if not catalogue.has_unit(guess.place[2]):
        return ""
    return (
        f"unit? The header tells none; canonical is {catalogue.concepts()[guess.place[2]]['unit_canonical']}"
    )


def _line(text: str, guess: Guess, doubt: str = "") -> str:
    note = f"{guess.confidence:.2f}" + (f" {doubt}" if doubt else f" {guess.why}" if ";" in guess.why else "")
    return f"{text}  # {note}"


def _scalar(text: str, quoted: bool = False, in_list: bool = False) -> str:
    if quoted or (in_list and re.search(r"[\[\]{},]", text)):
        return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'
    plain = yaml.safe_dump(text, allow_unicode=True, width=10_000, default_flow_style=True).strip()
    return plain.removesuffix("...").strip()
