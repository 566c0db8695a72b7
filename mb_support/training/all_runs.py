"""Every training of the book: made one after the other or side by side, resumable, and compared."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from dataclasses import replace

import numpy as np

from .. import paths
from ..model import SIZES
from ..records import write_json
from .recipes import N_SEEDS, TrainingConfig, trainings


def finished(name):
    """Whether a training of the book is done with its present settings."""
    record = paths.TRAININGS / name / "model" / "training.json"
    if not record.exists():
        return False
    done = TrainingConfig.from_dict(json.loads(record.read_text())["config"])
    wanted = trainings()[name]
    return replace(done, save_every=wanted.save_every) == wanted  # saving changes no result


def make_all(n_jobs=1, minutes=None, threads=None, names=None):
    """Make every training that is not finished, keep its record, and choose the checkpoints.

    Parameters
    ----------
    n_jobs : int
        Trainings at a time, each in a process of its own.
    minutes : float, optional
        After which all are asked to stop; the next call goes on with them.
    threads : int, optional
        Of each process.
    names : sequence of str, optional
        Keys of `recipes.trainings`; by default all.

    Returns
    -------
    int
        Exit status: 0 if all are finished, 143 if time was up, 1 if one failed.
    """
    end = time.monotonic() + 60 * minutes if minutes else np.inf
    names = list(trainings()) if names is None else list(names)
    waiting, running, failed = [n for n in names if not finished(n)], {}, []
    while (waiting or running) and time.monotonic() < end:
        while waiting and len(running) < n_jobs:
            name = waiting.pop(0)
            running[name] = _start(name, threads)
        for name, process in list(running.items()):
            if process.poll() is not None:
                del running[name]
                print(f"{name}: {'done' if process.returncode == 0 else 'failed'}", flush=True)
                if process.returncode:
                    failed.append(name)
        time.sleep(0.2)
    for process in running.values():
        process.send_signal(signal.SIGTERM)
    for process in running.values():
        process.wait()
    keep_records(names)
    choose_checkpoints()
    if failed:
        print(f"failed: {', '.join(failed)}; see log.txt in {paths.TRAININGS}", file=sys.stderr)
        return 1
    return 143 if waiting or running else 0


def _start(name, threads):
    folder = paths.TRAININGS / name
    folder.mkdir(parents=True, exist_ok=True)
    command = [sys.executable, "-m", "mb_support.training", "--name", name]
    if threads:
        command += ["--threads", str(threads)]
    environment = os.environ | ({"NUMBA_NUM_THREADS": str(threads)} if threads else {})
    with open(folder / "log.txt", "a") as log:
        return subprocess.Popen(command, stdout=log, stderr=log, env=environment)


def keep_records(names):
    """Copy the records of finished trainings to ``results/trainings``."""
    for name in names:
        if finished(name):
            record = json.loads((paths.TRAININGS / name / "model" / "training.json").read_text())
            write_json(paths.RESULTS / "trainings" / f"{name}.json", record, indent=None)


def validation_accuracy(record):
    """Accuracy on the validation trajectories at the end of a training."""
    return record["curve"][-1]["eval_accuracy"]


def median_seed(size):
    """The training of a size whose final validation accuracy is the median (the lower of two).

    Returns
    -------
    str or None
        Its name; None if not all of them are finished.
    """
    names = [f"{size}-{seed}" for seed in range(N_SEEDS[size])]
    if not all(finished(name) for name in names):
        return None
    records = {n: paths.TRAININGS / n / "model" / "training.json" for n in names}
    found = {n: validation_accuracy(json.loads(p.read_text())) for n, p in records.items()}
    return sorted(names, key=found.get)[(len(names) - 1) // 2]


def choose_checkpoints():
    """Copy the median training of each size, where all are finished, into ``checkpoints``."""
    for size in SIZES:
        name = median_seed(size)
        if name is not None:
            target = paths.CHECKPOINTS / size
            shutil.rmtree(target, ignore_errors=True)
            shutil.copytree(paths.TRAININGS / name / "model", target)
            print(f"checkpoints/{size}: {name}", flush=True)
