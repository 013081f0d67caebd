"""The key that turns a hospital's name for a patient into `patient_key`, and the hash as DuckDB computes it.

Belongs here: HMAC-SHA-256 (RFC 2104), truncated to 128 bits, and how its key is made, read and checked. The
key never enters the warehouse, a log or git; without it nobody can lead a patient_key back to a patient. The
hashes that link a patient of two hospitals (`linkage.py`) use a second key, derived from this one, so they
cannot be compared with a patient_key.
"""

from __future__ import annotations

import hashlib
import hmac
import secrets
from pathlib import Path
from typing import Literal

import duckdb

from orchestration.files import create_atomically

KEY_BYTES = 32
BLOCK_BYTES = 64
Purpose = Literal["patient", "link"]


class PseudonymKeyError(Exception):
    """The key file cannot be used."""


def read_or_make_key(path: Path) -> bytes:
    """The key in ``path``. The first use makes it, readable by its owner alone."""
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        create_atomically(
            path, secrets.token_hex(KEY_BYTES) + "\n", mode=0o600
        )  # another process may have been first
    if path.stat().st_mode & 0o077:
        raise PseudonymKeyError(f"{path}: others can read the pseudonym key; close it with: chmod 600 {path}")
    try:
        key = bytes.fromhex(path.read_text().strip())
    except ValueError:
        key = b""
    if len(key) != KEY_BYTES:
        raise PseudonymKeyError(
            f"{path}: expected {2 * KEY_BYTES} hexadecimal digits; restore the file from its backup"
            " (a new key gives every patient a new patient_key)"
        )
    return key


def key_of_warehouse(connection: duckdb.DuckDBPyConnection, path: Path) -> bytes:
    """The key in ``path``. It is made if the warehouse has no patients yet, and refused if another key named
    the warehouse's patients.

    The warehouse keeps a mark of the key: an HMAC of a fixed word, from which nobody can find the key.
    """
    marks = [m for (m,) in connection.execute("select mark from raw.pseudonym_mark").fetchall()]
    lost = (
        "restore the file from its backup; only if it is lost for good remove the folder of the warehouse "
        "and run again: every delivery is read anew, and every patient gets a new patient_key"
    )
    has_patients = connection.execute(
        "select count(*) from raw.delivery where state <> 'refused'"
    ).fetchall()[0][0]
    if (marks or has_patients) and not path.exists():
        raise PseudonymKeyError(
            f"{path}: no key here, and the patients of this warehouse were named by one; {lost}"
        )
    key = read_or_make_key(path)
    mark = hmac.new(key, b"mark", hashlib.sha256).hexdigest()[:32]
    if marks and marks != [mark]:
        raise PseudonymKeyError(
            f"{path}: another key than the one by which the patients of this warehouse were named; {lost}"
        )
    if not marks:
        connection.execute(f"insert into raw.pseudonym_mark values ('{mark}')")
    return key


def set_key(connection: duckdb.DuckDBPyConnection, key: bytes) -> None:
    """Give the padded keys to the connection as session variables, so that no SQL statement holds them."""
    keys: dict[Purpose, bytes] = {"patient": key, "link": hmac.new(key, b"link", hashlib.sha256).digest()}
    for purpose, own in keys.items():
        padded = own.ljust(BLOCK_BYTES, b"\0")
        for name, mask in (("inner_pad", 0x36), ("outer_pad", 0x5C)):
            connection.execute(f"set variable {purpose}_{name} = ?::blob", [bytes(b ^ mask for b in padded)])


def hash_sql(text: str, purpose: Purpose = "patient") -> str:
    """SQL for the first 128 bits of HMAC-SHA-256 of ``text`` (an SQL expression), in hexadecimal."""
    inner = f"unhex(sha256(getvariable('{purpose}_inner_pad')::blob || encode({text})))"
    return f"left(sha256(getvariable('{purpose}_outer_pad')::blob || {inner}), 32)"
