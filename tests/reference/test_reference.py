"""Every reference case agrees with R, at the tolerance that the cases' README states."""

from __future__ import annotations

import pytest

from tests.reference.run import CASES, MORE_CASES, answer_case, faults, find_cases


@pytest.mark.parametrize("folder", find_cases(CASES) + find_cases(MORE_CASES), ids=lambda folder: folder.name)
def test_case_agrees_with_r(folder):
    answer = answer_case(folder)

    found = faults(answer)

    assert not found, f"{len(answer.disagreements)} of {len(answer.compared)} quantities:\n" + "\n".join(
        found[:20]
    )
    assert any(leaf.outcome == "agrees" for leaf in answer.compared)
