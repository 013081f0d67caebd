"""The likelihood's derivatives, its two ways to sum, and the search on the boundary."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from analytics.mixed_model import patients
from analytics.mixed_model.covariance import Structure
from analytics.mixed_model.likelihood import Problem, natural, profile
from analytics.mixed_model.patients import PatternBlock, RowBlock, arrange_rows, build_blocks
from analytics.mixed_model.search import maximise

MODELS = [(1, "none"), (2, "none"), (1, "ar1"), (2, "ar1"), (1, "car1"), (2, "car1")]


def problem(n_effects: int, serial: str, reml: bool = True, n: int = 20) -> Problem:
    """Patients with one to five visits, some skipped; covariates that vary between and within patients."""
    rng = np.random.default_rng(4)
    patient, visit = np.nonzero(rng.random((n, 5)) < 0.75)
    time = visit.astype(float) if serial != "car1" else visit * 1.3 + 0.1 * (patient % 3)
    z = np.column_stack([np.ones(len(visit)), visit - 2.0])[:, :n_effects]
    x = np.column_stack([np.ones(len(visit)), patient % 2 - 0.5, visit - 2.0])
    y = rng.normal(size=len(visit)) + rng.normal(size=n)[patient] * (1 + 0.3 * visit)
    rows = arrange_rows(patient, time)
    blocks = build_blocks(rows, np.column_stack([x, y]), z, None if serial == "none" else time)
    return Problem(blocks, Structure(n_effects, serial, 1.3), len(y), 3, reml)


def theta_of(structure: Structure, rank: int) -> np.ndarray:
    return np.array(
        [0.7, 0.2, 0.4][: len(structure.entries(rank))] + ([-0.35] if structure.has_serial else [])
    )


def central_difference(function, theta: np.ndarray, step: float = 1e-5) -> np.ndarray:
    rows = []
    for k in range(len(theta)):
        move = np.zeros(len(theta))
        move[k] = step
        rows.append((function(theta + move) - function(theta - move)) / (2 * step))
    return np.array(rows)


@pytest.fixture(params=["by pattern", "by row"])
def layout(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> type:
    """Sum by pattern, or all patients by row."""
    if request.param == "by row":
        monkeypatch.setattr(patients, "FEW_PATTERNS", 0)
        monkeypatch.setattr(patients, "REPEATED", 10**9)
        return RowBlock
    return PatternBlock


@pytest.mark.parametrize("reml", [True, False], ids=["reml", "ml"])
@pytest.mark.parametrize(("n_effects", "serial"), MODELS)
def test_gradient_and_hessian_are_the_derivatives_of_the_value(
    n_effects: int, serial: str, reml: bool, layout: type
) -> None:
    p = problem(n_effects, serial, reml)
    assert {type(b) for b in p.blocks} == {layout}
    for rank in range(n_effects + 1):
        theta = theta_of(p.structure, rank)
        if not len(theta):
            continue
        point = profile(p, theta, rank)
        gradient = central_difference(lambda t, r=rank: profile(p, t, r).value, theta)
        hessian = central_difference(lambda t, r=rank: profile(p, t, r).gradient, theta)
        np.testing.assert_allclose(point.gradient, gradient, rtol=1e-6, atol=1e-6)
        np.testing.assert_allclose(point.hessian, hessian, rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize(("n_effects", "serial"), MODELS)
def test_both_layouts_give_the_same_point(
    n_effects: int, serial: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    one = problem(n_effects, serial)
    monkeypatch.setattr(patients, "FEW_PATTERNS", 0)
    monkeypatch.setattr(patients, "REPEATED", 2 if serial == "car1" else 4)
    mixed = problem(n_effects, serial)
    assert {type(b) for b in mixed.blocks} == {PatternBlock, RowBlock}
    theta = theta_of(one.structure, n_effects)
    a, b = profile(one, theta, n_effects), profile(mixed, theta, n_effects)
    assert a.value == pytest.approx(b.value, rel=1e-13)
    np.testing.assert_allclose(a.hessian, b.hessian, rtol=1e-10)
    np.testing.assert_allclose(a.inverse, b.inverse, rtol=1e-11)


@pytest.mark.parametrize(("n_effects", "serial"), MODELS)
def test_the_natural_form_has_the_derivatives_of_the_likelihood(n_effects: int, serial: str) -> None:
    """By D, sigma^2 and the serial parameter; the value is that of the profile with sigma^2 moved."""
    p = problem(n_effects, serial)
    structure = p.structure

    def at(v: np.ndarray) -> tuple[float, np.ndarray]:
        k = len(structure.triangle)
        delta = np.zeros((n_effects, n_effects))
        for value, (i, j) in zip(v, structure.triangle):
            delta[i, j] = delta[j, i] = value / v[k]
        root = np.linalg.cholesky(delta)
        psi = []
        if structure.has_serial:
            psi = [np.arctanh(v[-1]) if serial == "ar1" else np.log(v[-1] * structure.unit)]
        theta = np.r_[[root[i, j] for i, j in structure.entries()], psi]
        point = profile(p, theta, n_effects)
        rss = point.sigma2 * p.degrees
        profiled = p.degrees * np.log(point.sigma2) + p.degrees
        value = point.value - profiled + p.degrees * np.log(v[k]) + rss / v[k]
        return value, natural(p, replace(point, sigma2=v[k]), delta).gradient

    d = [0.9, 0.1, 0.3] if n_effects == 2 else [0.9]
    v = np.array([*d, 1.2] + ([0.3] if structure.has_serial else []))
    np.testing.assert_allclose(at(v)[1], central_difference(lambda w: at(w)[0], v), rtol=1e-6, atol=1e-6)


def test_the_search_ends_at_a_gradient_of_rounding_size() -> None:
    for n_effects, serial in MODELS:
        _, optimum = maximise(problem(n_effects, serial))
        assert optimum.converged
        assert np.abs(optimum.point.gradient).max(initial=0.0) < 1e-8


def test_patterns_that_share_a_hash_are_told_apart(monkeypatch: pytest.MonkeyPatch) -> None:
    """Two patients of equal length and hash but other visits must not share a pattern."""
    rows = arrange_rows(np.array([0, 0, 1, 1, 2, 2]), None)
    codes = np.array([0, 1, 0, 2, 0, 1])
    unique = np.unique

    def colliding(values, **options):
        return (
            unique(np.zeros_like(values), **options)
            if values.dtype == np.uint64
            else unique(values, **options)
        )

    monkeypatch.setattr(patients.np, "unique", colliding)
    pattern, first = patients._patterns(rows, codes)
    assert pattern.tolist() == [0, 1, 0]
    assert first.tolist() == [0, 1]
