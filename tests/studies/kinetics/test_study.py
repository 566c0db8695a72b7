"""Kinetics counted in trajectories, against chains, quadrature and the grid solver."""

import json
from dataclasses import replace
from functools import lru_cache

import numpy as np
import pytest
from scipy.spatial.distance import jensenshannon

from mb_support import MINIMA, GridSolver, simulate
from mb_support.datasets import SEED_FAMILIES
from mb_support.states import DISKS
from mb_support.statistics import Estimate, bootstrap, jensen_shannon_divergence
from mb_support.studies.kinetics import counts as kinetics
from mb_support.studies.kinetics import study
from mb_support.studies.kinetics.markov import (
    assign_cells,
    count_cells,
    markov_kinetics,
    markov_model,
    slowest_timescale,
    transition_counts,
)
from mb_support.training.causal import CausalTrainingConfig, training_windows

A, B = (np.float32(centre) for centre, _ in DISKS)
AWAY = np.array([-0.05, 0.47], np.float32)


def walk(places):
    """A trajectory through A, B or elsewhere, one letter a frame."""
    return np.array([{"A": A, "B": B, ".": AWAY}[place] for place in places])[None]


@lru_cache
def solver():
    return GridSolver(1 / 15, 1.0, 0.05)


# ---- densities -----------------------------------------------------------------------------------


def test_divergence_is_zero_for_equal_and_ln_2_for_disjoint_distributions():
    assert jensen_shannon_divergence([0.2, 0.8], [1, 4]) == pytest.approx(0, abs=1e-15)
    assert jensen_shannon_divergence([1, 0], [0, 3]) == pytest.approx(np.log(2))


def test_divergence_by_hand_for_two_boxes():
    # p = (1/2, 1/2), q = (1, 0), middle (3/4, 1/4)
    by_hand = 0.5 * (0.5 * np.log(2 / 3) + 0.5 * np.log(2)) + 0.5 * np.log(4 / 3)
    assert jensen_shannon_divergence([0.5, 0.5], [1, 0]) == pytest.approx(by_hand)


def test_divergence_is_the_square_of_scipys_distance():
    p, q = np.random.default_rng(0).random((2, 50))
    assert jensen_shannon_divergence(p, q) == pytest.approx(jensenshannon(p, q) ** 2)


def test_boxes_of_the_boltzmann_weight_agree_with_the_grid_solver():
    edges = kinetics.box_edges(0.3)
    boxes = kinetics.boltzmann_boxes(1 / 15, edges)
    fine = GridSolver(1 / 15, 1.0, 0.02)
    number = kinetics.assign_boxes(fine.positions, edges)
    weight = fine.stationary_density() * fine.cell_area
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


# ---- passages ------------------------------------------------------------------------------------


def test_last_visited_disk_is_remembered_until_the_other_is_reached():
    visited = kinetics.last_visited(walk("..A.A..B.A"))
    assert visited.tolist() == [[-1, -1, 0, 0, 0, 0, 0, 1, 1, 0]]


def test_passages_are_timed_from_arrival_to_arrival():
    # A at 2; B at 7 (5 frames); A at 9 (2 frames); B at 10 (1 frame); unfinished, 2 frames
    passages = kinetics.count_passages(walk("..A.A..B.AB.."), frame_time=0.5)
    assert passages.count.tolist() == [[2, 1]]
    assert passages.time_after.tolist() == [[3.0, 2.0]]
    assert passages.mean_time(0) == pytest.approx(1.5)
    assert passages.mean_time(1) == pytest.approx(2.0)


def test_frames_are_cut_into_blocks_without_a_seam(monkeypatch):
    frames = np.random.default_rng(1).normal(size=(7, 30, 2)).astype(np.float32)
    whole = kinetics.last_visited(frames)
    monkeypatch.setattr("mb_support.states._BLOCK", 60)
    np.testing.assert_array_equal(kinetics.last_visited(frames), whole)


def test_passage_time_at_frames_tends_to_the_continuous_one():
    at_a = {}
    frame_times = (0.02, 0.005, 0.00125)
    for frame_time in frame_times:
        times = kinetics.frame_passage_time(solver(), DISKS[1], frame_time)
        at_a[frame_time] = float(solver().interpolate(times, MINIMA[0]))
    continuous = solver().interpolate(solver().mean_first_passage_time(DISKS[1]), MINIMA[0])
    above = [at_a[frame_time] / continuous - 1 for frame_time in frame_times]
    assert above[0] > above[1] > above[2] > 0
    assert above[1] < 0.01


def test_passage_time_at_frames_solves_its_equation():
    # m = frame_time + P (m outside), with the share of a cell outside as weight
    target, frame_time = (MINIMA[0], 0.3), 0.05
    times = kinetics.frame_passage_time(solver(), target, frame_time)
    distance = np.linalg.norm(solver().positions - target[0], axis=-1)
    clear = np.abs(distance - target[1]) > 0.05  # cells that the circle does not cut
    again = frame_time + solver().propagate(times * (distance > target[1]), frame_time)
    ratio = (again / times)[clear & solver().active]
    assert np.abs(ratio - 1).max() < 0.02


def test_simulated_passages_agree_with_the_solver():
    # passages B to A take about 11; most of them end in time
    config = replace(study.REGIME, n_frames=1100)
    frames = simulate(config, np.repeat(MINIMA[1:2], 400, axis=0), seed=20_070)
    passages = kinetics.count_passages(frames, config.frame_time)
    estimate = bootstrap(lambda w: passages.mean_time(1, w), 400)
    exact = kinetics.frame_passage_time(solver(), DISKS[0], config.frame_time)
    n_errors = 3.5
    assert estimate.standard_error < 0.07 * estimate.value
    expected = float(solver().interpolate(exact, MINIMA[1]))
    assert abs(estimate.value - expected) < n_errors * estimate.standard_error


# ---- bootstrap and autocorrelation ---------------------------------------------------------------


def test_bootstrap_finds_the_standard_error_of_a_mean():
    values = np.random.default_rng(2).normal(size=400)
    estimate = bootstrap(lambda w: w @ values / w.sum(), 400, n_samples=1000)
    assert estimate.value == pytest.approx(values.mean())
    assert estimate.standard_error == pytest.approx(values.std() / 20, rel=0.1)
    assert estimate.low < values.mean() < estimate.high


def test_what_never_happens_has_no_interval():
    passages = kinetics.count_passages(np.repeat(walk("A....."), 4, axis=0), 1.0)
    estimate = bootstrap(lambda w: passages.mean_time(0, w), 4)
    assert np.isinf(estimate.value) and np.isnan(estimate.standard_error)


def test_autocorrelation_of_a_first_order_process():
    random, memory = np.random.default_rng(3), 0.8
    values = np.empty((200, 2000, 2))
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
    states = chain([[stay_a, 1 - stay_a], [1 - stay_b, stay_b]], 200, 2000)
    counts = transition_counts(states, 1, 2, n_groups=10)
    found = markov_kinetics(counts, 0.5)
    exact = {
        "passage_time_ab": 0.5 / (1 - stay_a),
        "passage_time_ba": 0.5 / (1 - stay_b),
        "slowest_timescale": -0.5 / np.log(stay_a + stay_b - 1),
        "population_b": (1 - stay_a) / (2 - stay_a - stay_b),
    }
    for name, value in exact.items():
        assert found[name] == pytest.approx(value, rel=0.02)
    assert slowest_timescale(counts, 0.5) == pytest.approx(exact["slowest_timescale"], rel=0.02)


def test_groups_of_counts_add_up_and_can_be_weighted():
    states = chain([[0.9, 0.1], [0.3, 0.7]], 20, 50)
    whole = transition_counts(states, 3, 2, n_groups=1)[0].toarray()
    groups = transition_counts(states, 3, 2, n_groups=5)
    np.testing.assert_array_equal(sum(groups).toarray(), whole)
    assert whole.sum() == 20 * 47
    doubled = markov_model(groups, np.array([2, 0, 0, 0, 0])).transition_matrix
    np.testing.assert_allclose(doubled, markov_model(groups[:1]).transition_matrix)


def test_a_trajectory_set_that_never_moves_has_no_timescale():
    cells = np.zeros((4, 20), int)
    counts = transition_counts(cells, 2, 3)
    assert np.isnan(slowest_timescale(counts, 1.0))
    assert np.isnan(markov_kinetics(counts, 1.0)["passage_time_ab"])


def test_cells_are_the_disks_and_then_boxes():
    cells = assign_cells(walk("AB."))[0]
    assert cells[:2].tolist() == [0, 1] and 2 <= cells[2] < count_cells()
    assert assign_cells(np.full((1, 2, 2), 99.0))[0, 0] == count_cells() - 1


# ---- the study -----------------------------------------------------------------------------------


def test_a_description_of_real_simulation_agrees_with_the_exact_values():
    ensemble = study.Ensemble(n_walkers=200, n_frames=1250, n_settle=750, seed=20_090)
    found = study.describe(study.simulate_ensemble(ensemble), ensemble, n_samples=40)
    n_errors = 4
    expected = study.load_results()["exact"]
    for name in ("passage_time_ba", "slowest_timescale"):
        deviation = abs(found[name].value - expected[name])
        assert deviation <= n_errors * found[name].standard_error, found[name]
    assert found["divergence"].value < 0.01
    assert found["rate_ab"].value == pytest.approx(1 / found["passage_time_ab"].value)
    assert found["autocorrelation"]["values"][0] == pytest.approx(1)


def judged(**changes):
    exact = {"passage_time_ab": 100.0, "passage_time_ba": 10.0, "slowest_timescale": 8.0}
    part = {name: Estimate(value, 0.03 * value, np.nan, np.nan) for name, value in exact.items()}
    return part | {"divergence": Estimate(0.001, 0.0, 0.0, 0.0)} | changes, exact


def test_a_generator_is_accepted_if_all_criteria_are_met():
    assert study.verdict(*judged()) == "meets all four criteria"
    slow = judged(passage_time_ab=Estimate(112.0, 3.0, np.nan, np.nan))
    assert study.verdict(*slow) == "meets 3 of the four criteria (missed: A to B)"
    # ten percent or two standard errors, but not with large errors
    assert study.acceptance(*judged(passage_time_ab=Estimate(109.0, 3.0, 0, 0)))["passage_time_ab"][
        "met"
    ]
    vague = judged(passage_time_ab=Estimate(100.0, 6.0, 0, 0))
    assert not study.acceptance(*vague)["passage_time_ab"]["met"]
    spread = judged(divergence=Estimate(0.02, 0.0, 0.0, 0.0))
    assert study.acceptance(*spread)["divergence"] == {
        "value": 0.02, "error": 0.0, "exact": 0.0, "allowed": 0.01, "met": False
    }  # fmt: skip


def test_a_generator_that_never_passes_is_not_accepted():
    nothing = Estimate(np.nan, np.nan, np.nan, np.nan)
    part, exact = judged(**dict.fromkeys(study.TIMES, nothing))
    missed = "A to B, B to A, slowest timescale"
    assert study.verdict(part, exact) == f"meets 1 of the four criteria (missed: {missed})"
    part["divergence"] = Estimate(0.5, 0.0, 0.0, 0.0)
    assert study.verdict(part, exact).startswith("meets none of the four")


def test_the_markov_model_gets_as_many_windows_as_the_generator():
    config = CausalTrainingConfig()
    run = study.MarkovRun()
    assert run.n_windows == config.n_steps * config.batch_size
    assert (run.lag, run.n_relax) == (config.window_length, config.n_relax)
    assert run.seed != training_windows(config).seed


def test_ensembles_of_different_parts_share_no_random_numbers():
    ensembles = (study.Ensemble(), study.FINE_ENSEMBLE, study.DeterministicRun())
    seeds = [*(ensemble.seed for ensemble in ensembles), study.REPEATED_SEED]
    first = SEED_FAMILIES["test"]
    assert len(set(seeds)) == 4 and all(first <= seed < first + 9_000 for seed in seeds)


@pytest.mark.parametrize("part", study.PARTS)
def test_kept_results_are_of_the_present_settings_and_weights(part):
    made_for = json.loads(json.dumps(study._make(part)[0]))
    kept = json.loads((study.RESULTS / f"{part}.json").read_text())
    assert {name: kept.get(name) for name in made_for} == made_for, "make study"


def test_the_committed_generator_meets_the_criteria_for_two_seeds():
    kept = study.load_results()
    for part in ("stochastic", "repeated"):
        assert study.verdict(kept[part], kept["exact"]) == "meets all four criteria"


def test_the_finer_frames_say_the_same_of_a_trajectory_in_four_times_as_many_frames():
    coarse, fine = study.Ensemble(), study.FINE_ENSEMBLE
    for name in ("n_frames", "n_settle", "lag"):
        assert getattr(fine, name) == 4 * getattr(coarse, name)
    assert study.FINE.frame_time == pytest.approx(study.REGIME.frame_time / 4)


def test_results_come_back_as_estimates(tmp_path, monkeypatch):
    body = {"divergence": Estimate(0.1, np.nan, np.nan, np.inf), "density": [0.5, 0.5]}
    monkeypatch.setattr(study, "_make", lambda part: ({"settings": {"n": 1}}, lambda: body))
    study.make_part("simulation", tmp_path)
    written = (tmp_path / "simulation.json").read_text()
    json.loads(written, parse_constant=pytest.fail)  # no NaN or Infinity, which JSON lacks
    found = study.load_results(tmp_path)["simulation"]
    assert found["divergence"].value == 0.1 and np.isnan(found["divergence"].high)
    study.make_part("simulation", tmp_path)  # up to date: not made again
    assert (tmp_path / "simulation.json").read_text() == written


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: kinetics.checked_set(np.zeros((3, 2))), "shape"),
        (lambda: kinetics.checked_set(np.full((1, 3, 2), np.nan)), "NaN"),
        (lambda: jensen_shannon_divergence([1, 2], [1, 2, 3]), "equal length"),
        (lambda: jensen_shannon_divergence([1, -1], [1, 2]), "p must be"),
        (lambda: jensen_shannon_divergence([1, 1], [0, 0]), "q must be"),
        (lambda: bootstrap(np.sum, 1), "n_units"),
        (lambda: kinetics.box_edges(0.0), "width"),
        (lambda: kinetics.count_passages(walk("AB"), 0.0), "frame_time"),
        (lambda: kinetics.frame_passage_time(solver(), DISKS[0], -1.0), "frame_time"),
        (lambda: kinetics.frame_passage_time(solver(), (A, -1.0), 1.0), "radius"),
        (lambda: kinetics.autocorrelation(walk("AB."), [3]), "lags"),
        (lambda: transition_counts(np.zeros((2, 5), int), 5, 3), "lag"),
        (lambda: markov_model(transition_counts(np.zeros((2, 5), int), 1, 3)), "connected"),
        (lambda: study.make_part("poster"), "unknown part"),
    ],
)
def test_impossible_input_is_refused(call, message):
    with pytest.raises(ValueError, match=message):
        call()


@pytest.mark.parametrize(
    ("value", "error", "words"),
    [
        (174.6, 12.34, "175 ± 12"),
        (354.0, 380.0, "350 ± 380"),
        (11.203, 0.0412, "11.203 ± 0.041"),
        (4.94e-5, 3.1e-5, "4.9e-05 ± 3.1e-05"),
        (np.nan, np.nan, "no passage"),
    ],
)
def test_estimates_are_written_to_the_second_digit_of_their_error(value, error, words):
    assert study.with_error(value, error) == words


def test_a_table_of_estimates_has_the_exact_values_beside_them():
    part, exact = judged()
    table = study.table_of_estimates({"made": part}, exact)
    assert table.loc["passage_time_ab"].tolist() == ["100.0 ± 3.0", "100"]
    assert table.loc["divergence", "exact"] == ""


def test_two_ensembles_together_are_weighed_by_their_errors():
    def part(ab, error):
        return {"passage_time_ab": Estimate(ab, error, 0, 0)}

    words = study.pooled_in_words(
        part(100.0, 3.0), part(94.0, 3.0), {"passage_time_ab": 103.0}, ["passage_time_ab"]
    )
    assert words == "97.0 ± 2.1, 2.8 standard errors below the exact 103"
