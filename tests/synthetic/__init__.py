"""The synthetic cohort: a seeded generator of hospital exports that print the published NXP2 study's numbers.

Belongs here: what the cohort must satisfy (``constraints/``), the search for values that satisfy it, and the
writing of those values as two hospitals would send them. A development tool: nothing in the warehouse imports
it. Does not belong here: statistics (``analytics`` has them) and the mapping of the exports (the registry has
it).
"""
