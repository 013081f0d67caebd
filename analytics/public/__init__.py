"""What may leave the house of a study's results.

| module | belongs there |
|---|---|
| `study.py` | which tables and columns leave, and what becomes of each number: `public_study` |
| `summaries.py` | means, medians and differences, rounded so that no number of patients follows from them |
| `curves.py` | survival curves and numbers at risk, made from rounded counts |
| `dates.py` | dates of patients, by month or shifted |
| `fisher.py` | whether the class of a p value of counts says more than the rounded counts |

A page, table or figure that leaves is given a `PublicStudy` and nothing else, so it cannot print what is not
public. The rule for counts is `analytics/words/disclosure.py`.
"""

from analytics.public.dates import Dates, public_dates
from analytics.public.study import PublicStudy, public_study

__all__ = ["Dates", "PublicStudy", "public_dates", "public_study"]
