"""Collective variables: weights, encodings, scores, Markov baselines, kept results."""

import json

import numpy as np
import pytest
import torch
from deeptime.decomposition import VAMP

from mb_support import collective_variable as cv
from mb_support import cv_results, markov_variables
from mb_support.datasets import make_dataset
from mb_support.inference import weights_digest
from mb_support.model import TrajectoryConfig, TrajectoryTransformer
from mb_support.reference import GridSolver


@pytest.fixture(scope="module")
def solver():
    return GridSolver(1 / 15, 1.0, 0.04)


@pytest.fixture(scope="module")
def data():
    return make_dataset(300, "train", 900, n_frames=400)


@pytest.fixture(scope="module")
def frames(solver, data):
    return cv.pick_frames(solver, data, seed=1)


@pytest.fixture(scope="module")
def model():
    torch.manual_seed(0)
    return TrajectoryTransformer(TrajectoryConfig.of_size("small")).eval()


def test_weighted_frames_are_a_sample_of_the_boltzmann_density(solver, frames):
    # by chance a trajectory starts in one basin or the other: resample trajectories
    names, group = np.unique(frames.trajectory, return_inverse=True)
    mass = np.bincount(group, frames.weights)
    for values, exact in (
        (frames.committor, solver.average(cv.exact_committor(solver))),
        (frames.positions[:, 1], solver.average(solver.positions[..., 1])),
    ):
        part = np.bincount(group, frames.weights * (values - exact))
        error = np.sqrt(len(names) * np.var(part - part.mean())) / mass.sum()
        assert abs(part.sum()) < 4 * error
    unweighted = frames.committor.mean() - solver.average(cv.exact_committor(solver))
    assert unweighted > 0.1  # so that the weights are needed


def test_weights_and_shares_are_normalised(frames):
    assert frames.weights.sum() == pytest.approx(1)
    assert frames.training_weights.sum() == pytest.approx(1)
    assert frames.training_weights[frames.in_transition].sum() > 0.5
    assert frames.frame.min() >= cv.SKIPPED


def test_boltzmann_weights_come_closer_to_one_as_trajectories_settle(solver, data):
    ratio = cv.boltzmann_weight(solver, data.config, 0, 400)
    density = solver.stationary_density()
    seen = density > 1e-4 * density.max()
    assert ratio[seen].min() > 0.05 and ratio[seen].max() < 20
    early = cv.boltzmann_weight(solver, data.config, 100, 110)
    late = cv.boltzmann_weight(solver, data.config, 390, 400)
    assert np.abs(np.log(late[seen])).mean() < np.abs(np.log(early[seen])).mean()
    with pytest.raises(ValueError, match="frames must lie"):
        cv.boltzmann_weight(solver, data.config, 10, 10)


def test_frames_of_another_temperature_or_share_are_refused(solver, data):
    with pytest.raises(ValueError, match="must have beta"):
        cv.pick_frames(GridSolver(0.1, 1.0, 0.04), data, 0)
    with pytest.raises(ValueError, match="shares must"):
        cv.pick_frames(solver, data, 0, shares=(0.0, 0.1))


def test_frames_are_found_again_in_their_windows(data, frames):
    windows = cv.cut_windows(data.trajectories, 100)
    window, frame = cv.place_in_windows(frames, 400, 100)
    np.testing.assert_allclose(windows[window, frame], frames.positions)
    with pytest.raises(ValueError, match="must divide 400"):
        cv.cut_windows(data.trajectories, 300)


def test_windows_are_standardised_as_the_model_does_it(data, model):
    windows = data.trajectories[:5]
    ours = cv.standardise_windows(windows)[0]
    theirs = model.standardise(torch.from_numpy(windows))[0].numpy()
    np.testing.assert_allclose(ours, theirs, atol=1e-4)


def test_encodings_are_the_hidden_states_of_the_asked_frames(data, model):
    windows = cv.cut_windows(data.trajectories[:30], 50)
    window, frame = np.array([3, 200, 3, 0]), np.array([49, 0, 7, 20])
    found = cv.encode_frames(model, windows, window, frame)
    assert found.shape == (4, 5, 16)
    with torch.no_grad():
        hidden = model(torch.from_numpy(windows[window]), output_hidden_states=True).hidden_states
    expected = np.stack([h.numpy()[np.arange(4), frame] for h in hidden], axis=1)
    np.testing.assert_allclose(found, expected, atol=2e-5)
    with pytest.raises(ValueError, match="frame must lie in 0..49"):
        cv.encode_frames(model, windows, [0], [50])


def test_scores_of_known_errors(frames):
    exact = cv.committor_scores(frames.committor, frames, n_bootstrap=20)
    assert all(region["rmse"][0] == 0 for region in exact.values())
    assert exact["transition"]["spearman"][0] == pytest.approx(1)
    off = cv.committor_scores(frames.committor + 0.1, frames, n_bootstrap=20)
    for region in off.values():
        assert region["rmse"][0] == pytest.approx(0.1)
        assert region["mae"] == pytest.approx((0.1, 0.1, 0.1))


def test_an_error_outside_the_transition_region_counts_outside_only(frames):
    predicted = np.where(frames.in_transition, frames.committor, 0.5)
    scores = cv.committor_scores(predicted, frames, n_bootstrap=40)
    assert scores["transition"]["rmse"][0] == 0 and scores["even"]["rmse"][0] == 0
    value, low, high = scores["boltzmann"]["rmse"]
    error = np.where(frames.in_transition, 0, 0.5 - frames.committor)
    assert value == pytest.approx(np.sqrt(frames.weights @ error**2))
    assert low <= value <= high


def test_even_scores_give_every_part_of_the_transition_the_same_weight(frames):
    # an error in the first eighth of the range only: an eighth of its square remains
    inside = frames.in_transition & (frames.committor < 0.2)
    scores = cv.committor_scores(frames.committor + 0.2 * inside, frames, n_bootstrap=20)
    assert scores["even"]["rmse"][0] == pytest.approx(0.2 / np.sqrt(8))


def test_scores_refuse_missing_predictions(frames):
    for wrong in (frames.committor[:-1], frames.committor * np.nan):
        with pytest.raises(ValueError, match="finite numbers"):
            cv.committor_scores(wrong, frames)


def test_calibration_of_exact_predictions_is_the_diagonal():
    q = np.linspace(0, 0.999, 1000)
    curve = cv.calibration_curve(q, q, np.ones(1000), [0, 0.5, 1.0, 1.5])
    np.testing.assert_allclose(curve["mean"], curve["committor"])
    assert np.isnan(curve["mean"][2])
    assert curve["low"][0] == pytest.approx(0.08, abs=2e-3)
    assert curve["high"][0] == pytest.approx(0.42, abs=2e-3)


def test_vamp2_score_is_that_of_deeptime():
    rng = np.random.default_rng(0)
    now = rng.normal(size=(4000, 2))
    later = now @ [[0.8, 0.1], [0.0, 0.3]] + rng.normal(size=(4000, 2))
    expected = VAMP().fit((now, later)).fetch_model().score(2)
    assert cv.vamp2_score(now, later) == pytest.approx(expected, abs=2e-3)


def test_vamp2_score_of_one_variable_is_its_squared_correlation():
    rng = np.random.default_rng(1)
    now, counts = rng.normal(size=500), rng.integers(1, 4, 500)
    later = now + rng.normal(size=500)
    repeated = np.repeat(np.arange(500), counts)
    expected = 1 + np.corrcoef(now[repeated], later[repeated])[0, 1] ** 2
    assert cv.vamp2_score(now, later, counts) == pytest.approx(expected)
    assert cv.vamp2_score(now, now) == pytest.approx(2)


def test_no_function_scores_above_the_bound_of_the_slowest_process(solver):
    lag = 0.5
    bound = 1 + np.exp(-2 * lag / solver.implied_timescales(1)[0])
    mode = solver.eigenmodes(1)[1][0]
    assert cv.exact_vamp2(solver, mode, lag) == pytest.approx(bound, abs=1e-6)
    scores = [cv.exact_vamp2(solver, field, lag) for field in solver.positions.transpose(2, 0, 1)]
    committor = cv.exact_vamp2(solver, cv.exact_committor(solver), lag)
    assert max(scores) < committor < bound


# ---- without a transformer ------------------------------------------------------------------


def test_principal_and_slowest_components_find_their_directions():
    rng = np.random.default_rng(0)
    slow = np.cumsum(rng.normal(size=(20, 500)), axis=1) * 0.01
    wide = rng.normal(size=(20, 500)) * 5
    trajectories = np.stack([wide, slow], axis=-1)
    probe = np.array([[1.0, 0.0], [0.0, 1.0], [0.0, 0.0]])
    wide_only = markov_variables.principal_component(trajectories)(probe)
    assert abs(wide_only[0] - wide_only[2]) > 100 * abs(wide_only[1] - wide_only[2])
    slow_only = markov_variables.slowest_linear(trajectories, 5)(probe)
    assert abs(slow_only[1] - slow_only[2]) > 20 * abs(slow_only[0] - slow_only[2])


def test_a_vampnet_finds_the_committor_and_depends_on_its_seed_alone(data, frames):
    make = markov_variables.vampnet_variable
    variable = make(data.trajectories, 20, seed=0, n_epochs=4)
    values = variable(frames.positions)
    assert abs(np.corrcoef(values, frames.committor)[0, 1]) > 0.95
    state = torch.get_rng_state()
    again = make(data.trajectories, 20, seed=0, n_epochs=4)(frames.positions)
    np.testing.assert_array_equal(values, again)
    assert torch.equal(state, torch.get_rng_state())


def test_a_markov_model_gives_the_committor(data, frames):
    raw = data.trajectories.astype(float)
    inside = [
        np.square(raw - np.asarray(centre)).sum(axis=-1) <= radius**2
        for centre, radius in (cv.SOURCE, cv.TARGET)
    ]
    centres = markov_variables.place_cells(raw, spacing=0.12)
    found = markov_variables.markov_committor(
        raw, centres, 5, *inside, disks=(cv.SOURCE, cv.TARGET)
    )
    scores = cv.committor_scores(found(frames.positions), frames, n_bootstrap=20)
    assert scores["boltzmann"]["rmse"][0] < 0.05
    np.testing.assert_array_equal(found([cv.SOURCE[0], cv.TARGET[0]]), [0.0, 1.0])


def test_cells_and_states_are_checked(data):
    raw = data.trajectories[:20]
    for wrong in ({}, {"spacing": 0.1, "n_cells": 5}):
        with pytest.raises(ValueError, match="either spacing or n_cells"):
            markov_variables.place_cells(raw, **wrong)
    nowhere = np.zeros(raw.shape[:2], dtype=bool)
    centres = markov_variables.place_cells(raw, n_cells=10)
    with pytest.raises(ValueError, match="within the source"):
        markov_variables.markov_committor(raw, centres, 2, nowhere, nowhere)
    with pytest.raises(ValueError, match="lag_time must be below"):
        markov_variables.slowest_linear(raw, 400)
    with pytest.raises(ValueError, match="must have shape"):
        markov_variables.principal_component(raw[0])


# ---- kept results ---------------------------------------------------------------------------


def kept_record(model, length):
    scores = {
        region: {measure: [0.2, 0.1, 0.3] for measure in ("rmse", "mae", "spearman")}
        for region in cv_results.REGIONS
    }
    return {
        "settings": {"shares": [0.3, 0.05]},
        "weights": weights_digest(model),
        "all": {str(length): {"scores": scores}, "100": {"scores": scores}},
        "all and position": {"scores": scores},
        "vamp2": {"across": [1.5, 1.4, 1.6]},
        "probe": {"weights": [0.0] * 5 * 16, "intercept": 0.0},
    }


def test_kept_probes_are_scored_on_fresh_frames(solver, data, model):
    record = kept_record(model, 400)
    scores = cv_results.score_fresh(solver, model, record, data)
    assert 0.3 < scores["boltzmann"]["rmse"][0] < 0.5  # it says one half everywhere
    with pytest.raises(ValueError, match="other weights"):
        cv_results.score_fresh(solver, model, record | {"weights": "?"}, data)


def test_tables_hold_every_method_once(model):
    record = kept_record(model, 400)
    better = {"scores": {r: {"rmse": [0.1, 0.1, 0.1]} for r in cv_results.REGIONS}}
    report = record["all"]["400"]
    for measure in ("mae", "spearman"):
        for region in cv_results.REGIONS:
            better["scores"][region][measure] = [0.1, 0.1, 0.1]
    baselines = {"views": {"raw": {"PCA": better}, "standardised": {"PCA": report}}}
    rows = cv_results.report_rows(baselines, {"small": record}, {"small": record})
    table = cv_results.score_table(rows)
    assert table.index.is_unique and len(table) == 6
    assert table.loc[("standardised", "encodings, small"), "vamp2"] == 1.5
    assert cv_results.best_of(rows, "raw", ["PCA", "enc"], "transition")[0] == "PCA"
    with pytest.raises(ValueError, match="no method"):
        cv_results.best_of(rows, "raw", ["TICA"], "transition")


def test_results_that_are_missing_or_of_other_weights_are_not_used(tmp_path, model):
    with pytest.raises(ValueError, match="no results of 'small'"):
        cv_results.load("small", tmp_path)
    model.save_pretrained(tmp_path / "checkpoints" / "small")
    (tmp_path / "small.json").write_text(json.dumps(kept_record(model, 400)))
    found = cv_results.kept_sizes(["small", "large"], tmp_path, tmp_path / "checkpoints")
    assert found == ["small"]
    stale = kept_record(model, 400) | {"weights": "of another model"}
    (tmp_path / "small.json").write_text(json.dumps(stale))
    with pytest.raises(ValueError, match="no results in"):
        cv_results.kept_sizes(["small"], tmp_path, tmp_path / "checkpoints")
    assert cv_results.kept_untrained(["small"], tmp_path) == {}
