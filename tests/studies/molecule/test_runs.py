"""Windows, disks and passages of the molecule's runs."""

import numpy as np
import pytest
from molecules import MINIMA, fake_runs

from mb_support.studies.molecule import runs as room


def test_windows_are_cut_run_by_run_and_no_run_serves_two_things():
    runs, seen = fake_runs(), {}
    for part in room.SPLIT:
        found, numbers, starts = room.windows(runs, part, step=25, n_frames=64)
        run = np.round(found[..., 0] / 0.01)
        assert (run == numbers[:, None]).all()
        np.testing.assert_allclose(np.diff(found[..., 1]), room.STRIDE * 1e-4, atol=1e-7)
        np.testing.assert_allclose(found[:, 0, 1], room.STRIDE * 1e-4 * starts, atol=1e-7)
        seen[part] = set(numbers)
    assert not seen["train"] & seen["test"] and len(set.union(*seen.values())) == 12


def test_disks_reach_around_the_turn():
    over_the_edge = np.array([[-1.2, 2.6 - 2 * np.pi], [-1.2 + 2 * np.pi, -0.3], [1.0, 1.0]])
    assert room.inside(over_the_edge, MINIMA).tolist() == [1, 0, -1]


def test_a_passage_is_from_disk_to_disk_however_often_it_turns_back():
    a, b, between = MINIMA[0], MINIMA[1], np.array([-1.2, 1.2])
    course = np.array([between, a, between, a, between, b, b, between, a])[None]
    time, count = room.count_passages(course, MINIMA, frame_time=0.5)
    assert count.tolist() == [[1, 1]]
    assert time.tolist() == [[0.5 * 4, 0.5 * 3]]


def test_features_give_the_angles_back():
    angles = np.random.default_rng(0).uniform(-np.pi, np.pi, (5, 2))
    sin_phi, cos_phi, sin_psi, cos_psi = room.features(angles).T
    np.testing.assert_allclose(np.arctan2(sin_phi, cos_phi), angles[:, 0], atol=1e-6)
    np.testing.assert_allclose(np.arctan2(sin_psi, cos_psi), angles[:, 1], atol=1e-6)


def test_what_is_committed_is_what_its_record_says():
    if not (room.RESULTS / "record.json").exists():
        pytest.skip("no runs are kept")
    runs = room.load_runs(settle=0.0)
    settings = runs.settings
    shape = (settings.n_runs, settings.n_chunks * settings.chunk_frames, 2)
    assert runs.dihedrals.shape == shape
    assert np.isfinite(runs.dihedrals).all() and np.abs(runs.dihedrals).max() <= 3.1416
    assert (room.RESULTS / "dihedrals.npz").stat().st_size < 10e6
