"""Text that was damaged before it reached us.

Belongs here: finding it. Text can be lost between systems in three ways and still decode: characters replaced
by U+FFFD (or its own double decoding, 锟斤拷), UTF-8 decoded as cp1252 or GBK by the sender (``è‚Œ`` for 肌,
``鑲岀偖``), UTF-7 left undecoded (``+AD4-`` for ``>``). Does not belong here: repair, which would be a guess,
and what becomes of the row.

Bytes are searched first: that is fast, and most files have no hit. A hit counts only if undoing the damage
gives text that people write, so that ``+SSA-`` or ``Ã`` alone pass.
"""

from __future__ import annotations

import base64
import binascii
import re
import unicodedata

from .encodings import UNDECODABLE
from .scripts import COMMON_BOTH, COMMON_SIMPLIFIED, COMMON_TRADITIONAL

COMMON = COMMON_BOTH | COMMON_SIMPLIFIED | COMMON_TRADITIONAL
REASONS = {
    "undecodable_bytes": "bytes that the file's encoding does not have",
    "replacement_character": "characters lost before the file was written (U+FFFD)",
    "double_encoded": "UTF-8 text that was decoded in another encoding and encoded again",
    "utf7_text": "text left in UTF-7",
}
_CP1252 = {
    bytes([b]).decode("cp1252"): b for b in range(0x80, 0xA0) if b not in (0x81, 0x8D, 0x8F, 0x90, 0x9D)
}
_FOLLOW = "[" + "\u0080-\u00bf" + "".join(_CP1252) + "]"
_TWICE_TEXT = re.compile(
    f"[\u00c2-\u00df]{_FOLLOW}|[\u00e0-\u00ef]{_FOLLOW}{{2}}|[\u00f0-\u00f4]{_FOLLOW}{{3}}"
)
_TWICE_BYTES = re.compile(
    rb"\xc3[\x82-\xb4](?:\xc2[\x80-\xbf]|[\xc5\xc6\xcb][\x80-\xbf]|\xe2[\x80-\x84][\x80-\xbf])+"
)
_UTF7 = re.compile(rb"\+([A-Za-z0-9+/]{3,})-")
PREFILTER = f"[\ufffd{UNDECODABLE}]|锟斤|[\u00c2-\u00f4]{_FOLLOW}|[+][A-Za-z0-9+/]{{3,}}-"
# Han, and what else the bytes of UTF-8 are in GBK: kana, bopomofo, wide letters, Greek, Cyrillic, signs
_HAN_RUN = re.compile("[\u4e00-\u9fff\ue000-\uf8ff\u3040-\u312f\uff00-\uffef\u0391-\u0451\u2010-\u2642]{3,}")


def damage_at(chunk: bytes) -> list[tuple[int, str]]:
    """Offsets and rules of damage in a piece of UTF-8 text."""
    found = []
    if b"-" in chunk and b"+" in chunk:
        found += [(m.start(), "utf7_text") for m in _UTF7.finditer(chunk) if _is_utf7(m.group(1))]
    if chunk.isascii():
        return found
    for needle, rule in (
        (b"\xef\xbf\xbd", "replacement_character"),
        ("锟斤".encode(), "replacement_character"),
        (UNDECODABLE.encode(), "undecodable_bytes"),
    ):
        if needle in chunk:
            found += [(m.start(), rule) for m in re.finditer(re.escape(needle), chunk)]
    found += [(m.start(), "double_encoded") for m in _TWICE_BYTES.finditer(chunk) if _is_twice(m.group())]
    return sorted(found)


def damage_in(text: str) -> tuple[str, str] | None:
    """Rule and reason of the first damage in a short text, or None; also finds UTF-8 that was read as GBK."""
    if text.isascii() and not ("+" in text and "-" in text):
        return None
    found = damage_at(text.encode("utf-8", "replace"))
    if found:
        return (found[0][1], REASONS[found[0][1]])
    if not text.isascii() and reads_as_gbk(text):
        return ("double_encoded", REASONS["double_encoded"])
    return None


def _is_utf7(encoded: bytes) -> bool:
    """Base64 of whole UTF-16 units, the rest of the bits zero, of punctuation or of Han that people write."""
    try:
        raw = base64.b64decode(encoded + b"=" * (-len(encoded) % 4), validate=True)
    except (binascii.Error, ValueError):
        return False
    units = raw[: len(raw) // 2 * 2]
    if not units or base64.b64encode(units).rstrip(b"=") != encoded:
        return False
    text = units.decode("utf-16-be", "replace")
    return all((c < "\x7f" and not c.isalnum() and c >= " ") or c in COMMON for c in text)


def _is_twice(run: bytes) -> bool:
    text = run.decode("utf-8", "replace")
    return any(_undone(m.group()) for m in _TWICE_TEXT.finditer(text))


def _undone(run: str) -> bool:
    """Whether the characters, as bytes of cp1252, are one character of UTF-8 that people write."""
    raw = bytes(_CP1252.get(c, ord(c) & 0xFF) for c in run)
    try:
        c = raw.decode("utf-8")
    except UnicodeDecodeError:
        return False
    return unicodedata.category(c) not in ("Cc", "Cn", "Co", "Cs") and not "\u0250" <= c <= "\u036f"


def reads_as_gbk(text: str) -> bool:
    """Whether a run of Han is UTF-8 of common Han that somebody decoded as GBK."""
    for match in _HAN_RUN.finditer(text):
        run = match.group()
        for end in (len(run), len(run) - 1):  # an odd number of bytes leaves the last character cut
            raw = run[:end].encode("gb18030", "ignore")
            undone = raw.decode("utf-8", "ignore")
            whole = len(undone.encode()) >= len(raw) - 2 and len(undone) >= 2
            if whole and sum(c in COMMON for c in undone) * 2 > len(undone) and not undone.isascii():
                return True
    return False
