"""The keys of a page's address: which ones a page knows, their values, and the sentence for each wrong one.

Does not belong here: what the keys of one page mean (`chosen.py`, `compare_choices.py`, `course_choices.py`,
`time_choices.py`).
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from orchestration.pages.language import gettext


class NotOffered(Exception):
    """An address asks for something that does not exist; the text says what exists. ``status`` is the HTTP
    status of the answer.
    """

    def __init__(self, sentence: str, status: int = 400) -> None:
        super().__init__(sentence)
        self.status = status


@dataclass(frozen=True)
class Query:
    """The keys of an address, each with its values in their order. An empty value is the default."""

    values: Mapping[str, Sequence[str]]

    @classmethod
    def of(cls, items: Iterable[tuple[str, str]], known: Iterable[str]) -> Query:
        """Raises NotOffered for a key that the page does not know."""
        found: dict[str, list[str]] = {}
        names = [*known, "release", "lang"]
        for name, value in items:
            if name not in names:
                raise NotOffered(
                    gettext(
                        'This page has no choice "%(name)s".%(near)s Its choices: %(choices)s.',
                        name=name[:60], near=_near(name, names), choices=", ".join(names),
                    )
                )  # fmt: skip
            if value.strip():
                found.setdefault(name, []).append(value.strip())
        return cls({name: tuple(values) for name, values in found.items()})

    def one(self, name: str, choices: Iterable[str], default: str) -> str:
        value = self.values.get(name, (default,))[-1]
        return _known(name, value, [*choices])

    def several(self, name: str, choices: Iterable[str], default: Sequence[str]) -> list[str]:
        """In the order of ``choices``, so that the order of an address changes nothing."""
        offered = [*choices]
        wanted = {_known(name, value, offered) for value in self.values.get(name, default)}
        return [value for value in offered if value in wanted]

    def number(self, name: str, default: float | None, low: float, high: float) -> float | None:
        if name not in self.values:
            return default
        text = self.values[name][-1]
        try:
            value = float(text)
        except ValueError:
            value = float("nan")
        if not low <= value <= high:
            raise NotOffered(
                gettext(
                    '%(name)s: expected a number from %(low)g to %(high)g; found "%(found)s".',
                    name=name, low=low, high=high, found=text[:40],
                )
            )  # fmt: skip
        return value

    def fresh(self, stamp: str, now: str, *dependent: str) -> Query:
        """The query without choices that were made for something else. The hidden field ``stamp`` says for
        what the form was made.
        """
        if self.values.get(stamp, (now,))[-1] == now:
            return self
        return Query({name: values for name, values in self.values.items() if name not in dependent})

    def states(self, *names: str) -> bool:
        return any(name in self.values for name in names)


def _known(name: str, value: str, choices: Sequence[str]) -> str:
    if value in choices:
        return value
    shown = ", ".join(choices[:20])
    if len(choices) > 20:
        shown += gettext(" and %(n)d more", n=len(choices) - 20)
    raise NotOffered(
        gettext(
            '%(name)s: there is no "%(value)s".%(near)s There is: %(choices)s.',
            name=name,
            value=value[:60],
            near=_near(value, choices),
            choices=shown or gettext("nothing"),
        ),
        404,
    )


def _near(value: str, choices: Sequence[str]) -> str:
    near = difflib.get_close_matches(value, choices, n=1)
    return gettext(' Did you mean "%(near)s"?', near=near[0]) if near else ""
