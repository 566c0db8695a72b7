"""Errors of committors: regions, blocks, intervals, and verdicts on synthetic errors."""

import numpy as np
import pytest
from scipy.stats import spearmanr

from mb_support.reference import GridSolver
from mb_support.studies.collective_variable import scores as cv_scores
from mb_support.studies.collective_variable.frames import Frames, exact_committor
from mb_support.studies.collective_variable.scores import weighted_spearman

N_BLOCKS = 20


@pytest.fixture(scope="module")
def frames():
    """Five frames of each of 200 trajectories, with committors of all kinds."""
    rng = np.random.default_rng(0)
    committor = rng.random(1000) ** 2
    weights = rng.random(1000)
    return Frames(
        np.repeat(np.arange(200), 5),
        np.tile(np.arange(5), 200),
        rng.normal(size=(1000, 2)),
        committor,
        weights / weights.sum(),
        200,
    )


def rmse(predicted, frames, region):
    squares = cv_scores.error_sums(predicted, frames, N_BLOCKS)[region]
    return np.sqrt(squares.sum() / cv_scores.block_masses(frames, N_BLOCKS)[region].sum())


@pytest.mark.parametrize("region", cv_scores.REGIONS)
def test_errors_of_known_size(frames, region):
    assert rmse(frames.committor, frames, region) == 0
    assert rmse(frames.committor + 0.1, frames, region) == pytest.approx(0.1)


def test_an_error_outside_the_transition_region_counts_outside_only(frames):
    predicted = np.where(frames.in_transition, frames.committor, 0.5)
    assert rmse(predicted, frames, "transition") == 0 and rmse(predicted, frames, "even") == 0
    error = np.where(frames.in_transition, 0, 0.5 - frames.committor)
    expected = np.sqrt(frames.weights @ error**2)
    assert rmse(predicted, frames, "boltzmann") == pytest.approx(expected)


def test_even_errors_give_every_part_of_the_transition_the_same_weight(frames):
    # an error in the first eighth of the range only: an eighth of its square remains
    inside = frames.in_transition & (frames.committor < 0.2)
    predicted = frames.committor + 0.2 * inside
    assert rmse(predicted, frames, "even") == pytest.approx(0.2 / np.sqrt(8))


def test_a_region_is_weighted_as_probes_are_fitted(frames):
    factor = cv_scores.region_factors(frames)["fitted"](frames.committor)
    np.testing.assert_allclose(frames.weights * factor, frames.training_weights)


def test_each_region_can_have_a_prediction_of_its_own(frames):
    predicted = {region: frames.committor + k for k, region in enumerate(cv_scores.REGIONS)}
    found = [rmse(predicted, frames, region) for region in cv_scores.REGIONS]
    np.testing.assert_allclose(found, [0, 1, 2], atol=1e-12)


def test_blocks_hold_whole_trajectories_in_their_order(frames):
    only = frames.committor + (frames.trajectory < 10)  # wrong in the first ten of 200
    squares = cv_scores.error_sums(only, frames, N_BLOCKS)["boltzmann"]
    assert squares[0] > 0 and (squares[1:] == 0).all()


def test_rank_correlation_is_that_of_scipy_in_the_transition_region(frames):
    equal = Frames(**{**vars(frames), "weights": np.full(1000, 1e-3)})
    predicted = frames.committor + np.random.default_rng(1).normal(size=1000)
    value = cv_scores.rank_correlation(predicted, equal)
    inside = frames.in_transition
    expected = spearmanr(predicted[inside], frames.committor[inside])[0]
    assert value == pytest.approx(expected, abs=1e-12)


def test_weighted_spearman_is_the_usual_one_for_equal_weights():
    rng = np.random.default_rng(1)
    first, second = rng.integers(0, 20, size=(2, 300))  # with ties
    second, equal = second + first, np.ones(300)
    expected = spearmanr(first, second)[0]
    assert weighted_spearman(first, second, equal) == pytest.approx(expected, abs=1e-12)
    assert weighted_spearman(first, first**3, equal) == pytest.approx(1.0)
    assert np.isnan(weighted_spearman(np.ones(300), second, equal))


def test_weights_of_spearman_count_like_repeated_rows():
    rng = np.random.default_rng(2)
    first, second = rng.normal(size=(2, 100))
    counts = rng.integers(0, 5, 100)
    repeated = np.repeat(np.arange(100), counts)
    assert weighted_spearman(first, second, counts) == pytest.approx(
        spearmanr(first[repeated], second[repeated])[0], abs=1e-12
    )


def test_no_constant_errs_less_than_the_spread_of_the_committor():
    solver = GridSolver(1 / 15, 1.0, 0.04)
    found = cv_scores.best_constants(solver)
    committor, density = exact_committor(solver), solver.stationary_density()
    inside = density * ((committor > 0.1) & (committor < 0.9))
    for region, weights in (("boltzmann", density), ("transition", inside)):
        errors = [
            np.sqrt(solver.average((committor - constant) ** 2, weights))
            for constant in np.linspace(0, 1, 201)
        ]
        assert min(errors) == pytest.approx(found[region], rel=1e-3)
        assert min(errors) >= found[region]
    # a mixture of the eighths in equal parts: its moments are the means of theirs
    moments = []
    for low in np.linspace(0.1, 0.8, 8):
        eighth = density * ((committor > low) & (committor < low + 0.1))
        moments.append([solver.average(committor**n, eighth) for n in (1, 2)])
    mean, square = np.mean(moments, axis=0)
    assert found["even"] == pytest.approx(np.sqrt(square - mean**2), rel=1e-6)


def test_calibration_of_exact_predictions_is_the_diagonal():
    q = np.linspace(0, 0.999, 1000)
    curve = cv_scores.calibration_curve(q, q, np.ones(1000), [0, 0.5, 1.0, 1.5])
    np.testing.assert_allclose(curve["mean"], curve["committor"])
    assert np.isnan(curve["mean"][2])
    assert curve["low"][0] == pytest.approx(0.08, abs=2e-3)
    assert curve["high"][0] == pytest.approx(0.42, abs=2e-3)


# ---- intervals and verdicts -----------------------------------------------------------------


@pytest.fixture(scope="module")
def bootstrap():
    return cv_scores.Bootstrap(np.ones(80), n_bootstrap=1000)


def squares(mean, seed=0):
    """Squared errors of 80 blocks: chi squared around a mean square."""
    return mean * np.random.default_rng(seed).chisquare(20, size=80) / 20


def test_the_interval_of_an_error_is_that_of_its_mean(bootstrap):
    values = squares(0.04)
    found = bootstrap.error(values)
    assert found.value == pytest.approx(np.sqrt(values.mean())) and len(found.trainings) == 1
    # of a mean of 80: propagated through the root
    half = 1.96 * values.std() / np.sqrt(80) / (2 * found.value)
    assert found.high - found.value == pytest.approx(half, rel=0.15)
    assert found.value - found.low == pytest.approx(half, rel=0.15)


def test_an_error_over_trainings_is_their_mean_and_keeps_every_one(bootstrap):
    found = bootstrap.error([np.full(80, 0.01), np.full(80, 0.09)])
    assert found.value == pytest.approx(0.2)
    np.testing.assert_allclose(found.trainings, [0.1, 0.3])
    assert found.high - found.low < 1e-9  # trajectories alone: all blocks are alike here


def difference(bootstrap, squares, rival):
    """Of one size, whose two trainings agree."""
    return bootstrap.differences({"small": [squares, squares]}, {"small": rival})["small"]


def test_what_both_methods_find_hard_does_not_blur_their_difference(bootstrap):
    hard = squares(0.04)
    found = difference(bootstrap, 1.05 * hard, hard)
    assert found.verdict == "higher"
    apart = difference(bootstrap, 1.05 * hard, squares(0.04, seed=1))
    assert found.high - found.low < 0.2 * (apart.high - apart.low)


def test_trainings_that_disagree_leave_the_verdict_open(bootstrap):
    rival = {"small": np.full(80, 0.04)}
    disagree = {"small": [np.full(80, 0.03), np.full(80, 0.05)]}
    found = bootstrap.differences(disagree, rival)["small"]
    assert found.verdict == "undecided" and found.low < 0 < found.high
    agree = {"small": [np.full(80, 0.03), np.full(80, 0.0301)]}
    assert bootstrap.differences(agree, rival)["small"].verdict == "lower"


def test_the_scatter_of_trainings_is_students_interval_pooled_over_sizes(bootstrap):
    errors = {"small": [0.10, 0.12, 0.14], "large": [0.20, 0.21]}
    sums = {size: [np.full(80, e**2) for e in values] for size, values in errors.items()}
    found = bootstrap.differences(sums, dict.fromkeys(errors, np.zeros(80)))
    scatter = np.sqrt((2 * 0.02**2 + 2 * 0.005**2) / 3)  # three degrees of freedom
    for size, values in errors.items():
        half = 3.182 * scatter / np.sqrt(len(values))
        assert found[size].value == pytest.approx(np.mean(values))
        assert found[size].high - found[size].value == pytest.approx(half, rel=1e-3)
        assert found[size].value - found[size].low == pytest.approx(half, rel=1e-3)


def test_one_training_counts_as_if_it_scattered_like_the_rest(bootstrap):
    sums = {"small": [np.full(80, 0.09), np.full(80, 0.16)], "large": [np.full(80, 0.01)]}
    found = bootstrap.differences(sums, dict.fromkeys(sums, np.zeros(80)))
    half = {size: e.high - e.value for size, e in found.items()}
    assert half["large"] == pytest.approx(np.sqrt(2) * half["small"])
    assert len(found["large"].trainings) == 1


def test_without_a_second_training_of_any_size_nothing_is_decided(bootstrap):
    found = bootstrap.differences({"large": [np.full(80, 0.04)]}, {"large": np.full(80, 0.01)})
    assert found["large"].value == pytest.approx(0.1) and np.isnan(found["large"].low)
    assert found["large"].verdict == "undecided"


def test_controls_are_paired_with_their_trainings(bootstrap):
    before = np.array([np.full(80, 0.02), np.full(80, 0.03)])
    after = 0.9 * before  # a little better, from wherever it began
    paired = bootstrap.differences({"small": after}, {"small": before})["small"]
    crossed = bootstrap.differences({"small": after}, {"small": before[::-1]})["small"]
    assert paired.high - paired.low < 0.2 * (crossed.high - crossed.low)
    assert crossed.verdict == "undecided"


def test_equal_methods_are_undecided(bootstrap):
    assert difference(bootstrap, squares(0.04), squares(0.04)).verdict == "undecided"


def test_the_share_known_runs_from_a_constant_to_the_best(bootstrap):
    best = np.full(80, 0.01)
    for value, expected in ((0.16, 0.0), (0.01, 1.0), (0.085, 0.5)):
        sums = {"small": [np.full(80, value)] * 2}
        found = bootstrap.shares_known(sums, 0.16, best)["small"]
        assert found.value == pytest.approx(expected, abs=1e-12)
        assert found.low == pytest.approx(found.high, abs=1e-9)


def test_estimates_read_as_text():
    one = cv_scores.Estimate(0.1234, 0.11, 0.13, (0.1234,))
    assert one.text() == "0.123 [0.110, 0.130]"
    assert one.text(2, "+") == "+0.12 [+0.11, +0.13]"
