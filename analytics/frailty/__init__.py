"""Cox regression with a gamma frailty per patient."""

from analytics.frailty.fit import FrailtyFit, gamma_frailty

__all__ = ["FrailtyFit", "gamma_frailty"]
