"""Measures of attention against the weights themselves, frame by frame."""

import numpy as np
import pytest
import torch
from tiny_models import agree, make_model

from mb_support.states import assign_states
from mb_support.studies.attention import measures as am
from mb_support.studies.attention.all_measures import measure
from mb_support.studies.attention.maps import attention_layers, attention_maps

N_FRAMES, SECTION = 53, 20


@pytest.fixture(scope="module")
def maps(model, trajectories):
    """(trajectory, layer, head, query, key), in float64; the uniform weight is 1."""
    return attention_maps(model, trajectories).astype(float) * N_FRAMES


@pytest.fixture(scope="module")
def found(model, trajectories):
    return measure(model, trajectories, SECTION)


def test_maps_are_averaged_over_what_is_asked(model, trajectories, maps):
    assert maps.shape == (3, 4, 8, N_FRAMES, N_FRAMES)
    agree(maps.mean(-1), 1)
    uniform = 1 / N_FRAMES
    agree(attention_maps(model, trajectories, average="heads"), maps.mean(2) * uniform)
    agree(attention_maps(model, trajectories, average="all"), maps.mean((1, 2)) * uniform)
    agree(attention_maps(model, trajectories, layers=[-1, 0]), maps[:, [3, 0]] * uniform)
    assert model.config._attn_implementation == "sdpa", "the implementation is put back"


@pytest.mark.parametrize("size", ["medium", "large"])
def test_received_attention_is_the_column_mean_in_every_size(size, trajectories):
    model = make_model(size)
    received = measure(model, trajectories[:1], SECTION)["received"]
    agree(received, attention_maps(model, trajectories[:1], average="all").sum(-2))


def test_received_attention_and_its_concentration_are_of_the_mean_map(maps, found):
    mean = maps.mean((1, 2))
    received = mean.mean(1)
    agree(found["received"], received)
    agree(found["first"], received[:, 0])
    agree(found["share"], am.top_share(received))
    ten = np.argsort(-received, axis=1)[:, :10]
    readers = np.take_along_axis((mean > 1).mean(1), ten, axis=1).mean(1)
    agree(found["readers"], readers, atol=1 / N_FRAMES)


def test_sides_and_neighbours_are_sums_over_diagonals(maps, found):
    frames = np.arange(N_FRAMES)
    later = frames > frames[:, None]
    future, past = ((maps * side).sum((-2, -1)) for side in (later, later.T))
    agree(found["head_sides"], (future - past) / (future + past), atol=1e-5)
    future, past = future.mean((1, 2)), past.mean((1, 2))
    agree(found["sides"], (future - past) / (future + past), atol=1e-5)
    agree(found["head_next"], np.diagonal(maps, 1, -2, -1).mean(-1) / N_FRAMES)
    agree(found["head_previous"], np.diagonal(maps, -1, -2, -1).mean(-1) / N_FRAMES)
    agree(found["head_first"], maps[..., 0].mean(-1) / N_FRAMES)


def test_profiles_and_moments_are_of_sub_sections(maps, found):
    mean = maps.mean((1, 2))
    sections = [slice(0, 20), slice(20, 40), slice(40, 53)]
    for d in (-19, -3, 0, 12, 19):
        parts = [np.diagonal(mean[:, s, s], d, -2, -1) for s in sections]
        agree(found["profile"][:, SECTION - 1 + d], np.concatenate(parts, -1).mean(-1))
        agree(found["section_profiles"][:, 1, SECTION - 1 + d], parts[1].mean(-1))
    frames = np.arange(SECTION)
    window = mean[:, sections[1], sections[1]]
    moment = (window * (frames - frames[:, None])).sum((1, 2)) / window.sum((1, 2))
    agree(found["moments"][:, 1], moment / am.mean_distance(SECTION), atol=1e-5)


def test_entropy_counts_the_frames_attended_to(maps, found):
    weights = maps / N_FRAMES
    entropy = -(weights * np.log(np.clip(weights, 1e-30, None))).sum(-1)
    agree(found["head_targets"], np.exp(entropy.mean(-1)))


def test_shares_of_variance_come_from_the_weights(maps, found):
    variance = maps.var((-2, -1))
    agree(found["columns"], (maps.mean(-2).var(-1) / variance).mean((1, 2)), rtol=2e-3)
    offset = np.arange(N_FRAMES) - np.arange(N_FRAMES)[:, None]
    profile = np.zeros_like(maps)
    for d in range(1 - N_FRAMES, N_FRAMES):
        profile[..., offset == d] = maps[..., offset == d].mean(-1, keepdims=True)
    agree(found["diagonals"], (profile.var((-2, -1)) / variance).mean((1, 2)), rtol=2e-3)


def own_group(maps, groups):
    """Weight on the own group over that of the average row, from the maps."""
    same = groups[:, None] == groups
    average = np.broadcast_to(maps.mean(-2, keepdims=True), maps.shape)
    return (maps * same).sum((-2, -1)) / (average * same).sum((-2, -1))


def test_weight_on_the_own_group_compares_with_the_average_row(maps, found, trajectories):
    agree(found["blocks"], own_group(maps, np.arange(N_FRAMES) // SECTION).mean((1, 2)))
    states = assign_states(trajectories)
    for k in (0, 1):
        of_heads = own_group(maps[k], states[k])
        agree(found["head_own_state"][k], of_heads)
        agree(found["state_heads"][k], (np.abs(of_heads - 1) > 0.1).mean())
        agree(found["own_state"][k], own_group(maps[k].mean((0, 1)), states[k]))
    assert np.isnan(found["head_own_state"][2]).all(), "it stays in one state"
    assert np.isnan(found["own_state"][2]) and np.isfinite(found["share"]).all()


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


def test_norms_are_those_of_what_a_head_adds(model, trajectories, maps, found):
    parts = head_parts(model, trajectories[0])
    norms = np.linalg.norm(parts, axis=-1)
    weighted = maps[0] * norms[..., None, :]
    agree(found["head_norms"][0], weighted.mean((-2, -1)) / norms.mean(-1))
    mean = weighted.mean((0, 1))
    received = mean.mean(0) / mean.mean()
    agree(found["norm_received"][0], received)
    agree(found["norm_first"][0], received[0])
    agree(found["norm_share"][0], am.top_share(received))
    frames = np.arange(N_FRAMES)
    later = frames > frames[:, None]
    future, past = (mean * later).sum(), (mean * later.T).sum()
    agree(found["norm_sides"][0], (future - past) / (future + past), atol=1e-5)
    agree(found["norm_blocks"][0], own_group(mean, frames // SECTION))
    agree(found["norm_own_state"][0], own_group(mean, assign_states(trajectories[0])))
    keys = am.top_frames(found["received"][0])
    elsewhere = np.setdiff1d(frames, keys)
    delivered = received / found["received"][0]
    ratio = np.average(delivered[keys], weights=found["received"][0][keys]) / np.average(
        delivered[elsewhere], weights=found["received"][0][elsewhere]
    )
    agree(found["key_norm"][0], ratio)


def test_the_parts_of_all_heads_make_the_output_of_a_layer(model, trajectories, maps):
    parts, layer = head_parts(model, trajectories[0]), model.encoder.layer[1].attention
    found = np.einsum("hij,hjd->id", maps[0, 1] / N_FRAMES, parts[1])
    outputs = []
    handle = layer.output.dense.register_forward_hook(lambda m, i, o: outputs.append(o[0]))
    with torch.no_grad():
        model(torch.from_numpy(trajectories[:1]))
    handle.remove()
    agree(found + layer.output.dense.bias.detach().numpy(), outputs[0], atol=1e-4)


def test_rollout_is_the_product_of_the_layers(maps, found):
    step = (maps.mean(2) / N_FRAMES + np.eye(N_FRAMES)) / 2
    whole = step[:, 3] @ step[:, 2] @ step[:, 1] @ step[:, 0]
    agree(found["rollout"], whole.mean(1) * N_FRAMES)


def test_a_model_that_does_not_choose_has_every_measure_at_its_zero(trajectories):
    model = make_model()
    with torch.no_grad():
        for layer in attention_layers(model):
            layer.query.weight.zero_()
            layer.query.bias.zero_()
    found = measure(model, trajectories, SECTION)
    for name in ("received", "profile", "section_profiles", "rollout", "blocks", "first"):
        agree(found[name], 1)
    agree(found["head_targets"], N_FRAMES)
    agree(found["own_state"][:2], 1)
    for name in ("sides", "head_sides", "moments"):
        agree(found[name], 0, atol=1e-5)
