"""The language of a page: which one a reader gets, and the translation of each sentence.

Belongs here: choosing the language, reading the catalogues in `translations/`. Does not belong here: the
sentences themselves, which stand in English where they are used: `_("…")` in a template, `gettext("…")` in
Python. `python -m tests.translations` lists those without a translation.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from functools import cache
from http.cookies import CookieError, SimpleCookie
from io import BytesIO
from pathlib import Path
from urllib.parse import parse_qs

from babel.core import negotiate_locale
from babel.messages.mofile import write_mo
from babel.messages.pofile import read_po
from babel.support import NullTranslations, Translations
from starlette.datastructures import Headers
from starlette.types import ASGIApp, Receive, Scope, Send

LANGUAGES = {"en": "English", "zh": "中文"}
DEFAULT = "en"
COOKIE = "language"
TRANSLATIONS = Path(__file__).parent / "translations"
_current: ContextVar[str] = ContextVar("language", default=DEFAULT)


def current() -> str:
    """The language of the request that is answered."""
    return _current.get()


def gettext(message: str, **values: object) -> str:
    """The sentence in the reader's language; `%(name)s` in it is replaced by the value of that name."""
    return translated(message) % values


def ngettext(one: str, many: str, num: int, **values: object) -> str:
    """As `gettext`, for a sentence that depends on a number (`%(num)s`)."""
    return translated_number(one, many, num) % {"num": num, **values}


def translated(message: str) -> str:
    return catalogue(current()).gettext(message)


def translated_number(one: str, many: str, num: int) -> str:
    return catalogue(current()).ngettext(one, many, num)


def marked(message: str) -> str:
    """The sentence as it stands, found by the tool and translated where it is shown."""
    return message


@cache
def catalogue(language: str) -> NullTranslations:
    """Compiled when it is first asked for: no compiled file is kept."""
    path = TRANSLATIONS / language / "LC_MESSAGES" / "pages.po"
    if not path.is_file():
        return NullTranslations()
    compiled = BytesIO()
    with path.open("rb") as file:
        write_mo(compiled, read_po(file, locale=language))
    compiled.seek(0)
    return Translations(compiled)


@cache
def messages(language: str) -> dict[str, str]:
    """Each message of the catalogue, singular and plural, and its translation."""
    path = TRANSLATIONS / language / "LC_MESSAGES" / "pages.po"
    if not path.is_file():
        return {}
    with path.open("rb") as file:
        read = read_po(file, locale=language)
    found = {}
    for message in read:
        ids = message.id if isinstance(message.id, tuple | list) else (message.id,)
        said = message.string if isinstance(message.string, str) else (message.string or ("",))[-1]
        found.update({one: said for one in ids if one and said})
    return found


@contextmanager
def spoken(language: str) -> Iterator[None]:
    """What is said in the block is said in this language."""
    before = _current.set(language)
    try:
        yield
    finally:
        _current.reset(before)


def chosen(scope: Scope) -> str:
    """The language that the address asks for; else the one chosen before; else the browser's."""
    asked = parse_qs(scope["query_string"].decode("latin-1")).get("lang", [""])[0]
    headers = Headers(scope=scope)
    wanted = [asked, _kept(headers.get("cookie", "")), *_accepted(headers.get("accept-language", ""))]
    return negotiate_locale([w for w in wanted if w], list(LANGUAGES), sep="-") or DEFAULT


def _kept(cookies: str) -> str:
    try:
        found = SimpleCookie(cookies).get(COOKIE)
    except CookieError:
        return ""
    return found.value if found else ""


def _accepted(header: str) -> list[str]:
    """The languages of `zh-CN,zh;q=0.9,en;q=0.8`, in the order in which browsers write them."""
    return [part.partition(";")[0].strip() for part in header.split(",")]


class InTheReadersLanguage:
    """Answers each request in the language that `chosen` finds, and keeps a choice made in the address."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        with spoken(chosen(scope)):
            await self.app(scope, receive, send)
