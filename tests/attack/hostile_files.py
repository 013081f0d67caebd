"""Hostile files, each made from a seed: damaged tables, bombs, and what asks to be executed.

Belongs here: making them. Does not belong here: what must become of them (`files.py`).
"""

from __future__ import annotations

import bz2
import gzip
import io
import json
import lzma
import random
import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import duckdb
from openpyxl import Workbook

HEADER = ("id", "sex", "date", "CK")
MIB = 1024**2


@dataclass(frozen=True)
class Hostile:
    """A file: its name (bytes, for it may be no UTF-8), content, and how many rows it certainly has."""

    kind: str
    name: bytes
    content: bytes
    rows: int | None = None  # None: damaged, so nobody can say


def draw(rng: random.Random, marker: Path) -> Hostile:
    """A hostile file. Whatever in it asks to be executed would make the file ``marker``."""
    return rng.choice(MAKERS)(rng, marker)


# tables


def _rows(rng: random.Random, cells: Callable[[int], str] = lambda n: str(100 + n)) -> list[tuple[str, ...]]:
    return [
        (str(n), rng.choice("FM"), f"2024-01-{n % 28 + 1:02}", cells(n)) for n in range(1, rng.randint(3, 40))
    ]


def _csv(rows: list[tuple[str, ...]], delimiter: str = ",") -> bytes:
    quoted = [[f'"{c}"' if set(c) & {delimiter, '"', "\n"} else c for c in row] for row in (HEADER, *rows)]
    return "\r\n".join(delimiter.join(row) for row in quoted).encode() + b"\r\n"


def _xlsx(rows: list[tuple[str, ...]]) -> bytes:
    book = Workbook()
    for row in (HEADER, *rows):
        book.active.append([str(cell) for cell in row])  # type: ignore[union-attr]
    for cells in book.active.iter_rows():  # type: ignore[union-attr]
        for cell in cells:
            cell.data_type = "s"
    out = io.BytesIO()
    book.save(out)
    return out.getvalue()


def _json(rows: list[tuple[str, ...]]) -> bytes:
    return json.dumps([dict(zip(HEADER, row, strict=True)) for row in rows]).encode()


def _ndjson(rows: list[tuple[str, ...]]) -> bytes:
    return "\n".join(json.dumps(dict(zip(HEADER, row, strict=True))) for row in rows).encode()


def _html(rows: list[tuple[str, ...]]) -> bytes:
    lines = ("".join(f"<td>{c}</td>" for c in row) for row in (HEADER, *rows))
    return f"<html><table>{''.join(f'<tr>{line}</tr>' for line in lines)}</table></html>".encode()


def _spreadsheetml(rows: list[tuple[str, ...]], before: str = "") -> bytes:
    cells = "".join(
        "<Row>" + "".join(f'<Cell><Data ss:Type="String">{c}</Data></Cell>' for c in row) + "</Row>"
        for row in (HEADER, *rows)
    )
    name = "urn:schemas-microsoft-com:office:spreadsheet"
    return (
        f'<?xml version="1.0"?>{before}<Workbook xmlns="{name}" xmlns:ss="{name}">'
        f'<Worksheet ss:Name="a"><Table>{cells}</Table></Worksheet></Workbook>'
    ).encode()


def _parquet(rows: list[tuple[str, ...]]) -> bytes:
    import tempfile

    with tempfile.TemporaryDirectory() as folder, duckdb.connect() as connection:
        path = Path(folder) / "t.parquet"
        values = ", ".join(str(row) for row in rows)
        connection.execute(
            f"copy (select * from (values {values}) t({', '.join(HEADER)})) to '{path}' (format parquet)"
        )
        return path.read_bytes()


def _zip(members: dict[str, bytes]) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return out.getvalue()


TABLES: dict[str, Callable[[list[tuple[str, ...]]], bytes]] = {
    "csv": _csv,
    "xlsx": _xlsx,
    "json": _json,
    "ndjson": _ndjson,
    "xls": _html,
    "xml.xls": _spreadsheetml,
    "parquet": _parquet,
    "zip": lambda rows: _zip({"a.csv": _csv(rows)}),
    "csv.gz": lambda rows: gzip.compress(_csv(rows)),
    "csv.bz2": lambda rows: bz2.compress(_csv(rows)),
    "csv.xz": lambda rows: lzma.compress(_csv(rows)),
}


# damage


def _damaged(rng: random.Random, marker: Path) -> Hostile:
    suffix = rng.choice(list(TABLES))
    content = bytearray(TABLES[suffix](_rows(rng)))
    kind = rng.choice(("flipped", "cut", "doubled", "garbage inside", "zeros inside", "head lost"))
    at = rng.randrange(len(content))
    if kind == "flipped":
        for _ in range(rng.randint(1, 20)):
            content[rng.randrange(len(content))] ^= 1 << rng.randrange(8)
    elif kind == "cut":
        del content[at:]
    elif kind == "doubled":
        content[at:at] = content[max(at - 200, 0) : at]
    elif kind == "garbage inside":
        content[at:at] = rng.randbytes(rng.randint(1, 300))
    elif kind == "zeros inside":
        content[at:at] = bytes(rng.randint(1, 300))
    else:
        del content[: rng.randint(1, 8)]
    return Hostile(f"{kind}: {suffix}", f"table.{suffix}".encode(), bytes(content))


def _misnamed(rng: random.Random, marker: Path) -> Hostile:
    real, told = rng.sample(list(TABLES), 2)
    return Hostile(f"misnamed: {real}", f"table.{told}".encode(), TABLES[real](_rows(rng)))


def _noise(rng: random.Random, marker: Path) -> Hostile:
    suffix = rng.choice([*TABLES, "sav", "dta", "sas7bdat", "xpt", "xlsb", "ods", "pdf"])
    heads = (
        b"",
        b"PK\x03\x04",
        b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1",
        b"PAR1",
        b"\x1f\x8b",
        b"$FL2",
        b"{",
        b"[",
    )
    return Hostile(
        f"noise: {suffix}",
        f"table.{suffix}".encode(),
        rng.choice(heads) + rng.randbytes(rng.randint(0, 5000)),
    )


# what asks to be executed, and what breaks out of a text


def _asking(rng: random.Random, marker: Path) -> Hostile:
    """Cells that a spreadsheet, a shell, a template or a database might carry out; each row is a row."""
    payload = rng.choice(
        (
            f"=cmd|'/C touch {marker}'!A0",
            f'=HYPERLINK("file://{marker}")',
            f"'); copy (select 1) to '{marker}'; --",
            f"\"; copy (select 1) to '{marker}'; --",
            f"$(touch {marker})",
            f"`touch {marker}`",
            "{{ ''.__class__.__mro__[1].__subclasses__() }}",
            "{% import os %}",
            "[red]:x:[/red]",
            "\x1b[2J\x1b]0;x\x07",
            "../../etc/passwd",
            "<script>alert(1)</script>",
            "%s%n{0}",
            "‮1E5",
        )
    )
    suffix = rng.choice(("csv", "json", "ndjson", "zip", "csv.gz"))
    rows = _rows(rng, lambda _: payload)
    return Hostile("asks to be executed", f"table.{suffix}".encode(), TABLES[suffix](rows), len(rows))


def _asking_header(rng: random.Random, marker: Path) -> Hostile:
    name = rng.choice(
        (
            f"x\" from (select 1)); copy (select 1) to '{marker}'; --",
            "{{ 7 * 7 }}",
            "x'); drop schema raw cascade; --",
        )
    )
    quoted = '"' + name.replace('"', '""') + '"'
    return Hostile(
        "header asks to be executed", b"table.csv", f"id,sex,date,CK,{quoted}\n1,F,2024-01-01,1,2\n".encode()
    )


def _names(rng: random.Random, marker: Path) -> Hostile:
    name = rng.choice(
        (b"table.M\xfcller.csv", b"table.\n.csv", b"table.'; drop schema raw; --.csv", b"table.*[a]?.csv",
         b"table.:x:[red].csv", b"table." + b"a" * 240 + b".csv", b"table.\x1b[2J.csv", b"table.$(id).csv")
    )  # fmt: skip
    rows = _rows(rng)
    return Hostile("name", name, _csv(rows), len(rows) if name.isascii() else None)


def _outside(rng: random.Random, marker: Path) -> Hostile:
    """XML that asks for a file or a bomb of entities; archives whose members lead out of them."""
    secret = "/etc/passwd"
    bomb = "".join(f'<!ENTITY e{n} "{f"&e{n - 1};" * 10}">' for n in range(1, 10))
    kind = rng.randrange(4)
    if kind == 0:
        text = _spreadsheetml(_rows(rng), f'<!DOCTYPE x [<!ENTITY e SYSTEM "file://{secret}">]>')
        return Hostile("entity: file", b"table.xls", text.replace(b">F<", b">&e;<"))
    if kind == 1:
        text = _spreadsheetml(_rows(rng), f'<!DOCTYPE x [<!ENTITY e0 "x">{bomb}]>')
        return Hostile("entity: bomb", b"table.xls", text.replace(b">F<", b">&e9;<"))
    if kind == 2:
        return Hostile("leads out", b"table.zip", _zip({f"../../../{marker}": _csv(_rows(rng))}))
    book = _xlsx(_rows(rng))
    members = {
        i: zipfile.ZipFile(io.BytesIO(book)).read(i) for i in zipfile.ZipFile(io.BytesIO(book)).namelist()
    }
    sheet = "xl/worksheets/sheet1.xml"
    members[sheet] = f'<!DOCTYPE x [<!ENTITY e0 "x">{bomb}]>'.encode() + members[sheet].replace(
        b">F<", b">&e9;<"
    )
    return Hostile("entity: bomb in xlsx", b"table.xlsx", _zip(members))


# what is far larger than it looks


def _bomb(rng: random.Random, marker: Path) -> Hostile:
    kind, make = rng.choice(list(BOMBS.items()))
    name, content = make(rng)
    return Hostile(f"bomb: {kind}", name.encode(), content)


def _far_away(rng: random.Random) -> bytes:
    book = Workbook()
    for n, name in enumerate(HEADER, 1):
        book.active.cell(1, n, name)  # type: ignore[union-attr]
    book.active.cell(rng.choice((1_000_000, 1_048_576)), 16_384, 1)  # type: ignore[union-attr]
    out = io.BytesIO()
    book.save(out)
    return out.getvalue()


def _mimetype(size: int) -> bytes:
    out = io.BytesIO()
    with (
        zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive,
        archive.open("mimetype", "w", force_zip64=True) as member,
    ):
        for _ in range(size // MIB):
            member.write(bytes(MIB))
    return out.getvalue()


BOMBS: dict[str, Callable[[random.Random], tuple[str, bytes]]] = {
    "zeros in gz": lambda rng: ("table.csv.gz", gzip.compress(bytes(200 * MIB), 1)),
    "zeros in zip": lambda rng: ("table.zip", _zip({"a.csv": bytes(100 * MIB)})),
    "mimetype member": lambda rng: ("table.ods", _mimetype(300 * MIB)),
    "many members": lambda rng: ("table.zip", _zip({f"m{n}.csv": b"" for n in range(20_000)})),
    "zip in zip": lambda rng: ("table.zip", _zip({"a.zip": _zip({"b.zip": _zip({"c.csv": b"a\n1\n"})})})),
    "newlines": lambda rng: ("table.csv", b"id,sex,date,CK\n" + b"\n" * rng.randint(1, 20) * MIB),
    "blank lines": lambda rng: ("table.csv", b"id,sex,date,CK\n" + b" \n" * rng.randint(1, 8) * MIB),
    "one line": lambda rng: ("table.csv", b"id,sex,date,CK\n" + b"x" * rng.randint(3, 30) * MIB),
    "quotes": lambda rng: ("table.csv", b"id,sex,date,CK\n" + b'"' * rng.randint(1, 2) * MIB),
    "lost quotes": lambda rng: ("table.csv", b'id,sex,date,CK\n' + b'1,F,2024-01-01,"1\n' * 20_000),
    "delimiters": lambda rng: ("table.csv", b"," * rng.randint(1, 2) * MIB + b"\n1\n"),
    "beyond ASCII": lambda rng: ("table.csv", b"id,sex,date,CK\n1,F,2024-01-01," + b"a " * 500_000 + b"\xe9\n"),
    "deep JSON": lambda rng: ("table.json", b"[" * rng.choice((10**4, 10**6)) + b"]"),
    "deep NDJSON": lambda rng: ("table.ndjson", b'{"a":' * 10**5 + b"1" + b"}" * 10**5),
    "wide JSON": lambda rng: ("table.json", json.dumps([{f"k{n}": 1} for n in range(20_000)]).encode()),
    "numbers in JSON": lambda rng: ("table.json", b"[" + b"1," * 10**6 + b"1]"),
    "long number": lambda rng: ("table.json", b'[{"id": ' + b"9" * 3 * MIB + b"}]"),
    "unfinished JSON": lambda rng: ("table.json", b'[{"id": "' + b"x" * 20 * MIB),
    "cell far away": lambda rng: ("table.xlsx", _far_away(rng)),
    "nested tables": lambda rng: ("table.xls", b"<table><tr><td>" * 10_000),
    "wide span": lambda rng: ("table.xls", b"<table>" + b'<tr><td rowspan=1000 colspan=1000>1</td></tr>' * 200),
}  # fmt: skip
MAKERS = (
    *(_damaged,) * 9, *(_misnamed,) * 2, *(_noise,) * 3, *(_asking,) * 4, _asking_header, *(_names,) * 2,
    *(_outside,) * 2, *(_bomb,) * 2,
)  # fmt: skip
