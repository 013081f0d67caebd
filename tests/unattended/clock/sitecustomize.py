"""Sets the day of a process forward, for tests alone: `date.today()` is UNATTENDED_DAYS days later.

Python imports this module at its start when its folder is on PYTHONPATH. Dagster's own clock stays as it is.
"""

import datetime
import os

_real = datetime.date
_ahead = datetime.timedelta(days=int(os.environ.get("UNATTENDED_DAYS", "0")))


class _Kind(type):
    def __instancecheck__(cls, thing: object) -> bool:
        return isinstance(thing, _real)

    def __subclasscheck__(cls, kind: type) -> bool:
        return issubclass(kind, _real)


class date(_real, metaclass=_Kind):  # type: ignore[misc]
    def __new__(cls, *given: int, **named: int) -> datetime.date:  # type: ignore[misc]
        return _real(*given, **named)

    @classmethod
    def today(cls) -> datetime.date:  # type: ignore[override]
        return _real.today() + _ahead


if _ahead:
    datetime.date = date  # type: ignore[misc]
