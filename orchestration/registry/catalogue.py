"""The clinical catalogue (dbt_project/seeds) as Python looks it up: names, units, words. The models look it
up in the same way, in SQL.

Belongs here: reading the seeds, the normal form of a name (seeds/README.md). Does not belong here: any fact
about medicine.
"""

from __future__ import annotations

import csv
import re
import unicodedata
from collections.abc import Collection
from dataclasses import dataclass
from functools import cache
from pathlib import Path

HAN = re.compile(r"[\u4e00-\u9fff]")
SEEDS = Path(__file__).resolve().parents[2] / "dbt_project" / "seeds"
NAMES = {  # kind of name: table of ids, id column, table of synonyms
    "concepts": ("concepts", "concept_id", "concept_synonyms"),
    "antibodies": ("antibodies", "antibody_id", "antibody_synonyms"),
    "events": ("event_types", "event_id", "event_synonyms"),
    "treatments": ("treatments", "treatment_id", "treatment_synonyms"),
}
LANGUAGES = {  # code: its name, and what its speakers call it
    "de": ("German", "deutsch"),
    "en": ("English",),
    "es": ("Spanish", "español", "castellano"),
    "fr": ("French", "français"),
    "it": ("Italian", "italiano"),
    "ja": ("Japanese", "日本語", "jp"),
    "ko": ("Korean", "한국어", "kr"),
    "nl": ("Dutch", "nederlands"),
    "pl": ("Polish", "polski"),
    "pt": ("Portuguese", "português"),
    "tr": ("Turkish", "türkçe"),
    "zh": ("Chinese", "中文", "cn"),
}
CODE_WORDS = {  # kind of word: its table, the column of the word, the column of our code
    "sex": ("sex_codes", "sex_text", "sex"),
    "event_status": ("event_status", "status_text", "status"),
    "follow_up_status": ("follow_up_status", "status_text", "status"),
}
_MARKED = "áàâäãåāăąćčçďéèêëēėęěğíìîïīılłńňñóòôöõøōőřśšşșťţúùûüūůűýÿźżž"
_PLAIN = "aaaaaaaaacccdeeeeeeeegiiiiiillnnnoooooooorssssttuuuuuuuyyzzz"
_FOLDED = str.maketrans(_MARKED, _PLAIN) | str.maketrans({"ß": "ss", "æ": "ae", "œ": "oe"})
_BLANKS = "".join(c for c in map(chr, range(0x3001)) if unicodedata.category(c) == "Zs")  # as trim() of SQL
_KATAKANA = {  # half width to full width; the sound marks join the letter before them
    i: {"ﾞ": "\u3099", "ﾟ": "\u309a"}.get(chr(i), unicodedata.normalize("NFKC", chr(i)))
    for i in range(0xFF61, 0xFFA0)
}
_GREEK = dict(
    zip(
        "αβγδεζηθικλμνξοπρστυφχψως",
        (
            "alpha",
            "beta",
            "gamma",
            "delta",
            "epsilon",
            "zeta",
            "eta",
            "theta",
            "iota",
            "kappa",
            "lambda",
            "mu",
            "nu",
            "xi",
            "omicron",
            "pi",
            "rho",
            "sigma",
            "tau",
            "upsilon",
            "phi",
            "chi",
            "psi",
            "omega",
            "sigma",
        ),
        strict=True,
    )
) | {"µ": "mu"}

Row = dict[str, str]


_additions: dict[str, list[Row]] = {}


def extend(additions: dict[str, list[Row]]) -> None:
    """Load the additions of the registry that this process works on (`additions.py`), in place of another
    registry's.
    """
    _additions.clear()
    _additions.update(additions)
    for lookup in (
        seed,
        names,
        spoken,
        labels,
        chinese_names,
        ambiguous,
        sex_readings,
        status_codes,
        concepts,
        units,
        _rules,
        _exceptions,
        _ids,
        forms,
        words,
        _marks,
    ):
        lookup.cache_clear()


@cache
def seed(name: str) -> tuple[Row, ...]:
    """The rows of a seed, with those that the registry adds."""
    rows = shipped(name)
    return (*rows, *(dict.fromkeys(rows[0], "") | row for row in _additions.get(name, ())))


@cache
def shipped(name: str) -> tuple[Row, ...]:
    with (SEEDS / f"{name}.csv").open(encoding="utf-8", newline="") as handle:
        return tuple(csv.DictReader(handle))


def before_bracket(text: str) -> str:
    """A header without what stands in brackets behind its name: "CK" of "CK (U/L)"."""
    at = min((place for bracket in "(（[【" if (place := text.find(bracket)) >= 0), default=len(text))
    return without_end(text[:at]) if at < len(text) else text


def without_end(text: str) -> str:
    """The text without the blanks and underscores at its end."""
    end = len(text)
    while end and (text[end - 1].isspace() or text[end - 1] == "_"):
        end -= 1
    return text[:end]


def half_width(text: str) -> str:
    return "".join(chr(ord(c) - 0xFEE0) if "！" <= c <= "～" else " " if c == "\u3000" else c for c in text)


def folded(text: str) -> str:
    """Small letters, half width, katakana full width, one letter for a letter with its marks: the form under
    which words are looked up (macro `folded`).
    """
    if text.isascii():
        return text.strip(" ").lower()
    whole = unicodedata.normalize("NFC", half_width(text).strip(_BLANKS).translate(_KATAKANA))
    return whole.replace("İ", "i").lower().translate(_FOLDED)


def normal(text: str) -> str:
    """The form under which names are compared."""
    spelled = "".join(_GREEK.get(c, c) for c in folded(text))
    return "".join(c for c in spelled if unicodedata.category(c)[0] in "LN" or c in "+%#")


@cache
def names(kind: str) -> dict[str, str]:
    """Normal form to id, of concepts, antibodies, events or treatments; LOINC codes are names of concepts.

    A word of two meanings is no name, although it may have one meaning in some languages (`spoken`).
    """
    _, id_column, synonyms = NAMES[kind]
    asked = {form for form, doubt in ambiguous(kind).items() if not doubt.units}
    found = {
        form: row[id_column]
        for row in seed(synonyms)
        if (form := normal(row["synonym"])) not in asked or not row["language"]
    }
    if kind == "concepts":
        found |= {
            normal(row["loinc"]): row["concept_id"]
            for t in ("concepts", "concept_loinc")
            for row in seed(t)
            if row["loinc"]
        }
    return found


@cache
def spoken(kind: str, language: str) -> dict[str, str]:
    """Normal form to id of the words of two meanings that have one meaning in a language."""
    _, id_column, synonyms = NAMES[kind]
    return {
        form: row[id_column]
        for row in seed(synonyms)
        if language in row["language"].split() and (form := normal(row["synonym"])) in ambiguous(kind)
    }


@dataclass(frozen=True)
class Label:
    """What a reader is shown for an id: its English name, and the first Chinese one of its synonyms."""

    en: str
    zh: str


@cache
def labels(kind: str) -> dict[str, Label]:
    table, id_column, synonyms = NAMES[kind]
    chinese: dict[str, str] = {}
    for row in seed(synonyms):
        if "zh" in row["language"].split() and HAN.search(row["synonym"]):
            chinese.setdefault(row[id_column], row["synonym"])
    name = id_column.replace("_id", "_name")
    return {row[id_column]: Label(row[name], chinese.get(row[id_column], "")) for row in seed(table)}


@cache
def chinese_names() -> dict[str, str]:
    """The Chinese name of each English name, and of each id; not of the ids of antibodies: `la` is a word."""
    found: dict[str, str] = {}
    for kind in NAMES:
        for code, label in labels(kind).items():
            words = code.replace("_", " ")
            ids = () if kind == "antibodies" else (words, words[:1].upper() + words[1:])
            for name in (label.en, label.en.lower(), *ids):
                if label.zh:
                    found.setdefault(name, label.zh)
    return found


@dataclass(frozen=True)
class Ambiguous:
    """A word that has more than one meaning; ``units`` are the only units in which it has, and none means all
    units. In ``languages`` it has one meaning.
    """

    word: str
    ids: tuple[str, ...]
    units: tuple[str, ...]
    unit_decides: bool
    meanings: str
    languages: tuple[str, ...] = ()

    @property
    def sentence(self) -> str:
        return f"can mean {self.meanings}" + (f" ({' or '.join(self.ids)})" if self.ids else "")

    @property
    def remedy(self) -> str:
        """How a mapping without a language can say what is meant, beside the word itself."""
        return f", or its `language` ({', '.join(self.languages)})" if self.languages else ""


@cache
def ambiguous(kind: str) -> dict[str, Ambiguous]:
    """Normal form of a word to its meanings: of names, of words for yes and no (event_status) or of results.

    A name that the registry itself adds has only the meaning that the registry gives it.
    """
    form = normal if kind in NAMES else folded
    added = {normal(row["synonym"]) for row in _additions.get(NAMES[kind][2], ())} if kind in NAMES else set()
    languages: dict[str, set[str]] = {}
    table, column = (NAMES[kind][2], "synonym") if kind in NAMES else CODE_WORDS.get(kind, ("", ""))[:2]
    for row in seed(table) if table else ():
        if not row.get("beside"):
            languages.setdefault(form(row[column]), set()).update(row["language"].split())
    return {
        form(row["word"]): Ambiguous(
            row["word"],
            tuple(filter(None, row["ids"].split("|"))),
            tuple(filter(None, row["units"].split("|"))),
            row["unit_decides"] == "true",
            row["meanings"],
            () if row["units"] else tuple(sorted(languages.get(form(row["word"]), set()) & LANGUAGES.keys())),
        )
        for row in seed("ambiguous_words")
        if row["kind"] == kind and form(row["word"]) not in added
    }


def is_name(kind: str, word: str) -> bool:
    """Whether the catalogue has the name, with one meaning or with several."""
    return normal(word) in names(kind) or normal(word) in ambiguous(kind)


def is_id(kind: str, word: str) -> bool:
    """Whether a word is exactly an id. A mapping that writes an id means only that."""
    table, id_column, _ = NAMES[kind]
    return word in _ids(table, id_column)


@cache
def _ids(table: str, id_column: str) -> frozenset[str]:
    return frozenset(row[id_column] for row in seed(table))


def doubt(kind: str, word: str, unit_text: str = "", language: str | None = None) -> Ambiguous | None:
    """Why the meaning of a name as sent, in this unit and language, is undecided; None if the name has one
    meaning or none.
    """
    found = ambiguous(kind).get(normal(word))
    if found is None or meaning(kind, word, unit_text, language) is not None:
        return None
    return found


def meaning(kind: str, word: str, unit_text: str = "", language: str | None = None) -> str | None:
    """The id of a name as sent, in this unit and language; None if the name is unknown or has more than one
    meaning.
    """
    known, found, code = names(kind).get(normal(word)), ambiguous(kind).get(normal(word)), unit(unit_text)
    if found is None or (found.units and code not in found.units):
        return known
    if not found.units and language and (said := spoken(kind, language).get(normal(word))):
        return said
    if not found.unit_decides:
        return None
    fitting = [c for c in found.ids if (is_word(c) if code is None else rule(c, code) is not None)]
    return fitting[0] if len(fitting) == 1 and bool(unit_text) == (code is not None) else None


@cache
def sex_readings(word: str) -> dict[str, tuple[tuple[str, tuple[str, ...]], ...]]:
    """What a word for sex means, by language: (sex, words that must stand in the same column)."""
    found: dict[str, list[tuple[str, tuple[str, ...]]]] = {}
    for row in seed("sex_codes"):
        if folded(row["sex_text"]) == word:
            beside = tuple(folded(w) for w in row["beside"].split())
            for language in row["language"].split():
                found.setdefault(language, []).append((row["sex"], beside))
    return {language: tuple(rows) for language, rows in found.items()}


def sex_of(word: str, column: Collection[str], language: str | None = None) -> str | None:
    """What a word for sex means in a column of such words, as macro `sexes_read` decides it; None if it is
    unknown or has more than one meaning.
    """
    readings, words = sex_readings(folded(word)), {folded(w) for w in column}
    asked = [language] if language in readings else list(readings)
    sexes: set[str] = set()
    for one in asked:
        decided = {sex for sex, beside in readings[one] if words & set(beside)}
        plain = {sex for sex, beside in readings[one] if not beside}
        sexes |= decided or plain or {sex for sex, _ in readings[one]}
    return sexes.pop() if len(sexes) == 1 else None


@cache
def status_codes(kind: str, language: str | None = None) -> dict[str, str]:
    """Folded word to our code, of a code list without sexes: the words of one meaning, and those that have
    one in the language.
    """
    table, column, code = CODE_WORDS[kind]
    return {
        word: row[code]
        for row in seed(table)
        if (word := folded(row[column])) not in ambiguous(kind) or language in row["language"].split()
    }


def is_word(concept_id: str) -> bool:
    """Whether a concept's values are words or grades."""
    return concepts()[concept_id]["kind"] in ("coded", "text")


@cache
def forms() -> dict[str, str]:
    """From another form of a quantity to the concept under which it is stored: urea nitrogen to urea."""
    return {row["concept_id"]: row["stored_as"] for row in seed("concept_forms")}


@cache
def concepts() -> dict[str, Row]:
    return {row["concept_id"]: row for row in seed("concepts")}


@cache
def units() -> dict[str, str]:
    """A unit's spelling, as written, to UCUM."""
    return {row["unit_source"]: row["unit_ucum"] for row in seed("unit_spellings")}


def unit(text: str) -> str | None:
    """UCUM code of a unit as sent."""
    return units().get(text.strip())


@cache
def _rules() -> dict[tuple[str, str, str], tuple[float, float]]:
    return {
        (r["concept_id"], r["unit_from"], r["unit_to"]): (float(r["factor"]), float(r["offset"]))
        for r in seed("unit_conversions")
    }


def rule(concept_id: str, unit_from: str) -> tuple[float, float] | None:
    """Factor and offset to the canonical unit. A concept's own rule goes before a rule for any concept."""
    unit_to = concepts()[concept_id]["unit_canonical"]
    if unit_from == unit_to:
        return 1.0, 0.0
    own = _rules().get((concept_id, unit_from, unit_to))
    if own is not None or (concept_id, unit_from) in _exceptions():
        return own
    return _rules().get(("*", unit_from, unit_to))


@cache
def _exceptions() -> frozenset[tuple[str, str]]:
    """The concepts and units to which a rule for any concept does not apply."""
    return frozenset((row["concept_id"], row["unit_from"]) for row in seed("unit_exceptions"))


def converts(concept_id: str, spelling: str) -> bool:
    """Whether a rule leads from a unit as spelled to the concept's canonical unit."""
    code = unit(spelling)
    return code is not None and rule(concept_id, code) is not None


def has_unit(concept_id: str) -> bool:
    """Whether a number of the concept means nothing without its unit."""
    concept = concepts()[concept_id]
    return concept["kind"] not in ("coded", "text") and concept["unit_canonical"] not in (
        "",
        "1",
        "{score}",
        "[pH]",
        "{grade}",
        "{result}",
    )


@cache
def words(table: str, text_column: str) -> frozenset[str]:
    """Words of a code list (sex, yes or no, follow-up), folded."""
    return frozenset(folded(row[text_column]) for row in seed(table))


@cache
def _marks() -> dict[str, frozenset[str]]:
    rows = seed("missing_marks")
    return {
        entity: frozenset(folded(row["mark"]) for row in rows if row["entity"] == entity) for entity in "*?"
    }


def is_missing_mark(text: str) -> bool:
    """Whether a text means not known wherever it stands."""
    return folded(text) in _marks()["*"]


def may_be_missing_mark(text: str) -> bool:
    """Whether a text means not known in some languages or systems, and is a value in others: the sender is
    asked, and states it under `missing`.
    """
    return folded(text) in _marks()["?"]
