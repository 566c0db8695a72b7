"""The free-energy surface: a known one is found again from samples of it."""

import numpy as np
import pytest

from mb_support.studies.molecule import kinetics, study, surface
from mb_support.studies.molecule.runs import load_runs

PHI = np.linspace(-np.pi, np.pi, 181)[:-1]


def known(phi, psi):
    """Two wells in psi, one in phi, kT."""
    return 2.5 * (1 - np.cos(phi + 1.2)) + 1.5 * (1 + np.cos(2 * (psi - 1.1))) - 0.4 * np.sin(psi)


@pytest.fixture(scope="module")
def samples():
    energy = known(*np.meshgrid(PHI, PHI, indexing="ij"))
    weight = np.exp(-energy).ravel()
    random = np.random.default_rng(1)
    drawn = random.choice(weight.size, (8, 20_000), p=weight / weight.sum())
    angles = np.stack([PHI[drawn // len(PHI)], PHI[drawn % len(PHI)]], axis=-1)
    return angles + random.uniform(0, 2 * np.pi / 180, angles.shape)


def test_free_energy_is_known_to_its_error(samples):
    energy, error = surface.free_energy(samples)
    centres = (surface.edges(36)[1:] + surface.edges(36)[:-1]) / 2
    exact = known(*np.meshgrid(centres, centres, indexing="ij"))
    seen = energy < 3
    away = ((energy - exact) - np.median((energy - exact)[seen]))[seen] / error[seen]
    assert np.abs(away).mean() < 1.3 and error[seen].max() < 0.2
    assert not np.isfinite(energy[exact > energy[np.isfinite(energy)].max() + 3]).any()


def test_series_follows_the_surface_and_repeats_itself(samples):
    coefficients = surface.fit_fourier(samples)
    exact, fitted = known(PHI[:, None], PHI), surface.series(coefficients, PHI, PHI)
    low = exact < 4
    difference = (fitted - exact)[low]
    assert (difference - np.median(difference)).std() < 0.15
    np.testing.assert_allclose(
        surface.series(coefficients, PHI + 2 * np.pi, PHI - 2 * np.pi), fitted, atol=1e-9
    )


def test_kept_differences_of_times_are_those_of_the_kept_times():
    kept = study.load_results()
    diffusion = dict(
        zip(*(kept["torus"]["diffusion"][k] for k in ("lag_times", "values")), strict=True)
    )
    of_model = np.array([diffusion[lag] for lag in kinetics.JUDGED_LAGS])
    for name in ("passage_time_ab", "passage_time_ba"):
        ratio = kept["torus"]["times"][name] / of_model / kept["kinetics"][name][0]
        found = kept["times_too_long"][name]
        np.testing.assert_allclose(found["values"], ratio - 1, atol=1e-3)
        assert min(found["errors"]) > 0.01


def test_minima_are_the_bottoms_near_the_named_places(samples):
    a, b = surface.minima_of(surface.fit_fourier(samples))
    np.testing.assert_allclose(a, [-1.2, -0.4], atol=0.25)
    np.testing.assert_allclose(b, [-1.2, 2.65], atol=0.25)


def test_disks_looked_at_in_frames_take_longer_to_reach():
    kept, frame_time = study.load_results(), load_runs().settings.frame_time
    coefficients = np.array(kept["surface"]["coefficients"])
    often, seldom = (
        kinetics.longer_at_frames(coefficients, 0.5, frame_time * factor) for factor in (0.1, 1.0)
    )
    for name in ("passage_time_ab", "passage_time_ba"):
        assert 0 < often[name] < seldom[name]
        assert seldom[name] == pytest.approx(kept["longer_at_frames"][name], rel=0.1)
