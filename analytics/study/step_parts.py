"""What the steps of a study share: the frames that they return, put together, and the words for a scale.

Does not belong here: a step.
"""

from __future__ import annotations

import pandas as pd

Results = dict[str, pd.DataFrame]


def of_the_scale(transform: str) -> str:
    named = {
        "log": "natural logarithm",
        "log1p": "natural logarithm of the value plus 1",
        "sqrt": "square root",
    }
    return f"On the scale of the {named[transform]}."


def stack(parts: list[pd.DataFrame]) -> pd.DataFrame:
    filled = [p for p in parts if len(p)]
    if not filled:
        return parts[0] if parts else pd.DataFrame()
    return pd.concat([p.dropna(axis=1, how="all") for p in filled], ignore_index=True).reindex(
        columns=list(dict.fromkeys(c for p in parts for c in p.columns))
    )
