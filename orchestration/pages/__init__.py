"""The pages on this machine: what `myositis ui` serves.

`door.py` decides who may come in, `application.py` says what stands at which address, `dagster.py` has
Dagster's own pages, `server.py` is the process. Does not belong here: what a page tells (`situation.py`,
`report/`), keeping the process alive (`running/supervisor.py`).
"""
