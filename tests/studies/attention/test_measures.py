"""Measures of attention with known answers."""

import numpy as np
import pytest
from tiny_models import agree

from mb_support.statistics import bootstrap_mean, rank_correlation
from mb_support.studies.attention import measures as am


def test_concentration_measures_have_their_known_values():
    uniform, one, half = np.ones(40), np.eye(40)[3], np.repeat([1.0, 0.0], 20)
    assert am.top_share(uniform) == pytest.approx(0.05)
    assert am.top_share(one) == 1
    assert am.top_share(half) == pytest.approx(0.1)
    curve = am.lorenz_curve(half)
    agree(curve, np.minimum(np.arange(41) / 20, 1))


def test_asymmetry_sees_a_shifted_diagonal():
    past = np.zeros(99)
    past[49 - 5] = 1.0  # every frame attends to the frame five before it
    assert am.asymmetry(past) == pytest.approx(-1)
    assert am.asymmetry(past[::-1]) == pytest.approx(1)
    assert am.asymmetry(past + past[::-1]) == pytest.approx(0)


def test_the_mean_time_difference_is_in_frames():
    next_but_one = np.eye(30, k=2)
    assert am.mean_time_difference(next_but_one) == pytest.approx(2)
    assert am.mean_time_difference(next_but_one + next_but_one.T) == pytest.approx(0)
    frames = np.arange(30)
    assert am.mean_distance(30) == pytest.approx(np.abs(frames - frames[:, None]).mean())


def test_profiles_of_sections_are_means_over_their_diagonals():
    windows = np.random.default_rng(1).random((2, 3, 5, 5))
    found = am.section_profiles(windows)
    assert found.shape == (2, 3, 9)
    agree(found[1, 2, 4 + 3], [windows[1, 2, [0, 1], [3, 4]].mean()])
    agree(found[..., 4], np.einsum("...ii->...", windows) / 5)


def test_weight_on_the_own_group_is_known_for_simple_rows():
    groups = np.array([0, 0, 0, 1])
    assert am.own_group_weight(np.ones(4), groups) == pytest.approx(10 / 16)
    assert am.own_group_weight(np.array([0.0, 0, 0, 4]), groups) == pytest.approx(1 / 4)


def test_neighbours_alone_raise_the_weight_on_the_own_group():
    groups, n = np.repeat([0, 1], 20), 40
    maps = np.eye(n, k=1) + np.eye(n, k=-1)
    maps /= maps.sum(axis=1, keepdims=True)
    difference = np.array([maps.diagonal(d).mean() for d in range(1 - n, n)])
    expected = (maps * (groups == groups[:, None])).sum() / n / 0.5
    assert am.own_weight_by_difference(difference, groups) == pytest.approx(expected, rel=1e-2)
    assert am.own_weight_by_difference(np.ones(2 * n - 1), groups) == pytest.approx(1)
    assert am.own_weight_by_difference(difference, 0 * groups) == pytest.approx(1)


def test_positions_of_others_hold_the_key_timesteps_of_a_sink_only():
    rng = np.random.default_rng(2)
    sink = np.full((20, 100), 0.5)
    sink[:, :5] = 10
    agree(am.share_by_position(sink), am.top_share(sink))
    elsewhere = np.array([rng.permutation(row) for row in sink])
    assert am.share_by_position(elsewhere).mean() < 0.3 * am.top_share(elsewhere).mean()


def test_the_head_that_stands_out_is_measured_on_trajectories_that_did_not_choose_it():
    values = np.random.default_rng(3).normal(size=(400, 12, 24))
    _, chosen = am.extreme_unit(values)
    assert chosen.mean() < 0.5 * values[:200].mean(axis=0).max()
    values[:, 3, 5] -= 2
    unit, chosen = am.extreme_unit(values, largest=False)
    assert unit == (3, 5) and len(chosen) == 200
    assert chosen.mean() == pytest.approx(-2, abs=0.2)


def test_features_of_frames_are_what_their_names_say():
    x = np.array([[[-0.558, 1.442], [-0.5, 1.4], [0.6, 0.0], [0.623, 0.028], [0.7, 0.1]]])
    features = am.frame_features(x)
    assert features["early"].argmax() == 0
    agree(features["fast"][0, 1], np.hypot(0.058, 0.042))
    agree(features["transition"], [[-1.5, -0.5, -0.5, -1.5, -2.5]])
    assert features["energy"].argmin() == 0
    z = (x - x.mean(1)) / x.std(1)
    agree(features["extreme"], np.hypot(z[..., 0], z[..., 1]))
    assert np.isnan(am.frame_features(x[:, 2:])["transition"]).all()


def test_enrichment_is_one_by_chance_and_largest_for_the_same_order():
    rng = np.random.default_rng(8)
    scores, other = rng.normal(size=(2, 300, 200))
    assert am.enrichment(scores, scores) == pytest.approx(20)
    assert am.enrichment(scores, -scores) == pytest.approx(0)
    assert am.enrichment(scores, other).mean() == pytest.approx(1, abs=0.25)
    other[3, 5] = np.nan
    assert np.flatnonzero(np.isnan(am.enrichment(scores, other))).tolist() == [3]


def test_bootstrap_intervals_have_the_width_of_the_standard_error():
    values = np.random.default_rng(5).normal(2.0, 1.0, (400, 3))
    mean, low, high = bootstrap_mean(values)
    agree(mean, values.mean(0))
    agree(high - low, 2 * 1.96 / 20, rtol=0.15)
    values[:200, 1] = np.nan
    _, low, high = bootstrap_mean(values)
    agree((high - low)[1], 2 * 1.96 / np.sqrt(200), rtol=0.2)


def test_rank_correlation_knows_order_and_ties():
    a = np.array([1.0, 2.0, 3.0, 10.0])
    assert rank_correlation(a, a**3) == pytest.approx(1)
    assert rank_correlation(a, -a) == pytest.approx(-1)
    assert rank_correlation([1, 1, 2, 3], [1, 2, 3, 3]) == pytest.approx(8 / 9)
    assert np.isnan(rank_correlation(a, np.ones(4)))
