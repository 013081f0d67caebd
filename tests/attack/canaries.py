"""Canaries in every place of a delivery that can name a person: nothing that the registry makes holds one.

A delivery that is taken has them where the mapping says that nothing is read: identifiers, ignored columns,
names that stand under a pattern, properties, comments. A delivery that is refused has them in its cells too.
They are searched in every byte, in UTF-8, UTF-16 and Base64, in compressed files, and in every cell of every
DuckDB and SQLite file. Only `landing/` (the files themselves) and `private/` (the hospitals' own names) may
hold them.
"""

from __future__ import annotations

import base64
import gzip
import io
import random
import sqlite3
import string
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Callable, Iterator
from contextlib import closing, suppress
from pathlib import Path

import duckdb
from openpyxl import Workbook
from openpyxl.comments import Comment
from openpyxl.styles import Font
from openpyxl.workbook.defined_name import DefinedName
from openpyxl.worksheet.datavalidation import DataValidation

from tests.attack.figures import Figures

ROUNDS = 1
ROOT = Path(__file__).parents[2]
MAY_HOLD = ("landing", "private")
REGISTRY = """\
name: canaries
visit_schedule: [{visit: baseline, nominal_month: 0, nominal_day: 0, from_day: -14, to_day: 14}]
quiet_seconds: 0
"""
MAPPING = """\
sender: {sender}
name: {sender}
dates: ["%Y-%m-%d"]
exports:
  - file: "book*.xlsx"
    sheet: "Labs*"
    patients: {{patient_id: id, sex: sex}}
    identifiers: [id, name]
    ignored: [remark]
  - file: "book*.xlsx"
    sheet: "Hidden*"
    ignored: ['*']
  - file: "*.zip"
    member: "part_*.csv"
    observations: {{patient_id: id, observed_on: date, values: {{ck: {{column: CK, unit: U/L}}}}}}
    identifiers: [id, phone]
    optional: true
  - file: "*.ndjson"
    observations: {{patient_id: id, observed_on: date, values: {{alt: {{column: ALT, unit: U/L}}}}}}
    identifiers: [id, mother]
    ignored: [address.line]
    optional: true
  - file: "notes*"
    ignored: ['*']
    optional: true
"""


Word = Callable[[str], str]


class Canaries:
    """A word of its own for each place."""

    def __init__(self, rng: random.Random) -> None:
        self.rng = rng
        self.words: dict[str, str] = {}

    def __call__(self, place: str) -> str:
        return self.words.setdefault(place, "Kq" + "".join(self.rng.choices(string.ascii_lowercase, k=14)))


def attack(seed: int, rounds: int, command: tuple[str, ...] = ("run", "status", "report")) -> Figures:
    """Each round makes a registry, gives it the commands, and searches."""
    broken: list[str] = []
    places = searched = size = 0
    for number in range(rounds):
        with tempfile.TemporaryDirectory() as name:
            registry = Path(name) / "registry"
            words = plant(registry, random.Random(f"{seed}/{number}"))
            said = b"".join(_said(registry, *words_of.split()) for words_of in command)
            for place in {p for p, w in words.items() if w.encode() in said}:
                broken.append(f"round {number}: {place}: said by the command")
            places = len(words)
            files = [p for p in registry.rglob("*") if p.is_file() and not p.is_symlink()]
            made = [p for p in files if p.relative_to(registry).parts[0] not in (*MAY_HOLD, "hospitals")]
            searched += len(made)
            size += sum(p.stat().st_size for p in made)
            broken += [f"round {number}: {found}" for found in search(registry, made, words)]
    numbers = {"places": places, "files searched": searched, "MB searched": round(size / 1e6, 1)}
    return Figures({**numbers, "canaries found": len(broken)}, tuple(broken))


def _said(registry: Path, *command: str) -> bytes:
    done = subprocess.run(
        [sys.executable, "-m", "orchestration.command.cli", *command, "--registry", str(registry)],
        capture_output=True,
        cwd=ROOT,
        check=False,
    )
    assert done.returncode in (0, 1), done.stderr.decode()
    return done.stdout + done.stderr


# planting


def plant(registry: Path, rng: random.Random) -> dict[str, str]:
    """A registry with a delivery to be taken and deliveries to be refused; returns the word of each place."""
    word = Canaries(rng)
    (registry / "hospitals").mkdir(parents=True)
    (registry / "registry.yml").write_text(REGISTRY)
    for sender in ("north", "south"):
        (registry / "hospitals" / f"{sender}.yml").write_text(MAPPING.format(sender=sender))
    taken = registry / "landing" / "north" / "first"
    taken.mkdir(parents=True)
    _book(taken / f"book_{word('taken: file name')}.xlsx", word, "taken")
    _archive(taken / f"{word('taken: archive name')}.zip", word, "taken")
    _ndjson(taken / f"{word('taken: NDJSON name')}.ndjson", word, "taken")
    (taken / f"notes_{word('taken: name of an ignored file')}.txt").write_text(word("taken: ignored file"))
    inner = taken / f"notes{word('taken: folder name')}"
    inner.mkdir()
    (inner / "notes.csv").write_text(f"a\n{word('taken: ignored file in a folder')}\n")
    for n, make in enumerate((_book, _archive, _ndjson, _csv)):
        folder = registry / "landing" / "south" / f"refused_{n}"
        folder.mkdir(parents=True)
        kind = make.__name__.strip("_")
        suffix = {"book": ".xlsx", "archive": ".zip", "ndjson": ".ndjson", "csv": ".csv"}[kind]
        _book(folder / "book.xlsx", Canaries(rng), "good")
        name = f"{'book' if make is _book else ''}{word(f'refused {kind}: file name')}{suffix}"
        make(folder / name, word, f"refused {kind}", cells=True, column=True)
    late = registry / "landing" / "south" / "refused_8"  # once the rows of its first table are inserted
    late.mkdir()
    _book(late / "book.xlsx", word, "refused late", cells=True)
    _archive(late / "a.zip", word, "refused late", phones=True)
    broken = registry / "landing" / "south" / "refused_9"
    broken.mkdir()
    (broken / f"book{word('broken: file name')}.xlsx").write_bytes(
        b"PK\x03\x04" + word("broken: bytes").encode() * 100
    )
    return word.words


def _book(path: Path, word: Word, where: str, *, cells: bool = False, column: bool = False) -> None:
    """A workbook, with canaries in cells that are mapped, and a column that nobody maps, if asked for."""
    book = Workbook()
    for key in ("title", "creator", "subject", "description", "keywords", "category", "lastModifiedBy"):
        setattr(book.properties, key, word(f"{where}: property {key}"))
    sheet = book.active
    assert sheet is not None
    sheet.title = f"Labs {word(f'{where}: sheet name')}"[:31]
    header = ["id", "name", "sex", "remark", *([word(f"{where}: column name")] if column else [])]
    sheet.append(header)
    for n in range(1, 9):
        sex = word(f"{where}: mapped cell") if cells else "F"
        row = [word(f"{where}: id"), word(f"{where}: name"), sex, word(f"{where}: ignored cell"), "x"]
        row[0] += str(n)
        sheet.append(row[: len(header)])
    sheet["B2"].comment = Comment(word(f"{where}: comment"), word(f"{where}: comment author"))
    sheet["C3"].number_format = f'"{word(f"{where}: number format")}" @'
    sheet["C3"].hyperlink = f"http://{word(f'{where}: hyperlink')}.example/"
    sheet["C4"].font = Font(name=word(f"{where}: font name"))
    sheet.oddHeader.center.text = word(f"{where}: page header")
    sheet.oddFooter.center.text = word(f"{where}: page footer")
    check = DataValidation(type="list", formula1=f'"{word(f"{where}: validation list")}"')
    check.prompt = word(f"{where}: validation prompt")
    sheet.add_data_validation(check)
    check.add("C2")
    name = word(f"{where}: defined name")
    book.defined_names[name] = DefinedName(name, attr_text="'a'!$A$1")
    hidden = book.create_sheet(f"Hidden {word(f'{where}: hidden sheet name')}"[:31])
    hidden.append([word(f"{where}: hidden sheet cell")])
    hidden.sheet_state = "hidden"
    book.save(path)


def _archive(
    path: Path, word: Word, where: str, *, cells: bool = False, column: bool = False, phones: bool = False
) -> None:
    """An archive of one table; ``phones``: what is mapped holds numbers of persons, which refuses it."""
    header = "id,phone,date,CK" + (f",{word(f'{where}: column name')}" if column else "")
    rest = "," + word(f"{where}: unmapped cell") if column else ""
    value = "13812345678" if phones else word(f"{where}: mapped cell") if cells else "100"
    rows = "".join(
        f"{word(f'{where}: id')}{n},{word(f'{where}: phone')},2024-01-0{n},{value}{rest}\n"
        for n in range(1, 9)
    )
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        member = zipfile.ZipInfo(f"part_{word(f'{where}: member name')}.csv")
        member.comment = word(f"{where}: member comment").encode()
        extra = word(f"{where}: member extra").encode()
        member.extra = b"\xff\xff" + len(extra).to_bytes(2, "little") + extra
        archive.writestr(member, f"{header}\n{rows}")
        archive.comment = word(f"{where}: archive comment").encode()


def _ndjson(path: Path, word: Word, where: str, *, cells: bool = False, column: bool = False) -> None:
    more = f', "{word(f"{where}: key")}": 1' if column else ""
    path.write_text(
        "".join(
            f'{{"id": "{word(f"{where}: id")}{n}", "mother": "{word(f"{where}: mother")}", "date": "2024-01-0{n}",'
            f' "ALT": "{word(f"{where}: mapped value") if cells else 20}",'
            f' "address": {{"line": "{word(f"{where}: address")}"}}{more}}}\n'
            for n in range(1, 9)
        )
    )


def _csv(path: Path, word: Word, where: str, *, cells: bool = False, column: bool = False) -> None:
    """A file that nobody maps."""
    path.write_text(f"id,{word(f'{where}: column name')}\n1,{word(f'{where}: cell')}\n")


# searching


def search(registry: Path, files: list[Path], words: dict[str, str]) -> Iterator[str]:
    """Where in these files a word was found."""
    forms = {place: _forms(word) for place, word in words.items()}
    for path in files:
        shown = path.relative_to(registry).as_posix()
        for place, word in words.items():
            if word in shown:
                yield f"{place}: the name of {shown.replace(word, '…')}"
        content = b"\n".join(_contents(path))
        for place, texts in forms.items():
            if any(text in content for text in texts):
                yield f"{place}: {shown}"


def _forms(word: str) -> list[bytes]:
    """The word as bytes; in Base64 the middle of it, at each of three offsets."""
    coded = [base64.b64encode(b"x" * n + word.encode())[4:-4] for n in range(3)]
    return [word.encode(), word.lower().encode(), word.encode("utf-16-le"), *coded]


def _contents(path: Path) -> Iterator[bytes]:
    """A file's bytes, and what they hold when they are unpacked or asked as a database."""
    content = path.read_bytes()
    yield content
    if content.startswith(b"\x1f\x8b"):
        with suppress(OSError, EOFError):
            yield gzip.decompress(content)
    if content.startswith(b"PK\x03\x04"):
        with suppress(zipfile.BadZipFile), zipfile.ZipFile(io.BytesIO(content)) as archive:
            yield from (archive.read(name) for name in archive.namelist())
    if content[8:12] == b"DUCK":
        with closing(duckdb.connect(str(path), read_only=True)) as connection:
            tables = connection.execute("select schema_name, table_name from duckdb_tables()").fetchall()
            for schema, table in tables:
                for batch in connection.execute(f'from "{schema}"."{table}"').fetchall():
                    yield repr(batch).encode()
    if content.startswith(b"SQLite format 3"):
        with closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True)) as database:
            for (table,) in database.execute(
                "select name from sqlite_master where type = 'table'"
            ).fetchall():
                yield from (repr(row).encode() for row in database.execute(f'select * from "{table}"'))
