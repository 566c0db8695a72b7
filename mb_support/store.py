"""Trajectory sets larger than memory: computed with Dask, kept in zarr, read piece by piece.

``python -m mb_support.store set.zarr --n 1000000`` writes a set; the same command again goes on
with what is missing.
"""

import argparse
import sys
from contextlib import nullcontext
from dataclasses import replace
from itertools import groupby
from pathlib import Path

import dask
import dask.array
import numpy as np
import torch
import zarr
from dask.diagnostics import ProgressBar
from zarr.codecs import Crc32cCodec

from .simulation import REGIMES, SimulationConfig, SimulationState, sample_starts, simulate
from .states import assign_states

#: Trajectories and frames of a chunk: 2 MB, and twice what the simulator advances together.
CHUNKS = (256, 1000)


def trajectory_array(config, n_trajectories, seed, n_rows=CHUNKS[0]):
    """A set of trajectories that is simulated where and when it is needed.

    Parameters
    ----------
    config : SimulationConfig
    n_trajectories : int
    seed : int
        Of starts and noise, as for `sample_starts` and `simulate`.
    n_rows : int
        Trajectories in a chunk. The values do not depend on it.

    Returns
    -------
    (n_trajectories, n_frames, 2) dask.array.Array of float32
    """
    _check_positive(n_trajectories=n_trajectories, n_rows=n_rows)

    def block(block_info):
        first, last = block_info[None]["array-location"][0]
        starts = sample_starts(last - first, seed, first_trajectory=first)
        return simulate(config, starts, seed, first_trajectory=first, n_threads=1)

    sizes = _sizes(n_trajectories, n_rows)
    return dask.array.map_blocks(
        block, chunks=(sizes, (config.n_frames,), (2,)), dtype=np.float32, meta=np.empty((0, 0, 0))
    )


def write_store(
    path,
    config,
    n_trajectories,
    seed,
    chunks=CHUNKS,
    n_workers=None,
    scheduler=None,
    progress=False,
):
    """Simulate a set of trajectories into a zarr array on disk, or what is missing of it.

    The values depend on `config` and `seed` only: not on chunks, workers, where they were
    computed, or how often the writing was interrupted.

    Parameters
    ----------
    path : path
        Folder of the store; with a cluster, one that all workers see.
    config : SimulationConfig
    n_trajectories : int
    seed : int
        Of starts and noise, as for `sample_starts` and `simulate`.
    chunks : (int, int)
        Trajectories and frames that are kept in one file. A worker holds one chunk in memory.
    n_workers : int, optional
        Threads; by default as many as there are processors.
    scheduler : str, optional
        Address of a Dask scheduler ("tcp://host:8786"), to compute there.
    progress : bool
        Draw a progress bar.

    Returns
    -------
    zarr.Array
        (n_trajectories, n_frames, 2) float32, complete.

    Raises
    ------
    ValueError
        If `path` holds another set, or a number is not positive.
    """
    path = Path(path).absolute()
    _check_positive(n_trajectories=n_trajectories, chunk_rows=chunks[0], chunk_frames=chunks[1])
    array = _create_or_check(path, config, n_trajectories, seed, chunks)
    rows = sorted({row for row, _ in _missing(array)})
    write_row = dask.delayed(_write_row, pure=False)
    tasks = [write_row(str(path), row) for row in rows]
    if scheduler is not None:
        from dask.distributed import Client
        from dask.distributed import progress as draw_progress

        with Client(scheduler) as client:
            futures = client.compute(tasks)
            if progress:
                draw_progress(futures)
            client.gather(futures)
    else:
        with ProgressBar() if progress else nullcontext():
            dask.compute(*tasks, scheduler="threads", num_workers=n_workers)
    return array


def _check_positive(**numbers):
    for name, value in numbers.items():
        if isinstance(value, bool) or not isinstance(value, int | np.integer) or value < 1:
            raise ValueError(f"{name} must be an integer of at least 1; got {value!r}")


def _sizes(total, size):
    return (size,) * (total // size) + ((total % size,) if total % size else ())


def _create_or_check(path, config, n_trajectories, seed, chunks):
    settings = {"config": config.to_dict(), "n_trajectories": int(n_trajectories), "seed": seed}
    if (path / "zarr.json").exists():
        array = _open(path, "r+")
        before = {key: array.attrs.get(key) for key in settings}
        if before != settings:
            raise ValueError(f"{path} holds another set: {before}; asked for {settings}")
        return array
    if path.exists() and any(path.iterdir()):
        raise ValueError(f"{path} is not empty and holds no trajectories: choose another folder")
    return zarr.create_array(
        path,
        shape=(n_trajectories, config.n_frames, 2),
        dtype="float32",
        chunks=(min(chunks[0], n_trajectories), min(chunks[1], config.n_frames), 2),
        compressors=[Crc32cCodec()],  # noise does not compress; damage is to be noticed
        config={"write_empty_chunks": True},  # a chunk is there when its file is
        attributes=settings,
    )


def _open(path, mode="r"):
    path = Path(path)
    if not (path / "zarr.json").exists():
        raise ValueError(f"{path} holds no trajectories; write_store writes such a folder")
    try:
        return zarr.open_array(path, mode=mode)
    except Exception as error:
        raise ValueError(f"{path / 'zarr.json'} is damaged: {error}") from None


def _missing(array, rows=None):
    # (row, column) of each chunk without a file; zarr moves whole files into place
    root = Path(array.store.root)
    for row in range(array.cdata_shape[0]) if rows is None else rows:
        for column in range(array.cdata_shape[1]):
            if not (root / array.metadata.encode_chunk_key((row, column, 0))).exists():
                yield row, column


def _write_row(path, row):
    # Simulate the missing chunks of one row of chunks, one after the other
    array = _open(path, "r+")
    config, seed = SimulationConfig.from_dict(array.attrs["config"]), array.attrs["seed"]
    n_rows, n_columns = array.chunks[:2]
    missing = [column for _, column in _missing(array, [row])]
    first, last = row * n_rows, min((row + 1) * n_rows, array.shape[0])
    start, begin = sample_starts(last - first, seed, first_trajectory=first), 0
    if missing[0] > 0 and config.integrator == "overdamped" and config.precision == "float32":
        begin = missing[0] * n_columns  # a stored frame is all that the rest depends on
        start = SimulationState(array[first:last, begin - 1], None, begin - 1)
    for column in range(begin // n_columns, missing[-1] + 1):
        at, end = column * n_columns, min((column + 1) * n_columns, array.shape[1])
        # every piece but the first begins with the frame before, which is stored already
        overlap = int(at > 0)
        piece = replace(config, n_frames=end - at + overlap)
        frames, state = simulate(
            piece, start, seed, first_trajectory=first, n_threads=1, return_state=True
        )
        if column in missing:
            array[first:last, at:end] = frames[:, overlap:]
        start = state
    return row


def open_store(path):
    """The trajectories of a complete store, read where and when they are needed.

    Parameters
    ----------
    path : path

    Returns
    -------
    (n_trajectories, n_frames, 2) dask.array.Array of float32

    Raises
    ------
    ValueError
        If there is no store, or it is not complete.
    """
    return dask.array.from_zarr(_complete(path))


def _complete(path):
    array = _open(path)
    n_missing, n_chunks = sum(1 for _ in _missing(array)), np.prod(array.cdata_shape)
    if n_missing:
        raise ValueError(
            f"{path} is not complete ({n_missing} of {n_chunks} chunks are missing): call "
            "write_store with the same arguments again"
        )
    return array


class StoredTrajectories(torch.utils.data.Dataset):
    """Trajectories of a store as the items of a training, read when asked for.

    Item i is the beginning of trajectory i of the store, which is gone through again when the
    items are more. Labels are the state of the first frame.

    Parameters
    ----------
    path : path
    stages : sequence of (n_frames, n_items)
        Lengths of the items, stage after stage, as for `datasets.FreshTrajectories`.

    Raises
    ------
    ValueError
        If the store is missing, incomplete or too short for a stage.
    """

    def __init__(self, path, stages):
        self.path, self.stages = Path(path), [(int(f), int(n)) for f, n, *_ in stages]
        self.n_trajectories, available, _ = _complete(path).shape
        if not self.stages or any(not 2 <= f <= available or n < 1 for f, n in self.stages):
            raise ValueError(
                f"stages must be pairs (n_frames from 2 to {available}, n_items >= 1); got "
                f"{list(stages)}"
            )
        self._ends = np.cumsum([n_items for _, n_items in self.stages])
        self._array = None

    def __len__(self):
        return int(self._ends[-1])

    def __getstate__(self):
        return self.__dict__ | {"_array": None}  # each process opens the store for itself

    def __getitem__(self, item):
        return self.__getitems__([item])[0]

    def __getitems__(self, items):
        """Items by number, read together where they are neighbours."""
        if self._array is None:
            self._array = _open(self.path)
        records = []
        for (n_frames, _), run in groupby(enumerate(items), lambda pair: self._run(*pair)):
            rows = [item % self.n_trajectories for _, item in run]
            records += self._read(rows[0], rows[-1] + 1, n_frames)
        return records

    def _run(self, position, item):
        # equal for items that are neighbours in the store and have the same length
        if not 0 <= item < len(self):
            raise IndexError(f"items must lie in 0..{len(self) - 1}; got {item}")
        n_frames = self.stages[int(np.searchsorted(self._ends, item, side="right"))][0]
        return n_frames, item % self.n_trajectories - position

    def _read(self, first, last, n_frames):
        try:
            trajectories = self._array[first:last, :n_frames]
        except Exception as error:  # a chunk whose checksum is wrong, or a failing disk
            raise ValueError(
                f"{self.path}: trajectories {first} to {last - 1} cannot be read ({error}); "
                f"delete the files in {self.path / 'c' / str(first // self._array.chunks[0])} "
                "and call write_store with the same arguments again"
            ) from None
        labels = assign_states(trajectories[:, 0])
        return [
            {"trajectories": torch.from_numpy(x), "labels": torch.tensor(int(y))}
            for x, y in zip(trajectories, labels, strict=True)
        ]


def main(arguments=None):
    """Command line: write a set of trajectories, or what is missing of it."""
    parser = argparse.ArgumentParser(description="Simulate trajectories into a zarr store.")
    parser.add_argument("path", type=Path)
    parser.add_argument("--n", type=int, required=True, help="number of trajectories")
    parser.add_argument("--regime", default="metastable", choices=sorted(REGIMES))
    parser.add_argument("--n-frames", type=int, default=1000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--workers", type=int, help="threads; by default all processors")
    parser.add_argument("--scheduler", help="address of a Dask scheduler to compute on")
    options = parser.parse_args(arguments)
    config = replace(REGIMES[options.regime], n_frames=options.n_frames)
    try:
        array = write_store(
            options.path, config, options.n, options.seed, n_workers=options.workers,
            scheduler=options.scheduler, progress=True,
        )  # fmt: skip
    except (ValueError, OSError) as error:
        parser.exit(1, f"{error}\n")
    print(f"{array.shape[0]} trajectories of {array.shape[1]} frames in {options.path}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
