"""Trajectory stores: same bytes however written, finished after a kill, bounded memory."""

import json
import multiprocessing
import subprocess
import sys
import time
from dataclasses import replace

import numpy as np
import pytest
import torch

from mb_support import REGIMES, assign_states, sample_starts, simulate
from mb_support.datasets import StoredTrajectories, TrajectorySet, store, write_store

CONFIG = replace(REGIMES["metastable"], n_frames=50, stride=5)
N, SEED = 20, 7


@pytest.fixture(scope="module")
def expected():
    return simulate(CONFIG, sample_starts(N, SEED), SEED)


@pytest.fixture(scope="module")
def stored(tmp_path_factory):
    path = tmp_path_factory.mktemp("store") / "set.zarr"
    write_store(path, CONFIG, N, SEED, chunks=(6, 50))
    return path


def chunk_files(path):
    return {
        p.relative_to(path): p.read_bytes() for p in sorted((path / "c").rglob("*")) if p.is_file()
    }


@pytest.mark.parametrize("chunks", [(20, 50), (6, 50), (7, 13), (1, 1000), (100, 1)])
def test_the_values_do_not_depend_on_the_chunks(tmp_path, expected, chunks):
    array = write_store(tmp_path / "set", CONFIG, N, SEED, chunks=chunks)
    np.testing.assert_array_equal(array[:], expected)


@pytest.mark.parametrize(
    "change",
    [
        {"precision": "float64"},
        {"integrator": "leimkuhler_matthews"},
        {"integrator": "underdamped", "friction": 10.0},
    ],
    ids=lambda change: next(iter(change.values())),
)
def test_chunks_along_time_join_for_every_integrator(tmp_path, change):
    config = replace(CONFIG, **change)
    array = write_store(tmp_path / "set", config, 6, SEED, chunks=(4, 20))
    expected = simulate(config, sample_starts(6, SEED), SEED)
    np.testing.assert_array_equal(array[:], expected)
    # and again after chunks in the middle and at the end were lost
    (tmp_path / "set/c/0/1/0").unlink()
    (tmp_path / "set/c/1/2/0").unlink()
    write_store(tmp_path / "set", config, 6, SEED)
    np.testing.assert_array_equal(array[:], expected)


def test_the_number_of_workers_does_not_change_a_byte(tmp_path, stored):
    write_store(tmp_path / "set", CONFIG, N, SEED, chunks=(6, 50), n_workers=3)
    assert chunk_files(tmp_path / "set") == chunk_files(stored)


def test_a_cluster_writes_the_same_bytes(tmp_path, stored):
    distributed = pytest.importorskip("distributed")
    with distributed.LocalCluster(
        n_workers=2, threads_per_worker=1, processes=False, dashboard_address=None,
        protocol="tcp://", host="127.0.0.1",
    ) as cluster:  # fmt: skip
        write_store(
            tmp_path / "set", CONFIG, N, SEED, chunks=(6, 50), scheduler=cluster.scheduler_address
        )
    assert chunk_files(tmp_path / "set") == chunk_files(stored)


LONG = replace(CONFIG, n_frames=400, stride=50)


@pytest.mark.slow
def test_a_killed_writer_is_gone_on_from_to_the_same_bytes(tmp_path):
    write_store(tmp_path / "whole", LONG, 300, SEED, chunks=(20, 100))
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["mb_support.datasets.store"])
    for n_wanted in (5, 20):  # kill twice, each time in the midst of it
        writer = context.Process(
            target=write_store, args=(tmp_path / "set", LONG, 300, SEED, (20, 100), 1)
        )
        writer.start()
        deadline = time.monotonic() + 60
        while len(list((tmp_path / "set").rglob("c/*/*/0"))) < n_wanted:
            assert time.monotonic() < deadline and writer.is_alive()
        writer.kill()
        writer.join()
    n_left = sum(1 for _ in store._missing(store._open(tmp_path / "set")))
    assert n_left > 0
    write_store(tmp_path / "set", LONG, 300, SEED)
    assert chunk_files(tmp_path / "set").keys() >= chunk_files(tmp_path / "whole").keys()
    for name, content in chunk_files(tmp_path / "whole").items():
        assert (tmp_path / "set" / name).read_bytes() == content


LIMITED = """
import json, resource, sys
import torch
from torch.utils.data import DataLoader
from mb_support import REGIMES, TrajectoryConfig, TrajectoryTransformer
from mb_support.datasets.store import StoredTrajectories, write_store
from dataclasses import replace

path, spare = sys.argv[1], int(sys.argv[2])
config = replace(REGIMES["metastable"], n_frames=1000, stride=1)
model = TrajectoryTransformer(TrajectoryConfig(hidden_size=4, num_hidden_layers=1,
    num_attention_heads=2, intermediate_size=8, attn_implementation="cpu_fused",
    attention_probs_dropout_prob=0.0))
optimizer = torch.optim.SGD(model.parameters(), lr=1e-3)

def train(path, stages, every):
    batches = DataLoader(StoredTrajectories(path, stages), batch_size=32)
    for number, batch in enumerate(batches):
        if number % every == 0:  # all is read, some is learnt from
            model(**batch).loss.backward()
            optimizer.step()
            optimizer.zero_grad()

write_store(path + ".warm", config, 512, 1, n_workers=2)
train(path + ".warm", [(1000, 512)], 8)
status = dict(line.split(":", 1) for line in open("/proc/self/status"))
limit = int(status["VmData"].split()[0]) * 1024 + spare
resource.setrlimit(resource.RLIMIT_DATA, (limit, limit))  # the kernel refuses more than this
peaks = []
for n in map(int, sys.argv[3:]):
    write_store(f"{path}.{n}", config, n, 1, n_workers=2)
    train(f"{path}.{n}", [(1000, n)], n // 32 // 2)
    peaks.append(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024)
print(json.dumps(peaks))
"""


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="limits memory as Linux does")
def test_memory_is_bounded_whatever_the_size_of_the_store(tmp_path):
    spare, n_small, n_large = 64 * 2**20, 2048, 24576
    assert n_large * 1000 * 8 > 2.5 * spare  # the larger store cannot be held within the limit
    done = subprocess.run(
        [sys.executable, "-c", LIMITED, tmp_path / "set", *map(str, (spare, n_small, n_large))],
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    peak_small, peak_large = json.loads(done.stdout)
    assert peak_large - peak_small < 16 * 2**20


def test_training_items_are_the_beginnings_of_stored_trajectories(stored, expected):
    items = StoredTrajectories(stored, [(10, 8), (50, 32)])
    assert len(items) == 40
    for number in (0, 5, 7, 8, 19, 20, 39):
        n_frames = 10 if number < 8 else 50
        record = items[number]
        np.testing.assert_array_equal(record["trajectories"], expected[number % N, :n_frames])
        assert record["labels"] == assign_states(expected[number % N, 0])
    batch = items.__getitems__([18, 19, 20, 21])  # over the end of the store
    np.testing.assert_array_equal(
        torch.stack([record["trajectories"] for record in batch]), expected[[18, 19, 0, 1]]
    )


def test_worker_processes_read_a_store_without_overlap_or_gap(stored, expected):
    items = StoredTrajectories(stored, [(50, N)])
    _ = items[0]  # the parent process has it open, too
    loader = torch.utils.data.DataLoader(items, batch_size=4, num_workers=2)
    read = torch.cat([batch["trajectories"] for batch in loader])
    np.testing.assert_array_equal(read, expected)


def test_an_incomplete_store_is_not_read(tmp_path):
    write_store(tmp_path / "set", CONFIG, N, SEED, chunks=(6, 50))
    (tmp_path / "set/c/2/0/0").unlink()
    with pytest.raises(ValueError, match="not complete .1 of 4 chunks"):
        StoredTrajectories(tmp_path / "set", [(10, 5)])


def test_a_damaged_chunk_is_named_and_not_learnt_from(tmp_path):
    write_store(tmp_path / "set", CONFIG, N, SEED, chunks=(6, 20))
    chunk = tmp_path / "set/c/2/1/0"
    chunk.write_bytes(b"x" * 100 + chunk.read_bytes()[100:])
    items = StoredTrajectories(tmp_path / "set", [(50, N)])
    assert len(items.__getitems__([0, 1])) == 2
    with pytest.raises(ValueError, match=r"trajectories 12 to 13 cannot .*set/c/2/1/0 \("):
        items.__getitems__([12, 13])
    (tmp_path / "set/c/2/2/0").unlink()  # what is simulated next would begin in the damaged one
    with pytest.raises(ValueError, match=r"set/c/2/1/0 \(.*delete what is named"):
        write_store(tmp_path / "set", CONFIG, N, SEED)


@pytest.mark.parametrize("n_left", [0, 1, -4, -1])
def test_a_chunk_that_was_cut_short_is_written_anew(tmp_path, stored, n_left):
    write_store(tmp_path / "set", CONFIG, N, SEED, chunks=(6, 50))
    for name in ("c/1/0/0", "c/3/0/0"):
        chunk = tmp_path / "set" / name
        chunk.write_bytes(chunk.read_bytes()[:n_left])
    with pytest.raises(ValueError, match="not complete .2 of 4 chunks"):
        StoredTrajectories(tmp_path / "set", [(10, 5)])
    write_store(tmp_path / "set", CONFIG, N, SEED)
    assert chunk_files(tmp_path / "set") == chunk_files(stored)


def test_a_store_of_another_set_is_not_overwritten(tmp_path, stored):
    before = chunk_files(stored)
    for config, n, seed in ((CONFIG, N, 8), (CONFIG, 21, SEED), (LONG, N, SEED)):
        with pytest.raises(ValueError, match="holds another set"):
            write_store(stored, config, n, seed)
    assert chunk_files(stored) == before
    (tmp_path / "thesis.tex").write_text("years of work")
    with pytest.raises(ValueError, match="is not empty"):
        write_store(tmp_path, CONFIG, N, SEED)


@pytest.mark.parametrize("n, chunks", [(0, (5, 5)), (5, (0, 5)), (5, (5, -1)), (2.5, (5, 5))])
def test_impossible_numbers_are_refused(tmp_path, n, chunks):
    with pytest.raises(ValueError, match="must be an integer of at least 1; got"):
        write_store(tmp_path / "set", CONFIG, n, SEED, chunks=chunks)


@pytest.mark.parametrize(
    "given",
    [
        {"seed": -1},
        {"seed": 1.5},
        {"seed": 2**63},
        {"config": replace(CONFIG, dt=0.01)},
        {"config": CONFIG.to_dict()},
        {"chunks": (5, 5, 2)},
        {"n_workers": 0},
    ],
    ids=str,
)
def test_a_call_that_is_refused_leaves_nothing_in_the_way_of_the_next(tmp_path, given):
    with pytest.raises(ValueError, match="must be"):
        write_store(tmp_path / "set", **{"config": CONFIG, "n_trajectories": 4, "seed": 1} | given)
    assert not (tmp_path / "set").exists()


def test_numbers_of_numpy_are_as_good_as_any(tmp_path):
    config = replace(
        CONFIG, n_frames=np.int64(20), stride=np.int32(5), dt=np.float32(1e-4), beta=np.array(0.05)
    )
    write_store(tmp_path / "set", config, np.int64(4), np.int64(SEED), chunks=np.array([2, 20]))
    again = write_store(tmp_path / "set", config, 4, SEED)
    np.testing.assert_array_equal(again[:], simulate(config, sample_starts(4, SEED), SEED))


def test_a_file_in_the_place_of_a_store_is_left_alone(tmp_path):
    (tmp_path / "set").write_text("notes")
    with pytest.raises(ValueError, match="is not empty and holds no trajectories"):
        write_store(tmp_path / "set", CONFIG, N, SEED)


def test_impossible_stages_and_paths_are_refused(tmp_path, stored):
    for stages in ([], [(51, 5)], [(1, 5)], [(10, 0)]):
        with pytest.raises(ValueError, match="stages must be pairs"):
            StoredTrajectories(stored, stages)
    with pytest.raises(ValueError, match="holds no trajectories"):
        StoredTrajectories(tmp_path, [(10, 5)])
    with pytest.raises(IndexError, match="items must lie in 0..4"):
        StoredTrajectories(stored, [(10, 5)])[5]
    (tmp_path / "zarr.json").write_text("{")
    with pytest.raises(ValueError, match="damaged"):
        StoredTrajectories(tmp_path, [(10, 5)])


def test_the_command_line_writes_a_set(tmp_path, capsys):
    path = tmp_path / "set"
    assert store.main([str(path), "--n", "3", "--n-frames", "20", "--workers", "1"]) == 0
    assert "3 trajectories of 20 frames" in capsys.readouterr().out
    assert len(StoredTrajectories(path, [(20, 3)])) == 3


def test_the_command_line_takes_the_frames_of_the_regime(tmp_path):
    for regime in ("metastable", "wild"):
        assert store.main([str(tmp_path / regime), "--n", "1", "--regime", regime]) == 0
        assert store._open(tmp_path / regime).shape[1] == REGIMES[regime].n_frames


def test_a_store_is_a_file_of_ones_own_with_its_labels(tmp_path):
    config = replace(REGIMES["wild"], n_frames=30, stride=5)
    array = write_store(tmp_path / "set", config, 8, seed=1, chunks=(4, 30))
    data = TrajectorySet.from_file(tmp_path / "set")
    np.testing.assert_array_equal(data.trajectories, array[:])
    np.testing.assert_array_equal(data.labels, assign_states(array[:, 0]))
    windows = TrajectorySet.from_file(tmp_path / "set", window=10)
    np.testing.assert_array_equal(windows.labels, assign_states(windows.trajectories[:, 0]))
    assert {0, 1} == set(windows.labels)
    (tmp_path / "set" / "c" / "1" / "0" / "0").unlink()
    with pytest.raises(ValueError, match="not complete"):
        TrajectorySet.from_file(tmp_path / "set")
