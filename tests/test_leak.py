"""The leak is measured against exact forecasts, and is zero for whatever cannot see ahead."""

import json
from functools import lru_cache

import numpy as np
import pytest
import torch

from mb_support import leak_study as study
from mb_support.datasets import make_dataset
from mb_support.inference import weights_digest
from mb_support.leak import (
    ExactNextFrame,
    FixedScaleTransformer,
    frame_errors,
    predict_next_frames,
    summarise,
)
from mb_support.model import TrajectoryConfig, TrajectoryTransformer
from mb_support.plotting import leak as plots


@lru_cache
def exact():
    return ExactNextFrame(grid_step=0.03)


@lru_cache
def held_out():
    return make_dataset(400, "validation", index=52, n_frames=40).trajectories


def predictions(forecast_share, noise_share):
    """The exact mean, off by a constant, plus a share of the noise of the answer."""
    frames = held_out().astype(float)
    mean, _ = exact().moments(frames[:, :-1])
    return mean + forecast_share + noise_share * (frames[:, 1:] - mean)


def test_noise_of_the_next_frame_has_the_exact_moments():
    frames = held_out().astype(float)
    mean, variance = exact().moments(frames[:, :-1])
    z = (frames[:, 1:] - mean) / np.sqrt(variance)
    n_errors = 4
    assert np.abs(z.mean(axis=(0, 1))).max() < n_errors / np.sqrt(z[..., 0].size)
    # squares of normal deviates have variance 2; a little more, as these are not quite normal
    assert np.abs((z**2).mean(axis=(0, 1)) - 1).max() < n_errors * np.sqrt(3 / z[..., 0].size)


def test_the_exact_mean_is_at_the_floor_and_sees_no_noise():
    found = summarise(frame_errors(predictions(0, 0), held_out(), exact()))
    assert found.ratio == pytest.approx((1, 0), abs=1e-6)
    assert found.noise_seen == pytest.approx((0, 0), abs=1e-6)
    assert abs(found.exact[0] - found.floor[0]) < 4 * found.exact[1]


def test_an_honest_error_is_above_the_floor_and_sees_no_noise():
    found = summarise(frame_errors(predictions(0.05, 0), held_out(), exact()))
    assert found.ratio[0] > 1 + 4 * found.ratio[1]
    assert abs(found.noise_seen[0]) < 4 * found.noise_seen[1]


def test_seeing_a_share_of_the_noise_is_measured_as_that_share():
    found = summarise(frame_errors(predictions(0, 0.3), held_out(), exact()))
    assert found.noise_seen[0] == pytest.approx(0.3, abs=1e-6)
    assert found.ratio[0] == pytest.approx(0.7**2, abs=1e-6)
    copied = frame_errors(held_out()[:, 1:].astype(float), held_out(), exact())
    assert summarise(copied).noise_seen[0] == pytest.approx(1, abs=1e-6)


def test_errors_are_in_the_units_of_each_trajectory():
    moved = held_out()[:1].astype(float)
    errors = frame_errors(predictions(0, 0)[:1], moved, exact())
    shown = moved[0, :-1]
    first = ((shown[0] - moved[0, 1]) ** 2 / shown.var(axis=0)).sum()
    assert errors.copy[0, 0] == pytest.approx(first)
    assert errors.over(slice(-1, None)).copy.shape == (1, 1)


def test_the_withheld_frame_changes_no_prediction():
    model = study.new_variant("bidirectional").eval()
    frames = held_out()[:5].copy()
    before = predict_next_frames(model, frames)
    frames[:, -1] += 1.0
    np.testing.assert_array_equal(predict_next_frames(model, frames), before)


@pytest.mark.parametrize("name", list(study.VARIANTS))
def test_what_a_position_sees_of_later_frames(name):
    # bidirectional: everything; causal: their statistics; causal with constants: nothing
    model = study.new_variant(name).eval()
    frames = held_out()[:5, :20].copy()
    before = predict_next_frames(model, frames)
    frames[:, 12] += 0.3
    change = np.abs(predict_next_frames(model, frames) - before)[:, :12].max()
    # the fused attention bounds its scores by all frames, which moves the last digit
    assert change < 1e-5 if name == "causal_fixed" else change > 1e-4


def test_own_statistics_give_the_last_frame_shown_away():
    # standardised coordinates sum to zero, so all frames but one determine the last one
    model = TrajectoryTransformer(TrajectoryConfig.of_size("small"))
    standardised, _, _ = model.standardise(torch.from_numpy(held_out()[:, :-1]))
    told = -standardised[:, :-1].sum(dim=1)
    torch.testing.assert_close(told, standardised[:, -1], atol=1e-4, rtol=1e-3)
    fixed = FixedScaleTransformer(TrajectoryConfig.of_size("small"))
    standardised, mean, std = fixed.standardise(torch.from_numpy(held_out()[:, :-1]))
    assert (-standardised[:, :-1].sum(dim=1) - standardised[:, -1]).abs().mean() > 1
    torch.testing.assert_close(mean + std * standardised, torch.from_numpy(held_out()[:, :-1]))


def test_a_short_training_is_measured_on_its_way():
    settings = study.LeakTraining(
        n_frames=20, n_steps=6, batch_size=8, measured=(0, 6), n_validation=40
    )
    model, curve = study.train_variant("causal_fixed", settings, exact(), report=lambda line: None)
    assert [point["step"] for point in curve] == [0, 6]
    assert curve[1]["interior"]["model"][0] < curve[0]["interior"]["model"][0]
    assert isinstance(model, FixedScaleTransformer) and not model.training
    rows = study.rollout_errors(model, settings, exact().solver, horizons=(1, 3))
    assert [row["horizon"] for row in rows] == [1, 3]
    assert rows[0]["exact"][0] < rows[1]["exact"][0]


def test_positions_are_counted_from_the_end():
    model = study.new_variant("causal_fixed").eval()
    settings = study.LeakMeasurement(n_relax=4, distances=(1, 2, 30, 39))
    found = study.measure(model, held_out(), exact(), settings)
    assert [row["distance"] for row in found["by_distance"]] == [1, 2, 30]
    assert found["by_distance"][0]["model"] == found["last"]["model"]


def test_results_of_other_weights_are_left_out(tmp_path):
    checkpoints, results = tmp_path / "checkpoints", tmp_path / "results"
    model = TrajectoryTransformer(TrajectoryConfig.of_size("small"))
    model.save_pretrained(checkpoints / "small")
    results.mkdir()
    with pytest.raises(ValueError, match="of the weights in"):
        study.kept_sizes(("small", "medium"), results, checkpoints)
    for size, weights in (("small", weights_digest(model)), ("medium", "of no checkpoint")):
        content = {"weights": weights, "lengths": []}
        (results / f"{size}.json").write_text(json.dumps(content))
    assert list(study.kept_sizes(("small", "medium", "large"), results, checkpoints)) == ["small"]
    (results / "small.json").write_text(json.dumps({"weights": "others", "lengths": []}))
    with pytest.raises(ValueError, match="of the weights in"):
        study.kept_sizes(("small", "medium"), results, checkpoints)


def test_all_three_variants_are_needed(tmp_path):
    for name in list(study.VARIANTS)[1:]:
        (tmp_path / f"{name}.json").write_text('{"curve": []}')
    with pytest.raises(ValueError, match="bidirectional.*leak_study bidirectional"):
        study.kept_variants(tmp_path)
    (tmp_path / "bidirectional.json").write_text('{"curve": []}')
    assert list(study.kept_variants(tmp_path)) == list(study.VARIANTS)


def test_below_the_floor_means_by_two_standard_errors():
    ratios = {"bidirectional": (0.9, 0.01), "causal": (0.99, 0.01), "causal_fixed": (1.1, 0.01)}
    assert plots.below_floor(ratios) == "bidirectional"
    assert plots.below_floor({"causal": (1.0, 0.1)}) == "none"


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: frame_errors(held_out(), held_out(), exact()), "predicted must have shape"),
        (lambda: study.new_variant("backwards"), "unknown variant"),
    ],
)
def test_impossible_input_is_refused(call, message):
    with pytest.raises(ValueError, match=message):
        call()


def test_kept_results_show_a_leak_inside_and_none_where_nothing_can_be_seen():
    sizes = study.kept_sizes(["small", "medium", "large"])
    at_full_length = sizes["medium"]["lengths"][-1]
    ratio, error = at_full_length["interior"]["ratio"]
    assert ratio + 5 * error < 1  # no forecaster can be there
    for kept in sizes.values():
        for row in kept["lengths"]:
            ratio, error = row["last"]["ratio"]
            assert ratio > 1 - 3 * error
    end = study.kept_variants()["causal_fixed"]["curve"][-1]
    for place in ("interior", "last"):
        ratio, error = end[place]["ratio"]
        assert ratio > 1 - 3 * error
