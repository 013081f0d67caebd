"""Cox regression: fit, tests and diagnostics (fit.py), and the pieces it is made of."""

from analytics.cox.concordance import Concordance
from analytics.cox.fit import CoxFit, cox

__all__ = ["Concordance", "CoxFit", "cox"]
