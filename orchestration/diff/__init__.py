"""What changed between two releases, and why each printed number did.

`sides.py` opens the two, `rows.py` finds the rows of the marts that differ and what each traces to, `why.py`
finds the causes of a changed number, `changes.py` puts the records together, `told.py` prints them. Does not
belong here: the terminal (`command/diff.py`), the page (`pages/releases.py`), which inputs a number has
(`analytics/study/reads.py`).
"""
