"""What the answer depends on, against the same network computed otherwise."""

import numpy as np
import torch
from tiny_models import agree, make_model

from mb_support.studies.attention import importance as im
from mb_support.studies.attention.maps import attention_layers

N_FRAMES = 53


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
        for layer in attention_layers(silent):
            layer.value.weight.zero_()
            layer.value.bias.zero_()
    agree(nothing_read, im.log_odds(silent, trajectories))
    # the definition, layer by layer, with the weights of the eager implementation
    silent.load_state_dict(model.state_dict())
    silent.set_attn_implementation("eager")
    read = torch.ones(N_FRAMES, 1)
    read[[4, 30]] = 0
    for layer in attention_layers(silent):
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
            value = attention_layers(silent)[layer].value
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
                value = attention_layers(scaled)[layer].value
                value.weight[2 * head : 2 * head + 2] *= factor
                value.bias[2 * head : 2 * head + 2] *= factor
            losses.append(im.losses_by_trajectory(scaled, trajectories, labels)[:, 1])
        slope = np.abs(losses[0] - losses[1]) / (2 * step)
        agree(found[:, layer, head], slope, rtol=0.05, atol=1e-3)


def test_the_most_attended_frames_can_be_chosen_away_from_the_start(model, trajectories):
    labels, (n, n_frames) = np.array([0, 1, 1]), trajectories.shape[:2]
    received = np.tile(-np.arange(n_frames, dtype=float), (n, 1))  # the first ones most
    found = {name: received for name in ("received", "norm_received", "gradient")}
    kept = im.deletions(model, trajectories, labels, found, [4], n_start=4)
    agree(kept["most attended"], kept["first"])
    later = np.where(np.arange(n_frames) < 4, -np.inf, received)
    agree(kept[im.LATER][:, 1:], im.deletion_curve(model, trajectories, labels, later, [4]))
    assert not np.allclose(kept[im.LATER], kept["first"])
