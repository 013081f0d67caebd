"""What a reader takes from a report that was written: every count with its place, from page, CSV and SVG.

Belongs here: reading the files as anybody outside could. Nothing is imported from the project, so the reader
knows only what is printed. Does not belong here: what follows from it (`bounds.py`).
"""

from __future__ import annotations

import csv
import re
import xml.etree.ElementTree as ET
from collections.abc import Iterator
from dataclasses import dataclass, field
from html.parser import HTMLParser
from pathlib import Path

from tests.attack.curves import STEP, SVG, decoded, lines, share_at

Key = tuple[str, ...]  # ("size", group), ("known", variable, group), ("count", variable, group), …
FAR = 10_000


@dataclass(frozen=True)
class Said:
    """A count, or a bound of it, as it is printed in one place."""

    key: Key
    text: str
    place: str


@dataclass
class Printed:
    """One release as it is printed. ``rounded_to`` is what the page says of its rounding, 1 if nothing."""

    said: list[Said] = field(default_factory=list)
    rounded_to: int = 1
    groups: list[str] = field(default_factory=list)
    smallest: int = 0

    def range_of(self, text: str) -> tuple[int, int] | None:
        """The counts that a text may stand for; None of a text that says nothing."""
        if match := re.fullmatch(r"<\s?(\d+)", text):
            return 0, int(match[1]) - 1
        if match := re.fullmatch(r">\s?(\d+)", text):
            return int(match[1]) + 1, FAR
        if not (match := re.fullmatch(r"(\d+)(?: to (\d+))?", text)):
            return None
        half = self.rounded_to // 2
        return max(0, int(match[1]) - half), int(match[2] or match[1]) + half


def read(folder: Path) -> Printed:
    """Everything that the files of a report say of numbers of patients, and those of a site beside it."""
    pages = [_Page(path.read_text(encoding="utf-8")) for path in sorted(folder.rglob("*.html"))]
    text = " ".join(page.text for page in pages)
    printed = Printed()
    if match := re.search(r"rounded to the nearest (\d+)", text):
        printed.rounded_to = int(match[1])
    sizes = list(dict.fromkeys(size for page in pages for size in page.sizes))
    printed.groups = list(dict.fromkeys(label for _, label in sizes))
    printed.said += [Said(("size", label), n, "page, sizes") for n, label in sizes]
    for page in pages:
        printed.said += _sentences(page.text, printed.groups)
    for path in sorted(folder.rglob("tables/*.csv")):
        printed.said += _table(path, printed.groups)
    for path in sorted(folder.rglob("figures/*_curve.svg")):
        found = list(_at_risk(path, printed.groups))
        printed.said += found if printed.rounded_to == 1 else _undone(path, found, printed)
    for header in (header for page in pages for header in page.headers):
        for label in printed.groups:
            if match := re.fullmatch(rf"{re.escape(label)}\s*n = (\d+)", header):
                printed.said.append(Said(("size", label), match[1], "page, header of a table"))
    printed.said = list(dict.fromkeys(printed.said))
    return printed


class _Page(HTMLParser):
    """The page's text, the sizes of its groups, and the headers of its tables."""

    def __init__(self, source: str) -> None:
        super().__init__()
        self.words: list[str] = []
        self.sizes: list[tuple[str, str]] = []
        self.headers: list[str] = []
        self._path: list[tuple[str, str]] = []
        self._number = ""
        self.feed(source)
        self.text = re.sub(r"\s+", " ", " ".join(self.words))

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self._path.append((tag, dict(attrs).get("class") or ""))
        if tag == "th":
            self.headers.append("")

    def handle_endtag(self, tag: str) -> None:
        while self._path and self._path.pop()[0] != tag:
            pass

    def handle_data(self, data: str) -> None:
        if any(tag == "style" for tag, _ in self._path):
            return
        self.words.append(data)
        if any(tag == "th" for tag, _ in self._path):
            self.headers[-1] = f"{self.headers[-1]} {data}".strip()
        if any(tag == "ul" and name == "groups" for tag, name in self._path):
            if self._path[-1] == ("span", "n"):
                self._number = data.strip()
            elif self._path[-1] == ("span", "label"):
                self.sizes.append((self._number, data.strip()))


def _sentences(text: str, groups: list[str]) -> Iterator[Said]:
    """Findings, notes of models, captions: whatever counts patients or events in words."""
    for label in groups:
        name = re.escape(label)
        for match in re.finditer(rf"{name}: (\d+) events? in (\d+) patients", text):
            yield Said(("events", label), match[1], "page, sentence")
            yield Said(("size", label), match[2], "page, sentence")
        for match in re.finditer(rf"{name}: \d+ of (\d+) were not followed", text):
            yield Said(("size", label), match[1], "page, sentence")
    for match in re.finditer(r": (\d+) patients, (\d+) events,", text):
        yield Said(("size of all",), match[1], "page, note of a model")
        yield Said(("events of all",), match[2], "page, note of a model")


def _table(path: Path, groups: list[str]) -> Iterator[Said]:
    with path.open(encoding="utf-8-sig", newline="") as file:
        yield from rows_said(path.stem, list(csv.DictReader(file)), groups)


def rows_said(name: str, rows: list[dict[str, str]], groups: list[str]) -> Iterator[Said]:
    """What the rows of a table say, by the ending of its name."""
    if name.endswith("_cohort_flow"):
        yield from _flow(rows, groups, name)
    elif name.endswith("_survival"):
        for row in rows:
            yield Said(("size", row["Group"]), row["Patients"], name)
            yield Said(("events", row["Group"]), row["Events"], name)
    elif name.endswith("_curve_numbers"):
        for row in rows:
            if row.get("At risk"):
                yield Said(("at risk", f"{int(float(row['Months'])):03}", row["Group"]), row["At risk"], name)
    elif "_table_" in name:
        for row in rows:
            variable = row.get("Variable", "").removesuffix(", n (%)")
            for group in groups:
                yield from _cell(row, variable, group, name)


def _cell(row: dict[str, str], variable: str, group: str, name: str) -> Iterator[Said]:
    text = re.sub(r" \[.*\]$", "", row.get(group) or "")
    if known := row.get(f"{group}, n"):
        yield Said(("known", variable, group), known, name)
    if row.get("Variable", "").endswith(", n (%)") and text:
        yield Said(("count", variable, group), text.partition(" (")[0], name)


def _flow(rows: list[dict[str, str]], groups: list[str], name: str) -> Iterator[Said]:
    for row in rows:
        analysis, step = row["Analysis"], row["Step"].partition(":")[0]
        for group in groups:
            text = re.sub(r" \[.*\]$", "", row.get(group) or "")
            if step == "In a group":
                yield Said(("size", group), text, name)
            elif text:
                yield Said(("flow", analysis, row["Step"], group), text, name)
        if row.get("All"):
            yield Said(("registered", step), row["All"], name)


def _at_risk(path: Path, groups: list[str]) -> Iterator[Said]:
    """Numbers at risk: the texts below the header, by the row of their group and the tick above them."""
    texts = list(_texts(path.read_text(encoding="utf-8")))
    header = next((y for text, _, y in texts if text == "Number at risk"), None)
    if header is None:
        return
    rows = {round(y, 1): text for text, _, y in texts if y > header and text in groups}
    ticks = {round(x, 1): month for month, x in _months(texts).items()}
    for text, x, y in texts:
        if y > header and text not in groups and round(y, 1) in rows and round(x, 1) in ticks:
            yield Said(("at risk", f"{int(ticks[round(x, 1)]):03}", rows[round(y, 1)]), text, path.stem)


def _undone(path: Path, at_risk: list[Said], printed: Printed) -> Iterator[Said]:
    """What a curve was made from, where the page says that it is made from rounded numbers."""
    source = path.read_text(encoding="utf-8")
    texts = list(_texts(source))
    places = {text: y for text, _, y in texts if text in ("0", "100") and y < _header(texts)}
    ticks = _months(texts)
    drawn = lines(source, places["0"] - places["100"]) if len(places) == 2 else {}
    colours = _colours(source, printed.groups)
    for group in printed.groups:
        mine = sorted((s for s in at_risk if s.key[2] == group), key=lambda s: s.key[1])
        line = drawn.get(colours.get(group, ""))
        if not mine or line is None:
            continue
        shares = [share_at(line, ticks[str(int(s.key[1]))]) for s in mine]
        known = [share for share in shares if share is not None]
        bounds = [(int(s.text), int(s.text)) if s.text.isdigit() else (0, STEP) for s in mine]
        for said, (events, left) in zip(mine[1:], decoded(known, bounds, int(mine[0].text)), strict=False):
            for kind, found in (("events by", events), ("left by", left)):
                yield Said((kind, said.key[1], group), f"{found[0]} to {found[-1]}", path.stem)


def _header(texts: list[tuple[str, float, float]]) -> float:
    return next((y for text, _, y in texts if text == "Number at risk"), 0.0)


def _months(texts: list[tuple[str, float, float]]) -> dict[str, float]:
    """The x of each printed month: the numbers of the lowest row above the numbers at risk."""
    above = [(text, x, y) for text, x, y in texts if y < _header(texts) and re.fullmatch(r"\d+", text)]
    axis = max((y for _, _, y in above), default=0.0)
    return {text: x for text, x, y in above if abs(y - axis) < 0.5}


def _colours(source: str, groups: list[str]) -> dict[str, str]:
    """The colour of each group, from its label beside the numbers at risk."""
    found = {}
    for element in ET.fromstring(source).iter(f"{SVG}text"):
        text, style = "".join(element.itertext()).strip(), element.get("style") or ""
        if text in groups and "font-weight: 700" in style:
            found[text] = re.findall(r"fill: (#[0-9a-f]{6})", style)[0]
    return found


def _texts(source: str) -> Iterator[tuple[str, float, float]]:
    for element in ET.fromstring(source).iter(f"{SVG}text"):
        x, y = element.get("x"), element.get("y")
        if x is None or y is None:
            match = re.search(r"translate\(([-\d.]+) ([-\d.]+)\)", element.get("transform", ""))
            x, y = match.groups() if match else ("0", "0")
        yield "".join(element.itertext()).strip(), float(x), float(y)
