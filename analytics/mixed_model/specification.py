"""What a mixed model is asked to be: the arguments of a fit, checked.

Belongs here: the declared model and refusal of a wrong argument. Does not belong here: data.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

import pandas as pd

from analytics.mixed_model.design import CODINGS
from analytics.mixed_model.formula import Formula, parse_formula
from analytics.status import require_choice, require_columns

SERIAL = ("none", "ar1", "car1")
METHODS = ("reml", "ml")


@dataclass(frozen=True)
class MixedModelSpec:
    """A linear mixed model as a study declares it; ``fit_mixed_model`` documents the fields."""

    response: str | None
    fixed: str
    patient: str = "patient"
    slope: str | None = None
    serial: str = "none"
    serial_time: str = "visit_index"
    method: str = "reml"
    contrasts: str | Mapping[str, str] = "sum"
    factors: Mapping[str, Sequence[object]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        require_choice(self.serial, SERIAL, "serial")
        require_choice(self.method, METHODS, "method")
        for coding in [self.contrasts] if isinstance(self.contrasts, str) else self.contrasts.values():
            require_choice(coding, CODINGS, "contrasts")

    def formula(self, columns: Iterable[object] = ()) -> Formula:
        """The parsed two-sided formula; its response is ``response`` or the left side of ``fixed``.

        A response that is one of ``columns`` is taken by its name, whatever characters that holds.
        """
        text = self.fixed.strip()
        left, tilde, right = text.partition("~")
        left = left.strip() if tilde else ""
        if left and self.response and left.replace(" ", "") != self.response.replace(" ", ""):
            raise ValueError(f'response: "{self.response}" differs from the left side of fixed, "{left}"')
        response = self.response or left
        if not response:
            raise ValueError('response: expected a column or an expression such as "log(ck)"; found none')
        if response in columns and not response.isidentifier():
            response = f"`{response}`"
        return parse_formula(f"{response} ~ {right if tilde else text}")

    def default_coding(self) -> str:
        return self.contrasts if isinstance(self.contrasts, str) else "treatment"

    def require(self, data: pd.DataFrame, formula: Formula) -> list[str]:
        """Names of all columns needed; ValueError where one is missing."""
        needed = list(dict.fromkeys([*formula.columns(), *([self.slope] if self.slope else [])]))
        if self.serial != "none":
            needed.append(self.serial_time)
        unknown = [f for f in self.factors if f not in data.columns]
        require_columns(data, [*needed, self.patient, *unknown])
        return list(dict.fromkeys(needed))
