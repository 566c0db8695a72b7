"""Trajectory sets larger than memory: computed with Dask, kept in zarr, read piece by piece.

``python -m mb_support.datasets.store set.zarr --n 1000000`` writes a set; the same command again
goes on with what is missing.
"""

import argparse
import sys
from contextlib import nullcontext
from dataclasses import replace
from itertools import groupby
from pathlib import Path

import dask
import numpy as np
import zarr
from dask.diagnostics import ProgressBar
from zarr.codecs import Crc32cCodec

from ..checks import checked_count
from ..simulation.langevin import MAX_SEED, SimulationState, sample_starts, simulate
from ..simulation.settings import REGIMES, SimulationConfig
from ..states import assign_states
from .sets import Windows, as_item

#: Trajectories and frames of a chunk: 2 MB, and twice what the simulator advances together.
CHUNKS = (256, 1000)
_CHECKSUM = 4  # bytes at the end of a chunk's file


def write_store(
    path, config, n_trajectories, seed, chunks=CHUNKS, n_workers=None, scheduler=None,
    progress=False,
):  # fmt: skip
    """Simulate a set of trajectories into a zarr array on disk, or what is missing of it.

    Gives the complete (n_trajectories, n_frames, 2) float32 array at `path`; `ValueError` if that
    holds another set. The values depend on `config` and `seed` only: not on `chunks` (trajectories
    and frames that are kept in one file; a worker holds one in memory), on `n_workers` (threads, by
    default as many as there are processors) or `scheduler` (address of a Dask scheduler,
    "tcp://host:8786", whose workers all see `path`), or on how often the writing was interrupted.
    """
    path = Path(path).absolute()
    # all that may be wrong is found before a file is there
    n_trajectories = checked_count("n_trajectories", n_trajectories)
    seed = checked_count("seed", seed, 0, MAX_SEED)
    if not isinstance(config, SimulationConfig):
        raise ValueError(f"config must be a SimulationConfig; got {type(config).__name__}")
    config.check_dt()
    if np.shape(chunks) != (2,):
        raise ValueError(f"chunks must be two numbers, trajectories and frames; got {chunks!r}")
    chunks = tuple(checked_count("chunks", number) for number in chunks)
    if n_workers is not None:
        n_workers = checked_count("n_workers", n_workers)
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


def _create_or_check(path, config, n_trajectories, seed, chunks):
    settings = {"config": config.to_dict(), "n_trajectories": n_trajectories, "seed": seed}
    if (path / "zarr.json").exists():
        array = _open(path, "r+")
        before = {key: array.attrs.get(key) for key in settings}
        if before != settings:
            raise ValueError(f"{path} holds another set: {before}; asked for {settings}")
        return array
    if path.exists() and not (path.is_dir() and not any(path.iterdir())):
        raise ValueError(f"{path} is not empty and holds no trajectories: choose another folder")
    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise ValueError(f"{path} cannot be written: {error}") from None
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
    # (row, column) of each chunk without a file, or with one that a full disk or a copy cut short
    whole = np.prod(array.chunks) * array.dtype.itemsize + _CHECKSUM
    for row in range(array.cdata_shape[0]) if rows is None else rows:
        for column in range(array.cdata_shape[1]):
            file = _file(array, row, column)
            if not file.exists() or file.stat().st_size != whole:
                yield row, column


def _file(array, row, column):
    return Path(array.store.root) / array.metadata.encode_chunk_key((row, column, 0))


def _read(array, first, last, begin, end):
    """Frames `begin` to `end` of trajectories `first` to `last`; `ValueError` names a bad file."""
    try:
        return array[first:last, begin:end]
    except Exception as error:  # a chunk whose checksum is wrong, or a failing disk
        reason = error
    bad = []
    for row in range(first // array.chunks[0], (last - 1) // array.chunks[0] + 1):
        for column in range(begin // array.chunks[1], (end - 1) // array.chunks[1] + 1):
            try:
                array.get_block_selection((row, column, 0))
            except Exception:
                bad.append(str(_file(array, row, column)))
    raise ValueError(
        f"trajectories {first} to {last - 1} cannot be read from {', '.join(bad)} ({reason}): "
        "delete what is named and call write_store with the same arguments again"
    ) from None


def _write_row(path, row):
    # Simulate the missing chunks of one row of chunks, one after the other
    array = _open(path, "r+")
    config, seed = (SimulationConfig.from_dict(array.attrs["config"]), array.attrs["seed"])
    n_rows, n_columns = array.chunks[:2]
    missing = [column for _, column in _missing(array, [row])]
    first, last = row * n_rows, min((row + 1) * n_rows, array.shape[0])
    start, begin = sample_starts(last - first, seed, first_trajectory=first), 0
    if missing[0] > 0 and config.integrator == "overdamped" and config.precision == "float32":
        begin = missing[0] * n_columns  # a stored frame is all that the rest depends on
        before = _read(array, first, last, begin - 1, begin)[:, 0]
        start = SimulationState(before, None, begin - 1)
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


def complete(path):
    """The array of a store; `ValueError` if a chunk is missing."""
    array = _open(path)
    n_missing, n_chunks = sum(1 for _ in _missing(array)), np.prod(array.cdata_shape)
    if n_missing:
        raise ValueError(
            f"{path} is not complete ({n_missing} of {n_chunks} chunks are missing): call "
            "write_store with the same arguments again"
        )
    return array


class StoredTrajectories(Windows):
    """Trajectories of a store as the items of a training, read when asked for.

    Item i is the beginning of trajectory i of the store, which is gone through again when the items
    are more; `stages` are as for `datasets.FreshTrajectories`. Labels are the state of the first
    frame. A store that is missing, incomplete or too short is a `ValueError`.
    """

    def __init__(self, path, stages):
        super().__init__(stages)
        self.path, self._array = Path(path), None
        self.n_trajectories, available, _ = complete(path).shape
        if max(n_frames for n_frames, _ in self.stages) > available:
            raise ValueError(
                f"stages must be pairs (n_frames, n_items) of at most {available} frames; got "
                f"{list(stages)}"
            )

    def __getstate__(self):
        return self.__dict__ | {"_array": None}  # each process opens the store for itself

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
        return self.n_frames(item), item % self.n_trajectories - position

    def _read(self, first, last, n_frames):
        trajectories = _read(self._array, first, last, 0, n_frames)
        labels = assign_states(trajectories[:, 0])
        return [as_item(*pair) for pair in zip(trajectories, labels, strict=True)]


def command_parser():
    """Parser of the command line."""
    parser = argparse.ArgumentParser(
        prog="python -m mb_support.datasets.store",
        description="Simulate trajectories into a zarr store, or what is missing of it.",
    )
    parser.add_argument("path", type=Path, help="the store, a folder")
    parser.add_argument("--n", type=int, required=True, help="number of trajectories")
    parser.add_argument(
        "--regime",
        default="metastable",
        choices=sorted(REGIMES),
        help="what the trajectories are of (default: metastable)",
    )
    parser.add_argument(
        "--n-frames", type=int, help="of each; by default as many as the regime has"
    )
    parser.add_argument("--seed", type=int, default=1, help="of starts and noise (default: 1)")
    parser.add_argument("--workers", type=int, help="threads; by default all processors")
    parser.add_argument("--scheduler", help="address of a Dask scheduler to compute on")
    return parser


def main(arguments=None):
    """Command line: write a set of trajectories, or what is missing of it."""
    parser = command_parser()
    options = parser.parse_args(arguments)
    config = REGIMES[options.regime]
    try:
        if options.n_frames is not None:
            config = replace(config, n_frames=options.n_frames)
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
