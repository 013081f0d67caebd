"""What an audit says: one finding per printed thing and check, with what was assumed and how strong it is.

Belongs here: the words of verdicts and strengths, and the rule of strength. Does not belong here: any check.
"""

from __future__ import annotations

from dataclasses import dataclass

HOLDS = "holds"  # as printed, under what was assumed
HOLDS_IF = "holds_if"  # only with something that the paper does not state: another n, another test
CONTRADICTS = "contradicts"  # nothing that was tried gives it
NOT_CHECKED = "not_checked"  # the paper prints too little; the text says what is missing
NOTE = "note"  # a count or a remark, no verdict on a number
VERDICTS = (CONTRADICTS, HOLDS_IF, HOLDS, NOT_CHECKED, NOTE)

CERTAIN = "certain"  # arithmetic or full enumeration: no data give it under what was assumed
STRONG, FAIR, WEAK = "strong", "fair", "weak"
RARE, SELDOM = 0.1, 0.5  # expected fits by chance, up to which a fit is strong or fair
A_P_VALUE = (
    0.01  # the chance that a p of three decimals is hit by another: about its share of the usual range
)


@dataclass(frozen=True)
class Finding:
    """``cell`` is what the finding is about; ``tried`` is how many possibilities were examined before it was
    stated.
    """

    check: str
    cell: str
    printed: str
    verdict: str
    text: str
    assumed: str = ""
    strength: str = ""
    tried: int = 1


def strength_of(tried: int, share: float = A_P_VALUE) -> str:
    """Of a fit that was searched for: ``tried`` possibilities were looked at, and of all possibilities
    ``share`` fit, so that ``tried * share`` fits were to be expected by chance.
    """
    expected = tried * share
    return STRONG if expected < RARE else FAIR if expected < SELDOM else WEAK
