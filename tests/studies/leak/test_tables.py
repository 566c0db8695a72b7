"""Verdicts on the leak follow from intervals and trainings; tables and figures show them."""

import matplotlib

matplotlib.use("agg")

from dataclasses import asdict

import numpy as np
import pytest
from matplotlib import pyplot as plt

from mb_support.plotting import leak as plots
from mb_support.studies.generation.tables import in_words
from mb_support.studies.leak import tables
from mb_support.studies.leak.heads import NEXT, OFFSETS
from mb_support.studies.leak.variants import VARIANTS
from mb_support.training import TrainingConfig

N_POSITIONS = 200


def summary(ratio, error=0.01):
    return {"ratio": [ratio, error], "noise_seen": [1 - ratio, error], "model": [ratio, error]}


def training(inside=0.2, last=1.1, without=1.5, other=0.2, misses=0.0):
    """What is kept of one training; beyond the middle `misses` of the attention goes elsewhere."""
    weight = np.full(N_POSITIONS, 0.9)
    weight[N_POSITIONS // 2 :] -= misses
    weight += 0.02 * np.sin(np.arange(N_POSITIONS))
    near = np.zeros((len(OFFSETS), N_POSITIONS))
    near[NEXT] = weight
    rows = [
        {"n_heads": n, "finders": [finders, 0.01], "others": [others, 0.01]}
        for n, finders, others in ((0, inside, inside), (1, without, other), (2, without, other))
    ]
    path = {name: [0.0, 0.01] for name in ("statistics", "later")}
    path |= {"frame": [1 - inside, 0.01], "n_frames": 201, "n": 50}
    path |= {name: [inside, 0.01] for name in ("ratio", "ratio_redrawn", "ratio_unseen", "total")}
    place = {"interior": summary(inside), "last": summary(last)}
    distances = [{"distance": d} | summary(inside) for d in (1, 2, 4)]
    lengths = [{"n_frames": n, "n": 50, "by_distance": distances} | place for n in (128, 201)]
    return {
        "lengths": lengths,
        "position": {
            "n_frames": 201,
            "n": 50,
            "ratio": (inside + 2 * (0.9 - weight)).tolist(),
            "error": [0.01] * N_POSITIONS,
        },
        "paths": [path],
        "attention": [
            {"n_frames": n, "n": 5, "next": [[0.1, 0.9]], "head": [0, 1], "near": near.tolist()}
            for n in (128, 201)
        ],
        "ablation": {"n_frames": 128, "n": 50, "rows": rows},
    }


def test_below_the_floor_means_by_two_standard_errors():
    assert tables.below_floor((0.9, 0.01)) == "confirmed"
    assert tables.below_floor((1.1, 0.01)) == "refuted"
    assert tables.below_floor((0.99, 0.01)) == tables.below_floor((1.01, 0.01)) == "undecided"
    assert tables.below_floor((-0.1, 0.01), 0.0) == "confirmed"


@pytest.mark.parametrize(
    ("insides", "verdict"),
    [((0.2, 0.3), "confirmed"), ((1.1, 1.2), "refuted"), ((0.2, 1.1), "undecided")],
)
def test_a_size_reads_its_answer_if_all_its_trainings_do(insides, verdict):
    trainings = {"medium": {seed: training(inside) for seed, inside in enumerate(insides)}}
    assert tables.errs_below(trainings) == {"medium": verdict}
    assert tables.errs_below(trainings, n_frames=128) == {"medium": verdict}
    assert tables.errs_below(trainings, place="last") == {"medium": "refuted"}


def test_texts_tell_trajectories_and_trainings_apart():
    assert tables.spread_text([(0.2, 0.01), (0.4, 0.03)]) == "0.30 [0.26, 0.34] (0.20 to 0.40)"
    assert tables.spread_text([(0.2, 0.01)]) == "0.20 [0.18, 0.22]"
    table = tables.length_table({"small": {0: training(0.5), 1: training(0.7)}})
    row = table.loc[("small", 201)]
    assert row["error / floor, interior"] == "0.60 [0.58, 0.62] (0.50 to 0.70)"
    assert row["trainings"] == 2 and row["trajectories"] == 50


FLOORS = {
    16: {"honest": [1.0, 0.01], "reader": [0.1, 0]},
    32: {"honest": [0.8, 0], "reader": [0.05, 0]},
}


def record(losses):
    """Of a training with ten steps in windows of 16 and ten in windows of 32."""
    config = TrainingConfig("small", ((16, 40), (32, 40)), learning_rate=1e-3, batch_size=4)
    curve = [
        {"step": 2 * (number + 1), "trajectory_loss": loss, "classification_loss": 0.5}
        for number, loss in enumerate(losses)
    ]
    return {"config": asdict(config), "curve": curve}


def test_exact_values_follow_the_length_of_the_windows():
    curve = tables.floors_by_step(record([1.0] * 10), FLOORS)
    np.testing.assert_array_equal(curve["honest"], [1.0] * 5 + [0.8] * 5)
    np.testing.assert_array_equal(curve["reader"], [0.1] * 5 + [0.05] * 5)


def test_found_is_when_the_loss_first_lies_below_a_share_of_the_honest_value():
    losses = [1.2, 0.95, 0.5, 0.2, 0.3] + [0.4] * 4 + [0.16]
    found, never = record(losses), record([1.2] * 10)
    by_step = [tables.floors_by_step(losses, FLOORS) for losses in (found, never)]
    assert tables.found_after(by_step[0], 0.7) == pytest.approx(6 * 4 / 1000)
    assert tables.found_after(by_step[0], 0.97) == pytest.approx(4 * 4 / 1000)
    assert np.isnan(tables.found_after(by_step[1], 0.97))
    table = tables.when_table({"small": {0: found, 1: never}, "large": {0: never}}, FLOORS, 0.7)
    row = table.loc[("small", 16)]
    assert row["that find it"] == "1 of 2" and row["copier / honest"] == "0.100"
    assert row["lowest / honest"] == "0.70 [0.69, 0.71] (0.20 to 1.20)"
    assert table.loc[("small", 32), "last / honest"] == "0.85 [0.85, 0.85] (0.20 to 1.50)"
    assert table.loc[("large", 16), "after (thousands)"] == "never"
    assert tables.windows_of({0: found}) == [16, 32]


def test_more_came_through_the_frame_than_otherwise():
    assert tables.main_path({"large": {0: training(0.2)}}) == {"large": "confirmed"}
    assert tables.main_path({"small": {0: training(1.1)}}) == {"small": "refuted"}
    assert tables.main_path({"small": {0: training(1.0)}}) == {"small": "undecided"}
    table = tables.path_table({"large": {0: training(0.2)}})
    assert table.loc[("large", 201), "seen in the frame"] == "0.800 [0.780, 0.820]"


@pytest.mark.parametrize(
    ("settings", "verdict"),
    [
        (dict(inside=0.2, without=1.5, other=0.2), "confirmed"),
        (dict(inside=0.2, without=0.3, other=0.2), "refuted"),
        (dict(inside=0.2, without=1.5, other=1.5), "undecided"),
        (dict(inside=1.0, without=1.5, other=1.0), "nothing read"),
    ],
)
def test_one_head_does_it_if_the_error_comes_back_without_it_alone(settings, verdict):
    found = {"large": {0: training(**settings), 1: training(**settings)}}
    assert tables.head_verdicts(found) == {"large": verdict}
    row = tables.head_table(found).loc["large, seed 1"]
    assert row["head"] == "L1 H2" and row["weight, 201 frames (n = 5)"].startswith("0.90 [")
    assert row["of the next head"] == "0.10"


def test_errors_grow_where_attention_misses_the_next_frame():
    found = tables.attention_against_error(training(misses=0.8))
    value, low, high = found["correlation"]
    assert low <= value <= high < 0
    is_above, weight = found["is_above"], found["weight"]
    assert is_above.sum() == pytest.approx(N_POSITIONS / 2, abs=1)
    assert weight[is_above].mean() < 0.2 < 0.8 < weight[~is_above].mean()
    trainings = {"medium": {0: training(misses=0.8)}, "small": {0: training(1.0)}}
    assert tables.misses_explain(trainings) == {"medium": "confirmed"}
    assert list(tables.position_table(trainings).index) == ["medium, seed 0"]


def test_nothing_to_judge_is_said():
    assert in_words(tables.misses_explain({"small": {0: training(1.0)}}), {}) == "no size"
    assert len(tables.position_table({"small": {0: training(1.0)}})) == 0


def curve(*ratios):
    profile = [{"distance": d} | summary(1.0) for d in (1, 2)]
    return [
        {"step": 10 * n, "n": 50, "interior": summary(r), "last": summary(1.2)}
        | {"by_distance": profile}
        for n, r in enumerate(ratios)
    ]


def test_variants_are_judged_at_the_end_of_all_their_trainings():
    found = {
        "bidirectional": [curve(2, 0.9), curve(2, 0.8)],
        "causal, own statistics": [curve(0.5, 0.9), curve(2, 2)],
    }
    verdicts = {"bidirectional": "confirmed", "causal, own statistics": "undecided"}
    assert tables.variants_below_floor(found) == verdicts
    assert set(tables.variants_below_floor(found, "last").values()) == {"refuted"}
    table = tables.variant_table(found)
    assert (
        table.loc["bidirectional", "error / floor, interior"]
        == "0.850 [0.830, 0.870] (0.800 to 0.900)"
    )
    assert table.loc["bidirectional", ["trainings", "trajectories"]].tolist() == [2, 50]


def test_a_size_trained_once_says_so():
    trainings = {"large": {0: training(0.2)}}
    assert in_words(tables.errs_below(trainings), trainings) == "confirmed for large (1 seed)"
    assert tables.full_length_in_words(trainings, "last") == "large (1 seed) 1.10 [1.08, 1.12]"
    summaries = {"inside": summary(0.2) | {"exact": [1.0, 0.1]}}
    table = tables.summary_table(summaries, 50)
    assert table.loc["inside"].tolist() == [
        "0.200 [0.180, 0.220]",
        "1.000 [0.800, 1.200]",
        "0.200 [0.180, 0.220]",
        "0.800 [0.780, 0.820]",
        50,
    ]


@pytest.fixture
def ax():
    fig, ax = plt.subplots()
    yield ax
    plt.close(fig)


def test_losses_are_drawn_over_the_honest_value(ax):
    curves = [tables.floors_by_step(record([1.0] * 10), FLOORS)] * 2
    assert plots.plot_losses({"small": curves}, 0.7, ax) is ax
    (line,) = [line for line in ax.lines if line.get_label() == "small"]
    np.testing.assert_allclose(line.get_ydata(), [1.0] * 5 + [1 / 0.8] * 5)


def test_means_over_trainings_are_drawn(ax):
    trainings = {"medium": {0: training(0.2), 1: training(0.4)}}
    assert plots.plot_by_length(trainings, "ratio", 0.7, ax) is ax
    inside = ax.containers[0].lines[0]
    np.testing.assert_allclose(inside.get_ydata(), 0.3)
    fig, other = plt.subplots()
    assert plots.plot_ablation(trainings, other) is other
    np.testing.assert_allclose(other.containers[0].lines[0].get_ydata(), [0.3, 1.5, 1.5])
    plt.close(fig)


def test_figures_return_their_axes(ax):
    found = {label: [curve(1.0, 2.0), curve(1.0, 1.5)] for *_, label in VARIANTS.values()}
    assert plots.plot_over_training(found, ax) is ax
    assert plots.plot_by_distance(found, ax) is ax
    fig, axes = plt.subplots(1, 2, squeeze=False)
    plots.plot_by_position({"medium": {0: training(misses=0.5)}}, {"medium": [16]}, axes)
    assert all(ax.lines for ax in axes.flat)
    plt.close(fig)


def test_between_the_borders_a_size_is_below_the_floor_but_need_not_read():
    trainings = {"medium": {0: training(0.9)}}
    assert tables.errs_below(trainings) == {"medium": "confirmed"}
    assert tables.errs_below(trainings, 0.74) == {"medium": "refuted"}


def test_words_for_the_prose_are_of_all_sizes():
    trainings = {"small": {0: training(1.1)}, "large": {0: training(0.2, misses=0.8)}}
    found = tables.words(trainings, {"bidirectional": [curve(2, 0.9)]}, between=0.74)
    assert found["verdicts"] == "refuted for small (1 seed), confirmed for large (1 seed)"
    assert found["read_answers"] == "no for small, yes for large"
    assert found["head_verdicts"] == "nothing read for small (1 seed), confirmed for large (1 seed)"
    assert found["below_floor"] == "confirmed for bidirectional (1 seed)"
