"""The study of attention: what is kept of a training, verdicts on claims, tables and figures."""

import json

import matplotlib.pyplot as plt
import numpy as np
import pytest
import torch
from tiny_models import agree, make_model

from mb_support.model import TrajectoryTransformer, weights_digest
from mb_support.plotting import attention as plots
from mb_support.states import assign_states
from mb_support.studies import measured as at_hand
from mb_support.studies.attention import measures as am
from mb_support.studies.attention import study
from mb_support.studies.attention import verdicts as tables
from mb_support.studies.attention.maps import attention_maps, summarise_attention

N_FRAMES, SECTION = 61, 20
SETTINGS = study.AttentionMeasurement(
    n_trajectories=6, n_both=3, n_frames=N_FRAMES, section=SECTION, n_pieces=5, n_removed=(3, 20),
    n_experiments={"small": 3}, family="train", index=3,
)  # fmt: skip


@pytest.fixture(scope="module")
def measured():
    return study.measured_trajectories(SETTINGS)


@pytest.fixture(scope="module")
def folders(tmp_path_factory):
    """A folder of trainings with one of the small model, and no checkpoints."""
    root = tmp_path_factory.mktemp("attention")
    for seed in (0, 3):
        weights = root / "trainings" / f"small-{seed}" / "model"
        make_model(seed=seed + 1).save_pretrained(weights)
        (weights / "training.json").write_text(json.dumps({"config": {"seed": seed}}))
    (root / "checkpoints").mkdir()
    (root / "checkpoints" / "small").symlink_to(root / "trainings" / "small-3" / "model")
    return root


@pytest.fixture(scope="module")
def make_part(folders):
    """`make_part` with the weights and into the results of `folders`."""

    def load_training(name):
        weights = folders / "trainings" / name / "model"
        model = TrajectoryTransformer.from_pretrained(weights).eval()
        return model, weights_digest(model)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(study, "load_training", load_training)
        yield lambda name, report: study.make_part(name, folders / "results", report, SETTINGS)


@pytest.fixture(scope="module")
def results(folders, make_part):
    """{"small": {"small-0": ..., "small-3": ...}}, made and read back."""
    for name in ("small-0", "small-3"):
        make_part(name, lambda line: None)
    return study.load_results(["small"], folders / "results", folders / "checkpoints", SETTINGS)


def test_questions_of_states_are_put_to_trajectories_that_visit_both(measured):
    x, labels, both = measured
    assert x.shape[1:] == (N_FRAMES, 2) and len(both) == 3 and len(x) >= 6
    np.testing.assert_array_equal(labels, assign_states(x[:, 0]))
    in_b = assign_states(x).mean(axis=1)
    assert ((in_b[both] >= 0.05) & (in_b[both] <= 0.95)).all()
    others = np.setdiff1d(np.arange(6), both)
    assert ((in_b[others] < 0.05) | (in_b[others] > 0.95)).all(), "none was passed over"


def test_the_examples_are_one_that_divides_its_time_and_one_that_stays():
    inside_a, inside_b = np.full((10, 2), (-0.56, 1.44)), np.full((10, 2), (0.62, 0.03))
    divided = [np.concatenate([inside_a[:n], inside_b[n:]]) for n in (5, 2, 4)]
    sets = np.stack([*divided, inside_b, inside_a])
    # of the second half of those that visit both states, which chose no head
    assert study.example_trajectories(sets, np.array([0, 1, 2])) == (2, 3)


@pytest.fixture(scope="module")
def maps_and_measures(measured):
    x, _, both = measured
    x = x[both]
    model = make_model()
    return x, attention_maps(model, x).astype(float), study.measure(model, x, SECTION)


def test_measures_are_those_of_the_maps(maps_and_measures):
    x, maps, found = maps_and_measures
    mean, frames = maps.mean((1, 2)), np.arange(N_FRAMES)
    received = mean.sum(1)
    agree(found["received"], received)
    agree(found["first"], received[:, 0])
    agree(found["share"], am.top_share(received))
    later = frames > frames[:, None]
    agree(found["sides"], ((mean * later).sum((1, 2)) - (mean * later.T).sum((1, 2)))
          / (mean * (later | later.T)).sum((1, 2)), atol=1e-4)  # fmt: skip
    agree(found["head_next"], np.diagonal(maps, 1, -2, -1).mean(-1))
    agree(found["head_previous"], np.diagonal(maps, -1, -2, -1).mean(-1))
    agree(found["head_first"], maps[..., 0].mean(-1))
    average = np.broadcast_to(mean.mean(1, keepdims=True), mean.shape)
    for k, states in enumerate(assign_states(x)):
        same = states == states[:, None]
        agree(found["own_state"][k], (mean[k] * same).sum() / (average[k] * same).sum())
    section = mean[:, SECTION : 2 * SECTION, SECTION : 2 * SECTION]
    moment = (section * (frames - frames[:, None])[:SECTION, :SECTION]).sum((1, 2))
    expected = moment / section.sum((1, 2)) / am.mean_distance(SECTION)
    agree(found["moments"][:, 1], expected, atol=1e-5)


def test_norm_weighted_measures_equal_the_plain_ones_where_norms_are_equal(measured):
    x, _, both = measured
    model = make_model()
    with torch.no_grad():  # every frame delivers the same vector
        for module in model.modules():
            if hasattr(module, "value") and hasattr(module, "query"):
                module.value.weight.zero_()
                module.value.bias.fill_(1.0)
        for layer in model.encoder.layer:  # of the same norm in all heads
            weight = torch.eye(2).repeat(8, 8)
            layer.attention.output.dense.weight.copy_(weight)
    found = study.measure(model, x[both], SECTION)
    for name in ("share", "sides", "own_state", "first"):
        agree(found[f"norm_{name}"], found[name], rtol=1e-3, atol=1e-4)
    agree(found["key_norm"], 1, rtol=1e-3)
    agree(found["head_norms"], 1, rtol=1e-3)


def test_a_frame_with_a_small_value_is_a_sink(measured):
    x, _, both = measured
    summary = summarise_attention(make_model(), x[both], SECTION)
    keys = summary.mean_received >= np.sort(summary.mean_received, axis=1)[:, [-3]]
    summary.norms[:] = 1.0
    summary.norms[np.broadcast_to(keys[:, None, None], summary.norms.shape)] = 0.2
    agree(am.measures_of(summary)["key_norm"], 0.2, rtol=1e-3)


def test_what_is_kept_is_of_the_trajectories_it_is_said_to_be_of(results, measured):
    x, _, both = measured
    kept = results["small"]["small-0"]
    found = study.measure(make_model(seed=1), x, SECTION)
    agree(kept["trained"]["each"]["share"], found["share"][:6], rtol=1e-3)
    agree(kept["trained"]["each"]["own_state"], found["own_state"][both], rtol=1e-3)
    agree(kept["trained"]["each"]["columns_two"], found["columns"][both], rtol=1e-3)
    mean = found["head_targets"][:6].mean(axis=0)
    agree(kept["trained"]["heads"]["head_targets"], mean, rtol=1e-3)
    profile = found["profile"][:6]
    agree(kept["trained"]["means"]["profile"]["mean"], profile.mean(axis=0), rtol=1e-3)
    assert len(kept["trained"]["means"]["lorenz"]["mean"]) == 71
    head = kept["trained"]["extreme"]["next frame"]
    layer, number = head["layer"] - 1, head["head"] - 1
    first_half = found["head_next"][:3].mean(axis=0)
    assert first_half[layer, number] == first_half.max()
    agree(head["values"], found["head_next"][3:6, layer, number], rtol=1e-3)
    assert set(kept["agreement"]) >= {"attention – occlusion", "norm-weighted – rollout"}
    assert np.shape(kept["removed"]["most attended"]) == (3, 1 + 2)
    assert set(kept["unread"]) == {"most attended", "first", "random"}
    assert np.shape(kept["layers"]["mean"]) == (2, 4)
    assert np.shape(kept["small_heads"]["mean"]) == (2, 4, 8)


def test_the_control_is_the_same_network_before_its_first_step():
    first, again, other = (study.untrained(name) for name in ("small-0", "small-0", "small-1"))
    states = [model.state_dict() for model in (first, again, other)]
    name = "encoder.layer.0.attention.self.query.weight"
    assert all(torch.equal(states[0][key], states[1][key]) for key in states[0])
    assert not torch.equal(states[0][name], states[2][name])


def test_results_are_made_once_and_only_for_their_weights_and_settings(results, folders, make_part):
    said = []
    make_part("small-0", said.append)
    assert said == ["small-0 is up to date"]
    places = folders / "results", folders / "checkpoints"
    with pytest.raises(ValueError, match=r"\['small-0', 'small-3'\] were made with other"):
        study.load_results(["small"], *places)  # with the settings of the book
    with pytest.raises(ValueError, match="no results.*studies attention"):
        study.load_results(["small"], folders / "nowhere", folders / "checkpoints", SETTINGS)
    assert study.load_results(["medium"], *places, SETTINGS) == {}


def test_weights_come_from_the_checkpoint_where_a_training_is_not_there(folders):
    found = at_hand.available(folders / "trainings", folders / "checkpoints")
    assert list(found) == ["small-0", "small-3"]
    found = at_hand.available(folders / "nowhere", folders / "checkpoints")
    assert found == {"small-3": folders / "checkpoints" / "small"}
    assert at_hand.checkpoint_training("small", folders / "checkpoints") == "small-3"


def test_the_committed_model_gives_the_kept_results_again(results, measured, monkeypatch):
    monkeypatch.setattr(study, "checkpoint_training", lambda size: "small-3")
    right, wrong = make_model(seed=4), make_model(seed=9)
    for model, expected in ((right, True), (wrong, False)):
        again = study.repeats(results, {"small": model}, measured[0], {"small": 2})
        assert again == {"small": expected}


# Verdicts, on numbers made for the purpose


def kept_of(values, untrained=None, n=64, seed=0):
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
    control = {"share": 0.06, "norm_share": 0.06, "few": 0.0}
    return {
        "trained": {"each": each(normal | values)},
        "untrained": {"each": each(normal | control | (untrained or {}))},
    }


def judged(*trainings):
    results = {"small": {f"small-{k}": kept for k, kept in enumerate(trainings)}}
    return tables.verdicts(results).droplevel("model")


def test_a_model_with_all_that_the_poster_sees_confirms_every_claim():
    results = {"small": {f"small-{k}": kept_of({}, seed=k) for k in range(2)}}
    table = tables.verdicts(results | {"large": {"large-0": kept_of({})}})
    assert set(table["verdict"]) == {"confirmed"} and len(table) == 2 * len(tables.CLAIMS)
    assert set(table.xs("small (2 seeds)", level="model")["trainings"]) == {"2 of 2"}
    words = tables.claims_in_words(table)["no local blocks"]
    assert words == "confirmed: small (2 seeds), large (1 seed)"


@pytest.mark.parametrize(
    ("claim", "values"),
    [
        ("there are key timesteps", {"share": 0.05}),
        ("all others attend to them", {"readers": 0.5}),
        ("key timesteps are no sinks", {"key_norm": 0.2}),
        ("some heads attend to few frames", {"few": -0.1}),
        ("future and past alike", {"sides": -0.3}),
        ("alike in each sub-section", {"moments": [-0.3, 0.0, 0.0]}),
        ("no local blocks", {"blocks": 1.4}),
        ("attention does not follow states", {"own_state": 1.2}),
        ("heads do not follow states", {"state_heads": 0.4}),
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
    assert row["measured"].startswith(("0.000", "-0.000"))


def test_norm_weighted_attention_is_judged_by_the_same_rule():
    results = {"small": {"small-0": kept_of({"norm_own_state": 1.3})}}
    row = "attention does not follow states", "small (1 seed)"
    assert tables.verdicts(results).loc[row, "verdict"] == "confirmed"
    weighted = tables.verdicts(results, weighted=True)
    assert weighted.loc[row, "verdict"] == "refuted" and len(weighted) == 4


def test_no_more_than_before_training_is_not_more():
    assert tables.judge(np.zeros(20), np.zeros(20), tables.ABOVE) == "refuted"
    noise = np.random.default_rng(0).normal(size=64)
    assert tables.judge(noise, 0.0, tables.ABOVE) == "undecided"


@pytest.mark.parametrize(
    ("interval", "verdict"),
    [((0, -0.05, 0.05), "confirmed"), ((0.5, 0.2, 0.8), "refuted"), ((0.1, 0, 0.2), "undecided")],
)
def test_a_verdict_follows_from_the_interval(interval, verdict):
    assert tables.within(interval, (-0.1, 0.1)) == verdict


def test_errors_over_trajectories_and_range_over_trainings_are_told_apart():
    rng = np.random.default_rng(0)
    values = [1.0 + 0.1 * rng.normal(size=400), 2.0 + 0.1 * rng.normal(size=400)]
    means, half_width = tables.spread(values)
    agree(means, [1, 2], atol=0.02)
    assert half_width == pytest.approx(1.96 * 0.1 / 20, rel=0.1)
    assert tables.spread_text([1.0, 2.0], 0.02) == "1.500 ± 0.020 (1.000 to 2.000)"
    assert tables.spread_text([1.0, 2.0], 2) == "1.5 ± 2.0 (1.0 to 2.0)", "digits it leaves"
    assert tables.spread_text([1.0], 0.2) == "1.00 ± 0.20"
    assert tables.range_text([1.0, 2.0]) == "1.50 (1.00 to 2.00)"
    assert tables.range_text([1.0]) == "1.00 (1 seed)"


def test_tables_have_a_row_for_each_measure_training_or_section(results):
    table = tables.measure_table(results, ["share", "first"])
    labels = [am.MEASURES[name] for name in ("share", "first")]
    assert list(table.index) == [(label, "small (2 seeds)") for label in labels]
    assert list(table.columns) == ["trained", "untrained"]
    heads = tables.extreme_heads(results, ["next frame"])
    assert list(heads.index) == ["small-0", "small-3"]
    sections = tables.section_table(results["small"], SECTION)
    assert list(sections.index) == ["0 to 19", "20 to 39", "40 to 59"]
    assert tables.layer_table(results).shape == (4, 2)
    assert tables.in_words(results, "trained", "each", "share").startswith("small 0.")
    correlations = tables.head_correlations(results["small"])
    assert set(correlations) == {"slope", "few", "norm"}
    assert np.shape(list(correlations.values())) == (3, 2)


def test_every_table_holds_for_a_size_with_one_training_and_says_so(results, monkeypatch):
    one = {"small": {"small-3": results["small"]["small-3"]}}
    assert {model for _, model in tables.verdicts(one).index} == {"small (1 seed)"}
    for table in (tables.measure_table(one, ["share"]), tables.layer_table(one)):
        assert "±" in table.iloc[0, 0] and " to " not in table.iloc[0, 0]
    few = np.min(one["small"]["small-3"]["trained"]["heads"]["head_targets"])
    monkeypatch.setattr(tables, "N_REMOVED", 20)
    words = tables.words(one)
    assert words["fewest_small"] == f"{few:.0f} (1 seed)"
    assert words["seeds"] == "small 1" and "(1 seed)" in words["share_words"]
    assert (
        "(1 seed)" in words["unread_first"] and "(1 seed)" in words["rho_rollout_occlusion_words"]
    )


def test_trainings_with_a_head_that_stands_out_are_counted():
    trainings = {
        f"small-{k}": {"trained": {"extreme": {"first frame": {"values": [share, share]}}}}
        for k, share in enumerate((0.9, 0.2, 0.6))
    }
    assert tables.trainings_with({"small": trainings}, "first frame") == "small 2 of 3"


def test_moments_are_in_frames():
    kept = {"small-0": kept_of({"moments": [-0.3, 0.0]})}
    first, second = tables.section_table(kept, 100)["small-0"]
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
    assert tables.suffers(results, "removed", "most attended", 50) == {
        "small (1 seed)": "confirmed"
    }
    assert tables.suffers(results, "unread", "first", 10) == {"small (1 seed)": "refuted"}
    curves = tables.experiment_curves(results)
    assert list(curves) == [("removed", "small (1 seed)"), ("not read", "small (1 seed)")]
    agree(curves["removed", "small (1 seed)"]["random"][0], [0.95, 0.94, 0.93], atol=0.01)


@pytest.fixture
def no_window():
    plt.switch_backend("agg")
    yield
    plt.close("all")


def test_every_curve_of_the_chapter_can_be_drawn(results, no_window):
    names = ["small-0", "small-3"]
    bands = tables.bands(results, "profile")
    assert list(bands) == [f"{name} untrained" for name in names] + names
    ax = plots.plot_by_difference(bands)
    assert len(ax.lines) == 2 + 4 and ax.get_yscale() == "log"
    assert [t.get_text() for t in ax.get_legend().texts] == ["small", "untrained"]
    axes = plt.subplots(1, 3)[1]
    plots.plot_sections(tables.bands(results, "section_profiles"), axes, SECTION)
    assert [ax.get_title() for ax in axes] == ["0 to 19", "20 to 39", "40 to 59"]
    assert len(plots.plot_lorenz(tables.bands(results, "lorenz")).lines) == 1 + 4
    assert len(plots.plot_head_counts(tables.targets_of_heads(results)).lines) == 2 + 1
    features = {
        name: tables.intervals(results, "trained", "features", name) for name in ("early", "fast")
    }
    ax = plots.plot_intervals(features, "enrichment", reference=1)
    assert [t.get_text() for t in ax.get_yticklabels()] == ["early", "fast"]
    pair = tables.intervals(results, "agreement", "attention – rollout")
    assert list(pair) == names
    axes = plt.subplots(2, 1, squeeze=False)[1]
    plots.plot_experiments([0, 3, 20], tables.experiment_curves(results), axes)
    assert [ax.get_xlabel() for ax in axes[:, 0]] == ["frames removed", "frames not read"]
    effects = np.ones((4, 8))
    ax = plots.plot_head_effects(effects, np.where(np.eye(4, 8), 0.6, 0.4), "state")
    assert ax.lines[0].get_xdata().tolist() == [0, 1, 2, 3], "not far from zero"


def test_every_map_of_the_chapter_can_be_drawn(results, measured, no_window, monkeypatch):
    monkeypatch.setattr(study, "checkpoint_training", lambda size: "small-0")
    x, _, both = measured
    models = {"small": make_model(seed=1)}
    summaries = study.example_summaries(models, x[[both[0]]], SECTION)
    assert list(summaries) == ["small", "small untrained"]
    axes = plt.subplots(3, 3)[1]
    plots.plot_maps(list(summaries["small"].windows[0]), axes, ["a", "b", "c"])
    assert not axes[2, 2].axison and len(axes[0, 0].images) == 1
    maps, states, titles = study.state_maps(results, models, x[both[0]], x[0])
    head = results["small"]["small-0"]["trained"]["extreme"]["avoids its own state"]
    assert titles[3] == f"head {head['layer']}.{head['head']} avoids"
    agree(np.mean(maps, axis=(1, 2)), 1)
    axes = plt.subplots(1, 4)[1]
    plots.plot_state_maps(maps, states, axes, titles)
    n_runs = 1 + np.count_nonzero(np.diff(states[0]))
    assert len(axes[0].patches) == 2 * n_runs
    summary = summaries["small"]
    drawn = plots.plot_received(
        x[both[0]], summary.mean_received[0], summary.norm_received[0], states[0],
        plt.subplots(1, 2)[1],
    )  # fmt: skip
    assert drawn[0].get_yscale() == "log"
