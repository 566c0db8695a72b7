"""Sets of trajectories: the same numbers from the same seed, and no seed in two families."""

import itertools

import numpy as np
import pytest
import torch

from mb_support.datasets import (
    DENSE_FRAMES,
    NEAR_RIDGE,
    SEED_FAMILIES,
    FreshTrajectories,
    family_seed,
    focused_starts,
    height_above_ridge,
    make_dataset,
    thinned_frames,
)
from mb_support.simulation import REGIMES, sample_starts, simulate
from mb_support.states import assign_states

SHORT = dict(n_frames=30, stride=5)


def test_a_set_is_what_its_seed_says():
    data = make_dataset(6, "validation", index=3, **SHORT)
    starts = sample_starts(6, 20_003)
    np.testing.assert_array_equal(data.trajectories[:, 0], starts.astype(np.float32))
    np.testing.assert_array_equal(data.trajectories, simulate(data.config, starts, 20_003))
    assert data.trajectories.shape == (6, 30, 2) and data.trajectories.dtype == np.float32
    assert data.labels.shape == (6,) and data.labels.dtype == np.int64
    assert len(data) == 6 and data.seed == 20_003
    assert (data.config.n_frames, data.config.stride) == (30, 5)
    assert data.config.beta == REGIMES["metastable"].beta


def test_labels_are_states_of_the_frame_asked_for():
    first = make_dataset(40, "test", regime="wild", n_frames=60)
    last = make_dataset(40, "test", regime="wild", n_frames=60, label="last")
    np.testing.assert_array_equal(first.trajectories, last.trajectories)
    np.testing.assert_array_equal(first.labels, assign_states(first.trajectories[:, 0]))
    np.testing.assert_array_equal(last.labels, assign_states(last.trajectories[:, -1]))
    assert (first.labels != last.labels).any()
    assert 0.25 < first.labels.mean() < 0.95


def test_more_trajectories_extend_a_set_and_do_not_change_it():
    few, many = (make_dataset(n, "train", **SHORT).trajectories for n in (3, 8))
    np.testing.assert_array_equal(many[:3], few)


def test_families_and_indices_share_no_trajectory():
    sets = [
        make_dataset(20, family, index, **SHORT).trajectories
        for family, index in itertools.product(("train", "test", "validation"), (0, 1))
    ]
    starts = np.concatenate(sets)[:, 0]
    assert len(np.unique(starts, axis=0)) == len(starts)


def test_seeds_of_different_families_never_meet():
    ranges = {name: (first, first + 8_999) for name, first in SEED_FAMILIES.items()}
    for (a, b), (c, d) in itertools.combinations(ranges.values(), 2):
        assert b < c or d < a
    assert family_seed("test") == 10_000 and family_seed("train") == 1


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (dict(family="exam"), "unknown seed family 'exam'.*train"),
        (dict(regime="mild"), "unknown regime 'mild'.*metastable"),
        (dict(label="middle"), "unknown label 'middle'.*first"),
        (dict(index=9_000), r"0\.\.8999; got 9000"),
        (dict(index=-1), r"0\.\.8999; got -1"),
        (dict(n_frames=0), "n_frames"),
        (dict(dt=1.0), "dt must be at most"),
    ],
)
def test_impossible_sets_are_refused(arguments, message):
    with pytest.raises(ValueError, match=message):
        make_dataset(2, **arguments)


def items_equal(first, second):
    return all(torch.equal(first[key], second[key]) for key in first)


def test_a_stream_depends_on_the_item_only():
    stream = FreshTrajectories([(20, 6), (50, 4)], seed=30_000)
    alone = [stream[i] for i in range(len(stream))]
    together = stream.__getitems__(range(len(stream)))
    scattered = stream.__getitems__([7, 2, 3, 9, 0])
    assert all(map(items_equal, alone, together))
    assert all(items_equal(item, alone[i]) for item, i in zip(scattered, [7, 2, 3, 9, 0],
                                                             strict=True))  # fmt: skip
    starts = torch.stack([item["trajectories"][0] for item in alone])
    assert len(starts.unique(dim=0)) == 10


def test_stages_give_their_lengths_and_other_seeds_other_trajectories():
    stream = FreshTrajectories([(20, 6), (50, 4)], seed=30_000)
    other = FreshTrajectories([(20, 6), (50, 4)], seed=30_001)
    lengths = [len(item["trajectories"]) for item in stream.__getitems__(range(10))]
    assert lengths == [20] * 6 + [50] * 4 and len(stream) == 10
    assert not torch.equal(stream[0]["trajectories"], other[0]["trajectories"])


def test_a_longer_first_stage_only_prolongs_its_trajectories():
    short = FreshTrajectories([(20, 4)], seed=30_000)
    long = FreshTrajectories([(60, 4)], seed=30_000)
    for i in range(4):
        torch.testing.assert_close(long[i]["trajectories"][:20], short[i]["trajectories"])


def test_labels_of_a_stream_are_states_of_first_frames():
    for item in FreshTrajectories([(5, 12)], seed=30_002).__getitems__(range(12)):
        assert item["labels"].item() == assign_states(item["trajectories"][0].numpy())
        assert item["labels"].dtype == torch.int64 and set(item) == {"trajectories", "labels"}


def test_guided_items_hold_the_state_of_each_frame_and_a_falling_weight():
    stream = FreshTrajectories([(25, 8)], seed=30_000, n_guided=4)
    items = stream.__getitems__(range(8))
    assert [item["guidance"].item() for item in items] == [1.0, 0.75, 0.5, 0.25, 0, 0, 0, 0]
    for item in items:
        expected = assign_states(item["trajectories"].numpy())
        np.testing.assert_array_equal(item["states"].numpy(), expected)
        assert item["labels"] == item["states"][0]


def test_every_second_guided_item_starts_near_the_ridge_and_no_other_item_is_changed():
    guided = FreshTrajectories([(2, 40)], seed=30_000, n_guided=20).__getitems__(range(40))
    plain = FreshTrajectories([(2, 40)], seed=30_000).__getitems__(range(40))
    first = np.stack([item["trajectories"][0].numpy() for item in guided])
    is_focused = (np.arange(40) < 20) & (np.arange(40) % 2 == 0)
    assert (np.abs(height_above_ridge(first[is_focused])) < NEAR_RIDGE).all()
    for i in np.flatnonzero(~is_focused):
        assert torch.equal(guided[i]["trajectories"], plain[i]["trajectories"])


@pytest.mark.parametrize("n_kept", [33, 60, 160, 999])
def test_thinned_frames_keep_the_beginning_and_stand_for_all(n_kept):
    frames, counts = thinned_frames(999, n_kept, seed=3)
    assert len(frames) == len(counts) == n_kept
    assert np.array_equal(frames[:DENSE_FRAMES], np.arange(DENSE_FRAMES))
    assert (np.diff(frames) > 0).all() and frames[-1] < 999
    assert counts.sum() == pytest.approx(999, rel=1e-5)


def test_every_frame_is_drawn_as_often_as_it_should_be():
    n_draws = 4000
    drawn = np.concatenate([thinned_frames(100, 49, (1, i))[0] for i in range(n_draws)])
    share = np.bincount(drawn, minlength=100)[DENSE_FRAMES:] / n_draws  # 17 of 68 frames
    assert abs(share - 0.25).max() < 5 * np.sqrt(0.25 * 0.75 / n_draws)


@pytest.mark.parametrize("n_kept", [0, DENSE_FRAMES, 101])
def test_impossible_numbers_of_kept_frames_are_refused(n_kept):
    with pytest.raises(ValueError, match="n_kept must lie in 33..100"):
        thinned_frames(100, n_kept, seed=0)


@pytest.mark.parametrize("n_kept", [96, 160, 320])
def test_thinned_frames_come_in_whole_blocks(n_kept):
    for seed in range(20):
        frames, counts = thinned_frames(999, n_kept, (2, seed), block_length=16)
        assert len(frames) == len(counts) == n_kept
        assert counts.sum() == pytest.approx(999, rel=1e-5)
        blocks = frames[DENSE_FRAMES:].reshape(-1, 16)
        assert (np.diff(blocks, axis=1) == 1).all()
        assert (np.diff(frames) > 0).all() and frames[-1] < 999


def test_frames_that_are_no_whole_blocks_are_refused():
    with pytest.raises(ValueError, match="are not blocks of 16"):
        thinned_frames(999, 100, seed=0, block_length=16)


def test_thinned_items_hold_whole_trajectories_and_what_is_shown_of_them():
    stream = FreshTrajectories([(60, 2, 40), (60, 2)], seed=30_000)
    items = stream.__getitems__(range(4))
    assert [len(item["trajectories"]) for item in items] == [60] * 4
    assert [len(item["frames"]) for item in items[:2]] == [40, 40]
    assert items[0]["frames"].max() < 59  # the last frame is never shown to the encoder
    assert not torch.equal(items[0]["frames"], items[1]["frames"])
    assert not any("frames" in item for item in items[2:])


def test_heights_have_the_sign_of_the_state():
    points = make_dataset(30, "train", n_frames=2).trajectories
    np.testing.assert_array_equal(height_above_ridge(points) < 0, assign_states(points) == 1)


def test_focused_starts_do_not_depend_on_each_other():
    together = focused_starts(6, seed=5)
    assert (np.abs(height_above_ridge(together)) < NEAR_RIDGE).mean() > 0.9
    np.testing.assert_array_equal(focused_starts(2, seed=5, first_trajectory=3), together[3:5])


@pytest.mark.parametrize("stages", [[], [(1, 10)], [(20, 0)]])
def test_impossible_stages_are_refused(stages):
    with pytest.raises(ValueError, match="stages must be"):
        FreshTrajectories(stages, seed=30_000)


def test_other_impossible_streams_are_refused():
    with pytest.raises(ValueError, match="unknown regime 'mild'"):
        FreshTrajectories([(20, 4)], seed=30_000, regime="mild")
    stream = FreshTrajectories([(20, 4)], seed=30_000)
    with pytest.raises(IndexError, match=r"0\.\.3"):
        stream[4]
    with pytest.raises(IndexError, match=r"0\.\.3"):
        stream[-1]
