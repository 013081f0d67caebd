"""No regular expression takes quadratic time: hospitals' files are matched against all of them.

A pattern with ambiguous repetition (`(a+)+`, `a*a*b`, or a search for `a*b`) tries every way to divide a long
text before it gives up. Here each repetition of each pattern is given a long text that it nearly matches.
"""

from __future__ import annotations

import ast
import importlib
import pkgutil
import re
import signal
import time
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from re import _constants as sre  # type: ignore[attr-defined]
from re import _parser as parser  # type: ignore[attr-defined]

import duckdb
import pytest

import analytics
import expectations
import orchestration
import yaml_files

PACKAGES = (analytics, expectations, orchestration, yaml_files)
FUNCTIONS = {"compile", "match", "search", "fullmatch", "sub", "subn", "split", "findall", "finditer"}
METHODS = {"match": "match", "fullmatch": "fullmatch"}  # all others search
LONG = 15_000
SECONDS = 0.3  # a linear pattern takes about a millisecond, a quadratic one over a second
UNBOUNDED = 1_000  # repetitions; a pattern of at most so many is bounded
CATEGORIES = {
    sre.CATEGORY_DIGIT: "0",
    sre.CATEGORY_SPACE: " ",
    sre.CATEGORY_WORD: "a",
    sre.CATEGORY_NOT_DIGIT: "a",
    sre.CATEGORY_NOT_SPACE: "a",
    sre.CATEGORY_NOT_WORD: "-",
}


def one_of(items: list) -> str:
    """A character of a class."""
    if items[0][0] is sre.NEGATE:
        for c in "a0 -\"'\u00e9":
            if not any(_holds(item, c) for item in items[1:]):
                return c
        return "\u4e00"
    kind, value = items[0]
    if kind is sre.LITERAL:
        return chr(value)
    if kind is sre.RANGE:
        return chr(value[0])
    return CATEGORIES[value]


def _holds(item: tuple, c: str) -> bool:
    kind, value = item
    if kind is sre.LITERAL:
        return ord(c) == value
    if kind is sre.RANGE:
        return value[0] <= ord(c) <= value[1]
    probe = {"0": r"\d", " ": r"\s", "a": r"\w"}.get(CATEGORIES[value], r"\W")
    return re.fullmatch(probe, c) is not None


def shortest(tree: list) -> str:
    """A short text that the parsed pattern matches, as far as lookarounds allow."""
    text = ""
    for kind, value in tree:
        if kind is sre.LITERAL:
            text += chr(value)
        elif kind is sre.NOT_LITERAL:
            text += "a" if value != ord("a") else "b"
        elif kind is sre.ANY:
            text += "a"
        elif kind is sre.IN:
            text += one_of(value)
        elif kind in (sre.MAX_REPEAT, sre.MIN_REPEAT, sre.POSSESSIVE_REPEAT):
            text += shortest(value[2]) * value[0]
        elif kind is sre.SUBPATTERN:
            text += shortest(value[3])
        elif kind is sre.ATOMIC_GROUP:
            text += shortest(value)
        elif kind is sre.BRANCH:
            text += shortest(value[1][0])
    return text


def attacks(tree: list, before: str = "") -> Iterator[tuple[str, str]]:
    """(what leads to a repetition without bound, what it repeats), for each one in the pattern."""
    for place, (kind, value) in enumerate(tree):
        lead = before + shortest(tree[:place])
        if kind in (sre.MAX_REPEAT, sre.MIN_REPEAT):
            _, most, body = value
            if most > UNBOUNDED:
                yield lead, shortest(body) or "a"
            yield from attacks(list(body), lead)
        elif kind is sre.SUBPATTERN:
            yield from attacks(list(value[3]), lead)
        elif kind is sre.BRANCH:
            for branch in value[1]:
                yield from attacks(list(branch), lead)
        elif kind in (sre.ASSERT, sre.ASSERT_NOT):
            yield from attacks(list(value[1]), lead)


@dataclass(frozen=True)
class Use:
    """A pattern, and whether it is searched for (from every place of a text) or matched from the start."""

    pattern: re.Pattern
    method: str  # finditer, match or fullmatch


def too_slow(use: Use) -> str | None:
    """The beginning of a text of `LONG` characters that takes too long, if there is one."""
    pattern = use.pattern
    is_bytes = isinstance(pattern.pattern, bytes)
    source = pattern.pattern.decode("latin-1") if is_bytes else pattern.pattern
    for lead, body in dict.fromkeys(attacks(list(parser.parse(source, pattern.flags & ~re.LOCALE)))):
        for end in ("\x00", "\n!", "! ! "):
            text = lead + body * (LONG // len(body)) + end
            given = text.encode("latin-1", "replace") if is_bytes else text
            if seconds(use, given) > SECONDS:
                return repr(text[:40])
    return None


def seconds(use: Use, text: str | bytes) -> float:
    """The processor time of a search; infinite when it is not done after twice the bound."""
    started = time.process_time()
    signal.setitimer(signal.ITIMER_VIRTUAL, 2 * SECONDS)  # the engine looks for signals now and then
    try:
        found = getattr(use.pattern, use.method)(text)
        if use.method == "finditer":
            deque(found, maxlen=0)
    except TooSlow:
        return float("inf")
    finally:
        signal.setitimer(signal.ITIMER_VIRTUAL, 0)
    return time.process_time() - started


class TooSlow(Exception):
    pass


@pytest.fixture(autouse=True)
def clock() -> Iterator[None]:
    def stop(*_: object) -> None:
        raise TooSlow

    before = signal.signal(signal.SIGVTALRM, stop)
    yield
    signal.signal(signal.SIGVTALRM, before)


@cache
def modules() -> tuple[str, ...]:
    return tuple(
        found.name
        for package in PACKAGES
        for found in pkgutil.walk_packages(package.__path__, f"{package.__name__}.")
        if not found.name.endswith("__main__")
    )


def uses_of(module: str) -> Iterator[Use]:
    """Every use of a pattern in a module: of one that has a name, or is written where it is used."""
    imported = importlib.import_module(module)
    held = {name: value for name, value in vars(imported).items() if isinstance(value, re.Pattern)}
    for node in ast.walk(ast.parse(Path(str(imported.__file__)).read_text())):
        if not isinstance(node, ast.Attribute) or node.attr not in FUNCTIONS:
            continue
        named = node.value
        if isinstance(named, ast.Name) and named.id in held:
            yield Use(held[named.id], METHODS.get(node.attr, "finditer"))
        elif isinstance(named, ast.Attribute) and isinstance(named.value, ast.Name):
            found = getattr(vars(imported).get(named.value.id), named.attr, None)
            if isinstance(found, re.Pattern):
                yield Use(found, METHODS.get(node.attr, "finditer"))
    for call in calls_of(Path(str(imported.__file__))):
        assert isinstance(call.func, ast.Attribute)
        if isinstance(call.args[0], ast.Constant) and call.func.attr != "compile":
            yield Use(re.compile(call.args[0].value), METHODS.get(call.func.attr, "finditer"))


def calls_of(path: Path) -> Iterator[ast.Call]:
    for node in ast.walk(ast.parse(path.read_text())):
        if (
            isinstance(node, ast.Call)
            and isinstance(node.func, ast.Attribute)
            and isinstance(node.func.value, ast.Name)
            and node.func.value.id == "re"
            and node.func.attr in FUNCTIONS
            and node.args
        ):
            yield node


@pytest.mark.parametrize("pattern", [r"(a+)+$", r"(?:a|a)*b", r"a*a*b", r"\s+$", rb"[^\n]*[\x80-\xff][^\n]*"])
def test_the_search_finds_ambiguous_repetition(pattern: str | bytes) -> None:
    assert too_slow(Use(re.compile(pattern), "finditer"))


@pytest.mark.parametrize("package", [p.__name__ for p in PACKAGES])
def test_no_pattern_takes_quadratic_time(package: str) -> None:
    uses = {use: m for m in modules() if m.split(".")[0] == package for use in uses_of(m)}
    slow = {f"{m}: {use}: {found}" for use, m in uses.items() if (found := too_slow(use))}
    assert not slow, "\n".join(sorted(slow))


def test_the_engine_of_sql_does_not_backtrack() -> None:
    started = time.process_time()
    duckdb.execute("select regexp_matches(repeat('a', 1000000) || '!', '^(a+)+$')").fetchall()
    assert time.process_time() - started < 5 * SECONDS
