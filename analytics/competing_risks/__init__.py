"""Competing risks: incidence by cause, its comparison between groups, and regression."""

from analytics.competing_risks.fine_gray import FineGray, cause_specific_cox, fine_gray
from analytics.competing_risks.gray import GrayTest, gray_test
from analytics.competing_risks.incidence import CumulativeIncidence, cumulative_incidence

__all__ = [
    "CumulativeIncidence",
    "FineGray",
    "GrayTest",
    "cause_specific_cox",
    "cumulative_incidence",
    "fine_gray",
    "gray_test",
]
