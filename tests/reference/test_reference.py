"""Every reference case agrees with R, at the tolerance that the cases' README states."""

from __future__ import annotations

import pytest

from tests.reference.run import CASES, answer_case, describe, find_cases


@pytest.mark.parametrize("folder", find_cases(CASES), ids=lambda folder: folder.name)
def test_case_agrees_with_r(folder):
    answer = answer_case(folder)

    faults = [describe(leaf, answer.missing) for leaf in answer.disagreements]

    assert not faults, f"{len(faults)} of {len(answer.compared)} quantities:\n" + "\n".join(faults[:20])
    assert any(leaf.outcome == "agrees" for leaf in answer.compared)
