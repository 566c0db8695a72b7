"""Reading what `cv_study` kept, as tables, and repeating a part of it on fresh trajectories."""

import json

import numpy as np
import pandas as pd

from . import paths
from .collective_variable import (
    committor_scores,
    cut_windows,
    encode_frames,
    pick_frames,
    place_in_windows,
)
from .inference import checkpoint_sizes, load_checkpoint, weights_digest
from .readouts import LinearProbe

FOLDER = paths.RESULTS / "collective_variable"
#: Methods that are told nothing but trajectories, and controls that are told the committor.
BASELINES = ("PCA", "TICA", "VAMPNet", "Markov model")
REGIONS = ("boltzmann", "transition", "even")


def load(part, folder=FOLDER):
    """The kept results of a part of `cv_study`.

    Parameters
    ----------
    part : str
        "baselines", a size, or "untrained_" and a size.
    folder : Path

    Raises
    ------
    ValueError
        If there are none.
    """
    path = folder / f"{part}.json"
    if not path.exists():
        raise ValueError(
            f"no results of {part!r} in {folder}: run python -m mb_support.cv_study {part}"
        )
    return json.loads(path.read_text())


def kept_sizes(sizes, folder=FOLDER, checkpoints=paths.CHECKPOINTS):
    """Those of `sizes` that have a checkpoint, and kept results of its weights.

    Parameters
    ----------
    sizes : sequence of str
    folder, checkpoints : Path
        Where results and checkpoints lie.

    Returns
    -------
    list of str

    Raises
    ------
    ValueError
        If there is none: results of other weights are not used.
    """
    found = []
    for size in sizes:
        if size in checkpoint_sizes(checkpoints) and (folder / f"{size}.json").exists():
            kept = load(size, folder)["weights"]
            if kept == weights_digest(load_checkpoint(size, checkpoints)):
                found.append(size)
    if not found:
        raise ValueError(
            f"no results in {folder} are of the weights in {checkpoints} for any of "
            f"{list(sizes)}: run python -m mb_support.cv_study"
        )
    return found


def kept_untrained(sizes, folder=FOLDER):
    """Records of untrained models of `sizes`, {size: record}, where they were made."""
    parts = {size: f"untrained_{size}" for size in sizes}
    return {
        size: load(part, folder)
        for size, part in parts.items()
        if (folder / f"{part}.json").exists()
    }


def kept_probe(record):
    """The `LinearProbe` on all layers that a size's record holds."""
    return LinearProbe(np.array(record["probe"]["weights"]), record["probe"]["intercept"])


def report_rows(baselines, models, untrained=None):
    """Reports of all methods by what they see.

    Parameters
    ----------
    baselines : dict
        Record of the part "baselines".
    models, untrained : dict of str to dict
        Records of sizes.

    Returns
    -------
    dict of (str, str) to dict
        By view ("standardised" or "raw") and method.
    """
    rows = {}
    for size, record in models.items():
        main = record["all"][_longest(record)]
        rows["standardised", f"encodings, {size}"] = main | {"vamp2": record["vamp2"]["across"]}
    for size, record in (untrained or {}).items():
        rows["standardised", f"untrained, {size}"] = record["all"][_longest(record)]
    for name, report in baselines["views"]["standardised"].items():
        rows["standardised", name] = report
    for size, record in models.items():
        rows["raw", f"encodings and x, y, {size}"] = record["all and position"]
    for size, record in (untrained or {}).items():
        rows["raw", f"untrained and x, y, {size}"] = record["all and position"]
    for name, report in baselines["views"]["raw"].items():
        rows["raw", name] = report
    return rows


def _longest(record):
    return max(record["all"], key=int)


def score_table(rows):
    """Errors and rank correlations as a table.

    Parameters
    ----------
    rows : dict
        From `report_rows`.

    Returns
    -------
    pandas.DataFrame
        Index (view, method); columns named "<region> <measure>" and "vamp2".
    """
    table = {}
    for key, report in rows.items():
        entry = {
            f"{region} {measure}": report["scores"][region][measure][0]
            for region in ("boltzmann", "transition")
            for measure in ("rmse", "mae", "spearman")
        }
        entry["even rmse"] = report["scores"]["even"]["rmse"][0]
        entry["vamp2"] = report["vamp2"][0] if "vamp2" in report else np.nan
        table[key] = entry
    frame = pd.DataFrame(table).T
    frame.index.names = ["sees", "method"]
    return frame


def best_of(rows, view, names, region, measure="rmse"):
    """The method with the least error, and its score.

    Parameters
    ----------
    rows : dict
        From `report_rows`.
    view : {"standardised", "raw"}
    names : sequence of str
        Methods, or beginnings of their names.
    region : {"boltzmann", "transition", "even"}
    measure : {"rmse", "mae"}

    Returns
    -------
    str, (value, low, high)
    """
    found = {
        name: report["scores"][region][measure]
        for (seen, name), report in rows.items()
        if seen == view and name.startswith(tuple(names))
    }
    if not found:
        raise ValueError(f"no method of view {view!r} begins with one of {list(names)}")
    name = min(found, key=lambda key: found[key][0])
    return name, tuple(found[name])


def score_fresh(solver, model, record, data, seed=0):
    """Scores of a size's kept probe on trajectories that the study never saw.

    Parameters
    ----------
    solver : GridSolver
    model : TrajectoryTransformer
        With the weights of the record.
    record : dict
    data : TrajectorySet
        Trajectories as long as the record's longest window.
    seed : int
        Which frames are picked.

    Returns
    -------
    dict
        From `committor_scores`.

    Raises
    ------
    ValueError
        If the record is of other weights.
    """
    if record["weights"] != weights_digest(model):
        raise ValueError("record was made with other weights: run python -m mb_support.cv_study")
    length = int(_longest(record))
    frames = pick_frames(solver, data, seed, tuple(record["settings"]["shares"]))
    place = place_in_windows(frames, data.trajectories.shape[1], length)
    encoded = encode_frames(model, cut_windows(data.trajectories, length), *place)
    return committor_scores(kept_probe(record)(encoded.reshape(len(encoded), -1)), frames)
