"""How large a part of an export may be before it is refused.

Belongs here: the bounds that keep memory and time bounded whatever a file holds, each with its reason.
Does not belong here: thresholds on how good the data are; those are a registry's.
"""

from __future__ import annotations

KIB, MIB, GIB = 1024, 1024**2, 1024**3

COLUMNS = 16_384  # the width of an Excel sheet; no hospital system exports more
LINE_BYTES = 2_097_152  # DuckDB's own max_line_size; a record beyond it is a lost quote or not a table
JSON_LINE_BYTES = 16 * MIB  # a FHIR resource with an attachment is far longer than a table's row
HEADER_CHARACTERS = 1_000  # a longer column name is a paragraph, not a name
MALFORMED_LINES = 100_000  # kept in memory, about 100 MB at worst; beyond it the file is not what it says
UNPACKED_BYTES = 16 * GIB  # of all members of one archive, or of one compressed file
UNPACKED_RATIO = 500  # deflate reaches 1032; text tables compress 5 to 50 times
RATIO_FREE_BYTES = 64 * MIB  # below this size a high ratio is harmless: a column of equal values
ARCHIVE_MEMBERS = 10_000
WORKBOOK_UNPACKED_BYTES = 4 * GIB  # XML of one workbook, before its cells are laid out
WORKER_MEMORY_BYTES = 4 * GIB  # address space of a process that reads a file
WORKER_DATABASE_BYTES = 1 * GIB  # of it, for DuckDB: it reads Parquet there
WORKER_THREADS = 2
WORKER_FILE_BYTES = UNPACKED_BYTES  # of one file that a reader writes
WORKER_SECONDS = 900  # of processor time; a full sheet of 1,048,576 rows and 40 columns takes under 120
WORKER_SECONDS_LEAST = 120  # for a small file, which may still unpack to hundreds of MiB of text
WORKER_SECONDS_PER_MIB = 30  # of the file as it was delivered
CHUNK_BYTES = 2 * MIB  # how much of a text file is looked at at once
JSON_ELEMENT_CHARACTERS = JSON_LINE_BYTES  # of an array or bundle, which is read element by element


def seconds_to_read(size: int) -> int:
    """Processor time for a file of so many bytes."""
    return min(WORKER_SECONDS, WORKER_SECONDS_LEAST + WORKER_SECONDS_PER_MIB * size // MIB)
