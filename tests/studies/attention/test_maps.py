"""Attention sums against the weights themselves, and measures with known answers."""

import numpy as np
import pytest
import torch
from tiny_models import agree, make_model

from mb_support.datasets import make_dataset
from mb_support.states import assign_states
from mb_support.statistics import bootstrap_mean, rank_correlation
from mb_support.studies.attention import importance as im
from mb_support.studies.attention import maps as at
from mb_support.studies.attention import measures as am

N_FRAMES, SECTION = 53, 20


@pytest.fixture(scope="module")
def model():
    return make_model()


@pytest.fixture(scope="module")
def trajectories():
    # the first two change state, the third stays
    data = make_dataset(40, "train", regime="wild", n_frames=N_FRAMES, stride=10).trajectories
    moves = np.ptp(assign_states(data), axis=1) > 0
    return np.concatenate([data[moves][:2], data[~moves][:1]])


@pytest.fixture(scope="module")
def maps(model, trajectories):
    """(trajectory, layer, head, query, key), in float64."""
    return at.attention_maps(model, trajectories).astype(float)


@pytest.fixture(scope="module")
def summary(model, trajectories):
    return at.summarise_attention(model, trajectories, SECTION)


def test_maps_are_averaged_over_what_is_asked(model, trajectories, maps):
    assert maps.shape == (3, 4, 8, N_FRAMES, N_FRAMES)
    agree(maps.sum(-1), 1)
    agree(at.attention_maps(model, trajectories, average="heads"), maps.mean(2))
    agree(at.attention_maps(model, trajectories, average="all"), maps.mean((1, 2)))
    agree(at.attention_maps(model, trajectories, layers=[-1, 0]), maps[:, [3, 0]])
    assert model.config._attn_implementation == "sdpa", "the implementation is put back"


@pytest.mark.parametrize("size", ["small", "medium", "large"])
def test_received_attention_is_the_column_mean_in_every_size(size, trajectories):
    model = make_model(size)
    found = at.summarise_attention(model, trajectories[:1], SECTION).received
    agree(found, at.attention_maps(model, trajectories[:1]).mean(-2) * N_FRAMES)


def test_profiles_are_means_over_diagonals(maps, summary):
    weights = maps * N_FRAMES
    for d in (-52, -7, 0, 1, 30):
        agree(summary.difference[..., N_FRAMES - 1 + d],
              np.diagonal(weights, d, -2, -1).mean(-1))  # fmt: skip
    sections = [slice(0, 20), slice(20, 40), slice(40, 53)]
    for d in (-19, -3, 0, 12, 19):
        parts = [np.diagonal(weights[..., s, s], d, -2, -1) for s in sections]
        agree(summary.in_section[..., SECTION - 1 + d], np.concatenate(parts, -1).mean(-1))


def test_entropy_counts_the_frames_attended_to(maps, summary):
    entropy = -(maps * np.log(np.clip(maps, 1e-30, None))).sum(-1)
    agree(summary.targets, np.exp(entropy.mean(-1)))


def test_shares_of_variance_come_from_the_weights(maps, summary):
    variance = maps.var((-2, -1))
    agree(summary.column_share, maps.mean(-2).var(-1) / variance, rtol=2e-3)
    offset = np.arange(N_FRAMES) - np.arange(N_FRAMES)[:, None]
    profile = np.zeros_like(maps)
    for d in range(1 - N_FRAMES, N_FRAMES):
        profile[..., offset == d] = maps[..., offset == d].mean(-1, keepdims=True)
    agree(summary.difference_share, profile.var((-2, -1)) / variance, rtol=2e-3)


def own_group(maps, groups):
    """Weight on the own group over that of the average row, from the maps."""
    same = groups[:, None] == groups
    average = np.broadcast_to(maps.mean(-2, keepdims=True), maps.shape)
    return (maps * same).sum((-2, -1)) / (average * same).sum((-2, -1))


def test_state_preference_compares_with_the_average_row(maps, summary, trajectories):
    states = assign_states(trajectories)
    for k in (0, 1):
        agree(summary.own_state[k], own_group(maps[k], states[k]))
        same = states[k][:, None] == states[k]
        agree(summary.own_state_weight[k], (maps[k] * same).sum((-2, -1)) / N_FRAMES)
    assert np.isnan(summary.own_state[2]).all(), "it stays in one state"
    np.testing.assert_array_equal(summary.states, states)


def test_sections_are_blocks_of_time(maps, summary):
    agree(summary.own_section, own_group(maps, np.arange(N_FRAMES) // SECTION))


def head_parts(model, trajectory):
    """What each head of each layer adds: value of each frame through its part of the projection."""
    model.set_attn_implementation("eager")
    inputs, handles = [], []
    for layer in model.encoder.layer:
        keep = lambda module, args, output: inputs.append(args[0][0])  # noqa: E731
        handles.append(layer.attention.self.register_forward_hook(keep))
    with torch.no_grad():
        model(torch.from_numpy(trajectory)[None])
    for handle in handles:
        handle.remove()
    model.set_attn_implementation("sdpa")
    parts = []
    for hidden, layer in zip(inputs, model.encoder.layer, strict=True):
        attention, size = layer.attention, layer.attention.self.attention_head_size
        value = attention.self.value(hidden).detach()
        weight = attention.output.dense.weight.detach()
        heads = [slice(size * h, size * (h + 1)) for h in range(value.shape[1] // size)]
        parts.append(torch.stack([value[:, h] @ weight[:, h].T for h in heads]))
    return torch.stack(parts).numpy()  # (layers, heads, frames, hidden)


def test_norms_are_those_of_what_a_head_adds(model, trajectories, maps, summary):
    parts = head_parts(model, trajectories[0])
    norms = np.linalg.norm(parts, axis=-1)
    agree(summary.norms[0], norms)
    weighted = maps[0] * norms[..., None, :]
    states, frames = assign_states(trajectories[0]), np.arange(N_FRAMES)
    later = frames > frames[:, None]
    masks = (later.T, later, frames // SECTION == (frames // SECTION)[:, None],
             states == states[:, None])  # fmt: skip
    for k, mask in enumerate(masks):
        agree(summary.norm_sums[0, ..., k], (weighted * mask).sum((-2, -1)) / N_FRAMES)
    received = weighted.sum((0, 1, 2))
    agree(summary.norm_received[0], received / received.mean())


def test_the_parts_of_all_heads_make_the_output_of_a_layer(model, trajectories, maps):
    parts, layer = head_parts(model, trajectories[0]), model.encoder.layer[1].attention
    found = np.einsum("hij,hjd->id", maps[0, 1], parts[1])
    outputs = []
    handle = layer.output.dense.register_forward_hook(lambda m, i, o: outputs.append(o[0]))
    with torch.no_grad():
        model(torch.from_numpy(trajectories[:1]))
    handle.remove()
    agree(found + layer.output.dense.bias.detach().numpy(), outputs[0], atol=1e-4)


def test_windows_and_readers_come_from_the_mean_map(maps, summary):
    mean = maps.mean((1, 2)) * N_FRAMES
    assert summary.windows.shape == (3, 2, SECTION, SECTION)
    agree(summary.windows[:, 1], mean[:, 20:40, 20:40])
    agree(summary.attended_by, (mean > 1).mean(1), atol=1 / N_FRAMES)
    agree(summary.mean_received, mean.mean(1))


def test_rollout_is_the_product_of_the_layers(maps, summary):
    step = (maps.mean(2) + np.eye(N_FRAMES)) / 2
    whole = step[:, 3] @ step[:, 2] @ step[:, 1] @ step[:, 0]
    agree(summary.rollout, whole.mean(1) * N_FRAMES)


def test_a_model_that_does_not_choose_has_every_measure_at_its_zero(trajectories):
    model = make_model()
    with torch.no_grad():
        for layer in at.attention_layers(model):
            layer.query.weight.zero_()
            layer.query.bias.zero_()
    summary = at.summarise_attention(model, trajectories, SECTION)
    for values in (summary.received, summary.difference, summary.in_section, summary.rollout):
        agree(values, 1)
    agree(summary.targets, N_FRAMES)
    agree(summary.own_state[:2], 1)
    agree(summary.own_section, 1)
    agree(am.asymmetry(summary.difference), 0, atol=1e-5)
    agree(am.mean_time_difference(summary.windows), 0, atol=1e-4)


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


def test_bootstrap_intervals_have_the_width_of_the_standard_error():
    values = np.random.default_rng(5).normal(2.0, 1.0, (400, 3))
    mean, low, high = bootstrap_mean(values)
    agree(mean, values.mean(0))
    agree(high - low, 2 * 1.96 / 20, rtol=0.15)
    values[:200, 1] = np.nan
    _, low, high = bootstrap_mean(values)
    agree((high - low)[1], 2 * 1.96 / np.sqrt(200), rtol=0.2)


def test_removing_frames_equals_hiding_them(model, trajectories):
    mask = torch.ones(3, N_FRAMES)
    mask[:, 5:20] = 0
    mask[1, 40] = 0
    mask[0, 41] = 0
    mask[2, 42] = 0
    kept = [np.flatnonzero(row) for row in mask.numpy()]
    x = torch.from_numpy(trajectories)
    with torch.no_grad():
        hidden = model.embeddings(model.inputs_to_hidden_dim(model.standardise(x)[0]))
        hide = torch.zeros_like(mask).masked_fill(mask == 0, -1e9)[:, None, None]
        encodings = model.encoder(hidden, attention_mask=hide).last_hidden_state
        weights = mask[..., None] / mask.sum(1)[:, None, None]
        logits = model.state_classifier((encodings * weights).sum(1))
    agree(im.log_odds(model, trajectories, kept), logits[:, 1] - logits[:, 0], rtol=1e-3, atol=1e-4)
    with torch.no_grad():
        logits = model(x).state_logits
    agree(im.log_odds(model, trajectories), logits[:, 1] - logits[:, 0], rtol=1e-3, atol=1e-4)


def test_gradient_is_the_effect_of_shrinking_a_frame(model, trajectories):
    importance = im.gradient_importance(model, trajectories)
    assert importance.shape == (3, N_FRAMES)
    x, step = torch.from_numpy(trajectories).double(), 1e-4
    double = make_model().double()
    with torch.no_grad():
        z = double.standardise(x)[0]
        for frame in (0, 17, 52):
            answers = []
            for factor in (1 + step, 1 - step):
                moved = z.clone()
                moved[:, frame] *= factor
                logits = double.classify(double.encode(moved))
                answers.append(logits[:, 1] - logits[:, 0])
            slope = (answers[0] - answers[1]).abs() / (2 * step)
            agree(importance[:, frame], slope, rtol=2e-3, atol=1e-4)


def test_occlusion_is_the_change_when_a_section_goes(model, trajectories):
    found = im.occlusion_importance(model, trajectories, [0, 11, 21, 32, 42, 53])
    assert found.shape == (3, 5)
    kept = np.tile(np.r_[0:21, 32:53], (3, 1))
    agree(found[:, 2], np.abs(im.log_odds(model, trajectories, kept)
                              - im.log_odds(model, trajectories)))  # fmt: skip


def test_deletion_removes_the_largest_scores_first(model, trajectories):
    scores = np.tile(np.arange(N_FRAMES)[::-1], (3, 1))  # the first frames score highest
    labels = np.array([0, 1, 1])
    found = im.deletion_curve(model, trajectories, labels, scores, [0, 30])
    assert found.shape == (3, 2)
    whole = im.log_odds(model, trajectories)
    agree(found[:, 0], 1 / (1 + np.exp(np.where(labels == 1, -whole, whole))))
    kept = np.tile(np.arange(30, N_FRAMES), (3, 1))
    left = im.log_odds(model, trajectories, kept)
    agree(found[:, 1], 1 / (1 + np.exp(np.where(labels == 1, -left, left))))


def test_an_unread_frame_is_seen_by_itself_only(model, trajectories):
    labels, scores = np.array([0, 1, 1]), np.zeros((3, N_FRAMES))
    scores[:, [4, 30]] = [2, 1]
    found = im.deletion_curve(model, trajectories, labels, scores, [0, 2], unread=True)
    agree(found[:, 0], im.deletion_curve(model, trajectories, labels, scores, [0])[:, 0])
    all_frames = np.tile(np.arange(N_FRAMES), (3, 1))
    nothing_read = im.log_odds(model, trajectories, unread=all_frames)
    silent = make_model()  # no head reads anything from any frame
    with torch.no_grad():
        for layer in at.attention_layers(silent):
            layer.value.weight.zero_()
            layer.value.bias.zero_()
    agree(nothing_read, im.log_odds(silent, trajectories))
    # the definition, layer by layer, with the weights of the eager implementation
    silent.load_state_dict(model.state_dict())
    silent.set_attn_implementation("eager")
    read = torch.ones(N_FRAMES, 1)
    read[[4, 30]] = 0
    for layer in at.attention_layers(silent):
        layer.value.register_forward_hook(lambda module, inputs, output: output * read)
    with torch.no_grad():
        p = silent(torch.from_numpy(trajectories)).state_logits.softmax(1)
    agree(found[:, 1], p[[0, 1, 2], labels])
    agree(im.log_odds(model, trajectories, unread=all_frames), nothing_read)


def test_a_silenced_head_is_a_head_without_values(model, trajectories):
    labels = [0, 1, 1]
    changes = im.head_ablation(model, trajectories, labels, units=[(1, [3]), (2, [0, 7])])
    whole = im.losses_by_trajectory(model, trajectories, labels)
    for (layer, heads), change in zip([(1, [3]), (2, [0, 7])], changes, strict=True):
        silent = make_model()
        with torch.no_grad():
            value = at.attention_layers(silent)[layer].value
            for head in heads:
                value.weight[2 * head : 2 * head + 2] = 0
                value.bias[2 * head : 2 * head + 2] = 0
        agree(change, im.losses_by_trajectory(silent, trajectories, labels) - whole, atol=1e-4)


def test_losses_by_trajectory_average_to_the_models_loss(trajectories):
    model, labels = make_model(), torch.tensor([0, 1, 1])
    found = im.losses_by_trajectory(model, trajectories, labels)
    with torch.no_grad():
        output = model(torch.from_numpy(trajectories))
        loss = torch.nn.functional.cross_entropy(output.state_logits, labels)
    agree(found[:, 1].mean(), loss)


def test_head_gradients_are_small_ablations(model, trajectories):
    labels, step = np.array([0, 1, 1]), 0.01
    found = im.head_gradients(model, trajectories, labels)
    assert found.shape == (3, 4, 8)
    for layer, head in [(0, 2), (3, 5)]:
        losses = []
        for factor in (1 + step, 1 - step):
            scaled = make_model()
            with torch.no_grad():
                value = at.attention_layers(scaled)[layer].value
                value.weight[2 * head : 2 * head + 2] *= factor
                value.bias[2 * head : 2 * head + 2] *= factor
            losses.append(im.losses_by_trajectory(scaled, trajectories, labels)[:, 1])
        slope = np.abs(losses[0] - losses[1]) / (2 * step)
        agree(found[:, layer, head], slope, rtol=0.05, atol=1e-3)


def test_rank_correlation_knows_order_and_ties():
    a = np.array([1.0, 2.0, 3.0, 10.0])
    assert rank_correlation(a, a**3) == pytest.approx(1)
    assert rank_correlation(a, -a) == pytest.approx(-1)
    assert rank_correlation([1, 1, 2, 3], [1, 2, 3, 3]) == pytest.approx(8 / 9)
    assert np.isnan(rank_correlation(a, np.ones(4)))


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


def test_impossible_arguments_are_refused(model, trajectories):
    with pytest.raises(ValueError, match="average must be None.*'layers'"):
        at.attention_maps(model, trajectories, average="layers")
    with pytest.raises(ValueError, match=r"-4\.\.3; got \[4\]"):
        at.attention_maps(model, trajectories, layers=[4])
    with pytest.raises(ValueError, match=r"section must lie in 2\.\.53 frames; got 54"):
        at.summarise_attention(model, trajectories, 54)
    with pytest.raises(ValueError, match="not causal"):
        at.summarise_attention(make_model(causal=True), trajectories, 10)
    with pytest.raises(ValueError, match="two or more trajectories; got 1"):
        am.share_by_position(np.ones((1, 9)))
    with pytest.raises(ValueError, match=r"kept must have shape \(3, n_kept\).*\(2, 4\)"):
        im.log_odds(model, trajectories, np.zeros((2, 4), int))
    with pytest.raises(ValueError, match=r"numbers must lie in 0\.\.52; got \[53\]"):
        im.deletion_curve(model, trajectories, [0, 1, 1], np.ones((3, N_FRAMES)), [53])
    with pytest.raises(ValueError, match=r"layer 4, heads \[0\]"):
        im.head_ablation(model, trajectories, [0, 1, 1], units=[(4, [0])])
