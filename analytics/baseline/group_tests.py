"""The tests of a table by the kind of variable that they fit, as `analytics/declared_tests.py` has them.

Belongs here: which declared tests fit which variable. Does not belong here: the tests themselves, their
names.
"""

from __future__ import annotations

from analytics.declared_tests import BOUNDED, COUNT, MANY, MEASUREMENT, TWO, statistical_tests

MEASUREMENT_TESTS = statistical_tests(MEASUREMENT, groups=TWO)
COUNT_TESTS = statistical_tests(COUNT, groups=TWO)
CENSORED_TESTS = statistical_tests(BOUNDED, groups=TWO)
TWO_BY_TWO_TESTS = tuple(name for name, test in COUNT_TESTS.items() if test.only_two_levels)
TWO_GROUP_TESTS = MEASUREMENT_TESTS | COUNT_TESTS | CENSORED_TESTS

K_MEASUREMENT_TESTS = statistical_tests(MEASUREMENT, groups=MANY)
K_COUNT_TESTS = statistical_tests(COUNT, groups=MANY)
K_GROUP_TESTS = K_MEASUREMENT_TESTS | K_COUNT_TESTS
