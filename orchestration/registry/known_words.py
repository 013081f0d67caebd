"""Whether a name that a hospital gave (of a column, a sheet or a file) is made only of known words.

Belongs here: the words of the catalogue, of headers and of file names that everybody uses. A name made of
them says what a table holds. Any other name may name a person; a number (`landing/names.py`) or a pattern
(`onboarding/draft.py`) replaces it. Does not belong here: what such a name means.
"""

from __future__ import annotations

import csv
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path

from orchestration.registry import catalogue

HEADER_NAMES = Path(__file__).parents[1] / "onboarding" / "header_names.csv"
SEEDS_OF_WORDS = (
    ("concepts", ("concept_id", "concept_name")),
    ("concept_synonyms", ("synonym",)),
    ("antibodies", ("antibody_id",)),
    ("antibody_synonyms", ("synonym",)),
    ("event_types", ("event_id", "event_name")),
    ("event_synonyms", ("synonym",)),
    ("treatments", ("treatment_id",)),
    ("treatment_synonyms", ("synonym",)),
    ("unit_spellings", ("unit_source",)),
)
# of file, sheet and column names, in the languages of the catalogue
USUAL = (
    "all antibodies antibody baseline biochemistry blood case cases cell cells chemistry clinic clinical "
    "cohort complete concept count course data dataset date death deaths demographics diagnoses diagnosis "
    "drug drugs encounter encounters enzymes episode episodes event events exam examination export extract "
    "file findings follow followup form haematology hematology history hospital imaging info information "
    "items lab laboratory labs list log long master measurement measurements medication medications new "
    "notes observation observations outcome outcomes overview page part patient patients period person "
    "prescription prescriptions procedures query raw readme record records registry remark report result "
    "results sample samples sampled sampling score scores serum sheet signs stay stays study sum summary "
    "synthetic system table test tests therapy therapies time tot total treatments up update urine value "
    "values visit visits vital vitals wide year id ids no nr num number code codes key at by from in of on "
    "per the to and or type kind name group text local normal low high lower upper limit range start end "
    "begin stop first last day days week weeks month months years age onset source tabelle blatt daten "
    "patienten labor befunde verlauf werte besuche ereignisse medikamente therapien antikoerper antikörper "
    "verwaltung stammdaten übersicht auswertung feuille feuil données patientes résultats hoja datos "
    "pacientes laboratorio resultados visitas foglio dati pazienti esami planilha dados exames blad "
    "gegevens patiënten arkusz dane pacjenci sayfa hastalar veri"
)
USUAL_CHINESE = (
    "患者 病人 患儿 信息 基本 资料 数据 检验 检查 化验 结果 报告 随访 记录 就诊 门诊 住院 治疗 用药 药物 "
    "抗体 事件 并发症 诊断 合成 登记 皮肌炎 肌炎 说明 实验室 列表 汇总 导出 明细 统计 表 队列 基线 复发 "
    "死亡 工作 指标 项目 日期 时间 医院"
)
_WORD = re.compile(r"[\u4e00-\u9fff]+|[A-Z]?[^\W\d_A-Z\u4e00-\u9fff]+|[A-Z]+(?![^\W\d_A-Z\u4e00-\u9fff])|\d+")
_ALPHABETIC = re.compile(r"[\u0000-\u024f\u1e00-\u1eff]*")
WORDS_OF = {"en", "zh", "local"}  # single words of other languages are surnames too: globuli rossi, Krebs
FEW_DIGITS = 2  # digits of one number in a name: CD4, C3, visit 12; more may be part of a date of birth


def is_made_of_known_words(name: str) -> bool:
    """Whether each word of a name is known and no number in it is long, or the name without its unit is one
    of the catalogue's.
    """
    if catalogue.normal(catalogue.before_bracket(name)) in _phrases():
        return True
    found = _WORD.findall(catalogue.half_width(name))
    digits = [word for word in found if word.isdecimal()]
    if not found or len(found) == len(digits) or any(len(d) > FEW_DIGITS for d in digits) or len(digits) > 2:
        return False
    return all(word.isdecimal() or _is_known(word) for word in found)


def _is_known(word: str) -> bool:
    if "\u4e00" <= word[0] <= "\u9fff":
        return _is_parted(word)
    return word.lower() in _words()


def _is_parted(text: str) -> bool:
    """Whether a text without blanks consists of known words, one after another."""
    reached = {0}
    for start in range(len(text)):
        if start in reached:
            reached |= {end for end in range(start + 1, len(text) + 1) if text[start:end] in _words()}
    return len(text) in reached


@cache
def header_names() -> tuple[dict[str, str], ...]:
    """The rows of `onboarding/header_names.csv`: names of columns, and what each says of its column."""
    with HEADER_NAMES.open(encoding="utf-8", newline="") as handle:
        return tuple(csv.DictReader(handle))


def _texts() -> Iterator[tuple[str, bool]]:
    """Each name of the catalogue and of columns, and whether its single words are known too."""
    for row in header_names():
        yield row["name"], bool(WORDS_OF & {*row["language"].split()})
    for table, columns in SEEDS_OF_WORDS:
        for row in catalogue.shipped(table):
            languages = {*(row.get("language") or "local").split()}
            yield from ((row.get(column) or "", bool(WORDS_OF & languages)) for column in columns)


@cache
def _phrases() -> frozenset[str]:
    """The names of several words, and those of a script without blanks, in the normal form."""
    return frozenset(
        catalogue.normal(text)
        for text, _ in _texts()
        if len(re.findall(r"[^\W\d_]{2,}", text)) > 1 or (len(text) > 1 and not _ALPHABETIC.fullmatch(text))
    )


@cache
def _words() -> frozenset[str]:
    texts = [text for text, has_words in _texts() if has_words]
    words = {
        word for text in texts for word in _WORD.findall(catalogue.half_width(text)) if not word.isdecimal()
    }
    return frozenset({word.lower() for word in words} | {*USUAL.split(), *USUAL_CHINESE.split()})


_DATE_OR_NUMBER = re.compile(r"\d{1,4}[./年-]\d{1,2}[./月-]\d{1,4}|\d{5,}")
_LABELLED = re.compile(r"(?<![\w .])(?=[\d_ .]*+[^\W\d_])[\w .]++[:：]\s*+\S")
_SURNAME_FIRST = re.compile(r"[^\W\d_][\w'’-]+,\s*[^\W\d_][\w'’-][\w'’ -]*")
_CAPITALS = re.compile(r"[A-ZÀ-ÞА-ЯŁŚŻŹĆŃÓ][\w'’-]+")


def may_name_a_person(name: str) -> bool:
    """Whether a name looks as if it told who somebody is: a date or a long number, `Patient: …`, `Mueller,
    Anna`, two capitalised words that nobody knows, an e-mail address. A name made of known words does not.
    """
    if is_made_of_known_words(name):
        return False
    text = catalogue.half_width(name).strip()
    if (
        re.search(r"\w@\w", text)
        or _DATE_OR_NUMBER.search(text)
        or _LABELLED.search(text)
        or _SURNAME_FIRST.fullmatch(text)
    ):
        return True
    words = [word for word in re.split(r"[\s_.,-]+", text) if word]
    unknown = [word for word in words if not is_made_of_known_words(word)]
    if len(words) > 1 and len(unknown) == len(words) and all(_CAPITALS.fullmatch(word) for word in words[:2]):
        return True
    return len(text) in (2, 3) and all("\u4e00" <= c <= "\u9fff" for c in text)
