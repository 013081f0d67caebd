"""Methods in words: what results say of their methods, each thing once."""

from __future__ import annotations

import pytest

from analytics.printed.method_words import methods
from orchestration.report.page import read_release
from tests.unit.report_fixture import make_release


@pytest.fixture(scope="module")
def said(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    release = make_release(tmp_path_factory.mktemp("methods") / "r.duckdb")
    return dict(methods(read_release(release).studies[0]))


def test_models_of_one_method_are_described_once_and_a_status_apart(said: dict[str, str]) -> None:
    assert [t for t in said if t.startswith(("CMAS", "IL-10", "log CK"))] == [
        "CMAS; CK",
        "IL-10/IFN-γ",
        "log CK",
    ]
    assert "Terms are tested by Wald chi-square; F test, Satterthwaite df." in said["CMAS; CK"]
    assert said["IL-10/IFN-γ"].endswith(
        "On the boundary: the variance of the slope is 0: the search ends on the boundary."
    )


def test_adjustments_go_by_the_names_of_their_authors(said: dict[str, str]) -> None:
    assert said["Comparisons of groups"].endswith(
        "Adjusted p values: Benjamini–Hochberg, over the comparisons of a table."
    )


def test_every_status_on_the_page_is_listed(said: dict[str, str]) -> None:
    assert said["Statuses"].endswith(
        "Here: not estimable, too few observations, on the boundary, no events, too few events, monotone"
        " likelihood."
    )
