"""The leak is measured against exact forecasts, and is zero for whatever cannot see ahead."""

import json
from functools import lru_cache

import numpy as np
import pytest
import torch
from torch import nn

from mb_support.datasets import make_dataset
from mb_support.model import TrajectoryConfig, TrajectoryTransformer, weights_digest
from mb_support.studies.attention.maps import attention_maps
from mb_support.studies.leak import heads, study, variants
from mb_support.studies.leak.errors import (
    ExactNextFrame,
    by_position,
    drawn_again,
    frame_errors,
    measure,
    noise_by_path,
    over,
    predict_next_frames,
    summarise,
)


@lru_cache
def exact():
    return ExactNextFrame(grid_step=0.05)


@lru_cache
def held_out():
    return make_dataset(200, "validation", index=52, n_frames=40).trajectories


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
    assert found["ratio"] == pytest.approx((1, 0), abs=1e-6)
    assert found["noise_seen"] == pytest.approx((0, 0), abs=1e-6)
    assert abs(found["exact"][0] - found["floor"][0]) < 4 * found["exact"][1]


def test_whoever_does_not_see_the_noise_is_not_below_the_floor_even_in_short_windows():
    # in the trajectory's own units, which depend on the noise, a shrunk forecast would be
    frames = make_dataset(1500, "validation", index=53, n_frames=12).trajectories.astype(float)
    mean, _ = exact().moments(frames[:, :-1])
    for shrunk in (0.9, 1.1):
        centre = frames[:, :1]
        errors = frame_errors(centre + shrunk * (mean - centre), frames, exact())
        found = summarise(errors)
        assert found["ratio"][0] > 1 - 3 * found["ratio"][1]
        assert abs(found["noise_seen"][0]) < 4 * found["noise_seen"][1]


def test_an_honest_error_is_above_the_floor_and_sees_no_noise():
    found = summarise(frame_errors(predictions(0.05, 0), held_out(), exact()))
    assert found["ratio"][0] > 1 + 4 * found["ratio"][1]
    assert abs(found["noise_seen"][0]) < 4 * found["noise_seen"][1]


def test_seeing_a_share_of_the_noise_is_measured_as_that_share():
    found = summarise(frame_errors(predictions(0, 0.3), held_out(), exact()))
    assert found["noise_seen"][0] == pytest.approx(0.3, abs=1e-6)
    assert found["ratio"][0] == pytest.approx(0.7**2, abs=1e-6)
    copied = frame_errors(held_out()[:, 1:].astype(float), held_out(), exact())
    assert summarise(copied)["noise_seen"][0] == pytest.approx(1, abs=1e-6)


def test_errors_are_in_the_units_of_each_trajectory():
    moved = held_out()[:1].astype(float)
    errors = frame_errors(predictions(0, 0)[:1], moved, exact(), standardised=True)
    shown = moved[0, :-1]
    first = ((shown[0] - moved[0, 1]) ** 2 / shown.var(axis=0)).sum()
    assert errors["copy"][0, 0] == pytest.approx(first)
    assert over(errors, slice(-1, None))["copy"].shape == (1, 1)


def test_the_withheld_frame_changes_no_prediction():
    model = variants.new_variant("bidirectional").eval()
    frames = held_out()[:5].copy()
    before = predict_next_frames(model, frames)
    frames[:, -1] += 1.0
    np.testing.assert_array_equal(predict_next_frames(model, frames), before)


@pytest.mark.parametrize("name", list(variants.VARIANTS))
def test_what_a_position_sees_of_later_frames(name):
    # bidirectional: everything; causal: their statistics; causal with constants: nothing
    model = variants.new_variant(name).eval()
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
    fixed = variants.FixedScaleTransformer(TrajectoryConfig.of_size("small"))
    standardised, mean, std = fixed.standardise(torch.from_numpy(held_out()[:, :-1]))
    assert (-standardised[:, :-1].sum(dim=1) - standardised[:, -1]).abs().mean() > 1
    torch.testing.assert_close(mean + std * standardised, torch.from_numpy(held_out()[:, :-1]))


class Reader(TrajectoryTransformer):
    """Every output is the next frame of the input, and the last one the frame it sits on."""

    def __init__(self):
        super().__init__(TrajectoryConfig.of_size("small"))
        self.feature_predictor = nn.Identity()

    def encode(self, standardised, attention_mask=None):
        return torch.cat([standardised[:, 1:], standardised[:, -1:]], dim=1)


def test_a_frame_drawn_again_is_another_successor_of_the_frame_before():
    frames = held_out()
    changed = drawn_again(frames, [5, 20], exact(), seed=3)
    kept = np.delete(np.arange(frames.shape[1]), [5, 20])
    np.testing.assert_array_equal(changed[:, kept], frames[:, kept])
    mean, variance = exact().moments(frames[:, [4, 19]].astype(float))
    z = (changed[:, [5, 20]] - mean) / np.sqrt(variance)
    assert abs(z.mean()) < 4 / np.sqrt(z.size) and abs((z**2).mean() - 1) < 4 * np.sqrt(3 / z.size)
    old = (frames[:, [5, 20]] - mean) / np.sqrt(variance)
    assert abs((z * old).mean()) < 4 / np.sqrt(z.size)  # independent of what came


def test_a_reader_sees_the_noise_in_the_frame_itself():
    found = noise_by_path(Reader(), held_out(), exact(), seed=1)
    assert found["frame"][0] == pytest.approx(1, abs=4 * found["frame"][1])
    for path in ("statistics", "later"):
        assert abs(found[path][0]) < 4 * found[path][1] + 1e-6
    assert found["ratio"][0] == pytest.approx(0, abs=1e-6)
    # another draw has the variance of the noise too: together twice the floor
    assert found["ratio_redrawn"][0] == pytest.approx(2, abs=5 * found["ratio_redrawn"][1])


def test_shares_of_the_paths_sum_to_the_noise_seen():
    model = variants.new_variant("bidirectional").eval()
    found = noise_by_path(model, held_out(), exact(), seed=2)
    shares = sum(found[path][0] for path in ("frame", "statistics", "later"))
    assert shares == pytest.approx(found["total"][0])
    positions = np.arange(5, held_out().shape[1] - 2, 8)
    errors = frame_errors(predict_next_frames(model, held_out()), held_out(), exact())
    assert found["total"][0] == pytest.approx(summarise(over(errors, positions))["noise_seen"][0])


def test_a_causal_model_with_constants_sees_the_noise_on_no_path():
    found = noise_by_path(variants.new_variant("causal_fixed").eval(), held_out(), exact(), seed=1)
    for path in ("frame", "statistics", "later"):
        assert abs(found[path][0]) < 4 * found[path][1] + 1e-4


def test_errors_by_position_average_to_those_over_all():
    errors = frame_errors(predictions(0.1, 0.2), held_out(), exact())
    ratio, error = by_position(errors)
    floor = errors["floor"].mean(axis=0)
    assert (ratio * floor).mean() == pytest.approx(errors["model"].mean())
    assert error.shape == ratio.shape == (held_out().shape[1] - 1,) and (error > 0).all()


def test_positions_are_counted_from_the_end():
    model = variants.new_variant("causal_fixed").eval()
    found = measure(model, held_out(), exact())
    # 39 positions, of which the first five are not in the interior
    assert [row["distance"] for row in found["by_distance"]] == [1, 2, 3, 4, 6, 8, 11, 16, 22, 32]
    assert found["by_distance"][0]["model"] == found["last"]["model"]
    assert found["n_frames"] == 40 and found["n"] == 200


def test_attention_on_neighbours_is_that_of_the_maps():
    model = variants.new_variant("bidirectional").eval()
    frames = held_out()[:3, :12]
    near = heads.attention_near(model, frames, batch_size=2)
    maps = attention_maps(model, frames[:, :-1]).mean(axis=0)
    for number, offset in enumerate(heads.OFFSETS):
        expected = maps.diagonal(offset, axis1=-2, axis2=-1)
        known = near[:, :, number][..., ~np.isnan(near[0, 0, number])]
        np.testing.assert_allclose(known, expected, atol=1e-6)
    order, weights = heads.finders(near)
    layer, head = order[0]
    assert weights[layer, head] == weights.max()
    assert weights[layer, head] == pytest.approx(np.nanmean(near[layer, head, heads.NEXT]))


def test_controls_are_other_heads_of_the_same_layers():
    order = [(1, 0), (0, 2), (1, 1), (0, 0), (0, 1), (1, 2)]
    assert heads.others(order, 2) == [(1, 2), (0, 1)]
    assert heads.others(order, 1) == [(1, 2)]
    assert heads.others(order, 0) == []
    assert set(heads.others(order, 4)) == {(0, 1), (1, 2)}  # there are no more


def test_a_flattened_head_says_the_same_of_every_frame():
    model = variants.new_variant("bidirectional").eval()
    seen = []
    layer = model.encoder.layer[1].attention.self
    handle = layer.register_forward_hook(lambda module, inputs, output: seen.append(output[0]))
    before = predict_next_frames(model, held_out()[:2])
    with heads.without_heads(model, [(1, 3)]):
        changed = predict_next_frames(model, held_out()[:2])
    handle.remove()
    assert np.abs(changed - before).max() > 1e-3
    np.testing.assert_array_equal(predict_next_frames(model, held_out()[:2]), before)
    whole = seen[0]
    size = model.config.hidden_size // model.config.num_attention_heads
    assert whole[..., 3 * size : 4 * size].std(dim=1).max() > 1e-3


def test_ablation_begins_with_the_whole_model():
    model = variants.new_variant("bidirectional").eval()
    frames = held_out()[:50]
    order = [(layer, head) for layer in range(4) for head in range(8)]
    rows = heads.ablation(model, frames, exact(), order, numbers=(1, 2))
    errors = frame_errors(predict_next_frames(model, frames), frames, exact())
    assert rows[0]["finders"] == rows[0]["others"] == summarise(over(errors, slice(5, -1)))["ratio"]
    assert [row["n_heads"] for row in rows] == [0, 1, 2]
    assert rows[1]["finders"] != rows[0]["finders"]


def test_a_short_training_is_measured_on_its_way():
    settings = variants.VariantTraining(
        n_frames=20, n_steps=6, batch_size=8, warmup_steps=2, measured=(0, 6), n_validation=40
    )
    model, curve = variants.train_variant("causal_fixed", settings, exact())
    assert [point["step"] for point in curve] == [0, 6]
    assert curve[1]["interior"]["model"][0] < curve[0]["interior"]["model"][0]
    assert isinstance(model, variants.FixedScaleTransformer) and not model.training
    assert measure(model, held_out()[:40, :20], exact())["interior"]["model"][0] < 1e3


TINY = study.LeakMeasurement(
    lengths=((16, 20), (24, 10)),
    paths=((24, 6),),
    attention=((16, 3), (24, 2)),
    n_ablation=4,
    n_heads=(1, 2),
    family="validation",
    index=80,
)


def test_all_that_is_measured_of_a_training_can_be_kept(tmp_path, monkeypatch):
    model, lines = variants.new_variant("bidirectional").eval(), []
    monkeypatch.setattr(study, "between_over_floor", lambda: 0.7)
    monkeypatch.setattr(study, "load_training", lambda name: (model, weights_digest(model)))
    for part in ("small-0", "floors", "small-0"):
        study.make_part(part, exact(), tmp_path, lines.append, TINY)
    assert lines[2] == "small-0 is up to date"
    content = json.loads((tmp_path / "small-0.json").read_text())
    assert [row["n_frames"] for row in content["lengths"]] == [16, 24]
    assert len(content["position"]["ratio"]) == 23
    assert np.shape(content["attention"][1]["near"]) == (7, 23)
    assert len(content["ablation"]["rows"]) == 3
    assert study.load_between(tmp_path) == 0.7
    floors = study.load_floors(tmp_path)
    assert floors[16]["reader"][0] < floors[16]["honest"][0] < floors[16]["copy"][0]


def test_neighbours_on_both_sides_leave_at_least_half_of_what_one_leaves():
    # in a harmonic well 1 / (1 + exp(-2 t / tau)): half for free diffusion, all for distant frames
    assert 0.5 < study.load_between() < 1


def test_a_variant_is_kept_by_name_and_seed(tmp_path):
    settings = variants.VariantTraining(
        n_frames=12, n_steps=2, batch_size=4, warmup_steps=1, measured=(2,), n_validation=8
    )
    with pytest.raises(ValueError, match="no bidirectional-0.json.*studies leak bidirectional-0"):
        study.load_variants(tmp_path)
    study.make_part("causal-1", exact(), tmp_path, lambda line: None, training=settings)
    for name in variants.variant_names():
        (tmp_path / f"{name}.json").write_bytes((tmp_path / "causal-1.json").read_bytes())
    found = study.load_variants(tmp_path)
    assert list(found) == [label for *_, label in variants.VARIANTS.values()]
    assert [[curve[0]["step"] for curve in curves] for curves in found.values()] == [[2, 2]] * 3


def test_the_honest_floor_is_the_loss_of_the_exact_mean():
    settings = study.LeakMeasurement(lengths=((16, 30),), family="validation", index=81)
    (row,) = study.exact_floors(settings, exact())
    frames = settings.trajectories(16, 30).astype(float)
    mean, _ = exact().moments(frames[:, :-1])
    loss = (((mean - frames[:, 1:]) / frames[:, :-1].std(axis=1, keepdims=True)) ** 2).sum(axis=-1)
    assert row["honest"][0] == pytest.approx(loss.mean())
    assert row["reader"][0] == pytest.approx(loss[:, -1].mean() / 15)


def test_the_live_model_is_measured_in_the_interior_and_at_the_end():
    found = study.live(40, seed=90, n_frames=20)
    assert list(found) == ["interior", "last position"]
    assert all(place["exact"][0] > 0 for place in found.values())
