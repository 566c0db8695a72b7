"""Kinetics counted in trajectories, against chains, quadrature and the grid solver."""

from dataclasses import replace

import numpy as np
import pytest

from mb_support import MINIMA, GridSolver, simulate
from mb_support.states import DISKS
from mb_support.statistics import bootstrap, jensen_shannon_divergence
from mb_support.studies.kinetics import passage_counts as kinetics
from mb_support.studies.kinetics.ensembles import REGIME
from mb_support.studies.kinetics.markov import (
    assign_cells,
    count_cells,
    markov_kinetics,
    markov_model,
    slowest_timescale,
    transition_counts,
)

A, B = (np.float32(centre) for centre, _ in DISKS)
AWAY = np.array([-0.05, 0.47], np.float32)


def walk(places):
    """A trajectory through A, B or elsewhere, one letter a frame."""
    return np.array([{"A": A, "B": B, ".": AWAY}[place] for place in places])[None]


@pytest.fixture(scope="module")
def solver():
    return GridSolver(1 / 15, 1.0, 0.05)


def test_boxes_of_the_boltzmann_weight_agree_with_the_grid_solver():
    solver, edges = GridSolver(1 / 15, 1.0, 0.02), kinetics.box_edges(0.3)
    boxes = kinetics.boltzmann_boxes(1 / 15, edges)
    number = kinetics.assign_boxes(solver.positions, edges)
    weight = solver.stationary_density() * solver.cell_area
    from_solver = np.bincount(number.ravel(), weight.ravel(), minlength=len(boxes))
    assert boxes.sum() == pytest.approx(1)
    assert 0 < boxes[-1] < 5e-4
    # nodes on a box's edge belong to both boxes: compare what they share
    assert jensen_shannon_divergence(boxes, from_solver) < 2e-3


def test_each_frame_is_counted_in_the_box_it_lies_in():
    edges = kinetics.box_edges(0.1)
    n_y = len(edges[1]) - 1
    inside = np.array([edges[0][3] + 0.05, edges[1][7] + 0.01])
    frames = np.array([[inside, inside, [50.0, 0.0]], [[0.0, -9.0], inside, inside]])
    counts = kinetics.count_boxes(frames, edges)
    assert counts[:, 3 * n_y + 7].tolist() == [2, 2]
    assert counts[:, -1].tolist() == [1, 1]
    assert counts.sum() == 6


def test_passages_are_timed_from_arrival_to_arrival():
    # A at 2; B at 7 (5 frames); A at 9 (2 frames); B at 10 (1 frame); unfinished, 2 frames
    passages = kinetics.count_passages(walk("..A.A..B.AB.."), frame_time=0.5)
    assert passages.count.tolist() == [[2, 1]]
    assert passages.time_after.tolist() == [[3.0, 2.0]]
    assert passages.mean_time(0) == pytest.approx(1.5)
    assert passages.mean_time(1) == pytest.approx(2.0)


def test_what_never_happens_has_no_interval():
    passages = kinetics.count_passages(np.repeat(walk("A....."), 4, axis=0), 1.0)
    estimate = bootstrap(lambda w: passages.mean_time(0, w), 4)
    assert np.isinf(estimate.value) and np.isnan(estimate.standard_error)


def test_passage_time_at_frames_solves_its_equation_and_tends_to_the_continuous_one():
    solver, target, above = GridSolver(1 / 15, 1.0, 0.07), (MINIMA[0], 0.3), []
    continuous = solver.interpolate(solver.mean_first_passage_time(target), MINIMA[1])
    for frame_time in (0.05, 0.0125):
        times = kinetics.frame_passage_time(solver, target, frame_time)
        above.append(float(solver.interpolate(times, MINIMA[1])) / continuous - 1)
        # m = frame_time + P (m outside), with the share of a cell outside as weight
        distance = np.linalg.norm(solver.positions - target[0], axis=-1)
        clear = np.abs(distance - target[1]) > 0.07  # cells that the circle does not cut
        again = frame_time + solver.propagate(times * (distance > target[1]), frame_time)
        assert np.abs((again / times)[clear & solver.active] - 1).max() < 0.02
    assert 0.02 > above[0] > above[1] > 0


def test_simulated_passages_agree_with_the_solver(solver):
    # passages B to A take about 11; most of them end in time
    config = replace(REGIME, n_frames=1100)
    frames = simulate(config, np.repeat(MINIMA[1:2], 200, axis=0), seed=20_070)
    passages = kinetics.count_passages(frames, config.frame_time)
    estimate = bootstrap(lambda w: passages.mean_time(1, w), 200)
    exact = kinetics.frame_passage_time(solver, DISKS[0], config.frame_time)
    n_errors = 3.5
    assert estimate.standard_error < 0.1 * estimate.value
    expected = float(solver.interpolate(exact, MINIMA[1]))
    assert abs(estimate.value - expected) < n_errors * estimate.standard_error


def test_autocorrelation_of_a_first_order_process():
    random, memory = np.random.default_rng(3), 0.8
    values = np.empty((200, 500, 2))
    values[:, 0] = random.normal(size=(200, 2))
    noise = np.sqrt(1 - memory**2) * random.normal(size=values.shape)
    for t in range(1, values.shape[1]):
        values[:, t] = memory * values[:, t - 1] + noise[:, t]
    lags = [0, 1, 3, 10]
    found, errors = kinetics.autocorrelation(values + 5.0, lags)
    assert found[0] == pytest.approx(1)
    n_errors = 4
    assert (np.abs(found - memory ** np.array(lags))[1:] < n_errors * errors[1:]).all()
    assert (errors[1:] < 0.02).all()


# ---- Markov state models -------------------------------------------------------------------------


def chain(matrix, n, n_frames, seed=0):
    """Trajectories of a small Markov chain."""
    random = np.random.default_rng(seed)
    states = np.zeros((n, n_frames), int)
    edges = np.cumsum(matrix, axis=1)
    for t in range(1, n_frames):
        states[:, t] = (edges[states[:, t - 1]] < random.random((n, 1))).sum(axis=1)
    return states


def test_timescale_and_passage_times_of_a_solved_chain():
    stay_a, stay_b = 0.95, 0.8
    states = chain([[stay_a, 1 - stay_a], [1 - stay_b, stay_b]], 2000, 200)
    counts = transition_counts(states, 1, 2, n_groups=10)
    found = markov_kinetics(counts, 0.5)
    exact = {
        "passage_time_ab": 0.5 / (1 - stay_a),
        "passage_time_ba": 0.5 / (1 - stay_b),
        "slowest_timescale": -0.5 / np.log(stay_a + stay_b - 1),
        "population_b": (1 - stay_a) / (2 - stay_a - stay_b),
    }
    for name, value in exact.items():
        assert found[name] == pytest.approx(value, rel=0.03)
    assert slowest_timescale(counts, 0.5) == pytest.approx(exact["slowest_timescale"], rel=0.03)


def test_groups_of_counts_add_up_and_can_be_weighted():
    states = chain([[0.9, 0.1], [0.3, 0.7]], 20, 50)
    whole = transition_counts(states, 3, 2, n_groups=1)[0].toarray()
    groups = transition_counts(states, 3, 2, n_groups=5)
    np.testing.assert_array_equal(sum(groups).toarray(), whole)
    assert whole.sum() == 20 * 47
    doubled = markov_model(groups, np.array([2, 0, 0, 0, 0])).transition_matrix
    np.testing.assert_allclose(doubled, markov_model(groups[:1]).transition_matrix)


def test_a_trajectory_set_that_never_moves_has_no_timescale():
    counts = transition_counts(np.zeros((4, 20), int), 2, 3)
    assert markov_model(counts) is None
    assert np.isnan(slowest_timescale(counts, 1.0))
    assert np.isnan(markov_kinetics(counts, 1.0)["passage_time_ab"])


def test_cells_are_the_disks_and_then_boxes():
    cells = assign_cells(walk("AB."))[0]
    assert cells[:2].tolist() == [0, 1] and 2 <= cells[2] < count_cells()
    assert assign_cells(np.full((1, 2, 2), 99.0))[0, 0] == count_cells() - 1
