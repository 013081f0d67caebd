"""`from analytics import …` gives every public estimate, and importing the package alone imports no
library.
"""

from __future__ import annotations

import subprocess
import sys

import pandas as pd
import pytest

import analytics


@pytest.mark.parametrize("name", analytics.__all__)
def test_every_public_name_is_there(name: str) -> None:
    assert callable(getattr(analytics, name))


def test_an_unknown_name_is_told_with_those_there_are() -> None:
    with pytest.raises(AttributeError, match=r"it has .*mann_whitney"):
        _ = analytics.mann_withney


def test_the_package_alone_is_cheap() -> None:
    code = "import sys, analytics; sys.exit(any(m in sys.modules for m in ('scipy', 'pandas', 'statsmodels', 'matplotlib')))"
    assert subprocess.run([sys.executable, "-c", code]).returncode == 0


def test_two_lines_from_a_frame_to_a_table() -> None:
    frame = pd.DataFrame({"group": list("aaabbb"), "ck": [1.0, 2, 3, 4, 5, 6]})
    summary, comparison = analytics.table1(
        frame,
        [analytics.VariableSpec("ck", "mean_sd", "welch_t")],
        group="group",
        groups=["a", "b"],
        comparisons=[("a", "b")],
    )
    assert list(summary["display"]) == ["2.00 ± 1.00", "5.00 ± 1.00"]
    assert comparison["status"].tolist() == ["ok"]
