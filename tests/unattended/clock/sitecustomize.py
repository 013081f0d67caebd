"""Sets the day of a process forward, for tests alone: `date.today()` is UNATTENDED_DAYS days later.

Python imports this module at its start when its folder is on PYTHONPATH. `datetime.now()`, Dagster's own
clock, stays as it is. `date` itself is changed: a class in its place could not be derived from, which
pydantic does.
"""

import ctypes
import datetime
import gc
import os
import time

_ahead = datetime.timedelta(days=int(os.environ.get("UNATTENDED_DAYS", "0")))


def _today(cls: type[datetime.date]) -> datetime.date:
    return cls.fromtimestamp(time.time()) + _ahead


if _ahead:
    [_methods] = gc.get_referents(datetime.date.__dict__)  # the dictionary behind the read-only view of it
    _methods["today"] = classmethod(_today)
    ctypes.pythonapi.PyType_Modified(ctypes.py_object(datetime.date))
