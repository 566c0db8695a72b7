"""Sets of trajectories: the same numbers from the same seed, and no seed in two families."""

import itertools
import subprocess
import sys
from dataclasses import replace

import numpy as np
import pytest
import torch

from mb_support.datasets import (
    SEED_FAMILIES,
    FreshTrajectories,
    TrajectorySet,
    make_dataset,
)
from mb_support.datasets.sets import FixedTrajectories, family_seed, regime_settings, starts_of
from mb_support.potential import SADDLES, four_wells, potential
from mb_support.simulation import (
    REGIMES,
    START_BOX,
    SimulationConfig,
    sample_starts,
    simulate,
)
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


def test_labels_are_states_of_the_first_frames():
    data = make_dataset(40, "test", regime="wild", n_frames=60)
    np.testing.assert_array_equal(data.labels, assign_states(data.trajectories[:, 0]))
    assert (data.labels != assign_states(data.trajectories[:, -1])).any()
    assert 0.25 < data.labels.mean() < 0.95


def test_more_trajectories_extend_a_set_and_do_not_change_it():
    few, many = (make_dataset(n, "train", **SHORT).trajectories for n in (3, 8))
    np.testing.assert_array_equal(many[:3], few)


# ---- seeds ---------------------------------------------------------------------------------------


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
    assert family_seed("train") == 1 and family_seed("validation", 8_999) == 28_999


def test_test_seeds_are_none_that_an_earlier_edition_looked_at():
    retired = range(10_000, 19_000)
    assert family_seed("test") == 60_000
    assert not set(retired) & set(range(family_seed("test"), family_seed("test", 8_999) + 1))


# ---- regimes and starts --------------------------------------------------------------------------


def test_trajectories_of_each_regime_have_their_length_and_spacing():
    frames = {name: (config.n_frames, config.stride) for name, config in REGIMES.items()}
    assert frames == {
        "metastable": (512, 200),
        "fine": (1000, 50),
        "wild": (256, 400),
        "underdamped": (512, 20),
    }
    assert REGIMES["metastable"].frame_time == pytest.approx(0.02)
    assert REGIMES["metastable"].total_time == pytest.approx(10.22)
    assert REGIMES["fine"].total_time == pytest.approx(5.0, rel=0.01)
    assert REGIMES["wild"].total_time == pytest.approx(1.02)


def test_the_fine_regime_is_the_default_one_seen_four_times_as_often():
    coarse, fine = REGIMES["metastable"], REGIMES["fine"]
    for name in ("beta", "diffusion", "dt", "integrator", "precision"):
        assert getattr(coarse, name) == getattr(fine, name)
    assert coarse.frame_time == pytest.approx(4 * fine.frame_time)
    starts = sample_starts(3, 20_004)
    several = simulate(fine, starts, 20_004)[:, ::4]
    np.testing.assert_array_equal(simulate(coarse, starts, 20_004)[:, :250], several)


def test_easy_starts_lie_in_the_part_of_the_box_below_the_upper_saddle():
    starts = starts_of("easy_starts", 3000, 20_005)
    assert (potential(starts) < potential(SADDLES[0])).all()
    assert (starts >= START_BOX[0]).all() and (starts <= START_BOX[1]).all()
    # uniform there: as often in each half as points of the whole box that happen to lie there
    everywhere = sample_starts(100_000, 20_006)
    low = everywhere[potential(everywhere) < potential(SADDLES[0])]
    for axis in (0, 1):
        middle = np.median(low[:, axis])
        share = (starts[:, axis] < middle).mean()
        n_errors = 4
        assert abs(share - 0.5) < n_errors * 0.5 / np.sqrt(len(starts))


def test_an_easy_start_does_not_depend_on_the_others():
    together = starts_of("easy_starts", 9, 20_005)
    np.testing.assert_array_equal(starts_of("easy_starts", 4, 20_005), together[:4])
    np.testing.assert_array_equal(
        starts_of("easy_starts", 3, 20_005, first_trajectory=5), together[5:8]
    )


def test_easy_starts_change_where_trajectories_start_and_nothing_else():
    assert regime_settings("easy_starts") == REGIMES["metastable"]
    data = make_dataset(5, "validation", regime="easy_starts", **SHORT)
    starts = starts_of("easy_starts", 5, 20_000)
    np.testing.assert_array_equal(data.trajectories, simulate(data.config, starts, 20_000))
    np.testing.assert_array_equal(starts_of("wild", 5, 20_000), sample_starts(5, 20_000))


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (dict(family="exam"), "unknown seed family 'exam'.*train"),
        (dict(regime="mild"), "unknown regime 'mild'.*metastable.*easy_starts"),
        (dict(index=9_000), "from 0 to 8999; got 9000"),
        (dict(index=-1), "from 0 to 8999; got -1"),
        (dict(index=1.5), "from 0 to 8999; got 1.5"),
        (dict(n_frames=0), "n_frames"),
        (dict(dt=1.0), "dt must be at most"),
    ],
)
def test_impossible_sets_are_refused(arguments, message):
    with pytest.raises(ValueError, match=message):
        make_dataset(2, **arguments)


# ---- fresh trajectories --------------------------------------------------------------------------


def items_equal(first, second):
    return all(torch.equal(first[key], second[key]) for key in first)


def test_a_fresh_item_depends_on_its_number_only():
    stream = FreshTrajectories([(20, 6), (50, 4)], seed=30_000)
    alone = [stream[i] for i in range(len(stream))]
    together = stream.__getitems__(range(len(stream)))
    order = [7, 2, 3, 9, 0]
    scattered = stream.__getitems__(order)
    assert all(map(items_equal, alone, together))
    assert all(items_equal(item, alone[i]) for item, i in zip(scattered, order, strict=True))
    starts = torch.stack([item["trajectories"][0] for item in alone])
    assert len(starts.unique(dim=0)) == 10


def test_items_do_not_notice_in_which_block_they_are_simulated(monkeypatch):
    stages, picked = [(3, 20), (8, 13)], [32, 0, 19, 20, 21, 7]
    whole = FreshTrajectories(stages, seed=30_000).__getitems__(range(33))
    monkeypatch.setattr(FreshTrajectories, "_BLOCK", 7)
    blocks = FreshTrajectories(stages, seed=30_000)
    for i in picked:
        assert items_equal(blocks[i], whole[i])
        assert blocks[i]["trajectories"].shape == (3 if i < 20 else 8, 2)


@pytest.mark.slow
def test_another_process_finds_the_same_items():
    program = """
        from mb_support.datasets.sets import FreshTrajectories
        item = FreshTrajectories([(4, 40)], seed=30_000)[33]
        print(item["trajectories"].numpy().tobytes().hex(), item["labels"].item())
    """
    program = "\n".join(line.strip() for line in program.splitlines())
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    item = FreshTrajectories([(4, 40)], seed=30_000)[33]
    expected = f"{item['trajectories'].numpy().tobytes().hex()} {item['labels'].item()}"
    assert done.stdout.split("\n")[-2] == expected, done.stderr


def test_fresh_items_are_the_trajectories_of_their_seed():
    items = FreshTrajectories([(6, 5)], seed=30_000, regime="wild").__getitems__(range(5))
    config = regime_settings("wild")
    expected = simulate(config, sample_starts(5, 30_000), 30_000)[:, :6]
    np.testing.assert_array_equal(np.stack([item["trajectories"] for item in items]), expected)


def test_stages_give_their_lengths_and_other_seeds_other_trajectories():
    stream = FreshTrajectories([(20, 6), (50, 4)], seed=30_000)
    other = FreshTrajectories([(20, 6), (50, 4)], seed=30_001)
    lengths = [len(item["trajectories"]) for item in stream.__getitems__(range(10))]
    assert lengths == [20] * 6 + [50] * 4 and len(stream) == 10
    assert [stream.n_frames(i) for i in (5, 6)] == [20, 50]
    assert not torch.equal(stream[0]["trajectories"], other[0]["trajectories"])


def test_labels_of_fresh_items_are_states_of_first_frames():
    for item in FreshTrajectories([(5, 12)], seed=30_002).__getitems__(range(12)):
        assert item["labels"].item() == assign_states(item["trajectories"][0].numpy())
        assert item["labels"].dtype == torch.int64 and set(item) == {"trajectories", "labels"}


def test_fresh_easy_items_start_below_the_saddle():
    items = FreshTrajectories([(2, 30)], seed=30_000, regime="easy_starts").__getitems__(range(30))
    first = np.stack([item["trajectories"][0] for item in items])
    assert (potential(first) < potential(SADDLES[0])).all()


# ---- fixed trajectories --------------------------------------------------------------------------


def counting(n=6, n_frames=10):
    """Trajectories whose frame t holds (trajectory, t): a window says where it comes from."""
    number, frame = np.meshgrid(np.arange(n), np.arange(n_frames), indexing="ij")
    return np.stack([number, frame], axis=-1).astype(np.float32)


def origins(items):
    """Trajectory and first frame of each window, (n, 2)."""
    return np.stack([item["trajectories"][0].numpy() for item in items]).astype(int)


def simulated(trajectories):
    """A set that knows its dynamics, and so the state of every frame."""
    labels = assign_states(trajectories[:, 0])
    return TrajectorySet(trajectories, labels, REGIMES["metastable"], 1)


def test_a_fixed_set_is_gone_through_once_in_each_pass_in_a_new_order():
    stream = FixedTrajectories(simulated(counting()), [(10, 18)], seed=3)
    passes = origins(stream.__getitems__(range(18)))[:, 0].reshape(3, 6)
    np.testing.assert_array_equal(np.sort(passes, axis=1), [np.arange(6)] * 3)
    assert len(np.unique(passes, axis=0)) == 3
    other = FixedTrajectories(simulated(counting()), [(10, 18)], seed=4)
    assert not np.array_equal(origins(other.__getitems__(range(18)))[:, 0], passes.ravel())


def test_a_fixed_item_depends_on_its_number_only():
    stream = FixedTrajectories(simulated(counting()), [(4, 10), (6, 10)], seed=3)
    together = stream.__getitems__(range(20))
    for i in (19, 0, 7, 6, 12):
        assert items_equal(FixedTrajectories(simulated(counting()), [(4, 10), (6, 10)], seed=3)[i],
                           together[i])  # fmt: skip
        assert items_equal(stream[i], together[i])


def test_windows_are_cut_out_anywhere_and_hold_consecutive_frames():
    items = FixedTrajectories(simulated(counting()), [(4, 600)], seed=3).__getitems__(range(600))
    begins = origins(items)[:, 1]
    assert set(begins) == set(range(7))  # the last of 10 frames is the end of the last window
    assert np.bincount(begins).min() > 50
    for item in items[:20]:
        window = item["trajectories"].numpy()
        assert window.shape == (4, 2)
        assert (window[:, 0] == window[0, 0]).all() and (np.diff(window[:, 1]) == 1).all()


def test_labels_of_cut_windows_are_states_of_their_own_first_frames():
    data = make_dataset(20, "train", regime="wild", n_frames=40)
    items = FixedTrajectories(data, [(5, 200)], seed=3).__getitems__(range(200))
    first = np.stack([item["trajectories"][0] for item in items])
    labels = np.array([item["labels"] for item in items])
    np.testing.assert_array_equal(labels, assign_states(first))
    whole = FixedTrajectories(data, [(40, 20)], seed=3).__getitems__(range(20))
    order = [int(np.flatnonzero((data.trajectories[:, 0] == item["trajectories"][0].numpy())
                                .all(axis=1))[0]) for item in whole]  # fmt: skip
    np.testing.assert_array_equal([item["labels"] for item in whole], data.labels[order])
    assert (labels[:, None] != data.labels[None]).any()


def test_windows_cut_from_another_potential_have_its_states():
    wells = four_wells()
    config = SimulationConfig(beta=1.0, diffusion=1.0, dt=0.001, stride=10, n_frames=30)
    data = make_dataset(40, "train", regime=config, potential=wells)
    for part in (data, data.take(np.arange(len(data))), *data.split(0.5)):
        items = FixedTrajectories(part, [(5, 60)], seed=3).__getitems__(range(60))
        first = np.stack([item["trajectories"][0] for item in items])
        labels = np.array([item["labels"] for item in items])
        np.testing.assert_array_equal(labels, assign_states(first, wells))
        assert len(np.unique(labels)) == 4


def test_labels_of_ones_own_are_those_that_are_learnt():
    data = make_dataset(20, "train", **SHORT)
    data = replace(data, labels=1 - data.labels)
    items = FixedTrajectories(data, [(10, 40)], seed=3).__getitems__(range(40))
    for item in items:  # beginnings, as nobody knows the label of another piece
        found = (data.trajectories[:, :10] == item["trajectories"].numpy()).all(axis=(1, 2))
        assert item["labels"] == data.labels[found.argmax()] and found.any()


# ---- what is refused -----------------------------------------------------------------------------


@pytest.mark.parametrize("stages", [[], [(1, 10)], [(20, 0)]])
def test_impossible_stages_are_refused(stages):
    with pytest.raises(ValueError, match="stages must be"):
        FreshTrajectories(stages, seed=30_000)
    with pytest.raises(ValueError, match="stages must be"):
        FixedTrajectories(simulated(counting(n_frames=30)), stages, seed=0)


def test_windows_longer_than_the_trajectories_are_refused():
    with pytest.raises(ValueError, match="windows of 11 frames do not fit into.* of 10"):
        FixedTrajectories(simulated(counting()), [(4, 5), (11, 5)], seed=0)


def test_other_impossible_streams_are_refused():
    with pytest.raises(ValueError, match="unknown regime 'mild'"):
        FreshTrajectories([(20, 4)], seed=30_000, regime="mild")
    stream = FreshTrajectories([(20, 4)], seed=30_000)
    with pytest.raises(IndexError, match=r"0\.\.3"):
        stream[4]
    with pytest.raises(IndexError, match=r"0\.\.3"):
        stream[-1]
