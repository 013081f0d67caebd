"""A JSON document read element by element, however long it is.

Belongs here: one array's elements, and a FHIR bundle's resources with their references resolved. Does not
belong here: what becomes of an element (``json_lines.py``).
"""

from __future__ import annotations

import io
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from .errors import ExportFault
from .limits import CHUNK_BYTES, JSON_ELEMENT_CHARACTERS

BLANK = " \t\n\r"  # RFC 8259, section 2


def document_elements(path: Path, start: int, decoder: json.JSONDecoder) -> Iterator[Any]:
    """Elements of one array, resources of one FHIR bundle, or the one object that the document is."""
    with _opened(path, start, decoder) as text:
        first = text.peek()
        if first == "[":
            yield from text.array()
            text.end()
            return
    if first != "{" or (names := _names_in_bundle(path, start, decoder)) is None:
        with _opened(path, start, decoder) as text:
            yield text.value()
            text.end()
        return
    with _opened(path, start, decoder) as text:
        for key in text.members():
            if key == "entry" and text.peek() == "[":
                for entry in text.array():
                    yield _resource(entry, names)
            else:
                text.value()


def _names_in_bundle(path: Path, start: int, decoder: json.JSONDecoder) -> dict[str, str] | None:
    """Type and id of each resource by the address of its entry (``urn:uuid:…``); None if it is no bundle."""
    names: dict[str, str] = {}
    kind = None
    with _opened(path, start, decoder) as text:
        for key in text.members():
            if key == "entry" and text.peek() == "[":
                for entry in text.array():
                    _note_name(entry, names)
            elif key == "resourceType":
                kind = text.value()
            else:
                text.value()
        text.end()
    return names if kind == "Bundle" else None


def _note_name(entry: Any, names: dict[str, str]) -> None:
    """Note what an entry is called; a resource without an id takes that of its address."""
    resource = entry.get("resource") if isinstance(entry, dict) else None
    address = entry.get("fullUrl") if isinstance(entry, dict) else None
    if isinstance(resource, dict) and isinstance(address, str):
        if not resource.get("id"):
            resource["id"] = address.rpartition(":")[2].rpartition("/")[2]
        names[address] = f"{resource.get('resourceType')}/{resource['id']}"


def _resource(entry: Any, names: dict[str, str]) -> Any:
    """The resource of an entry. References to the address of an entry are replaced by type and id."""
    _note_name(entry, {})
    resource = entry.get("resource") if isinstance(entry, dict) else entry
    _name_references(resource, names)
    return resource


def _name_references(thing: Any, names: dict[str, str]) -> None:
    if isinstance(thing, dict):
        address = thing.get("reference")
        if isinstance(address, str) and address in names:
            thing["reference"] = names[address]
    for inner in thing.values() if isinstance(thing, dict) else thing if isinstance(thing, list) else ():
        _name_references(inner, names)


def _opened(path: Path, start: int, decoder: json.JSONDecoder) -> _Text:
    raw = path.open("rb")
    raw.seek(start)
    return _Text(io.TextIOWrapper(raw, encoding="utf-8", errors="export_undecodable", newline=""), decoder)


class _Text:
    """The text of a document, of which no more is held than the element that is being read."""

    def __init__(self, file: io.TextIOWrapper, decoder: json.JSONDecoder) -> None:
        self.file, self.decoder = file, decoder
        self.held, self.at, self.is_whole = "", 0, False

    def __enter__(self) -> _Text:
        return self

    def __exit__(self, *_: object) -> None:
        self.file.close()

    def _more(self) -> bool:
        """Hold more of the text: at least as much again, so that an element is parsed few times."""
        rest = self.held[self.at :]
        more = self.file.read(max(CHUNK_BYTES, len(rest)))
        self.held, self.at, self.is_whole = rest + more, 0, not more
        return bool(more)

    def peek(self) -> str:
        """The next character that is not blank; empty at the end."""
        while True:
            while self.at < len(self.held) and self.held[self.at] in BLANK:
                self.at += 1
            if self.at < len(self.held):
                return self.held[self.at]
            if not self._more():
                return ""

    def take(self, wanted: str) -> str:
        """The next character, which must be one of those wanted."""
        found = self.peek()
        if not found or found not in wanted:
            raise broken_document()
        self.at += 1
        return found

    def value(self) -> Any:
        """The next value, whole."""
        self.peek()
        while True:
            try:
                value, end = self.decoder.raw_decode(self.held, self.at)
                if end < len(self.held) or self.is_whole:  # else a number might go on
                    self.at = end
                    return value
            except json.JSONDecodeError:
                if self.is_whole:
                    raise broken_document() from None
            except (ValueError, RecursionError):  # a key twice, NaN, nested too deeply
                raise broken_document() from None
            if len(self.held) - self.at > JSON_ELEMENT_CHARACTERS:
                raise ExportFault(
                    "document_too_large",
                    found=f"a JSON document with a part of more than {JSON_ELEMENT_CHARACTERS:,} "
                    "characters, or damaged there",
                    expected="one object per line (NDJSON), or an array of objects",
                    remedy="Export NDJSON.",
                )
            self._more()

    def array(self) -> Iterator[Any]:
        """The elements of the array that comes next."""
        self.take("[")
        if self.peek() == "]":
            self.take("]")
            return
        while True:
            yield self.value()
            if self.take(",]") == "]":
                return

    def members(self) -> Iterator[str]:
        """The keys of the object that comes next; the caller reads the value after each key."""
        self.take("{")
        seen: set[str] = set()
        if self.peek() == "}":
            self.take("}")
            return
        while True:
            key = self.value() if self.peek() == '"' else None
            if key is None or key in seen:
                raise broken_document()
            seen.add(key)
            self.take(":")
            yield key
            if self.take(",}") == "}":
                return

    def end(self) -> None:
        """Nothing may follow."""
        if self.peek():
            raise broken_document()


def broken_document() -> ExportFault:
    return ExportFault(
        "invalid_json",
        found="a JSON document that does not parse",
        expected="valid JSON",
        remedy="It is cut short or damaged; ask for it again, best as NDJSON.",
    )
