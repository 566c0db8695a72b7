"""Trajectories of one's own: arrays, files, and a training on them."""

import importlib.util
import subprocess
import sys

import numpy as np
import pytest
import torch

from mb_support import TrajectorySet, generate, predict_states
from mb_support.model import TrajectoryConfig, TrajectoryTransformer
from mb_support.training import TrainingConfig, train
from mb_support.training import __main__ as command_line

needs_mda = pytest.mark.skipif(
    importlib.util.find_spec("MDAnalysis") is None, reason="needs MDAnalysis: the extra md"
)


def oscillations(n=60, n_frames=40, n_features=4, n_labels=3, seed=0):
    """Trajectories whose frequency tells the label."""
    rng = np.random.default_rng(seed)
    labels = np.arange(n) % n_labels
    phase = rng.uniform(0, 2 * np.pi, (n, 1, n_features))
    time = np.arange(n_frames)[:, None] * (0.3 + 0.6 * labels[:, None, None])
    return np.sin(time + phase) + 0.05 * rng.normal(size=(n, n_frames, n_features)), labels


# ---- arrays --------------------------------------------------------------------------------------


def test_arrays_become_a_set():
    trajectories, labels = oscillations()
    data = TrajectorySet.from_arrays(trajectories, labels)
    np.testing.assert_array_equal(data.trajectories, trajectories.astype(np.float32))
    assert data.labels.tolist() == labels.tolist()
    assert (data.n_features, data.n_states, data.mask) == (4, 3, None)


def test_runs_are_cut_into_windows_that_never_cross_two():
    runs = [np.full((25, 1), k) + np.linspace(0, 0.5, 25)[:, None] for k in range(3)]
    data = TrajectorySet.from_arrays(runs, [0, 1, 0], window=10, stride=5)
    assert data.trajectories.shape == (12, 10, 1)
    assert (np.floor(data.trajectories[:, :, 0]) == data.runs[:, None]).all()
    assert data.labels.tolist() == [0] * 4 + [1] * 4 + [0] * 4


def test_the_label_of_a_window_is_that_of_its_first_frame():
    run, states = np.arange(30.0)[:, None], np.arange(30) // 12
    data = TrajectorySet.from_arrays(run, states, window=10)
    assert data.labels.tolist() == [0, 0, 1]
    assert data.trajectories[1, 0, 0] == 10


def test_unequal_lengths_are_padded_behind_a_mask():
    runs = [np.random.default_rng(k).normal(size=(n, 2)) for k, n in enumerate((5, 9, 7))]
    data = TrajectorySet.from_arrays(runs, [0, 1, 1])
    assert data.mask.sum(axis=1).tolist() == [5, 9, 7]
    np.testing.assert_array_equal(data.trajectories[0, :5], runs[0].astype(np.float32))


def test_a_split_puts_no_run_on_both_sides():
    runs = np.random.default_rng(0).normal(size=(20, 50, 2))
    data = TrajectorySet.from_arrays(runs, np.arange(20) % 2, window=10)
    train_set, held = data.split(0.2, seed=3)
    assert len(held) == 4 * 5 and len(train_set) == 16 * 5
    assert not set(train_set.runs) & set(held.runs)
    assert set(held.runs) != set(data.split(0.2, seed=4)[1].runs)


@pytest.mark.parametrize(
    ("name", "arguments", "message"),
    [
        ("no array", (3.5, None), "must be an array"),
        ("nothing", ([], []), "at least one trajectory"),
        ("NaN", ([[[0.0], [np.nan]]], [0]), "trajectory 0 holds NaN.*frame 1"),
        ("widths", ([np.ones((5, 2)), np.ones((5, 3))], [0, 1]), r"number 1 has \(5, 3\)"),
        ("numbers", (np.ones((2, 5, 1)), [0]), "one for each of 2"),
        ("real labels", (np.ones((2, 5, 1)), [0.5, 1.0]), "integers from 0"),
        ("negative", (np.ones((2, 5, 1)), [0, -1]), "integers from 0"),
        ("labels of frames", (np.ones((2, 5, 1)), np.zeros((2, 4), int)), "of 5 frames"),
        ("identifiers", (np.ones((2, 5, 1)), [0, 10**12]), "less than 10000; trajectory 1 has 10"),
        ("too long for any type", (np.ones((2, 5, 1)), [0, 10**30]), "integers from 0"),
        ("unsigned", (np.ones((2, 5, 1)), np.array([0, 2**63], np.uint64)), "less than 10000"),
        ("short", (np.ones((2, 1, 1)), [0, 1]), "at least 2 frames"),
    ],
)
def test_what_is_no_set_is_refused(name, arguments, message):
    with pytest.raises(ValueError, match=message):
        TrajectorySet.from_arrays(*arguments)


def test_a_window_longer_than_all_runs_is_refused():
    with pytest.raises(ValueError, match="the longest 5"):
        TrajectorySet.from_arrays(np.ones((2, 5, 1)), [0, 1], window=6)


# ---- files ---------------------------------------------------------------------------------------


def test_files_of_arrays_are_read(tmp_path):
    import zarr

    trajectories, labels = oscillations(6)
    np.savez(tmp_path / "set.npz", trajectories=trajectories, labels=labels)
    group = zarr.create_group(tmp_path / "set.zarr")
    group.create_array("trajectories", data=trajectories)
    group.create_array("labels", data=labels)
    for name in ("set.npz", "set.zarr"):
        data = TrajectorySet.from_file(tmp_path / name)
        np.testing.assert_array_equal(data.trajectories, trajectories.astype(np.float32))
        np.testing.assert_array_equal(data.labels, labels)


def test_files_that_are_none_are_refused(tmp_path):
    (tmp_path / "broken.npz").write_bytes(b"PK\x03\x04 no archive")
    (tmp_path / "notes.txt").write_text("hello")
    np.savez(tmp_path / "other.npz", x=np.ones(3))
    for name, message in {
        "missing.npz": "there is no file",
        "broken.npz": "cannot be read",
        "notes.txt": "must be .npz",
        "other.npz": r"must hold `trajectories`.*\['x'\]",
    }.items():
        with pytest.raises(ValueError, match=message):
            TrajectorySet.from_file(tmp_path / name)


@pytest.fixture(scope="module")
def peptide(tmp_path_factory):
    """A capped residue of backbone atoms whose phi and psi turn at known rates: files, angles."""
    mda = pytest.importorskip("MDAnalysis")
    folder = tmp_path_factory.mktemp("peptide")
    names, residues = ["C", "N", "CA", "C", "N"], [0, 1, 1, 1, 2]
    universe = mda.Universe.empty(
        5, n_residues=3, atom_resindex=residues, n_segments=1, residue_segindex=[0] * 3,
        trajectory=True,
    )  # fmt: skip
    universe.add_TopologyAttr("name", names)
    universe.add_TopologyAttr("type", ["C", "N", "C", "C", "N"])
    universe.add_TopologyAttr("resname", ["ACE", "ALA", "NME"])
    universe.add_TopologyAttr("resid", [1, 2, 3])
    angles = np.stack([np.linspace(-150, 60, 8), np.linspace(170, -40, 8)], axis=1)
    frames = np.array([backbone(*np.radians(pair)) for pair in angles])
    universe.load_new(frames.astype(np.float32))
    universe.atoms.write(folder / "top.pdb")
    for suffix in ("xtc", "dcd"):
        with mda.Writer(str(folder / f"run.{suffix}"), 5) as writer:
            for _ in universe.trajectory:
                writer.write(universe.atoms)
    return folder, np.radians(angles)


def backbone(phi, psi):
    """Five atoms C-N-CA-C-N with the two dihedrals, bonds of 1.4 and right angles but for 20."""
    atoms = [np.array([0.0, 1.4, 0.0]), np.zeros(3), np.array([1.4, 0.0, 0.0])]
    for dihedral in (phi, psi):
        a, b, c = atoms[-3:]
        axis = (c - b) / np.linalg.norm(c - b)
        normal = np.cross(b - a, axis)
        normal /= np.linalg.norm(normal)
        aside = np.cross(normal, axis)
        bend = np.radians(110)
        atoms.append(
            c
            + 1.4
            * (
                -np.cos(bend) * axis
                + np.sin(bend) * (np.cos(dihedral) * aside + np.sin(dihedral) * normal)
            )
        )
    return atoms


@needs_mda
@pytest.mark.parametrize("suffix", ["xtc", "dcd"])
def test_molecular_trajectories_become_sines_and_cosines_of_dihedrals(peptide, suffix):
    folder, angles = peptide
    data = TrajectorySet.from_file(folder / f"run.{suffix}", topology=folder / "top.pdb")
    assert data.trajectories.shape == (1, 8, 4)
    found = np.arctan2(data.trajectories[0, :, ::2], data.trajectories[0, :, 1::2])
    np.testing.assert_allclose(np.exp(1j * found), np.exp(1j * angles), atol=0.02)
    cut = TrajectorySet.from_file(
        folder / f"run.{suffix}", topology=folder / "top.pdb", window=4, step=1
    )
    assert cut.trajectories.shape == (2, 4, 4)


@needs_mda
def test_molecular_files_without_a_topology_or_sense_are_refused(peptide, tmp_path):
    folder, _ = peptide
    broken = tmp_path / "broken.xtc"
    broken.write_bytes(b"no trajectory")
    for path, topology, message in (
        (folder / "run.xtc", None, "topology="),
        (folder / "run.xtc", tmp_path / "none.pdb", "no topology file"),
        (broken, folder / "top.pdb", "cannot be read"),
    ):
        with pytest.raises(ValueError, match=message):
            TrajectorySet.from_file(path, topology=topology)


# ---- training ------------------------------------------------------------------------------------


@pytest.mark.parametrize("n_features", [1, 3, 10])
def test_a_model_of_any_features_trains_predicts_and_generates(tmp_path, n_features):
    data = TrajectorySet.from_arrays(*oscillations(40, 24, n_features))
    config = TrainingConfig.for_data("small", data, n_passes=1)
    model, record = train(config, tmp_path / "run", data=data, progress=False)
    labels, probabilities = predict_states(model, data.trajectories[:5])
    assert probabilities.shape == (5, 3) and "40 trajectories" in record["data"]
    assert generate(model, data.trajectories[:2], 3).shape == (2, 27, n_features)
    model.save_pretrained(tmp_path / "model")
    loaded = TrajectoryTransformer.from_pretrained(tmp_path / "model").eval()
    np.testing.assert_allclose(predict_states(loaded, data.trajectories[:5])[1], probabilities)
    wrong = np.random.default_rng(0).normal(size=(2, 24, n_features + 1)).astype(np.float32)
    with pytest.raises(ValueError, match=rf"\(batch, n_frames, {n_features}\)"):
        predict_states(model, wrong)


def test_training_learns_what_tells_the_labels_apart(tmp_path):
    def drifts(n, seed):  # up, down, or nowhere
        labels, rng = np.arange(n) % 3, np.random.default_rng(seed)
        slope = np.array([1.0, -1.0, 0.0])[labels][:, None, None]
        return slope * np.linspace(0, 3, 24)[:, None] + rng.normal(size=(n, 24, 2)), labels

    data = TrajectorySet.from_arrays(*drifts(320, 0))
    config = TrainingConfig.for_data("small", data, n_passes=12, learning_rate=5e-3)
    model, record = train(config, tmp_path, data=data, progress=False)
    fresh, labels = drifts(90, 1)
    assert (predict_states(model, fresh)[0] == labels).mean() > 0.8
    assert record["curve"][-1]["eval_accuracy"] > 0.8


def test_padded_trajectories_train_like_their_frames_alone():
    torch.manual_seed(0)
    model = TrajectoryTransformer(TrajectoryConfig.of_size("small", n_features=3)).eval()
    runs = [np.random.default_rng(k).normal(size=(n, 3)) for k, n in enumerate((12, 20))]
    data = TrajectorySet.from_arrays(runs, [0, 1])
    x, y, mask = map(torch.from_numpy, (data.trajectories, data.labels, data.mask))
    alone = [model(x[k : k + 1, : len(run)], labels=y[k : k + 1]) for k, run in enumerate(runs)]
    for front in (False, True):  # padding behind, and in front
        moved = [torch.flip(v, (1,)) if front else v for v in (mask,)][0]
        padded = torch.full_like(x, 1e30)
        padded[moved] = x[mask]
        both = model(padded, labels=y, attention_mask=moved)
        for name in ("loss", "trajectory_loss", "classification_loss"):
            expected = torch.stack([getattr(a, name) for a in alone]).mean()
            torch.testing.assert_close(getattr(both, name), expected, rtol=1e-5, atol=1e-6)


def test_an_interrupted_run_over_a_set_ends_in_the_same_bits(tmp_path):
    data = TrajectorySet.from_arrays(*oscillations(30, 16))
    config = TrainingConfig.for_data("small", data, n_passes=4, batch_size=9, save_every=3)
    whole, _ = train(config, tmp_path / "whole", data=data, progress=False)
    train(config, tmp_path / "part", data=data, progress=False)
    for kept in sorted((tmp_path / "part").glob("checkpoint-*"))[1:]:
        kept.rename(tmp_path / kept.name)  # as if it had never come so far
    resumed, _ = train(config, tmp_path / "part", data=data, progress=False)
    for (name, a), b in zip(whole.state_dict().items(), resumed.state_dict().values(), strict=True):
        assert torch.equal(a, b), name


@pytest.mark.slow
def test_the_command_line_takes_a_file(tmp_path, monkeypatch, capsys):
    trajectories, labels = oscillations(40, 16)
    np.savez(tmp_path / "mine.npz", trajectories=trajectories, labels=labels)
    command = [sys.executable, "-m", "mb_support.training", "--size", "small", "--passes", "1"]
    command += ["--data", tmp_path / "mine.npz", "--work", tmp_path / "w"]
    command += ["--output", tmp_path / "model", "--threads", "1"]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert TrajectoryTransformer.from_pretrained(tmp_path / "model").config.n_features == 4
    command[command.index(tmp_path / "mine.npz")] = tmp_path / "none.npz"
    monkeypatch.setattr(sys, "argv", list(map(str, command[2:])))
    with pytest.raises(SystemExit):
        command_line.main()
    assert "there is no file" in capsys.readouterr().err


# ---- nothing is bent in silence ------------------------------------------------------------------


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda x: 1e-3 * x + 1e6, "trajectory 0 does not fit into single precision"),
        (lambda x: 1e-50 * x, "subtract an offset, or change the unit"),
        (lambda x: 1e40 * x, "does not fit into single precision"),
        (lambda x: x + 1j, "real numbers"),
        (lambda x: x.astype(str), "real numbers"),
        (lambda x: np.ma.masked_array(x, x > 1), "masked in part"),
        (lambda x: torch.from_numpy(x).requires_grad_(), "cannot be read as an array"),
    ],
)
def test_numbers_that_would_be_bent_are_refused(change, message):
    x = np.random.default_rng(0).normal(size=(3, 20, 2))
    with pytest.raises(ValueError, match=message):
        TrajectorySet.from_arrays(change(x), [0, 1, 0])


def test_one_run_may_be_an_array_a_list_or_a_tensor_and_have_one_label_or_many():
    x = np.random.default_rng(0).normal(size=(20, 2)).astype(np.float32)
    for run in (x, x.tolist(), torch.from_numpy(x)):
        for labels in (1, [1], np.ones(20, int)):
            data = TrajectorySet.from_arrays(run, labels)
            assert data.trajectories.shape == (1, 20, 2) and data.labels.tolist() == [1]


def test_what_a_file_or_a_call_has_too_much_of_is_refused(tmp_path):
    x, path = np.random.default_rng(0).normal(size=(4, 20, 2)), tmp_path / "set.npz"
    np.savez(path, trajectories=x, label=[0, 1, 0, 1])
    with pytest.raises(ValueError, match="holds 'label': labels must be named `labels`"):
        TrajectorySet.from_file(path)
    np.savez(path, trajectories=x, labels=[0, 1, 0, 1], time=np.arange(20))
    assert len(TrajectorySet.from_file(path)) == 4
    for settings in ({"widnow": 5}, {"step": 10}, {"topology": "a.pdb"}):
        with pytest.raises(ValueError, match=f"{next(iter(settings))}: only for files"):
            TrajectorySet.from_file(path, **settings)
    np.savez(path, trajectories=x, labels=[0, 1, 0, 1], mask=np.ones((4, 20), bool))
    with pytest.raises(ValueError, match="from_arrays takes a list"):
        TrajectorySet.from_file(path)
