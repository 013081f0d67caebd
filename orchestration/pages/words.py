"""Texts that pages show but do not write themselves, in the reader's language: of the engine, of study files,
and names of the clinical catalogue.

Belongs here: recognising such a text. Does not belong here: choosing a language and the pages' own sentences
(`language.py`), the list of the engine's sentences (`engine_words.py`).

A release, the report and the comparison of releases hold sentences in English. A sentence is recognised by
the message of the catalogue that it is an instance of; each value in it is worded in turn, and a list is
worded part by part. What nobody translated stays as it is.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cache, lru_cache

from analytics.study.parts import chinese
from analytics.words import wording
from orchestration.pages.language import DEFAULT, current, messages
from orchestration.registry import catalogue

LETTERS = re.compile(r"[A-Za-z]{2}")
VALUE = re.compile(r"%\((\w+)\)[\d.]*([sdgf])")
NUMBER = r"[-+−<>≤]?\d[\d,.]*(?:e[-+]?\d+)?"
PROSE = re.compile(r"\b[a-z]{3,}\b")
SAYS_MUCH = 8  # letters and marks of a message beside its values
# how parts of a text are joined in English and in Chinese; a text is taken apart at the first that it has
JOINTS = ((". ", "。"), ("; ", "；"), (": ", "："), (" · ", " · "), (", ", "，"))


def worded(text: object) -> str:
    """The text in the reader's language, as far as somebody said it in that."""
    if current() == DEFAULT:
        return str(text)
    return (chinese(text) if current() == "zh" else None) or _worded(current(), str(text))


def opened(code: object) -> str:
    """A code as words: ``month_12`` as "Month 12"."""
    return worded(wording.opened(code))


def named(kind: str, code: object) -> str:
    """What the clinical catalogue calls an id of ``kind`` (`catalogue.NAMES`)."""
    label = catalogue.labels(kind).get(str(code))
    return worded(label.en) if label else opened(code)


def _worded(language: str, text: str) -> str:
    if not LETTERS.search(text):
        return text
    if whole := _whole(language, text):
        return whole
    if text.endswith(".") and (whole := _whole(language, text[:-1])):
        return f"{whole}。"
    for mark, written in JOINTS:
        parts = text.split(mark)
        if len(parts) > 1:
            said = [_worded(language, part) for part in parts]
            is_said = all(new != old or not _is_english(old) for new, old in zip(said, parts))
            return written.join(said) if is_said and said != parts else text
    if text.endswith(".") and (said_all := _worded(language, text[:-1])) != text[:-1]:
        return f"{said_all}。"
    return text


def _whole(language: str, text: str) -> str | None:
    """The translation of a text that somebody translated as a whole."""
    if found := messages(language).get(text):
        return found
    if language == "zh" and (name := catalogue.chinese_names().get(text)):
        return name
    instance = _instance(language, text)
    if instance is None:
        is_capital = text[:1].isupper() and text[1:2].islower()
        return _whole(language, text[0].lower() + text[1:]) if is_capital else None
    message, values = instance
    worded_values = {name: _worded(language, value) for name, value in values}
    if not message.has_words and worded_values == dict(values):
        return None  # brackets around a unit, or in a hospital's name
    return message.translation % worded_values


def _is_english(part: str) -> bool:
    """Whether a part holds words of prose; names of people and methods begin with a capital."""
    return bool(PROSE.search(part)) and not catalogue.HAN.search(part)


@dataclass(frozen=True)
class Message:
    pattern: re.Pattern[str]
    translation: str
    has_words: bool


@lru_cache(maxsize=20_000)
def _instance(language: str, text: str) -> tuple[Message, tuple[tuple[str, str], ...]] | None:
    """The message that the text is an instance of, and the values in the text."""
    for message in _messages_with_values(language):
        if found := message.pattern.fullmatch(text):
            return message, tuple(found.groupdict().items())
    return None


@cache
def _messages_with_values(language: str) -> list[Message]:
    """Those that say most come first, and of those that say as much the ones that take numbers."""
    found = [(sentence, said) for sentence, said in messages(language).items() if VALUE.search(sentence)]
    found.sort(key=lambda pair: (-len(VALUE.sub("", pair[0])), pair[0].count(")s")))
    return [
        Message(_pattern(sentence), VALUE.sub(r"%(\1)s", said), bool(LETTERS.search(VALUE.sub("", sentence))))
        for sentence, said in found
    ]


def _pattern(sentence: str) -> re.Pattern[str]:
    """``%(n)d patients`` as a pattern: a number where one is set in, else any text; of a message that says
    little, a text without the marks that join parts.
    """
    literals, names, kinds = (VALUE.split(sentence)[i::3] for i in range(3))
    any_text = ".+?" if sum(map(len, literals)) >= SAYS_MUCH else "[^,;:.]+?"
    written, seen = [re.escape(literals[0].replace("%%", "%"))], set[str]()
    for name, kind, literal in zip(names, kinds, literals[1:]):
        value = any_text if kind == "s" else NUMBER
        written.append(f"(?P={name})" if name in seen else f"(?P<{name}>{value})")
        written.append(re.escape(literal.replace("%%", "%")))
        seen.add(name)
    return re.compile("".join(written), re.DOTALL)
