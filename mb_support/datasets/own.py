"""Trajectories of one's own: arrays, files, and the usual formats of molecular dynamics."""

from difflib import get_close_matches
from pathlib import Path

import numpy as np

from ..checks import MOST_STATES, checked_array
from ..states import assign_states

_MOLECULAR = (".xtc", ".trr", ".dcd", ".nc", ".netcdf", ".h5", ".pdb")


def checked_runs(trajectories, labels):
    """Trajectories as a list of (n_frames, n_features) arrays, and labels of each or of its frames.

    `ValueError` says which of them is empty, not finite, of another width, or lacks labels.
    """
    if not isinstance(trajectories, list | tuple):
        trajectories = checked_array("trajectories", trajectories)
        if trajectories.ndim < 2:
            raise ValueError(
                "trajectories must be an array (n, n_frames, n_features), or a list of arrays "
                f"(n_frames, n_features); got shape {trajectories.shape}"
            )
    if len(trajectories) and len(np.shape(trajectories[0])) == 1:  # one run
        trajectories = [trajectories]
        if labels is not None and np.shape(labels) != (1,):
            labels = [labels]
    runs = [checked_array(f"trajectory {number}", run) for number, run in enumerate(trajectories)]
    if not runs:
        raise ValueError("there must be at least one trajectory; got none")
    for number, run in enumerate(runs):
        if run.ndim != 2 or run.shape[1] != runs[0].shape[-1] or run.shape[1] < 1:
            raise ValueError(
                "trajectories must all have shape (n_frames, n_features), with as many features as "
                f"the first; number {number} has {run.shape}, the first {runs[0].shape}"
            )
        if not np.isfinite(run).all():
            frame = int(np.argwhere(~np.isfinite(run))[0, 0])
            raise ValueError(f"trajectory {number} holds NaN or infinity, first in frame {frame}")
    singles = [_single_precision(number, run) for number, run in enumerate(runs)]
    return singles, _checked_labels(labels, runs)


def _single_precision(number, run):
    # float32, which differences between frames have to survive
    with np.errstate(over="ignore"):
        single = run.astype(np.float32)
    lost = np.abs(single.astype(float) - run).max(axis=0, initial=0.0)
    if not (lost <= 1e-3 * np.ptp(run, axis=0)).all() and len(run):
        raise ValueError(
            f"trajectory {number} does not fit into single precision, in which models learn: "
            "subtract an offset, or change the unit"
        )
    return single


def _checked_labels(labels, runs):
    # an integer, or integers of the frames, for each run
    if labels is None:
        return [0] * len(runs)
    try:
        found = [np.asarray(label) for label in labels]
    except TypeError:
        found = []
    if len(found) != len(runs):
        raise ValueError(f"labels must be one for each of {len(runs)} trajectories; got {labels!r}")
    for number, (label, run) in enumerate(zip(found, runs, strict=True)):
        fits = label.shape in ((), (len(run),)) and label.size
        if not fits or not (np.issubdtype(label.dtype, np.integer) and (label >= 0).all()):
            raise ValueError(
                "labels must be integers from 0, one a trajectory or one a frame; those of "
                f"trajectory {number}, of {len(run)} frames, have shape {label.shape} and type "
                f"{label.dtype}"
            )
        if label.max() >= MOST_STATES:
            raise ValueError(
                f"labels must be numbers of states, less than {MOST_STATES}; trajectory {number} "
                f"has {label.max()}: number the states from 0"
            )
    return found


def cut(runs, labels, window, stride):
    """Windows of equal length from runs of any, never across two: windows, labels, run of each.

    The label of a window is that of its first frame, or of its run.
    """
    windows, found, numbers = [], [], []
    for number, (run, label) in enumerate(zip(runs, labels, strict=True)):
        for begin in range(0, len(run) - window + 1, stride):
            windows.append(run[begin : begin + window])
            found.append(label if np.ndim(label) == 0 else label[begin])
            numbers.append(number)
    if not windows:
        longest = max(map(len, runs))
        raise ValueError(f"no trajectory has {window} frames, the longest {longest}: cut shorter")
    return np.stack(windows), np.array(found, dtype=np.int64), np.array(numbers)


def read_file(path, topology=None, **settings):
    """Trajectories and labels (or None) of a file: see `TrajectorySet.from_file`."""
    path = Path(path)
    if not path.exists():
        raise ValueError(f"there is no file {path}")
    if path.suffix in _MOLECULAR:
        return [dihedral_features(path, topology, **settings)], None
    if topology is not None or settings:
        unknown = sorted(settings) + ["topology"] * (topology is not None)
        raise ValueError(f"{', '.join(unknown)}: only for files of molecular dynamics, or misspelt")
    if path.suffix == ".npz":
        return _read_npz(path)
    if (path / "zarr.json").exists() or path.suffix == ".zarr":
        return _read_zarr(path)
    raise ValueError(
        f"{path} must be .npz, a zarr folder, or one of {', '.join(_MOLECULAR)}: save arrays with "
        "numpy.savez(path, trajectories=..., labels=...)"
    )


def _read_npz(path):
    try:
        with np.load(path, allow_pickle=False) as file:
            content = {name: file[name] for name in file.files}
    except Exception as error:
        raise ValueError(
            f"{path} cannot be read: {error}. Trajectories of unequal length go as a list into "
            "TrajectorySet.from_arrays"
        ) from None
    if "trajectories" not in content:
        raise ValueError(f"{path} must hold `trajectories` (and `labels`); got {sorted(content)}")
    if "mask" in content:
        raise ValueError(f"{path} holds a `mask`, which is not read: from_arrays takes a list")
    near = [] if "labels" in content else get_close_matches("labels", content, cutoff=0.7)
    if near:
        raise ValueError(f"{path} holds {near[0]!r}: labels must be named `labels`")
    return content["trajectories"], content.get("labels")


def _read_zarr(path):
    import zarr

    try:
        found = zarr.open(path, mode="r")
        if isinstance(found, zarr.Array) and "config" not in found.attrs:
            return found[:], None
        if isinstance(found, zarr.Array):  # of `write_store`
            from .store import complete

            trajectories = complete(path)[:]
            return trajectories, assign_states(trajectories)
        return found["trajectories"][:], found["labels"][:] if "labels" in found else None
    except Exception as error:
        raise ValueError(
            f"{path} must be a zarr array, or a group with `trajectories` (and `labels`): {error}"
        ) from None


def dihedral_features(path, topology=None, start=None, stop=None, step=None):
    """Sine and cosine of the backbone dihedrals of a molecular trajectory, (n_frames, 4 n).

    Four columns for each residue with both: sin phi, cos phi, sin psi, cos psi. Read with
    MDAnalysis (``pip install mb-support[md]``); `topology` is a file that it knows (.pdb, .gro,
    .psf, .prmtop, ...). `ValueError` if there is none, a file cannot be read, or a dihedral is NaN.
    """
    try:
        import MDAnalysis as mda
        from MDAnalysis.lib.distances import calc_dihedrals
    except ImportError:
        raise ValueError(
            f"{path} needs MDAnalysis: pip install MDAnalysis, or pass arrays to from_arrays"
        ) from None
    if topology is None:
        raise ValueError(f"{path} holds coordinates only: topology= must name a .pdb, .gro, ...")
    if not Path(topology).exists():
        raise ValueError(f"there is no topology file {topology}")
    try:
        universe = mda.Universe(str(topology), str(path))
        phi = [r.phi_selection() for r in universe.residues]
        psi = [r.psi_selection() for r in universe.residues]
        pairs = [p for p in zip(phi, psi, strict=True) if p[0] is not None and p[1] is not None]
        groups = [group for pair in pairs for group in pair]
        if not groups:
            raise ValueError("no residue has both phi and psi")
        angles = [
            [calc_dihedrals(*g.positions, box=universe.dimensions) for g in groups]
            for _ in universe.trajectory[start:stop:step]
        ]
    except Exception as error:
        raise ValueError(f"{path} with topology {topology} cannot be read: {error}") from None
    angles = np.array(angles, dtype=float).reshape(len(angles), len(groups))
    if not np.isfinite(angles).all():
        frame, group = np.argwhere(~np.isfinite(angles))[0]
        raise ValueError(f"{path}: dihedral {group} is NaN in frame {frame}: atoms in one place?")
    both = np.stack([np.sin(angles), np.cos(angles)], axis=-1)
    return both.reshape(len(angles), -1).astype(np.float32)
