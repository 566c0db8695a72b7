"""Every training of the book: made one after the other or side by side, resumable, and compared."""

import os
import shutil
import signal
import subprocess
import sys
import time
from dataclasses import replace

import numpy as np

from ..files import paths
from ..files.results import write_json
from ..files.whole_folders import replace_folder
from ..model.checkpoints import read_record
from ..model.settings import SIZES
from .recipes import N_SEEDS, TrainingConfig, trainings


def finished(name):
    """Whether a training of the book is done with its present settings."""
    folder = paths.TRAININGS / name / "model"
    if not (folder / "training.json").exists():
        return False
    done = TrainingConfig.from_dict(read_record(folder)["config"])
    wanted = trainings()[name]
    return replace(done, save_every=wanted.save_every) == wanted  # saving changes no result


def make_all(n_jobs=1, minutes=None, threads=None):
    """Make every training that is not finished, and choose the checkpoints.

    `n_jobs` processes run at a time. After some `minutes`, at SIGTERM or Ctrl-C, all are asked to
    stop, and the next call goes on with them. The exit status: 0 if all are finished, 143 (130 at
    Ctrl-C) if not, 1 if one failed.
    """
    asked = []
    numbers = (signal.SIGTERM, signal.SIGINT)
    before = {n: signal.signal(n, lambda number, frame: asked.append(number)) for n in numbers}
    try:
        return _make_all(n_jobs, minutes, threads, asked)
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _make_all(n_jobs, minutes, threads, asked):
    end = time.monotonic() + 60 * minutes if minutes else np.inf
    waiting, running, failed = [n for n in trainings() if not finished(n)], {}, []
    while (waiting or running) and time.monotonic() < end and not asked:
        while waiting and len(running) < n_jobs:
            name = waiting.pop(0)
            running[name] = _start(name, threads)
        for name, process in list(running.items()):
            if process.poll() is not None and not asked:  # Ctrl-C reaches them, too
                del running[name]
                print(f"{name}: {'done' if process.returncode == 0 else 'failed'}", flush=True)
                if process.returncode:
                    failed.append(name)
        time.sleep(0.2)
    for process in running.values():
        process.send_signal(signal.SIGTERM)
    for process in running.values():
        process.wait()
    if asked:
        print(f"stopped: {', '.join(running)}; start again to go on", file=sys.stderr)
    keep_records()
    choose_checkpoints()
    if failed:
        print(f"failed: {', '.join(failed)}; see log.txt in {paths.TRAININGS}", file=sys.stderr)
        return 1
    if waiting or running:
        return 128 + (asked[0] if asked else signal.SIGTERM)
    return 0


def _start(name, threads):
    folder = paths.TRAININGS / name
    folder.mkdir(parents=True, exist_ok=True)
    command = [sys.executable, "-m", "mb_support.training", "--name", name]
    if threads:
        command += ["--threads", str(threads)]
    environment = os.environ | ({"NUMBA_NUM_THREADS": str(threads)} if threads else {})
    with open(folder / "log.txt", "a") as log:
        return subprocess.Popen(command, stdout=log, stderr=log, env=environment)


def keep_records():
    """Copy the records of finished trainings to ``results/trainings``."""
    for name in trainings():
        if finished(name):
            record = read_record(paths.TRAININGS / name / "model")
            write_json(paths.RESULTS / "trainings" / f"{name}.json", record, indent=None)


def median_seed(size):
    """The finished training of a size with the median validation accuracy (the lower of two)."""
    names = [f"{size}-{seed}" for seed in range(N_SEEDS[size])]
    names = [name for name in names if finished(name)]
    if not names:
        return None
    records = {n: read_record(paths.TRAININGS / n / "model") for n in names}
    accuracies = {n: record["curve"][-1]["eval_accuracy"] for n, record in records.items()}
    return sorted(names, key=accuracies.get)[(len(names) - 1) // 2]


def choose_checkpoints():
    """Copy the median training of each size, of those finished, into ``checkpoints``."""
    for size in SIZES:
        name = median_seed(size)
        if name is not None:
            with replace_folder(paths.CHECKPOINTS / size) as fresh:
                shutil.copytree(paths.TRAININGS / name / "model", fresh, dirs_exist_ok=True)
            print(f"checkpoints/{size}: {name}", flush=True)
