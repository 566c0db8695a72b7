"""Verdicts, tables and figures of the attention chapter, on numbers made for the purpose."""

import re

import matplotlib.pyplot as plt
import numpy as np
import pytest
from tiny_models import agree, visits

from mb_support.model import load_checkpoint
from mb_support.plotting import attention as plots
from mb_support.studies.attention import curves, study, tables
from mb_support.studies.attention import measures as am
from mb_support.studies.attention import verdicts as vs
from mb_support.studies.attention.maps import attention_maps
from mb_support.studies.kept_results import checkpoint_training


def kept_of(values, untrained=None, n=24, seed=0):
    """One training with given means of measures, and scatter of 0.01 over trajectories."""
    rng = np.random.default_rng(seed)

    def each(means):
        return {
            name: (np.asarray(mean) + 0.01 * rng.normal(size=(n, *np.shape(mean)))).tolist()
            for name, mean in means.items()
        }

    normal = {
        "share": 0.2, "norm_share": 0.3, "readers": 0.95, "key_norm": 1.5, "few": 0.2, "sides": 0.0,
        "norm_sides": 0.0, "moments": [0.0, 0.0, 0.0], "blocks": 1.0, "norm_blocks": 1.0,
        "own_state": 1.0, "norm_own_state": 1.0, "state_heads": 0.05,
    }  # fmt: skip
    control = {"share": 0.06, "norm_share": 0.06, "few": 0.0, "state_heads": 0.0}
    return {
        "trained": {"each": each(normal | values)},
        "untrained": {"each": each(normal | control | (untrained or {}))},
    }


def judged(*trainings):
    results = {"small": {f"small-{k}": kept for k, kept in enumerate(trainings)}}
    return vs.verdicts(results).droplevel("model")


def test_a_model_with_all_that_the_poster_sees_confirms_every_claim():
    results = {"small": {f"small-{k}": kept_of({}, seed=k) for k in range(2)}}
    table = vs.verdicts(results | {"large": {"large-0": kept_of({})}})
    assert set(table["verdict"]) == {"confirmed"} and len(table) == 2 * len(vs.CLAIMS)
    assert set(table.xs("small (2 seeds)", level="model")["trainings"]) == {"2 of 2"}


@pytest.mark.parametrize(
    ("claim", "values"),
    [
        ("there are key timesteps", {"share": 0.05}),
        ("all others attend to them", {"readers": 0.5}),
        ("by norm, key timesteps are no sinks", {"key_norm": 0.2}),
        ("some heads attend to few frames", {"few": -0.1}),
        ("future and past alike", {"sides": -0.3}),
        ("alike in each sub-section", {"moments": [-0.3, 0.0, 0.0]}),
        ("no local blocks", {"blocks": 1.4}),
        ("attention does not follow states", {"own_state": 1.2}),
        ("some heads follow states", {"state_heads": -0.1}),
    ],
)
def test_a_model_without_it_refutes_that_claim_only(claim, values):
    table = judged(kept_of(values))
    assert table.loc[claim, "verdict"] == "refuted"
    assert (table.drop(claim)["verdict"] == "confirmed").all()


def test_trainings_that_differ_leave_a_size_undecided():
    table = judged(kept_of({"sides": 0.3}), kept_of({}))
    row = table.loc["future and past alike"]
    assert row["verdict"] == "undecided" and row["trainings"] == "1 of 2"
    opposite = judged(kept_of({"sides": 0.3}), kept_of({"sides": -0.3}))
    row = opposite.loc["future and past alike"]
    assert row["verdict"] == "refuted", "the mean over trainings hides what each of them does"
    assert abs(float(row["measured"].split()[0])) < 0.01


def test_norm_weighted_attention_is_judged_by_the_same_rule():
    results = {"small": {"small-0": kept_of({"norm_own_state": 1.3})}}
    row = "attention does not follow states", "small (1 seed)"
    assert vs.verdicts(results).loc[row, "verdict"] == "confirmed"
    weighted = vs.verdicts(results, weighted=True)
    assert weighted.loc[row, "verdict"] == "refuted" and len(weighted) == 4


def test_no_more_than_before_training_is_not_more():
    assert vs.judge(np.zeros(20), np.zeros(20), vs.ABOVE) == "refuted"
    noise = np.random.default_rng(0).normal(size=64)
    assert vs.judge(noise, 0.0, vs.ABOVE) == "undecided"


@pytest.mark.parametrize(
    ("interval", "verdict"),
    [((0, -0.05, 0.05), "confirmed"), ((0.5, 0.2, 0.8), "refuted"), ((0.1, 0, 0.2), "undecided")],
)
def test_a_verdict_follows_from_the_interval(interval, verdict):
    assert vs.within(interval, (-0.1, 0.1)) == verdict


def test_errors_over_trajectories_and_range_over_trainings_are_told_apart():
    rng = np.random.default_rng(0)
    values = [1.0 + 0.1 * rng.normal(size=400), 2.0 + 0.1 * rng.normal(size=400)]
    mean, from_, to, low, high = map(float, re.findall(r"[0-9.]+", vs.spread_text(values)))
    agree([mean, low, high], [1.5, 1, 2], atol=0.02)
    assert (to - from_) / 2 == pytest.approx(1.96 * 0.1 / 20, rel=0.1)
    assert vs.error_text([1.0, 2.0], 0.02) == "1.500 [1.480, 1.520] (1.000 to 2.000)"
    assert vs.error_text([1.0, 2.0], 2) == "1.5 [-0.5, 3.5] (1.0 to 2.0)", "digits it leaves"
    assert vs.error_text([1.0], 0.2) == "1.00 [0.80, 1.20]"
    assert tables.range_text([1.0, 2.0]) == "1.50 (1.00 to 2.00)"
    assert tables.range_text([1.0]) == "1.00 (1 seed)"


@pytest.fixture(scope="module")
def results():
    """What is kept of the five trainings of the small model."""
    return study.load_results(["small"])


def test_tables_have_a_row_for_each_measure_training_or_section(results):
    titles = [f"small, seed {seed}" for seed in range(5)]
    table = tables.measure_table(results, ["share", "first"])
    labels = [am.MEASURES[name] for name in ("share", "first")]
    assert list(table.index) == [(label, "small (5 seeds)") for label in labels]
    assert list(table.columns) == ["trained", "untrained"]
    assert list(tables.extreme_heads(results, ["next frame"]).index) == titles
    assert tables.state_heads(results).shape == (5, 4)
    sections = tables.section_table(results["small"], 100)
    assert list(sections.columns) == titles and sections.index[1] == "100 to 199"
    assert tables.layer_table(results).shape == (4, 2)
    correlations = tables.head_correlations(results["small"])
    assert np.shape(list(correlations.values())) == (3, 5)


def test_every_table_holds_for_a_size_with_one_training_and_says_so(results):
    one = {"small": {"small-3": results["small"]["small-3"]}}
    for table in (tables.measure_table(one, ["share"]), tables.layer_table(one)):
        assert "[" in table.iloc[0, 0] and " to " not in table.iloc[0, 0]
    few = np.min(one["small"]["small-3"]["trained"]["heads"]["head_targets"])
    words = tables.words(one)
    assert words["fewest_small"] == f"{few:.0f} (1 seed)"
    assert words["seeds"] == "small 1" and "(1 seed)" in words["share_words"]
    assert words["verdicts_there_are_key_timesteps"].endswith("small (1 seed)")
    assert words["unread_first"].endswith("for small")


def test_trainings_with_a_head_that_stands_out_are_counted():
    trainings = {
        f"small-{k}": {"trained": {"extreme": {"first frame": {"values": [share, share]}}}}
        for k, share in enumerate((0.9, 0.2, 0.6))
    }
    assert tables.trainings_with({"small": trainings}, "first frame") == "small 2 of 3"


def test_moments_are_in_frames():
    kept = {"small-0": kept_of({"moments": [-0.3, 0.0]})}
    first, second = tables.section_table(kept, 100)["small, seed 0"]
    assert float(first.split()[0]) == pytest.approx(-0.3 * 33.3, abs=0.2)
    assert first.endswith("refuted") and second.endswith("confirmed")


def test_the_cost_of_chosen_frames_is_beyond_that_of_random_ones():
    rng = np.random.default_rng(0)
    whole, noise = np.full((40, 1), 0.95), 0.01 * rng.normal(size=(40, 2))
    lost = {"most attended": [0.6, 0.5], "first": [0.94, 0.94], "random": [0.94, 0.93]}
    part = {name: np.hstack([whole, end + noise]).tolist() for name, end in lost.items()}
    kept = {"settings": {"n_removed": [10, 50]}, "removed": part, "unread": part}
    results = {"small": {"small-0": kept}}
    costs = tables.experiment_costs(results)["small (1 seed)"]
    assert costs["most attended", "removed", 50].startswith("0.43")
    assert vs.suffers(results, "removed", "most attended", 50) == {"small (1 seed)": "confirmed"}
    assert vs.suffers(results, "unread", "first", 10) == {"small (1 seed)": "refuted"}
    found = curves.experiment_curves(results)
    assert list(found) == [("removed", "small (1 seed)"), ("not read", "small (1 seed)")]
    agree(found["removed", "small (1 seed)"]["random"][0], [0.95, 0.94, 0.93], atol=0.01)


@pytest.fixture
def no_window():
    plt.switch_backend("agg")
    yield
    plt.close("all")


def test_every_curve_of_the_chapter_can_be_drawn(results, no_window):
    bands = curves.bands(results, "profile")
    names = list(results["small"])
    assert list(bands) == [f"{name} untrained" for name in names] + names
    whole, near = plots.plot_by_difference(bands, plt.subplots(1, 2)[1])
    assert len(whole.lines) == len(near.lines) == 2 + 10 and near.get_xlim() == (-8.5, 8.5)
    assert [t.get_text() for t in whole.figure.legends[0].texts] == ["small", "untrained"]
    axes = plt.subplots(2, 3)[1]
    plots.plot_sections(curves.bands(results, "section_profiles"), axes, 100)
    assert axes[1, 1].get_title() == "400 to 499" and not axes[1, 2].axison
    plots.plot_lorenz(curves.bands(results, "lorenz"))
    assert len(plots.plot_head_counts(curves.targets_of_heads(results)).lines) == 5 + 1
    rows = {
        text: curves.intervals(results, "trained", "features", name)
        for name, text in tables.FEATURES.items()
    }
    ax = plots.plot_intervals(rows, "enrichment", reference=1)
    assert [t.get_text() for t in ax.get_yticklabels()] == list(tables.FEATURES.values())
    assert list(curves.intervals(results, "agreement", "attention – rollout")) == names
    axes = plt.subplots(2, 1, squeeze=False)[1]
    plots.plot_experiments([0, 10, 50, 200], curves.experiment_curves(results), axes)
    assert [ax.get_xlabel() for ax in axes[:, 0]] == ["frames removed", "frames not read"]


def test_heads_whose_interval_reaches_zero_are_hollow(no_window):
    errors = np.where(np.eye(4, 8), 0.6, 0.4)
    axes = plots.plot_head_effects(np.ones((2, 4, 8)), np.stack([errors] * 2), plt.subplots(2)[1])
    hollow, full = axes[0].containers
    assert hollow[0].get_xdata().tolist() == [0, 9, 18, 27] and len(full[0].get_xdata()) == 28
    assert hollow[0].get_markerfacecolor() == "white"


def test_every_map_of_the_chapter_can_be_drawn(results, no_window):
    moving, _, settled = visits(60)
    models = {"small": load_checkpoint("small")}
    maps, titles = curves.window_maps(models, moving, 20)
    assert titles == ["0 to 19", "20 to 39", "40 to 59", "untrained"]
    expected = attention_maps(models["small"], moving[None], average="all")[0, 40:, 40:]
    agree(maps[2], 60 * expected)
    axes = plt.subplots(1, 4)[1]
    plots.plot_maps(maps, axes, titles, ["small"])
    assert axes[0].get_ylabel() == "small" and len(axes[3].images) == 1
    maps, states, titles = curves.state_maps(results, models, moving, settled)
    committed = results["small"][checkpoint_training("small")]["trained"]["extreme"]
    head = committed["avoids its own state"]
    assert titles[3] == f"L{head['layer']} H{head['head']} avoids"
    agree(np.mean(maps, axis=(1, 2)), 1)
    axes = plt.subplots(1, 4)[1]
    plots.plot_maps(maps, axes, titles, states=states)
    assert len(axes[0].patches) == 2 * 2 and len(axes[1].patches) == 2
    along, _ = plots.plot_received(
        moving, np.ones(60), np.ones(60), states[0], plt.subplots(1, 2)[1]
    )
    assert along.get_yscale() == "log"
